"""SQLAlchemy types of ours: a value written is read back identical, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from deebase._types import documents, scalars
from deebase._types.base import ColumnType, Named, Processor, reading, sending
from deebase._types.choices import Choices, Pairs
from deebase._types.decimals import ExactNumber, compare_decimals
from deebase._types.moments import AwareDateTime, Date, DateTime, Time
from deebase._types.stored_forms import kept_null, kept_on_sqlite

__all__ = [
    "JSON",
    "AwareDateTime",
    "Binary",
    "Boolean",
    "Choice",
    "ColumnType",
    "Date",
    "DateTime",
    "ExactNumber",
    "Float",
    "Interval",
    "JsonText",
    "Time",
    "Uuid",
    "compare_decimals",
    "integer",
]


def integer() -> TypeEngine[int]:
    """Return the type of int columns; SQLite generates keys only for columns that are called INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class _Double(sa.Double[float]):
    """DOUBLE PRECISION, without the processor of asyncpg's dialect, which needs the driver's type code."""

    render_bind_cast = True


class Float(ColumnType):
    """REAL, DOUBLE PRECISION.

    Args:
        signed: the sign of a zero is stored, which others may have done.
    """

    cache_ok = True
    impl = sa.Double
    sqlite_type = sa.REAL()

    def __init__(self, signed: bool = False) -> None:
        super().__init__()
        self.signed = signed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return super().load_dialect_impl(dialect) if dialect.name == "sqlite" else _Double()

    def from_sqlite(self) -> Processor:
        # RETURNING gives 3.0 as the int it is stored as; SELECT does not.
        return float

    def accept(self, value: Any) -> float:
        return scalars.signed_real(value) if self.signed else scalars.real(value)


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
        # Others store 't' and 'f' in such columns, which bool() would take for True.
        return _BOOLEANS.__getitem__


_BOOLEANS = {0: False, 1: True}


class Binary(ColumnType):
    """BLOB, BYTEA."""

    cache_ok = True
    impl = sa.LargeBinary

    def accept(self, value: Any) -> bytes:
        return scalars.binary(value)


class Interval(ColumnType):
    """INTERVAL; SQLite stores seconds as a REAL."""

    cache_ok = True
    impl = sa.Interval
    sqlite_type = Named("DURATION REAL")
    postgresql_type = postgresql.INTERVAL()

    def accept(self, value: Any) -> timedelta:
        return scalars.duration(value)

    def to_sqlite(self) -> Processor:
        return lambda value: timedelta.total_seconds(scalars.duration(value))

    def from_sqlite(self) -> Processor:
        return lambda seconds: timedelta(seconds=seconds)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return kept_on_sqlite("DURATION REAL", stored, new) if dialect.name == "sqlite" else new


class Uuid(ColumnType):
    """UUID; SQLite stores 32 hexadecimal digits."""

    cache_ok = True
    impl = sa.Uuid
    sqlite_type = Named("UUID CHAR(32)")

    def accept(self, value: Any) -> UUID:
        return scalars.uuid(value)

    def to_sqlite(self) -> Processor:
        return lambda value: scalars.uuid(value).hex

    def from_sqlite(self) -> Processor:
        # Twice as fast as UUID(text), which looks for braces and hyphens first.
        return lambda text: UUID(int=int(text, 16)) if len(text) == 32 else UUID(text)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return kept_on_sqlite("UUID CHAR", stored, new) if dialect.name == "sqlite" else new

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        if dialect.name == "sqlite":
            return super().result_processor(dialect, coltype)
        # asyncpg makes instances of a subclass of its own.
        return reading(lambda value: UUID(int=value.int))


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

    def bind_processor(self, dialect: Dialect) -> Any:
        return sending(self._choices.text)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        return reading(self._choices.members.__getitem__)

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

    cache_ok = True
    impl = sa.JSON
    sqlite_type = sa.JSON(none_as_null=True)
    postgresql_type = postgresql.JSONB(none_as_null=True)
    takes_collections = True

    class Comparator(TypeDecorator.Comparator[Any], sa.JSON.Comparator[Any]):
        """Elements of a document are JSON of any kind, whatever the document is."""

        __slots__ = ()

        def __getitem__(self, index: Any) -> Any:
            element: Any = super().__getitem__(index)  # type: ignore[no-untyped-call]
            element.type = JSON()
            return element

    comparator_factory: Any = Comparator

    def __init__(self, hint: Any = None, codec: documents.Codec | None = None) -> None:
        super().__init__(none_as_null=True)
        # Metadata of an annotation may have no hash; then this column's type is only equal to itself.
        self.hint = hint if _has_hash(hint) else object()
        self._codec = codec if codec is not None else documents.Codec(documents.plain, None)

    def accept(self, value: Any) -> JsonText:
        return JsonText(documents.encode(self._codec, value))

    def bind_processor(self, dialect: Dialect) -> Any:
        def process(value: Any) -> Any:
            if type(value) is JsonText:
                return value.text
            return None if value is None else documents.encode(self._codec, value)

        return process

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        # The driver's codecs parse JSON.
        parsed = dialect.name == "postgresql"

        def process(value: Any) -> Any:
            return None if value is None else documents.decode(self._codec, value, parsed=parsed)

        return process

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return kept_on_sqlite("JSON", stored, new) if dialect.name == "sqlite" else kept_null(stored, new)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """What a document is compared with is a document; a path or key is not."""
        return self if op in _EQUALITIES else self.impl_instance.coerce_compared_value(op, value)


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
