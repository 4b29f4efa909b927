"""The tables of a SQLite database, their contents, and their changes in the current transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from deebase._backends.migration_protocols import Connected
from deebase._backends.sqlite.search.search_ddl import MARK
from deebase._backends.sqlite.watch import WriteWatch
from deebase._backends.stored_tables import (
    Contents,
    Fate,
    Outcome,
    Profile,
    StoredColumn,
    StoredTable,
    UnreadableSchemaError,
    batches,
)
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal
from deebase.errors import DatabaseError, DeeBaseError

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane

_SCHEMAS = Statement("SELECT name FROM pragma_database_list WHERE name <> 'temp'", reads=True)
#: Shadow tables are a part of the virtual table that they belong to, whose module may be missing here. A search holds
#: copies of texts.
_TABLES = """
    SELECT m.name, m.rootpage, m.sql, x.name, x.type
    FROM {schema}.sqlite_master m
    JOIN pragma_table_list l ON l.schema = {text} AND l.name = m.name AND l.type IN ('table', 'virtual')
    LEFT JOIN pragma_table_xinfo(CASE WHEN m.rootpage > 0 THEN m.name END, {text}) x ON x.hidden = 0
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name <> '{ledger}'
        AND instr(m.sql, '{search}') = 0
    ORDER BY m.name, x.cid
