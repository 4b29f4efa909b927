"""Values of PostgreSQL that Python's own types cannot hold: each is stored again as what it was read from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any


class InfiniteDate(date):
    """``infinity`` or ``-infinity`` of a DATE; compares as the last or the first date of Python, and stays itself.

    What is computed from it, and what ``replace`` returns, is a plain date.
    """

    __slots__ = ()

    def __new__(cls, *parts: Any) -> Any:
        """Return a plain date: Python makes results of arithmetic by this call."""
        return date(*parts)

    def replace(self, *parts: Any, **named: Any) -> Any:
        """Return a plain date with other parts."""
        return date.fromordinal(self.toordinal()).replace(*parts, **named)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Return how copies and pickles are made."""
        return _infinite_date, (self.stored > 0,)

    @property
    def stored(self) -> int:
        """What PostgreSQL stores."""
        return _DAYS if date.toordinal(self) > 1 else -_DAYS - 1


class InfiniteDateTime(datetime):
    """``infinity`` or ``-infinity`` of a TIMESTAMP or TIMESTAMPTZ; the same for datetimes."""

    __slots__ = ()

    def __new__(cls, *parts: Any, **named: Any) -> Any:
        """Return a plain datetime: Python makes results of arithmetic by this call."""
        return datetime(*parts, **named)

    def replace(self, *parts: Any, **named: Any) -> Any:
        """Return a plain datetime with other parts."""
        return datetime.combine(self.date(), self.timetz()).replace(*parts, **named)

    def __reduce_ex__(self, _protocol: Any) -> Any:
        """Return how copies and pickles are made."""
        return _infinite_datetime, (self.stored > 0, self.tzinfo is not None)

    @property
    def stored(self) -> int:
        """What PostgreSQL stores."""
        return _MICROSECONDS if date.toordinal(self) > 1 else -_MICROSECONDS - 1


#: The largest numbers that PostgreSQL stores for a date and for a timestamp stand for infinity.
_DAYS = 2**31 - 1
_MICROSECONDS = 2**63 - 1


def _infinite_date(future: bool) -> InfiniteDate:
    plain = date.max if future else date.min
    return date.__new__(InfiniteDate, plain.year, plain.month, plain.day)


def _infinite_datetime(future: bool, aware: bool) -> InfiniteDateTime:
    plain = datetime.max if future else datetime.min
    parts = (*plain.timetuple()[:6], plain.microsecond, UTC if aware else None)
    return datetime.__new__(InfiniteDateTime, *parts)


DATES = {_DAYS: _infinite_date(True), -_DAYS - 1: _infinite_date(False)}
TIMESTAMPS = {_MICROSECONDS: _infinite_datetime(True, False), -_MICROSECONDS - 1: _infinite_datetime(False, False)}
AWARE_TIMESTAMPS = {_MICROSECONDS: _infinite_datetime(True, True), -_MICROSECONDS - 1: _infinite_datetime(False, True)}


class StoredInterval(timedelta):
    """An INTERVAL that a timedelta would store as another one: it has months, or hours beyond its days.

    As a timedelta a month has 30 days and a year 365, as PostgreSQL's driver counts them. What is computed from it is
    a plain timedelta.
    """

    __slots__ = ("stored",)

    stored: tuple[int, int, int]

    def __new__(cls, months: int, days: int, microseconds: int) -> StoredInterval:
        """Return the interval of what PostgreSQL stores."""
        years, rest = divmod(abs(months), 12)
        sign = -1 if months < 0 else 1
        made = super().__new__(cls, days + sign * (years * 365 + rest * 30), 0, microseconds)
        made.stored = (months, days, microseconds)
        return made

    def __reduce__(self) -> Any:
        """Return how copies and pickles are made."""
        return StoredInterval, self.stored
