"""Creates and fills tables of a PostgreSQL database in a copy from another kind of database."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from deebase._backends.copy_forms import (
    Access,
    Batch,
    Convert,
    CopiedColumn,
    CopiedIndex,
    Form,
    Later,
    Placed,
    TablePlan,
    place_names,
)
from deebase._backends.database_defaults import ON_POSTGRES, default_of
from deebase._backends.postgres.copying.copy_source import PostgresSource, remark
from deebase._backends.postgres.copying.copy_values import array_literal, encoder, form_of, refusal, type_of
from deebase._backends.postgres.copying.expressions import Translator, default_now
from deebase._backends.postgres.features import CAPABILITIES
from deebase._model.facts import ColumnInfo
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import folded
from deebase._sqltext.type_names import type_name

#: The current time as SQLite gives it.
_NOWS = {
    "timestamp": "timezone('utc', now())",
    "text": "to_char(timezone('utc', now()), 'YYYY-MM-DD HH24:MI:SS')",
}
#: PostgreSQL before 16 has no function that tries a value.
_TYPE = "SELECT to_regtype($1) IS NOT NULL, to_regprocedure('pg_input_is_valid(text, text)') IS NOT NULL"
_VALID = "SELECT bool_and(pg_input_is_valid(v, $2)) FROM unnest($1::text[]) v"
_SEQUENCE = "SELECT setval(pg_get_serial_sequence({table}, {column}), greatest(max({name}), {last})) FROM {place}"

#: How long a COPY reads rows, far less than a statement may take.
_SECONDS = 5.0
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?")


class PostgresTarget:
    """``CopyTarget`` for PostgreSQL."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._types: dict[str, tuple[bool, bool]] = {}
        self._booleans: set[str] = set()

    # -- values --------------------------------------------------------------------------------

    async def accepts(self, form: Form, values: Sequence[str]) -> bool:
        """Return whether the type of a form exists, and takes all values."""
        native = form.native
        if native not in self._types:
            exists, tries = (await self._access.read(_TYPE, [native]))[0]
            self._types[native] = bool(exists), bool(tries)
        exists, tries = self._types[native]
        if not exists or not values:
            return exists
        texts = [array_literal(value, native) for value in values] if form.kind == "array" else list(values)
        return tries and bool((await self._access.read(_VALID, [texts, native]))[0][0])

    def refusals(self, form: Form) -> Convert | None:
        """Return what raises ValueError for a value that a column does not store."""
        return refusal(form)

    def declared(self, column: CopiedColumn, declaration: str) -> CopiedColumn:
        """Return a column that is declared in a given way, unless its values have another form."""
        form = form_of(ColumnInfo(column.name, str(type_name(declaration)), column.not_null))
        return replace(column, form=form) if form.kind == column.form.kind else column

    # -- names ---------------------------------------------------------------------------------

    def settle(self, plans: Sequence[TablePlan]) -> Placed:
        """Return the names in the target."""
        self._booleans |= {folded(one.name) for plan in plans for one in plan.columns if one.form.kind == "boolean"}
        return place_names(plans, CAPABILITIES)

    def _translator(self, plan: TablePlan | None, placed: Placed) -> Translator:
        if plan is None:
            names = {folded(table): name for table, name in placed.tables.items()}
            names |= {folded(column): name for (_, column), name in placed.columns.items()}
            return Translator(names, self._booleans)
        names = {folded(column.name): placed.column(plan.name, column.name) for column in plan.columns}
        booleans = [folded(column.name) for column in plan.columns if column.form.kind == "boolean"]
        return Translator(names, booleans)

    # -- tables --------------------------------------------------------------------------------

    def create(self, plan: TablePlan, placed: Placed) -> list[str]:
        """Return CREATE TABLE with its primary key, and the comments of columns."""
        table = identifier(placed.tables[plan.name])
        parts = [self._column(column, plan, placed) for column in plan.columns]
        if plan.key:
            keys = [identifier(placed.column(plan.name, name)) for name in plan.key]
            parts.append(f"PRIMARY KEY ({', '.join(keys)})")
        comments = [
            f"COMMENT ON COLUMN {table}.{identifier(placed.column(plan.name, column.name))} IS "
            + literal(said, POSTGRES)
            for column in plan.columns
            if (said := remark(column))
        ]
        return [f"CREATE TABLE {table} ({', '.join(parts)})", *comments]

    def _column(self, column: CopiedColumn, plan: TablePlan, placed: Placed) -> str:
        parts = [identifier(placed.column(plan.name, column.name)), type_of(column.form)]
        if column.not_null:
            parts.append("NOT NULL")
        if _is_identity(column):
            parts.append("GENERATED BY DEFAULT AS IDENTITY")
        return " ".join(parts)

    async def store(self, plan: TablePlan, placed: Placed, batches: AsyncGenerator[Batch, None]) -> None:
        """Store rows by COPY, where the server stores some while others are read."""
        encoders = [encoder(column.form) for column in plan.columns]
        names = [placed.column(plan.name, column.name) for column in plan.columns]
        has_more = True

        async def pieces() -> AsyncGenerator[bytes, None]:
            nonlocal has_more
            begun = time.monotonic()
            while time.monotonic() - begun < _SECONDS:
                batch = await anext(batches, None)
                if batch is None:
                    has_more = False
                    return
                columns = [encode.of(values) for encode, values in zip(encoders, batch, strict=True)]
                yield ("\n".join(map("\t".join, zip(*columns, strict=True))) + "\n").encode()

        while has_more:
            await self._access.copy(placed.tables[plan.name], names, pieces())

    async def rows(self, plan: TablePlan, placed: Placed) -> AsyncGenerator[Batch, None]:
        """Yield the stored rows in their forms."""
        source = PostgresSource(self._access)
        columns = [replace(column, name=placed.column(plan.name, column.name)) for column in plan.columns]
        facts = replace(plan.facts, name=placed.tables[plan.name], schema=None)
        stored = replace(plan, facts=facts, columns=tuple(columns))
        async with aclosing(source.rows(stored, stored.names)) as batches:
            async for batch in batches:
                yield batch

    async def settle_keys(self, plan: TablePlan, placed: Placed) -> None:
        """Set the sequences of generated keys to continue after the highest one."""
        table = identifier(placed.tables[plan.name])
        for column in plan.columns:
            if _is_identity(column):
                name = placed.column(plan.name, column.name)
                last = "NULL::bigint" if plan.last_key is None else str(plan.last_key)
                sql = _SEQUENCE.format(
                    table=literal(table, POSTGRES),
                    column=literal(name, POSTGRES),
                    name=identifier(name),
                    place=table,
                    last=last,
                )
                await self._access.run(f"{sql} HAVING greatest(max({identifier(name)}), {last}) > 0")

    # -- what comes after the rows -------------------------------------------------------------

    def finish(self, plan: TablePlan, placed: Placed) -> list[Later]:
        """Return the defaults, CHECKs, indexes and foreign keys."""
        translator, table = self._translator(plan, placed), identifier(placed.tables[plan.name])
        made = [
            Later(f"the default of {plan.name}.{column.name}, {column.default}", sql)
            for column in plan.columns
            if column.default is not None and (sql := self._default(column, plan, placed)) is not None
        ]
        for condition in plan.checks:
            sql = f"ALTER TABLE {table} ADD CHECK ({translator.translated(condition)})"
            remark = "is not validated, since rows of the source violate it"
            made.append(Later(f"{plan.name}: CHECK ({condition})", sql, f"{sql} NOT VALID", remark=remark))
        for index in plan.indexes:
            made.append(Later(f"{plan.name}: index {index.name}", self._index(index, plan, placed, translator)))
        return made + [self._key(key, plan, placed) for key in plan.keys]

    def _default(self, column: CopiedColumn, plan: TablePlan, placed: Placed) -> str | None:
        if _is_identity(column):
            return None
        table = identifier(placed.tables[plan.name])
        sql = str(column.default)
        made = default_of(sql, column.form.kind, ON_POSTGRES)
        if made is not None:
            value = made
        elif default_now(sql):
            value = _NOWS.get(column.form.kind, "CURRENT_TIMESTAMP")
        else:
            value = Translator({}).translated(sql)
            if column.form.kind == "boolean" and value in ("0", "1", "'0'", "'1'"):
                value = "true" if "1" in value else "false"
            elif value[:1] not in "'(" and column.form.kind in ("text", "json") and value.upper() != "NULL":
                value = literal(value, POSTGRES)
            elif column.form.kind in ("real", "decimal") and _NUMBER.fullmatch(value):
                # As create() writes it: migrations compare what the server keeps of the text.
                value = literal(value, POSTGRES)
        name = identifier(placed.column(plan.name, column.name))
        return f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value}"

    def _index(self, index: CopiedIndex, plan: TablePlan, placed: Placed, translator: Translator) -> str:
        table = identifier(placed.tables[plan.name])
        unique = "UNIQUE " if index.unique else ""
        listed = ", ".join([identifier(placed.column(plan.name, name)) for name in index.columns])
        if not index.name:
            return f"ALTER TABLE {table} ADD UNIQUE ({listed})"
        what = f"({listed})" if index.columns else translator.translated(index.sql)
        name = placed.unused(index.name)
        return f"CREATE {unique}INDEX {identifier(name)} ON {table} {what}"

    def _key(self, key: ForeignKeyModel, plan: TablePlan, placed: Placed) -> Later:
        table, parent = identifier(placed.tables[plan.name]), identifier(placed.tables.get(key.target, key.table))
        columns = [identifier(placed.column(plan.name, name)) for name in key.columns]
        targets = [identifier(placed.columns.get((key.target, name), name)) for name in key.targets]
        actions = [f" ON {when} {act}" for when, act in (("DELETE", key.on_delete), ("UPDATE", key.on_update)) if act]
        refers = f"FOREIGN KEY ({', '.join(columns)}) REFERENCES {parent} ({', '.join(targets)})"
        sql = f"ALTER TABLE {table} ADD {refers}{''.join(actions)}"
        present = " AND ".join([f"c.{name} IS NOT NULL" for name in columns])
        same = " AND ".join([f"p.{target} = c.{name}" for target, name in zip(targets, columns, strict=True)])
        offenders = (
            f"SELECT {', '.join([f'c.{name}::text' for name in columns])} FROM {table} c "
            f"WHERE {present} AND NOT EXISTS (SELECT FROM {parent} p WHERE {same})"
        )
        return Later(
            f"{plan.name}: foreign key ({', '.join(key.columns)}) to {key.target} ({', '.join(key.targets)})",
            sql,
            f"{sql} NOT VALID",
            offenders,
            "is not validated, since rows of the source violate it",
        )

    # -- statements ----------------------------------------------------------------------------

    def view(self, name: str, definition: str, placed: Placed) -> str:
        """Return CREATE VIEW."""
        return f"CREATE VIEW {identifier(name)} {self._translator(None, placed).translated(definition)}"

    def drop(self, names: Sequence[str]) -> list[str]:
        """Return one DROP TABLE for all."""
        return [f"DROP TABLE IF EXISTS {', '.join(map(identifier, names))}"] if names else []

    def before_rows(self) -> list[str]:
        """Return the settings on which the meaning of text depends."""
        return PostgresSource(self._access).prepare()


def _is_identity(column: CopiedColumn) -> bool:
    return column.is_generated and column.form.kind == "integer"
