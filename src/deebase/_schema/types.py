"""SQLAlchemy types of ours: a value written is read back identical, on both databases.

Their bind and result processors are plain closures, or None where the driver's value is the value, and do
not need the driver's type code: the engine calls drivers directly. Checks of values with the column's name
in the message come before (``values.py``); what the processors check themselves guards statements that are
run through SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from deebase._schema import documents, scalars
from deebase._schema.choices import Choices, Pairs
from deebase.errors import DataError

Processor = Callable[[Any], Any]

#: SQLite's collation that orders stored Decimals by value; every connection registers it.
DECIMAL_COLLATION = "deebase_decimal"


def integer() -> TypeEngine[int]:
    """Return the type of int columns; SQLite generates keys only for columns that are called INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class ColumnType(TypeDecorator[Any]):
    """Base of our types: names of types per dialect, and conversions on SQLite alone unless overridden."""

    cache_ok = True
    impl = sa.types.NullType
    #: The type that SQLite's column is declared with; None for the same as elsewhere.
    sqlite_type: ClassVar[TypeEngine[Any] | None] = None
    postgresql_type: ClassVar[TypeEngine[Any] | None] = None

    def accept(self, value: Any) -> Any:
        """Return the value in the form that is stored.

        Raises:
            ValidationError: it does not fit.
        """
        raise NotImplementedError

    def to_sqlite(self) -> Processor | None:
        """Return what turns a value into what SQLite stores; None to send it as it is."""
        return None

    def from_sqlite(self) -> Processor | None:
        """Return what turns a stored value into the value; None to take it as it is."""
        return None

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        chosen = self.sqlite_type if dialect.name == "sqlite" else self.postgresql_type
        return dialect.type_descriptor(chosen if chosen is not None else self.impl_instance)

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        convert = self.to_sqlite() if dialect.name == "sqlite" else None
        return None if convert is None else _unless_none(convert)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor | None:
        convert = self.from_sqlite() if dialect.name == "sqlite" else None
        return None if convert is None else _unless_none(convert)


def _unless_none(convert: Processor) -> Processor:
    def process(value: Any) -> Any:
        return None if value is None else convert(value)

    return process


def _stored(kind: str, convert: Processor) -> Processor:
    """Return a conversion whose failures say that the database holds something else."""

    def read(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError, ArithmeticError, AttributeError):
            # Not chained: the message of the original holds the value.
            raise DataError(f"a stored value is no {kind}", hint="read the column with SQL, and correct it") from None

    return read


class _Double(sa.Double[float]):
    """DOUBLE PRECISION, without the processor of asyncpg's dialect, which needs the driver's type code."""

    render_bind_cast = True


class Float(ColumnType):
    """REAL, DOUBLE PRECISION."""

    cache_ok = True
    impl = sa.Double
    sqlite_type = sa.REAL()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return super().load_dialect_impl(dialect) if dialect.name == "sqlite" else _Double()

    def accept(self, value: Any) -> float:
        return scalars.real(value)


class Boolean(ColumnType):
    """BOOLEAN; SQLite stores 1 and 0."""

    cache_ok = True
    impl = sa.Boolean
    # ``c.is_(True)`` becomes IS TRUE; PostgreSQL takes no parameter there.
    coerce_to_is_types = (type(None), bool)

    def accept(self, value: Any) -> bool:
        return scalars.boolean(value)

    def to_sqlite(self) -> Processor:
        return lambda value: int(scalars.boolean(value))

    def from_sqlite(self) -> Processor:
        return bool


class Binary(ColumnType):
    """BLOB, BYTEA."""

    cache_ok = True
    impl = sa.LargeBinary

    def accept(self, value: Any) -> bytes:
        return scalars.binary(value)


class DateTime(ColumnType):
    """A datetime without a time zone: text that SQLAlchemy's own type would store, TIMESTAMP. ``fold`` is not kept."""

    cache_ok = True
    impl = sa.DateTime

    def accept(self, value: Any) -> datetime:
        return scalars.naive_datetime(value)

    def to_sqlite(self) -> Processor:
        return lambda value: datetime.isoformat(scalars.naive_datetime(value), " ", "microseconds")

    def from_sqlite(self) -> Processor:
        return _stored("datetime", datetime.fromisoformat)


