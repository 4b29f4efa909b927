"""Values and rows of raw SQL, for which no column determines the types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Dialect

from deebase._sqltext.type_names import type_name
from deebase._types.base import ColumnType, has_types, is_a
from deebase._types.forms.foreign_values import sendable
from deebase._types.registry import column_type, postgres_column, type_of
from deebase.errors import ValidationError
from deebase.types import UNSET, SqlExpression

_PLAIN = frozenset({int, str, float, bytes, type(None)})


def adapt(value: Any, dialect: Dialect) -> Any:
    """Return a bound value of raw SQL in the form in which a column of its type stores it.

    Raises:
        ValidationError: it is not a value (UNSET, a SQL expression), or cannot be stored exactly.
    """
    if type(value) in _PLAIN:
        return value
    if value is UNSET or isinstance(value, SqlExpression) or hasattr(value, "__clause_element__"):
        raise ValidationError(
            f"{type(value).__name__} cannot be a parameter of SQL text", hint="pass a plain value, or None for NULL"
        )
    if isinstance(value, Enum):
        return adapt(value.value, dialect)
    on_postgres = has_types(dialect)
    if isinstance(value, dict) or (isinstance(value, list) and not on_postgres):
        return _document(value)
    given = sendable(value)
    kind = type_of(given)
    process = None if kind is None or is_a(given, list) else kind.to_database(on_postgres)
    return given if process is None else process(given)


def _document(value: Any) -> str:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(
            f"a {type(value).__name__} that is not JSON cannot be a parameter of SQL text",
            hint="use None, True, False, finite numbers, text, lists and dicts with text keys in it",
        ) from error


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


def described_kinds(columns: Sequence[Any]) -> list[ColumnType[Any] | None]:
    """Return the types of the columns of a raw result; None where the database names none that is known."""
    return [None if isinstance(column, str) else kind_named(column.type.name) for column in columns]


def kind_named(name: str) -> ColumnType[Any] | None:
    """Return the type of PostgreSQL's name for one; None if it is not one of ours."""
    declared = str(type_name(name))
    found = postgres_column(declared)
    return None if found is None or not found.is_builtin() else column_type(found.reflected(declared))


#: asyncpg has its own subclass of UUID. JSON is decoded by the codecs that SQLAlchemy sets.
_POSTGRES: dict[str, Callable[[Any], Any]] = {"uuid": lambda value: UUID(int=value.int)}
