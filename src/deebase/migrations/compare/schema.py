"""A whole schema as comparisons see it: tables, views and triggers, each with the SQL that makes it again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deebase._backends.postgres import extras as extras_postgres
from deebase._backends.postgres import user_types as types_postgres
from deebase._backends.sqlite import extras as extras_sqlite
from deebase._model.catalog import Catalog
from deebase._model.checks import conditions
from deebase._model.columns import ColumnSpec
from deebase._model.facts import TableInfo
from deebase._schema.reflect import inventory
from deebase._sql.statement import Statement
from deebase._types.choices import Choice
from deebase._types.registry import is_own_type
from deebase.errors import DeeBaseError
from deebase.migrations.ledger import TABLE as LEDGER
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.module import Outline

if TYPE_CHECKING:
    import sqlalchemy as sa

    from deebase._engine.executor import Executor
    from deebase.database import Database


@dataclass(frozen=True)
class Feature:
    """Something of a table that neither columns, keys nor indexes tell: a CHECK, a collation, AUTOINCREMENT.

    Attributes:
        text: what it is; two tables have it in common if this is the same.
        add: the statement that gives it to a table that is there, None where there is none.
        drop: the one that takes it away.
        said: whether a class says it all the same.
        column: the one it goes with.
    """

    text: str
    add: str | None = None
    drop: str | None = None
    said: bool = False
    column: str | None = None


@dataclass(frozen=True)
class TableState:
    """A table.

    Attributes:
        facts: what the database says of it.
        features: what else it has.
        ddl: the statements that make it again, with its indexes.
        late_ddl: those that come when all tables are there.
        outline: the class that makes it again; None where no class does.
        specs: its columns as a class has them, where one can have them.
        declarations: its columns in SQL, as far as ADD COLUMN takes them.
    """

    facts: TableInfo
    features: tuple[Feature, ...]
    ddl: tuple[str, ...]
    late_ddl: tuple[str, ...]
    outline: Outline | None
    specs: Mapping[str, ColumnSpec] = field(repr=False)
    declarations: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.facts.name


@dataclass(frozen=True)
class ViewState:
    """A view.

    Attributes:
        name: its name.
        select: its definition, None where it is more than a SELECT.
        statements: those that make it again, with its indexes.
        materialized: whether it keeps its rows.
        key: what two definitions of it are compared by.
    """

    name: str
    select: str | None
    statements: tuple[str, ...]
    materialized: bool
    key: str

    @property
    def sql(self) -> str:
        """All of its SQL."""
        return "\n".join(self.statements)

    @property
    def kind(self) -> str:
        """What SQL calls it."""
        return "MATERIALIZED VIEW" if self.materialized else "VIEW"


@dataclass(frozen=True)
class TypeState:
    """A type that the schema makes itself (PostgreSQL): its name, the statements that make and drop it."""

    name: str
    sql: str
    drop: str

    @property
    def key(self) -> str:
        """What two definitions of it are compared by."""
        return self.sql


@dataclass(frozen=True)
class TriggerState:
    """A trigger: its name, its table or view, the statements that make and drop it, what it is compared by."""

    name: str
    table: str
    sql: str
    drop: str
    key: str


@dataclass(frozen=True)
class Schema:
    """What a database holds besides rows, without the ledger.

    Attributes:
        dialect: "sqlite" or "postgresql".
        catalog: the tables as models.
        tables: by name.
        views: by name.
        triggers: by table and name.
        types: by name.
    """

    dialect: str
    catalog: Catalog = field(repr=False)
    tables: Mapping[str, TableState]
    views: Mapping[str, ViewState]
    triggers: Mapping[tuple[str, str], TriggerState]
    types: Mapping[str, TypeState] = field(default_factory=lambda: dict[str, TypeState]())

    def sa_metadata(self) -> sa.MetaData:
        """Return SQLAlchemy's metadata of the tables."""
        for name in self.tables:
            self.catalog.model(name)
        return self.catalog.metadata

    def choices(self, table: str) -> dict[str, tuple[str, ...]]:
        """Return the columns that are held to a list of texts."""
        return choices_of(self.catalog, table)


def choices_of(catalog: Catalog, table: str) -> dict[str, tuple[str, ...]]:
    """Return the columns of a table that are held to a list of texts."""
    columns = catalog.model(table).columns
    return {name: column.sa_type.allowed for name, column in columns.items() if isinstance(column.sa_type, Choice)}


