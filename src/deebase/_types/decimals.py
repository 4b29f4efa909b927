"""Decimals: NUMERIC on PostgreSQL; on SQLite exact text that is compared by value."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine

from deebase._types.base import (
    Call,
    ColumnType,
    Named,
    Processor,
    declared_as,
    has_types,
    kept_on_sqlite,
    misfit,
    refused,
)
from deebase._types.forms.arithmetic import SYMBOLS, Computed, is_exact
from deebase._types.forms.foreign_values import python_value
from deebase._types.number import number_text
from deebase._types.quick_checks import HIGHEST_INTEGER, LOWEST_INTEGER
from deebase.types import Native

#: SQLite's collation that orders stored Decimals by value; every connection registers it.
DECIMAL_COLLATION = "deebase_decimal"
#: An integer that Python code writes with its digits; -0 is another number than 0.
_INTEGER = re.compile(r"0|-?[1-9]\d{0,3999}")


class ByValue(ColumnElement[Any]):
    """A stored Decimal as SQLite has to compare it; PostgreSQL's NUMERIC is compared as it is."""

    __visit_name__ = "deebase_by_value"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("element", InternalTraversal.dp_clauseelement)
    ]

    def __init__(self, element: ColumnElement[Any]) -> None:
        self.element = element
        self.type = element.type

    @property
    def _from_objects(self) -> Any:
        return self.element._from_objects


@compiles(ByValue)
def _compile_by_value(element: ByValue, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.element, **options)
    return text if has_types(compiler.dialect) else f"({text} COLLATE {DECIMAL_COLLATION})"


def compare_decimals(left: str, right: str) -> int:
    """Order two stored Decimals by value: negative, zero or positive; text that is not a number comes last.

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
        *(operators.nulls_first_op, operators.nulls_last_op),
    }
)


#: Declared types of SQLite that store text as text (sqlite.org/datatype3.html#determination_of_column_affinity).
_HOLDS_TEXT = re.compile("CHAR|CLOB|TEXT|BLOB", re.IGNORECASE)
#: Decimal digits that a binary fraction keeps.
_REAL_DIGITS = 15
#: Digits of NUMERIC before and after the point (PostgreSQL manual, "Numeric Types").
DIGITS_BEFORE_POINT = 131_072
DIGITS_AFTER_POINT = 16_383


def exact_number(value: Any, *, finite: bool = True) -> Decimal:
    """Return a Decimal that PostgreSQL's NUMERIC can hold, also for an int; -0 becomes 0.

    Args:
        value: the number.
        finite: refuse NaN and the infinities.

    Raises:
        ValidationError: it is something else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return exact_number(Decimal(value))
    if not isinstance(value, Decimal):
        raise misfit(
            value, "a Decimal", "Decimal(str(value)) has the digits you see" if isinstance(value, float) else None
        )
    if not value.is_finite():
        if not finite and not value.is_snan():
            return value
        raise refused(value, "NaN and Infinity cannot be stored in a Decimal column", "use None for a missing number")
    exponent = int(value.as_tuple().exponent)
    # PostgreSQL keeps no sign of zero, and of its digits only those after the point.
    number = value if value else Decimal((0, (0,), min(exponent, 0)))
    if number.adjusted() >= DIGITS_BEFORE_POINT or -exponent > DIGITS_AFTER_POINT:
        raise refused(
            value, f"holds up to {DIGITS_BEFORE_POINT} digits before the point and {DIGITS_AFTER_POINT} after it"
        )
    return number


def _as_number(value: Any) -> str:
    """Return a number for a column that SQLite stores numbers in, which keep 15 digits, or integers of 64 bits."""
    number = exact_number(value)
    kept = len(number.normalize().as_tuple().digits) <= _REAL_DIGITS
    if not kept and (number != number.to_integral_value() or not LOWEST_INTEGER <= number <= HIGHEST_INTEGER):
        raise refused(
            value, f"SQLite keeps {_REAL_DIGITS} digits in this column", "round it, or declare the column DECIMAL TEXT"
        )
    return format(number, "f")


def _operand(value: Any) -> ColumnElement[Any]:
    """Return a number, or an expression, as one side of a computation."""
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if isinstance(value, ColumnElement):
        return value  # pyright: ignore[reportUnknownVariableType]
    number = None if value is None else exact_number(python_value(value))
    return sa.literal(number, ExactNumber())


