"""Codecs of asyncpg for dates, timestamps and intervals.

The codecs of the driver convert the first and the last value of Python to infinities, and months to days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from deebase._types.forms.infinity import (
    AWARE_TIMESTAMPS,
    DATES,
    TIMESTAMPS,
    InfiniteDate,
    InfiniteDateTime,
    StoredInterval,
)

# PostgreSQL counts from the beginning of 2000 (manual, "Date/Time Types").
_EPOCH = datetime(2000, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_DAY = 86_400_000_000


async def set_codecs(driver: Any) -> None:
    """Set our codecs on a connection of asyncpg, which uses them for arrays and ranges, too; nothing is sent."""
    for name, (encode, decode) in _CODECS.items():
        await driver.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="tuple")


def _date(value: Any) -> tuple[int]:
    return (value.stored if type(value) is InfiniteDate else value.toordinal() - _EPOCH_DAY,)


def _read_date(stored: tuple[int]) -> date:
    days = stored[0]
    return DATES[days] if days in DATES else date.fromordinal(days + _EPOCH_DAY)


def _timestamp(value: Any) -> tuple[int]:
    if type(value) is InfiniteDateTime:
        return (value.stored,)
    since = (value if isinstance(value, datetime) else _midnight(value)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _read_timestamp(stored: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(0, 0, stored[0])
    except OverflowError:
        if stored[0] in TIMESTAMPS:
            return TIMESTAMPS[stored[0]]
        raise


def _aware_timestamp(value: Any) -> tuple[int]:
    if type(value) is InfiniteDateTime:
        return (value.stored,)
    given = value if isinstance(value, datetime) else _midnight(value)
    # A datetime without a zone is local time, as for the driver.
    since = (given if given.tzinfo is UTC else given.astimezone(UTC)) - _EPOCH_UTC
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _read_aware_timestamp(stored: tuple[int]) -> datetime:
    try:
        return _EPOCH_UTC + timedelta(0, 0, stored[0])
    except OverflowError:
        if stored[0] in AWARE_TIMESTAMPS:
            return AWARE_TIMESTAMPS[stored[0]]
        raise


def _midnight(day: Any) -> datetime:
    return datetime(day.year, day.month, day.day)


def _interval(value: Any) -> tuple[int, int, int]:
    if type(value) is StoredInterval:
        return value.stored
    return 0, value.days, value.seconds * 1_000_000 + value.microseconds


def _read_interval(stored: tuple[int, int, int]) -> timedelta:
    months, days, microseconds = stored
    if not months and 0 <= microseconds < _DAY:
        plain = timedelta(days, 0, microseconds)
        # A longer one is returned as stored if a float cannot represent its seconds exactly.
        if -100_000 < days < 100_000 or timedelta(seconds=plain.total_seconds()) == plain:
            return plain
    return StoredInterval(months, days, microseconds)


_CODECS: dict[str, tuple[Callable[[Any], tuple[int, ...]], Callable[[Any], Any]]] = {
    "date": (_date, _read_date),
    "timestamp": (_timestamp, _read_timestamp),
    "timestamptz": (_aware_timestamp, _read_aware_timestamp),
    "interval": (_interval, _read_interval),
}
