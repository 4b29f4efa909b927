"""Values on the command line: from text and JSON to what a column takes, and back."""

from __future__ import annotations

# Values may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._tables.table import Table
    from deebase._tables.view import View

Convert = Callable[[str], Any]


def plain(value: Any) -> Any:
    """Return a value as JSON says it: dates in ISO 8601, Decimals and UUIDs as text, bytes in base64."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def text_of(value: Any) -> str:
    """Return a value, which is not None, as text: what ``plain`` says, JSON for documents."""
    said = plain(value)
    if isinstance(said, str):
        return said
    return repr(said) if isinstance(said, float) else json.dumps(said, ensure_ascii=False)


def guessed(text: str) -> Any:
    """Return a value for a text that no column says the type of: what is JSON is read as such, the rest is text."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def named(items: Iterable[str], option: str, known: Iterable[str] = ()) -> dict[str, str]:
    """Return ``name=value`` options by name.

    Args:
        items: what was given.
        option: the option, for the error.
        known: names, which may hold an "=" themselves.

    Raises:
        ValidationError: one has no "=".
    """
    found: dict[str, str] = {}
    for item in items:
        name, separator, text = item.partition("=")
        if not separator or not name:
            raise ValidationError(f"{option} takes name=value", field=option, hint=f"{option} age=30")
        longer = [other for other in known if item.startswith(f"{other}=")]
        if longer:
            name = max(longer, key=len)
            text = item[len(name) + 1 :]
        found[name] = text
    return found


def record(table: Table[Any] | View[Any], texts: Mapping[str, str], nulls: Iterable[str] = ()) -> dict[str, Any]:
    """Return values by column, each made of its text as the column's type says.

    Args:
        table: whose columns these are.
        texts: by column.
        nulls: the columns that are to be NULL.

    Raises:
        ColumnNotFoundError: a name is not a column.
        ValidationError: a text that is no value of its column.
    """
    return {**{name: value(table, name, text) for name, text in texts.items()}, **dict.fromkeys(nulls)}


def record_of_json(table: Table[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by column from a JSON object; texts become what the column's type says."""
    return {
        name: value(table, name, item, json_text=False)
        if isinstance(item, str) and name in table.columns
        else _number(table, name, item)
        for name, item in given.items()
    }


def _number(table: Table[Any], name: str, item: Any) -> Any:
    """Return a JSON number as columns of Decimals, floats and durations take it; one with a point is a Decimal."""
    if name in table.columns and isinstance(item, (int, Decimal)) and not isinstance(item, bool):
        kind = _kind(table.c[name].type)
        if kind in ("decimal", "duration", "float"):
            return value(table, name, str(item))
    return _floats(item)


def _floats(item: Any) -> Any:
    """Return a JSON value with floats for its Decimals, which columns of other types take."""
    if isinstance(item, Decimal):
        return float(item)
    if isinstance(item, dict):
        return {name: _floats(inner) for name, inner in item.items()}
    return [_floats(inner) for inner in item] if isinstance(item, list) else item


def value(table: Table[Any] | View[Any], name: str, text: str, *, json_text: bool = True) -> Any:
    """Return a value of a column from text.

    Args:
        table: whose column it is.
        name: of the column; one that is not there is left to the table to refuse.
        text: the text.
        json_text: a column of JSON takes the text for JSON; otherwise for a string.

    Raises:
        ValidationError: the text is no value of the column.
    """
    if name not in table.columns:
        return text
    kind = _kind(table.c[name].type)
    if kind == "json" and not json_text:
        return text
    try:
        return _READERS[kind](text)
    except (ValueError, InvalidOperation, OverflowError):
        raise ValidationError(
            f"{table.name}.{name} takes {_WANTED[kind][0]}, and this text is none",
            field=name,
            value=text,
            hint=f"such as {_WANTED[kind][1]}",
        ) from None


def key(table: Table[Any] | View[Any], texts: Iterable[str]) -> Any:
    """Return a key from the text of each of its parts."""
    parts = tuple(texts)
    names = table.pks
    if len(parts) != len(names):
        return parts
    values = tuple([value(table, name, text) for name, text in zip(names, parts, strict=True)])
    return values[0] if len(values) == 1 else values


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError from None


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number) and "inf" not in text.lower():
        # A number beyond those of a float.
        raise ValueError
    return number


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError from error


_READERS: dict[str, Convert] = {
    "int": int,
    "float": _finite,
    "decimal": Decimal,
    "bool": _boolean,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "duration": lambda text: timedelta(seconds=float(text)),
    "uuid": UUID,
    "bytes": _bytes,
    "json": lambda text: json.loads(text, parse_constant=_no_constant),
    "any": guessed,
    "text": str,
}

#: By kind, what a column takes in words, and an example.
_WANTED = {
    "int": ("a whole number", "42"),
    "float": ("a number", "1.5"),
    "decimal": ("a number", "19.99"),
    "bool": ("true or false", "true"),
    "datetime": ("a date and time", "2026-01-31T12:30:00, with +00:00 where the column has a time zone"),
    "date": ("a date", "2026-01-31"),
    "time": ("a time", "12:30:00"),
    "duration": ("a number of seconds", "90.5"),
    "uuid": ("a UUID", "123e4567-e89b-12d3-a456-426614174000"),
    "bytes": ("bytes in base64", "AAEC"),
    "json": ("JSON", '{"views": 1} or "text" in quotes'),
}


def reader(kind: str) -> Convert:
    """Return what makes a value of a text, by kind: "int", "text" and so on."""
    return _READERS[kind]


def _kind(sa_type: Any) -> str:
    """Return which reader the text of a column needs."""
    import sqlalchemy as sa

    inner = sa_type.impl_instance if isinstance(sa_type, sa.types.TypeDecorator) else sa_type
    if getattr(sa_type, "takes_collections", False) or isinstance(inner, (sa.JSON, sa.ARRAY)):
        return "json"
    kinds: tuple[tuple[Any, str], ...] = (
        (sa.Integer, "int"),
        (sa.Float, "float"),
        (sa.Numeric, "decimal"),
        (sa.Boolean, "bool"),
        (sa.DateTime, "datetime"),
        (sa.Date, "date"),
        (sa.Time, "time"),
        (sa.Interval, "duration"),
        (sa.Uuid, "uuid"),
        (sa.LargeBinary, "bytes"),
        (sa.String, "text"),
    )
    return next((kind for base, kind in kinds if isinstance(inner, base)), "any")
