"""The types of existing columns of PostgreSQL."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.types import TypeEngine

from deebase._model.facts import ColumnInfo
from deebase._types.array import Array
from deebase._types.choices import DomainEnum, NativeEnum
from deebase._types.documents import PlainJson
from deebase._types.native import NativeText
from deebase._types.registry import postgres_column


def postgres_type(column: ColumnInfo) -> TypeEngine[Any]:
    """Return the type of a column; ``NativeText`` if Python has no matching type."""
    if not column.array or column.base is None:
        return _single(column.base or column.type, column)
    element = _single(column.base, column)
    # The driver needs elements in its types, not as text.
    if isinstance(element, NativeText):
        return NativeText(column.type)
    return Array(element.in_array if isinstance(element, PlainJson) else element)


def is_foreign(column: ColumnInfo) -> bool:
    """Whether the values of a column are not text, but are read and written as text."""
    made = postgres_type(column)
    return isinstance(made, NativeText) and made.declaration.rpartition(".")[2] not in _TEXTS


#: Types whose values are texts with special rules of comparison.
_TEXTS = frozenset({"citext"})


def _single(declared: str, column: ColumnInfo) -> TypeEngine[Any]:
    if column.labels and column.enum is not None:
        schema, name = column.enum
        is_domain = column.base is not None and not column.array
        kind = DomainEnum if is_domain else NativeEnum
        return kind(*column.labels, name=name, schema=schema, create_type=False)
    base, _, rest = declared.partition("(")
    arguments = [int(part) for part in re.findall(r"-?\d+", rest.partition(")")[0])]
    base = (base.strip() + rest.partition(")")[2]).strip()
    # An interval may name its fields: "interval day to second".
    found = postgres_column("interval" if base.startswith("interval ") else base)
    return NativeText(column.type) if found is None else found.reflected(base, *arguments)
