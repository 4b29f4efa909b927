"""Values to write where another form of the same moment may be stored (SQLite)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from deebase._rows.model import TableModel
from deebase._sql.operands import assigned
from deebase._types.forms.moment_sql import Kept, Normal, Taken, kind_of


def changed(model: TableModel, name: str, bound: Mapping[str, Any]) -> Any:
    """Return the value for an UPDATE; a unique moment gets the form of the existing row, as in an INSERT.

    Args:
        model: the table.
        name: the column: one that changes, or one of the ``companions``.
        bound: the new values of all columns that change.
    """
    column = model.columns[name]
    value = bound[name] if name in bound else Normal(column.sa_column, kind_of(column.sa_column))
    keys = [key for key in _keys(model) if name in key and not bound.keys().isdisjoint(key)]
    key = keys[0] if keys and column.normal is not None else None
    if key is None:
        return assigned(column.sa_column, value)
    others = [other for other in key if other != name]
    others_now = [(model.sa_table.c[other], bound.get(other, model.sa_table.c[other])) for other in others]
    moved = [(other, given) for other, given in others_now if given is not other]
    return Kept(column.sa_column, value, Taken(column.sa_column, value, others_now, kept=bool(moved)), moved)


def companions(model: TableModel, names: Collection[str]) -> list[str]:
    """Return the moments that are unique together with columns that change: another row may have another form."""
    listed = [name for key in _keys(model) if not set(names).isdisjoint(key) for name in key if name not in names]
    columns = [model.columns[name] for name in dict.fromkeys(listed)]
    return [column.name for column in columns if column.normal is not None and not column.computed]


def taken(model: TableModel, name: str, bound: Mapping[str, Any]) -> Any:
    """Return the value for an INSERT: a unique moment gets the form of the existing row.

    The database then finds the conflict, although it compares text.
    """
    column = model.columns[name]
    if column.normal is None:
        return bound[name]
    for key in _keys(model):
        if name in key and all(other in bound for other in key):
            others_now = [(model.sa_table.c[other], bound[other]) for other in key if other != name]
            return Taken(column.sa_column, bound[name], others_now)
    return bound[name]


def _keys(model: TableModel) -> list[tuple[str, ...]]:
    """Return the unique sets of columns, those with a condition last."""
    uniques = sorted(model.uniques.values(), key=lambda unique: unique.partial)
    return [model.pks, *[unique.columns for unique in uniques]]


def bound_type(model: TableModel, name: str) -> sa.types.TypeEngine[Any]:
    """Return the type of a column of bound values, which have our own form."""
    column = model.columns[name]
    return column.sa_type if column.normal is None else sa.String()


def stamped(model: TableModel, name: str, new: Any) -> Any:
    """Return the new value of a column: of the time of the change the current time, unless another one is given.

    A row that is read, changed and written back has the time of its last change, which must not stay.
    """
    column = model.columns[name]
    if column.touched is None:
        return new
    return sa.case((new.is_not_distinct_from(column.sa_column), column.touched), else_=new)


def touches(model: TableModel, changed: Collection[str]) -> dict[Any, Any]:
    """Return what an update sets besides the columns that it names: the time of the change."""
    return {model.sa_table.c[column.name]: column.touched for column in model.touched if column.name not in changed}
