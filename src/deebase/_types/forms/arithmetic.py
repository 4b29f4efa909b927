"""Arithmetic of Decimals: that of NUMERIC on PostgreSQL, and as exact on SQLite, which has binary fractions alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators, visitors
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeEngine

from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal
from deebase._types.base import has_types

#: A function of SQLite that every connection registers; in SQL text it may be called, too.
COMPUTED = "deebase_computed"

#: More digits than a NUMERIC of PostgreSQL has, so that only quotients are rounded. The limit protects the memory:
#: a stored text such as 1e999999999 is short, but its number has a billion digits.
_DIGITS = 150_000
_EXACT = Context(prec=_DIGITS, Emax=_DIGITS, Emin=-_DIGITS)
#: Digits of a quotient: those that Python's Decimal has by default.
_QUOTIENT = Context(prec=28, Emax=_DIGITS, Emin=-_DIGITS)

_FUNCTIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT.add,
    "-": _EXACT.subtract,
    "*": _EXACT.multiply,
    "/": _QUOTIENT.divide,
}
#: The operators whose result is computed from Decimals.
SYMBOLS = {operators.add: "+", operators.sub: "-", operators.mul: "*", operators.truediv: "/"}


class Computed(ColumnElement[Any]):
    """Two numbers, one of which is a stored Decimal, and what is computed from them.

    Args:
        symbol: one of + - * and /.
        left: on its left.
        right: on its right.
        type_: of the result.
    """

    __visit_name__ = "deebase_computed"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("symbol", InternalTraversal.dp_string),
        ("left", InternalTraversal.dp_clauseelement),
        ("right", InternalTraversal.dp_clauseelement),
    ]

    def __init__(
        self, symbol: str, left: ColumnElement[Any], right: ColumnElement[Any], type_: TypeEngine[Any]
    ) -> None:
        self.symbol = symbol
        self.left = left
        self.right = right
        self.type = type_

    @property
    def _from_objects(self) -> Any:
        return [*self.left._from_objects, *self.right._from_objects]


@compiles(Computed)
def _compile_computed(element: Computed, compiler: Any, **options: Any) -> str:
    left, right = (compiler.process(side, **options) for side in (element.left, element.right))
    if has_types(compiler.dialect):
        return f"({left} {element.symbol} {right})"
    return f"{COMPUTED}({literal(element.symbol, SQLITE)}, {left}, {right})"


def _computes_exactly(type_: TypeEngine[Any]) -> bool:
    """Whether expressions of a type are computed by the functions of this module."""
    return getattr(type_, "computes_exactly", False)


def is_exact(element: ColumnElement[Any]) -> bool:
    """Whether SQLite computes an expression without a binary fraction on the way, as far as it shows."""
    if not (_computes_exactly(element.type) or isinstance(element.type, sa.Integer)):
        return False
    parts: list[Any] = [
        part for part in visitors.iterate(element) if isinstance(part, (sa.BinaryExpression, sa.UnaryExpression))
    ]
    inexact = (*SYMBOLS, operators.neg, operators.mod)
    return not any(part.operator in inexact and not isinstance(part.type, sa.Integer) for part in parts)


def computed(symbol: str, left: str | float | None, right: str | float | None) -> str | None:
    """Return what is computed from two numbers as SQLite stores them; None if one is NULL, or for a division by zero.

    Example:
        ```python
        assert computed("-", "12345678901234567.89", "0.01") == "12345678901234567.88"
        ```
    """
    if left is None or right is None:
        return None
    first, second = _number(left), _number(right)
    if symbol == "/" and not second:
        # As SQLite has it.
        return None
    return format(_FUNCTIONS[symbol](first, second), "f")


def _number(stored: str | float) -> Decimal:
    number = Decimal(repr(stored) if isinstance(stored, float) else stored)
    if not number.is_finite() or abs(number.adjusted()) > _DIGITS:
        raise OverflowError("no number that a column of Decimals can hold")
    return number


def mean(pair: str) -> Decimal:
    """Return the mean of numbers, from their sum and their count: "12.5/4".

    It is exact up to the 28 digits that Python's Decimal has by default.

    Example:
        ```python
        assert mean("12.50/4") == Decimal("3.125")
        ```
    """
    total, _, count = pair.partition("/")
    number = Decimal(total)
    return _QUOTIENT.divide(number, Decimal(count)) if number.is_finite() else number


class Sum:
    """The sum of stored Decimals, also over a window; NULL for none."""

    def __init__(self) -> None:
        self._total = Decimal(0)
        self._count = 0

    def step(self, stored: str | float | None) -> None:
        """Take a row in."""
        if stored is not None:
            self._total = _EXACT.add(self._total, _number(stored))
            self._count += 1

    def inverse(self, stored: str | float | None) -> None:
        """Take a row out that has left the window."""
        if stored is not None:
            self._total = _EXACT.subtract(self._total, _number(stored))
            self._count -= 1

    def value(self) -> str | None:
        """Return the sum of the rows that are in."""
        return format(self._total, "f") if self._count else None

    finalize = value
