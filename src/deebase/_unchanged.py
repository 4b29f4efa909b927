"""Rows that others stored with values that are refused: what is written back unchanged does not stand in the way."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from deebase.errors import ValidationError
from deebase.types import SqlExpression

if TYPE_CHECKING:
    from deebase._rows.model import ColumnModel
    from deebase._source import Source


async def without_unchanged(
    source: Source, key: Sequence[str], key_values: Sequence[Any], values: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any] | None:
    """Return the values without the named ones, or None unless the row has exactly these.

    Args:
        source: the table, with its scope.
        key: unique columns.
        key_values: their values in the row.
        values: the values to store.
        names: those that cannot be sent.
    """
    columns = tuple(dict.fromkeys((*key, *names)))
    rows = await source.by_key(tuple(key), key_values, columns)
    for row in rows:
        stored = {name: _read(source.model.columns[name], value) for name, value in zip(columns, row, strict=True)}
        if all(_same(values[name], stored[name]) for name in names):
            return {name: value for name, value in values.items() if name not in names}
    return None


def misfits(columns: Mapping[str, ColumnModel], values: Mapping[str, Any]) -> list[str]:
    """Return the columns that refuse their value."""
    return [name for name, value in values.items() if not _fits(columns[name], value)]


def _fits(column: ColumnModel, value: Any) -> bool:
    try:
        if column.bind is not None and not isinstance(value, SqlExpression):
            column.bind(value)
    except ValidationError:
        return False
    return True


def _read(column: ColumnModel, value: Any) -> Any:
    return value if value is None or column.read is None else column.read(value)


def _same(given: Any, stored: Any) -> bool:
    """Whether a value is the one that was read; unlike for ``==``, NaN is itself, and 1 is not True."""
    if type(given) is not type(stored):
        return False
    if isinstance(given, (list, tuple)):
        return len(given) == len(stored) and all(map(_same, given, stored))
    if isinstance(given, dict):
        return list(given) == list(stored) and all(_same(given[name], stored[name]) for name in given)
    if isinstance(given, Decimal):
        return bool(given.as_tuple() == stored.as_tuple())
    is_nan = given != given and stored != stored
    return bool(is_nan or given == stored)
