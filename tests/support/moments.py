"""Moments in the text forms that SQLite files hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1)


def forms_of(value: Any) -> list[Any]:
    """Return how programs store a datetime, date or time: each names the same moment."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return _of_datetime(value)
        forms = _of_datetime(value.astimezone(UTC).replace(tzinfo=None))
        # Such a column makes text of numbers, without the last digits of a float. It is known for a time from 2001 to
        # 2033 alone.
        known = (str, int) if 2001 < value.year < 2033 else str
        return [form for form in forms if isinstance(form, known)]
    return _of_time(value) if isinstance(value, time) else _of_date(value)


def _fraction(microsecond: int) -> str:
    return f".{microsecond:06d}".rstrip("0").rstrip(".")


def _of_datetime(value: datetime) -> list[Any]:
    fraction = _fraction(value.microsecond)
    seconds = f"{value:%H:%M:%S}{fraction}"
    day = value.date().isoformat()
    east, west = value + timedelta(hours=2), value - timedelta(hours=5, minutes=30)
    micros = (value - _EPOCH) // timedelta(microseconds=1)
    forms = [
        value.isoformat(" ", "microseconds"),
        f"{day} {seconds}",
        f"{day}T{seconds}",
        f"{day}T{seconds}Z",
        f"{day} {seconds} UTC",
        f"{east.isoformat(' ', 'microseconds')}+02:00",
        f"{west.isoformat('T', 'microseconds')}000-0530",
    ]
    # How large a number is tells its unit.
    if abs(micros) >= 10**14:
        forms.append(micros)
    if micros % 1_000_000 == 0:
        forms.append(micros // 1_000_000)
    elif abs(micros) < 2**32 * 1_000_000:
        # A float of more seconds has no place for microseconds.
        forms.append(micros / 1_000_000)
    if micros % 1_000 == 0 and abs(micros) >= 10**14:
        forms.append(micros // 1_000)
    if not fraction and value.second == 0:
        forms += [f"{day} {value:%H:%M}", f"{day}T{value:%H:%M}+00:00"]
        if value.time() == time():
            forms.append(day)
    return forms


def _of_date(value: date) -> list[Any]:
    day = value.isoformat()
    return [
        day,
        f"{day} 00:00:00",
        f"{day}T00:00:00",
        f"{day} 00:00:00.000000",
        f"{day}T00:00:00.000Z",
        f"{day}T02:00:00+02:00",
        int(f"{value:%Y%m%d}"),
    ]


def _of_time(value: time) -> list[Any]:
    fraction = _fraction(value.microsecond)
    forms = [
        value.isoformat("microseconds"),
        f"{value:%H:%M:%S}{fraction}",
        f"{value:%H:%M:%S}{fraction}Z",
        f"T{value:%H:%M:%S}{fraction}",
        f"{value.isoformat('microseconds')}000",
        f"2000-01-01 {value:%H:%M:%S}{fraction}",
    ]
    if not fraction and value.second == 0:
        forms.append(f"{value:%H:%M}")
    return forms
