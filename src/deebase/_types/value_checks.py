"""Checks of values before anything is sent: one function per column, whose errors name the field."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import isnan
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from deebase._types import scalars
from deebase._types.foreign_values import OWN, python_value
from deebase._types.native import NativeEnum, each
from deebase._types.scalars import HIGHEST_INTEGER, LOWEST_INTEGER
from deebase._types.standard import JSON, ColumnType, Float
from deebase.errors import ValidationError

Check = Callable[[Any], Any]


def checker(column_name: str, sa_type: TypeEngine[Any], *, table_name: str | None = None) -> Check:
    """Return the function that checks the values of one column.

    It takes a value and returns it in the form that the type's bind processor takes. None passes: NULL is
    the business of NOT NULL.

    Args:
        column_name: the ``.field`` of errors.
        sa_type: a type of ours, or one that reflection found; of a type that is not known here only
            what no database stores is refused (NUL in text, integers beyond 64 bits).
        table_name: put before the column's name in messages.

    Raises:
        ValidationError: by the function, for a value that does not fit. Its message names the column and the kind
            of value, never the value.
    """
    accept = _acceptor(sa_type)
    # Of documents the annotation alone tells what they are made of.
    own = None if isinstance(sa_type, JSON) else OWN

    def check(value: Any) -> Any:
        if value is None:
            return None
        try:
            return accept(value if own is None or type(value) in own else python_value(value))
        except ValidationError as error:
            raise located(error, column_name, table_name, value) from error.__cause__

    if accept is scalars.integer:
        return _quick_integer(check)
    if accept in (scalars.real, scalars.signed_real):
        return _quick_real(check)
    return _quick_text(check) if accept is scalars.text else check


def located(error: ValidationError, column_name: str, table_name: str | None, value: Any) -> ValidationError:
    """Return the error of a value with the name of its column."""
    place = column_name if table_name is None else f"{table_name}.{column_name}"
    return ValidationError(f"{place}: {error.message}", hint=error.hint, field=column_name, value=value)


def _quick_integer(check: Check) -> Check:
    def quick(value: Any) -> Any:
        return value if type(value) is int and LOWEST_INTEGER <= value <= HIGHEST_INTEGER else check(value)

    return quick


def _quick_real(check: Check) -> Check:
    def quick(value: Any) -> Any:
        # Neither NaN nor a zero, which may have a sign.
        return value if type(value) is float and value == value and value != 0.0 else check(value)

    return quick


def _quick_text(check: Check) -> Check:
    def quick(value: Any) -> Any:
        return value if type(value) is str and value.isascii() and "\0" not in value else check(value)

    return quick


Passes = Callable[[Sequence[Any]], bool]


def passer(sa_type: TypeEngine[Any]) -> Passes | None:
    """Return the function that tells whether all values of a column are stored as they are; None for most types.

    It says no to what the checker would have to look at: a single value of another type, a text with more
    than ASCII. Many rows take a fraction of the time in this way.
    """
    return _PASSERS.get(_acceptor(sa_type))


def _present(values: Sequence[Any], kind: type) -> Sequence[Any] | None:
    """Return the values that are not None, if all of them are exactly of a type."""
    kinds = set(map(type, values))
    if kinds == {kind}:
        return values
    return [value for value in values if value is not None] if kinds <= {kind, type(None)} else None


def _integers_pass(values: Sequence[Any]) -> bool:
    present = _present(values, int)
    if present is None:
        return False
    try:
        # Refuses what has more than 64 bits, in half the time of min and max.
        array("q", present)
    except OverflowError:
        return False
    return True


def _texts_pass(values: Sequence[Any]) -> bool:
    present = _present(values, str)
    if present is None:
        return False
    joined = "".join(present)
    return joined.isascii() and "\0" not in joined


def _reals_pass(values: Sequence[Any]) -> bool:
    present = _present(values, float)
    # -0.0 equals 0.0, and is stored without its sign.
    return present is not None and 0.0 not in present and not any(map(isnan, present))


_PASSERS: dict[Check, Passes] = {
    scalars.integer: _integers_pass,
    scalars.text: _texts_pass,
    scalars.real: _reals_pass,
    scalars.signed_real: _reals_pass,
}


def _acceptor(sa_type: TypeEngine[Any]) -> Check:
    if isinstance(sa_type, Float):
        return scalars.signed_real if sa_type.signed else scalars.real
    if isinstance(sa_type, (ColumnType, NativeEnum)):
        return sa_type.accept
    if scalars.is_a(sa_type, sa.ARRAY):
        return _array_acceptor(sa_type)
    for kind, accept in _REFLECTED:
        if isinstance(sa_type, kind):
            return accept(sa_type) if kind is sa.DateTime else accept
    return scalars.anything


def _datetime_acceptor(sa_type: sa.DateTime) -> Check:
    return scalars.aware_datetime if sa_type.timezone else scalars.naive_datetime


def _array_acceptor(sa_type: Any) -> Check:
    accept = _acceptor(sa_type.item_type)

    def element(value: Any) -> Any:
        return None if value is None else accept(python_value(value))

    def array_of(value: Any) -> Any:
        if not scalars.is_a(value, (list, tuple)):
            raise scalars.misfit(value, "a list", "[value]")
        return each(value, element, sa_type.item_type)

    return array_of


def _unchanged(value: Any) -> Any:
    return value


#: SQLAlchemy's own types, as reflection finds them; the first that fits. An Enum is a String to SQLAlchemy, and knows
#: itself what it takes.
_REFLECTED: tuple[tuple[type[TypeEngine[Any]], Callable[..., Any]], ...] = (
    (sa.Enum, _unchanged),
    (sa.String, scalars.text),
    (sa.Boolean, scalars.boolean),
    (sa.Integer, scalars.integer),
    (sa.Float, scalars.real),
    (sa.Numeric, scalars.exact_number),
    (sa.LargeBinary, scalars.binary),
    (sa.BINARY, scalars.binary),
    (sa.VARBINARY, scalars.binary),
    (sa.DateTime, _datetime_acceptor),
    (sa.Date, scalars.calendar_date),
    (sa.Time, scalars.clock_time),
    (sa.Interval, scalars.duration),
    (postgresql.INTERVAL, scalars.duration),
    (sa.Uuid, scalars.uuid),
)
