"""Columns of Arrow tables: the type of each column type, and arrays of it from the values of a driver."""

from __future__ import annotations

# pyarrow comes without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from array import array
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from deebase._rows.libraries import load
from deebase._types.array import ArrayValues
from deebase._types.base import ColumnType
from deebase._types.choices import Choice
from deebase._types.decimals import ExactNumber
from deebase._types.documents import JSON
from deebase._types.forms.infinity import StoredInterval
from deebase._types.forms.json_texts import loads
from deebase._types.native import AnyValue
from deebase._types.native_lists import NativeList
from deebase._types.number import Boolean, Float, Integer, SingleFloat
from deebase._types.registry import column_type, text_of, type_of
from deebase._types.text import String
from deebase._types.uuid import Uuid
from deebase.errors import DataError
from deebase.types import UTCDateTime

Convert = Callable[[Any], Any]
#: Makes an array of the values of a driver, or of an array of another type.
Make = Callable[[Any], Any]

#: Digits, and digits after the point, of a decimal column without declared ones.
UNDECLARED_DIGITS: Final = (38, 18)
#: Digits of the widest decimal types of Arrow, of 128 and of 256 bits.
_DIGITS_128: Final = 38
DIGITS_256: Final = 76
_UNIT: Final = "us"
_HEX_DIGITS: Final = 32
_NANOSECONDS: Final = 1000
_LONG: Final = 64
_DAY: Final = timedelta(days=1)
_DIGITS: Final = re.compile(r"\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")


_FIT: Final = "leave the column out (select=[...]), or read rows, which have such a value"
_FIT_DECIMAL: Final = "declare the digits of the column: Annotated[Decimal, Native('numeric(30,20)')]; or read rows"


class Inexact(Exception):
    """An array of another type has a value that the type of the column has not."""


def arrow() -> Any:
    """Return pyarrow.

    Raises:
        InvalidOperationError: it is not installed.
    """
    return load("pyarrow", "Arrow tables", "arrow")


def _is_plain(kind: ColumnType[Any], python: Any) -> bool:
    return kind.is_builtin() and kind.python == python


def decimal_type(digits: int, places: int) -> Any:
    """Return the narrowest decimal type of Arrow with so many digits, and so many of them after the point."""
    pa = arrow()
    return pa.decimal128(digits, places) if digits <= _DIGITS_128 else pa.decimal256(digits, places)


class Form:
    """The Arrow type of a column type, and how arrays of it are made. This one holds text.

    Attributes:
        type: the Arrow type.
        takes: for each class that a driver gives values of, what makes an array of them.
        quick: makes an array of values of the usual class without NULLs; a TypeError or OverflowError for others.
        from_array: makes an array of one that the driver made; None where values are needed for that.
    """

    def __init__(self, kind: ColumnType[Any], made: Any = None) -> None:
        self.kind = kind
        self.type = arrow().string() if made is None else made
        self.takes: dict[frozenset[type], Make] = {}
        self.quick: Make | None = None
        self.from_array: Make | None = None

    def item(self, value: Any) -> Any:
        """Return a value of the column as pyarrow takes it."""
        return text_of(value) if self.kind.is_builtin() else self.kind.format(value)

    def storage(self, items: list[Any]) -> Any:
        """Return the array of such values."""
        return arrow().array(items, self.type)


def _ints(values: Sequence[int]) -> Any:
    return _of_numbers(array("q", values), arrow().int64())


def _floats(values: Sequence[float]) -> Any:
    return _of_numbers(array("d", values), arrow().float64())


def _of_numbers(numbers: array[Any], kind: Any) -> Any:
    pa = arrow()
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def _texts(values: Sequence[str]) -> Any:
    # A TypeError for anything but text.
    "".join(values)
    return arrow().array(values, arrow().string())


#: Twice as fast as to look at the class of each value.
_QUICK: Final[dict[type, Make]] = {int: _ints, float: _floats, str: _texts}


