"""The first rows in an order that no single range of an index has: those of several ranges, which are merged.

An index on moments that are stored in several forms (SQLite) has the right order only for our own form. Rows in our
form are read from the index. Rows in other forms, usually none, are sorted. SQLite merges the two and stops at the
limit, so a page of a large table costs no more than with values of a single form.

A page of rows that are sorted by a column with NULLs may lie in two ranges of an index: first the one, then the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from deebase._rows.model import TableModel
from deebase._types.forms.moment_sql import Form, Plain, is_in_an_index

#: Columns and whether they are descending.
Order = Sequence[tuple[str, bool]]


class Branch(NamedTuple):
    """Some of the rows of a table.

    Attributes:
        columns: the sort expressions by column, if they differ from the ``order_column`` of the column.
        forms: the conditions of these rows.
    """

    columns: dict[str, Any]
    forms: list[Any]


#: All rows, sorted by value.
WHOLE = Branch({}, [])


def branches(model: TableModel, order: Order) -> list[Branch]:
    """Return the parts of a table that are merged into an order; a single one if no index helps."""
    table = model.sa_table
    moments = list(dict.fromkeys([name for name, _ in order if model.columns[name].normal is not None]))
    if not any(is_in_an_index(table, name) for name in moments):
        return [WHOLE]
    result: list[Branch] = []
    columns: dict[str, Any] = {}
    own: list[Any] = []
    for name in moments:
        column: Any = table.c[name]
        result.append(Branch(dict(columns), [*own, Form(column, own=False)]))
        columns[name] = Plain(column)
        own.append(Form(column, own=True))
    return [Branch(columns, own), *result]


def merged(
    model: TableModel,
    parts: Sequence[Branch],
    order: Order,
    selects: Sequence[Any],
    limited: Callable[[Any], Any],
) -> Any:
    """Return the SELECT of the first rows of all parts, with the values that they are sorted by after their columns.

    Args:
        model: the table.
        parts: its parts.
        order: the order of the rows.
        selects: the SELECT of each part, without order.
        limited: returns a SELECT with its limit and offset.
    """
    names = [name for name, _ in order]
    keyed = [select.add_columns(*_keys(model, part, names)) for part, select in zip(parts, selects, strict=True)]
    width = len(keyed[0].selected_columns) - len(order)
    # By number: a compound SELECT can only sort by its columns.
    places = [
        _directed(sa.literal_column(str(width + n + 1)), descending=descending)
        for n, (_, descending) in enumerate(order)
    ]
    return limited(sa.union_all(*keyed).order_by(*places))


def in_turn(model: TableModel, selects: Sequence[Any], order: Order, limited: Callable[[Any], Any], limit: Any) -> Any:
    """Return the first rows of two SELECTs; the second one is only read if the first one has too few rows.

    Args:
        model: the table.
        selects: the SELECTs, without order; all rows of the first one come before those of the second one.
        order: the order of the rows.
        limited: returns a SELECT with its limit.
        limit: the limit, as a parameter.
    """
    names = [name for name, _ in order]
    places = [model.columns[name].order_column for name in names]
    sorted_by = [_directed(place, descending=descending) for place, (_, descending) in zip(places, order, strict=True)]
    first, second = [select.add_columns(*_keys(model, WHOLE, names)).order_by(*sorted_by) for select in selects]
    found: Any = limited(first).cte("deebase_first")
    too_few = sa.select(sa.func.count()).select_from(found).scalar_subquery() < limit
    more: Any = limited(second.where(too_few)).subquery("deebase_more")
    return limited(without_keys(sa.union_all(sa.select(*found.c), sa.select(*more.c)), order))


def without_keys(element: Any, order: Order) -> Any:
    """Return a merged SELECT without its sort columns."""
    rows = element.subquery("deebase_rows")
    columns: list[Any] = list(rows.c)
    width = len(columns) - len(order)
    again = [_directed(Plain(columns[width + n]), descending=descending) for n, (_, descending) in enumerate(order)]
    return sa.select(*columns[:width]).order_by(*again)


def _keys(model: TableModel, part: Branch, names: Sequence[str]) -> list[Any]:
    sorted_by = [part.columns.get(name, model.columns[name].order_column) for name in names]
    return [column.label(f"deebase_k{n}") for n, column in enumerate(sorted_by)]


def _directed(column: Any, *, descending: bool) -> Any:
    return column.desc() if descending else column.asc()
