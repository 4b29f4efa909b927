"""Rows by their address: reading one, and telling whether it is still as it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from deebase import DeeBaseError, NotFoundError
from deebase.web._studio.addresses import decoded_key
from deebase.web._studio.table_fields import Fields

#: Hexadecimal digits of the checksum of a value.
DIGITS = 12


def key_in(fields: Fields, segment: str) -> tuple[Any, ...]:
    """Return the key of a row in a part of a path.

    Raises:
        NotFoundError: it is the key of no row.
    """
    texts = decoded_key(segment)
    pks = fields.handle.pks
    if texts is None or len(texts) != len(pks) or not fields.has_pages:
        raise no_row(fields)
    try:
        return tuple([fields.parsed(name, text) for name, text in zip(pks, texts, strict=True)])
    except DeeBaseError as error:
        raise no_row(fields) from error


def no_row(fields: Fields) -> NotFoundError:
    """Return the error for a row that does not exist."""
    return NotFoundError(
        f"{fields.handle.name} has no such row", table_name=fields.handle.name, hint="it may have been deleted"
    )


async def row_at(fields: Fields, segment: str, *, locked: bool = False) -> dict[str, Any]:
    """Return the row of a part of a path.

    Args:
        fields: the columns of its table.
        segment: the key.
        locked: no other connection can change it until the transaction ends.

    Raises:
        NotFoundError: it does not exist.
    """
    key = key_in(fields, segment)
    handle: Any = fields.handle
    row: dict[str, Any] | None = await handle.get(
        key[0] if len(key) == 1 else key, default=None, **({"for_update": True} if locked else {})
    )
    if row is None:
        raise no_row(fields)
    return {name: value for name, value in row.items() if name in fields.columns}


def same_rows(table: Any, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return the condition of some rows by their keys.

    Args:
        table: the table, or an alias of it.
        keys: the names of its key columns.
        rows: rows, or their keys.
    """
    if len(keys) == 1:
        values = [row[keys[0]] for row in rows]
        column = table.c[keys[0]]
        return column == values[0] if len(values) == 1 else column.in_(values)
    return sa.or_(*[sa.and_(*[table.c[name] == row[name] for name in keys]) for row in rows])


def checksums(fields: Fields, row: Mapping[str, Any]) -> dict[str, str]:
    """Return a short text for each value of a row, which is another one when the value is."""
    return {name: checksum(fields, name, row[name]) for name in fields.columns}


def checksum(fields: Fields, name: str, value: Any) -> str:
    """Return a short text that stands for a value."""
    try:
        text = "" if value is None else fields.columns[name].type.format(value)
    except (DeeBaseError, ValueError, TypeError, AttributeError, ArithmeticError, LookupError):
        # A SQLite file may hold values that their column would not accept.
        text = repr(value)
    given = f"{type(value).__name__}:{text}".encode("utf-8", "surrogatepass")
    return sha256(given).hexdigest()[:DIGITS]