class AwareDateTime(ColumnType):
    """A datetime in UTC: text without the zone, which sorts by time; TIMESTAMPTZ."""

    cache_ok = True
    impl = sa.DateTime
    postgresql_type = sa.DateTime(timezone=True)

    def accept(self, value: Any) -> datetime:
        return scalars.aware_datetime(value)

    def to_sqlite(self) -> Processor:
        return lambda value: datetime.isoformat(scalars.aware_datetime(value).replace(tzinfo=None), " ", "microseconds")

    def from_sqlite(self) -> Processor:
        return _stored("datetime", _in_utc)


def _in_utc(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Date(ColumnType):
    """DATE; SQLite stores ISO 8601 text."""

    cache_ok = True
    impl = sa.Date

    def accept(self, value: Any) -> date:
        return scalars.calendar_date(value)

    def to_sqlite(self) -> Processor:
        return lambda value: date.isoformat(scalars.calendar_date(value))

    def from_sqlite(self) -> Processor:
        return _stored("date", date.fromisoformat)


class Time(ColumnType):
    """TIME without a zone; SQLite stores HH:MM:SS.ffffff. ``fold`` is not kept."""

    cache_ok = True
    impl = sa.Time

    def accept(self, value: Any) -> time:
        return scalars.clock_time(value)

    def to_sqlite(self) -> Processor:
        return lambda value: time.isoformat(scalars.clock_time(value), "microseconds")

    def from_sqlite(self) -> Processor:
        return _stored("time", time.fromisoformat)


class Interval(ColumnType):
    """INTERVAL; SQLite stores seconds as a REAL."""

    cache_ok = True
    impl = sa.Interval
    sqlite_type = sa.REAL()
    postgresql_type = postgresql.INTERVAL()

    def accept(self, value: Any) -> timedelta:
        return scalars.duration(value)

    def to_sqlite(self) -> Processor:
        return lambda value: timedelta.total_seconds(scalars.duration(value))

    def from_sqlite(self) -> Processor:
        return _stored("timedelta", lambda seconds: timedelta(seconds=seconds))


class Uuid(ColumnType):
    """UUID; SQLite stores 32 hexadecimal digits."""

    cache_ok = True
    impl = sa.Uuid
    sqlite_type = sa.CHAR(32)

    def accept(self, value: Any) -> UUID:
        return scalars.uuid(value)

    def to_sqlite(self) -> Processor:
        return lambda value: scalars.uuid(value).hex

    def from_sqlite(self) -> Processor:
        return _stored("UUID", UUID)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor | None:
        if dialect.name == "sqlite":
            return super().result_processor(dialect, coltype)
        # asyncpg makes instances of a subclass of its own.
        return _unless_none(lambda value: UUID(int=value.int))


class ByValue(ColumnElement[Any]):
    """A stored Decimal as SQLite has to compare it; PostgreSQL's NUMERIC is compared as it is."""

    __visit_name__ = "deebase_by_value"
    inherit_cache = True
    _traverse_internals: Any = [("element", sa.sql.visitors.InternalTraversal.dp_clauseelement)]

    def __init__(self, element: ColumnElement[Any]) -> None:
        self.element = element
        self.type = element.type

    @property
    def _from_objects(self) -> Any:
        return self.element._from_objects


@compiles(ByValue)
def _compile_by_value(element: ByValue, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.element, **options)
    return f"({text} COLLATE {DECIMAL_COLLATION})" if compiler.dialect.name == "sqlite" else text


def compare_decimals(left: str, right: str) -> int:
    """Order two stored Decimals by value: negative, zero or positive; text that is no number comes last.

    Example:
        ```python
        connection.create_collation("deebase_decimal", compare_decimals)
        ```
    """
    if left == right:
        return 0
    first, second = _sort_key(left), _sort_key(right)
    return (first > second) - (first < second)


def _sort_key(text: str) -> tuple[int, Decimal, str]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return 1, Decimal(0), text
    return (0, number, "") if number.is_finite() else (1, Decimal(0), text)


_BY_VALUE = frozenset(
    {
        *(operators.lt, operators.le, operators.gt, operators.ge, operators.eq, operators.ne),
        *(operators.between_op, operators.not_between_op, operators.in_op, operators.not_in_op),
        *(operators.is_distinct_from, operators.is_not_distinct_from, operators.asc_op, operators.desc_op),
    }
)


class ExactNumber(ColumnType):
    """A Decimal with its scale: NUMERIC; SQLite stores fixed-point text and compares it by value."""

    cache_ok = True
    impl = sa.Numeric
    sqlite_type = sa.Text()

    class Comparator(TypeDecorator.Comparator[Any], sa.Numeric.Comparator[Any]):
        """Compares by value."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            if op in _BY_VALUE and not isinstance(self.expr, ByValue):
                return op(ByValue(self.expr), *other, **options)
            return super().operate(op, *other, **options)

    comparator_factory = Comparator  # type: ignore[assignment]

    def accept(self, value: Any) -> Decimal:
        return scalars.exact_number(value)

    def to_sqlite(self) -> Processor:
        return lambda value: format(scalars.exact_number(value), "f")

    def from_sqlite(self) -> Processor:
        # Arithmetic and aggregates of SQLite give numbers instead of text.
        return _stored("Decimal", lambda value: Decimal(repr(value) if type(value) is float else value))

    def order_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what ORDER BY sorts by."""
        return ByValue(column)


class Choice(ColumnType):
    """An Enum or Literal as VARCHAR.

    Args:
        pairs: stored texts and members; ``allowed`` are the texts, for the CHECK of the column.
    """

    cache_ok = True
    impl = sa.String

    def __init__(self, pairs: Pairs) -> None:
        super().__init__()
        self.pairs = pairs
        self.allowed = tuple(text for text, _ in pairs)
        self._choices = Choices(pairs)

    def accept(self, value: Any) -> Any:
        return self._choices.accept(value)

    def bind_processor(self, dialect: Dialect) -> Processor:
        return _unless_none(self._choices.text)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor:
        return _unless_none(_stored("accepted value", self._member))

    def _member(self, text: str) -> Any:
        if text not in self._choices.members:
            raise ValueError
        return self._choices.members[text]

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Patterns and concatenations are about the stored text."""
        return self if op in _EQUALITIES else sa.String()


_EQUALITIES = frozenset(
    {operators.eq, operators.ne, operators.in_op, operators.not_in_op, operators.is_, operators.is_not}
)


class JsonText:
    """JSON text of a value that was checked with its column's name; ``JSON`` sends it as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class JSON(ColumnType):
    """JSON, JSONB; None is NULL.

    Args:
        hint: the annotation, from which values are made anew when they are read; part of the cache key.
        codec: how; None takes what JSON itself knows.
    """

    impl = sa.JSON
    sqlite_type = sa.JSON(none_as_null=True)
    postgresql_type = postgresql.JSONB(none_as_null=True)
    takes_collections = True

    class Comparator(TypeDecorator.Comparator[Any], sa.JSON.Comparator[Any]):
        """Elements of a document are JSON of any kind, whatever the document is."""

        __slots__ = ()

        def __getitem__(self, index: Any) -> Any:
            element = super().__getitem__(index)
            element.type = JSON()
            return element

    comparator_factory = Comparator  # type: ignore[assignment]

    def __init__(self, hint: Any = None, codec: documents.Codec | None = None) -> None:
        super().__init__(none_as_null=True)
        self.hint = hint
        self._codec = codec if codec is not None else documents.Codec(documents.plain, None)

    @property
    def cache_ok(self) -> bool:  # type: ignore[override]
        """Whether SQLAlchemy may keep statements with it: only what can be hashed can be told apart."""
        try:
            hash(self.hint)
        except TypeError:
            return False
        return True

    def accept(self, value: Any) -> JsonText:
        return JsonText(documents.encode(self._codec, value))

    def bind_processor(self, dialect: Dialect) -> Processor:
        def process(value: Any) -> Any:
            if type(value) is JsonText:
                return value.text
            return None if value is None else documents.encode(self._codec, value)

        return process

    def result_processor(self, dialect: Dialect, coltype: Any) -> Processor:
        def process(value: Any) -> Any:
            return None if value is None else documents.decode(self._codec, value)

        return process

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """What a document is compared with is a document; a path or key is not."""
        return self if op in _EQUALITIES else self.impl_instance.coerce_compared_value(op, value)
