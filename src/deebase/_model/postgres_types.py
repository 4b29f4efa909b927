"""The types of columns that others made on PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa

from deebase._model.facts import ColumnInfo
from deebase._types import standard as types
from deebase._types.decimals import ExactNumber
from deebase._types.native import Array, DomainEnum, Made, NativeEnum, NativeText, PlainJson, SingleFloat


def postgres_type(column: ColumnInfo) -> Made:
    """Return the type of a column; ``NativeText`` where Python has none."""
    if not column.array or column.base is None:
        return _single(column.base or column.type, column)
    element = _single(column.base, column)
    # The driver takes elements in its own types, not as text.
    return NativeText(column.type) if isinstance(element, NativeText) else Array(element)


def is_foreign(column: ColumnInfo) -> bool:
    """Whether a column is read and written as text although its values are none."""
    made = postgres_type(column)
    return isinstance(made, NativeText) and made.name.rpartition(".")[2] not in _TEXTS


#: Types whose values are texts, but compared by rules of their own.
_TEXTS = frozenset({"citext"})


def _single(written: str, column: ColumnInfo) -> Made:
    if column.labels and column.enum is not None:
        schema, name = column.enum
        is_domain = column.base is not None and not column.array
        kind = DomainEnum if is_domain else NativeEnum
        return kind(*column.labels, name=name, schema=schema, create_type=False)
    base, _, rest = written.partition("(")
    arguments = [int(part) for part in re.findall(r"\d+", rest.partition(")")[0])]
    base = (base.strip() + rest.partition(")")[2]).strip()
    sized = _SIZED.get(base)
    if sized is not None:
        return sized(*arguments)
    # An interval may name its fields: "interval day to second".
    made = _KNOWN.get("interval" if base.startswith("interval ") else base)
    return made() if made is not None else NativeText(column.type)


_SIZED: dict[str, Callable[..., Made]] = {
    "character varying": sa.String,
    "character": sa.CHAR,
    "numeric": ExactNumber,
}

_KNOWN: dict[str, Callable[[], Made]] = {
    "smallint": sa.SmallInteger,
    "integer": sa.Integer,
    "bigint": sa.BigInteger,
    "oid": sa.BigInteger,
    "real": lambda: SingleFloat(signed=True),
    "double precision": lambda: types.Float(signed=True),
    "text": sa.Text,
    "name": sa.Text,
    "boolean": types.Boolean,
    "bytea": types.Binary,
    "json": PlainJson,
    "jsonb": types.JSON,
    "date": types.Date,
    "time without time zone": types.Time,
    "timestamp without time zone": types.DateTime,
    "timestamp with time zone": types.AwareDateTime,
    "interval": types.Interval,
    "uuid": types.Uuid,
}
