"""A whole schema as comparisons see it: tables, views and all other objects, each with the SQL that creates it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import sqlalchemy as sa

from deebase._backends.schema_parts import SchemaParts, TableParts, ViewState
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._engine.core import core_of
from deebase._model.catalog import Catalog
from deebase._model.checks import conditions
from deebase._model.columns import ColumnSpec
from deebase._schema.reflect import inventory
from deebase._types.choices import Choice
from deebase._types.registry import is_own_type
from deebase.errors import DeeBaseError
from deebase.migrations.ledger import TABLE as LEDGER
from deebase.migrations.target import Target
from deebase.tools.codegen.class_source import TableReader
from deebase.tools.codegen.module import Outline

#: The kinds of objects that models say all of.
_OF_CLASSES = {"type", "domain", "trigger"}


@dataclass(frozen=True)
class TableState(TableParts):
    """A table with all of its parts, and the class that creates it.

    Attributes:
        catalog: all tables as models.
    """

    catalog: Catalog = field(repr=False)

    @property
    def name(self) -> str:
        """Its name, with its schema unless that is the current one."""
        return self.facts.qualified_name

    @cached_property
    def reader(self) -> TableReader:
        """Reads its class."""
        return TableReader(self.catalog.model(self.facts.name), self.facts, self.catalog.dialect)

    @cached_property
    def outline(self) -> Outline | None:
        """The class; None if no class can express the table."""
        checks = {condition.key for condition in conditions(self.facts, _choices(self.catalog, self.facts.name))}
        made = self._described
        if made is None or made.design is None or made.notes:
            return None
        return made if all(item.expressible or item.text in checks for item in self.features) else None

    @cached_property
    def specs(self) -> Mapping[str, ColumnSpec]:
        """Its columns as a class has them, where a class can have them."""
        return {spec.name: spec for spec in self._described.columns} if self._described is not None else {}

    @cached_property
    def _described(self) -> Outline | None:
        # A table with a name that no class can have is written as SQL.
        with contextlib.suppress(DeeBaseError):
            return self.reader.outline()
        return None

    def quoted(self, quote: Callable[[str], str]) -> str:
        """Return its name as it stands in SQL."""
        return ".".join([quote(part) for part in (self.facts.schema, self.facts.name) if part is not None])


@dataclass(frozen=True)
class Schema:
    """All that a database holds besides rows, without the ledger.

    Attributes:
        catalog: the tables as models.
        tables: by name.
        views: by name.
        parts: them and all other objects, as they were read.
    """

    catalog: Catalog = field(repr=False)
    tables: Mapping[str, TableState]
    views: Mapping[str, ViewState]
    parts: SchemaParts = field(repr=False)

    @property
    def objects(self) -> Mapping[tuple[str, str], SchemaObject]:
        """The objects besides tables and views, by kind and name."""
        return self.parts.objects

    @property
    def script(self) -> SchemaScript:
        """All objects with the SQL that creates them."""
        return self.parts.script

    def kinds_beyond(self, models: Schema) -> list[str]:
        """Return the kinds of objects that models do not create, since classes cannot express them.

        They are not compared with the models: a program may create its functions and policies in migrations alone.
        """
        found = {item.kind for item in self.objects.values()} - {item.kind for item in models.objects.values()}
        return sorted(found - _OF_CLASSES)

    def bare_metadata(self) -> sa.MetaData:
        """Return the tables with their columns alone, for Alembic.

        Foreign keys are compared elsewhere; those in a cycle have SQLAlchemy warn that it cannot sort the tables.
        """
        bare = sa.MetaData()
        for name in self.tables:
            columns = self.catalog.model(name).sa_table.columns
            sa.Table(name, bare, *[sa.Column(column.name, column.type) for column in columns])
        return bare

    def choices(self, table: str) -> dict[str, tuple[str, ...]]:
        """Return the columns of a table that are limited to a list of texts."""
        return _choices(self.catalog, table)


def _choices(catalog: Catalog, table: str) -> dict[str, tuple[str, ...]]:
    columns = catalog.model(table).columns
    return {name: column.sa_type.allowed for name, column in columns.items() if isinstance(column.sa_type, Choice)}


async def read(target: Target) -> Schema:
    """Read the schema of a database.

    Raises:
        DeeBaseError: the database does not answer.
    """
    catalog = Catalog(target.dialect)
    # Not reflect(), which warns of columns without a counterpart in Python: they are compared by their types.
    catalog.learn(await inventory(target.executor, None), schema=None)
    _take_types(catalog, core_of(target.db).catalog)
    found = {name: facts for name in (*catalog.names(), *catalog.names(views=True)) if (facts := catalog.facts(name))}
    tables = {name: facts for name, facts in found.items() if facts.kind == "table" and name != LEDGER}
    views = [facts for facts in found.values() if facts.kind != "table"]
    parts = await target.support.read_parts(target, tables, views, lambda table: _choices(catalog, table))
    states = {name: TableState(one.facts, one.features, one.ddl, catalog) for name, one in parts.tables.items()}
    objects = tuple([item for item in parts.script.objects if LEDGER not in (item.name, item.table)])
    script = SchemaScript(objects, parts.script.not_carried)
    return Schema(catalog, states, parts.views, replace(parts, script=script))


def _take_types(catalog: Catalog, known: Catalog) -> None:
    """Take over the types that programs define: what PostgreSQL stores does not name them."""
    for name in catalog.names():
        facts = catalog.facts(name)
        if facts is not None and name in known:
            columns = known.model(name).columns.values()
            types = {column.name: column.sa_type for column in columns if is_own_type(column.sa_type)}
            if types:
                catalog.changed(name, facts, renamed={}, types=types)
