"""Making and reading tables and views: what ``create``, ``reflect`` and ``import_file`` of a Database do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from deebase._engine.context import table_context
from deebase._model.classes import tables_of
from deebase._model.design import TableSpec, design
from deebase._schema.bind import Check, bind
from deebase._schema.create import create_tables
from deebase._schema.from_sql import create_from_sql
from deebase._schema.match import match
from deebase._schema.reflect import reflect, refresh
from deebase._schema.views import ViewMaker
from deebase._tables.accessors import Row, Tables, Views
from deebase._tables.table import Table
from deebase._tables.view import View
from deebase.errors import ValidationError
from deebase.types import must_be_flags

if TYPE_CHECKING:
    from deebase._engine.core import Core
    from deebase._files.options import Reading
    from deebase._files.reports import ImportReport
    from deebase.types import SchemaSQL

#: The options of ``create`` that ``create_all`` takes for a single class.
_OWN_OPTIONS = frozenset(
    {
        "name",
        "pk",
        "indexes",
        "foreign_keys",
        "defaults",
        "checks",
        "index_foreign_keys",
        "generate_key",
        "search",
        "secure",
    }
)

Classes = type[Any] | Iterable[type[Any]] | Mapping[type[Any], Mapping[str, Any]] | ModuleType


class IfExists(NamedTuple):
    """What ``create`` does with a table that exists; at most one of them is true."""

    if_not_exists: bool = False
    replace: bool = False
    transform: bool = False

    def check(self) -> None:
        """Refuse values that are not booleans, and more than one that is true."""
        must_be_flags(**self._asdict())
        if sum(self) > 1:
            raise ValidationError("if_not_exists, replace and transform exclude each other", hint="give one of them")


class ImportTarget(NamedTuple):
    """Where an import goes; the arguments of ``Database.import_file`` with these names."""

    table: str | None
    pk: str | Sequence[str] | None
    types: Mapping[str, Any]
    on_conflict: Literal["ignore", "update"] | None
    on: str | Sequence[str] | None
    report: Callable[[ImportReport], object] | None
    extra: Mapping[str, Any]
    alter: bool


class Definitions:
    """Makes and reads the tables and views of one Database."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._executor = core.executor
        self._catalog = core.catalog
        self.tables: Tables = Tables(core)
        self.views: Views = Views(core)

    async def create(self, made: TableSpec, if_exists: IfExists, *, strict: bool = False) -> Table[Any]:
        """Create a table and return it."""
        await self._create([made], if_exists, strict=strict)
        return self.tables[made.name]

    async def create_all(self, designs: Sequence[TableSpec], if_exists: IfExists) -> list[Table[Any]]:
        """Create tables in one transaction and return them, in the order of the designs."""
        await self._create(designs, if_exists)
        return [self.tables[made.name] for made in designs]

    async def _create(self, designs: Sequence[TableSpec], if_exists: IfExists, *, strict: bool = False) -> None:
        if_exists.check()
        must_be_flags(strict=strict)
        if if_exists.transform:
            await match(self._executor, self._catalog, designs, strict=strict)
        differing = await create_tables(
            self._executor,
            self._catalog,
            designs,
            if_not_exists=if_exists.if_not_exists or if_exists.transform,
            replace=if_exists.replace,
            strict=strict,
        )
        for made, found in differing:
            warnings.warn(
                f"table {made.name} exists and differs from {made.cls.__name__}: {'; '.join(found)}", stacklevel=3
            )

    def bind(self, designs: Sequence[TableSpec], check: Check) -> list[Table[Any]]:
        """Connect classes with registered tables and return these."""
        bind(self._core.catalog, designs, check)
        return [self.tables[made.name] for made in designs]

    async def create_from_sql(self, objects: Sequence[SchemaSQL], *, dialect: str | None, if_not_exists: bool) -> None:
        """Create objects by their SQL."""
        await create_from_sql(self._executor, self._catalog, objects, dialect=dialect, if_not_exists=if_not_exists)

    async def create_view(
        self, name: str, definition: Any, *, key: str | None, replace: bool, materialized: bool
    ) -> View[Row]:
        """Create a view and return it."""
        must_be_flags(replace=replace, materialized=materialized)
        maker = ViewMaker(self._executor, self._catalog.dialect, name)
        async with self._executor.transaction():
            await maker.create(definition, replace=replace, materialized=materialized, key=key)
            await reflect(self._executor, self._catalog, None, name)
            # Other views may use the one that was replaced.
            await refresh(self._executor, self._catalog, [name], quiet=False)
            return self.views.handle(name, key=key)

    async def reflect(self, schema: str | None) -> None:
        """Read all tables and views of a schema."""
        await reflect(self._executor, self._catalog, schema)

    async def reflect_one(self, name: str, schema: str | None) -> str:
        """Read one table or view, and return its name in ``db.t`` and ``db.v``."""
        await reflect(self._executor, self._catalog, schema, name)
        return name if schema is None else f"{schema}.{name}"

    async def import_file(self, source: Any, reading: Reading, target: ImportTarget) -> Table[Row]:
        """Import a file, or several, and return the table."""
        # Only programs that import files load zip archives and the like.
        from deebase._tables.import_file import FileImport, opened_files

        with ExitStack() as stack:
            job = FileImport(opened_files(source, reading, stack), self._executor, self._catalog, target)
            async with self._executor.transaction():
                await reflect(self._executor, self._catalog, None, job.name)
                if job.name not in self.tables:
                    return await job.into_new(lambda made: self.create(made, IfExists()))
                model = self._catalog.model(job.name)
                return await job.into_existing(table_context(self._executor, self._catalog, model, dict))


def designs_of(
    classes: Sequence[Classes],
    pk: str | Sequence[str] | None,
    options: Mapping[type[Any], Mapping[str, Any]] | None,
    localns: Mapping[str, Any],
) -> list[TableSpec]:
    """Return what ``create_all`` creates.

    Args:
        classes: as in ``create_all``.
        pk: the key of all tables.
        options: further options, by class.
        localns: the local names of the caller, for annotations.
    """
    tables = tables_of(classes)
    given: Any = options
    if given is not None and not isinstance(given, Mapping):
        raise ValidationError(
            f"options are a dict by class, not {type(given).__name__}",
            field="options",
            hint="{Post: {'pk': 'slug'}}",
        )
    own = {**{cls: some for cls, some in tables if some}, **(options or {})}
    unknown = {str(name) for each in own.values() for name in each} - _OWN_OPTIONS
    if unknown or not own.keys() <= {cls for cls, _ in tables}:
        raise ValidationError(
            f"options are by class, and take no {', '.join(sorted(unknown)) or 'class that is not created'}",
            field="options",
            hint=f"{{Post: {{'pk': 'slug'}}}}; of each class {', '.join(sorted(_OWN_OPTIONS))}",
        )
    shared: dict[str, Any] = {"name": None, "pk": pk, "localns": localns}
    return [design(cls, **{**shared, **own.get(cls, {})}) for cls, _ in tables]
