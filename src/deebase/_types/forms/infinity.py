"""Values of PostgreSQL that Python's own types cannot hold: each is stored again as what it was read from."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final


class StoredDate(date):
    """A DATE that Python has none of: an infinity, or one of another year than 1 to 9999.

    It compares as the last or the first date of Python, and stays itself. What is computed from it, and what
    ``replace`` returns, is a plain date.

    Attributes:
        stored: what PostgreSQL stores: days since 2000.
    """

    __slots__ = ("stored",)

    stored: int

    def __new__(cls, *parts: Any) -> Any:
        """Return a plain date: Python makes results of arithmetic by this call."""
        return date(*parts)

    def replace(self, *parts: Any, **named: Any) -> Any:
        """Return a plain date with other parts."""
        return date.fromordinal(self.toordinal()).replace(*parts, **named)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Return how copies and pickles are made."""
        return stored_date, (self.stored,)


class StoredDateTime(datetime):
    """A TIMESTAMP or TIMESTAMPTZ that Python has none of; the same for datetimes.

    Attributes:
        stored: what PostgreSQL stores: microseconds since 2000.
    """

    __slots__ = ("stored",)

    stored: int

    def __new__(cls, *parts: Any, **named: Any) -> Any:
        """Return a plain datetime: Python makes results of arithmetic by this call."""
        return datetime(*parts, **named)

    def replace(self, *parts: Any, **named: Any) -> Any:
        """Return a plain datetime with other parts."""
        return datetime.combine(self.date(), self.timetz()).replace(*parts, **named)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Return how copies and pickles are made."""
        return stored_datetime, (self.stored, self.tzinfo is not None)


class EndOfDay(time):
    """24:00 of a TIME; compares as the last time of Python, and stays itself."""

    __slots__ = ()

    def __new__(cls, *parts: Any, **named: Any) -> Any:
        """Return a plain time."""
        return time(*parts, **named)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Return how copies and pickles are made."""
        return end_of_day, ()


#: The largest numbers that PostgreSQL stores for a date and for a timestamp stand for infinity.
_DAYS: Final = 2**31 - 1
_MICROSECONDS: Final = 2**63 - 1
_DAY: Final = 86_400_000_000
_EPOCH: Final = date(2000, 1, 1).toordinal()
#: The calendar repeats itself.
_YEARS, _CYCLE = 400, 146_097
_TEXT: Final = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:\+00(?::00)?)?)?( BC)?", re.ASCII
)


def stored_date(days: int) -> StoredDate:
    """Return the date that PostgreSQL stores as a number of days."""
    plain = date.max if days > 0 else date.min
    made = date.__new__(StoredDate, plain.year, plain.month, plain.day)
    made.stored = days
    return made


def stored_datetime(microseconds: int, aware: bool) -> StoredDateTime:
    """Return the datetime that PostgreSQL stores as a number of microseconds."""
    plain = datetime.max if microseconds > 0 else datetime.min
    parts = (*plain.timetuple()[:6], plain.microsecond, UTC if aware else None)
    made = datetime.__new__(StoredDateTime, *parts)
    made.stored = microseconds
    return made


def end_of_day() -> EndOfDay:
    """Return 24:00."""
    return time.__new__(EndOfDay, 23, 59, 59, 999_999)


def is_infinite(value: StoredDate | StoredDateTime) -> bool:
    """Whether a value is ``infinity`` or ``-infinity``."""
    most = _MICROSECONDS if isinstance(value, datetime) else _DAYS
    return value.stored in (most, -most - 1)


def stored_text(value: StoredDate | StoredDateTime) -> str:
    """Return the text of PostgreSQL, of a moment with a time zone in UTC."""
    if is_infinite(value):
        return "infinity" if value.stored > 0 else "-infinity"
    if not isinstance(value, datetime):
        day, era = _day_text(value.stored)
        return day + era
    days, rest = divmod(value.stored, _DAY)
    day, era = _day_text(days)
    clock = (datetime.min + timedelta(microseconds=rest)).time().isoformat()
    return f"{day} {clock}{'' if value.tzinfo is None else '+00'}{era}"


def _day_text(days: int) -> tuple[str, str]:
    """Return the text of a day, and of its era."""
    cycles, rest = divmod(days + _EPOCH - 1, _CYCLE)
    plain = date.fromordinal(rest + 1)
    year = plain.year + cycles * _YEARS
    return f"{year if year > 0 else 1 - year:04}-{plain.month:02}-{plain.day:02}", "" if year > 0 else " BC"


def stored_number(text: str, *, of_day: bool) -> int | None:
    """Return the days, or the microseconds, that ``stored_text`` wrote as a text; None for another text.

    Raises:
        ValueError: there is no such day or time.
    """
    most = _DAYS if of_day else _MICROSECONDS
    if text in ("infinity", "-infinity"):
        return most if text == "infinity" else -most - 1
    found = _TEXT.fullmatch(text)
    if found is None or (of_day and found[4] is not None):
        return None
    year = 1 - int(found[1]) if found[8] else int(found[1])
    cycles, rest = divmod(year - 1, _YEARS)
    days = date(rest + 1, int(found[2]), int(found[3])).toordinal() + cycles * _CYCLE - _EPOCH
    if of_day:
        return days
    hour, minute, second = [int(part or 0) for part in found.group(4, 5, 6)]
    clock = time(hour, minute, second, int((found[7] or "").ljust(6, "0")))
    since = datetime.combine(date.min, clock) - datetime.min
    return days * _DAY + since.seconds * 1_000_000 + since.microseconds


class StoredInterval(timedelta):
    """An INTERVAL that a timedelta would store as another one: it has months, or hours beyond its days.

    As a timedelta a month has 30 days and a year 365, as PostgreSQL's driver counts them; infinity and what else is
    longer than any timedelta is the longest one. What is computed from it is
    a plain timedelta.
    """

    __slots__ = ("stored",)

    stored: tuple[int, int, int]

    def __new__(cls, months: int, days: int, microseconds: int) -> StoredInterval:
        """Return the interval of what PostgreSQL stores."""
        years, rest = divmod(abs(months), 12)
        sign = -1 if months < 0 else 1
        try:
            made = super().__new__(cls, days + sign * (years * 365 + rest * 30), 0, microseconds)
        except OverflowError:
            edge = timedelta.max if months + days > 0 else timedelta.min
            made = super().__new__(cls, edge.days, edge.seconds, edge.microseconds)
        made.stored = (months, days, microseconds)
        return made

    def __reduce__(self) -> Any:
        """Return how copies and pickles are made."""
        return StoredInterval, self.stored
