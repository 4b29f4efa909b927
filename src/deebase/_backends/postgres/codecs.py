"""Codecs of asyncpg for dates, times, intervals and REAL.

The codecs of the driver convert the first and the last value of Python to infinities, months to days, and a REAL to the
digits of a double.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from deebase._types.forms.infinity import (
    EndOfDay,
    StoredDate,
    StoredDateTime,
    StoredInterval,
    end_of_day,
    stored_date,
    stored_datetime,
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
    await driver.set_type_codec("float4", schema="pg_catalog", encoder=_REAL.pack, decoder=_read_real, format="binary")


def _date(value: Any) -> tuple[int]:
    return (value.stored if type(value) is StoredDate else value.toordinal() - _EPOCH_DAY,)


def _read_date(stored: tuple[int]) -> date:
    try:
        return date.fromordinal(stored[0] + _EPOCH_DAY)
    except (ValueError, OverflowError):
        return stored_date(stored[0])


def _timestamp(value: Any) -> tuple[int]:
    if type(value) is StoredDateTime:
        return (value.stored,)
    since = (value if isinstance(value, datetime) else _midnight(value)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _read_timestamp(stored: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(0, 0, stored[0])
    except OverflowError:
        return stored_datetime(stored[0], aware=False)


def _aware_timestamp(value: Any) -> tuple[int]:
    if type(value) is StoredDateTime:
        return (value.stored,)
    given = value if isinstance(value, datetime) else _midnight(value)
    # A datetime without a zone is local time, as for the driver.
    since = (given if given.tzinfo is UTC else given.astimezone(UTC)) - _EPOCH_UTC
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,)


def _read_aware_timestamp(stored: tuple[int]) -> datetime:
    try:
        return _EPOCH_UTC + timedelta(0, 0, stored[0])
    except OverflowError:
        return stored_datetime(stored[0], aware=True)


def _time(value: Any) -> tuple[int]:
    if type(value) is EndOfDay:
        return (_DAY,)
    return (((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond,)


def _read_time(stored: tuple[int]) -> time:
    if stored[0] == _DAY:
        return end_of_day()
    seconds, microsecond = divmod(stored[0], 1_000_000)
    minutes, second = divmod(seconds, 60)
    return time(minutes // 60, minutes % 60, second, microsecond)


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
    "time": (_time, _read_time),
    "interval": (_interval, _read_interval),
}
_REAL = struct.Struct("!f")
#: Digits that any REAL keeps, and that tell each of them from all others.
_FEWEST_DIGITS, _MOST_DIGITS = 6, 9


def _read_real(stored: bytes) -> float:
    """Return the float of the fewest digits that are stored as these bytes, as the server writes them."""
    exact: float = _REAL.unpack(stored)[0]
    if exact - exact != 0.0:  # NaN and infinities
        return exact
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS):
        short = float(f"{exact:.{digits}g}")
        if _packs(short, stored):
            return short
    return float(f"{exact:.{_MOST_DIGITS}g}")


def _packs(value: float, stored: bytes) -> bool:
    try:
        return _REAL.pack(value) == stored
    except OverflowError:
        return False
