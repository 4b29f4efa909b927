"""The forms in which SQLite files hold datetimes, dates and times, and the one form that DeeBase writes.

SQLite has no type for them. ``CURRENT_TIMESTAMP`` writes ``2024-01-02 03:04:05``; other programs write a ``T``, ``Z``,
an offset, fewer or more digits, a date alone, or a number of seconds. All of them are read as the moment they name, and
the SQL functions of this module let SQLite compare them by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

Read = Callable[[Any], Any]

#: A date, with a time and a zone or without.
_DATETIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:(?:[Tt]|\s+)(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"\s*(?:Z|z|UTC|GMT|([+-])(\d\d):?(\d\d)?(?::?(\d\d))?)?)?",
    re.ASCII,
)
#: A Unix time as text, which columns with the affinity TEXT make of a number: seconds, milli- or microseconds of the
#: years 2001 to 2033. These have their own range in an index; others would stand among the years of dates.
_NUMBER: Final = re.compile(r"1\d{9}(?:\d{3}|\d{6})?(?:\.\d*)?", re.ASCII)
#: SQL takes text with other blanks for no moment.
_BLANKS: Final = " \t\n\r\v\f"
_EPOCH: Final = datetime(1970, 1, 1)

#: Of "YYYY-MM-DD HH:MM:SS.ffffff".
STORED_LENGTH: Final = 26
_MICROSECOND: Final = timedelta(microseconds=1)


def read_naive(value: Any) -> datetime:
    """Return the datetime that a stored value names; one with an offset is moved to UTC.

    Raises:
        ValueError: it names none.
        TypeError: the same.

    Example:
        ```python
        assert read_naive("2024-01-02T03:04:05+02:00") == datetime(2024, 1, 2, 1, 4, 5)
        ```
    """
    if type(value) is str:
        if len(value) == STORED_LENGTH:
            try:
                made = datetime.fromisoformat(value)
            except ValueError:
                return _parsed(value)
            return made if made.tzinfo is None else made.astimezone(UTC).replace(tzinfo=None)
        return _parsed(value)
    return _of_number(value)


def read_aware(value: Any) -> datetime:
    """Return the datetime in UTC that a stored value names.

    Raises:
        ValueError: it names none.
        TypeError: the same.

    Example:
        ```python
        assert read_aware("2024-01-02 03:04:05") == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
        ```
    """
    if type(value) is str and len(value) == STORED_LENGTH:
        try:
            return datetime.fromisoformat(value + "+00:00")  # three times as fast as replace(tzinfo=UTC)
        except ValueError:
            pass
    return read_naive(value).replace(tzinfo=UTC)


def read_date(value: Any) -> date:
    """Return the date that a stored value names; the time of a datetime is left out.

    Raises:
        ValueError: it names none.
        TypeError: the same.

    Example:
        ```python
        assert read_date("2024-01-02T00:00:00Z") == date(2024, 1, 2)
        ```
    """
    if type(value) is str:
        if len(value) == 10 and value[4] == value[7] == "-":
            return date.fromisoformat(value)
    elif type(value) is int:
        digits = str(value)
        # A DATE column makes a number of 20240102.
        if len(digits) == 8:
            try:
                return date(value // 10_000, value // 100 % 100, value % 100)
            except ValueError:
                pass
        elif len(digits) == 4:
            raise ValueError("a year, rather than seconds")
    return read_naive(value).date()


def read_time(value: Any) -> time:
    """Return the time that a stored value names; the date of a datetime is left out.

    Raises:
        ValueError: it names none.
        TypeError: the same.

    Example:
        ```python
        assert read_time("10:30") == time(10, 30)
        ```
    """
    if type(value) is not str:
        raise TypeError("a number is not a time")
    if len(value) == 15:
        try:
            made = time.fromisoformat(value)
        except ValueError:
            pass
        else:
            if made.tzinfo is None:
                return made
    text = value.strip(_BLANKS)
    if text[2:3] == ":" or text[:1] in ("T", "t"):
        text = f"2000-01-01 {text.lstrip('Tt')}"
    if ":" not in text:
        raise ValueError("no time")
    return _parsed(text).time()


def _parsed(text: str) -> datetime:
    text = text.strip(_BLANKS)
    found = _DATETIME.fullmatch(text)
    if found is None:
        if _NUMBER.fullmatch(text):
            return _of_number(float(text) if "." in text else int(text))
        raise ValueError("no moment")
    year, month, day, hour, minute, second, digits, sign, *offset = found.groups()
    made = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if digits:
        # Nanoseconds are rounded as PostgreSQL does it.
        made += round(int(f"{digits:0<9.9}") / 1000) * _MICROSECOND
    if sign:
        hours, minutes, seconds = (int(part or 0) for part in offset)
        shift = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        made -= timezone(shift if sign == "+" else -shift).utcoffset(None)
    return made


def _of_number(number: float) -> datetime:
    """Return the datetime of a Unix time: seconds, or milli- or microseconds where seconds would be out of range."""
    size = abs(number)
    unit = 1_000_000 if size < 1e11 else 1_000 if size < 1e14 else 1
    return _EPOCH + timedelta(microseconds=round(number * unit))


def write_datetime(value: datetime) -> str:
    """Return the form in which DeeBase stores a datetime, without its zone.

    Example:
        ```python
        assert write_datetime(datetime(2024, 1, 2)) == "2024-01-02 00:00:00.000000"
        ```
    """
    return datetime.isoformat(value, " ", "microseconds")[:STORED_LENGTH]


def write_time(value: time) -> str:
    """Return the form in which DeeBase stores a time.

    Example:
        ```python
        assert write_time(time(10, 30)) == "10:30:00.000000"
        ```
    """
    return time.isoformat(value, "microseconds")


def _normalizer(read: Read, write: Callable[[Any], str]) -> Callable[[Any], Any]:
    def normal(value: Any) -> Any:
        try:
            return write(read(value))
        except (ValueError, TypeError, OverflowError):
            # It equals no moment, and has its place among them by its text.
            return value

    return normal


_D: Final = "[0-9]"
_DATE_GLOB: Final = f"{_D * 4}-{_D * 2}-{_D * 2}"
_TIME_GLOB: Final = f"{_D * 2}:{_D * 2}:{_D * 2}.{_D * 6}"


class Kind:
    """How the values of one Python type are stored in SQLite.

    Attributes:
        name: of the SQL function.
        pattern: what GLOB knows our own form by. It is part of stored indexes, so it never changes.
        normal: returns a stored value in our form; one that names no moment as it is. Connections have it as ``name``.
        is_time: a time of day.
    """

    __slots__ = ("is_time", "name", "normal", "pattern")

    def __init__(self, name: str, pattern: str, read: Read, write: Callable[[Any], str]) -> None:
        self.name = name
        self.pattern = pattern
        self.normal: Callable[[Any], Any] = _normalizer(read, write)
        self.is_time: bool = read is read_time


DATETIME: Final = Kind("deebase_datetime", f"{_DATE_GLOB} {_TIME_GLOB}", read_naive, write_datetime)
DATE: Final = Kind("deebase_date", _DATE_GLOB, read_date, date.isoformat)
TIME: Final = Kind("deebase_time", _TIME_GLOB, read_time, write_time)
KINDS: Final = (DATETIME, DATE, TIME)