class _Plain(Form):
    """A type of Arrow whose values are those of the column."""

    def __init__(self, kind: ColumnType[Any], made: Any, python: type) -> None:
        super().__init__(kind, made)
        self._python = python
        self.takes = {frozenset((python,)): self._exact}
        self.from_array = self._cast
        self.quick = _QUICK.get(python)

    def _exact(self, values: Sequence[Any]) -> Any:
        return arrow().array(values, self.type)

    def _cast(self, array: Any) -> Any:
        return array.cast(self.type)

    def item(self, value: Any) -> Any:
        # Subclasses are those dates and times that PostgreSQL alone has.
        if type(value) is not self._python:
            raise Inexact
        return value


class _Integer(_Plain):
    """Ints."""

    def _cast(self, array: Any) -> Any:
        if array.type.bit_width < _LONG and isinstance(self.kind, Integer) and self.kind.bits == _LONG:
            # An OID, of which the driver for Arrow makes a number with a sign.
            raise Inexact
        return super()._cast(array)


class _Number(_Plain):
    """Floats, which SQLite may store as ints."""

    def __init__(self, kind: ColumnType[Any], made: Any) -> None:
        super().__init__(kind, made, float)
        self.takes[frozenset((float, int))] = self._exact
        self.takes[frozenset((int,))] = self._exact
        if isinstance(kind, SingleFloat):
            # The driver for Arrow gives the digits of a double.
            self.from_array = None


class _Flag(_Plain):
    """Booleans; SQLite stores 1 and 0."""

    def __init__(self, kind: ColumnType[Any], made: Any) -> None:
        super().__init__(kind, made, bool)
        self.takes[frozenset((int,))] = self._of_bits

    def _of_bits(self, values: Sequence[Any]) -> Any:
        bits = arrow().array(values, arrow().int64())
        if not set(bits.unique().to_pylist()) <= {0, 1, None}:
            raise Inexact
        return bits.cast(self.type)


class _FromText(_Plain):
    """A type of Arrow that reads the text that SQLite stores, and the driver's values on PostgreSQL."""

    def __init__(self, kind: ColumnType[Any], made: Any, python: type) -> None:
        super().__init__(kind, made, python)
        self.takes[frozenset((str,))] = self._of_text
        self.quick = lambda values: self.read(_texts(values))

    def _of_text(self, values: Sequence[Any]) -> Any:
        return self.read(arrow().array(values, arrow().string()))

    def read(self, texts: Any) -> Any:
        """Return the array that an array of texts stands for."""
        return texts.cast(self.type)


class _Numeric(_FromText):
    """Decimals of a fixed number of digits after the point."""

    def _cast(self, array: Any) -> Any:
        # The driver gives NUMERIC as text.
        return self.read(_bare(array).cast(arrow().string()))


class _DateTime(_FromText):
    """Datetimes; SQLite stores those with a zone as text without it, in UTC."""

    def read(self, texts: Any) -> Any:
        return texts.cast(arrow().timestamp(_UNIT)).cast(self.type)

    def _cast(self, array: Any) -> Any:
        return _within(array.cast(self.type), datetime.min, datetime.max)


class _Date(_FromText):
    """Dates."""

    def _cast(self, array: Any) -> Any:
        return _within(array.cast(self.type), date.min, date.max)


