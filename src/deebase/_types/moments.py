"""Datetimes, dates and times: types of their own on PostgreSQL; on SQLite text that is compared by value."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.types import TypeDecorator

from deebase._types.base import (
    Call,
    ColumnType,
    Named,
    Processor,
    T,
    has_types,
    kept_on_sqlite,
    literal,
    misfit,
    present,
    refused,
)
from deebase._types.forms import moment_forms as moments
from deebase._types.forms.infinity import (
    EndOfDay,
    StoredDate,
    StoredDateTime,
    StoredInterval,
    end_of_day,
    is_infinite,
    stored_date,
    stored_datetime,
    stored_number,
    stored_text,
)
from deebase._types.forms.moment_forms import Kind
from deebase._types.forms.moment_sql import (
    SEARCHES,
    Compared,
    Kept,
    Normal,
    common_kind,
    kind_of,
    may_have_another_form,
)
from deebase.types import UTCDateTime

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


#: The time of a statement in UTC, in the form of the column; SQLite knows it in milliseconds.
_SQLITE_NOW: Final = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
_POSTGRES_NOW: Final = "(statement_timestamp() AT TIME ZONE 'UTC')"


class Moment(ColumnType[T]):
    """Base of the types whose values SQLite files hold in many forms."""

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
        return new if has_types(dialect) else Kept(stored, new, new)

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


def _on_sqlite(write: Callable[[Any], str]) -> Processor:
    """Return what writes a moment; SQLite has none of those that only PostgreSQL stores."""

    def process(value: Any) -> str:
        if type(value) in (StoredDate, StoredDateTime):
            reason = "no infinity of dates" if is_infinite(value) else "dates of the years 1 to 9999 alone"
            raise refused(
                value, f"SQLite stores {reason}", "use None, or the last or first date: datetime.max, date.min"
            )
        if type(value) is EndOfDay:
            raise refused(value, "SQLite stores no time 24:00", "use None, or time.max")
        return write(value)

    return process


_START: Final = datetime(2000, 1, 1)
_DAY_SECONDS: Final = 86_400
_END_OF_DAY: Final = "24:00:00"
_SAMPLE_DAYS: Final = 100_000


def _call(kind: type[Any], parts: list[int], least: int, **keywords: Any) -> Call:
    """Return a call with numbers, without the zeros at its end."""
    while len(parts) > least and not parts[-1]:
        parts.pop()
    return kind, tuple(parts), keywords


class _AnyDateTime(Moment[datetime]):
    """What datetimes with and without a time zone have in common."""

    impl = sa.DateTime
    kind = moments.DATETIME
    #: Whether its values have a time zone.
    is_aware: ClassVar[bool]
    passes = frozenset({datetime})

    def accept_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any] | None:
        if super().accept_all(values, kinds) is None:
            return None
        zone = UTC if self.is_aware else None
        return values if all(value.tzinfo is zone for value in present(values, kinds)) else None

    def parse(self, text: str) -> datetime:
        """Return the datetime of ISO 8601, or one that only PostgreSQL has."""
        text = text.strip()
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            stored = stored_number(text, of_day=False)
            if stored is None:
                raise
            return stored_datetime(stored, self.is_aware)

    def format(self, value: datetime) -> str:
        return stored_text(value) if type(value) is StoredDateTime else value.isoformat()

    def literal(self, value: Any, dialect: Dialect) -> str:
        if type(value) is StoredDateTime or not has_types(dialect):
            return super().literal(value, dialect)
        return literal(value.isoformat(" ", "microseconds"), dialect)

    def source(self, value: datetime) -> Call:
        zone = {}
        if value.tzinfo is not None:
            value, zone = value.astimezone(UTC), {"tzinfo": UTC}
        parts = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
        return _call(datetime, parts, 3, **zone)


class AwareDateTime(_AnyDateTime, python=UTCDateTime, name="utcdatetime"):
    """A datetime in UTC: text without the zone, which sorts by time; TIMESTAMPTZ."""

    sqlite = Named("DATETIME UTC TEXT")
    postgres = sa.DateTime(timezone=True)
    made_by_database = {"now": (_SQLITE_NOW, "statement_timestamp()")}  # noqa: RUF012 - a ClassVar of ColumnType
    is_aware = True
    wanted = "a date and time with a zone"
    example = "2024-02-29T12:30:00+00:00"

    @classmethod
    def holds(cls, value: Any) -> bool:
        return value.tzinfo is not None

    def accept(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise misfit(value, "a datetime", "datetime.fromisoformat(value)" if isinstance(value, str) else None)
        if value.utcoffset() is None:
            raise refused(
                value,
                "takes a datetime with a time zone, and this one has none",
                "value.replace(tzinfo=UTC), or annotate the column datetime",
            )
        if value.tzinfo is UTC:
            return value
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise refused(value, "in UTC this datetime is outside the years 1 to 9999") from None

    def to_sqlite(self) -> Processor:
        return _on_sqlite(lambda value: moments.write_datetime(self.accept(value)))

    def from_sqlite(self) -> Processor:
        return moments.read_aware

    def sample(self, number: int, name: str) -> datetime:
        return _START.replace(tzinfo=UTC) + timedelta(seconds=number)


class DateTime(_AnyDateTime, python=datetime):
    """A datetime without a time zone: text that SQLAlchemy's own type would store, TIMESTAMP. ``fold`` is not kept."""

    adopts = (sa.DateTime,)
    sqlite = postgres = sa.DateTime()
    sqlite_names = ("TIMESTAMP",)
    made_by_database = {"now": (_SQLITE_NOW, _POSTGRES_NOW)}  # noqa: RUF012 - a ClassVar of ColumnType
    is_aware = False
    wanted = "a date and time"
    example = "2024-02-29T12:30:00"
    zero = datetime(1970, 1, 1)

    @classmethod
    def adopting(cls, sa_type: Any) -> ColumnType[Any]:
        return AwareDateTime() if sa_type.timezone else cls()

    def accept(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise misfit(value, "a datetime", "datetime.fromisoformat(value)" if isinstance(value, str) else None)
        if value.tzinfo is not None:
            raise refused(
                value, "takes a datetime without a time zone, and this one has one", "annotate the column UTCDateTime"
            )
        return value

    def to_sqlite(self) -> Processor:
        return _on_sqlite(lambda value: datetime.isoformat(self.accept(value), " ", "microseconds"))

    def from_sqlite(self) -> Processor:
        return moments.read_naive

    def sample(self, number: int, name: str) -> datetime:
        return _START + timedelta(seconds=number)


class Date(Moment[date], python=date):
    """DATE; SQLite stores ISO 8601 text."""

    impl = sa.Date
    kind = moments.DATE
    adopts = (sa.Date,)
    sqlite = postgres = sa.Date()
    made_by_database = {"now": ("date('now')", f"({_POSTGRES_NOW})::date")}  # noqa: RUF012 - a ClassVar of ColumnType
    wanted = "a date"
    example = "2024-02-29"
    zero = date(1970, 1, 1)
    passes = frozenset({date})

    def accept(self, value: Any) -> date:
        """Return a date; a datetime is refused, though it is a subclass: its time would be lost."""
        if isinstance(value, datetime):
            raise misfit(value, "a date", "value.date()")
        if not isinstance(value, date):
            raise misfit(value, "a date", "date.fromisoformat(value)" if isinstance(value, str) else None)
        return value

    def parse(self, text: str) -> date:
        """Return the date of ISO 8601, or one that only PostgreSQL has."""
        text = text.strip()
        try:
            return date.fromisoformat(text)
        except ValueError:
            stored = stored_number(text, of_day=True)
            if stored is None:
                raise
            return stored_date(stored)

    def format(self, value: date) -> str:
        return stored_text(value) if type(value) is StoredDate else value.isoformat()

    def to_sqlite(self) -> Processor:
        return _on_sqlite(lambda value: date.isoformat(self.accept(value)))

    def from_sqlite(self) -> Processor:
        return moments.read_date

    def source(self, value: date) -> Call:
        return date, (value.year, value.month, value.day), {}

    def sample(self, number: int, name: str) -> date:
        return date(2000, 1, 1) + timedelta(days=number % _SAMPLE_DAYS)


class Time(Moment[time], python=time):
    """TIME without a zone; SQLite stores HH:MM:SS.ffffff. ``fold`` is not kept."""

    impl = sa.Time
    kind = moments.TIME
    adopts = (sa.Time,)
    sqlite = postgres = sa.Time()
    made_by_database = {  # noqa: RUF012 - a ClassVar of ColumnType
        "now": ("strftime('%H:%M:%f000', 'now')", f"({_POSTGRES_NOW})::time")
    }
    wanted = "a time"
    example = "12:30:00"
    zero = time()

    def accept(self, value: Any) -> time:
        if not isinstance(value, time):
            raise misfit(value, "a time", "time.fromisoformat(value)" if isinstance(value, str) else None)
        if value.tzinfo is not None:
            raise refused(value, "takes a time without a time zone, and this one has one", "value.replace(tzinfo=None)")
        return value

    def parse(self, text: str) -> time:
        """Return the time of ISO 8601, or the 24:00 of PostgreSQL."""
        return end_of_day() if text.strip() == _END_OF_DAY else time.fromisoformat(text.strip())

    def format(self, value: time) -> str:
        return _END_OF_DAY if type(value) is EndOfDay else value.isoformat()

    def to_sqlite(self) -> Processor:
        return _on_sqlite(lambda value: moments.write_time(self.accept(value)))

    def from_sqlite(self) -> Processor:
        return moments.read_time

    def source(self, value: time) -> Call:
        return _call(time, [value.hour, value.minute, value.second, value.microsecond], 1)

    def sample(self, number: int, name: str) -> time:
        return (_START + timedelta(seconds=number % _DAY_SECONDS)).time()


_CLOCK: Final = re.compile(
    r"(?:(?P<days>[-+]?\d+) days? ?)?(?:(?P<sign>[-+]?)(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?))?"
)
_DAYS_AND_SECONDS: Final = re.compile(r"(?P<days>-?\d+) days (?P<seconds>\d+\.\d+) seconds")
#: Months, days and microseconds, as PostgreSQL stores an INTERVAL that no timedelta equals.
_STORED_INTERVAL: Final = re.compile(r"P(-?\d+)M(-?\d+)DT(-?\d+)us")


class Interval(ColumnType[timedelta], python=timedelta):
    """INTERVAL; SQLite stores seconds as a REAL. The text form is a number of seconds."""

    impl = sa.Interval
    adopts = (sa.Interval, postgresql.INTERVAL)
    sqlite = Named("DURATION REAL")
    postgres = postgresql.INTERVAL()
    wanted = "a number of seconds"
    example = "90.5"
    zero = timedelta()
    json_kinds = (int, float, Decimal)

    def accept(self, value: Any) -> timedelta:
        """Return a timedelta that is the same after its seconds were a float, or what PostgreSQL stored."""
        if type(value) is StoredInterval:
            return value
        if not isinstance(value, timedelta):
            raise misfit(value, "a timedelta", "timedelta(seconds=value)" if isinstance(value, (int, float)) else None)
        try:
            same = timedelta(seconds=value.total_seconds()) == value
        except OverflowError:
            same = False
        if not same:
            raise refused(
                value,
                "this timedelta is too long for its microseconds to be kept",
                "round it to seconds, or store an int",
            )
        return value

    def parse(self, text: str) -> timedelta:
        stored = _STORED_INTERVAL.fullmatch(text.strip())
        return timedelta(seconds=float(text)) if stored is None else StoredInterval(*map(int, stored.groups()))

    def format(self, value: timedelta) -> str:
        """Return the number of seconds; months have no number of seconds."""
        if type(value) is StoredInterval:
            return "P{}M{}DT{}us".format(*value.stored)
        return repr(value.total_seconds())

    def to_json(self, value: timedelta) -> Any:
        return self.format(value) if type(value) is StoredInterval else value.total_seconds()

    def to_sqlite(self) -> Processor:
        return lambda value: timedelta.total_seconds(self.accept(value))

    def from_sqlite(self) -> Processor:
        return lambda seconds: timedelta(seconds=seconds)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        return new if has_types(dialect) else kept_on_sqlite("DURATION REAL", stored, new)

    def literal(self, value: Any, dialect: Dialect) -> str:
        """Return the literal; PostgreSQL takes days and seconds apart."""
        if not has_types(dialect):
            return super().literal(value, dialect)
        return literal(f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds", dialect)

    def of_literal(self, value: Any) -> timedelta:
        """Return the timedelta of a number of seconds, or of what either of us or PostgreSQL writes."""
        if not isinstance(value, str):
            return timedelta(seconds=float(value))
        match = _DAYS_AND_SECONDS.fullmatch(value) or _CLOCK.fullmatch(value)
        if match is None or not value:
            raise ValueError
        parts = match.groupdict()
        sign = -1 if parts.get("sign") == "-" else 1
        whole, _, fraction = (parts["seconds"] or "0").partition(".")
        clock = timedelta(
            hours=int(parts.get("hours") or 0),
            minutes=int(parts.get("minutes") or 0),
            seconds=int(whole),
            microseconds=int((fraction + "000000")[:6]),
        )
        return timedelta(days=int(parts["days"] or 0)) + sign * clock

    def source(self, value: timedelta) -> Call:
        parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
        return timedelta, (), {name: part for name, part in parts.items() if part}

    def sample(self, number: int, name: str) -> timedelta:
        return timedelta(seconds=number)
