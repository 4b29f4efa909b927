"""The columns of a statement: those of its table, of related rows by path, and expressions."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Mapping
from copy import copy
from typing import Any

import sqlalchemy as sa

from deebase._engine.context import TableContext
from deebase._rows.model import ColumnModel, TableModel
from deebase._rows.parents import Parent, parent_of_column
from deebase._sql.json_paths.json_parts import JsonPart, json_order
from deebase._sql.queries.aggregates import Aggregate, Computation, computation
from deebase._sql.queries.joins import has_text, joins_of, parents_in
from deebase._sql.queries.orders import order_readings
from deebase._sql.queries.paths import is_path, path_column
from deebase._sql.queries.periods import Period, PeriodOf
from deebase._sql.where import Assigned, Where
from deebase._types.registry import column_type
from deebase.errors import ColumnNotFoundError, ValidationError
from deebase.types import UNSET, SqlExpression


class Outputs:
    """Collects the columns of one statement, and the tables that they need."""

    def __init__(self, source: TableContext, where: Where) -> None:
        self._source = source
        self._where = where
        self._own: TableModel = source.model
        self.dialect = source.dialect
        #: Columns that the table does not have itself, by their names in the statement.
        self.columns: dict[str, ColumnModel] = {}
        self._parents: list[Parent] = []

    def model(self) -> TableModel:
        """Return the model of the table with these columns."""
        if not self.columns and not self._parents:
            return self._own
        joins = joins_of(self._parents, self._own, self._where.scope)
        return self._own.joining(self.columns, joins)

    def column(self, name: str) -> ColumnModel:
        """Return a column by its name in the statement."""
        return self.columns.get(name) or self._own.column(name)

    def add(self, given: Any) -> str:
        """Take a column, and return its name in the statement.

        Args:
            given: a name, a path, an expression, a period or an aggregate.

        Raises:
            ColumnNotFoundError: a name or path does not lead to a column.
            ValidationError: it is something else, or its type has no such aggregate.
        """
        if isinstance(given, Aggregate):
            named = given.column
            if named is None or (type(named) is str and named in self._own.columns):
                # Without a walk through the expression, which holds no values and needs no other table.
                key = ("aggregate", given.kind, named, given.distinct)
                self._where.add_shape(key)
                return self._put(copy(self._source.cached(key, lambda: self._computed(given))))
            column = self._computed(given)
        else:
            column = self._found(given)
        if column.name:
            return column.name
        self._where.include(column.sa_column)
        return self._put(column)

    def _computed(self, given: Aggregate) -> ColumnModel:
        found = self.computation(given)
        return self._made(found.element, found.read, found.value)

    def _put(self, column: ColumnModel) -> str:
        """Give a column of an expression its name in the statement."""
        column.name = f"deebase_{len(self.columns)}"
        self.columns[column.name] = column
        return column.name

    def computation(self, given: Aggregate) -> Computation:
        """Return how an aggregate is computed."""
        column = None if given.column is None else self._found(given.column)
        return computation(given, column, self.dialect)

    def _found(self, given: Any) -> ColumnModel:
        """Return a column; that of an expression has no name, and is no part of the statement yet."""
        if isinstance(given, str):
            return self._path(given) if is_path(self._own, given) else self._own.column(given)
        if isinstance(given, PeriodOf):
            return self._made(Period(given.unit, self._found(given.column).sa_column))
        element = given.element if isinstance(given, SqlExpression) else given
        if hasattr(element, "__clause_element__"):
            element = element.__clause_element__()
        if not isinstance(element, sa.ColumnElement):
            raise ValidationError(
                f"{self._own.name}: a column is a name, a path or an expression, not {type(given).__name__}",
                hint="'name', 'author_id.name', t.c.name, or sa.func.lower(t.c.name)",
            )
        element = element.element if isinstance(element, sa.Label) else element
        if isinstance(element, sa.Column):
            if element.table is self._own.sa_table:
                return self._own.column(element.name)
            parent = parent_of_column(element)
            if parent is not None:
                return self._related(parent, parent.column(element.name))
        element = self._where.within(element)
        # Of a handle with a scope, text must not end the column.
        return self._made(
            Assigned("a column", element) if self._where.scope and has_text(self._where.parts(element)) else element
        )

    def _path(self, text: str) -> ColumnModel:
        if text in self.columns:
            return self.columns[text]
        parent, column = path_column(self._source.catalog, self._own, text)
        # By the path as the caller writes it: that of the column has all columns of a composite key.
        if column.name != text:
            column = copy(column)
            column.name = text
        return self._related(parent, column)

    def _related(self, parent: Parent, column: ColumnModel) -> ColumnModel:
        self.columns[column.name] = column
        self._parents.append(parent)
        return column

    def _made(self, element: Any, read: Any = UNSET, value: Any = None) -> ColumnModel:
        """Return the column of an expression.

        Args:
            element: the expression.
            read: converts its values; by default what its type has.
            value: what is sorted instead.
        """
        if read is UNSET:
            read = element.type.dialect_impl(self.dialect).result_processor(self.dialect, None)
        kind = column_type(element.type)
        sorted_by = element if value is None else value
        sortable = getattr(sorted_by.type, "order_expression", None)
        made = ColumnModel(
            sa.Column("", element.type, nullable=True),
            bind=None,
            accept_all=_none,
            send=None,
            read=read,
            takes_collections=kind.takes_collections,
            bind_place=self._place_of(kind) if read is not None else None,
            order_column=sorted_by if sortable is None else sortable(sorted_by),
        )
        made.sa_column = element
        return made

    def _place_of(self, kind: Any) -> Any:
        """Return what makes the driver's value of one that was read, for the place of a row in a page."""
        send = kind.dialect_impl(self.dialect).bind_processor(self.dialect)

        def place(value: Any) -> Any:
            accepted = kind.accept(value)
            return accepted if send is None else send(accepted)

        return place

    def call(self, titles: Mapping[str, str]) -> None:
        """Let an order name columns as the rows do; columns of the table take precedence."""
        for title, name in titles.items():
            if title not in self._own.columns:
                self.columns[title] = self.column(name)

    def take_order(self, order: Any, *, is_distinct: bool) -> Any:
        """Take the columns that an order names by path, and the tables that its expressions need.

        Returns:
            The order, with names for the parts of JSON documents in it; distinct rows are sorted by what they have.
        """
        items: list[Any] = list(order) if isinstance(order, (list, tuple)) else [order]
        for n, item in enumerate(items):
            part = None if is_distinct else json_order(item)
            if part is not None:
                element, is_descending = part
                items[n] = f"-{self.add(element)}" if is_descending else self.add(element)
            elif isinstance(item, str):
                self._take_named(item)
            elif isinstance(item, sa.Column) and (parent := parent_of_column(item)) is not None:
                self._related(parent, parent.column(item.name))
            elif isinstance(item, sa.ClauseElement):
                self._parents += parents_in(self._where.parts(item))
        return items if isinstance(order, (list, tuple)) else items[0]

    def _take_named(self, item: str) -> None:
        """Take the column of a path that an order names."""
        readings = [name for name, _ in order_readings(item)]
        if any(name in self._own.columns or name in self.columns for name in readings):
            return
        error: ColumnNotFoundError | None = None
        for name in readings:
            if is_path(self._own, name) and name.partition(".")[0] in self._own.columns:
                try:
                    self._path(name)
                except ColumnNotFoundError as found:
                    # Of the last reading, which is without a direction.
                    error = found
                else:
                    return
        if error is not None:
            raise error


