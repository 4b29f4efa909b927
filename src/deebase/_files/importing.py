"""Imports of a file: it is read once for its columns, then again for its rows."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import asyncio
import math
import re
import warnings
from collections.abc import AsyncGenerator, Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NoReturn, Optional, cast

from deebase._files.column_names import ColumnNames
from deebase._files.converting import value_reader
from deebase._files.delimited import CsvError, DelimitedReader
from deebase._files.encodings import WINDOWS_1252
from deebase._files.field_texts import Texts, by_column, misread, must_have_key, read_or_fault
from deebase._files.file_errors import Fault, moved
from deebase._files.formats import Format, format_of, parse_name, table_name
from deebase._files.guess import ColumnGuess, guessed_objects, guessed_texts, must_fit
from deebase._files.inputs import OPERATION, Input, Opened, Undecodable, make_input, reading, typed_format_of
from deebase._files.json_objects import ArrayReader, LineReader
from deebase._files.options import Options
from deebase._files.parquet import ParquetReader
from deebase._files.typed_values import Cells, TypedGuess, TypedReader
from deebase._files.workbooks import WorkbookReader
from deebase._model.columns import ColumnSpec, describe
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.model import TableModel
from deebase._types.documents import JSON
from deebase.errors import DeeBaseError, UnsupportedTypeError, ValidationError

Record = dict[str, Any]
Guess = ColumnGuess | TypedGuess
Made = DelimitedReader | LineReader | ArrayReader | TypedReader

#: Rows that are read for the types of columns, before the rest is assumed to have the same.
START_ROWS = 5_000
#: Further values that cannot be read: how many are named, and how many are counted.
_NAMED, _COUNTED = 5, 1_000
_ROW = re.compile(r"row ([0-9]+): ")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_TYPED: tuple[Format, ...] = ("parquet", "xlsx")


class Import:
    """One file.

    Args:
        source: what to read.
        options: how.
        stack: closes what the import opens.
    """

    def __init__(self, source: Any, options: Options, stack: ExitStack) -> None:
        self._options = options
        #: Readers of the columns of a delimited file.
        self._texts: list[Texts] = []
        #: Gives the columns of the file their names in the table.
        self.names = ColumnNames(None)
        #: Whether its values are fields of text, JSON or values with types; files of one kind go together.
        self.kind = ""
        #: Rows that were read for the table.
        self.count = 0
        #: What was left out of the file or changed, by what was done.
        self.notes: dict[str, int | None] = {}
        #: The names in the table of the columns that were read.
        self.columns: list[str] = []
        #: The format, delimiter and encoding that were found.
        self.form = ""
        self._guessed_encoding: str | None = None
        with self._located():
            self._input: Input = make_input(source, options.encoding, stack)
            self.typed: Format | None = self._typed_format()

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return self._input.name if hasattr(self, "_input") else "<file>"

    @property
    def table_name(self) -> str:
        """The name of its table: that of the file, with the characters that a table name can have."""
        stem = self._input.parts.stem if self._input.parts is not None else ""
        name = table_name(stem)
        if not name:
            raise ValidationError("the file has no name to name the table after", field="table", hint="table='people'")
        return name

    # -- reading -------------------------------------------------------------------------------

    async def find_encoding(self) -> None:
        """Find the encoding of a text, if none was given, and warn of one that is not certain."""
        if self.typed is not None:
            return
        before = self._input.encoding
        with self._located():
            for _ in self._input.find_encoding():
                await asyncio.sleep(0)
        if self._input.encoding != before:
            next_step = f"pass encoding={WINDOWS_1252!r} if that is right, or another one"
            self._guessed_encoding = f"not UTF-8, so read as Windows-1252; {next_step}"
            warnings.warn(f"{self.name}: {self._guessed_encoding}", stacklevel=2)

    def _typed_format(self) -> Format | None:
        """Return the format of a file whose values have types, None for text."""
        given = self._options.format or (self._input.parts.format if self._input.parts is not None else None)
        packed = self._input.parts is not None and self._input.parts.packing is not None
        if given is not None:
            if given in _TYPED and packed:
                raise Fault(f"is a packed file of the format {given}", "unpack it first")
            return given if given in _TYPED else None
        return typed_format_of(self._input.binary())

    def _reader(self, errors: str = "strict") -> tuple[Made, Opened | None]:
        """Start a reading; return the reader, and the text if the file is one."""
        if self.typed is not None:
            dialect = self._options.dialect
            self.form = self.typed
            file = self._input.binary()
            if self.typed == "parquet":
                return ParquetReader(file, OPERATION), None
            return WorkbookReader(file, self._options.sheet, dialect.header, dialect.skip, OPERATION), None
        opened = self._input.open(errors)
        return self._text_reader(opened), opened

    def _text_reader(self, opened: Opened) -> DelimitedReader | LineReader | ArrayReader:
        known = self._options.format
        if known is None and opened.member is not None:
            known = parse_name(opened.member).format
        if known is None and self._input.parts is not None:
            known = self._input.parts.format
        if known is None:
            known = format_of(opened.start())
        self.form = f"{known} in {opened.encoding.removesuffix('-sig')}"
        if known == "json":
            return ArrayReader(opened, self._options.layout)
        if known == "ndjson":
            return LineReader(opened, self._options.layout)
        dialect = self._options.dialect
        if known == "tsv" and dialect.delimiter is None:
            dialect = replace(dialect, delimiter="\t")
        made = DelimitedReader(opened, dialect)
        self.form = f"{self.form}, fields separated by {made.delimiter!r}"
        return made

    @contextmanager
    def _reading(self) -> Generator[tuple[Made, Opened | None], None, None]:
        """Read the file from its start; faults become errors with their places."""
        with self._located():
            made, opened = self._reader()
            yield made, opened
            if opened is not None:
                opened.close()

    def _named(self, made: DelimitedReader | TypedReader) -> list[str]:
        """Return the names in the table of the columns of a file with a header."""
        names = self.names.all(made.columns)
        known: set[str] = set()
        for name in names:
            if name in known:
                raise Fault(f"two columns are called {name!r}", "rename one: header=[...] names them all", line=1)
            known.add(name)
        return names

    async def look(self, columns: dict[str, Guess], before: int, most: int, enough: float = math.inf) -> int:
        """Read the file for its columns, and return the number of rows.

        Args:
            columns: the columns that were found in other files, to which those of this file are added.
            before: rows of the other files.
            most: how many columns a table can have.
            enough: rows after which the reading ends.
        """
        with self._reading() as (made, _):
            is_json = isinstance(made, (LineReader, ArrayReader))
            self.kind = "JSON" if is_json else "fields" if isinstance(made, DelimitedReader) else "values"
            if isinstance(made, (LineReader, ArrayReader)):
                return await self._look_at_objects(made, columns, before, most)
            names = self._named(made)
            must_fit(len(columns.keys() | set(names)), most)
            for name in names:
                if name not in columns:
                    columns[name] = self._new_guess()
                    columns[name].has_null = before > 0
            guesses = [columns[name] for name in names]
            if isinstance(made, DelimitedReader):
                while made.count < enough and (texts := made.read()):
                    guessed_texts(cast("list[ColumnGuess]", guesses), texts, self._options.null)
                    await asyncio.sleep(0)
            else:
                for _ in made.guess(cast("list[TypedGuess]", guesses)):
                    await asyncio.sleep(0)
            for name in columns.keys() - set(names):
                columns[name].has_null = True
            return made.count

    def _new_guess(self) -> Guess:
        return TypedGuess() if self.typed is not None else ColumnGuess(self._options.notation.kinds)

    async def _look_at_objects(
        self, made: LineReader | ArrayReader, columns: dict[str, Guess], before: int, most: int
    ) -> int:
        guesses = cast("dict[str, ColumnGuess]", columns)
        while objects := made.read():
            rows = [{self.names.one(name): value for name, value in row.items()} for row in objects]
            guessed_objects(guesses, rows, before + made.count - len(rows), most)
            await asyncio.sleep(0)
        return made.count

    async def look_at_start(self, columns: dict[str, Guess], most: int, enough: int) -> bool:
        """Read the first rows of a delimited file for its columns; return whether they show the type of each column.

        Most files continue as they begin. The rest is then read only once.

        Args:
            columns: gets the columns.
            most: how many columns a table can have.
            enough: rows after which the reading ends.
        """
        with self._reading() as (made, _):
            is_delimited = isinstance(made, DelimitedReader)
        if not is_delimited:
            return False
        await self.look(columns, 0, most, enough)
        return bool(columns) and all(isinstance(guess, ColumnGuess) and guess.certain for guess in columns.values())

    async def records(
        self,
        model: TableModel,
        *,
        alike: Mapping[str, Guess] = _NOTHING,
        required: Collection[str] = (),
    ) -> AsyncGenerator[Record | ColumnBatch, None]:
        """Yield the rows as records of a table, or by column.

        Args:
            model: the table.
            alike: columns whose texts must have exactly the type that was found at the start.
            required: columns that refuse NULL; a key would generate a value for it.
        """
        with self._reading() as (made, opened):
            self.columns = []
            columns = [] if isinstance(made, (LineReader, ArrayReader)) else self._columns(made, model, alike, required)
            while batch := made.read():
                first = made.count - len(batch)
                if self._options.progress is not None:
                    done = self._input.size if opened is None else opened.position
                    self._options.progress(made.count, done, self._input.size)
                if isinstance(made, (LineReader, ArrayReader)):
                    for row in self._of_objects(cast("list[Record]", batch), model, first, required):
                        yield row
                else:
                    yield by_column(cast("list[list[Any]]", batch), columns, first)
                await asyncio.sleep(0)
            self.count = made.count
            self._note(made)

    def _columns(
        self,
        made: DelimitedReader | TypedReader,
        model: TableModel,
        alike: Mapping[str, Guess],
        required: Collection[str],
    ) -> list[Texts] | list[Cells]:
        self.columns = self._named(made)
        named = [(name, model.column(name).sa_type, name in required) for name in self.columns]
        if not isinstance(made, DelimitedReader):
            return [Cells(name, sa_type, required=needed) for name, sa_type, needed in named]
        options = self._options
        self._texts = [
            Texts(name, sa_type, options.null, options.notation, required=needed) for name, sa_type, needed in named
        ]
        for column in self._texts:
            guess = alike.get(column.name)
            if isinstance(guess, ColumnGuess):
                column.accepts = guess.accepts
        return self._texts

    def _note(self, made: Made) -> None:
        self.notes = {} if self._guessed_encoding is None else {self._guessed_encoding: None}
        if isinstance(made, DelimitedReader):
            self.notes |= made.uneven
        elif isinstance(made, (LineReader, ArrayReader)) and made.left_out:
            listed = ", ".join(dict.fromkeys(made.left_out))
            self.notes |= {f"keys beside the rows, which are not imported: {listed}": None}

    def _of_objects(
        self, objects: list[Record], model: TableModel, first: int, required: Collection[str]
    ) -> list[Record]:
        rows = [{self.names.one(name): value for name, value in row.items()} for row in objects]
        for name in required:
            for number, row in enumerate(rows, first):
                must_have_key(row.get(name), name, number)
        names = dict.fromkeys(name for row in rows for name in row)
        self.columns += [name for name in names if name not in self.columns]
        readers = {name: value_reader(model.column(name).sa_type) for name in names}
        return [
            {
                name: None if value is None else read_or_fault(readers[name], value, name, number)
                for name, value in row.items()
            }
            for number, row in enumerate(rows, first)
        ]

    # -- errors --------------------------------------------------------------------------------

    @contextmanager
    def _located(self) -> Generator[None, None, None]:
        """Turn a fault into an error that names file, line and column."""
        try:
            with reading():
                yield
        except Undecodable as fault:
            self._raise(self._input.undecodable(fault))
        except Fault as fault:
            self._raise(fault)

    def _raise(self, fault: Fault) -> NoReturn:
        cause, others = fault.__cause__, ""
        if fault.line is None and (fault.row is not None or isinstance(cause, CsvError)):
            if fault.row is not None and fault.column is not None:
                others = self._others(fault.row, fault.column)
            fault = fault.at(line=self._line_of(fault.row))
        error = fault.error(self.name)
        error.hint = f"{error.hint}{others}"
        raise error from cause

    def _others(self, row: int, column: str) -> str:
        """Return where else a delimited file has texts that do not fit their columns."""
        made, opened = self._reader("replace")
        if opened is None:
            return ""
        try:
            if not isinstance(made, DelimitedReader):
                return ""
            every = islice(misread(made, self._texts), _COUNTED)
            found = [place for place in every if place != (row, column)]
        finally:
            opened.close()
        if not found:
            return ""
        named = [f"line {self._line_of(number)} ({name})" for number, name in found[:_NAMED]]
        more = len(found) - len(named)
        also = f" and {more:,}{' or more' if len(found) >= _COUNTED - 1 else ''} others" if more else ""
        return f"; the same goes for {', '.join(named)}{also}"

    def located(self, error: DeeBaseError) -> DeeBaseError:
        """Return an error in a row with its place in the file."""
        found = _ROW.match(error.message)
        if found is None:
            return error
        line = self._line_of(int(found[1]))
        return moved(error, found[0], f"{self.name}, line {line}: ")

    def renaming(self, error: ValidationError) -> ValidationError:
        """Return an error about the name of a column with the file, and how an import changes it."""
        hint = f"{error.hint}; header=[...] names the columns of a delimited file"
        return ValidationError(f"{self.name}: {error.message}", field=error.field, value=error.value, hint=hint)

    def _line_of(self, row: int | None) -> int | None:
        """Return the first line of a row of data, by reading the file again; None stands for the first broken row."""
        line: int | None = None
        opened: Opened | None = None
        try:
            made, opened = self._reader("replace")
            for number, line in enumerate(made.starts()):
                if number == row:
                    return line
        except Fault:
            return None
        finally:
            if opened is not None:
                opened.close()
        return line if row is None else None


def columns_of(columns: Mapping[str, Guess], given: Mapping[str, Any], pk: Sequence[str]) -> list[ColumnSpec]:
    """Return the columns of the new table.

    Args:
        columns: the types found in the file.
        given: types by column, as annotations of the caller.
        pk: columns of the key, which refuse NULL.
    """
    unknown = [name for name in (*given, *pk) if name not in columns]
    if unknown:
        raise ValidationError(
            f"the file has no column {unknown[0]!r}", field="types", hint=f"its columns are {', '.join(columns)}"
        )
    return [
        _column(name, given[name]) if name in given else _guessed(name, guess, nullable=name not in pk)
        for name, guess in columns.items()
    ]


def _guessed(name: str, guess: Guess, *, nullable: bool) -> ColumnSpec:
    nullable = nullable and guess.is_nullable
    if guess.type is Any:
        return ColumnSpec(name, JSON(), nullable=nullable, python_type=Any)
    return _column(name, Optional[guess.type] if nullable else guess.type)  # noqa: UP045


def _column(name: str, annotation: Any) -> ColumnSpec:
    # Not an attribute of that name: an underscore at its beginning would make it private.
    try:
        (spec,) = describe(type("Imported", (), {"__annotations__": {"column": annotation}}))
    except UnsupportedTypeError as error:
        raise UnsupportedTypeError(f"types: {name!r}: {error.message}", hint=error.hint, column_name=name) from error
    return replace(spec, name=name)
