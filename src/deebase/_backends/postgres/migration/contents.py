"""The tables of a PostgreSQL database, their contents, and what the current transaction did to them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from deebase._backends.migration_protocols import Connected
from deebase._backends.postgres.search.search_ddl import IS_WORDS
from deebase._backends.stored_tables import Contents, Fate, Outcome, Profile, StoredColumn, StoredTable, batches
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens
from deebase.errors import TransactionError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from deebase._backends.postgres.lane import PostgresLane

# A partitioned table is one table, with the files and the counters of all its partitions. The counters are those of
# this session, so that the work of others is not in them (manual, "The Cumulative Statistics System"); TRUNCATE sets
# them to zero. Partitions that are asked for by their oid are tables of their own.
_TABLES = Statement(
    f"""
    WITH stored AS (
        SELECT c.oid, n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND (NOT c.relispartition OR c.oid = ANY ($1::oid[])) AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname <> $2
          AND has_table_privilege(c.oid, 'SELECT')
    )
    SELECT s.oid, s.nspname::text, s.relname::text, s.relkind = 'p', s.nspname = current_schema(),
           p.parts, p.files, p.inserted, p.updated, p.deleted, a.numbers, a.names, a.types, a.kinds, a.placed,
           current_setting('track_counts') = 'on'
    FROM stored s
    CROSS JOIN LATERAL (
        SELECT array_agg(f.oid ORDER BY f.oid), array_agg(f.relfilenode ORDER BY f.oid),
               sum(pg_stat_get_xact_tuples_inserted(f.oid))::int8, sum(pg_stat_get_xact_tuples_updated(f.oid))::int8,
               sum(pg_stat_get_xact_tuples_deleted(f.oid))::int8
        FROM pg_class f
        WHERE f.oid = s.oid OR s.relkind = 'p' AND f.oid IN (SELECT relid FROM pg_partition_tree(s.oid))
    ) p (parts, files, inserted, updated, deleted)
    CROSS JOIN LATERAL (
        SELECT array_agg(a.attnum ORDER BY a.attnum), array_agg(a.attname::text ORDER BY a.attnum),
               array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum),
               array_agg(t.typname::text ORDER BY a.attnum),
               array_agg(a.attname::text) FILTER (WHERE EXISTS (
                   SELECT FROM pg_partitioned_table k
                   LEFT JOIN pg_attribute b ON b.attrelid = k.partrelid AND b.attnum = ANY (k.partattrs::int2[])
                   WHERE k.partrelid = ANY (p.parts)
                     AND (b.attname = a.attname OR strpos(pg_get_expr(k.partexprs, k.partrelid), a.attname) > 0)
               ))
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            AND NOT ({IS_WORDS})
    ) a (numbers, names, types, kinds, placed)
    ORDER BY s.nspname, s.relname
    """,
    reads=True,
)
#: What a deferred constraint or trigger does at COMMIT, it does now.
_SETTLE = Statement("SET CONSTRAINTS ALL IMMEDIATE")

_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float8"})
_TIMES = frozenset({"timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "json"})


def _family(kind: str) -> str:
    families = ((_NUMBERS, "numbers"), (_TIMES, "moments"), (_TEXTS, "texts"))
    return next((family for kinds, family in families if kind in kinds), kind)


def _text_of(column: StoredColumn) -> str:
    """Return the expression of a text that stays the same when a type changes and the value does not."""
    name = identifier(column.name)
    forms = {
        "numbers": f"trim_scale({name}::numeric)::text",
        "float4": f"trim_scale({name}::float8::numeric)::text",
        # As the text of a date, which may be later than every timestamp.
        "moments": f"replace({name}::timestamp::text, ' 00:00:00', '')",
        "bool": f"{name}::int::text",
        "bytea": f"md5({name})",
    }
    return forms.get(column.family, f"{name}::text")


class PostgresCensus:
    """Implements ``Census``."""

    alone: bool = False

    def __init__(self, database: Connected, ledger: str) -> None:
        self._database = database
        self._ledger = ledger
        self._before: dict[Hashable, StoredTable] = {}
        self._counters: Mapping[Hashable, tuple[int, int, int]] = {}
        self._connection: sa.Connection | None = None

    async def begin(self) -> Sequence[StoredTable]:
        self._connection = await self._database.on_lane(_sync_connection)
        event.listen(self._connection, "before_cursor_execute", _refuse_the_end)
        rows = await self._rows([])
        self._before = {row[0]: _table(row) for row in rows}
        self._counters = _counters(rows)
        return list(self._before.values())

    async def _rows(self, partitions: Sequence[Hashable]) -> Sequence[Any]:
        return await self._database.fetch(_TABLES, [partitions, self._ledger])

    async def hold(self, tables: Sequence[StoredTable]) -> None:
        for table in tables:
            await lock_table(self._database, table.source)

    async def measure(self, table: StoredTable) -> Contents:
        rows, found = 0, dict[str, Profile]()
        for columns in batches(table.columns):
            texts = ", ".join([f'{_text_of(column)} COLLATE "C" AS t{n}' for n, column in enumerate(columns)])
            hashed = ", ".join([f"t{n}, hashtextextended(t{n}, 0) AS h{n}" for n in range(len(columns))])
            counted = [
                f"count(t{n}), count(nullif(t{n}, '')), coalesce(bit_and(h{n}) = bit_or(h{n}), true),"
                f" coalesce(sum(length(t{n})), 0), coalesce(sum(h{n}), 0)"
                for n in range(len(columns))
            ]
            # OFFSET 0 keeps the planner from computing each text and each hash once per use.
            inner = f"SELECT {texts} FROM {table.source} OFFSET 0"
            sql = f"SELECT {', '.join(['count(*)', *counted])} FROM (SELECT {hashed} FROM ({inner}) AS v OFFSET 0) AS w"
            ((rows, *values),) = await self._database.fetch(Statement(sql, reads=True), [])
            for n, column in enumerate(columns):
                present, filled, single, *digest = values[5 * n : 5 * n + 5]
                found[column.name] = Profile(present, filled, single, tuple(digest))
        return Contents(rows, found)

    async def end(self) -> Outcome:
        await self._database.fetch(_SETTLE, [])
        rows = await self._rows(list(self._before))
        now = {row[0]: _table(row) for row in rows}
        counters = _counters(rows)
        counts = all(row[-1] for row in rows)
        created = [table for key, table in now.items() if key not in self._before]
        fates = [
            self._fate(table, now.get(key), created, _less(counters.get(key), self._counters[key]), counts=counts)
            for key, table in self._before.items()
        ]
        return Outcome(fates, created)

    def _fate(
        self,
        before: StoredTable,
        after: StoredTable | None,
        created: Sequence[StoredTable],
        done: tuple[int, int, int],
        *,
        counts: bool,
    ) -> Fate:
        inserted, updated, deleted = done
        # A row that moves to another partition is deleted in one and inserted in the other.
        moved = len(before.parts) > 1 and deleted <= inserted
        written = updated > 0 or deleted > 0 or not counts
        same = after is not None and (after.storage, after.parts) == (before.storage, before.parts)
        changed = written or not same or after is None or _other_columns(before, after)
        detached = tuple([table for table in created if table.key in before.parts])
        grown = inserted - deleted if after is not None and _has_other_files(before, after) else None
        return Fate(before, after, detached, changed=changed, deleted=deleted > 0, moved=moved, grown=grown)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            event.remove(connection, "before_cursor_execute", _refuse_the_end)


async def lock_table(database: Connected, table: str) -> None:
    """Keep other sessions from writing to a table, while they can read it, until the transaction ends."""
    await database.fetch(Statement(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE", keeps_session=True), [])


async def _sync_connection(lane: PostgresLane) -> sa.Connection:
    connection = lane.connection.sync_connection
    assert connection is not None
    return connection


def _refuse_the_end(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
    """Refuse what SQLAlchemy sends to end the transaction, which is left to the code that began it."""
    words = [token.syntax for token in code_tokens(sql, POSTGRES)]
    if words[:1] in (["COMMIT"], ["END"], ["ABORT"]) or (words[:1] == ["ROLLBACK"] and "TO" not in words):
        raise TransactionError(
            "a migration cannot end its own transaction",
            hint="transactional = False is for a migration whose statements no transaction takes",
        )


def _table(row: Sequence[Any]) -> StoredTable:
    key, schema, name, partitioned, usual, parts, files, *_ = row
    columns = [
        StoredColumn(number, column, written, _family(kind))
        for number, column, written, kind in zip(*[part or () for part in row[10:14]], strict=True)
    ]
    source = f"{identifier(schema)}.{identifier(name)}"
    return StoredTable(
        key,
        name if usual else f"{schema}.{name}",
        source if partitioned else f"ONLY {source}",
        tuple(columns),
        tuple(zip(parts, files, strict=True)),
        frozenset(parts),
        frozenset(row[14] or ()),
    )


def _counters(rows: Sequence[Any]) -> Mapping[Hashable, tuple[int, int, int]]:
    return {row[0]: (row[7] or 0, row[8] or 0, row[9] or 0) for row in rows}


def _less(now: tuple[int, int, int] | None, before: tuple[int, int, int]) -> tuple[int, int, int]:
    inserted, updated, deleted = now or before
    return inserted - before[0], updated - before[1], deleted - before[2]


def _has_other_files(before: StoredTable, after: StoredTable) -> bool:
    files = dict(after.storage)
    return any(files.get(part, file) != file for part, file in before.storage)


def _other_columns(before: StoredTable, after: StoredTable) -> bool:
    now = {column.key: column.type for column in after.columns}
    return any(now.get(column.key) != column.type for column in before.columns)
