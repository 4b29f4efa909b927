"""Values that are written, beside what is stored in another form of the same moment (SQLite)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from deebase._backends.moment_sql import Kept, Taken
from deebase._rows.model import TableModel
from deebase._sql.operands import assigned


def changed(model: TableModel, name: str, value: Any) -> Any:
    """Return what an UPDATE sets; a unique moment has the form of the row that has it already, as in an INSERT."""
    column = model.columns[name]
    if column.normal is None or (name,) not in _keys(model):
        return assigned(column.sa_column, value)
    return Kept(column.sa_column, value, Taken(column.sa_column, value, ()))


def taken(model: TableModel, name: str, bound: Mapping[str, Any]) -> Any:
    """Return what an INSERT sets: a unique moment has the form of the row that has it already.

    So the database finds the conflict, though it compares text.
    """
    column = model.columns[name]
    if column.normal is None:
        return bound[name]
    for key in _keys(model):
        if name in key and all(other in bound for other in key):
            beside = [(model.sa_table.c[other], bound[other]) for other in key if other != name]
            return Taken(column.sa_column, bound[name], beside)
    return bound[name]


def _keys(model: TableModel) -> list[tuple[str, ...]]:
    """Return the columns in whose values no two rows are alike."""
    return [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]


def bound_type(model: TableModel, name: str) -> sa.types.TypeEngine[Any]:
    """Return the type of a column of bound values, which are in our own form."""
    column = model.columns[name]
    return column.sa_type if column.normal is None else sa.String()
