"""Columns whose types determine how they are compared, or how an UPDATE sets them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement


class Kept(ColumnElement[Any]):
    """The stored value of a column if it equals the new value, otherwise the new value; its type decides."""

    inherit_cache = False

    def __init__(self, stored: sa.Column[Any], new: ColumnElement[Any]) -> None:
        self.stored = stored
        self.new = new
        self.type = stored.type


@compiles(Kept)
def _compile_kept(element: Any, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.type.kept(element.stored, element.new, compiler.dialect), **options)
    return text


def assigned(column: sa.Column[Any], new: Any) -> Any:
    """Return the expression that an UPDATE assigns to a column."""
    return Kept(column, new) if hasattr(column.type, "kept") else new


def compared(column: sa.Column[Any]) -> ColumnElement[Any]:
    """Return a column in its compared form for a row of columns, where SQLAlchemy does not use its type."""
    compare = getattr(column.type, "compared", None) or getattr(column.type, "order_expression", None)
    return column if compare is None else compare(column)
