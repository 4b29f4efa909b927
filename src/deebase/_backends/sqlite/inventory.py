"""Reflection of a SQLite file: five queries for any number of tables, and their results as plain values."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.protocols import Inventory, Query, Referrer, Steps
from deebase._backends.sqlite.search.search_ddl import IS_SEARCH, MARK
from deebase._backends.sqlite.search.search_ddl import found as search_of
from deebase._model.checks import stored_keys, written_key
from deebase._model.design import TableSpec, conditions_of
from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._model.table_options import secured_columns
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal
from deebase._sqltext.tokens import folded
from deebase._types.forms.moment_sql import OTHER_FORMS
from deebase.errors import ConfigurationError, DatabaseError, InvalidOperationError

#: The requested names in lower case, as a JSON array; NULL for all.
_WANTED = "(?1 IS NULL OR lower(m.name) IN (SELECT value FROM json_each(?1)))"
# Shadow tables belong to virtual ones (sqlite.org/pragma.html#pragma_table_list); sqlite_% is SQLite's own.
# The tables of a search belong to the table that is searched.
LISTED = f"""
    SELECT m.name, m.type, m.sql, m.rootpage, s.sql FROM sqlite_master m
    JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main'
    LEFT JOIN (SELECT tbl_name, sql FROM sqlite_master WHERE {IS_SEARCH}) s ON s.tbl_name = m.name
    WHERE m.type IN ('table', 'view') AND l.type <> 'shadow' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND instr(m.sql, '{MARK}') = 0 AND {_WANTED} ORDER BY m.name
"""
# hidden: 1 of a virtual table, 2 and 3 computed (sqlite.org/pragma.html#pragma_table_xinfo).
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM sqlite_master m, pragma_table_xinfo(m.name, 'main') x
    WHERE {which} AND {wanted} AND m.type IN ('table', 'view') AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
#: Views and virtual tables have no pages, and may need a table or module that does not exist.
_COLUMNS_OF_TABLES = _COLUMNS.format(which="m.rootpage > 0", wanted=_WANTED)
_COLUMNS_OF_OTHERS = _COLUMNS.format(which="m.rootpage = 0", wanted=_WANTED)
_COLUMNS_OF_ONE = _COLUMNS.format(which="m.rootpage = 0", wanted="m.name = ?1")
_FOREIGN_KEYS = f"""
    SELECT m.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM sqlite_master m, pragma_foreign_key_list(m.name, 'main') f
    WHERE m.rootpage > 0 AND m.type = 'table' AND {_WANTED} ORDER BY m.name, f.id, f.seq
"""
_INDEXES = f"""
    SELECT m.name, l.name, l."unique", l.partial, i.name, s.sql, l.origin = 'pk'
    FROM sqlite_master m, pragma_index_list(m.name, 'main') l, pragma_index_xinfo(l.name, 'main') i
    LEFT JOIN sqlite_master s ON s.type = 'index' AND s.name = l.name
    WHERE m.rootpage > 0 AND m.type = 'table' AND i.key = 1 AND {_WANTED} ORDER BY m.name, l.name, i.seqno
"""
#: The tables at both ends of foreign keys from or to the requested ones.
_RELATED = f"""
    SELECT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name, 'main') f
    WHERE m.rootpage > 0 AND m.type = 'table' AND ({_WANTED}
        OR lower(f."table") IN (SELECT value FROM json_each(?1)))
"""
_KIND = "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')"
_REFERRERS = """
    SELECT m.name, f."from" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND lower(f."table") = lower(?1) AND lower(m.name) <> lower(?1)
