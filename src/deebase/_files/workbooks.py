"""Excel workbooks, with the types of their cells; openpyxl reads and writes them."""

from __future__ import annotations

# openpyxl comes without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zipfile import BadZipFile

from deebase._files.file_errors import Fault, refused
from deebase._files.guess import is_float
from deebase._files.typed_values import TypedGuess
from deebase._rows.libraries import load
from deebase._types.base import ColumnType
from deebase._types.registry import text_of

_WHAT: Final = "Excel files"
_BATCH_ROWS = 1000
#: The limits of a sheet (support.microsoft.com, "Excel specifications and limits").
_MOST_ROWS, _MOST_COLUMNS, _LONGEST_TEXT = 1_048_576, 16_384, 32_767
#: Digits that a cell keeps; the first day that Excel and the calendar agree on.
_DIGITS, _LARGEST, _FIRST_DAY = 15, 999_999_999_999_999, date(1900, 3, 1)
#: What a number format with a time of day contains, outside of quotes and brackets.
_TIME_FORMAT = re.compile(r"[hs]", re.IGNORECASE)
_PLAIN_PARTS = re.compile(r'"[^"]*"|\[\$[^\]]*\]|\\.')


class WorkbookReader:
    """Reads the rows of a sheet. Rows without a value are left out, as are columns without a name and a value.

    Args:
        file: the file, whose positions can be chosen.
        sheet: its name, or its number from 1; None for the only one with rows.
        header: whether the first row names the columns; names for a sheet without a header.
        skip: rows before the header that are not part of the table.
        operation: what was called, for messages.
    """

    def __init__(
        self, file: Any, sheet: str | int | None, header: bool | Sequence[str], skip: int, operation: str
    ) -> None:
        openpyxl = load("openpyxl", _WHAT, operation)
        try:
            self._book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        except (BadZipFile, KeyError, ValueError, OSError, openpyxl.utils.exceptions.InvalidFileException) as error:
            raise Fault("is not an Excel file that openpyxl reads", "save it as .xlsx") from error
        self._sheet = self._found(sheet)
        self._rows = self._numbered(skip)
        self.count = 0
        self._numbers: list[int] = []
        self._waiting: list[tuple[int, list[Any]]] = []
        self.columns = self._columns(header)

    def _found(self, sheet: str | int | None) -> Any:
        sheets = self._book.worksheets
        names = [made.title for made in sheets]
        if sheet is None:
            with_rows = [made for made in sheets if any(_is_filled(row) for row in made.iter_rows(values_only=True))]
            if len(with_rows) > 1:
                listed = ", ".join(repr(made.title) for made in with_rows)
                raise Fault(f"has {len(with_rows)} sheets with rows: {listed}", "sheet= names one, or gives its number")
            if not with_rows:
                raise Fault("is empty: no sheet has a row", "is it the right file?")
            return with_rows[0]
        for number, made in enumerate(sheets, 1):
            if sheet == (number if isinstance(sheet, int) else made.title):
                return made
        raise Fault(f"has no sheet {sheet!r}", f"its sheets are {', '.join(map(repr, names))}")

    def _numbered(self, skip: int) -> Iterator[tuple[int, list[Any]]]:
        """Yield the number and the values of each row that has a value."""
        # Some programs write a wrong size.
        self._sheet.reset_dimensions()
        for number, cells in enumerate(self._sheet.iter_rows(), 1):
            if number > skip:
                values = [_value(cell) for cell in cells]
                if _is_filled(values):
                    yield number, values

    def _columns(self, header: bool | Sequence[str]) -> list[str]:
        if not isinstance(header, bool):
            return list(header)
        first = next(self._rows, None)
        if first is None:
            raise Fault("is empty: the sheet has no row", "is it the right sheet?")
        values = first[1]
        while values and values[-1] is None:
            values.pop()
        if header:
            return ["" if value is None else text_of(value).strip() for value in values]
        self._waiting = [first]
        return [""] * len(values)

    def guess(self, guesses: Sequence[TypedGuess]) -> Iterator[None]:
        """Take in the types of all values, in steps."""
        while rows := self.read():
            for guess, values in zip(guesses, zip(*rows, strict=True), strict=True):
                kinds = set(map(type, values))
                guess.has_null = guess.has_null or type(None) in kinds
                guess.kinds |= kinds - {type(None)}
            yield

    def read(self) -> list[Sequence[Any]]:
        """Return the next rows, an empty list at the end."""
        width = len(self.columns)
        made: list[Sequence[Any]] = []
        waiting, self._waiting = self._waiting, []
        for number, values in waiting:
            made.append(self._level(number, values, width))
        while len(made) < _BATCH_ROWS and (found := next(self._rows, None)) is not None:
            made.append(self._level(*found, width))
        self.count += len(made)
        return made

    def _level(self, number: int, values: list[Any], width: int) -> list[Any]:
        if any(value is not None for value in values[width:]):
            hint = "give each column a name in the first row; skip= leaves out rows before it, header=[...] names all"
            raise Fault("a cell is beside the last column with a name", hint, line=number)
        return values[:width] + [None] * (width - len(values))

    def starts(self) -> Iterator[int]:
        """Yield the number of each row in the sheet, from 1."""
        yield from (number for number, _ in self._waiting)
        yield from (number for number, _ in self._rows)


