"""The parts of a schema besides tables, columns, keys and indexes, as migrations compare and create them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deebase._model.facts import TableInfo


@dataclass(frozen=True)
class Feature:
    """A property of a table besides its columns, keys and indexes: a CHECK, a collation, AUTOINCREMENT.

    Attributes:
        text: identifies it: two tables share the feature if their texts are equal.
        add: the statement that adds it to an existing table; None if no statement does.
        drop: the statement that drops it; None if no statement does.
        expressible: whether a class can express it.
        column: its column, or None.
    """

    text: str
    add: str | None = None
    drop: str | None = None
    expressible: bool = False
    column: str | None = None


@dataclass(frozen=True)
class TableDdl:
    """The statements that create a table.

    Attributes:
        create: create it, with its indexes.
        constrain: add constraints after all tables exist.
        columns: the columns that ADD COLUMN accepts, as SQL.
    """

    create: tuple[str, ...]
    constrain: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())


@dataclass(frozen=True)
class ViewState:
    """A view.

    Attributes:
        name: its name.
        select: its definition; None if it is more than a SELECT.
        statements: create it, with its indexes.
        materialized: whether it stores its rows.
        key: equal for two views with the same definition.
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
        """Its kind in SQL."""
        return "MATERIALIZED VIEW" if self.materialized else "VIEW"


@dataclass(frozen=True)
class TypeState:
    """A type that the schema defines: its name, and the statements that create and drop it."""

    name: str
    sql: str
    drop: str

    @property
    def key(self) -> str:
        """Equal for two types with the same definition."""
        return self.sql


@dataclass(frozen=True)
class TriggerState:
    """A trigger: its name, its table or view, the statements that create and drop it, and a key to compare by."""

    name: str
    table: str
    sql: str
    drop: str
    key: str


@dataclass(frozen=True)
class TableParts:
    """A table with all of its parts.

    Attributes:
        facts: the table, without the indexes that belong to constraints.
        features: its other properties.
        ddl: the statements that create it.
    """

    facts: TableInfo
    features: tuple[Feature, ...]
    ddl: TableDdl


@dataclass(frozen=True)
class SchemaParts:
    """Everything in a schema except rows.

    Attributes:
        tables: by name.
        views: by name.
        triggers: by table and name.
        types: by name.
    """

    tables: Mapping[str, TableParts]
    views: Mapping[str, ViewState]
    triggers: Mapping[tuple[str, str], TriggerState]
    types: Mapping[str, TypeState] = field(default_factory=lambda: dict[str, TypeState]())
