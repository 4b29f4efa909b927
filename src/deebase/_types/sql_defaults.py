"""Defaults of columns as SQL literals."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._sqltext import quoting
from deebase._sqltext.dialects import POSTGRES, SQLITE
from deebase._types.value_checks import checker
from deebase.types import UNSET


class HasDefault(Protocol):
    """What is needed of a column: its name, type and default."""

    @property
    def name(self) -> str: ...
    @property
    def sa_type(self) -> TypeEngine[Any]: ...
    @property
    def default(self) -> Any: ...


def sql_default(spec: HasDefault, dialect: Dialect) -> sa.ColumnElement[Any] | None:
    """Return the DEFAULT of a column as a literal of the dialect, for ``server_default``; None for none.

    A default is a value, never SQL: it is checked, converted as a bound value is, and quoted.

    Raises:
        ValidationError: it does not fit the column.
    """
    if spec.default is UNSET:
        return None
    value = checker(spec.name, spec.sa_type)(spec.default)
    process = spec.sa_type.dialect_impl(dialect).bind_processor(dialect)
    return sa.literal_column(literal(value if process is None else process(value), dialect))


def literal(value: Any, dialect: Dialect) -> str:
    """Return a bound value as a SQL literal, which cannot end before its quote.

    PostgreSQL takes the type of a quoted literal from the column, whatever it is.
    """
    if value is None:
        return "NULL"
    if dialect.name == "sqlite":
        return _sqlite_literal(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return quoting.bytes_literal(value, POSTGRES)
    return quoting.literal(_postgresql_text(value), POSTGRES)


def _postgresql_text(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds"
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _sqlite_literal(value: Any) -> str:
    if isinstance(value, bytes):
        return quoting.bytes_literal(value, SQLITE)
    if isinstance(value, float):
        return _sqlite_real(value)
    if isinstance(value, int):
        return str(int(value))
    return quoting.literal(str(value), SQLITE)


def _sqlite_real(value: float) -> str:
    """Return a float as SQLite reads it to the last bit.

    SQLite rounds decimal fractions of many digits, or with large exponents, to a neighbour now and then.
    Those are written as an integer and powers of two, which are exact.
    """
    if math.isinf(value):
        # There is no literal for infinity; a number beyond the range is read as one.
        return "9e999" if value > 0 else "-9e999"
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if len(digits) <= 15 and abs(int(exponent)) <= 22:
        return repr(value)
    fraction, power = math.frexp(value)
    whole, power = int(math.ldexp(fraction, 53)), power - 53
    step = " * " if power > 0 else " / "
    steps = [4294967296.0] * (abs(power) // 32) + [float(2 ** (abs(power) % 32))]
    return f"({whole} * 1.0{step}{step.join(map(repr, steps))})"
