"""Datetimes, dates and times: types of their own on PostgreSQL; on SQLite text that is compared by value."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from datetime import date, datetime, time
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.types import TypeDecorator

from deebase._types import moment_forms as moments
from deebase._types import scalars
from deebase._types.base import ColumnType, Named, Processor
from deebase._types.infinity import InfiniteDate, InfiniteDateTime
from deebase._types.moment_forms import Kind
from deebase._types.moment_sql import SEARCHES, Compared, Kept, Normal, common_kind, kind_of, may_have_another_form

_BY_VALUE = frozenset(
    {
        *SEARCHES,
        *(operators.ne, operators.not_in_op, operators.between_op, operators.not_between_op),
        *(operators.is_distinct_from, operators.is_not_distinct_from, operators.asc_op, operators.desc_op),
        *(operators.nulls_first_op, operators.nulls_last_op),
    }
)

#: Values of an IN that an index finds. SQLAlchemy has more of them as one element, which is compared with every row.
_MOST_ELEMENTS = 1000


class Moment(ColumnType):
    """Base of the types whose values SQLite files hold in many forms."""

    cache_ok = True
    #: The form on SQLite.
    kind: ClassVar[Kind]

    class Comparator(TypeDecorator.Comparator[Any], sa.DateTime.Comparator[Any]):
        """Compares by value."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            expression: Any = self.expr
            done = isinstance(expression, Normal) or getattr(expression, "modifier", None) is not None
            if op not in _BY_VALUE or done or (other and other[0] is None):
                return super().operate(op, *other, **options)
            if op is operators.between_op and not options.get("symmetric"):
                return sa.and_(expression >= other[0], expression <= other[1])
            kind: Kind = kind_of(expression)
            kinds = {common_kind(kind, getattr(getattr(value, "type", None), "kind", None)) for value in other}
            if op in SEARCHES and kinds == {kind} and _is_column(expression) and not _is_long(other[0]):
                made = super().operate(op, *[_listed(value, expression.type) for value in other], **options)
                if _is_search(made):
                    return Compared(made)
            widest = kinds.pop() if kinds else kind
            return op(Normal(expression, widest), *[_normal(value, widest) for value in other], **options)

    comparator_factory: Any = Comparator

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores: a moment that does not change keeps the form in which it is stored."""
        return Kept(stored, new, new) if dialect.name == "sqlite" else new

    def order_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return what ORDER BY sorts by."""
        return column if isinstance(column, Normal) else Normal(column, self.kind)


def _is_column(expression: Any) -> bool:
    return isinstance(expression, sa.Column) or isinstance(getattr(expression, "table", None), sa.Alias)


def _is_long(given: Any) -> bool:
    """Whether values are too many for an expression that has each of them as an element."""
    return (
        isinstance(given, (list, tuple, set, frozenset))
        and len(given) > _MOST_ELEMENTS
        and not any(map(_is_expression, given))
    )


def _listed(given: Any, kind: Any) -> Any:
    """Return the values of an IN as parameters, one each."""
    if not isinstance(given, (list, tuple, set, frozenset)):
        return given
    return [value if _is_expression(value) else sa.literal(value, kind) for value in given]


def _is_expression(value: Any) -> bool:
    return hasattr(value, "__clause_element__") or isinstance(value, sa.ClauseElement)


def _is_search(made: Any) -> bool:
    """Whether SQLAlchemy made a comparison with values of it, not one with NULL, nothing, or a SELECT."""
    if not isinstance(made, sa.BinaryExpression) or made.operator not in SEARCHES:
        return False
    right: Any = made.right
    return made.operator is not operators.in_op or hasattr(getattr(right, "element", right), "clauses")


def _normal(value: Any, kind: Kind) -> Any:
    """Return what a moment is compared with: a stored one in our form."""
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if isinstance(value, (list, tuple)):
        return [_normal(each, kind) for each in value]
    if isinstance(value, sa.SelectBase):
        rows = value.subquery()
        first = next(iter(rows.c))
        return sa.select(_normal(first, kind)).select_from(rows)
    return Normal(value, kind) if may_have_another_form(value) else value


def _refused(value: Any) -> Any:
    raise scalars.refused(
        value, "SQLite stores no infinity of dates", "use None, or the last or first date: datetime.max, date.min"
    )


class DateTime(Moment):
    """A datetime without a time zone: text that SQLAlchemy's own type would store, TIMESTAMP. ``fold`` is not kept."""

    cache_ok = True
    impl = sa.DateTime
    kind = moments.DATETIME

    def accept(self, value: Any) -> datetime:
        return scalars.naive_datetime(value)

    def to_sqlite(self) -> Processor:
        return lambda value: (
            _refused(value)
            if type(value) is InfiniteDateTime
            else datetime.isoformat(scalars.naive_datetime(value), " ", "microseconds")
        )

    def from_sqlite(self) -> Processor:
        return moments.read_naive


class AwareDateTime(Moment):
    """A datetime in UTC: text without the zone, which sorts by time; TIMESTAMPTZ."""

    cache_ok = True
    impl = sa.DateTime
    kind = moments.DATETIME
    sqlite_type = Named("DATETIME UTC TEXT")
    postgresql_type = sa.DateTime(timezone=True)

    def accept(self, value: Any) -> datetime:
        return scalars.aware_datetime(value)

    def to_sqlite(self) -> Processor:
        return lambda value: (
            _refused(value)
            if type(value) is InfiniteDateTime
            else moments.write_datetime(scalars.aware_datetime(value))
        )

    def from_sqlite(self) -> Processor:
        return moments.read_aware


class Date(Moment):
    """DATE; SQLite stores ISO 8601 text."""

    cache_ok = True
    impl = sa.Date
    kind = moments.DATE

    def accept(self, value: Any) -> date:
        return scalars.calendar_date(value)

    def to_sqlite(self) -> Processor:
        return lambda value: (
            _refused(value) if type(value) is InfiniteDate else date.isoformat(scalars.calendar_date(value))
        )

    def from_sqlite(self) -> Processor:
        return moments.read_date


class Time(Moment):
    """TIME without a zone; SQLite stores HH:MM:SS.ffffff. ``fold`` is not kept."""

    cache_ok = True
    impl = sa.Time
    kind = moments.TIME

    def accept(self, value: Any) -> time:
        return scalars.clock_time(value)

    def to_sqlite(self) -> Processor:
        return lambda value: moments.write_time(scalars.clock_time(value))

    def from_sqlite(self) -> Processor:
        return moments.read_time
