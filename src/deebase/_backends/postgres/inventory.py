"""Reflection of a PostgreSQL schema: four queries for any number of tables, and their results as plain values."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.postgres.check_text import settled
from deebase._backends.postgres.search.search_ddl import COLUMN, VECTOR
from deebase._backends.postgres.search.search_ddl import found as search_of
from deebase._backends.protocols import Inventory, Query, Referrer, Steps
from deebase._model.design import TableSpec
from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase.errors import QueryError, SchemaError

# Partitions are used through their partitioned table, unless one is named. Objects of extensions are left out.
_LISTED = qualified("""
    SELECT c.oid, c.relname, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized' ELSE 'table' END,
           (SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
            WHERE p.polrelid = c.oid AND p.polname = 'deebase_secure' AND c.relrowsecurity AND c.relforcerowsecurity)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce($1, current_schema()) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND (NOT c.relispartition OR NOT $3::boolean AND c.relname = ANY($2))
        AND ($2::text[] IS NULL OR c.relname = ANY($2) OR $3::boolean AND EXISTS (
            SELECT FROM pg_constraint k JOIN pg_class child ON child.oid = k.conrelid
            JOIN pg_class parent ON parent.oid = k.confrelid
            WHERE k.contype = 'f' AND child.relnamespace = n.oid AND parent.relnamespace = n.oid
                AND (child.oid = c.oid AND parent.relname = ANY($2) OR parent.oid = c.oid AND child.relname = ANY($2))))
        AND NOT EXISTS (SELECT FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname
""")
_SCHEMA = qualified("SELECT FROM pg_namespace WHERE nspname = $1")
# A domain is reported as its base type; the labels are those of that type, or of its elements.
_COLUMNS = qualified("""
    WITH RECURSIVE based (domain, kind, modifier) AS (
        SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
        UNION ALL
        SELECT b.domain, t.typbasetype, t.typtypmod FROM based b JOIN pg_type t ON t.oid = b.kind WHERE t.typtype = 'd'
    )
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1,
           a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) = format('nextval(%L::regclass)',
               pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)::regclass), false),
           a.attgenerated <> '',
           CASE WHEN t.typcategory = 'A' THEN format_type(t.typelem, coalesce(b.modifier, a.atttypmod))
                WHEN b.kind IS NOT NULL THEN format_type(b.kind, b.modifier) END,
           t.typcategory = 'A' AND t.typelem <> 0,
           (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = el.oid),
           eln.nspname::text, el.typname::text
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN based b ON b.domain = a.atttypid AND EXISTS (SELECT FROM pg_type WHERE oid = b.kind AND typtype <> 'd')
    JOIN pg_type t ON t.oid = coalesce(b.kind, a.atttypid)
    LEFT JOIN pg_type el ON el.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END
    LEFT JOIN pg_namespace eln ON eln.oid = el.typnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
    WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
""")
# A key to a partitioned table has further rows, one for each partition.
_CONSTRAINTS = qualified("""
    SELECT k.conrelid, k.contype::text, k.conname::text, pg_get_constraintdef(k.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place),
           CASE WHEN f.relnamespace = c.relnamespace THEN $2::text
                WHEN fn.nspname <> current_schema() THEN fn.nspname::text END, f.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.place),
           k.confdeltype::text, k.confupdtype::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
    WHERE k.conrelid = ANY($1::oid[]) AND k.contype IN ('f', 'c')
        AND NOT EXISTS (SELECT FROM pg_constraint whole WHERE whole.oid = k.conparentid AND whole.conrelid = k.conrelid)
    ORDER BY k.conrelid, k.conkey, k.conname
""")
_INDEXES = qualified("""
    SELECT i.indrelid, x.relname::text, i.indisunique, i.indpred IS NOT NULL, pg_get_indexdef(i.indexrelid),
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u(n, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n
                 WHERE u.place <= i.indnkeyatts ORDER BY u.place),
           obj_description(i.indexrelid, 'pg_class')
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = ANY($1::oid[]) AND NOT i.indisprimary AND i.indisvalid ORDER BY i.indrelid, x.relname
""")
_NAMES = qualified("""
    SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = coalesce($1, current_schema())
