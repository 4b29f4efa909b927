"""Reads the tables of a PostgreSQL database for a copy into another kind of database."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing

from deebase._backends.copy_forms import (
    Access,
    Batch,
    Convert,
    CopiedColumn,
    CopiedIndex,
    CopyTarget,
    Form,
    Skeleton,
    TablePlan,
)
from deebase._backends.database_defaults import ON_POSTGRES, common_default
from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.postgres.copying.copy_values import form_of, selected
from deebase._backends.postgres.copying.expressions import common
from deebase._model.checks import conditions
from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens

#: The settings on which the text of a value depends.
_SETTINGS = (
    "SET LOCAL DateStyle = 'ISO, MDY'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
)
_KIND = qualified("""
    SELECT c.relkind::text, n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = $1 AND n.nspname = coalesce($2, current_schema())
""")
_SCHEMAS = qualified("""
    SELECT nspname::text FROM pg_namespace n
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', current_schema()) AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
    ORDER BY 1
""")
#: What a copy has written about a column (see the target).
_COMMENTS = qualified("""
    SELECT a.attname::text, col_description(a.attrelid, a.attnum) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(quote_ident(coalesce($2, current_schema())) || '.' || quote_ident($1))::oid
        AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) LIKE 'SQLite type: %'
""")
_VIEWS = qualified("""
    SELECT c.relname::text, pg_get_viewdef(c.oid), c.relkind::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname = current_schema() AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.oid
""")
#: Kinds of objects that other databases have no counterpart of, with their names.
_OTHERS = qualified("""
    WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
    found AS (
        SELECT 'pg_trigger'::regclass AS class, t.oid FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT oid FROM mine)
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM mine)
        UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polname <> 'deebase_secure'
        UNION ALL SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND r.oid >= 16384
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
        UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
        UNION ALL SELECT 'pg_class'::regclass, c.oid FROM pg_class c
            WHERE relnamespace IN (SELECT oid FROM mine) AND (relkind = 'S' AND NOT EXISTS (
                SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
            OR relnamespace <> current_schema()::regnamespace::oid AND relkind IN ('v', 'm'))
        UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
            WHERE contype = 'x' AND connamespace IN (SELECT oid FROM mine)
    )
    SELECT i.type || ' ' || i.identity FROM found f, pg_identify_object(f.class, f.oid, 0) i
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = f.class AND d.objid = f.oid AND d.deptype = 'e')
    ORDER BY 1
""")
_ROW_SECURITY = qualified("""
    SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE relrowsecurity AND n.nspname = current_schema() AND NOT EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'deebase_secure') ORDER BY 1
