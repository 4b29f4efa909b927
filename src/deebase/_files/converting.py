"""From what a file holds to the values of columns, and back."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import base64
import json
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from deebase._files.guess import is_number
from deebase._types import standard as types
from deebase._types.decimals import ExactNumber
from deebase.errors import ValidationError

Convert = Callable[[Any], Any]

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_BOOLEANS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}


#: Digits of the longest number of 64 bits.
_INTEGER_DIGITS = 19


class RepeatedKey(ValueError):
    """An object of JSON has two values under one key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these keys; of two values under one key the first would be lost without an error."""
    made = dict(pairs)
    if len(made) < len(pairs):
        known: set[str] = set()
        for key, _ in pairs:
            if key in known:
                raise RepeatedKey(key)
            known.add(key)
    return made


def _integer(value: Any) -> int:
    if isinstance(value, str):
        if _WHOLE.fullmatch(value) is None:
            raise ValueError
        return int(value)
    # A short text stands for a Decimal of more digits than memory holds: 1e999999999.
    too_large = isinstance(value, Decimal) and value.adjusted() > _INTEGER_DIGITS
    if isinstance(value, bool) or too_large or int(value) != value:
        raise ValueError
    return int(value)


def _digits(value: Any) -> Any:
    """Return a number or its text, without what only Python takes for a part of it."""
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise ValueError
    return value.strip() if isinstance(value, str) else value


def _float(value: Any) -> float:
    number = float(_digits(value))
    if math.isinf(number) and not (isinstance(value, str) and "inf" in value.lower()):
        # A number beyond those of a float.
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    digits = _digits(value)
    return Decimal(digits if isinstance(digits, str) else str(digits))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return _BOOLEANS[str(value).strip().lower()]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, Decimal) else json.dumps(_plain(value), ensure_ascii=False)


def _parsed(read: Callable[[str], Any]) -> Convert:
    def parse(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        return read(value.strip())

    return parse


def _interval(value: Any) -> timedelta:
    return timedelta(seconds=float(value))


def _binary(value: Any) -> bytes:
    return base64.b64decode(value, validate=True)


_DOCUMENTS = json.JSONDecoder(object_pairs_hook=distinct)


def _document(value: Any) -> Any:
    return _DOCUMENTS.decode(value) if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value of a JSON file with floats for the Decimals that it was read with."""
    if isinstance(value, Decimal):
        return _float(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


#: How values are read, by the type of the column; the first that fits counts.
_READERS: tuple[tuple[type[TypeEngine[Any]], Convert, str], ...] = (
    (types.Boolean, _boolean, "true or false"),
    (types.Float, _float, "a number"),
    (ExactNumber, _decimal, "a number"),
    (types.Date, _parsed(date.fromisoformat), "a date, such as 2024-02-29"),
    (types.Time, _parsed(time.fromisoformat), "a time, such as 12:30:00"),
    (types.DateTime, _parsed(datetime.fromisoformat), "a date and time, such as 2024-02-29T12:30:00"),
    (types.AwareDateTime, _parsed(datetime.fromisoformat), "a date and time with a zone: 2024-02-29T12:30:00+00:00"),
    (types.Interval, _interval, "a number of seconds"),
    (types.Uuid, _parsed(UUID), "a UUID"),
    (types.Binary, _binary, "bytes in base64"),
    (types.JSON, _document, "JSON"),
    (sa.ARRAY, _document, "a JSON array"),
    (sa.Integer, _integer, "a whole number"),
    (sa.String, _text, "text"),
)
#: What a reader raises for a value that is none of its type.
MISREAD = (ValueError, TypeError, KeyError, ArithmeticError, InvalidOperation)


def reader(sa_type: TypeEngine[Any]) -> tuple[Convert, str]:
    """Return what reads the values of a column, which are not None, and what they have to be."""
    for kind, read, what in _READERS:
        if isinstance(sa_type, kind):
            return read, what
    if isinstance(sa_type, types.Choice):
        members = dict(sa_type.pairs)
        return lambda value: members[_text(value)], f"one of {', '.join(sa_type.allowed)}"
    return _plain, "a value of its type"


def value_reader(sa_type: TypeEngine[Any]) -> tuple[Convert, str]:
    """Return what reads the values of a JSON file, which are not None, for a column, and what they have to be."""
    read, what = reader(sa_type)
    if not isinstance(sa_type, types.JSON):
        return read, what

    def read_value(value: Any) -> Any:
        if isinstance(value, str):
            try:
                sa_type.accept(value)
            except ValidationError:
                # A column that does not take strings: the text of a document.
                return read(value)
            return value
        if _too_long(value):
            raise ValueError
        return read(value)

    return read_value, f"{what} that a column holds: a number of 64 bits, or with the digits of a float"


def _too_long(value: Any) -> bool:
    """Whether a value is a number that SQLite, for which text in such a column is a number, would round."""
    if isinstance(value, Decimal):
        return not is_number(str(value))
    return type(value) is int and not -(2**63) <= value < 2**63


# -- and back ----------------------------------------------------------------------------------


def plain_text(value: Any) -> str:
    """Return a value, not None, as a field of a delimited file."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    known = simple(value)
    return known if isinstance(known, str) else json.dumps(known, ensure_ascii=False)


def simple(value: Any) -> Any:
    """Return a value as JSON has it: what it has no form for is a text that reads back as the value."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        # A number of JSON is a float to most who read it.
        return format(value, "f")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, UUID):
        return str(value)
    return simple(value.value) if isinstance(value, Enum) else value
