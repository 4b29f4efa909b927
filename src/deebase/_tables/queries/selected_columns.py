"""What a query reads: the columns of its rows, and what they are called there."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from deebase._engine.context import TableContext
from deebase._rows.makers import Maker, row_maker
from deebase._rows.model import TableModel
from deebase._sql.queries.orders import order_readings
from deebase._sql.where import Where
from deebase._tables.queries.outputs import Outputs, titled
from deebase._tables.selection import Selection, listed
from deebase.errors import SchemaError, ValidationError


class Reading(NamedTuple):
    """The columns that a query selects.

    Attributes:
        model: the table, with columns of related rows and expressions.
        columns: the names of the columns in the statement.
        titles: their names in the rows, which are dicts then; None for rows of the handle's type.
        order: what the rows are sorted by, with the names of columns of the statement.
    """

    model: TableModel
    columns: tuple[str, ...]
    titles: tuple[str, ...] | None = None
    order: Any = None

    def maker(self, source: TableContext) -> Maker:
        """Return the maker of rows."""
        if self.titles is None:
            return source.maker(self.columns)
        return row_maker(self.titles, [self.model.columns[name].read for name in self.columns], dict)

    def place(self, item: Any) -> tuple[int, bool]:
        """Return which selected column an order names, and whether it is descending.

        Raises:
            SchemaError: it is another column, or an expression.
        """
        names = self.titles or self.columns
        for name, descending in order_readings(item) if isinstance(item, str) else ():
            for known in (names, self.columns):
                if name in known:
                    return known.index(name), descending
        raise SchemaError(
            f"{self.model.name}: distinct rows are sorted by columns that they have",
            table_name=self.model.name,
            hint=f"order_by takes {', '.join(names)}",
        )


def plain_reading(model: TableModel, chosen: Selection) -> Reading | None:
    """Return what a query reads if it names columns of the table alone; None if it may name others."""
    order, select = chosen.order_by, chosen.select
    if chosen.distinct:
        return None
    if order is not None and not (order in model.columns if type(order) is str else _has_plain_names(order)):
        return None
    if select is None:
        return Reading(model, model.names, None, order)
    if (
        type(select) is not list
        or not select
        or not all(type(name) is str and name in model.columns for name in select)
    ):
        return None
    return Reading(model, tuple(select), None, order)


def _has_plain_names(order: Any) -> bool:
    """Whether an order has names without dots alone."""
    return all(type(name) is str and "." not in name for name in listed(order))


def reading_of(source: TableContext, where: Where, chosen: Selection) -> Reading:
    """Return what a query reads.

    Raises:
        ValidationError: ``select`` is not a list or dict of columns, or has something else in it.
        ColumnNotFoundError: a name is not a column.
    """
    if chosen.distinct:
        hint = "the rows of a distinct query have no key, and are no rows of the table"
        chosen.refuse("a distinct query", hint, "with_pk", "for_update", "skip_locked")
    outputs = Outputs(source, where)
    names: tuple[str, ...] = source.model.names
    titles: tuple[str, ...] | None = None
    if chosen.select is not None:
        given = _given(source.model, chosen.select)
        own = source.model.columns
        if isinstance(given, Mapping) or not all(isinstance(each, str) and each in own for each in given):
            columns = titled(given)
            names, titles = tuple(map(outputs.add, columns.values())), tuple(columns)
            outputs.call(dict(zip(titles, names, strict=True)))
        else:
            names = tuple(given)
    order = outputs.take_order(chosen.order_by, is_distinct=chosen.distinct)
    return Reading(outputs.model(), names, titles, order)


def _given(model: TableModel, select: Any) -> Mapping[str, Any] | Sequence[Any]:
    if not isinstance(select, (list, tuple, Mapping)) or not select:
        raise ValidationError(
            f"{model.name}: select is a list of column names, or a dict of columns by the names they get",
            field="select",
            hint="select=['id', 'author_id.name'], or select={'id': 'id', 'author': 'author_id.name'}",
        )
    return select
