"""Values of SQLite in the forms of a copy, and back: whatever a column holds, in spite of its declared type."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from deebase._backends.copy_forms import Convert, Form
from deebase._backends.sqlite.copying.moment_styles import styled
from deebase._types.base import ColumnType
from deebase._types.forms import moment_forms as moments
from deebase._types.registry import postgres_column

#: What PostgreSQL writes of moments that Python has no value for.
_BEYOND: Final = re.compile(
    r"-?infinity|(\d{4,6})-(\d\d-\d\d)(?: ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?)?( BC)?|24:00:00", re.ASCII
)
#: The last years that PostgreSQL has in both directions.
_LAST_YEAR: Final = 294_276
_FIRST_YEAR: Final = 4_713
_INTEGER: Final = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?\s*", re.ASCII)
_SPECIAL: Final = {
    "nan": "NaN",
    **dict.fromkeys(("inf", "infinity", "+inf", "+infinity"), "Infinity"),
    **dict.fromkeys(("-inf", "-infinity"), "-Infinity"),
}
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
_LONGEST: Final = 2**63
#: Seconds of Unix times begin here, in 1973: smaller numbers are years, days, or something else.
_LEAST_TIME: Final = 100_000_000
#: Declared types whose values are text, unless they are stored as a BLOB.
_TEXTUAL: Final = re.compile("CHAR|CLOB|TEXT|STRING", re.IGNORECASE)
#: How DeeBase stores an INTERVAL that has months, or hours beyond its days.
_STORED_INTERVAL: Final = re.compile(r"P(-?\d+)M(-?\d+)DT(-?\d+)us", re.ASCII)
_ISO_INTERVAL: Final = re.compile(r"P(-?\d+)M(-?\d+)DT(-?\d+(?:\.\d+)?)S", re.ASCII)
_DAY: Final = 86_400_000_000


def _integer(value: Any) -> int:
    if (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
        value = int(value)
    if type(value) is not int:
        raise ValueError("not an integer")
    if not -_LONGEST <= value < _LONGEST:
        raise ValueError("an integer of more than 64 bits")
    return value


def _real(value: Any) -> float:
    if type(value) is str:
        special = _SPECIAL.get(value.strip().lower())
        if special is None and not _NUMBER.fullmatch(value):
            raise ValueError("not a number")
        return float(special or value)
    if type(value) not in (int, float) or float(value) != value:
        raise ValueError("not a number that a float holds exactly")
    return float(value)


def _decimal(value: Any) -> str:
    if type(value) is int:
        return str(value)
    if type(value) is float:
        value = repr(value)
    if type(value) is not str:
        raise ValueError("not a number")
    special = _SPECIAL.get(value.strip().lower())
    if special is not None:
        return special
    if not _NUMBER.fullmatch(value):
        raise ValueError("not a number")
    try:
        return format(Decimal(value.strip()), "f")
    except InvalidOperation:
        raise ValueError("not a number") from None


def _boolean(value: Any) -> bool:
    found = _BOOLEANS.get(value.strip().lower()) if type(value) is str else None
    if type(value) in (int, float) and value in (0, 1):
        found = bool(value)
    if found is None:
        raise ValueError("neither true nor false")
    return found


def as_text(value: Any) -> str:
    """Return any value as text.

    Raises:
        ValueError: it is bytes that are not UTF-8.
    """
    if type(value) is bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("bytes that are not UTF-8") from None
    return value if type(value) is str else repr(value)


def _any_text(value: Any) -> str:
    """Return any value as text; bytes in hexadecimal if they are not UTF-8."""
    try:
        return as_text(value)
    except ValueError:
        return f"\\x{value.hex()}"


def _bytes(value: Any) -> bytes:
    if type(value) not in (bytes, str):
        raise ValueError("neither bytes nor text")
    return value if type(value) is bytes else value.encode()


def _is_beyond(text: str) -> bool:
    """Whether a text names a moment as PostgreSQL writes it, and Python has no value for it."""
    found = _BEYOND.fullmatch(text)
    if found is None or found[1] is None:
        return found is not None
    year = int(found[1])
    if not (0 < year <= _FIRST_YEAR if found[4] else datetime.max.year < year <= _LAST_YEAR):
        return False
    # The calendar repeats itself every 400 years.
    same = 400 + (1 - year if found[4] else year) % 400
    try:
        datetime.fromisoformat(f"{same:04}-{found[2]}")
    except ValueError:
        return False
    return True


def _moment(read: Callable[[Any], Any], write: Callable[[Any], str]) -> Convert:
    def convert(value: Any) -> str:
        if type(value) is str and _is_beyond(value):
            return value
        if isinstance(value, (int, float)) and abs(value) < _LEAST_TIME:
            raise ValueError("a number that is not a Unix time")
        try:
            return write(read(value))
        except (TypeError, OverflowError, ValueError):
            raise ValueError("not a date or time") from None

    return convert


def _date(value: Any) -> str:
    made = _MIDNIGHTS(value)
    day, _, clock = made.partition(" ")
    if clock.strip("0:.") not in ("", "BC"):
        raise ValueError("a date with a time")
    return f"{day} BC" if made.endswith(" BC") else day


def _read_midnight(value: Any) -> datetime:
    """Return the moment of a value in a DATE column, where 20240102 is a date."""
    if type(value) is int and len(str(value)) == 8:
        found = moments.read_date(value)
        return datetime(found.year, found.month, found.day)
    return moments.read_naive(value)


def _written(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(" ")


def _compact_date(value: Any) -> str:
    if type(value) is int and 10_000_101 <= value <= 99_991_231:
        return moments.read_date(value).isoformat()
    return _date(value)


_MIDNIGHTS: Final = _moment(_read_midnight, _written)


def _interval(value: Any) -> str:
    if type(value) is str:
        found = _STORED_INTERVAL.fullmatch(value)
        if found is None:
            if _SPECIAL.get(value.strip().lower(), "NaN") != "NaN":
                return value
            raise ValueError("not an interval")
        months, days, microseconds = map(int, found.groups())
        return iso_interval(months, days, microseconds)
    if type(value) not in (int, float):
        raise ValueError("not an interval")
    try:
        span = timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ValueError("not an interval") from None
    return iso_interval(0, span.days, span.seconds * 1_000_000 + span.microseconds)


def iso_interval(months: int, days: int, microseconds: int) -> str:
    """Return an interval in the form of a copy."""
    sign, size = ("-" if microseconds < 0 else ""), abs(microseconds)
    return f"P{months}M{days}DT{sign}{size // 1_000_000}.{size % 1_000_000:06}S"


def _write_interval(text: str) -> Any:
    found = _ISO_INTERVAL.fullmatch(text)
    if found is None:
        return text
    months, days, microseconds = int(found[1]), int(found[2]), int(Decimal(found[3]) * 1_000_000)
    if not months and 0 <= microseconds < _DAY:
        plain = timedelta(days, 0, microseconds)
        if timedelta(seconds=plain.total_seconds()) == plain:
            return plain.total_seconds()
    return f"P{months}M{days}DT{microseconds}us"


def _json(value: Any) -> str:
    text = as_text(value)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    except ValueError:
        raise ValueError("not JSON") from None
    return text


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def _array(value: Any) -> str:
    text = _json(value)
    if not text.lstrip().startswith("["):
        raise ValueError("not a list")
    return text


def _uuid(value: Any) -> str:
    if type(value) is bytes and len(value) == 16:
        return str(UUID(bytes=value))
    if type(value) is not str or len(value.strip()) not in (32, 36):
        raise ValueError("not a UUID")
    try:
        return str(UUID(value.strip()))
    except ValueError:
        raise ValueError("not a UUID") from None


_CONVERTERS: Final[dict[str, Convert]] = {
    "integer": _integer,
    "real": _real,
    "decimal": _decimal,
    "boolean": _boolean,
    "text": as_text,
    "bytes": _bytes,
    "date": _compact_date,
    "time": _moment(moments.read_time, lambda value: value.isoformat()),
    "timestamp": _moment(moments.read_naive, _written),
    "timestamptz": _moment(moments.read_aware, _written),
    "interval": _interval,
    "json": _json,
    "array": _array,
    "uuid": _uuid,
    "native": as_text,
}


def own_type(form: Form) -> ColumnType[Any] | None:
    """Return the column type that stores a native type in a form of its own: addresses and networks."""
    if form.kind != "native" or form.native not in ("inet", "cidr"):
        return None
    kind = postgres_column(form.native)
    return None if kind is None else kind()


def reader(form: Form, *, loosely: bool = False) -> Convert:
    """Return what converts a stored value, other than NULL, to a form.

    Args:
        form: the form.
        loosely: text takes any bytes, in hexadecimal if they are not UTF-8.
    """
    kind = own_type(form)
    if kind is not None:
        read, written = kind.from_sqlite() or str, kind.format

        def convert(value: Any) -> str:
            return written(read(as_text(value)))

        return convert
    return _any_text if form.kind == "text" and loosely else _CONVERTERS[form.kind]


def _write_real(value: float) -> Any:
    # SQLite makes NULL of it.
    return "NaN" if value != value else value


def _write_text(value: bytes) -> Any:
    """Return bytes as text, if they are text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _write_number(text: str) -> Any:
    """Return a decimal as the number that SQLite stores; as text if no number equals it."""
    if _INTEGER.fullmatch(text) and -_LONGEST <= int(text) < _LONGEST:
        return int(text)
    number = float(text)
    return number if number == number and _decimal(number) == format(Decimal(text), "f") else text


