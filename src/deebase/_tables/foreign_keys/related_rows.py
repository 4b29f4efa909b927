"""Rows with the rows that they refer to, that refer to them, or that are linked with them, in few statements."""

from __future__ import annotations

# Rows are the user's own and may be of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from deebase._engine.context import TableContext
from deebase._rows.model import ForeignKeyModel, TableModel
from deebase._sql.queries.orders import order_readings
from deebase._sql.related import RelatedRead, Within
from deebase._sql.where import Where
from deebase._tables.foreign_keys.relations import (
    Columns,
    carried,
    child_source,
    children_of,
    compared_by,
    foreign_key,
    values_in,
    within_scope,
)
from deebase._tables.queries.outputs import Outputs
from deebase._tables.query import Query
from deebase._tables.selection import listed, order_names
from deebase.errors import SchemaError, ValidationError
from deebase.types import must_be_flags


async def with_parents(source: TableContext, rows: Any, column: Columns) -> list[tuple[Any, Any]]:
    """Return (row, parent or None) for each row; one statement for all parents.

    Of a path, the parent is such a pair itself, (None, None) if it does not exist; each level takes one statement.
    """
    steps: Sequence[Columns] = (column,)
    if isinstance(column, str) and "." in column and column not in source.model.columns:
        steps = column.split(".")
    keys: list[tuple[TableContext, ForeignKeyModel, TableContext]] = []
    origin = source
    for step in steps:
        key = foreign_key(origin, step)
        # A scope holds beyond a table without its column.
        parents = carried(source, origin.of_table(key.target))
        keys.append((origin, key, parents))
        origin = parents
    return await _with_parents(await _listed(rows), keys)


async def _with_parents(
    rows: list[Any], steps: Sequence[tuple[TableContext, ForeignKeyModel, TableContext]]
) -> list[tuple[Any, Any]]:
    (origin, key, others), *further = steps
    present = [row for row in rows if row is not None]
    related = iter(await _related(origin, present, key.columns, others, key.targets))
    parents: list[Any] = [None if row is None else _first(related) for row in rows]
    return list(zip(rows, await _with_parents(parents, further) if further else parents, strict=True))


def _first(related: Iterator[list[Any]]) -> Any:
    parents = next(related)
    return parents[0] if parents else None


async def with_children(
    source: TableContext, rows: Any, child: Any, column: Any, order_by: Any
) -> list[tuple[Any, list[Any]]]:
    """Return (row, rows that refer to it) for each row; one statement for all of them.

    Of a list of tables, the rows that refer to it are such pairs themselves.
    """
    path = _tables_of(source, child)
    columns = [column] if len(path) == 1 else list(column or ())
    columns += [None] * (len(path) - len(columns))
    if len(columns) > len(path):
        raise ValidationError(
            f"{len(columns)} foreign keys are given for {len(path)} tables",
            field="column",
            hint="companies.with_children(companies(), ['author', 'post'], ['company_id', 'author_id'])",
        )
    steps: list[tuple[TableContext, ForeignKeyModel]] = []
    origin = source
    for table, named in zip(path, columns, strict=True):
        children = carried(source, child_source(origin, table))
        steps.append((children, children_of(origin, children, named)))
        origin = children
    names = [children.model.name for children, _ in steps]
    orders = [order_by] if len(path) == 1 else _orders_of(order_by, names)
    return await _nested(source, await _listed(rows), steps, orders)


def _tables_of(source: TableContext, child: Any) -> list[Any]:
    """Return the tables of a path: a list of them, or their names with dots between."""
    if isinstance(child, (list, tuple)):
        if not child:
            raise ValidationError("the children are no table", field="table", hint="['author', 'post']")
        return [*child]
    if isinstance(child, str) and "." in child and child not in source.catalog:
        return [*child.split(".")]
    return [child]


def _orders_of(order_by: Any, names: Sequence[str]) -> list[Any]:
    """Return the order of each level, of a dict of orders by table."""
    if order_by is not None and not isinstance(order_by, Mapping):
        raise ValidationError(
            "the order of children of several levels is a dict by table",
            field="order_by",
            hint=f"order_by={{{names[0]!r}: 'id', {names[-1]!r}: '-id'}}",
        )
    given: Mapping[str, Any] = order_by or {}
    for name in given:
        if name not in names:
            raise ValidationError(
                f"{name} is not one of the tables", field="order_by", hint=f"one of {', '.join(names)}"
            )
    return [given.get(name) for name in names]


async def _nested(
    source: TableContext,
    rows: list[Any],
    steps: Sequence[tuple[TableContext, ForeignKeyModel]],
    orders: Sequence[Any],
) -> list[tuple[Any, list[Any]]]:
    """Return rows with the rows that refer to them, and so on for the further steps."""
    (children, key), *further = steps
    within = within_scope(source, children, key)
    collated = compared_by(source, children, key)
    found = await _related(source, rows, key.targets, children, key.columns, orders[0], within, collated)
    if further:
        inner = iter(await _nested(children, [row for each in found for row in each], further, orders[1:]))
        found = [[next(inner) for _ in each] for each in found]
    return list(zip(rows, found, strict=True))


