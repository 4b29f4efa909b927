"""``import_file``: from files to the rows of a table, which is created if it is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from deebase._engine.executor import Executor
from deebase._files.column_names import ColumnNames
from deebase._files.importing import START_ROWS, Guess, Import, columns_of
from deebase._files.options import Reading, checked
from deebase._files.reports import ImportedColumn, ImportReport
from deebase._model.catalog import Catalog
from deebase._model.design import TableSpec, design
from deebase._model.names import check_names
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.accessors import Tables
from deebase._tables.definitions import ImportTarget
from deebase._tables.table import Table
from deebase._types.base import is_a
from deebase._types.registry import column_type, named
from deebase.errors import DeeBaseError, UniqueViolationError, ValidationError

Row = dict[str, Any]
Create = Callable[[TableSpec], Awaitable[Table[Row]]]

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


class FileImport:
    """One import of files into one table, all or nothing.

    Args:
        files: the files.
        executor: sends the statements.
        catalog: the registered tables.
        tables: the handles of tables.
        target: where the rows go.
    """

    def __init__(
        self, files: list[Import], executor: Executor, catalog: Catalog, tables: Tables, target: ImportTarget
    ) -> None:
        self._files = files
        self._executor = executor
        self._catalog = catalog
        self._tables = tables
        self._target = target
        self._columns: dict[str, Guess] = {}
        self._key = Key((), "the table existed")
        if not is_a(target.types, Mapping):
            raise ValidationError("types maps columns to types", field="types", hint="types={'price': Decimal}")
        if target.report is not None and not is_a(target.report, Callable):
            raise ValidationError("report is a function of the report", field="report", hint="report=print")
        if target.table is None and len(files) > 1:
            hint = "table='people'; for a table each, import one file after the other"
            raise ValidationError("several files have no common name for a table", field="table", hint=hint)
        self.name: str = files[0].table_name if target.table is None else target.table
        self._existed = False

    async def run(self, create: Create) -> Table[Row]:
        """Import the files and return the table.

        Args:
            create: creates a table.
        """
        for file in self._files:
            await file.find_encoding()
        if self.name in self._tables:
            self._existed = True
            if self._target.types or self._target.pk is not None:
                raise ValidationError(
                    f"table {self.name} already exists, with its own key and types",
                    field="types" if self._target.types else "pk",
                    hint="leave pk and types out, or import into another table",
                )
            return await self._store(self._tables[self.name].rows_as(dict), {})
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
        keys = () if key.is_added else key.columns
        columns = columns_of(self._columns, self._target.types, keys)
        made = design(Imported, name=self.name, pk=key.columns, columns=columns)
        try:
            check_names([made], self._catalog.dialect)
        except ValidationError as error:
            raise self._files[0].renaming(error) from None
        table = await self._store(await create(made), alike or {}, keys)
        self._key = key
        return table

    async def _store(self, table: Table[Row], alike: Mapping[str, Guess], keys: Sequence[str] = ()) -> Table[Row]:
        model = self._catalog.model(self.name)
        for file in self._files:
            records = file.records(model, alike=alike, required=keys)
            try:
                await table.insert_all(records, on_conflict=self._target.on_conflict, on=self._target.on)
            except DeeBaseError as error:
                raise file.located(error) from error
            finally:
                await records.aclose()
        return table

    # -- the report ----------------------------------------------------------------------------

    def report(self, table: Table[Row]) -> ImportReport:
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
            columns=tuple(self._reported(table, names)),
            notes=tuple(notes),
        )

    def _reported(self, table: Table[Row], names: ColumnNames) -> list[ImportedColumn]:
        if self._existed:
            found = dict.fromkeys(name for file in self._files for name in file.columns)
        else:
            found = dict.fromkeys(self._columns)
        made: list[ImportedColumn] = []
        for name in found:
            column = self._catalog.model(self.name).sa_table.c[name]
            kind = named(column_type(column.type).python) if column_type(column.type).python is not None else "JSON"
            if self._existed:
                reason = "the type of the column"
            elif name in self._target.types:
                reason = "types names it"
            else:
                reason = self._columns[name].reason
            of_table = f"{kind} | None" if column.nullable else kind
            made.append(ImportedColumn(name, names.changed.get(name, name), of_table, reason))
        return made
