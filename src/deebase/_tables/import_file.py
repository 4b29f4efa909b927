"""``import_file``: from files to the rows of a table, which is created if it is missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement

from deebase._backends.protocols import NewColumn
from deebase._engine.context import TableContext
from deebase._engine.executor import Executor
from deebase._files.column_names import ColumnNames
from deebase._files.importing import START_ROWS, Guess, Import, Record, columns_of
from deebase._files.options import DEFAULTS, ImportOptions, Reading, checked
from deebase._files.reports import ImportedColumn, ImportReport
from deebase._model.catalog import Catalog
from deebase._model.change import column_spec
from deebase._model.columns import ColumnSpec
from deebase._model.design import TableSpec, design, is_name
from deebase._model.names import check_names
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.model import TableModel
from deebase._schema.reflect import refresh
from deebase._schema.transform import Transformation
from deebase._sql.scope import same
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.definitions import ImportTarget
from deebase._tables.table import Table
from deebase._types.base import is_a
from deebase._types.registry import column_type, named
from deebase.errors import DeeBaseError, UniqueViolationError, ValidationError
from deebase.types import UNSET, SqlExpression, Unset, UTCDateTime, must_be_flags

Row = dict[str, Any]
Create = Callable[[TableSpec], Awaitable[Table[Row]]]

_OPERATION = "import_file"
#: Types of a column ``id`` that is a key.
_KEYS = (int, str)


class Imported:
    """Stands for the class of a table whose columns come from a file."""


class Key(NamedTuple):
    """The key of a new table: its columns, of which one may be added, and why they are the key."""

    columns: tuple[str, ...]
    reason: str
    is_added: bool = False
    is_found: bool = False


def opened_files(source: Any, reading: Reading, stack: ExitStack) -> list[Import]:
    """Return the files of an import: that of a source, or of each one in a list or tuple."""
    options = checked(reading)
    sources: Sequence[Any] = source if is_a(source, (list, tuple)) else [source]
    if not sources:
        raise ValidationError("there is no file to import", field="source", hint="import_file('people.csv')")
    return [Import(each, options, stack) for each in sources]


async def import_into(
    source: TableContext, files: Any, options: ImportOptions, given: tuple[Any, Any, Any, Any, Any, Any]
) -> Table[Any]:
    """Import a file, or several, into the table of a handle, and return the handle of the table.

    Args:
        source: the table, with its scope.
        files: what to read.
        options: how.
        given: types, on_conflict, on, report, extra and alter, as in ``Table.import_file``.
    """
    types, on_conflict, on, report, extra, alter = given
    unknown = options.keys() - DEFAULTS.keys()
    if unknown:
        raise ValidationError(
            f"import_file of {source.model.name} takes no {', '.join(sorted(unknown))}",
            field=sorted(unknown)[0],
            hint=f"options are {', '.join(sorted(DEFAULTS))}",
        )
    if alter:
        source.require_unscoped("import_file(alter=True)")
    target = ImportTarget(
        source.model.name, None, types or {}, on_conflict, on, report, {} if extra is None else extra, alter
    )
    reading: Any = {**DEFAULTS, **options}
    with ExitStack() as stack:
        job = FileImport(opened_files(files, reading, stack), source.executor, source.catalog, target)
        async with source.executor.transaction():
            return await job.into_existing(source)


def _check(target: ImportTarget) -> None:
    """Refuse arguments that have no meaning."""
    if not is_a(target.types, Mapping):
        raise ValidationError("types maps columns to types", field="types", hint="types={'price': Decimal}")
    if target.report is not None and not is_a(target.report, Callable):
        raise ValidationError("report is a function of the report", field="report", hint="report=print")
    must_be_flags(alter=target.alter)
    key: Any = target.pk
    if not (key is None or isinstance(key, (str, list, tuple))):
        raise ValidationError("pk is a column or a list of columns", field="pk", value=key, hint="pk='id'")
    table: Any = target.table
    if not (table is None or is_name(table)):
        raise ValidationError("table is the name of a table", field="table", value=table, hint="table='people'")
    extra: Any = target.extra
    if not isinstance(extra, Mapping):
        raise ValidationError("extra maps columns to values", field="extra", hint="extra={'tenant_id': 1}")
    for name, value in target.extra.items():
        if isinstance(value, (ClauseElement, SqlExpression, Unset)):
            raise ValidationError(
                f"extra: {name!r} is one value for all rows, not an expression or UNSET",
                field=name,
                hint="give a value",
            )


def _annotation(name: str, value: Any) -> Any:
    """Return the type of a new column with an extra value."""
    if value is None:
        raise ValidationError(
            f"extra: NULL does not say which type the new column {name!r} has",
            field=name,
            hint=f"types={{{name!r}: int | None}}, or add the column first",
        )
    if isinstance(value, datetime) and value.tzinfo is not None:
        return UTCDateTime
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    return kind


async def _with_extra(
    records: AsyncGenerator[Record | ColumnBatch, None], model: TableModel, extra: Mapping[str, Any]
) -> AsyncGenerator[Record | ColumnBatch, None]:
    """Yield the records with extra values.

    Raises:
        ValidationError: a record has another value.
    """
    position = 0
    async for item in records:
        if isinstance(item, ColumnBatch):
            for name in extra.keys() & item.columns.keys():
                for row, value in enumerate(item.columns[name], position):
                    _must_agree(model, name, extra[name], value, row)
            columns = {**item.columns, **{name: [value] * len(item) for name, value in extra.items()}}
            yield ColumnBatch(list(columns), list(columns.values()), len(item))
            position += len(item)
            continue
        for name in extra.keys() & item.keys():
            _must_agree(model, name, extra[name], item[name], position)
        yield {**item, **extra}
        position += 1


def _must_agree(model: TableModel, name: str, extra: Any, value: Any, row: int) -> None:
    if not same(model.columns[name], extra, value):
        raise ValidationError(
            f"row {row}: {model.name}.{name}: the file has another value than extra",
            field=name,
            hint=f"leave {name} out of extra, or out of the file",
        )


class FileImport:
    """One import of files into one table, all or nothing.

    Args:
        files: the files.
        executor: sends the statements.
        catalog: the registered tables.
        target: where the rows go.
    """

    def __init__(self, files: list[Import], executor: Executor, catalog: Catalog, target: ImportTarget) -> None:
        self._files = files
        self._executor = executor
        self._catalog = catalog
        self._target = target
        self._columns: dict[str, Guess] = {}
        self._key = Key((), "the table existed")
        #: The columns that are added to a table that exists.
        self._new: tuple[str, ...] = ()
        _check(target)
        if target.table is None and len(files) > 1:
            hint = "table='people'; for a table each, import one file after the other"
            raise ValidationError("several files have no common name for a table", field="table", hint=hint)
        self.name: str = files[0].table_name if target.table is None else target.table
        self._existed = False

    async def into_new(self, create: Create) -> Table[Row]:
        """Import the files into a table that is created, and return it.

        Args:
            create: creates a table.
        """
        await self._find_encodings()
        return self._told(await self._into_new(create))

    async def into_existing(self, source: TableContext) -> Table[Any]:
        """Import the files into a table, within the scope of its handle, and return the table."""
        await self._find_encodings()
        return self._told(await self._into_existing(source))

    async def _find_encodings(self) -> None:
        for file in self._files:
            await file.find_encoding()

    def _told(self, table: Table[Any]) -> Table[Any]:
        """Report the import, and return the table."""
        if self._target.report is not None:
            self._target.report(self._report(table))
        return table

    async def _into_new(self, create: Create) -> Table[Row]:
        names = ColumnNames(capabilities_of(self._catalog.dialect))
        for file in self._files:
            file.names = names
        started = await self._from_start(create)
        if started is not None:
            return started
        await self._look()
        key = self._key_of_columns(names)
        if not key.is_found:
            return await self._make(create, key)
        try:
            async with self._executor.transaction():
                return await self._make(create, key)
        except UniqueViolationError as error:
            # The key is the only constraint of the table.
            return await self._make(create, self._added(names, f"{key.columns[0]} is not unique: {error.message}"))

    # -- a table that exists ---------------------------------------------------------------------

    async def _into_existing(self, existing: TableContext) -> Table[Any]:
        self._existed = True
        given = self._target
        if given.pk is not None or (given.types and not given.alter):
            raise ValidationError(
                f"table {self.name} already exists, with its own key and types",
                field="types" if given.types else "pk",
                hint="leave pk and types out, or import into another table",
            )
        source = await self._altered(existing) if given.alter else existing
        for name in given.extra:
            source.model.column(name)
        source.scope.check(source.model, given.extra)
        return await self._store(Table(source), {})

    async def _altered(self, source: TableContext) -> TableContext:
        """Add the columns that the table lacks, and return the table as it is then."""
        model, given = source.model, self._target
        await self._look()
        taken = [name for name in given.types if name in model.columns]
        if taken:
            raise ValidationError(
                f"table {self.name} has a column {taken[0]!r}, with its own type",
                field="types",
                hint="types names columns that alter=True adds; t.transform(types=...) changes the others",
            )
        missing = {name: guess for name, guess in self._columns.items() if name not in model.columns}
        specs = [*columns_of(missing, given.types, ()), *self._extra_columns([*model.columns, *missing])]
        specs = [replace(spec, nullable=True) for spec in specs]
        if not specs:
            return source
        known = [ColumnSpec(name, column.sa_type, nullable=True) for name, column in model.columns.items()]
        self._check_names(design(Imported, name=self.name, pk=model.names[0], columns=[*known, *specs]))
        await self._executor.lock_schema()
        work = Transformation(source, _OPERATION)
        await work.add_columns(await work.look(), [NewColumn(spec, None, None) for spec in specs])
        types = {spec.name: spec.sa_type for spec in specs}
        self._catalog.changed(self.name, await work.look(), renamed={}, types=types)
        await refresh(self._executor, self._catalog, [self.name])
        self._new = tuple(types)
        return source.refreshed(self.name)

    def _extra_columns(self, known: Collection[str]) -> list[ColumnSpec]:
        """Return the columns of the extra values whose names are not known."""
        return [
            column_spec(name, self._target.types.get(name, _annotation(name, value)), UNSET)
            for name, value in self._target.extra.items()
            if name not in known
        ]

    def _check_names(self, made: TableSpec) -> None:
        try:
            check_names([made], self._catalog.dialect)
        except ValidationError as error:
            raise self._files[0].renaming(error) from None

    # -- a new table -----------------------------------------------------------------------------

    async def _from_start(self, create: Create) -> Table[Row] | None:
        """Import a file whose rows are like its first ones, reading the rest once; None for another file."""
        (file, *others) = self._files
        most = capabilities_of(self._catalog.dialect).max_columns
        if others or file.typed is not None:
            return None
        self._columns = {}
        if not await file.look_at_start(self._columns, most, START_ROWS):
            return None
        key = self._key_of_columns(file.names)
        try:
            async with self._executor.transaction():
                alike = {name: guess for name, guess in self._columns.items() if name not in self._target.types}
                return await self._make(create, key, alike)
        except DeeBaseError:
            # The rest differs from the start, or is wrong; the whole file shows which, and where.
            return None

    async def _look(self) -> None:
        """Read all files for their columns."""
        self._columns = {}
        most, rows = capabilities_of(self._catalog.dialect).max_columns, 0
        for file in self._files:
            rows += await file.look(self._columns, rows, most)
            if file.kind != self._files[0].kind:
                names = f"{file.name} and {self._files[0].name}"
                hint = "import them one after the other"
                raise ValidationError(f"{names} are of kinds that do not go together", field="source", hint=hint)
        if not self._columns:
            names = ", ".join(file.name for file in self._files)
            raise ValidationError(f"{names}: it has no rows that show its columns", hint="is it the right file?")

    # -- the key -------------------------------------------------------------------------------

    def _key_of_columns(self, names: ColumnNames) -> Key:
        """Return the key of a new table by the columns that were found."""
        given = self._target.pk
        if given is not None:
            return Key((given,) if isinstance(given, str) else tuple(given), "pk names it")
        # A second column "id" beside one called "ID" would be the same name to SQLite.
        found = next((name for name in sorted(self._columns, reverse=True) if name.lower() == "id"), None)
        if found is None:
            return self._added(names, "the file has no column id")
        guess = self._columns[found]
        if guess.is_nullable and self._target.on_conflict is None:
            return self._added(names, f"{found} is NULL in a row")
        if found not in self._target.types and guess.type not in _KEYS:
            return self._added(names, f"{found} is neither int nor str")
        return Key((found,), f"{found} is unique and not NULL", is_found=self._target.on_conflict is None)

    @staticmethod
    def _added(names: ColumnNames, reason: str) -> Key:
        return Key((names.added("id", "row_id"),), f"{reason}; the column is added", is_added=True)

    # -- rows ----------------------------------------------------------------------------------

    async def _make(self, create: Create, key: Key, alike: Mapping[str, Guess] | None = None) -> Table[Row]:
        """Create the table and store the rows."""
        extra = self._extra_columns(self._columns)
        added = [spec.name for spec in extra]
        keys = () if key.is_added else [name for name in key.columns if name not in added]
        given = {name: kind for name, kind in self._target.types.items() if name not in added}
        columns = [*columns_of(self._columns, given, keys), *extra]
        made = design(Imported, name=self.name, pk=key.columns, columns=columns)
        self._check_names(made)
        table = await self._store(await create(made), alike or {}, keys)
        self._key = key
        return table

    async def _store(self, table: Table[Any], alike: Mapping[str, Guess], keys: Sequence[str] = ()) -> Table[Any]:
        model = self._catalog.model(self.name)
        for file in self._files:
            records = file.records(model, alike=alike, required=keys)
            rows = _with_extra(records, model, self._target.extra) if self._target.extra else records
            try:
                await table.insert_all(rows, on_conflict=self._target.on_conflict, on=self._target.on)
            except DeeBaseError as error:
                raise file.located(error) from error
            finally:
                await rows.aclose()
                await records.aclose()
        return table

    # -- the report ----------------------------------------------------------------------------

    def _report(self, table: Table[Any]) -> ImportReport:
        """Return what was found and done."""
        names = self._files[0].names
        notes = [
            f"{file.name}: {what if count is None else f'{count:,} {what}'}"
            for file in self._files
            for what, count in file.notes.items()
        ]
        notes += [f"the column {before!r} of the file is called {made!r}" for made, before in names.changed.items()]
        key = self._key._replace(columns=table.pks) if self._existed else self._key
        return ImportReport(
            table=self.name,
            created=not self._existed,
            files=tuple(file.name for file in self._files),
            form="; ".join(dict.fromkeys(file.form for file in self._files)),
            rows=sum(file.count for file in self._files),
            key=tuple(key.columns),
            key_reason=key.reason,
            columns=tuple(self._reported(names)),
            notes=tuple(notes),
        )

    def _reported(self, names: ColumnNames) -> list[ImportedColumn]:
        if self._existed:
            found = dict.fromkeys(name for file in self._files for name in file.columns)
        else:
            found = dict.fromkeys(self._columns)
        found |= dict.fromkeys(self._target.extra)
        made: list[ImportedColumn] = []
        for name in found:
            column = self._catalog.model(self.name).sa_table.c[name]
            kind = named(column_type(column.type).python) if column_type(column.type).python is not None else "JSON"
            if self._existed and name not in self._new:
                reason = "the type of the column"
            elif name in self._target.types:
                reason = "types names it"
            else:
                reason = self._columns[name].reason if name in self._columns else "the type of its extra value"
            if name in self._new:
                reason = f"{reason}; the column is added"
            of_table = f"{kind} | None" if column.nullable else kind
            made.append(ImportedColumn(name, names.changed.get(name, name), of_table, reason))
        return made