""")
_MARK = "SQLite type: "
#: What stands before the style in which SQLite writes the moments of a column.
_WRITTEN = ", written as "
_ONLY_HERE = re.compile(
    r" (?:INCLUDE|WITH) \([^)]*\)| NULLS (?:NOT DISTINCT|FIRST|LAST)| (?:varchar|text|bpchar)_pattern_ops"
)
_METHOD = re.compile(r"\bUSING (\w+) ")


class PostgresSource:
    """``CopySource`` for PostgreSQL."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def schemas(self) -> list[str | None]:
        """Return the schemas that users created; None is the current one."""
        return [None, *[str(name) for (name,) in await self._access.read(_SCHEMAS, [])]]

    def prepare(self) -> list[str]:
        """Return the settings on which the text of a value depends."""
        return list(_SETTINGS)

    async def plan(self, facts: TableInfo, target: CopyTarget, *, as_text: bool) -> TablePlan:
        """Return how a table is copied: the types of its columns say it."""
        if not facts.columns:
            rows = await self._access.read(_KIND, [facts.name, facts.schema])
            return TablePlan(facts, (), notes=(f"table {rows[0][1]}.{facts.name}: it has no columns",))
        comments = await self._access.read(_COMMENTS, [facts.name, facts.schema])
        marks = {str(name): str(text).removeprefix(_MARK) for name, text in comments}
        columns = [_column(column, marks.get(column.name, "")) for column in facts.columns]
        notes = [
            f"{column.name} is {column.form}, which is copied as text"
            for column in columns
            if column.form.kind == "native"
        ]
        indexes: list[CopiedIndex] = []
        for index in facts.indexes:
            made = _index(index)
            if made is None:
                notes.append(f"index {index.name}: {index.sql}")
            else:
                indexes.append(made)
        return TablePlan(
            facts,
            tuple(columns),
            key=facts.pks,
            checks=tuple([common(condition.sql) for condition in conditions(facts, ())]),
            indexes=tuple(indexes),
            notes=tuple(notes),
        )

    async def skeleton(self, tables: Collection[str]) -> Skeleton:
        """Return the views, and the names of all objects without a counterpart."""
        views = await self._access.read(_VIEWS, [])
        left = [str(name) for (name,) in await self._access.read(_OTHERS, [])]
        left += [f"row security of {name}" for (name,) in await self._access.read(_ROW_SECURITY, [])]
        left += [f"materialized view {name}: copied as a view" for name, _, kind in views if kind == "m"]
        return Skeleton(
            tuple([(str(name), f"AS {common(str(sql).strip().removesuffix(';'))}") for name, sql, _ in views]),
            tuple(left),
        )

    async def rows(self, plan: TablePlan, names: Sequence[str]) -> AsyncGenerator[Batch, None]:
        """Yield the values of columns in their forms; rows of tables that inherit from the table are not its own."""
        forms = {column.name: column.form for column in plan.columns}
        listed = ", ".join([selected(name, forms[name]) for name in names])
        async with aclosing(
            self._access.stream(f"SELECT {listed} FROM {await self._rows_of(plan.facts.name, plan.facts.schema)}")
        ) as pieces:
            async for rows in pieces:
                if rows:
                    yield list(zip(*rows, strict=True))

    async def _rows_of(self, name: str, schema: str | None) -> str:
        rows = await self._access.read(_KIND, [name, schema])
        kind, found = rows[0]
        return f"{'' if kind == 'p' else 'ONLY '}{identifier(str(found), name)}"

    async def violations(self, facts: TableInfo, key: ForeignKeyModel) -> int:
        """Return how many rows violate a foreign key, which may be NOT VALID."""
        child, parent = await self._rows_of(facts.name, facts.schema), await self._rows_of(key.table, key.schema)
        present = " AND ".join([f"c.{identifier(name)} IS NOT NULL" for name in key.columns])
        pairs = zip(key.targets, key.columns, strict=True)
        same = " AND ".join([f"p.{identifier(target)} = c.{identifier(name)}" for target, name in pairs])
        sql = f"SELECT count(*) FROM {child} c WHERE {present} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same})"
        return int((await self._access.read(sql, []))[0][0])

    def converters(self, plan: TablePlan, names: Sequence[str]) -> list[Convert | None]:
        """Return None for each column: the SELECT converts them."""
        return [None] * len(names)

    async def total(self, plan: TablePlan) -> int:
        """Return the number of rows."""
        table = await self._rows_of(plan.facts.name, plan.facts.schema)
        rows = await self._access.read(f"SELECT count(*) FROM {table}", [])
        return int(rows[0][0])


def remark(column: CopiedColumn) -> str:
    """Return the comment of a column that a copy back to SQLite needs; "" if it needs none."""
    if not column.declared:
        return ""
    return f"{_MARK}{column.declared}{_WRITTEN if column.style else ''}{column.style}"


def _column(info: ColumnInfo, noted: str) -> CopiedColumn:
    form = form_of(info)
    declared, _, style = noted.partition(_WRITTEN)
    return CopiedColumn(
        name=info.name,
        form=form,
        not_null=info.not_null,
        labels=info.labels if form == Form("text", "enum") else (),
        declared=declared,
        style=style,
        default=None if info.default is None else common_default(info.default, ON_POSTGRES) or common(info.default),
        is_generated=info.generated,
        is_computed=info.computed is not None,
    )


def _index(index: IndexInfo) -> CopiedIndex | None:
    """Return an index in common SQL; None if it is of another method than B-tree."""
    sql = index.sql or ""
    method = _METHOD.search(sql)
    plain = tuple([name for name in index.columns if name is not None])
    if method is None or method[1] not in ("btree", "hash"):
        return None
    rest = sql[method.end() :]
    code = code_tokens(rest, POSTGRES)
    words = {token.word for token in code}
    is_plain = len(plain) == len(index.columns) and not index.partial and not words & {"DESC", "COLLATE"}
    if is_plain:
        return CopiedIndex(index.name, index.unique, "", plain)
    return CopiedIndex(index.name, index.unique, common(_ONLY_HERE.sub("", rest)), ())
