"""Values of other libraries as Python's own: numbers of numpy, timestamps of pandas, whatever has an exact value."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import operator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from deebase._types.forms.infinity import EndOfDay, StoredDate, StoredDateTime, StoredInterval
from deebase.errors import ValidationError

#: Classes whose values are what they are; those of column types add themselves.
OWN: set[type] = {
    *(int, str, float, bool, bytes, type(None), datetime, date, time, timedelta, Decimal, UUID, dict, list, tuple, set),
    *(frozenset, bytearray, memoryview, StoredDate, StoredDateTime, EndOfDay, StoredInterval),
}
#: Classes whose subclasses are stored like themselves.
_BASES = (int, float, str, bytes, bytearray, Decimal, UUID, Enum, dict, list, tuple, set, frozenset)


def python_value(value: Any) -> Any:
    """Return the value of Python that a value of another library is exactly; anything else as it is.

    Example:
        ```python
        assert python_value(Fraction(1, 2)) == 0.5
        ```

    Raises:
        ValidationError: a time of nanoseconds, of which the rest would be lost.
    """
    if type(value) in OWN or isinstance(value, _BASES):
        return value
    if isinstance(value, (date, time, timedelta)):
        return _moment(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "dtype"):
        return _scalar(value)
    return _number(value)


def sendable(value: Any) -> Any:
    """Return the same for a value that no column checks.

    Raises:
        ValidationError: a driver would round it, or take it for bytes.
    """
    given = python_value(value)
    kind: Any = type(given)
    if kind in OWN or issubclass(kind, (int, float, Decimal)):
        return given
    if hasattr(kind, "__float__") or (_is_buffer(given) and as_bytes(given) is None):
        raise ValidationError(
            f"{kind.__name__} cannot be a parameter",
            hint="convert it: int(value), float(value), value.tobytes(), or a datetime of microseconds",
        )
    return given


def as_bytes(value: Any) -> bytes | None:
    """Return what a bytearray, memoryview or other buffer of bytes holds; None for anything else."""
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):
        return None
    return view.tobytes() if view.format in ("B", "b", "c") else None


def _is_buffer(value: Any) -> bool:
    """Whether a driver would take a value for bytes, whatever it is."""
    try:
        memoryview(value)
    except TypeError:
        return False
    except (ValueError, BufferError):
        pass
    return True


def _scalar(value: Any) -> Any:
    """Return what a scalar of numpy is; one of nanoseconds, or no time at all, is nothing of Python's."""
    made = value.item()
    is_time = value.dtype.kind in "mM"
    if made is None or (is_time and not isinstance(made, (date, timedelta))):
        return value
    return made if type(made) in OWN else _number(made)


def _number(value: Any) -> Any:
    # Instances of many classes answer to any name.
    kind = type(value)
    try:
        if hasattr(kind, "__index__"):
            return operator.index(value)
        if hasattr(kind, "__float__"):
            made = float(value)
            return made if bool(made == value) else value
    except (TypeError, ValueError, ArithmeticError):
        pass
    return value


def _moment(value: Any) -> Any:
    """Return the plain date, time or timedelta that equals an instance of a subclass."""
    # What stands for no time at all (NaT) does not equal itself.
    if value == value and not getattr(value, "nanosecond", 0) and not getattr(value, "nanoseconds", 0):
        if isinstance(value, datetime):
            return datetime.combine(date(value.year, value.month, value.day), _clock(value))
        if isinstance(value, timedelta):
            return timedelta(value.days, value.seconds, value.microseconds)
        return _clock(value) if isinstance(value, time) else date(value.year, value.month, value.day)
    raise ValidationError(
        f"this {type(value).__name__} has nanoseconds, or is not a time",
        value=value,
        hint="round it to microseconds, or use None for a missing one",
    )


def _clock(value: Any) -> time:
    return time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)
