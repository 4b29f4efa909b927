"""Parquet files, with the types that they declare; pyarrow reads and writes them."""

from __future__ import annotations

# pyarrow comes without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from tempfile import TemporaryFile
from typing import Any, Final
from uuid import UUID

from deebase._files.file_errors import Fault
from deebase._files.typed_values import TypedGuess
from deebase._rows.arrow_columns import (
    DIGITS_256,
    ArrowColumn,
    batch_of,
    decimal_type,
    declared_digits,
    python_values,
    schema_of,
)
from deebase._rows.libraries import load
from deebase._types.base import ColumnType
from deebase._types.decimals import ExactNumber
from deebase._types.text import String
from deebase.types import UTCDateTime

_WHAT: Final = "Parquet files"
#: Rows of a batch, and of a row group that is written.
_BATCH_ROWS = 1000
_GROUP_ROWS = 50_000
#: Tests of ``pyarrow.types`` and the annotation of values that pass.
_ANNOTATIONS: tuple[tuple[str, Any], ...] = (
    ("is_boolean", bool),
    ("is_uint64", Decimal),
    ("is_integer", int),
    ("is_floating", float),
    ("is_decimal", Decimal),
    ("is_date", date),
    ("is_time", time),
    ("is_duration", timedelta),
    ("is_nested", Any),
)
_BYTES = ("is_binary", "is_large_binary", "is_fixed_size_binary", "is_binary_view")


class ParquetReader:
    """Reads the rows of a Parquet file.

    Args:
        file: the file, whose positions can be chosen.
        operation: what was called, for messages.
    """

    def __init__(self, file: Any, operation: str) -> None:
        self._arrow = load("pyarrow", _WHAT, operation)
        self._parquet = load("pyarrow.parquet", _WHAT, operation)
        with self._reading():
            self._file = self._parquet.ParquetFile(file)
        self._schema = self._file.schema_arrow
        self.columns: list[str] = list(self._schema.names)
        self.count = 0
        self._batches: Any = None

    def _reading(self) -> Any:
        return _Faults((self._arrow.ArrowException, OSError))

    def guess(self, guesses: Sequence[TypedGuess]) -> Iterator[None]:
        """Take in the types of all values, in steps."""
        annotations = [self._annotation(field.type) for field in self._schema]
        nan: set[int] = set()
        with self._reading():
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS):
                for place, column in enumerate(batch.columns):
                    guesses[place].has_null = guesses[place].has_null or column.null_count > 0
                    if annotations[place] is not str and python_values(self._arrow, column) is None:
                        annotations[place] = str
                        guesses[place].note = "Python has no exact value for one of them"
                    elif annotations[place] is float and any(map(_is_nan, column.to_pylist())):
                        nan.add(place)
                self.count += batch.num_rows
                yield
        for place, annotation in enumerate(annotations):
            if annotation is not None:
                guesses[place].kinds.add(annotation)
        for place in nan:
            guesses[place].has_null = True
            guesses[place].note = "NaN becomes NULL"

    def _annotation(self, kind: Any) -> Any:
        """Return the annotation of values of an Arrow type, None for a type without values."""
        types = self._arrow.types
        if types.is_dictionary(kind):
            return self._annotation(kind.value_type)
        if isinstance(kind, self._arrow.BaseExtensionType):
            return UUID if kind.extension_name == "arrow.uuid" else self._annotation(kind.storage_type)
        if types.is_null(kind):
            return None
        if types.is_timestamp(kind):
            return datetime if kind.tz is None else UTCDateTime
        if any(getattr(types, test)(kind) for test in _BYTES):
            return bytes
        return next((found for test, found in _ANNOTATIONS if getattr(types, test)(kind)), str)

    def read(self) -> list[Sequence[Any]]:
        """Return the next rows, an empty list at the end."""
        with self._reading():
            if self._batches is None:
                self._batches = self._file.iter_batches(batch_size=_BATCH_ROWS)
            batch = next(self._batches, None)
            while batch is not None and not batch.num_rows:
                batch = next(self._batches, None)
            if batch is None:
                return []
            columns = [self._read(column) for column in batch.columns]
        self.count += batch.num_rows
        return list(zip(*columns, strict=True)) if columns else []

    def _read(self, column: Any) -> list[Any]:
        values = python_values(self._arrow, column)
        if values is None:
            return list(column.cast(self._arrow.string()).to_pylist())
        if self._annotation(column.type) is float:
            return [None if _is_nan(value) else value for value in values]
        return values

    def starts(self) -> Iterator[int]:
        """Yield the number of each row, from 1."""
        yield from range(1, self._file.metadata.num_rows + 1)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