class _Time(_FromText):
    """Times of a day."""

    def read(self, texts: Any) -> Any:
        # Arrow reads no times, only datetimes.
        compute = load("pyarrow.compute", "Arrow tables", "arrow")
        whole = compute.binary_join_element_wise("1970-01-01", texts, " ")
        return whole.cast(arrow().timestamp(_UNIT)).cast(self.type)

    def _cast(self, array: Any) -> Any:
        # PostgreSQL has a time 24:00.
        number = arrow().int64()
        _within_numbers(array.cast(number), 0, _DAY // timedelta(microseconds=1) - 1)
        return array.cast(self.type)


class _Duration(_Plain):
    """Timedeltas."""

    def _cast(self, array: Any) -> Any:
        made: list[timedelta | None] = []
        for value in array.to_pylist():
            if value is None:
                made.append(None)
                continue
            if value.months:
                raise Inexact
            made.append(timedelta(days=value.days, microseconds=value.nanoseconds // _NANOSECONDS))
        return arrow().array(made, self.type)

    def item(self, value: Any) -> Any:
        if type(value) is not StoredInterval:
            return super().item(value)
        months, days, microseconds = value.stored
        if months:
            # months have no fixed length.
            raise Inexact
        return timedelta(days=days, microseconds=microseconds)


class _Uuid(Form):
    """UUIDs, in Arrow's extension type; SQLite stores hexadecimal digits."""

    def __init__(self, kind: ColumnType[Any]) -> None:
        super().__init__(kind, arrow().uuid())
        self.takes = {frozenset((str,)): self._of_text}
        self.from_array = self._cast

    def _of_text(self, values: Sequence[Any]) -> Any:
        if any(value is not None and len(value) != _HEX_DIGITS for value in values):
            raise Inexact
        return self.storage([None if value is None else bytes.fromhex(value) for value in values])

    def _cast(self, array: Any) -> Any:
        made = _bare(array).cast(self.type.storage_type)
        if not hasattr(made, "chunks"):
            return arrow().ExtensionArray.from_storage(self.type, made)
        chunks = [arrow().ExtensionArray.from_storage(self.type, chunk) for chunk in made.chunks]
        return arrow().chunked_array(chunks, self.type)

    def item(self, value: UUID) -> bytes:
        return value.bytes

    def storage(self, items: list[Any]) -> Any:
        array = arrow().array(items, self.type.storage_type)
        return arrow().ExtensionArray.from_storage(self.type, array)


class _Choices(Form):
    """The texts of an Enum, a Literal or an enum of the database, as a dictionary in the order of definition."""

    def __init__(self, kind: Choice) -> None:
        pa = arrow()
        super().__init__(kind, pa.dictionary(pa.int32(), pa.string()))
        self._allowed = kind.allowed
        self.takes = {frozenset((str,)): self._of_text}
        self.from_array = self._cast

    def _of_text(self, values: Sequence[Any]) -> Any:
        return self._cast(arrow().array(values, arrow().string()))

    def _cast(self, array: Any) -> Any:
        pa, compute = arrow(), load("pyarrow.compute", "Arrow tables", "arrow")
        texts = array.cast(pa.string())
        labels = pa.array(self._allowed, pa.string())
        places = compute.index_in(texts, value_set=labels)
        if places.null_count != texts.null_count:
            raise Inexact
        if not hasattr(places, "chunks"):
            return pa.DictionaryArray.from_arrays(places, labels)
        return pa.chunked_array([pa.DictionaryArray.from_arrays(each, labels) for each in places.chunks], self.type)

    def item(self, value: Any) -> str:
        # A label that was added to an enum of the database since is its own text.
        return value if value.__class__ is str else self.kind.format(value)

    def storage(self, items: list[Any]) -> Any:
        pa = arrow()
        added = [text for text in dict.fromkeys(items) if text is not None and text not in self._allowed]
        labels = [*self._allowed, *added]
        places = {text: place for place, text in enumerate(labels)}
        indices = pa.array([None if text is None else places[text] for text in items], pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(labels, pa.string()))


class _Documents(Form):
    """Documents of JSON as text, in the form that DeeBase stores."""

    def __init__(self, kind: JSON) -> None:
        super().__init__(kind)
        self._write = kind.to_sqlite()
        # JSON that is not JSONB is selected as text, which readers of rows parse themselves.
        self.from_array = None if kind.keeps_text else _bare

    def item(self, value: Any) -> Any:
        return self._write(value)


class _Lists(Form):
    """Lists: arrays of PostgreSQL, and columns that are one there."""

    def __init__(self, kind: ColumnType[Any], inner: Form) -> None:
        super().__init__(kind, arrow().list_(inner.type))
        self._inner = inner

    def item(self, value: list[Any]) -> list[Any]:
        return [None if each is None else self._inner.item(each) for each in value]


def _bare(array: Any) -> Any:
    """Return an array without its extension type."""
    kind = array.type
    if not isinstance(kind, arrow().BaseExtensionType):
        return array
    if not hasattr(array, "chunks"):
        return array.storage
    return arrow().chunked_array([chunk.storage for chunk in array.chunks], kind.storage_type)


def _within(array: Any, first: Any, last: Any) -> Any:
    """Return an array of days or microseconds, which PostgreSQL has more of than Python.

    Raises:
        Inexact: one is not between two dates.
    """
    pa = arrow()
    unit = timedelta(days=1) if pa.types.is_date(array.type) else timedelta(microseconds=1)
    start = first.replace(year=1970)
    width = pa.int32() if pa.types.is_date(array.type) else pa.int64()
    _within_numbers(array.cast(width), (first - start) // unit, (last - start) // unit)
    return array


def _within_numbers(numbers: Any, least: int, most: int) -> None:
    bounds = load("pyarrow.compute", "Arrow tables", "arrow").min_max(numbers).as_py()
    if bounds["min"] is not None and not (least <= bounds["min"] and bounds["max"] <= most):
        raise Inexact


def declared_digits(kind: ExactNumber) -> tuple[int, int] | None:
    """Return the digits that a column is declared with, and those of them after the point; None if it has none."""
    declared: Any = kind.impl_instance
    if declared.precision is not None:
        return declared.precision, declared.scale or 0
    for native in (kind.native.postgres, kind.native.sqlite) if kind.native is not None else ():
        arguments = None if native is None else _DIGITS.search(native)
        if arguments is not None:
            return int(arguments[1]), int(arguments[2] or 0)
    return None


def _decimal(kind: ExactNumber) -> Form:
    precision, scale = declared_digits(kind) or UNDECLARED_DIGITS
    # A negative scale rounds before the point; one larger than the precision leaves zeros after it.
    places = max(scale, 0)
    digits = max(precision - min(scale, 0), places, 1)
    if digits > DIGITS_256:
        return Form(kind)
    return _Numeric(kind, decimal_type(digits, places), Decimal)


#: Annotations, and what makes the form of their columns.
_OF_ANNOTATIONS: Final[tuple[tuple[Any, Callable[[ColumnType[Any], Any], Form]], ...]] = (
    (bytes, lambda kind, pa: _Plain(kind, pa.binary(), bytes)),
    (date, lambda kind, pa: _Date(kind, pa.date32(), date)),
    (datetime, lambda kind, pa: _DateTime(kind, pa.timestamp(_UNIT), datetime)),
    (UTCDateTime, lambda kind, pa: _DateTime(kind, pa.timestamp(_UNIT, "UTC"), datetime)),
    (time, lambda kind, pa: _Time(kind, pa.time64(_UNIT), time)),
    (timedelta, lambda kind, pa: _Duration(kind, pa.duration(_UNIT), timedelta)),
)


def form_of(kind: ColumnType[Any]) -> Form:
    """Return the Arrow type of a column type, the same for both databases, and how its arrays are made."""
    pa = arrow()
    if not kind.is_builtin():
        return Form(kind)
    match kind:
        case Boolean():
            return _Flag(kind, pa.bool_())
        case Integer():
            return _Integer(kind, pa.int64(), int)
        case Float():
            return _Number(kind, pa.float64())
        case String():
            return _Plain(kind, pa.string(), str)
        case ExactNumber():
            return _decimal(kind)
        case Uuid():
            return _Uuid(kind)
        case Choice():
            return _Choices(kind)
        case NativeList():
            return _Lists(kind, form_of(kind.item))
        case ArrayValues():
            return _Lists(kind, form_of(column_type(kind.item_type)))
        case JSON():
            return _Documents(kind)
        case _:
            made = next((make for hint, make in _OF_ANNOTATIONS if _is_plain(kind, hint)), None)
            return Form(kind) if made is None else made(kind, pa)


def kind_of_values(values: Sequence[Any]) -> ColumnType[Any] | None:
    """Return the type whose columns hold all of these values; None if each is NULL."""
    samples = {type(value): value for value in values if value is not None}
    kinds = {type(kind): kind for kind in map(type_of, samples.values())}
    if samples.keys() == {int, float}:
        return Float()
    if not samples:
        return None
    found = next(iter(kinds.values())) if len(kinds) == 1 else None
    return AnyValue() if found is None else found


class ArrowColumn:
    """A column of an Arrow table.

    Args:
        name: of the column.
        place: the table and the column, for messages.
        kind: the type of its values.
        read: turns a value of the driver into one of the column; None to take it as it is.
    """

    def __init__(self, name: str, place: str, kind: ColumnType[Any], read: Convert | None) -> None:
        self.name = name
        self.place = place
        self.form = form_of(kind)
        self._read = read

    @property
    def reads_arrays(self) -> bool:
        """Whether arrays that the driver for Arrow makes of the column can be converted."""
        return self.form.from_array is not None

    def converted(self, array: Any) -> Any:
        """Return an array, or a chunked array, of the driver for Arrow with the type of the column.

        Raises:
            Inexact: a value has to be read as rows are.
        """
        form = self.form
        if isinstance(form, _Documents):
            values = [None if text is None else loads(text) for text in _bare(array).to_pylist()]
            return arrow().chunked_array([self._one_by_one(values)], form.type)
        assert form.from_array is not None
        return form.from_array(array)

    def array(self, values: Sequence[Any]) -> Any:
        """Return the array of values as the driver gives them.

        Raises:
            DataError: a value is not of the type of the column, or its Arrow type does not hold it.
        """
        form = self.form
        try:
            if form.quick is not None:
                return form.quick(values)
        except (arrow().ArrowException, Inexact, TypeError, ValueError, OverflowError):
            # There are NULLs, or other values than usual.
            pass
        found = set(map(type, values))
        found.discard(type(None))
        make = form.takes.get(frozenset(found))
        if make is not None:
            try:
                return make(values)
            except (arrow().ArrowException, Inexact, ValueError, OverflowError):
                # One of the values is of an unusual form: each is read as rows are.
                pass
        return self._one_by_one(values)

    def _one_by_one(self, values: Sequence[Any]) -> Any:
        form, read = self.form, self._read
        made = values if read is None else [None if value is None else read(value) for value in values]
        try:
            return form.storage([None if value is None else form.item(value) for value in made])
        except (arrow().ArrowException, Inexact, ValueError, TypeError, OverflowError, AttributeError):
            # Not chained: the message of the original holds the value.
            raise DataError(
                f"{self.place}: a value does not fit the Arrow type {form.type}",
                hint=_FIT_DECIMAL if isinstance(form.kind, ExactNumber) else _FIT,
            ) from None


def python_values(pa: Any, column: Any) -> list[Any] | None:
    """Return the values of a column of a batch, None if Python has no exact value for one of them."""
    kind = column.type
    if pa.types.is_temporal(kind) and getattr(kind, "unit", "") == "ns":
        wanted: Any = pa.time64("us")
        if pa.types.is_timestamp(kind):
            wanted = pa.timestamp("us", kind.tz)
        elif pa.types.is_duration(kind):
            wanted = pa.duration("us")
        try:
            column = column.cast(wanted, safe=True)
        except pa.ArrowInvalid:
            return None
    try:
        return list(column.to_pylist(maps_as_pydicts="strict"))
    except (ValueError, OverflowError, KeyError, TypeError):
        pass
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return None


def schema_of(columns: Sequence[ArrowColumn]) -> Any:
    """Return the schema of a table with these columns."""
    return arrow().schema([(column.name, column.form.type) for column in columns])


def batch_of(columns: Sequence[ArrowColumn], schema: Any, values: Sequence[Sequence[Any]]) -> Any:
    """Return a record batch of the values of each column, as the driver gives them."""
    arrays = [column.array(given) for column, given in zip(columns, values, strict=True)]
    return arrow().RecordBatch.from_arrays(arrays, schema=schema)
