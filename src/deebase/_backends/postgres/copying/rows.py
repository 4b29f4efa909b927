"""The rows of all tables of a PostgreSQL database, for a copy into another one."""

from __future__ import annotations

from deebase._backends.copy_forms import Access, StoredTable
from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.postgres.copying.copy_source import PostgresSource
from deebase._backends.postgres.search.search_ddl import IS_WORDS
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier, literal

#: Tables that hold rows: partitions, not partitioned tables. Those of extensions come with them.
_TABLES = qualified(f"""
    SELECT n.nspname::text, c.relname::text, n.nspname = current_schema(), (
        SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{{}}') FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            AND NOT ({IS_WORDS})), ARRAY(
        SELECT CASE WHEN pn.nspname = current_schema() THEN '' ELSE pn.nspname || '.' END || p.relname
        FROM pg_partition_ancestors(c.oid) u JOIN pg_class p ON p.oid = u.relid
        JOIN pg_namespace pn ON pn.oid = p.relnamespace)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname
""")
#: The columns of a table, computed ones included; the words of a search are written after the rows.
_COLUMNS = qualified(f"""
    SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = to_regclass($1)::oid AND a.attnum > 0
        AND NOT a.attisdropped AND NOT ({IS_WORDS}) ORDER BY a.attnum
""")
#: A cast of a user from the row type to text would run a function.
_DIGEST = (
    "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.format('%s', t.*),"
    " 0::bigint)::numeric), 0)::text FROM (SELECT {0} FROM ONLY {1}) AS t"
)
#: Sequences, with the column that owns each: the names of those may differ in the copy.
_SEQUENCES = qualified("""
    SELECT n.nspname::text, c.relname::text, tn.nspname::text, t.relname::text, a.attname::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
    ORDER BY 1, 2
""")


class PostgresRows:
    """``RowTransfer`` for PostgreSQL."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def prepare(self) -> list[str]:
        """Return the settings on which the text of a row depends; a policy must not hide rows."""
        return [*PostgresSource(self._access).prepare(), "SET LOCAL row_security = off"]

    async def tables(self) -> list[StoredTable]:
        """Return all tables that hold rows, with their columns that are stored."""
        rows = await self._access.read(_TABLES, [])
        return [
            StoredTable(
                str(name) if is_current else f"{schema}.{name}",
                str(schema),
                str(name),
                tuple(columns),
                frozenset(whole),
            )
            for schema, name, is_current, columns, whole in rows
        ]

    def query(self, table: StoredTable) -> str:
        """Return the SELECT of the rows of a table itself."""
        listed = ", ".join(map(identifier, table.columns))
        return f"SELECT {listed} FROM ONLY {identifier(table.schema, table.table)}"

    async def digest(self, table: StoredTable) -> tuple[int, str]:
        """Return the number of rows, and a sum over them that does not depend on their order."""
        name = identifier(table.schema, table.table)
        columns = [identifier(column) for (column,) in await self._access.read(_COLUMNS, [name])]
        rows = await self._access.read(_DIGEST.format(", ".join(columns), name), [])
        return int(rows[0][0]), str(rows[0][1])

    async def sequences(self, tables: frozenset[tuple[str, str]] | None) -> list[str]:
        """Return the statements that set sequences to their values; of some tables, or all."""
        statements: list[str] = []
        for schema, name, owner_schema, owner, column in await self._access.read(_SEQUENCES, []):
            if tables is not None and (owner_schema, owner) not in tables:
                continue
            rows = await self._access.read(f"SELECT last_value, is_called FROM {identifier(schema, name)}", [])
            place = literal(identifier(schema, name), POSTGRES)
            if owner is not None:
                table = literal(identifier(owner_schema, owner), POSTGRES)
                place = f"coalesce(pg_catalog.pg_get_serial_sequence({table}, {literal(column, POSTGRES)}), {place})"
            value, called = rows[0]
            statements.append(
                f"SELECT pg_catalog.setval({place}::regclass, {value}::bigint, {'true' if called else 'false'})"
            )
        return statements