def _write_moment(parse: Callable[[str], Any], write: Callable[[Any], str]) -> Convert:
    def convert(text: str) -> str:
        try:
            return write(parse(text))
        except ValueError:
            return text

    return convert


def _write_uuid(text: str) -> str:
    return text.replace("-", "")


_WRITERS: Final[dict[str, Convert]] = {
    "real": _write_real,
    "boolean": int,
    "timestamp": _write_moment(datetime.fromisoformat, moments.write_datetime),
    "timestamptz": _write_moment(datetime.fromisoformat, moments.write_datetime),
    "time": _write_moment(lambda text: datetime.fromisoformat(f"2000-01-01 {text}").time(), moments.write_time),
    "interval": _write_interval,
    "uuid": _write_uuid,
}


def writer(form: Form, declared: str = "", style: str = "") -> Convert | None:
    """Return what converts a value in a form, other than NULL, to what SQLite stores; None where that is the same.

    Args:
        form: the form.
        declared: the declared type of the column, if that is not the one of the form.
        style: how moments are written, if not in the style of DeeBase.
    """
    write = styled(form.kind, style)
    if write is not None:
        return write
    if form.kind == "bytes" and _TEXTUAL.search(declared):
        return _write_text
    if declared and form.kind == "decimal":
        return _write_number
    kind = own_type(form)
    if kind is not None:
        parse, stored = kind.parse, kind.to_sqlite() or str
        return lambda text: stored(kind.accept(parse(text)))
    return _WRITERS.get(form.kind)
