"""Defaults that the database makes, ``now()``, ``uuid4()`` and ``uuid7()``, in the SQL of each database."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from deebase._backends.copy_forms import Kind
from deebase._types.base import KINDS, ColumnType
from deebase._types.moments import AwareDateTime, Date, DateTime, Time
from deebase._types.text import String
from deebase._types.uuid import Uuid

#: Where the SQL of a database is in ``ColumnType.made_by_database``.
ON_SQLITE: Final = 0
ON_POSTGRES: Final = 1

#: The types of columns that have such defaults, by the form of their values.
_TYPES: Final[dict[Kind, type[ColumnType[Any]]]] = {
    "date": Date,
    "text": String,
    "time": Time,
    "timestamp": DateTime,
    "timestamptz": AwareDateTime,
    "uuid": Uuid,
}
#: Casts, spaces and parentheses, which PostgreSQL adds and removes.
_CASTS: Final = re.compile(r"::[a-z]+(?: with(?:out)? time zone)?|[\s()]", re.IGNORECASE)


def common_default(sql: str, place: int) -> str | None:
    """Return a default of a database as a call that all of them know, such as ``uuid4()``; None for any other."""
    return _calls(place).get(_bare(sql))


def default_of(call: str, kind: Kind, place: int) -> str | None:
    """Return the SQL of such a call for a column; None for any other text, or a type without it."""
    made = _TYPES[kind].made_by_database.get(call.removesuffix("()")) if kind in _TYPES else None
    return None if made is None or not call.endswith("()") else f"({made[place]})"


@cache
def _calls(place: int) -> dict[str, str]:
    return {_bare(made[place]): f"{name}()" for kind in KINDS for name, made in kind.made_by_database.items()}


def _bare(sql: str) -> str:
    return _CASTS.sub("", sql).lower()
