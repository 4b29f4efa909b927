"""How the values of a column write dates and times, so that a copy back from another database writes them the same.

A style is a pattern such as ``YYYY-MM-DDTHH:MM:SS.fffZ``. ``[.fff]`` stands for a fraction that is left out if it is
zero, and ``[.f]`` for one without zeros at its end. Unix times are ``seconds``, ``milliseconds``, ``microseconds`` or
``fractional seconds``, and dates as numbers are ``YYYYMMDD``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from deebase._types.forms import moment_forms as moments

#: The style of DeeBase itself, for each form.
DEFAULTS: Final = {
    "date": "YYYY-MM-DD",
    "time": "HH:MM:SS.ffffff",
    "timestamp": "YYYY-MM-DD HH:MM:SS.ffffff",
    "timestamptz": "YYYY-MM-DD HH:MM:SS.ffffff",
}
#: The style of moments with an offset that are not written alike.
WITH_OFFSET: Final = "YYYY-MM-DD HH:MM:SS.ffffff+00:00"
_ZONE: Final = r" ?(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)"
_TEXT: Final = re.compile(
    rf"(?:(\d{{4}}-\d\d-\d\d)(?:([T ])(?=\d))?)?(?:(\d\d:\d\d)(:\d\d)?(?:\.(\d+))?)?({_ZONE})?", re.ASCII
)
_STYLE: Final = re.compile(rf"((?:YYYY-MM-DD)?[T ]?(?:HH:MM)?(?::SS)?)(\[)?(?:\.(f+))?\]?((?:{_ZONE})?)", re.ASCII)
#: What begins like a moment; PostgreSQL writes years before Christ with BC.
_ODD: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d.*(?<! BC)", re.ASCII | re.DOTALL)
_SECONDS: Final = "seconds"
_UNITS: Final = {_SECONDS: 1_000_000, "milliseconds": 1_000, "microseconds": 1}
_FRACTIONAL: Final = "fractional seconds"
_DIGITS: Final = "YYYYMMDD"
_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
#: What Python and PostgreSQL keep of a fraction.
_MOST_DIGITS: Final = 6


@dataclass(frozen=True)
class _Writing:
    """How one value is written.

    Attributes:
        pattern: its style without fraction and zone; None if it has none.
        zone: its zone, "" for none.
        digits: the number of digits of its fraction.
        ends_with_zero: whether the last one is a zero.
        is_zero: whether all of them are.
        is_number: whether it is a number.
        is_exact: whether its moment says everything about it.
        is_odd: whether it begins like a moment, and goes on in another way.
    """

    pattern: str | None
    zone: str = ""
    digits: int = 0
    ends_with_zero: bool = False
    is_zero: bool = False
    is_number: bool = False
    is_exact: bool = True
    is_odd: bool = False


class MomentStyles:
    """Collects how the values of a column are written.

    Args:
        kind: the kind of the form that the declared type of the column stands for.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._found: set[_Writing] = set()
        self._odd = 0

    def add(self, found: Iterable[tuple[Any, int]]) -> None:
        """Take values in, other than NULL, each with how many times it was found."""
        for value, times in found:
            made = _writing(value, self._kind)
            self._odd += times if made.is_odd and not _is_moment(value) else 0
            self._found.add(made)
        if any(one.pattern == _FRACTIONAL for one in self._found):
            # SQLite stores a whole number of seconds as an integer.
            self._found.discard(_Writing(_SECONDS, is_number=True))

    @property
    def odd(self) -> int:
        """How many texts begin like a moment, but name none."""
        return self._odd

    @property
    def has_zones(self) -> bool:
        """Whether all values name their zone."""
        return bool(self._found) and all(one.zone for one in self._found)

    @property
    def is_lossless(self) -> bool:
        """Whether each moment says what its value says: with an offset or without, as a number or as text."""
        numbers = {one.pattern for one in self._found if one.is_number}
        return (
            all(one.is_exact for one in self._found)
            and len({bool(one.zone) for one in self._found}) <= 1
            and (not numbers or (len(numbers) == 1 and all(one.is_number for one in self._found)))
        )

    def style(self) -> str | None:
        """Return the style that writes all values as they are; None if there is none."""
        if len({(one.pattern, one.zone) for one in self._found}) != 1:
            return None
        one = next(iter(self._found))
        fraction = _fraction(self._found)
        return None if one.pattern is None or fraction is None else f"{one.pattern}{fraction}{one.zone}"