class _Faults:
    """Turns the errors of pyarrow into faults of the file."""

    def __init__(self, errors: tuple[type[Exception], ...]) -> None:
        self._errors = errors

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, self._errors):
            raise Fault("is not a Parquet file that pyarrow reads", "is it the right file, and whole?") from error


def _is_undeclared(kind: ColumnType[Any]) -> bool:
    return kind.is_builtin() and isinstance(kind, ExactNumber) and declared_digits(kind) is None


class ParquetWriter:
    """Writes rows to a Parquet file.

    Args:
        file: the file, open for bytes.
        columns: names and types of the columns.
        operation: what was called, for messages.
    """

    def __init__(self, file: Any, columns: Mapping[str, ColumnType[Any]], operation: str) -> None:
        self._arrow = load("pyarrow", _WHAT, operation)
        self._parquet = load("pyarrow.parquet", _WHAT, operation)
        self._target = file
        #: Digits before and after the point of the columns that are declared without any.
        self._decimals = {name: [0, 0] for name, kind in columns.items() if _is_undeclared(kind)}
        self._columns = [
            ArrowColumn(name, name, String() if name in self._decimals else kind, None)
            for name, kind in columns.items()
        ]
        self._schema = schema_of(self._columns)
        # How many digits a decimal column needs is known at the end.
        self._file: Any = TemporaryFile() if self._decimals else file  # noqa: SIM115
        self._writer = self._parquet.ParquetWriter(self._file, self._schema)
        self._rows: list[Mapping[str, Any]] = []
        self._group: list[Any] = []

    def row(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS:
            self._convert()
            if len(self._group) * _BATCH_ROWS >= _GROUP_ROWS:
                self._flush()

    def _values(self, name: str) -> list[Any]:
        """Return the values of a column in the rows that wait."""
        values = [row[name] for row in self._rows]
        digits = self._decimals.get(name)
        if digits is None:
            return values
        for value in values:
            if value is not None:
                self._measure(digits, value)
        return [None if value is None else format(value, "f") for value in values]

    @staticmethod
    def _measure(digits: list[int], value: Decimal) -> None:
        """Take in how many digits a number has before and after its point."""
        if not value.is_finite():
            # The column stays text.
            digits[0] = DIGITS_256 + 1
            return
        exponent = int(value.as_tuple().exponent)
        digits[0] = max(digits[0], value.adjusted() + 1)
        digits[1] = max(digits[1], -exponent)

    def _convert(self) -> None:
        values = [self._values(column.name) for column in self._columns]
        self._rows = []
        self._group.append(batch_of(self._columns, self._schema, values))

    def _flush(self) -> None:
        table = self._arrow.Table.from_batches(self._group, schema=self._schema)
        self._group = []
        self._writer.write_table(table.unify_dictionaries())

    def end(self) -> None:
        """Write what remains, and the end of the file."""
        self._convert()
        self._flush()
        self._writer.close()
        if self._decimals:
            self._with_decimals()

    def close(self) -> None:
        """End the writing, also of rows that are not complete."""
        self._writer.close()
        if self._decimals:
            self._file.close()

    def _with_decimals(self) -> None:
        """Copy the file with decimal types that hold all numbers; a column of more digits stays text."""
        arrow, schema = self._arrow, self._schema
        for name, (before, after) in self._decimals.items():
            digits = max(1, before + after)
            if digits <= DIGITS_256:
                made = decimal_type(digits, after)
                schema = schema.set(schema.get_field_index(name), arrow.field(name, made))
        file = self._file
        with self._parquet.ParquetWriter(self._target, schema) as writer:
            file.seek(0)
            for batch in self._parquet.ParquetFile(file).iter_batches(batch_size=_GROUP_ROWS):
                writer.write_table(arrow.Table.from_batches([batch]).cast(schema))
