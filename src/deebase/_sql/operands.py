"""Columns whose types determine how they are compared, or set by an UPDATE, and comparisons that hide an index."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import operator
from collections.abc import Callable
from decimal import Decimal
from math import ceil, floor
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import Grouping

from deebase._sql.fragments import exact_number, is_finite


class Kept(ColumnElement[Any]):
    """The stored value of a column if it equals the new value, otherwise the new value; its type decides."""

    inherit_cache = False

    def __init__(self, stored: sa.Column[Any], new: ColumnElement[Any]) -> None:
        self.stored = stored
        self.new = new
        self.type = stored.type


@compiles(Kept)
def _compile_kept(element: Any, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.type.kept(element.stored, element.new, compiler.dialect), **options)
    return text


def assigned(column: sa.Column[Any], new: Any) -> Any:
    """Return the expression that an UPDATE assigns to a column."""
    return Kept(column, new) if hasattr(column.type, "kept") else new


def compared(column: sa.Column[Any]) -> ColumnElement[Any]:
    """Return a column in its compared form for a row of columns, where SQLAlchemy does not use its type."""
    compare = getattr(column.type, "compared", None) or getattr(column.type, "order_expression", None)
    return column if compare is None else compare(column)


#: How a number with a fraction is rounded to compare whole numbers with it.
_ROUNDED: dict[Any, Callable[[Any], int]] = {
    operator.lt: ceil,
    operator.ge: ceil,
    operator.gt: floor,
    operator.le: floor,
}
#: Numbers that stay below 64 bits when they are rounded.
_LARGEST = 2**62


def may_hide_index(part: Any) -> bool:
    """Whether ``indexable`` may change a condition with this part."""
    if isinstance(part, sa.BindParameter):
        given: Any = part.value[:1] if part.expanding and isinstance(part.value, list) else [part.value]
        return any(type(value) in (float, Decimal) for value in given)
    return getattr(part, "operator", None) is operators.is_not_distinct_from


def indexable(element: Any) -> Any:
    """Return a condition that holds for the same rows, for which PostgreSQL can use an index.

    It uses none for IS NOT DISTINCT FROM, nor for a column of whole numbers that is compared with a float or a Decimal.
    Only conditions that are joined with AND and OR are changed: for a NOT, NULL and false differ.
    """
    if isinstance(element, sa.BooleanClauseList) and element.operator in (operators.and_, operators.or_):
        joined = sa.and_ if element.operator is operators.and_ else sa.or_
        return joined(*[indexable(clause) for clause in element.clauses])
    if isinstance(element, Grouping):
        return indexable(element.element)
    if not isinstance(element, sa.BinaryExpression):
        return element
    changed = _compared_with_numbers(element) if _is_whole(element.left) else None
    if changed is not None:
        return changed
    left, right = element.left, element.right
    if element.operator is operators.is_not_distinct_from and (isinstance(right, sa.Null) or _is_value(right)):
        return left.is_(None) if getattr(right, "value", None) is None else left == right
    return element


def _is_whole(element: Any) -> bool:
    return issubclass(element.type._type_affinity, sa.Integer)


def _is_value(element: Any) -> bool:
    return isinstance(element, sa.BindParameter) and element.callable is None and not element.expanding


def _compared_with_numbers(element: Any) -> Any:
    """Return a comparison of whole numbers, for one of a column of whole numbers with other numbers."""
    kind, left, right = element.operator, element.left, element.right
    if kind is operators.between_op:
        bounds: Any = [clause for clause in getattr(right, "clauses", ()) if _is_value(clause)]
        low, high = [_whole(bound.value, rounded) for bound, rounded in zip(bounds, (ceil, floor), strict=False)]
        return None if low is None or high is None else left.between(low, high)
    if kind is operators.in_op and isinstance(right, sa.BindParameter) and isinstance(right.value, list):
        members = [_whole(value, None) for value in right.value]
        return None if any(member is None for member in members) else left.in_(members)
    if not _is_value(right) or (kind is not operator.eq and kind not in _ROUNDED):
        return None
    whole = _whole(right.value, _ROUNDED.get(kind))
    return None if whole is None else kind(left, whole)


def _whole(value: Any, rounded: Callable[[Any], int] | None) -> Any:
    """Return a number as a parameter of 64 bits; None for one that has a fraction or does not fit."""
    if type(value) not in (int, float, Decimal) or not is_finite(value):
        return None
    number, kind = exact_number(value)
    if not isinstance(number, int) and rounded is not None and abs(number) < _LARGEST:
        number, kind = rounded(number), sa.BigInteger()
    return sa.bindparam(None, number, kind, unique=True) if isinstance(number, int) else None