def _fraction(found: Iterable[_Writing]) -> str | None:
    """Return the part of a style that writes the fractions of all values."""
    digits = {one.digits for one in found}
    if digits == {0}:
        return ""
    if len(digits) == 1:
        return f".{'f' * max(digits)}"
    fractions = [one for one in found if one.digits]
    if len(digits - {0}) == 1 and not any(one.is_zero for one in fractions):
        return f"[.{'f' * max(digits)}]"
    return None if any(one.ends_with_zero for one in fractions) else "[.f]"


def _writing(value: Any, kind: str) -> _Writing:
    if type(value) in (int, float):
        return _number_writing(value, kind)
    found = _TEXT.fullmatch(value) if type(value) is str and value else None
    if found is None:
        odd = _ODD.fullmatch(value) if type(value) is str else None
        is_odd = odd is not None and _is_moment(odd[1])
        return _Writing(None, is_exact=not is_odd, is_odd=is_odd)
    day, separator, clock, seconds, fraction, zone = found.groups(default="")
    pattern = f"{day and 'YYYY-MM-DD'}{separator}{clock and 'HH:MM'}{seconds and ':SS'}"
    digits = len(fraction)
    # SQL has the end of a day, and other programs have leap seconds; a datetime has neither.
    is_odd = bool(day) and _is_moment(day) and (clock > "23:59" or clock[3:] > "59" or seconds > ":59")
    return _Writing(
        pattern,
        zone,
        digits,
        fraction.endswith("0"),
        bool(fraction) and not fraction.strip("0"),
        is_exact=digits <= _MOST_DIGITS and not is_odd and not (kind == "time" and (day or zone)),
        is_odd=is_odd,
    )


def _number_writing(value: float, kind: str) -> _Writing:
    if kind == "date" and type(value) is int and len(str(value)) == len(_DIGITS):
        return _Writing(_DIGITS, is_number=True)
    try:
        moment = (moments.read_naive(value) - _EPOCH) // _MICROSECOND
    except (OverflowError, ValueError):
        return _Writing(None, is_number=True)
    if type(value) is float:
        return _Writing(_FRACTIONAL, is_number=True, is_exact=moment / 1_000_000 == value)
    unit = next((name for name, size in _UNITS.items() if value * size == moment), None)
    return _Writing(unit, is_number=True, is_exact=unit is not None)


def _is_moment(text: str) -> bool:
    try:
        moments.read_naive(text)
    except (ValueError, OverflowError):
        return False
    return True


def styled(kind: str, style: str) -> Callable[[str], Any] | None:
    """Return what writes a date, time, timestamp or timestamptz of a copy in a style; None if there is no such style.

    Args:
        kind: the kind of the form.
        style: the style.
    """
    if kind not in DEFAULTS:
        return None
    write = _number_writer(style) or _text_writer(kind, style)
    if write is None:
        return None

    def convert(text: str) -> Any:
        try:
            return write(datetime.fromisoformat(f"2000-01-01 {text}" if kind == "time" else text))
        except (ValueError, OverflowError):
            # Python has no such moment, as infinity.
            return text

    return convert


def _number_writer(style: str) -> Callable[[datetime], Any] | None:
    if style == _DIGITS:
        return lambda moment: moment.year * 10_000 + moment.month * 100 + moment.day
    if style == _FRACTIONAL:
        return lambda moment: ((moment - _EPOCH) // _MICROSECOND) / 1_000_000
    unit = _UNITS.get(style)
    return None if unit is None else lambda moment: (moment - _EPOCH) // _MICROSECOND // unit


def _text_writer(kind: str, style: str) -> Callable[[datetime], str] | None:
    found = _STYLE.fullmatch(style)
    if found is None or not style:
        return None
    pattern, is_optional, fraction, zone = found.groups(default="")
    shift = _shift(zone)
    # A fraction of one digit has no zeros at its end, where it may be left out.
    is_short = bool(is_optional) and len(fraction) == 1

    def write(moment: datetime) -> str:
        local = moment + shift if kind in ("timestamp", "timestamptz") else moment
        written = local.isoformat(" ", "microseconds")
        text = (
            pattern.replace("YYYY-MM-DD", written[:10]).replace("HH:MM", written[11:16]).replace(":SS", written[16:19])
        )
        digits = written[20:].rstrip("0") if is_short else written[20 : 20 + len(fraction)]
        if is_optional and not digits.strip("0"):
            digits = ""
        return f"{text}{'.' if digits else ''}{digits}{zone}"

    return write


def _shift(zone: str) -> timedelta:
    digits = re.sub(r"\D", "", zone)
    if not digits:
        return timedelta(0)
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -size if "-" in zone else size