def _none(*_: Any) -> None:
    """Return nothing: such a column is never written."""


def title_of(given: Any) -> str:
    """Return the name of a column in the rows, where the caller gives none.

    Raises:
        ValidationError: an expression without a name.
    """
    if isinstance(given, str):
        return given
    if isinstance(given, (PeriodOf, Period)):
        return given.unit
    if isinstance(given, JsonPart):
        return given.title
    parent = parent_of_column(given)
    if parent is not None:
        return f"{parent.path}.{given.name}"
    name = getattr(given, "name", None)
    if not isinstance(name, str):
        raise ValidationError(
            "an expression has no name for its column",
            field="select",
            hint="give it one: select={'size': sa.func.length(t.c.name)}, or expression.label('size')",
        )
    return str(name)


def titled(given: Any) -> dict[str, Any]:
    """Return columns by their names in the rows.

    Raises:
        ValidationError: two of them have one name.
    """
    items = list(given.items()) if isinstance(given, Mapping) else [(title_of(each), each) for each in given]
    result: dict[str, Any] = {}
    for title, each in items:
        if title in result:
            raise ValidationError(
                f"two columns are called {title!r}",
                field=title,
                hint=f"name them: {{{title!r}: ..., 'other': ...}}",
            )
        result[title] = each
    return result