def _written_out(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    # NaN and the infinities, which others may have stored, have a letter for it.
    return Decimal(format(value, "f")) if isinstance(exponent, int) and exponent > 0 else value


class ExactNumber(ColumnType[Decimal], python=Decimal):
    """A Decimal with its scale: NUMERIC; SQLite stores fixed-point text and compares it by value."""

    impl = sa.Numeric
    adopts = (sa.Numeric,)
    sqlite = Named("DECIMAL TEXT")
    postgres_names = ("numeric",)
    wanted = "a number"
    example = "19.99"
    zero = Decimal(0)
    json_kinds = (int, float, Decimal)

    #: Its expressions are compiled to functions that are exact.
    computes_exactly = True
    #: Whether NaN and the infinities are refused; columns of PostgreSQL that others made hold them.
    is_finite = True

    class Comparator(TypeDecorator.Comparator[Any], sa.Numeric.Comparator[Any]):
        """Compares by value, and computes exactly."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            done = isinstance(self.expr, ByValue) or getattr(self.expr, "modifier", None) is not None
            if op in _BY_VALUE and not done:
                return op(ByValue(self.expr), *other, **options)
            if op in SYMBOLS:
                return Computed(SYMBOLS[op], self.expr, _operand(other[0]), ExactNumber())
            if op is operators.neg:
                return Computed("-", _operand(0), self.expr, ExactNumber())
            return super().operate(op, *other, **options)

        def reverse_operate(self, op: Any, other: Any, **options: Any) -> Any:
            if op in SYMBOLS:
                return Computed(SYMBOLS[op], _operand(other), self.expr, ExactNumber())
            return super().reverse_operate(op, other, **options)

    comparator_factory: Any = Comparator

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        made: ColumnType[Any] = cls(*arguments)
        if declared.islower() and arguments:
            # Without the name, a parameter would be cast to these digits, and rounded.
            made = declared_as(made, Native(f"numeric({','.join(map(str, arguments))})"))
        vars(made)["is_finite"] = not declared.islower()
        return made

    def accept(self, value: Any) -> Decimal:
        number = exact_number(value, finite=self.is_finite)
        places = places_of(self)
        if places and number.is_finite() and int(number.as_tuple().exponent) > -places:
            # As PostgreSQL stores it. It has no other digits than zeros to lose.
            return Decimal(format(number, f".{places}f"))
        return number

    def limiter(self) -> Callable[[Decimal], str | None] | None:
        kind: Any = self.impl_instance
        return None if kind.precision is None else self._excess

    def _excess(self, value: Decimal) -> str | None:
        kind: Any = self.impl_instance
        places = kind.scale or 0
        if not value.is_finite():
            return None
        if value and int(value.normalize().as_tuple().exponent) < -places:
            return f"holds {places} digits after the point, and this number has more"
        if value and value.adjusted() >= kind.precision - places:
            return f"holds {kind.precision - places} digits before the point, and this number has more"
        return None

    def parse(self, text: str) -> Decimal:
        return Decimal(number_text(text))

    def format(self, value: Decimal) -> str:
        return format(value, "f")

    def source(self, value: Decimal) -> Call:
        """Return ``Decimal(5)`` for an integer, and ``Decimal("5.0")``, which keeps its digits, for any other one."""
        text = self.format(value)
        return Decimal, (int(text) if _INTEGER.fullmatch(text) else text,), {}

    def comparable(self, value: Decimal) -> str:
        """Return the number without zeros at its end: columns may have another scale."""
        return str(value.normalize())

    def to_sqlite(self) -> Processor:
        if self.native is None or self.native.sqlite is None or _HOLDS_TEXT.search(self.native.sqlite):
            return lambda value: format(exact_number(value), "f")
        return _as_number

    def from_sqlite(self) -> Processor:
        """Return what reads it; arithmetic and aggregates of SQLite give numbers instead of text."""
        return lambda value: Decimal(repr(value) if type(value) is float else value)

    def to_postgres(self) -> None:
        """Send it as it is."""

    def from_postgres(self) -> Processor:
        """Return what writes the exponent out: asyncpg gives 10000 as 1E+4."""
        return _written_out

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        return new if has_types(dialect) else kept_on_sqlite("DECIMAL TEXT", stored, new)

    def sample(self, number: int, name: str) -> Decimal:
        kind: Any = self.impl_instance
        room = None if kind.precision is None else kind.precision - (kind.scale or 0)
        return Decimal(number if room is None else number % 10 ** max(room, 0))

    def keeps_digits(self, element: ColumnElement[Any]) -> bool:
        """Whether SQLite computes an expression for such a column without binary fractions."""
        return is_exact(element)

    def order_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what ORDER BY sorts by."""
        return ByValue(column)


def places_of(kind: ExactNumber) -> int | None:
    """Return the digits after the point; None for any number of them."""
    declared: Any = kind.impl_instance
    return None if declared.precision is None else declared.scale or 0


def exact_number_of(total: int, places: int) -> ColumnType[Any]:
    """Return the type of numbers with so many digits, and so many of them after the point."""
    # SQLite keeps the numbers of a declared type, and its name says that it holds text.
    return declared_as(
        ExactNumber(total, places), Native(f"numeric({total},{places})", sqlite=f"DECIMAL TEXT({total},{places})")
    )


def digits_check(name: str, digits: int, places: int, dialect: Dialect) -> str:
    """Return the condition that a column has at most so many digits, and so many of them after the point."""
    if has_types(dialect):
        return f"{name} = round({name}, {places}) AND abs({name}) < 1e{digits - places}"
    # Decimals are text, and may have zeros at the end.
    after = f"length(rtrim(substr({name}, instr({name}, '.') + 1), '0'))"
    fits = f"(instr({name}, '.') = 0 OR {after} <= {places})"
    return f"{fits} AND abs(CAST({name} AS REAL)) < 1e{digits - places}"