"""
_DEFINITION = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
_COMPUTED = (2, 3)
#: The error of SQLite, or of the guard for a call that does more than read.
_UNREADABLE = (DatabaseError, InvalidOperationError)


class SqliteReflector:
    """Reads the schema of a SQLite file."""

    def inventory(
        self, schema: str | None, names: Sequence[str] | None = None, *, with_related: bool = False
    ) -> Steps[Inventory]:
        """Return tables and views; names are case-insensitive; see ``Reflector``."""
        if schema is not None:
            raise ConfigurationError(
                "SQLite has no schemas", hint="omit schema; ATTACH and db.q give access to other files"
            )
        if with_related and names is not None:
            ends = yield Query(_RELATED, (_listed(names),), reads=True)
            names = [*names, *[name for row in ends for name in row]]
        wanted = None if names is None else _listed(names)
        keys = yield Query(_FOREIGN_KEYS, (wanted,), reads=True)
        listed = yield Query(LISTED, (wanted,), reads=True)
        # A foreign key that names no columns refers to the key of its target.
        targets = None if names is None else _listed([*names, *[key[2] for key in keys]])
        columns = list((yield Query(_COLUMNS_OF_TABLES, (targets,), reads=True)))
        unreadable: list[tuple[str, str, str]] = []
        try:
            columns += yield Query(_COLUMNS_OF_OTHERS, (wanted,), reads=True, guarded=True)
        except _UNREADABLE:
            # A single query for all would fail for one view without its tables, or one virtual table of an extension.
            for name, kind, _, rootpage, _ in listed:
                if not rootpage:
                    try:
                        columns += yield Query(_COLUMNS_OF_ONE, (name,), reads=True, guarded=True)
                    except _UNREADABLE as error:
                        unreadable.append((kind, name, error.message))
        indexes = yield Query(_INDEXES, (wanted,), reads=True)
        return Inventory(_tables(listed, columns, keys, indexes), unreadable)

    def relation_names(self, schema: str | None) -> Steps[set[str]]:
        """Return the names of all tables, views and indexes."""
        rows = yield Query("SELECT name FROM sqlite_master", reads=True)
        return {str(row[0]) for row in rows}

    def relation_kind(self, name: str, schema: str | None, dialect: Dialect) -> Steps[str | None]:
        """Return "table" or "view"; None if nothing has this name."""
        rows = yield Query(_KIND, (name,))
        return str(rows[0][0]) if rows else None

    def referrers(self, table: sa.Table, dialect: Dialect) -> Steps[list[Referrer]]:
        rows = yield Query(_REFERRERS, (table.name,))
        return [Referrer(name, column, dialect.identifier_preparer.quote(name)) for name, column in rows]

    def missing_checks(self, spec: TableSpec, dialect: Dialect) -> Steps[list[str]]:
        """Return the conditions of a specification that the stored text of its table lacks."""
        if not spec.checks:
            return []
        rows = yield Query(_DEFINITION, (spec.name,), reads=True)
        stored = stored_keys(str(rows[0][0])) if rows else set[str]()
        written = zip(spec.checks, conditions_of(spec, dialect), strict=True)
        return [condition for condition, sql in written if written_key(sql) not in stored]

    def broken_references(self, name: str, tables: Collection[TableInfo]) -> Steps[dict[str, int]]:
        """Return the numbers of dangling references from and to a table, by their table."""
        result: dict[str, int] = {}
        for facts in tables:
            if any(name in (facts.name, key.table) for key in facts.foreign_keys):
                text = literal(facts.name, SQLITE)
                try:
                    rows = yield Query(
                        f"SELECT count(*) FROM pragma_foreign_key_check({text})", reads=True, guarded=True
                    )
                except DatabaseError:
                    # A foreign key whose target is not a key cannot be counted, before the change or after it.
                    continue
                result[facts.name] = int(rows[0][0])
        return result


def _listed(names: Iterable[object]) -> str:
    return json.dumps([folded(str(name)) for name in names])


def _tables(
    listed: Iterable[Sequence[Any]],
    column_rows: Iterable[Sequence[Any]],
    foreign_key_rows: Iterable[Sequence[Any]],
    index_rows: Iterable[Sequence[Any]],
) -> list[TableInfo]:
    """Return all tables and views from the results of the queries."""
    columns, foreign_keys, indexes = _grouped(column_rows), _grouped(foreign_key_rows), _grouped(index_rows)
    names = _Names(columns)
    found = {name: _indexes([row for row in rows if not row[-1]]) for name, rows in indexes.items()}
    return [
        TableInfo(
            name=name,
            schema=None,
            kind=kind,
            columns=_columns(columns[name], key_is_index=any(row[-1] for row in indexes.get(name, []))),
            foreign_keys=tuple([names.foreign_key(name, rows) for rows in _by_number(foreign_keys.get(name, []))]),
            indexes=tuple([index for index in found.get(name, ()) if not index.name.startswith(OTHER_FORMS)]),
            sql=sql,
            other_forms=tuple([index for index in found.get(name, ()) if index.name.startswith(OTHER_FORMS)]),
            search=search_of(trigger),
            secure=secured_columns(sql) if kind == "table" else (),
        )
        for name, kind, sql, _, trigger in listed
        if name in columns
    ]


def _grouped(rows: Iterable[Sequence[Any]]) -> dict[str, list[Sequence[Any]]]:
    """Return rows by their first column, without it."""
    result: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(row[1:])
    return dict(result)


def _columns(rows: Sequence[Sequence[Any]], *, key_is_index: bool) -> tuple[ColumnInfo, ...]:
    alone = sum(1 for row in rows if row[4]) == 1
    result: list[ColumnInfo] = []
    for name, written, not_null, default, key, hidden in rows:
        # sqlite.org/lang_createtable.html#rowid: only a key that is called INTEGER is the rowid, which has no index.
        generated = bool(key) and alone and written.upper() == "INTEGER" and not key_is_index
        result.append(
            ColumnInfo(
                name=name,
                type=written,
                not_null=bool(not_null) or generated,
                default=default,
                key=key,
                generated=generated,
                computed="" if hidden in _COMPUTED else None,
            )
        )
    return tuple(result)


def _by_number(rows: Sequence[Sequence[Any]]) -> list[list[Sequence[Any]]]:
    """Return the rows of each foreign key without their number; SQLite numbers them in reverse order."""
    result: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(row[1:])
    return [parts for _, parts in sorted(result.items(), reverse=True)]


class _Names:
    """The declared names of tables and columns: foreign keys may use another case."""

    def __init__(self, columns: dict[str, list[Sequence[Any]]]) -> None:
        self._tables = {name.lower(): name for name in columns}
        self._columns = {name: {str(row[0]).lower(): str(row[0]) for row in rows} for name, rows in columns.items()}
        keys = {name: sorted([row for row in rows if row[4]], key=lambda row: row[4]) for name, rows in columns.items()}
        self._keys = {name: [str(row[0]) for row in rows] for name, rows in keys.items()}

    def foreign_key(self, table: str, rows: Sequence[Sequence[Any]]) -> ForeignKeyModel:
        """Return a foreign key of a table from the rows of its columns."""
        target = str(rows[0][0])
        target = self._tables.get(target.lower(), target)
        # A foreign key without target columns refers to the key.
        targets = [str(row[2]) for row in rows if row[2] is not None] or self._keys.get(target, [])
        return ForeignKeyModel(
            name=None,
            columns=self._declared(table, [str(row[1]) for row in rows]),
            schema=None,
            table=target,
            targets=self._declared(target, targets),
            on_delete=_action(rows[0][4]),
            on_update=_action(rows[0][3]),
        )

    def _declared(self, table: str, columns: list[str]) -> tuple[str, ...]:
        known = self._columns.get(table, {})
        return tuple([known.get(column.lower(), column) for column in columns])


def _action(written: str) -> str | None:
    return None if written == "NO ACTION" else written


def _indexes(rows: Sequence[Sequence[Any]]) -> tuple[IndexInfo, ...]:
    by_name: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        by_name[row[0]].append(row[1:])
    return tuple(
        [
            IndexInfo(
                name=name,
                columns=tuple([part[2] for part in parts]),
                unique=bool(parts[0][0]),
                partial=bool(parts[0][1]),
                sql=parts[0][3],
            )
            for name, parts in sorted(by_name.items())
        ]
    )
