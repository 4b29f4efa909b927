"""Creates and fills tables of a SQLite file in a copy from another kind of database."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from deebase._backends.copy_columns import ColumnConverter
from deebase._backends.copy_forms import (
    PLAIN,
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
from deebase._backends.database_defaults import ON_SQLITE, default_of
from deebase._backends.sqlite.copying.column_profiles import ARRAY, NATIVE
from deebase._backends.sqlite.copying.copy_source import SqliteSource
from deebase._backends.sqlite.copying.copy_values import own_type, reader, writer
from deebase._backends.sqlite.features import CAPABILITIES
from deebase._model.checks import by_value
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal, unquoted

_TYPES: Final = {
    "integer": "BIGINT",
    "real": "REAL",
    "decimal": "DECIMAL TEXT",
    "boolean": "BOOLEAN",
    "text": "TEXT",
    "bytes": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "DATETIME",
    "timestamptz": "DATETIME UTC TEXT",
    "interval": "DURATION REAL",
    "json": "JSON",
    "uuid": "UUID CHAR(32)",
}
_LITERAL: Final = re.compile(
    r"\(*\s*('(?:[^']|'')*'|[-+]?[\d.]+(?:[eE][-+]?\d+)?|true|false|NULL)\s*\)*", re.IGNORECASE
)
_TYPE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?")
_NOWS: Final = frozenset({"CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"})


class SqliteTarget:
    """``CopyTarget`` for SQLite."""

    def __init__(self, access: Access) -> None:
        self._access = access

    # -- values --------------------------------------------------------------------------------

    async def accepts(self, form: Form, values: Sequence[str]) -> bool:
        """Return True: a declared type may have any name."""
        return True

    def refusals(self, form: Form) -> Convert | None:
        """Return None: SQLite stores any value."""
        return None

    def declared(self, column: CopiedColumn, declaration: str) -> CopiedColumn:
        """Return a column that is declared in a given way."""
        return replace(column, declared=declaration)

    # -- tables --------------------------------------------------------------------------------

    def settle(self, plans: Sequence[TablePlan]) -> Placed:
        """Return the names in the target."""
        return place_names(plans, CAPABILITIES)

    def create(self, plan: TablePlan, placed: Placed) -> list[str]:
        """Return CREATE TABLE with all constraints."""
        rowid = _rowid_column(plan)
        parts = [self._column(column, plan, placed, rowid) for column in plan.columns]
        if plan.key and rowid is None:
            keys = [identifier(placed.column(plan.name, name)) for name in plan.key]
            parts.append(f"PRIMARY KEY ({', '.join(keys)})")
        for column in plan.columns:
            if column.labels:
                listed = ", ".join([literal(label, SQLITE) for label in column.labels])
                parts.append(f"CHECK ({identifier(placed.column(plan.name, column.name))} IN ({listed}))")
        decimals = [column.name for column in plan.columns if column.form.kind == "decimal" and not column.declared]
        parts += [f"CHECK ({by_value(condition, decimals)})" for condition in plan.checks]
        parts += [self._key(key, plan, placed) for key in plan.keys]
        # A row that refers to a table needs the unique index of that.
        indexes = [self._index(index, plan, placed) for index in plan.indexes if index.unique and index.columns]
        return [f"CREATE TABLE {identifier(placed.tables[plan.name])} ({', '.join(parts)})", *indexes]

    def _column(self, column: CopiedColumn, plan: TablePlan, placed: Placed, rowid: str | None) -> str:
        name = identifier(placed.column(plan.name, column.name))
        if column.name == rowid:
            return f"{name} INTEGER PRIMARY KEY"
        parts = [name, _declared(column)]
        if column.not_null:
            parts.append("NOT NULL")
        default = None if column.default is None else _default(column.default, column)
        if default is not None:
            parts.append(f"DEFAULT {default}")
        return " ".join(parts)

    def _key(self, key: ForeignKeyModel, plan: TablePlan, placed: Placed) -> str:
        columns = [identifier(placed.column(plan.name, name)) for name in key.columns]
        targets = [identifier(placed.columns.get((key.target, name), name)) for name in key.targets]
        actions = [f"ON {when} {act}" for when, act in (("DELETE", key.on_delete), ("UPDATE", key.on_update)) if act]
        parent = identifier(placed.tables.get(key.target, key.table))
        start = f"FOREIGN KEY ({', '.join(columns)}) REFERENCES {parent} ({', '.join(targets)})"
        return " ".join([start, *actions])

    async def store(self, plan: TablePlan, placed: Placed, batches: AsyncGenerator[Batch, None]) -> None:
        """Store rows by INSERT."""
        writes = [_writer(column) for column in plan.columns]
        names = ", ".join([identifier(placed.column(plan.name, column.name)) for column in plan.columns])
        marks = ", ".join("?" * len(writes))
        sql = f"INSERT INTO {identifier(placed.tables[plan.name])} ({names}) VALUES ({marks})"
        async for batch in batches:
            columns = [
                values if write is None else write.of(values) for write, values in zip(writes, batch, strict=True)
            ]
            await self._access.many(sql, list(zip(*columns, strict=True)))

    async def rows(self, plan: TablePlan, placed: Placed) -> AsyncGenerator[Batch, None]:
        """Yield the stored rows in their forms."""
        columns = [replace(column, name=placed.column(plan.name, column.name)) for column in plan.columns]
        facts = replace(plan.facts, name=placed.tables[plan.name], schema=None)
        stored = replace(plan, facts=facts, columns=tuple(columns))
        source = SqliteSource(self._access)
        reads = [ColumnConverter(reader(column.form), plain=PLAIN.get(column.form.kind)) for column in columns]
        async with aclosing(source.rows(stored, stored.names)) as batches:
            async for batch in batches:
                yield [read.of(values) for read, values in zip(reads, batch, strict=True)]

    async def settle_keys(self, plan: TablePlan, placed: Placed) -> None:
        """Do nothing: a generated key follows the highest one."""

    # -- what comes after the rows -------------------------------------------------------------

    def finish(self, plan: TablePlan, placed: Placed) -> list[Later]:
        """Return the indexes that no foreign key needs."""
        return [
            Later(f"{plan.name}: index {index.name}", self._index(index, plan, placed))
            for index in plan.indexes
            if not (index.unique and index.columns)
        ]

    def _index(self, index: CopiedIndex, plan: TablePlan, placed: Placed) -> str:
        unique = "UNIQUE " if index.unique else ""
        columns = ", ".join([identifier(placed.column(plan.name, name)) for name in index.columns])
        what = f"({columns})" if index.columns else index.sql
        name = placed.unused(index.name or f"ux_{plan.name}_{'_'.join(index.columns)}")
        return f"CREATE {unique}INDEX {identifier(name)} ON {identifier(placed.tables[plan.name])} {what}"

    # -- statements ----------------------------------------------------------------------------

    def view(self, name: str, definition: str, placed: Placed) -> str:
        """Return CREATE VIEW."""
        return f"CREATE VIEW {identifier(name)} {definition}"

    def drop(self, names: Sequence[str]) -> list[str]:
        """Return one DROP TABLE for each table."""
        return [*self.before_rows(), *[f"DROP TABLE IF EXISTS {identifier(name)}" for name in names]]

    def before_rows(self) -> list[str]:
        """Return the PRAGMA that defers checks of foreign keys to COMMIT."""
        return ["PRAGMA defer_foreign_keys = ON"]


def _rowid_column(plan: TablePlan) -> str | None:
    """Return the single key of integers, which is the number of a row."""
    if len(plan.key) != 1:
        return None
    column = next(column for column in plan.columns if column.name == plan.key[0])
    return column.name if column.form.kind == "integer" and not column.declared else None


def _declared(column: CopiedColumn) -> str:
    """Return the declared type of a column."""
    form = column.form
    if column.declared:
        return column.declared if _TYPE_NAME.fullmatch(column.declared) else identifier(column.declared)
    if form.kind == "array":
        return identifier(f"{ARRAY}{form.native}")
    if form.kind == "native":
        kind = own_type(form)
        return f"{form.native.upper()} TEXT" if kind is not None else identifier(f"{NATIVE}{form.native}")
    if form.kind == "text" and form.native == "character" and form.sizes:
        return identifier(f"{NATIVE}character({form.sizes[0]})")
    if form.native == "character varying" and not form.sizes:
        return "VARCHAR"
    if form.kind == "text" and form.sizes:
        return f"VARCHAR({form.sizes[0]})"
    if form.kind == "decimal" and form.sizes:
        return f"{_TYPES['decimal']}({', '.join(map(str, form.sizes))})"
    if form.kind == "integer" and form.native:
        return form.native.upper()
    return "FLOAT4" if form == Form("real", "real") else _TYPES[form.kind]


def _default(sql: str, column: CopiedColumn) -> str | None:
    """Return a default of common SQL; None for one that SQLite does not have."""
    made = None if column.style else default_of(sql, column.form.kind, ON_SQLITE)
    if made is not None:
        return made
    if sql.strip("() ").upper() in _NOWS:
        return sql.strip("() ").upper()
    found = _LITERAL.fullmatch(sql.strip())
    if found is None:
        return None
    text = found[1]
    if text.upper() == "NULL":
        return None
    if text[0] == "'" or text[0].isdigit() or text[0] in "-+.":
        return _written(text, column)
    return str(int(text.lower() == "true"))


def _written(text: str, column: CopiedColumn) -> str | None:
    """Return the literal of a value as SQLite stores it."""
    plain = unquoted(text[1:-1]) if text[0] == "'" else text
    try:
        value: Any = reader(column.form)(plain)
        write = writer(column.form, column.declared, column.style)
        stored = value if write is None else write(value)
    except ValueError:
        return None
    return literal(stored, SQLITE) if isinstance(stored, str) else str(stored)


def _writer(column: CopiedColumn) -> ColumnConverter | None:
    write = writer(column.form, column.declared, column.style)
    return None if write is None else ColumnConverter(write)
