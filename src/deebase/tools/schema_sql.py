"""The schema as SQL: the definitions of one table, and those of the whole database."""

from __future__ import annotations

from dataclasses import dataclass

from deebase._engine.core import core_of
from deebase._model.checks import conditions
from deebase._model.facts import ColumnInfo
from deebase._rows.model import ForeignKeyModel
from deebase._schema.reflect import inventory
from deebase.database import Database
from deebase.errors import TableNotFoundError
from deebase.tools.access import tools_of

__all__ = [
    "DefinedColumn",
    "DefinedIndex",
    "DefinedKey",
    "DefinedTable",
    "Definition",
    "definitions",
    "table_definition",
]


@dataclass(frozen=True)
class Definition:
    """An object of the schema.

    Attributes:
        kind: its kind in lower case: "table", "view", "index", "trigger", "check", "function".
        name: its name; "" for a check without one.
        sql: the statements that create it; of a check, its condition.
        table: the table that it belongs to, or None.
    """

    kind: str
    name: str
    sql: str
    table: str | None = None


@dataclass(frozen=True)
class DefinedColumn:
    """A column as the database declares it.

    Attributes:
        name: its name.
        type: its type in the SQL of the database; "" for none (SQLite).
        nullable: whether it may be NULL.
        default: its default as SQL, or None.
        computed: the expression of a computed column, or None.
        key: its position in the primary key from 1, otherwise 0.
        generated: whether the database generates its values.
    """

    name: str
    type: str
    nullable: bool
    default: str | None
    computed: str | None
    key: int
    generated: bool


@dataclass(frozen=True)
class DefinedIndex:
    """An index as the database declares it.

    Attributes:
        name: its name.
        columns: its columns; None in the place of an expression.
        unique: whether it is unique.
        sql: the statement that creates it, with its condition and expressions; None for that of a constraint.
    """

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    sql: str | None


@dataclass(frozen=True)
class DefinedKey:
    """A foreign key as the database declares it.

    Attributes:
        table: the table that refers.
        columns: its columns.
        target: the table that it refers to.
        targets: the columns there, in the same order.
        on_delete: "CASCADE" and so on; None for NO ACTION.
        on_update: the same for updates.
    """

    table: str
    columns: tuple[str, ...]
    target: str
    targets: tuple[str, ...]
    on_delete: str | None
    on_update: str | None


@dataclass(frozen=True)
class DefinedTable:
    """A table or view as the database declares it.

    Attributes:
        name: its name.
        kind: "table", "view" or "materialized".
        columns: in their order.
        indexes: by name, those of constraints included.
        references: the foreign keys of the table.
        referenced_by: the foreign keys of tables that refer to it, as far as ``db.t`` knows them.
        checks: the conditions of its rows.
        triggers: by name.
        sql: the statement that creates it.
    """

    name: str
    kind: str
    columns: tuple[DefinedColumn, ...]
    indexes: tuple[DefinedIndex, ...]
    references: tuple[DefinedKey, ...]
    referenced_by: tuple[DefinedKey, ...]
    checks: tuple[Definition, ...]
    triggers: tuple[Definition, ...]
    sql: str


async def table_definition(db: Database, name: str) -> DefinedTable:
    """Return a table or view as the database declares it now.

    Args:
        db: the database.
        name: of the table or view, as ``db.t`` and ``db.v`` know it.

    Raises:
        TableNotFoundError: it does not exist.

    Example:
        ```python
        for index in (await table_definition(db, "post")).indexes:
            print(index.name, index.sql)
        ```
    """
    core, tools = core_of(db), tools_of(db)
    if name not in db.t and name not in db.v:
        raise TableNotFoundError(f"table {name!r} does not exist", table_name=name, hint="db.reflect() reads it")
    model = core.catalog.model(name)
    found = await inventory(core.executor, model.sa_table.schema, [model.sa_table.name], quiet=True)
    facts = next((one for one in found if one.name == model.sa_table.name), None)
    if facts is None:
        raise TableNotFoundError(f"table {name!r} was dropped", table_name=name, hint="db.reflect() forgets it")
    quoted = core.dialect.identifier_preparer.format_table(model.sa_table)
    if facts.sql is not None:
        sql = facts.sql
    else:
        sql = db.t[name].schema if facts.kind == "table" else await tools.view_definition(model.sa_table.name)
    return DefinedTable(
        name,
        facts.kind,
        tuple([_column(column) for column in facts.columns]),
        tuple([DefinedIndex(one.name, one.columns, one.unique, one.sql) for one in facts.indexes]),
        tuple([_key(name, key) for key in facts.foreign_keys]),
        tuple(
            [
                _key(other, key)
                for other in core.catalog.names(views=False)
                for key in core.catalog.foreign_keys(core.catalog.model(other))
                if key.target == name
            ]
        ),
        tuple([Definition("check", one.name or "", one.sql, name) for one in conditions(facts, ())]),
        tuple(
            [
                Definition("trigger", trigger, text, name)
                for trigger, text in await tools.trigger_definitions(model.sa_table.name, quoted)
            ]
        ),
        sql,
    )


def _column(column: ColumnInfo) -> DefinedColumn:
    return DefinedColumn(
        column.name,
        column.type,
        not column.not_null,
        column.default,
        column.computed,
        column.key,
        column.generated,
    )


def _key(table: str, key: ForeignKeyModel) -> DefinedKey:
    return DefinedKey(table, key.columns, key.target, key.targets, key.on_delete, key.on_update)


async def definitions(db: Database) -> list[Definition]:
    """Return everything in a database except its rows, in an order in which it can be created.

    Args:
        db: the database.

    Example:
        ```python
        script = "\\n\\n".join([definition.sql for definition in await definitions(db)])
        ```
    """
    script = await tools_of(db).schema_script()
    return [
        Definition(item.kind, item.name, "\n".join([f"{sql.rstrip().rstrip(';')};" for sql in item.create]), item.table)
        for item in script.objects
    ]
