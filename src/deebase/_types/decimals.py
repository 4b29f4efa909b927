"""Decimals: NUMERIC on PostgreSQL; on SQLite exact text that is compared by value."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator

from deebase._types import scalars
from deebase._types.arithmetic import SYMBOLS, Computed, is_exact
from deebase._types.base import ColumnType, Named, Processor, reading
from deebase._types.foreign_values import python_value
from deebase._types.stored_forms import kept_on_sqlite

#: SQLite's collation that orders stored Decimals by value; every connection registers it.
DECIMAL_COLLATION = "deebase_decimal"


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
        *(operators.nulls_first_op, operators.nulls_last_op),
    }
)


def _operand(value: Any) -> ColumnElement[Any]:
    """Return a number, or an expression, as one side of a computation."""
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if isinstance(value, ColumnElement):
        return value  # pyright: ignore[reportUnknownVariableType]
    number = None if value is None else scalars.exact_number(python_value(value))
    return sa.literal(number, ExactNumber())


def _written_out(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    # NaN and the infinities, which others may have stored, have a letter for it.
    return Decimal(format(value, "f")) if isinstance(exponent, int) and exponent > 0 else value


class ExactNumber(ColumnType):
    """A Decimal with its scale: NUMERIC; SQLite stores fixed-point text and compares it by value."""

    cache_ok = True
    impl = sa.Numeric
    sqlite_type = Named("DECIMAL TEXT")

    #: Its expressions are compiled to functions that are exact.
    computes_exactly = True

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

    def accept(self, value: Any) -> Decimal:
        return scalars.exact_number(value)

    def to_sqlite(self) -> Processor:
        return lambda value: format(scalars.exact_number(value), "f")

    def from_sqlite(self) -> Processor:
        # Arithmetic and aggregates of SQLite give numbers instead of text.
        return lambda value: Decimal(repr(value) if type(value) is float else value)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what makes a Decimal of what is stored; asyncpg gives 10000 as 1E+4."""
        if dialect.name == "sqlite":
            return super().result_processor(dialect, coltype)
        return reading(_written_out)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores."""
        return kept_on_sqlite("DECIMAL TEXT", stored, new) if dialect.name == "sqlite" else new

    def keeps_digits(self, element: ColumnElement[Any]) -> bool:
        """Whether SQLite computes an expression for such a column without binary fractions."""
        return is_exact(element)

    def order_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what ORDER BY sorts by."""
        return ByValue(column)