async def with_related(
    source: TableContext,
    rows: Any,
    through: Any,
    to: Any,
    columns: Sequence[Columns | None],
    order_by: Any,
    links: bool,
) -> list[tuple[Any, list[Any]]]:
    """Return (row, rows of another table that a table between them links it with); two statements for all of them."""
    must_be_flags(links=links)
    between = child_source(source, through)
    given: Any = columns
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise ValidationError(
            "columns are two foreign keys of the table between: the one that leads here, and the one that leads there",
            field="columns",
            hint="columns=('user_id', 'team_id')",
        )
    key = children_of(source, between, given[0])
    others = carried(source, child_source(between, to))
    # Where a table is linked with itself, the other foreign key leads there.
    onward = _onward(others, between, given[1], key)
    order = [_order_through(between, others, onward, item) for item in listed(order_by)]
    pairs = await _nested(source, await _listed(rows), [(between, key)], [order or None])
    flat = [link for _, found in pairs for link in found]
    ends = iter(await _related(between, flat, onward.columns, others, onward.targets))
    result: list[tuple[Any, list[Any]]] = []
    for row, found in pairs:
        linked = [(link, end[0]) for link, end in zip(found, ends, strict=False) if end]
        result.append((row, linked if links else [end for _, end in linked]))
    return result


def _onward(
    others: TableContext, between: TableContext, column: Columns | None, key: ForeignKeyModel
) -> ForeignKeyModel:
    if column is None:
        leading = [each for each in between.foreign_keys if each.target == others.model.name and each != key]
        if len(leading) == 1:
            return leading[0]
    found = children_of(others, between, column)
    if found == key:
        raise SchemaError(
            f"{between.model.name}.{', '.join(key.columns)} leads back to the rows themselves",
            table_name=between.model.name,
            hint="columns=('user_id', 'team_id') name both foreign keys",
        )
    return found


def _order_through(between: TableContext, others: TableContext, onward: ForeignKeyModel, item: Any) -> str:
    """Return a column of the linked rows, or of the table between, as a path from the table between."""
    for name, descending in order_readings(item) if isinstance(item, str) else ():
        if name in others.model.columns:
            return f"{'-' if descending else ''}{onward.columns[0]}.{name}"
        if name in between.model.columns:
            return f"{'-' if descending else ''}{name}"
    raise SchemaError(
        f"{others.model.name}: linked rows are sorted by names of its columns, or of those of {between.model.name}",
        table_name=others.model.name,
        hint=f"the columns are {', '.join(others.model.names)}",
    )


async def _listed(rows: Any) -> list[Any]:
    """Return rows as a list: of a query, awaited; of a table or stream, read; of an iterable, as they are."""
    kind: type[Any] = type(rows)
    if isinstance(rows, Query):
        return list(await rows)
    if isinstance(rows, AsyncIterable):
        return [row async for row in rows]
    if issubclass(kind, (str, bytes, Mapping)) or not issubclass(kind, Iterable):
        raise ValidationError(
            f"rows are a query or an iterable of rows, not {kind.__name__}",
            hint="posts.with_parents(posts(), 'author_id')",
        )
    return list(rows)


async def _related(
    source: TableContext,
    rows: Sequence[Any],
    names: Sequence[str],
    others: TableContext,
    matched: tuple[str, ...],
    order: Any = None,
    within: Within | None = None,
    collated: Mapping[str, str] | None = None,
) -> list[list[Any]]:
    """Return for each row the rows of another table whose ``matched`` columns equal its ``names``."""
    names_of_order = order_names(order)

    def build() -> RelatedRead:
        chosen = Outputs(others, Where(others.model, others.scope))
        sorted_by = None if order is None else chosen.take_order(order, is_distinct=False)
        return RelatedRead(chosen.model(), others.dialect, matched, others.scope, sorted_by, within, collated)

    key = None
    # The condition on the parents contains the values of this call.
    if names_of_order is not None and within is None:
        key = ("related", matched, names_of_order, others.scope.shape, *(collated or {}).items())
    read = others.cached(key, build)
    bounds, places = _keys_of(rows, names, source.model, read)
    found: list[list[Any]] = [[] for _ in bounds]
    model = others.model
    maker = others.maker(model.names)
    for statement, args, start in read.statements(bounds, others.scope):
        rows_ = await others.executor.fetch(statement, args)
        made = maker([row[1:] for row in rows_])
        for row, other in zip(rows_, made, strict=True):
            found[start + row[0]].append(other)
    return [[] if place is None else found[place] for place in places]


#: Types whose values are stored alike if they are equal in Python.
_ALIKE = frozenset({int, str, UUID, type(None)})


def _keys_of(
    rows: Sequence[Any], names: Sequence[str], model: TableModel, read: RelatedRead
) -> tuple[list[tuple[Any, ...]], list[int | None]]:
    """Return the keys of rows in their stored form, each once, and the number of the key of each row."""
    keys: dict[Any, int] = {}
    if len(names) == 1:
        (name,) = names
        values = [row[name] if type(row) is dict and name in row else values_in(row, names, model)[0] for row in rows]
        if _ALIKE.issuperset(map(type, values)):
            present = [value for value in dict.fromkeys(values) if value is not None]
            keys = dict(zip(present, range(len(present)), strict=True))
            return read.bind_all(present), [*map(keys.get, values)]
    bounds: list[tuple[Any, ...]] = []
    places: list[int | None] = []
    for row in rows:
        given = values_in(row, names, model)
        if any(value is None for value in given):
            places.append(None)
            continue
        bound = read.bind(given)
        # Infinity equals the last date of Python, and not that of PostgreSQL.
        place = keys.setdefault((bound, *[getattr(value, "stored", None) for value in bound]), len(keys))
        if place == len(bounds):
            bounds.append(bound)
        places.append(place)
    return bounds, places
