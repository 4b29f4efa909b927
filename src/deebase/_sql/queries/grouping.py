"""SELECT of groups: GROUP BY the values of columns, whatever form they are stored in."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import ColumnModel, TableModel
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.queries.periods import Period
from deebase._sql.where import Where
from deebase._types.base import has_types
from deebase.errors import ValidationError


class Grouping(NamedTuple):
    """What determines the text of the statement, besides its conditions.

    Attributes:
        columns: the names of the columns in the statement.
        keys: how many of them, from the first one on, make the groups differ.
        order: (place of a column, descending).
        limited: whether there is a limit.
        skips: whether there is an offset.
    """

    columns: tuple[str, ...]
    keys: int
    order: tuple[tuple[int, bool], ...] = ()
    limited: bool = False
    skips: bool = False


def groups(
    model: TableModel, dialect: Dialect, where: Where, grouping: Grouping, having: Sequence[Any] = ()
) -> CompiledStatement:
    """SELECT columns FROM table GROUP BY its first columns; limit and offset are the values "limit" and "offset"."""
    parameters = Parameters()
    element = _grouped(model, dialect, where, grouping, parameters, having)
    columns = [model.columns[name] for name in grouping.columns]
    for place, descending in grouping.order:
        sorted_by = _at(columns[place], place, dialect)
        element = element.order_by(sorted_by.desc() if descending else sorted_by.asc())
    if grouping.limited:
        element = element.limit(parameters.add("limit", sa.BigInteger(), None))
    if grouping.skips:
        element = element.offset(parameters.add("offset", sa.BigInteger(), None))
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)


def count_groups(model: TableModel, dialect: Dialect, where: Where, grouping: Grouping) -> CompiledStatement:
    """SELECT count(*) of the groups."""
    parameters = Parameters()
    found = _grouped(model, dialect, where, grouping, parameters).subquery("deebase_groups")
    element: Any = sa.select(sa.func.count()).select_from(found)
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)


def _grouped(
    model: TableModel,
    dialect: Dialect,
    where: Where,
    grouping: Grouping,
    parameters: Parameters,
    having: Sequence[Any] = (),
) -> Any:
    columns = [model.columns[name] for name in grouping.columns]
    keys = columns[: grouping.keys]
    for column in keys:
        _must_compare(model, column)
    chosen: Any = sa.select(*[column.sa_column.label(f"deebase_c{n}") for n, column in enumerate(columns)])
    element = where.applied_to(chosen, parameters, model.joins)
    places = [_at(column, n, dialect) for n, column in enumerate(keys)]
    if len(keys) == len(columns) and not having and all(isinstance(place, sa.ColumnClause) for place in places):
        # SQLite finds the different values of an index faster than the groups of it.
        return element.distinct()
    return element.group_by(*places).having(*having)


def _must_compare(model: TableModel, column: ColumnModel) -> None:
    if column.takes_collections:
        raise ValidationError(
            f"{model.name}: documents of {column.name} cannot be compared, which groups and distinct rows need",
            field=column.name,
            hint="group by a part of them, or select other columns",
        )


def _at(column: ColumnModel, place: int, dialect: Dialect) -> Any:
    """Return the expression by which groups differ, and are sorted.

    PostgreSQL takes two equal expressions with parameters for different ones, so that a column is named by its place.
    On SQLite a value may be stored in several forms, which an expression makes comparable.
    """
    if column.order_column is column.sa_column or has_types(dialect) or isinstance(column.sa_column, Period):
        return sa.literal_column(str(place + 1))
    return column.order_column
