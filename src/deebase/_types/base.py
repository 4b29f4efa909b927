"""What our SQLAlchemy types have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from deebase._types.foreign_values import OWN, python_value
from deebase.errors import DataError

Processor = Callable[[Any], Any]


class Named(UserDefinedType[Any]):
    """A type of SQLite by a name of ours, so that what a column holds can be told from the table alone.

    The name decides how SQLite stores values: TEXT, CHAR and REAL in it mean what they say
    (sqlite.org/datatype3.html#determination_of_column_affinity).
    """

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name."""
        return self.name


class ColumnType(TypeDecorator[Any]):
    """Base of our types: names of types per dialect, and conversions on SQLite alone unless overridden.

    Bind and result processors are plain closures, or None where the driver's value is the value, and do not need the
    driver's type code: the engine calls drivers directly. Values are checked with the name of their column before
    (``values.py``); what the bind processors check themselves guards statements that are run through SQLAlchemy.
    """

    cache_ok = True
    impl: Any = sa.types.NullType
    #: The types that columns are declared with; None for ``impl``.
    sqlite_type: ClassVar[TypeEngine[Any] | None] = None
    postgresql_type: ClassVar[TypeEngine[Any] | None] = None

    def accept(self, value: Any) -> Any:
        """Return the value in the form that the bind processor takes.

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
        """Return the type that columns are declared with."""
        chosen = self.sqlite_type if dialect.name == "sqlite" else self.postgresql_type
        return dialect.type_descriptor(chosen if chosen is not None else self.impl_instance)

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what turns a value into the driver's; None to send it as it is."""
        convert = self.to_sqlite() if dialect.name == "sqlite" else None
        return None if convert is None else sending(convert)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what turns the driver's value into the value; None to take it as it is."""
        convert = self.from_sqlite() if dialect.name == "sqlite" else None
        return None if convert is None else reading(convert)


#: Where a result processor keeps what it is for.
_PLACE = "deebase_place"


def sending(convert: Processor) -> Processor:
    """Return a bind processor; None is NULL."""

    def process(value: Any) -> Any:
        return None if value is None else convert(value if type(value) in OWN else python_value(value))

    return process


def reading(convert: Processor) -> Processor:
    """Return a result processor whose failures say that the database holds something else."""
    place = ["a column"]

    def process(value: Any) -> Any:
        if value is None:
            return None
        try:
            return convert(value)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
            # Not chained: the message of the original holds the value.
            raise DataError(
                f"{place[-1]}: a stored value is not of the type of its column",
                hint="find it with SQL and correct it; a table that is reflected gives such values as they are stored",
            ) from None

    setattr(process, _PLACE, place)
    return process


def locate(read: Any, place: str) -> None:
    """Have the failures of a result processor name the table and the column it is for."""
    known: list[str] | None = getattr(read, _PLACE, None)
    if known is not None:
        known.append(place)
