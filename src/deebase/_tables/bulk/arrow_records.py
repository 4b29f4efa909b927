"""Records of Arrow tables and record batches, of frames of polars and pandas, and of other objects that hold them."""

from __future__ import annotations

# pyarrow comes without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import UUID

from deebase._rows.arrow_columns import arrow, declared_digits, python_values
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.model import TableModel
from deebase._types.base import ColumnType
from deebase._types.decimals import ExactNumber
from deebase._types.documents import JSON
from deebase._types.native_lists import NativeList
from deebase._types.number import Integer
from deebase._types.registry import column_type
from deebase._types.uuid import Uuid
from deebase.errors import DeeBaseError, ValidationError

Convert = Callable[[Any], Any]


class ArrowStream(Protocol):
    """An object with columns of Arrow: a table, a frame, a reader of record batches."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


class ArrowArray(Protocol):
    """A record batch."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> object: ...


#: What the calls for many rows take.
Records = Iterable[Any] | AsyncIterable[Any] | ArrowStream | ArrowArray

#: Rows that are converted at once, while the event loop waits.
_BATCH_ROWS: Final = 1000
#: What reading a value raises that is not of the type of its column.
_MISREAD: Final = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def records_of(model: TableModel, rows: Any, operation: str) -> Any:
    """Return what bulk calls take: batches by column for an object with columns of Arrow, other rows as they are.

    Args:
        model: the table.
        rows: what was given for the records.
        operation: the method, for messages.
    """
    kind: Any = type(rows)
    if not (hasattr(kind, "__arrow_c_stream__") or hasattr(kind, "__arrow_c_array__")):
        return rows
    return _batches(model, rows, operation)


async def _batches(model: TableModel, rows: Any, operation: str) -> AsyncGenerator[ColumnBatch, None]:
    pa = arrow()
    try:
        reader = _reader(pa, rows)
        names = list(reader.schema.names)
        _refuse_repeated(model, names)
        columns = [_Values(model, name, field.type) for name, field in zip(names, reader.schema, strict=True)]
        position = 0
        for batch in _pieces(reader):
            yield ColumnBatch(
                names,
                [column.read(array, position) for column, array in zip(columns, batch.columns, strict=True)],
                batch.num_rows,
            )
            position += batch.num_rows
            await asyncio.sleep(0)
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, DeeBaseError):
            raise
        raise ValidationError(
            f"{operation} of {model.name}: pyarrow cannot read this {type(rows).__name__} as columns",
            field="rows",
            hint="give an Arrow table, a frame, or records",
        ) from None


def _reader(pa: Any, rows: Any) -> Any:
    """Return a reader of record batches."""
    if type(rows).__module__.partition(".")[0] == "pandas":
        # Its stream has the index as a column; NaN is its NULL.
        return pa.Table.from_pandas(rows, preserve_index=False).to_reader()
    if hasattr(rows, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(rows)
    return pa.Table.from_batches([pa.record_batch(rows)]).to_reader()


def _pieces(reader: Any) -> Iterator[Any]:
    for batch in reader:
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            yield batch.slice(start, _BATCH_ROWS)


def _refuse_repeated(model: TableModel, names: list[str]) -> None:
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise ValidationError(
            f"{model.name}: two columns are called {repeated!r}", field=repeated, hint="rename one of them"
        )


class _Values:
    """Makes the values of a column of arrays of Arrow."""

    def __init__(self, model: TableModel, name: str, arrow_type: Any) -> None:
        column = model.columns.get(name)
        self._place = f"{model.name}.{name}"
        self._name = name
        self._type = arrow_type
        #: None for a column that the table lacks, which is refused with the others.
        self._convert: Convert | None = None if column is None else converter(column_type(column.sa_type))
        self._wanted = "" if column is None else column_type(column.sa_type).wanted

    def read(self, array: Any, position: int) -> list[Any]:
        """Return the values of some rows; ``position`` is that of the first one."""
        values = python_values(arrow(), array)
        if values is None:
            raise ValidationError(
                f"{self._place}: Python has no exact value for one of the type {self._type}",
                field=self._name,
                hint="cast the column: timestamps, times and durations to microseconds",
            )
        convert = self._convert
        if convert is None:
            return values
        try:
            return [None if value is None else convert(value) for value in values]
        except _MISREAD:
            return [self._one(convert, value, row) for row, value in enumerate(values, position)]

    def _one(self, convert: Convert, value: Any, row: int) -> Any:
        try:
            return None if value is None else convert(value)
        except _MISREAD:
            # Not chained: the message of the original holds the value.
            raise ValidationError(
                f"row {row}: {self._place}: a value of the Arrow type {self._type} is not {self._wanted}",
                field=self._name,
                hint="cast or correct the column",
            ) from None


def converter(kind: ColumnType[Any]) -> Convert:
    """Return what makes a value of a column of one that pyarrow gives.

    Values of its class pass, and are checked as those of any record. Text is what ``format`` writes of a value; that
    of a document is JSON.
    """
    if isinstance(kind, JSON) and not isinstance(kind, NativeList):
        return lambda value: kind.parse(value) if type(value) is str else kind.of_json(value)
    if isinstance(kind, ExactNumber):
        return _decimal if declared_digits(kind) is None else lambda value: _parsed(kind, value)
    if isinstance(kind, Integer):
        # Frames of pandas have floats where an int is missing.
        return lambda value: kind.of_json(value) if type(value) is float else _parsed(kind, value)
    if isinstance(kind, Uuid):
        return lambda value: UUID(bytes=value) if type(value) is bytes else _parsed(kind, value)
    if isinstance(kind, NativeList):
        item = converter(kind.item)
        return lambda value: [None if each is None else item(each) for each in value]
    return lambda value: _parsed(kind, value)


def _parsed(kind: ColumnType[Any], value: Any) -> Any:
    return kind.parse(value) if type(value) is str and str not in kind.classes else value


def _decimal(value: Any) -> Any:
    """Return a number without the zeros that fill its Arrow type up."""
    if type(value) is not Decimal:
        return Decimal(value) if type(value) is str else value
    # Not normalize(), which rounds to the precision of the context.
    text = format(value, "f")
    return Decimal(text.rstrip("0").removesuffix(".") if "." in text else text)
