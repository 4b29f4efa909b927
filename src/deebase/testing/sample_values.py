"""Values that fit a column, and differ from row to row where the column has room for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from deebase._rows.model import ColumnModel
from deebase._types import standard as types
from deebase._types.native import Array, NativeEnum, Stored
from deebase.errors import DeeBaseError, ValidationError

_START = datetime(2000, 1, 1)
_SECONDS = 86_400
_DAYS = 100_000


def value_for(table: str, column: ColumnModel, number: int) -> Any:
    """Return a value for a column.

    Args:
        table: its table, for the error.
        column: what the value has to fit.
        number: of the row; other numbers give other values.

    Raises:
        ValidationError: only the caller can know a value of this type.
    """
    kind = column.sa_type
    for base in type(kind).__mro__:
        make = _MAKERS.get(base)
        if make is not None:
            return make(kind, column.name, number)
    if isinstance(kind, types.JSON):
        return _document(table, column, kind)
    raise _unknown(table, column)


def _unknown(table: str, column: ColumnModel) -> ValidationError:
    return ValidationError(
        f"{table}.{column.name}: no value can be made up for this type",
        field=column.name,
        hint=f"give one: build({table}, **{{{column.name!r}: ...}})",
    )


def _document(table: str, column: ColumnModel, kind: types.JSON) -> Any:
    """Return an empty document: of the annotation if it can be made of nothing, else any that fits."""
    makers: list[Callable[[], Any]] = [dict, list]
    if callable(kind.hint):
        makers.insert(0, kind.hint)
    for make in makers:
        try:
            made = make()
            kind.accept(made)
        except (DeeBaseError, TypeError, ValueError):
            continue
        return made
    raise _unknown(table, column)


def _text(kind: Any, name: str, number: int) -> str:
    made, length = f"{name}-{number}", kind.length
    # The end of the number is what differs.
    return made if length is None or len(made) <= length else str(number)[-length:]


def _number(kind: Any, name: str, number: int) -> Decimal:
    precision = kind.impl_instance.precision
    room = None if precision is None else precision - (kind.impl_instance.scale or 0)
    return Decimal(number if room is None else number % 10 ** max(room, 0))


def _member(kind: types.Choice, name: str, number: int) -> Any:
    return kind.pairs[number % len(kind.pairs)][1]


_MAKERS: dict[type, Callable[[Any, str, int], Any]] = {
    sa.Integer: lambda kind, name, number: number,
    sa.String: _text,
    types.Float: lambda kind, name, number: float(number),
    types.Boolean: lambda kind, name, number: False,
    types.Binary: lambda kind, name, number: f"{name}-{number}".encode(),
    types.DateTime: lambda kind, name, number: _START + timedelta(seconds=number),
    types.AwareDateTime: lambda kind, name, number: _START.replace(tzinfo=UTC) + timedelta(seconds=number),
    types.Date: lambda kind, name, number: date(2000, 1, 1) + timedelta(days=number % _DAYS),
    types.Time: lambda kind, name, number: (_START + timedelta(seconds=number % _SECONDS)).time(),
    types.Interval: lambda kind, name, number: timedelta(seconds=number),
    types.ExactNumber: _number,
    types.Uuid: lambda kind, name, number: UUID(int=number),
    types.Choice: _member,
    Array: lambda kind, name, number: [],
    NativeEnum: lambda kind, name, number: kind.enums[number % len(kind.enums)],
    Stored: lambda kind, name, number: number,
}
