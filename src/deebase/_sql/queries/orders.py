"""ORDER BY: names of columns with a direction, and expressions."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from typing import Any

import sqlalchemy as sa

from deebase._rows.model import TableModel
from deebase._rows.parents import parent_of_column
from deebase.errors import SchemaError, ValidationError


def order_by(model: TableModel, order: Any) -> tuple[list[Any], tuple[str, ...] | None]:
    """Return the ORDER BY expressions, and their cache key if all are names.

    Strings are column names, with ``-`` before or `` desc`` / `` asc`` after the name.
    """
    if order is None:
        return [], ()
    given: Any = order if isinstance(order, (list, tuple)) else [order]
    items: list[Any] = list(given)
    elements: list[Any] = []
    names: list[str] = []
    for item in items:
        if isinstance(item, str):
            names.append(item)
            elements.append(_ordered(model, item))
        elif isinstance(item, sa.ClauseElement) or hasattr(item, "__clause_element__"):
            elements.append(_by_value(model, item))
        else:
            example = "call it: t.c.name.desc()" if callable(item) else "order_by='-created_at', or [t.c.name, 'id']"
            raise SchemaError(
                f"{model.name}: order_by takes column names and SQLAlchemy expressions, not {type(item).__name__}",
                table_name=model.name,
                hint=example,
            )
    return elements, tuple(names) if len(names) == len(elements) else None


def _by_value(model: TableModel, element: Any) -> Any:
    """Return the expression that sorts a column, or an expression, by its values in any stored form."""
    if isinstance(element, sa.Column) and element.table is model.sa_table:
        return model.columns[element.name].order_column
    # It already includes the direction.
    if not isinstance(element, sa.ColumnElement) or getattr(element, "modifier", None) is not None:
        return element
    given: Any = element
    sortable = getattr(given.type, "order_expression", None)
    return given if sortable is None else sortable(given)


def _ordered(model: TableModel, item: str) -> Any:
    name, descending = _named(model, item)
    column = model.columns[name].order_column
    return column.desc() if descending else column.asc()


def _named(model: TableModel, item: str) -> tuple[str, bool]:
    """Return the column that an order names, and whether it is descending."""
    readings = order_readings(item)
    for name, descending in readings:
        if name in model.columns:
            return name, descending
    raise _no_order(model, item, readings[-1][0])


def order_readings(item: str) -> list[tuple[str, bool]]:
    """Return what a text in an order may mean, as (column, descending).

    The name of a column may begin with "-", or end in " desc" or a blank: existing columns take precedence.
    """
    head, _, tail = item.rpartition(" ")
    readings = [(item, False)]
    if tail.lower() in ("asc", "desc"):
        readings.append((head, tail.lower() == "desc"))
    if item.startswith("-"):
        readings.append((item[1:], True))
    return [*readings, *[(name.strip(), descending) for name, descending in readings]]


def _no_order(model: TableModel, item: str, name: str) -> SchemaError:
    """Return the error for a text that does not name a column to sort by."""
    error = model.unknown_column(name if name and name != "asc" else item)
    if item.lower() in ("asc", "desc"):
        error.hint = "the direction belongs to the name: order_by='age desc', or order_by='-age'"
    elif "," in item:
        parts = [part.strip() for part in item.split(",")]
        error.hint = f"several columns are a list: order_by={parts!r}"
    elif "(" in item or "nulls" in item.lower():
        error.hint = "order_by takes SQLAlchemy expressions too: t.c.age.desc().nulls_last(), sa.func.lower(t.c.name)"
    elif item.startswith("+"):
        error.hint = f"ascending is the name alone: order_by={item[1:]!r}"
    return error


def plain_order(model: TableModel, order: Any) -> tuple[tuple[str, bool], ...]:
    """Return an order of names as (column, descending); nothing for an order of anything else."""
    given: Any = () if order is None else order if isinstance(order, (list, tuple)) else [order]
    return tuple([_named(model, item) for item in given]) if all(isinstance(item, str) for item in given) else ()


def named_order(model: TableModel, order: Any) -> tuple[tuple[str, bool], ...]:
    """Return an order as (column, descending), each column once.

    Raises:
        SchemaError: a name is not a column, or the order is an expression.
        ValidationError: a column of documents, whose values have no order of their own.
    """
    given: Any = () if order is None else order if isinstance(order, (list, tuple)) else [order]
    result: dict[str, bool] = {}
    for item in given:
        if isinstance(item, sa.Column) and item.table is model.sa_table:
            name, descending = item.name, False
        elif isinstance(item, sa.Column) and (parent := parent_of_column(item)) is not None:
            name, descending = parent.column(item.name).name, False
        elif isinstance(item, str):
            name, descending = _named(model, item)
        else:
            raise SchemaError(
                f"{model.name}: a page is ordered by names of columns, not by {type(item).__name__}",
                table_name=model.name,
                hint="order_by=['-created_at', 'id']",
            )
        if model.columns[name].takes_collections:
            raise ValidationError(
                f"{model.name}.{name}: documents have no order, which a page needs",
                field=name,
                hint="sort by other columns",
            )
        result.setdefault(name, descending)
    return tuple(result.items())
