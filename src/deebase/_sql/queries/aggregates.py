"""Counts, sums and the like: what they are computed by, and how their values are read."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import ColumnModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.decimals import ExactNumber
from deebase._types.forms.arithmetic import Computed, mean
from deebase._types.moments import Interval
from deebase._types.native import AnyValue
from deebase._types.number import Boolean, Float, Integer
from deebase._types.registry import column_type
from deebase._types.uuid import Uuid
from deebase.errors import ValidationError

Kind = Literal["count", "sum", "avg", "min", "max"]


class Aggregate:
    """One value of the rows of a group; compare it for ``having``.

    Attributes:
        kind: what is computed.
        column: a name, a path or an expression; None for the rows themselves.
        distinct: equal values count once.
    """

    __slots__ = ("column", "distinct", "kind")

    def __init__(self, kind: Kind, column: Any = None, *, distinct: bool = False) -> None:
        self.kind: Kind = kind
        self.column: Any = column
        self.distinct: bool = distinct

    def __repr__(self) -> str:
        return f"<{self.kind} of {'the rows' if self.column is None else self.column}>"

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> Having:  # type: ignore[override]
        return Having(operator.eq, (self, other))

    def __ne__(self, other: object) -> Having:  # type: ignore[override]
        return Having(operator.ne, (self, other))

    def __lt__(self, other: object) -> Having:
        return Having(operator.lt, (self, other))

    def __le__(self, other: object) -> Having:
        return Having(operator.le, (self, other))

    def __gt__(self, other: object) -> Having:
        return Having(operator.gt, (self, other))

    def __ge__(self, other: object) -> Having:
        return Having(operator.ge, (self, other))


class Having:
    """A condition on the groups: a comparison of an aggregate, or several of them with ``&``, ``|`` and ``~``."""

    __slots__ = ("join", "parts")

    def __init__(self, join: Callable[..., Any], parts: tuple[Any, ...]) -> None:
        self.join: Callable[..., Any] = join
        self.parts: tuple[Any, ...] = parts

    def __and__(self, other: object) -> Having:
        return self._joined(sa.and_, other)

    def __or__(self, other: object) -> Having:
        return self._joined(sa.or_, other)

    def _joined(self, join: Callable[..., Any], other: object) -> Having:
        return Having(join, (*(self.parts if self.join is join else (self,)), other))

    def __invert__(self) -> Having:
        return Having(sa.not_, (self,))

    def __bool__(self) -> bool:
        raise TypeError("a condition on groups has no truth value: write (count() > 1) & (sum_('amount') > 5)")

    def resolved(self, resolve: Callable[[Aggregate], Any]) -> Any:
        """Return the condition as an expression.

        Args:
            resolve: returns the expression of an aggregate.
        """

        def expression(part: Any) -> Any:
            if isinstance(part, Having):
                return part.resolved(resolve)
            return resolve(part) if isinstance(part, Aggregate) else part

        return self.join(*map(expression, self.parts))


class Computation(NamedTuple):
    """How an aggregate is computed.

    Attributes:
        element: what is selected.
        read: converts the driver's value, which is never None; None if it stays as it is.
        value: what is compared and sorted, if that is another expression.
    """

    element: Any
    read: Callable[[Any], Any] | None
    value: Any


def computation(aggregate: Aggregate, column: ColumnModel | None, dialect: Dialect) -> Computation:
    """Return how an aggregate of a column, or of the rows, is computed.

    Raises:
        ValidationError: the column has no such aggregate.
    """
    if column is None:
        rows: Any = sa.func.count()
        return Computation(rows, None, rows)
    kind = column_type(column.sa_type)
    element: Any = column.sa_column
    if aggregate.kind == "count":
        by_value = column.order_column if aggregate.distinct else element
        if kind.takes_collections and aggregate.distinct:
            raise _refused(aggregate, column)
        number: Any = sa.func.count(sa.distinct(by_value) if aggregate.distinct else element)
        return Computation(number, None, number)
    if aggregate.kind in ("min", "max"):
        return _extreme(aggregate, column, dialect)
    if isinstance(kind, Boolean):
        element, kind = sa.cast(element, sa.Integer), Integer()
    numeric = isinstance(kind, (Integer, ExactNumber, Float, Interval, AnyValue))
    if not numeric:
        raise _refused(aggregate, column)
    compute = _sum if aggregate.kind == "sum" else _average
    return compute(element, kind, column, dialect)


def _refused(aggregate: Aggregate, column: ColumnModel) -> ValidationError:
    kind = column_type(column.sa_type)
    return ValidationError(
        f"{column.name}: there is no {aggregate.kind} of values of the type {kind.name or 'of this column'}",
        field=column.name,
        hint="sums and averages are of numbers and timedeltas; count(), min_ and max_ take other columns",
    )


def _sum(element: Any, kind: Any, column: ColumnModel, dialect: Dialect) -> Computation:
    # Without the digits of the column, which a sum may exceed.
    result = ExactNumber() if isinstance(kind, ExactNumber) else column.sa_type if isinstance(kind, Interval) else kind
    total: Any = sa.func.sum(element, type_=result)
    return Computation(total, whole if isinstance(kind, Integer) else _reading(result, dialect), total)


def _average(element: Any, kind: Any, column: ColumnModel, dialect: Dialect) -> Computation:
    if isinstance(kind, ExactNumber):
        total: Any = sa.func.sum(element, type_=ExactNumber())
        number: Any = sa.func.count(element)
        exact = capabilities_of(dialect).has_exact_decimals
        # PostgreSQL rounds to other digits than Python, which therefore computes the quotient.
        pair: Any = sa.cast(total, sa.Text).op("||")(sa.literal_column("'/'")).op("||")(sa.cast(number, sa.Text))
        value = sa.func.avg(element, type_=ExactNumber()) if exact else Computed("/", total, number, ExactNumber())
        return Computation(pair, mean, value)
    if isinstance(kind, Integer) and capabilities_of(dialect).has_exact_decimals:
        number = sa.func.nullif(sa.func.count(element), sa.literal_column("0"), type_=Float())
        quotient: Any = sa.cast(sa.func.sum(element), sa.Double) / number
        return Computation(quotient, None, quotient)
    result = column.sa_type if isinstance(kind, Interval) else Float()
    mean_: Any = sa.func.avg(element, type_=result)
    return Computation(mean_, _reading(result, dialect) if isinstance(kind, Interval) else float, mean_)


def _extreme(aggregate: Aggregate, column: ColumnModel, dialect: Dialect) -> Computation:
    """Return the least or greatest value in the order of the column."""
    kind, element = column_type(column.sa_type), column.order_column
    if kind.takes_collections:
        raise _refused(aggregate, column)
    function: Any = sa.func.min if aggregate.kind == "min" else sa.func.max
    found: Any = function(element, type_=column.sa_type)
    if capabilities_of(dialect).checks_types and isinstance(kind, (Boolean, Uuid)):
        # PostgreSQL has no min and max of these; their texts and numbers have the same order.
        comparable: Any = sa.Integer() if isinstance(kind, Boolean) else sa.Text()
        found = sa.cast(function(sa.cast(element, comparable)), column.sa_type)
    return Computation(found, column.read, found)


def whole(value: Any) -> Any:
    """Return a sum of whole numbers, which PostgreSQL gives as a Decimal."""
    return int(value) if type(value) is Decimal else value


def _reading(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    read: Callable[[Any], Any] | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return read
