"""Values and rows of SQL that is the user's own, where no column says what a value is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from deebase._types.foreign_values import sendable
from deebase.errors import ValidationError
from deebase.types import UNSET, SqlExpression

_PLAIN = frozenset({int, str, float, bytes, type(None)})


def adapt(value: Any, dialect: str) -> Any:
    """Return a bound value of raw SQL in the form in which a column of its type stores it.

    Raises:
        ValidationError: the value is no value (UNSET, a SQL expression) or cannot be stored exactly.
    """
    if type(value) in _PLAIN:
        return value
    if value is UNSET or isinstance(value, SqlExpression) or hasattr(value, "__clause_element__"):
        raise ValidationError(
            f"{type(value).__name__} cannot be a parameter of SQL text", hint="pass a plain value, or None for NULL"
        )
    if isinstance(value, Enum):
        return adapt(value.value, dialect)
    if isinstance(value, dict):
        return _document(value)
    given = sendable(value)
    return _adapt_for_sqlite(given) if dialect == "sqlite" else given


def _adapt_for_sqlite(value: Any) -> Any:
    for kind, convert in _SQLITE:
        if isinstance(value, kind):
            return convert(value)
    return value


def _document(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(
            f"a {type(value).__name__} that is no JSON cannot be a parameter of SQL text",
            hint="use None, True, False, finite numbers, text, lists and dicts with text keys in it",
        ) from error


def _stored_datetime(value: datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return value.isoformat(" ", "microseconds")


#: The first that fits; datetime before date, whose subclass it is.
_SQLITE: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (bool, int),
    (datetime, _stored_datetime),
    (date, date.isoformat),
    (time, lambda value: value.isoformat("microseconds")),
    (timedelta, timedelta.total_seconds),
    (Decimal, lambda value: format(value, "f")),
    (UUID, lambda value: value.hex),
    (list, _document),
)


def unique_names(names: Iterable[str]) -> list[str]:
    """Return column names with the second of one name as ``name_2``, the third ``name_3``."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        unique, n = name, 2
        while unique in taken:
            unique, n = f"{name}_{n}", n + 1
        taken.add(unique)
        result.append(unique)
    return result


def described(columns: Sequence[Any]) -> tuple[list[str], list[Callable[[Any], Any] | None]]:
    """Return names and converters of a raw result: names on SQLite, asyncpg attributes on PostgreSQL."""
    names = [column if isinstance(column, str) else column.name for column in columns]
    converters = [None if isinstance(column, str) else _POSTGRES.get(column.type.name) for column in columns]
    return unique_names(names), converters


#: asyncpg has a subclass of UUID of its own. JSON is decoded by the codecs that SQLAlchemy sets.
_POSTGRES: dict[str, Callable[[Any], Any]] = {"uuid": lambda value: UUID(int=value.int)}
