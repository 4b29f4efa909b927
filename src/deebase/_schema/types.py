"""Column types under which a value that was written is read back equal, on both databases.

The engine hands values to the drivers itself, so a type gives its conversions through SQLAlchemy's
``bind_processor`` and ``result_processor``, None where the driver's value is the value. Statements that
SQLAlchemy runs go through the same methods.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from deebase._schema.jsonvalues import PLAIN_JSON, JsonCodec, dump_json, load_json

Convert = Callable[[Any], Any]

#: Name of the SQLite collation that compares the texts of two decimals as numbers.
DECIMAL_COLLATION = "deebase_decimal"


def compare_decimals(left: str, right: str) -> int:
    """Compare two stored decimals as numbers: -1, 0 or 1. Text that is none sorts as text, behind."""
    try:
        a, b = Decimal(left), Decimal(right)
    except ArithmeticError:
        return (left > right) - (left < right)
    return (a > b) - (a < b)


class _Converted(TypeDecorator[Any]):
    """Base of our types: one SQLAlchemy type per database, and plain conversions."""

    impl = sa.Text
    cache_ok = True
    on_sqlite: TypeEngine[Any] = sa.Text()
    on_postgres: TypeEngine[Any] = sa.Text()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(self.on_sqlite if dialect.name == "sqlite" else self.on_postgres)

    def bind_processor(self, dialect: Dialect) -> Convert | None:
        return _past_none(self.to_sqlite if dialect.name == "sqlite" else self.to_postgres)

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert | None:
        return _past_none(self.from_sqlite if dialect.name == "sqlite" else self.from_postgres)

    #: The four conversions; None where the driver's value is the value.
    to_sqlite: Convert | None = None
    to_postgres: Convert | None = None
    from_sqlite: Convert | None = None
    from_postgres: Convert | None = None


def _past_none(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


class Float(_Converted):
    """A double; REAL on SQLite."""

    impl = sa.Double
    on_sqlite = sa.REAL()
    on_postgres = sa.Double()


class Interval(_Converted):
    """A timedelta; seconds as REAL on SQLite, exact as far as a double is."""

    impl = sa.Interval
    on_sqlite = sa.REAL()
    on_postgres = postgresql.INTERVAL()
    to_sqlite = staticmethod(timedelta.total_seconds)
    from_sqlite = staticmethod(lambda value: timedelta(seconds=value))


def _to_utc_text(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class Instant(_Converted):
    """An aware datetime; on SQLite the text of its UTC time, TIMESTAMPTZ on PostgreSQL."""

    impl = sa.DateTime
    on_sqlite = sqlite.DATETIME()
    on_postgres = postgresql.TIMESTAMP(timezone=True)
    to_sqlite = staticmethod(_to_utc_text)
    from_sqlite = staticmethod(lambda value: datetime.fromisoformat(value).replace(tzinfo=UTC))


class AsNumber(ColumnElement[Any]):
    """A decimal column as a number: SQLite holds the text and needs a collation to compare it."""

    __visit_name__ = "deebase_as_number"
    inherit_cache = False

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.type = PlainDecimal()


@compiles(AsNumber)
def _plain(element: AsNumber, compiler: Any, **kwargs: Any) -> str:
    return str(compiler.process(element.inner, **kwargs))


@compiles(AsNumber, "sqlite")
def _collated(element: AsNumber, compiler: Any, **kwargs: Any) -> str:
    return f"{compiler.process(element.inner, **kwargs)} COLLATE {DECIMAL_COLLATION}"


_COMPARISONS = frozenset(
    {
        operators.lt,
        operators.le,
        operators.gt,
        operators.ge,
        operators.eq,
        operators.ne,
        operators.between_op,
        operators.not_between_op,
        operators.in_op,
        operators.not_in_op,
    }
)


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


class PlainDecimal(_Converted):
    """A Decimal, exact; TEXT on SQLite, NUMERIC on PostgreSQL."""

    impl = sa.Numeric
    on_sqlite = sa.Text()
    on_postgres = sa.Numeric()
    to_sqlite = staticmethod(_decimal_text)
    from_sqlite = staticmethod(Decimal)


class ExactDecimal(PlainDecimal):
    """The decimal of columns: comparing and sorting it is numeric on both databases."""

    class Comparator(TypeDecorator.Comparator[Any]):
        """Puts the collation on the column where it is compared."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
            if op in _COMPARISONS:
                return op(AsNumber(self.expr), *other, **kwargs)
            return super().operate(op, *other, **kwargs)

    @property
    def comparator_factory(self) -> Any:  # type: ignore[override]
        return self.Comparator

    @staticmethod
    def order_expression(column: Any) -> Any:
        """Return what ORDER BY sorts by."""
        return AsNumber(column)


class PlainUuid(_Converted):
    """A uuid.UUID; CHAR(32) on SQLite. asyncpg gives a subclass of its own, which is made plain."""

    impl = sa.Uuid
    on_sqlite = sa.CHAR(32)
    on_postgres = postgresql.UUID()
    to_sqlite = staticmethod(lambda value: value.hex)
    from_sqlite = staticmethod(UUID)
    from_postgres = staticmethod(lambda value: UUID(int=value.int))


class Json(_Converted):
    """JSON on SQLite, JSONB on PostgreSQL; SQLAlchemy's codec of the driver passes text."""

    impl = sa.JSON
    on_sqlite = sqlite.JSON(none_as_null=True)
    on_postgres = postgresql.JSONB(none_as_null=True)
    takes_collections = True

    def __init__(self, codec: JsonCodec = PLAIN_JSON) -> None:
        super().__init__()
        self.codec = codec

    def bind_processor(self, dialect: Dialect) -> Convert:
        dump = self.codec.dump
        return lambda value: None if value is None else dump_json(value if dump is None else dump(value))

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert:
        load = self.codec.load
        if load is None:
            return lambda value: None if value is None else load_json(value)
        return lambda value: None if value is None else load(load_json(value))


class Choice(_Converted):
    """One of a fixed set of values, stored as text: an Enum's members, or a Literal's values.

    Args:
        members: the stored text of each value.
    """

    impl = sa.String
    on_sqlite = sa.String()
    on_postgres = sa.String()

    def __init__(self, members: tuple[tuple[str, Any], ...]) -> None:
        super().__init__()
        self.members = members
        self._by_text = dict(members)

    @property
    def allowed(self) -> tuple[str, ...]:
        """The stored texts."""
        return tuple(text for text, _ in self.members)

    def stored(self, value: Any) -> str | None:
        """Return the text of a value, or None if it is not one of the set."""
        for text, member in self.members:
            if value is member or (type(value) is type(member) and value == member):
                return text
        return next((text for text, member in self.members if _same_value(member, value)), None)

    def bind_processor(self, dialect: Dialect) -> Convert:
        return lambda value: None if value is None else self.stored(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert:
        by_text = self._by_text
        return lambda value: by_text.get(value, value)


def _same_value(member: Any, value: Any) -> bool:
    plain = getattr(member, "value", member)
    return type(plain) is type(value) and bool(plain == value)


def integer() -> TypeEngine[Any]:
    """Return the type of whole numbers: 64 bits on both."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
