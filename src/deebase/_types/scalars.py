"""Which Python values a column of each kind takes; pure functions, the same for every database.

Each function returns the value in the one form that is stored, or raises ValidationError. Messages say
what kind of value it was, never the value itself. None never gets here: NULL is not for these to judge.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from deebase._types.foreign_values import as_bytes
from deebase._types.infinity import StoredInterval
from deebase.errors import ValidationError

LOWEST_INTEGER = -(2**63)
HIGHEST_INTEGER = 2**63 - 1

#: Digits of NUMERIC before and after the point (PostgreSQL manual, "Numeric Types").
DIGITS_BEFORE_POINT = 131_072
DIGITS_AFTER_POINT = 16_383


def is_a(value: Any, kind: Any) -> bool:
    """Tell what isinstance tells, and leave the type that checkers see as it is: Any."""
    return isinstance(value, kind)


def misfit(value: Any, wanted: str, hint: str | None = None) -> ValidationError:
    """Return the error for a value of the wrong kind."""
    return ValidationError(f"takes {wanted}, not {type(value).__name__}", value=value, hint=hint)


def refused(value: Any, reason: str, hint: str | None = None) -> ValidationError:
    """Return the error for a value of the right kind that cannot be stored as it is."""
    return ValidationError(reason, value=value, hint=hint)


def integer(value: Any) -> int:
    """An int of 64 bits with sign; True and members of an IntEnum are stored as plain ints."""
    if not isinstance(value, int):
        hint = "int(value), or make the column a float" if isinstance(value, float) else "int(value)"
        raise misfit(value, "an int", hint)
    if not LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
        raise refused(value, "holds integers of 64 bits, and this one is larger", "use a Decimal or a str column")
    return int(value)


def real(value: Any) -> float:
    """A float, or an int that is one exactly; infinities, but not NaN, which SQLite turns into NULL.

    -0.0 becomes 0.0, which it equals: SQLite stores no sign of zero.
    """
    return signed_real(value) + 0.0


def signed_real(value: Any) -> float:
    """The same, for a column that stores the sign of zero."""
    if isinstance(value, float):
        if value != value:
            raise refused(value, "NaN is no value of a column", "use None for a missing number")
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            made = float(value)
        except OverflowError:
            made = 0.0
        if made == value:
            return made
        raise refused(value, "this int is no float exactly", "use an int or a Decimal column, or float(value)")
    raise misfit(value, "a float", "float(value)" if isinstance(value, Decimal) else None)


def text(value: Any) -> str:
    """A str without NUL and lone surrogates; a subclass is stored as a plain str."""
    if not isinstance(value, str):
        raise misfit(value, "text", "decode it first" if isinstance(value, (bytes, bytearray)) else "str(value)")
    fault = text_fault(value)
    if fault:
        raise refused(value, fault, "remove it, or use a bytes column")
    return value if type(value) is str else str.__str__(value)


def text_fault(value: str) -> str | None:
    """Return why neither database stores a str, or None."""
    if "\0" in value:
        return "the text holds a NUL character"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "the text holds half of a surrogate pair"
    return None


def boolean(value: Any) -> bool:
    """True or False; 1 and 0 are not, as they would come back as another type."""
    if value is True or value is False:
        return bool(value)
    raise misfit(value, "True or False", "bool(value)")


def binary(value: Any) -> bytes:
    """Bytes, or a bytearray, memoryview or array of bytes, which are stored as bytes."""
    if is_a(value, bytes):
        return value if type(value) is bytes else bytes(value)
    made = as_bytes(value)
    if made is not None:
        return made
    raise misfit(value, "bytes", "value.encode()" if isinstance(value, str) else None)


def naive_datetime(value: Any) -> datetime:
    """A datetime without a time zone."""
    if not isinstance(value, datetime):
        raise misfit(value, "a datetime", "datetime.fromisoformat(value)" if isinstance(value, str) else None)
    if value.tzinfo is not None:
        raise refused(
            value, "takes a datetime without a time zone, and this one has one", "annotate the column UTCDateTime"
        )
    return value


def aware_datetime(value: Any) -> datetime:
    """A datetime with a time zone, moved to UTC."""
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


def calendar_date(value: Any) -> date:
    """A date; a datetime is not, though it is a subclass: its time would be lost."""
    if isinstance(value, datetime):
        raise misfit(value, "a date", "value.date()")
    if not isinstance(value, date):
        raise misfit(value, "a date", "date.fromisoformat(value)" if isinstance(value, str) else None)
    return value


def clock_time(value: Any) -> time:
    """A time without a time zone."""
    if not isinstance(value, time):
        raise misfit(value, "a time", "time.fromisoformat(value)" if isinstance(value, str) else None)
    if value.tzinfo is not None:
        raise refused(value, "takes a time without a time zone, and this one has one", "value.replace(tzinfo=None)")
    return value


def duration(value: Any) -> timedelta:
    """A timedelta that is the same after its seconds were a float, as SQLite stores it; what PostgreSQL stored."""
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
            value, "this timedelta is too long for its microseconds to be kept", "round it to seconds, or store an int"
        )
    return value


def exact_number(value: Any) -> Decimal:
    """A finite Decimal that PostgreSQL's NUMERIC can hold, or an int; -0 becomes 0."""
    if isinstance(value, int) and not isinstance(value, bool):
        return exact_number(Decimal(value))
    if not isinstance(value, Decimal):
        raise misfit(
            value, "a Decimal", "Decimal(str(value)) has the digits you see" if isinstance(value, float) else None
        )
    if not value.is_finite():
        raise refused(value, "NaN and Infinity are no values of a Decimal column", "use None for a missing number")
    exponent = int(value.as_tuple().exponent)
    # PostgreSQL keeps no sign of zero, and of its digits only those after the point.
    number = value if value else Decimal((0, (0,), min(exponent, 0)))
    if number.adjusted() >= DIGITS_BEFORE_POINT or -exponent > DIGITS_AFTER_POINT:
        raise refused(
            value, f"holds up to {DIGITS_BEFORE_POINT} digits before the point and {DIGITS_AFTER_POINT} after it"
        )
    return number


def uuid(value: Any) -> UUID:
    """A UUID; subclasses that drivers make are stored as well."""
    if not isinstance(value, UUID):
        raise misfit(value, "a UUID", "UUID(value)" if isinstance(value, str) else None)
    return value


def storable(value: Any) -> Any:
    """What SQLite stores as it is, for a column that says nothing of its values."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return signed_real(value)
    if is_a(value, bytes) or as_bytes(value) is not None:
        return binary(value)
    raise misfit(value, "an int, a float, a str or bytes", "str(value)")


def anything(value: Any) -> Any:
    """A value for a column whose type is not ours: only what no database can store is refused."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return integer(value)
    return value
