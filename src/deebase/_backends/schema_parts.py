"""The parts of a schema besides tables, columns, keys and indexes, as migrations compare and create them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._model.facts import TableInfo
from deebase._model.table_options import SECURE

#: The kinds of objects that are compared as tables, as views, and as parts of a table.
TABLES = frozenset({"table", "virtual table", "foreign table"})
VIEWS = frozenset({"view", "materialized view"})
PARTS_OF_TABLES = frozenset({"index", "constraint", "default", "search"})


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
        tables: by qualified name.
        views: by qualified name.
        script: all objects with the SQL that creates them, tables and views included.
        canonical: whether equal tables have equal SQL, but for the order of its clauses and generated names.
    """

    tables: Mapping[str, TableParts]
    views: Mapping[str, ViewState]
    script: SchemaScript
    canonical: bool = True

    @cached_property
    def objects(self) -> Mapping[tuple[str, str], SchemaObject]:
        """The objects that are compared as SQL, by kind and name: all but tables and views, and what belongs to tables.

        What belongs to a table is one of its columns, keys, indexes or features. A table that reflection leaves out,
        such as a partition, is an object with all that belongs to it.
        """
        return {(item.kind, item.name): item for item in self.script.objects if not self._is_compared_as_table(item)}

    @cached_property
    def order(self) -> Mapping[tuple[str, str], int]:
        """The place of each object in the order of creation, by kind and name."""
        return {(item.kind, item.name): place for place, item in enumerate(self.script.objects)}

    def of_table(self, name: str) -> list[SchemaObject]:
        """Return the objects that are a part of the definition of a table, the table first."""
        return self._of_tables.get(name, [])

    @cached_property
    def _of_tables(self) -> Mapping[str, list[SchemaObject]]:
        found: defaultdict[str, list[SchemaObject]] = defaultdict(list)
        for item in self.script.objects:
            if self._is_compared_as_table(item):
                found[item.name if item.kind in TABLES else item.table or ""].append(item)
        return found

    def _is_compared_as_table(self, item: SchemaObject) -> bool:
        if item.kind in TABLES:
            return item.name in self.tables
        if item.kind in VIEWS:
            return item.name in self.views
        table = self.tables.get(item.table or "")
        if table is not None and table.facts.secure and item.kind in ("policy", "row security"):
            return item.kind != "policy" or item.name.startswith(f"{SECURE} on ")
        return item.kind in PARTS_OF_TABLES and table is not None