"""
#: A number has the same text under all declared types; a blob is written as hexadecimal digits.
_TEXT = """CASE typeof({c})
    WHEN 'real' THEN CAST(CASE WHEN {c} = CAST({c} AS INTEGER) THEN CAST({c} AS INTEGER) ELSE {c} END AS TEXT)
    WHEN 'blob' THEN hex({c}) ELSE CAST({c} AS TEXT) END"""
#: present, filled, single, and the digest.
_MEASURED = """count({t}), total(length({t}) > 0), min({t}) IS max({t}), total(length({t})), total(unicode({t})),
    total(length({t}) * unicode(substr({t}, -1))), total(CAST({t} AS REAL)),
    total(CAST({t} AS REAL) * CAST({t} AS REAL))"""
_FIGURES = 8
_VERSION = Statement("PRAGMA schema_version", reads=True)
#: Makes the connection read the schema again after direct changes of the schema table.
_READ_AGAIN = Statement("PRAGMA writable_schema = RESET")


class SqliteCensus:
    """Implements ``Census``: a file has one writer at a time."""

    alone: bool = True

    def __init__(self, database: Connected, ledger: str) -> None:
        self._database = database
        self._ledger = ledger
        self._watch = WriteWatch()
        self._lane: SqliteLane | None = None
        self._before: Sequence[StoredTable] = ()

    async def begin(self) -> Sequence[StoredTable]:
        self._before = await self._tables()
        self._watch = WriteWatch()
        self._lane = await self._database.on_lane(self._install)
        return self._before

    async def _install(self, lane: SqliteLane) -> SqliteLane:
        await lane.call(self._watch.install)
        return lane

    async def _tables(self) -> Sequence[StoredTable]:
        found: list[StoredTable] = []
        for (schema,) in await self._database.fetch(_SCHEMAS, []):
            sql = _TABLES.format(
                schema=identifier(schema), text=literal(schema, SQLITE), ledger=self._ledger, search=MARK
            )
            columns: dict[tuple[str, int, str], list[StoredColumn]] = {}
            for name, root, written, column, kind in await self._database.fetch(Statement(sql, reads=True), []):
                columns.setdefault((name, root, written), [])
                if column is not None:
                    columns[name, root, written].append(StoredColumn(column, column, kind, kind.upper()))
            found += [_table(schema, *key, tuple(listed)) for key, listed in columns.items()]
        return found

    async def hold(self, tables: Sequence[StoredTable]) -> None:
        """See ``Census``."""

    async def measure(self, table: StoredTable) -> Contents:
        rows, found = 0, dict[str, Profile]()
        for columns in batches(table.columns):
            texts = ", ".join([f"{_TEXT.format(c=identifier(c.name))} AS t{n}" for n, c in enumerate(columns)])
            counted = [_MEASURED.format(t=f"t{n}") for n in range(len(columns))]
            # LIMIT keeps the planner from computing each text once per use.
            inner = f"SELECT {texts or '1'} FROM {table.source} LIMIT -1"
            sql = f"SELECT {', '.join(['count(*)', *counted])} FROM ({inner})"
            ((rows, *values),) = await self._database.fetch(Statement(sql, reads=True), [])
            for n, column in enumerate(columns):
                present, filled, single, *digest = values[_FIGURES * n : _FIGURES * (n + 1)]
                found[column.name] = Profile(present, int(filled), bool(single), tuple(digest))
        return Contents(rows, found)

    async def end(self) -> Outcome:
        now = await (self._read_again() if self._watch.schema_written else self._tables())
        by_key = {table.key: table for table in now}
        # Another table can only reuse a page after a table was dropped.
        moved = {} if self._watch.dropped else {_place(table): table for table in now if _place(table)[1]}
        fates = [self._fate(table, by_key.get(table.key) or moved.get(_place(table))) for table in self._before]
        kept = {fate.after.key for fate in fates if fate.after is not None}
        return Outcome(fates, [table for table in now if table.key not in kept])

    async def _read_again(self) -> Sequence[StoredTable]:
        try:
            # With a new version, a rollback makes the connection discard the schema that it reads next.
            ((version,),) = await self._database.fetch(_VERSION, [])
            await self._database.fetch(Statement(f"{_VERSION.sql} = {version + 1}"), [])
            await self._database.fetch(_READ_AGAIN, [])
            return await self._tables()
        except DatabaseError as error:
            raise UnreadableSchemaError from error

    def _fate(self, before: StoredTable, after: StoredTable | None) -> Fate:
        watch = self._watch
        names = {_name(table) for table in (before, after) if table is not None}
        if names & watch.altered:
            names |= self._passing_names()
        if after is not None and not (watch.dropped or watch.columns_dropped or watch.schema_written):
            after = _with_keys_of(before, after)
        changed = after is None or bool(names & (watch.written | watch.dropped)) or not self._only_grew(before, after)
        return Fate(before, after, changed=changed, deleted=bool(names & (watch.deleted | watch.dropped)))

    def _passing_names(self) -> set[tuple[str, str]]:
        """Return the names under which a renamed table may be written to before it has its final name."""
        watch = self._watch
        known = {_name(table) for table in self._before} | watch.created
        written = {name for name in watch.written | watch.dropped if not name[1].startswith("sqlite_")}
        return {name for name in written if name in watch.altered or name not in known}

    def _only_grew(self, before: StoredTable, after: StoredTable) -> bool:
        """Whether a table still has all of its columns, and perhaps more."""
        return after.storage == before.storage or (
            not self._watch.columns_dropped
            and after.key == before.key
            and not self._watch.schema_written
            and after.columns[: len(before.columns)] == before.columns
        )

    async def close(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            # On a lost connection there is nothing to uninstall.
            with contextlib.suppress(DeeBaseError):
                await run_shielded(lane.call(WriteWatch.uninstall))


def _table(schema: str, name: str, root: int, written: str, columns: tuple[StoredColumn, ...]) -> StoredTable:
    shown = name if schema == "main" else f"{schema}.{name}"
    return StoredTable(
        (schema, name, root), shown, f"{identifier(schema)}.{identifier(name)}", columns, ((root, written),)
    )


def _with_keys_of(before: StoredTable, after: StoredTable) -> StoredTable:
    """Return a table whose columns keep the keys of their positions, since none is dropped."""
    keys = [column.key for column in before.columns]
    more = [column.key for column in after.columns[len(keys) :]]
    columns = [replace(column, key=key) for column, key in zip(after.columns, [*keys, *more], strict=False)]
    return replace(after, columns=tuple(columns))


def _key(table: StoredTable) -> tuple[str, str, int]:
    return cast("tuple[str, str, int]", table.key)


def _place(table: StoredTable) -> tuple[str, int]:
    schema, _, root = _key(table)
    return schema, root


def _name(table: StoredTable) -> tuple[str, str]:
    schema, name, _ = _key(table)
    return schema, name