""")
_KIND = qualified("""
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized' ELSE 'table' END
    FROM pg_class WHERE oid = to_regclass($1)::oid
""")
_REFERRERS = qualified("""
    SELECT c.relname::text, a.attname::text, k.conrelid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    WHERE k.contype = 'f' AND k.confrelid = to_regclass($1)::oid AND k.conrelid <> k.confrelid
        AND k.conparentid = 0
""")
_CHECKS = qualified(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass($1)::oid"
)
#: A temporary table, for which the server rewrites a condition in a comparable form.
_SCRATCH = "pg_temp.deebase_checks"
#: confdeltype and confupdtype (manual, pg_constraint).
_ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


class PostgresReflector:
    """Reads the schema of a PostgreSQL database."""

    def inventory(
        self, schema: str | None, names: Sequence[str] | None = None, *, with_related: bool = False
    ) -> Steps[Inventory]:
        """Return tables and views; see ``Reflector``."""
        listed = yield Query(_LISTED, (schema, names, with_related), reads=True)
        if schema is not None and not listed and not (yield Query(_SCHEMA, (schema,), reads=True)):
            raise SchemaError(f"schema {schema!r} does not exist", hint="schemas are listed in pg_namespace")
        oids = [row[0] for row in listed]
        columns = yield Query(_COLUMNS, (oids,), reads=True)
        constraints = yield Query(_CONSTRAINTS, (oids, schema), reads=True)
        indexes = yield Query(_INDEXES, (oids,), reads=True)
        return Inventory(_tables(schema, listed, columns, constraints, indexes))

    def relation_names(self, schema: str | None) -> Steps[set[str]]:
        """Return the names of all tables, views, indexes and sequences of a schema."""
        rows = yield Query(_NAMES, (schema,), reads=True)
        return {str(row[0]) for row in rows}

    def relation_kind(self, name: str, schema: str | None, dialect: Dialect) -> Steps[str | None]:
        quote = dialect.identifier_preparer.quote_identifier
        rows = yield Query(_KIND, (quote(name) if schema is None else f"{quote(schema)}.{quote(name)}",))
        return str(rows[0][0]) if rows else None

    def referrers(self, table: sa.Table, dialect: Dialect) -> Steps[list[Referrer]]:
        preparer = dialect.identifier_preparer
        rows = yield Query(_REFERRERS, (preparer.format_table(table),))
        return [
            Referrer(
                name,
                column,
                child,
                drop=f"ALTER TABLE {child} DROP CONSTRAINT {preparer.quote(constraint)}",
                restore=f"ALTER TABLE {child} ADD CONSTRAINT {preparer.quote(constraint)} {definition}",
            )
            for name, column, child, constraint, definition in rows
        ]

    def missing_checks(self, spec: TableSpec, dialect: Dialect) -> Steps[list[str]]:
        """Return the conditions of a specification that its table lacks, compared as the server writes them."""
        if not spec.checks:
            return []
        table = dialect.identifier_preparer.quote(spec.name)
        existing = [row[0] for row in (yield Query(_CHECKS, (table,)))]
        missing: list[str] = []
        for condition in spec.checks:
            written = yield from self._as_written(table, condition)
            if written not in existing:
                missing.append(condition)
        return missing

    def _as_written(self, table: str, condition: str) -> Steps[str | None]:
        """Return a CHECK as the server writes it; None if it uses columns that the table does not have."""
        try:
            yield Query(f"CREATE TABLE {_SCRATCH} (LIKE {table}, CHECK ({condition}))", guarded=True)
        except (QueryError, SchemaError):
            return None
        rows = yield Query(_CHECKS, (_SCRATCH,))
        yield Query(f"DROP TABLE {_SCRATCH}")
        return str(rows[0][0])

    def broken_references(self, name: str, tables: Collection[TableInfo]) -> Steps[dict[str, int]]:
        """Return nothing: the server checks references when it changes a table."""
        yield from ()
        return {}


def _tables(
    schema: str | None,
    listed: Sequence[Sequence[Any]],
    column_rows: Sequence[Sequence[Any]],
    constraint_rows: Sequence[Sequence[Any]],
    index_rows: Sequence[Sequence[Any]],
) -> list[TableInfo]:
    """Return the tables and views of a schema from the results of the queries."""
    columns, constraints, indexes = _grouped(column_rows), _grouped(constraint_rows), _grouped(index_rows)
    tables: list[TableInfo] = []
    for oid, name, kind, policy in listed:
        facts = TableInfo(
            name=name,
            schema=schema,
            kind=kind,
            columns=tuple([_column(row) for row in columns.get(oid, [])]),
            foreign_keys=tuple([_foreign_key(row) for row in constraints.get(oid, []) if row[0] == "f"]),
            indexes=tuple([_index(row) for row in indexes.get(oid, [])]),
            checks=tuple([settled(row[2]) for row in constraints.get(oid, []) if row[0] == "c"]),
            secure=_secured([row[0] for row in columns.get(oid, [])], policy),
        )
        tables.append(_searchable(facts, {row[0]: row[-1] for row in indexes.get(oid, []) if row[-1] is not None}))
    return tables


def _secured(columns: Sequence[str], policy: str | None) -> tuple[str, ...]:
    """Return the columns that the policy of a secured table compares with settings of their names."""
    found = re.findall(r"current_setting\('deebase\.(\w+)'", policy or "")
    by_setting = {name.lower(): name for name in columns}
    return tuple([by_setting[name] for name in found if name in by_setting])


def _searchable(facts: TableInfo, comments: Mapping[str, str]) -> TableInfo:
    """Return a table with its search, without the index and column of that."""
    words = next((column for column in facts.columns if (column.name, column.type) == (COLUMN, VECTOR)), None)
    for index in facts.indexes if comments else ():
        search = search_of(index.name, comments.get(index.name), index.columns, words.computed if words else None)
        if search is not None:
            hidden = words if search.search.tokenize == "words" else None
            return replace(
                facts,
                columns=tuple([column for column in facts.columns if column is not hidden]),
                indexes=tuple([one for one in facts.indexes if one is not index]),
                search=search,
            )
    return facts


def _grouped(rows: Sequence[Sequence[Any]]) -> dict[int, list[list[Any]]]:
    result: defaultdict[int, list[list[Any]]] = defaultdict(list)
    for row in rows:
        first, *rest = row
        result[first].append(rest)
    return result


def _column(row: Sequence[Any]) -> ColumnInfo:
    name, written, not_null, default, key, generated, computed, base, array, labels, schema, enum = row
    return ColumnInfo(
        name=name,
        type=written,
        not_null=not_null,
        default=None if computed or generated else default,
        key=int(key),
        generated=generated,
        computed=default if computed else None,
        labels=tuple(labels or ()),
        base=base,
        array=array,
        enum=(schema, enum) if labels else None,
    )


def _foreign_key(row: Sequence[Any]) -> ForeignKeyModel:
    _, name, _, columns, target_schema, table, targets, on_delete, on_update = row
    return ForeignKeyModel(
        name=name,
        columns=tuple(columns),
        schema=target_schema,
        table=table,
        targets=tuple(targets),
        on_delete=_ACTIONS.get(on_delete),
        on_update=_ACTIONS.get(on_update),
    )


def _index(row: Sequence[Any]) -> IndexInfo:
    name, unique, partial, sql, columns, _ = row
    return IndexInfo(name=name, columns=tuple(columns), unique=unique, partial=partial, sql=sql)
