"""From what a file holds to the values of columns, and back."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import base64
import json
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from deebase._schema import types
from deebase._schema.decimals import ExactNumber

Convert = Callable[[Any], Any]

_WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_BOOLEANS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}


def _integer(value: Any) -> int:
    if isinstance(value, str):
        if _WHOLE.fullmatch(value) is None:
            raise ValueError
        return int(value)
    if isinstance(value, bool) or int(value) != value:
        raise ValueError
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError
    return Decimal(value.strip() if isinstance(value, str) else str(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    return _BOOLEANS[str(value).strip().lower()]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


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


def _document(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value of a JSON file with floats for the Decimals that it was read with."""
    if isinstance(value, Decimal):
        return float(value)
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
