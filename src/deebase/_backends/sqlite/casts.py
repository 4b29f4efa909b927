"""Conversion of SQLite values to another column type; connections register these as SQL functions."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from datetime import date, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from deebase._model.facts import ColumnInfo
from deebase._model.sqlite_types import sqlite_type
from deebase._types.binary import Binary
from deebase._types.forms.moment_forms import read_naive, write_datetime, write_time
from deebase._types.moments import AwareDateTime, Date, DateTime, Time
from deebase._types.number import Boolean, Float
from deebase.errors import DeeBaseError

#: SQL functions of two arguments, a type as a column is declared with and a value: whether the value can be one
#: of the type, and its stored form.
FITS, STORED = "deebase_fits", "deebase_stored"

_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
#: The encodings of a database, by the bytes of the letter "a".
_ENCODINGS = {b"a": "utf-8", b"a\0": "utf-16-le", b"\0a": "utf-16-be"}


def fits(written: str, value: Any) -> int:
    """Return 1 for a value that a column of this type can hold, 0 for another.

    Example:
        ```python
        assert (fits("DATE", "2024-02-30"), fits("INTEGER", "12")) == (0, 1)
        ```
    """
    try:
        _converted(written, value)
    except (ValueError, TypeError, DeeBaseError, OverflowError):
        return 0
    return 1


def stored(written: str, value: Any) -> Any:
    """Return a value as a column of this type stores it; one that does not fit is returned unchanged.

    Example:
        ```python
        assert stored("DATETIME", "2024-02-01T10:00") == "2024-02-01 10:00:00.000000"
        ```
    """
    try:
        return _converted(written, value)
    except (ValueError, TypeError, DeeBaseError, OverflowError):
        return value


def kept(written: str, letter: bytes | None, value: Any, new: Any) -> int:
    """Return 1 if a column of this type keeps its value in an UPDATE, because it equals the new value.

    Args:
        written: the type of the column.
        letter: for text, the letter "a" in the encoding of the database.
        value: the stored value; for text, its bytes.
        new: the value that the UPDATE assigns.

    Example:
        ```python
        assert kept("JSON", b"a", b'{"a":1}', '{"a": 1}') == 1
        ```
    """
    if value is None:
        return 0
    if letter is not None:
        try:
            value = value.decode(_ENCODINGS[letter])
        except UnicodeDecodeError:
            # A marker that equals no value.
            return 0
    form = stored(written, value)
    if form is value and isinstance(value, str) and written == "JSON" and form != new:
        # Text that is not JSON is read as text.
        form = json.dumps(value, ensure_ascii=False)
    return int(type(form) is type(new) and form == new)


def _converted(written: str, value: Any) -> Any:
    return None if value is None else _converter(written)(value)


@functools.lru_cache(maxsize=64)
def _converter(written: str) -> Callable[[Any], Any]:
    made = sqlite_type(ColumnInfo(name="", type=written, not_null=False))
    if isinstance(made, sa.Integer):
        return _integer
    if isinstance(made, sa.String):
        return _text
    for kind, convert in _OWN.items():
        if isinstance(made, kind):
            return convert
    dialect: Any = sqlite_dialect()
    read = made.result_processor(dialect, None)
    send = made.dialect_impl(dialect).bind_processor(dialect)
    return lambda value: (send or _same)((read or _same)(value))


def _same(value: Any) -> Any:
    return value


def _integer(value: Any) -> int:
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise ValueError
        value = int(value)
    number = int(value)
    if number != value or not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _real(value: Any) -> float:
    return float(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        raise TypeError
    return str(value)


def _binary(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError
    return value


def _boolean(value: Any) -> int:
    if isinstance(value, str):
        return int(Boolean().parse(value))
    if value not in (0, 1):
        raise ValueError
    return int(value)


def _whole(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a converter that accepts only text of an exact moment of a type, and no numbers."""

    def converted(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError
        return read(value)

    return converted


_OWN: dict[type[Any], Callable[[Any], Any]] = {
    DateTime: _whole(lambda text: write_datetime(read_naive(text))),
    AwareDateTime: _whole(lambda text: write_datetime(read_naive(text))),
    Date: _whole(lambda text: date.fromisoformat(text).isoformat()),
    Time: _whole(lambda text: write_time(time.fromisoformat(text))),
    Float: _real,
    Binary: _binary,
    Boolean: _boolean,
}