async def read(db: Database) -> Schema:
    """Read the schema of a database.

    Raises:
        DeeBaseError: the database does not answer.
    """
    executor = db._executor  # pyright: ignore[reportPrivateUsage]
    catalog = Catalog(executor.settings.dialect)
    # Not reflect(), which warns of columns without a counterpart in Python: they are compared by their types.
    catalog.learn(await inventory(executor, None), schema=None)
    _take_types(catalog, db._catalog)  # pyright: ignore[reportPrivateUsage]
    found = {name: facts for name in (*catalog.names(), *catalog.names(views=True)) if (facts := catalog.facts(name))}
    tables = {name: facts for name, facts in found.items() if facts.kind == "table" and name != LEDGER}
    views = [facts for facts in found.values() if facts.kind != "table"]
    if executor.settings.name == "sqlite":
        return _of_sqlite(catalog, tables, views, await _rows(executor, extras_sqlite.TRIGGERS))
    return await _of_postgres(executor, catalog, tables)


def _take_types(catalog: Catalog, known: Catalog) -> None:
    """Take over the types that programs define: what PostgreSQL stores does not name them."""
    for name in catalog.names():
        facts = catalog.facts(name)
        if facts is not None and name in known:
            columns = known.model(name).columns.values()
            types = {column.name: column.sa_type for column in columns if is_own_type(column.sa_type)}
            if types:
                catalog.changed(name, facts, renamed={}, types=types)


async def _rows(executor: Executor, sql: str) -> Sequence[Sequence[object]]:
    return await executor.fetch(Statement(sql, reads=True), [])


def _of_sqlite(
    catalog: Catalog,
    tables: Mapping[str, TableInfo],
    views: Iterable[TableInfo],
    triggers: Iterable[Sequence[object]],
) -> Schema:
    states: dict[str, TableState] = {}
    for name, facts in tables.items():
        found = extras_sqlite.features(facts, choices_of(catalog, name))
        features = [Feature(text, column=column) for text, column in found]
        states[name] = _table(catalog, facts, features, extras_sqlite.ddl(facts))
    return Schema(
        "sqlite",
        catalog,
        states,
        {facts.name: ViewState(facts.name, *extras_sqlite.view(facts.sql or "")) for facts in views},
        {(str(row[1]), str(row[0])): TriggerState(*extras_sqlite.trigger(row)) for row in triggers},
    )


async def _of_postgres(executor: Executor, catalog: Catalog, tables: Mapping[str, TableInfo]) -> Schema:
    extras = extras_postgres.Extras(
        catalog.dialect,
        constraints=await _rows(executor, extras_postgres.CONSTRAINTS),
        columns=await _rows(executor, extras_postgres.COLUMNS),
    )
    states: dict[str, TableState] = {}
    for name, facts in tables.items():
        features = [Feature(*parts) for parts in extras.features(name, choices_of(catalog, name))]
        states[name] = _table(catalog, extras.without_constraints(facts), features, extras.ddl(facts))
    views = await _rows(executor, extras_postgres.VIEWS)
    triggers = await _rows(executor, extras_postgres.TRIGGERS)
    types = await _rows(executor, types_postgres.TYPES)
    return Schema(
        "postgresql",
        catalog,
        states,
        {str(row[0]): ViewState(*extras.view(row)) for row in views},
        {(str(row[1]), str(row[0])): TriggerState(*extras.trigger(row)) for row in triggers},
        {str(row[0]): TypeState(*types_postgres.made_again(catalog.dialect, row)) for row in types},
    )


def _table(
    catalog: Catalog, facts: TableInfo, features: Sequence[Feature], ddl: tuple[list[str], list[str], dict[str, str]]
) -> TableState:
    outline: Outline | None = None
    # Where a name is one that no class can have, the table is written as SQL.
    with contextlib.suppress(DeeBaseError):
        outline = TableReader(catalog.model(facts.name), facts, catalog.dialect).outline()
    checks = {condition.key for condition in conditions(facts, choices_of(catalog, facts.name))}
    unsaid = any(not feature.said and feature.text not in checks for feature in features)
    whole = outline is not None and outline.design is not None and not outline.notes and not unsaid
    specs = {spec.name: spec for spec in outline.columns} if outline is not None else {}
    return TableState(facts, tuple(features), tuple(ddl[0]), tuple(ddl[1]), outline if whole else None, specs, ddl[2])
