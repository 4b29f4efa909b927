"""Values that fit a column, and differ from row to row where the column has room for it."""

from __future__ import annotations

from typing import Any

from deebase._rows.model import ColumnModel
from deebase._types.registry import column_type
from deebase.errors import ValidationError


def value_for(table: str, column: ColumnModel, number: int) -> Any:
    """Return a value for a column.

    Args:
        table: its table, for the error.
        column: what the value has to fit.
        number: of the row; other numbers give other values.

    Raises:
        ValidationError: only the caller can know a value of this type.
    """
    try:
        return column_type(column.sa_type).sample(number, column.name)
    except ValueError:
        raise ValidationError(
            f"{table}.{column.name}: no value can be made up for this type",
            field=column.name,
            hint=f"give one: build({table}, **{{{column.name!r}: ...}})",
        ) from None
