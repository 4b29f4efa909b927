"""Columns whose types have to say how they are compared, or what an UPDATE sets them to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement


class Kept(ColumnElement[Any]):
    """What is stored in a column, if it reads as the new value; else the new value. The column's type knows how."""

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
    """Return what an UPDATE sets a column to."""
    return Kept(column, new) if hasattr(column.type, "kept") else new


def compared(column: sa.Column[Any]) -> ColumnElement[Any]:
    """Return a column as it is compared inside of a row of columns, where SQLAlchemy does not ask its type."""
    compare = getattr(column.type, "compared", None) or getattr(column.type, "order_expression", None)
    return column if compare is None else compare(column)