def _is_filled(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _value(cell: Any) -> Any:
    """Return the value of a cell; a day is a date unless its format shows a time."""
    value = cell.value
    if isinstance(value, datetime) and value.time() == time():
        shown = _PLAIN_PARTS.sub("", str(cell.number_format))
        return value if _TIME_FORMAT.search(shown) else value.date()
    return None if value == "" else value


class WorkbookWriter:
    """Writes rows to the only sheet of a workbook. What a cell does not keep exactly is written as text.

    Args:
        file: the file, open for bytes.
        columns: names and types of the columns.
        title: the name of the sheet.
        operation: what was called, for messages.
    """

    def __init__(self, file: Any, columns: Mapping[str, ColumnType[Any]], title: str, operation: str) -> None:
        openpyxl = load("openpyxl", _WHAT, operation)
        self._cell = load("openpyxl.cell", _WHAT, operation).WriteOnlyCell
        self._illegal = openpyxl.utils.exceptions.IllegalCharacterError
        self._operation = operation
        self._file = file
        self._columns = columns
        self._book = openpyxl.Workbook(write_only=True)
        # A name of a sheet has 31 characters, without some signs.
        self._sheet = self._book.create_sheet(re.sub(r"[\\*?:/\[\]]", "_", title)[:31] or "Sheet")
        self._written = 0
        self._is_saved = False
        if len(columns) > _MOST_COLUMNS:
            raise self._refused(f"would have more than {_MOST_COLUMNS:,} columns")
        self._append([self._text(name, name) for name in columns])

    def _refused(self, why: str) -> Exception:
        return refused("an Excel sheet", why, "export to .csv or .parquet", self._operation)

    def _append(self, cells: list[Any]) -> None:
        self._written += 1
        if self._written > _MOST_ROWS:
            raise self._refused(f"has {_MOST_ROWS:,} rows at most")
        self._sheet.append(cells)

    def row(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        self._append([self._made(name, row[name], kind) for name, kind in self._columns.items()])

    def _made(self, name: str, value: Any, kind: ColumnType[Any]) -> Any:
        if isinstance(value, float) and math.isfinite(value) and kind.is_builtin():
            # openpyxl rounds to 16 digits, and a float may need 17.
            return self._typed("n", repr(value))
        if value is None or (kind.is_builtin() and _is_exact(value)):
            return value
        return self._text(name, text_of(value) if kind.is_builtin() else kind.format(value))

    def _text(self, name: str, text: str) -> Any:
        if len(text) > _LONGEST_TEXT:
            raise self._refused(f"holds texts of {_LONGEST_TEXT:,} characters, and one of column {name!r} is longer")
        try:
            # A text that begins with = is not a formula.
            return self._typed("s", text)
        except self._illegal:
            raise self._refused(f"cannot hold a control character that is in column {name!r}") from None

    def _typed(self, data_type: str, text: str) -> Any:
        cell = self._cell(self._sheet, text)
        cell.data_type = data_type
        return cell

    def end(self) -> None:
        """Write the file."""
        self._book.save(self._file)
        self._is_saved = True

    def close(self) -> None:
        """Remove the temporary file of a workbook that was not written."""
        if not self._is_saved:
            self._is_saved = True
            self._sheet.close()
            self._sheet._writer.cleanup()


def _is_exact(value: object) -> bool:
    """Whether a cell keeps a value as it is."""
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    if isinstance(value, Decimal):
        return is_float(str(value)) and len(value.as_tuple().digits) <= _DIGITS
    if isinstance(value, datetime):
        return value.tzinfo is None and value.date() >= _FIRST_DAY and not value.microsecond
    if isinstance(value, date):
        return value >= _FIRST_DAY
    if isinstance(value, time):
        return value.tzinfo is None and not value.microsecond
    return isinstance(value, timedelta) and value >= timedelta() and not value.microseconds
