"""The schema as SQL: the definitions of one table, and those of the whole database."""

from __future__ import annotations

from dataclasses import dataclass

from deebase._engine.core import core_of
from deebase._model.checks import conditions
from deebase._schema.reflect import inventory
from deebase.database import Database
from deebase.errors import TableNotFoundError
from deebase.tools.access import tools_of

__all__ = ["DefinedColumn", "DefinedTable", "Definition", "definitions", "table_definition"]


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
class DefinedTable:
    """A table or view as the database declares it.

    Attributes:
        name: its name.
        kind: "table", "view" or "materialized".
        columns: in their order.
        indexes: by name, those of constraints included; their SQL is "" then.
        unique: the names of the indexes that are unique.
        checks: the conditions of its rows.
        triggers: by name.
        sql: the statement that creates it.
    """

    name: str
    kind: str
    columns: tuple[DefinedColumn, ...]
    indexes: tuple[Definition, ...]
    unique: frozenset[str]
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
        raise TableNotFoundError(
            f"table {name!r} does not exist", table_name=name, hint="db.reflect() finds new tables"
        )
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
        tuple(
            [
                DefinedColumn(
                    column.name,
                    column.type,
                    not column.not_null,
                    column.default,
                    column.computed,
                    column.key,
                    column.generated,
                )
                for column in facts.columns
            ]
        ),
        tuple([Definition("index", one.name, one.sql or "", name) for one in facts.indexes]),
        frozenset([one.name for one in facts.indexes if one.unique]),
        tuple([Definition("check", one.name or "", one.sql, name) for one in conditions(facts, ())]),
        tuple(
            [
                Definition("trigger", trigger, text, name)
                for trigger, text in await tools.trigger_definitions(model.sa_table.name, quoted)
            ]
        ),
        sql,
    )


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
