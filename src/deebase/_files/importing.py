"""Imports of a file: it is read once for its columns, then again for its rows."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import asyncio
import codecs
import re
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn, Optional, cast

from deebase._files.converting import value_reader
from deebase._files.delimited import CsvError, DelimitedReader
from deebase._files.field_texts import Texts, by_column, misread, must_have_key, read_or_fault
from deebase._files.file_errors import Fault, moved
from deebase._files.formats import checked_delimiter, checked_format, format_of, parse_name, table_name
from deebase._files.guess import ColumnGuess, guessed_objects, guessed_texts, must_fit
from deebase._files.inputs import Input, Opened, Undecodable, make_input, reading
from deebase._files.json_objects import ArrayReader, LineReader
from deebase._model.columns import ColumnSpec, describe
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.model import TableModel
from deebase._types.documents import JSON
from deebase.errors import DeeBaseError, UnsupportedTypeError, ValidationError

#: Called with the rows and bytes that were read, and the size of the file in bytes.
Progress = Callable[[int, int, int], object]
Reader = DelimitedReader | LineReader | ArrayReader
Record = dict[str, Any]

#: Rows that are read for the types of columns, before the rest is assumed to have the same.
_START_ROWS = 5_000
#: Further values that cannot be read: how many are named, and how many are counted.
_NAMED, _COUNTED = 5, 1_000
_ROW = re.compile(r"row ([0-9]+): ")


class Import:
    """One file.

    Args:
        source: what to read.
        format: None to tell it by its name or first characters.
        encoding: of its text.
        delimiter: of a delimited file; None to tell it by the first line.
        header: whether the first line names the columns; or their names.
        null: texts that mean NULL.
        progress: called after each batch.
        stack: closes what the import opens.
    """

    def __init__(
        self,
        source: Any,
        *,
        format: Any,
        encoding: str,
        delimiter: Any,
        header: bool | Sequence[str],
        null: Iterable[str],
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self._format = checked_format(format)
        self._delimiter = checked_delimiter(delimiter)
        self._header = header
        texts: tuple[Any, ...] = (null,) if isinstance(null, str) else tuple(null)
        if not all(isinstance(text, str) for text in texts):
            raise ValidationError("null takes texts that mean NULL", field="null", hint='null=["", "NA"]')
        self._null = frozenset(texts)
        _check_encoding(encoding)
        self._progress = progress
        #: Readers of the columns of a delimited file.
        self._texts: list[Texts] = []
        #: Names and types of the columns, after the first reading.
        self.columns: dict[str, ColumnGuess] = {}
        with self._located():
            self._input: Input = make_input(source, encoding, stack)

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

    def _reader(self, opened: Opened) -> Reader:
        known = self._format
        if known is None and opened.member is not None:
            known = parse_name(opened.member).format
        if known is None and self._input.parts is not None:
            known = self._input.parts.format
        if known is None:
            known = format_of(opened.start())
        if known == "json":
            return ArrayReader(opened, exact=True)
        if known == "ndjson":
            return LineReader(opened, exact=True)
        made = DelimitedReader(
            opened, "\t" if known == "tsv" and self._delimiter is None else self._delimiter, self._header
        )
        _must_differ(made.columns)
        return made

    async def look_at_start(self, most: int) -> bool:
        """Read the first rows of a delimited file; return whether they show the type of each column.

        Most files continue as they begin. The rest is then read only once.

        Args:
            most: the number of columns that a table can have.
        """
        with self._located():
            opened = self._input.open()
            made = self._reader(opened)
            if not isinstance(made, DelimitedReader):
                opened.close()
                return False
            must_fit(len(made.columns), most)
            self.columns = {name: ColumnGuess() for name in made.columns}
            while made.count < _START_ROWS and (texts := made.read()):
                guessed_texts(list(self.columns.values()), texts, self._null)
                await asyncio.sleep(0)
            opened.close()
        return bool(self.columns) and all(guess.certain for guess in self.columns.values())

    async def look(self, most: int) -> None:
        """Read the whole file for its columns, of which a table can have ``most``."""
        with self._located():
            opened = self._input.open()
            made = self._reader(opened)
            if isinstance(made, DelimitedReader):
                self.columns = {name: ColumnGuess() for name in made.columns}
                guesses = list(self.columns.values())
                while texts := made.read():
                    guessed_texts(guesses, texts, self._null)
                    await asyncio.sleep(0)
            else:
                before = 0
                while objects := made.read():
                    guessed_objects(self.columns, objects, before, most)
                    before = made.count
                    await asyncio.sleep(0)
            opened.close()
        if not self.columns:
            raise ValidationError(f"{self.name}: it has no rows that show its columns", hint="is it the right file?")

    async def records(
        self, model: TableModel, *, alike: Collection[str] = (), required: Collection[str] = ()
    ) -> AsyncGenerator[Record | ColumnBatch, None]:
        """Yield the rows as records of a table, or by column.

        Args:
            model: the table.
            alike: columns whose texts must have exactly the type that was found at the start.
            required: columns that refuse NULL; a key would generate a value for it.
        """
        with self._located():
            opened = self._input.open()
            made = self._reader(opened)
            columns: list[Texts] = []
            if isinstance(made, DelimitedReader):
                self._texts = columns = [
                    Texts(name, model.column(name).sa_type, self._null, required=name in required)
                    for name in made.columns
                ]
                for column in columns:
                    if column.name in alike:
                        column.accepts = self.columns[column.name].accepts
            while batch := made.read():
                first = made.count - len(batch)
                if self._progress is not None:
                    self._progress(made.count, opened.position, self._input.size)
                if isinstance(made, DelimitedReader):
                    yield by_column(cast("list[list[str]]", batch), columns, first)
                else:
                    objects = cast("list[Record]", batch)
                    for name in required:
                        for number, row in enumerate(objects, first):
                            must_have_key(row.get(name), name, number)
                    for row in self._of_objects(objects, model, first):
                        yield row
                await asyncio.sleep(0)
            opened.close()

    def _of_objects(self, rows: list[Record], model: TableModel, first: int) -> list[Record]:
        readers = {
            name: value_reader(model.column(name).sa_type) for name in dict.fromkeys(n for row in rows for n in row)
        }
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
        opened = self._input.open("replace")
        try:
            made = self._reader(opened)
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
        opened = self._input.open("replace")
        line: int | None = None
        try:
            for number, line in enumerate(self._reader(opened).starts()):
                if number == row:
                    return line
        except Fault:
            return None
        finally:
            opened.close()
        return line if row is None else None


def _check_encoding(encoding: Any) -> None:
    try:
        # Some codecs, such as hex, are not encodings of text; open() checks the same attribute.
        is_text = codecs.lookup(encoding)._is_text_encoding
    except (LookupError, TypeError, ValueError):
        is_text = False
    if not is_text:
        raise ValidationError(
            "encoding is not an encoding that Python knows", field="encoding", value=encoding, hint="encoding='cp1252'"
        )


def _must_differ(names: Sequence[str]) -> None:
    known: set[str] = set()
    for name in names:
        if name in known:
            raise Fault(f"two columns are called {name!r}", "rename one: header=[...] names them all", line=1)
        known.add(name)


def columns_of(columns: Mapping[str, ColumnGuess], given: Mapping[str, Any], pk: Sequence[str]) -> list[ColumnSpec]:
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


def _guessed(name: str, guess: ColumnGuess, *, nullable: bool) -> ColumnSpec:
    nullable = nullable and guess.has_null
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
