"""``t.group(...)``, sums and the like, distinct values: one statement each, whose rows are not rows of the table."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from deebase._engine.context import TableContext, conditions
from deebase._rows.makers import row_maker
from deebase._rows.model import ColumnModel
from deebase._sql import statements
from deebase._sql.operands import indexable, may_hide_index
from deebase._sql.queries.aggregates import Aggregate, Having
from deebase._sql.queries.grouping import Grouping, groups
from deebase._sql.queries.orders import order_readings
from deebase._sql.where import Enclosed, Where
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.queries.outputs import Outputs, titled
from deebase._tables.selection import listed
from deebase.errors import SchemaError, ValidationError
from deebase.types import must_be_flags


class GroupOptions(NamedTuple):
    """The options of a group, which ``Readable.group`` documents."""

    where: Any = None
    params: Any = None
    having: Any = None
    order_by: Any = None
    limit: int | None = None
    offset: int | None = None
    by: Any = None


async def group(
    source: TableContext, by: Sequence[Any], outputs: Mapping[str, Any], options: GroupOptions
) -> list[dict[str, Any]]:
    """Return one dict for each group; see ``Readable.group``."""
    keys = titled(_keys(source, by, options.by))
    doubled = [name for name in outputs if name in keys]
    if doubled:
        raise ValidationError(
            f"{source.model.name}: {doubled[0]} is a column of the groups and an aggregate",
            field=doubled[0],
            hint="choose another keyword for the aggregate",
        )
    titles = (*keys, *outputs)
    if not titles:
        raise ValidationError(
            f"{source.model.name}: group of nothing", hint="t.group('status', n=count()) of deebase.queries"
        )
    where = conditions(source, (), {}, options.where, options.params)
    chosen = Outputs(source, where)
    columns = tuple([chosen.add(each) for each in (*keys.values(), *outputs.values())])
    grouped = [chosen.column(name) for name in columns[: len(keys)]]
    for (title, given), name in zip(outputs.items(), columns[len(keys) :], strict=True):
        if not isinstance(given, Aggregate):
            element = given if isinstance(given, sa.ClauseElement) else chosen.column(name).sa_column
            _must_be_of_groups(source, grouped, title, element)
    having = [_condition(chosen, where, each) for each in listed(options.having)]
    for given in listed(options.having):
        if not isinstance(given, Having):
            _must_be_of_groups(source, grouped, "having", given)
    order = tuple([_place(source, titles, item) for item in listed(options.order_by)])
    limit = None if options.limit is None else statements.whole_number("limit", options.limit)
    offset = None if options.offset is None else statements.whole_number("offset", options.offset)
    grouping = Grouping(columns, len(keys), order, limit is not None, offset is not None)
    rows = await _run(source, chosen, where, grouping, having, {"limit": limit, "offset": offset})
    reads = [chosen.column(name).read for name in columns]
    made: list[dict[str, Any]] = row_maker(titles, reads, dict)(rows)
    return made


def _keys(source: TableContext, positional: Sequence[Any], by: Any) -> Any:
    """Return what makes the groups differ: columns by position or as ``by``, or a dict of them."""
    if by is None:
        return positional[0] if len(positional) == 1 and isinstance(positional[0], Mapping) else positional
    if positional:
        raise ValidationError(
            f"{source.model.name}: the columns of the groups are given by position and as by",
            field="by",
            hint="t.group('status', month('created_at'), n=count())",
        )
    return by if isinstance(by, Mapping) else listed(by)


def _must_be_of_groups(source: TableContext, keys: Sequence[ColumnModel], title: str, element: Any) -> None:
    """Refuse an output in which a column has a different value for each row of a group.

    Raises:
        ValidationError: a column is neither one of the groups nor inside an aggregate.
    """
    for column in _outside_of_aggregates(element, [key.sa_column for key in keys], source):
        raise ValidationError(
            f"{source.model.name}: {title} takes one value for each group, and {column.name} has one for each row",
            field=title,
            hint=f"an aggregate, such as max_({column.name!r}), or {column.name!r} as a column of the groups",
        )


def _outside_of_aggregates(element: Any, keys: Sequence[Any], source: TableContext) -> Iterator[Any]:
    if any(element is key or element.compare(key) for key in keys):
        return
    if isinstance(element, sa.ColumnClause):
        yield element
    elif isinstance(element, sa.FunctionElement) and _is_aggregate(element, source):
        return
    elif not isinstance(element, sa.SelectBase):
        for part in element.get_children():
            yield from _outside_of_aggregates(part, keys, source)


def _is_aggregate(function: sa.FunctionElement[Any], source: TableContext) -> bool:
    """Whether a function takes all rows of a group; the database says so of those that are not listed."""
    aggregates = capabilities_of(source.dialect).aggregates
    name = str(getattr(function, "name", "")).lower()
    if aggregates is None:
        return True
    # With several arguments, min and max compare those of one row.
    return name in aggregates and not (name in ("max", "min") and len(function.clauses) > 1)


def _condition(chosen: Outputs, where: Where, given: Any) -> Any:
    """Return a condition on groups as an expression."""
    made = given.resolved(lambda each: chosen.computation(each).value) if isinstance(given, Having) else given
    if not isinstance(made, sa.ColumnElement):
        raise ValidationError(
            f"having is a condition on aggregates, not {type(given).__name__}",
            field="having",
            hint="having=count() > 5, or having=(sum_('amount') > 100) & (count() > 1)",
        )
    if capabilities_of(chosen.dialect).checks_types and any(map(may_hide_index, where.parts(made))):
        made = indexable(made)
    if where.scope:
        made = Enclosed(where.within(made))
    where.include(made)
    return made


def _place(source: TableContext, titles: Sequence[str], item: Any) -> tuple[int, bool]:
    """Return which column an order names, and whether it is descending."""
    for name, descending in order_readings(item) if isinstance(item, str) else ():
        if name in titles:
            return titles.index(name), descending
    raise SchemaError(
        f"{source.model.name}: groups are sorted by names of their columns, not by {item!r}"
        if isinstance(item, str)
        else f"{source.model.name}: groups are sorted by names of their columns, not by {type(item).__name__}",
        table_name=source.model.name,
        hint=f"their columns are {', '.join(titles)}",
    )


async def _run(
    source: TableContext,
    chosen: Outputs,
    where: Where,
    grouping: Grouping,
    having: Sequence[Any],
    limits: Mapping[str, int | None],
) -> list[Any]:
    model = chosen.model()
    key = None if where.shape is None else ("group", where.shape, model.joins, grouping, len(having))
    statement = source.cached(key, lambda: groups(model, source.dialect, where, grouping, having))
    return await source.executor.fetch(*statement.ready({**where.values, **limits}))


async def aggregate(source: TableContext, where: Where, given: Aggregate) -> Any:
    """Return one value of all rows that match."""
    chosen = Outputs(source, where)
    name = chosen.add(given)
    ((value,),) = await _run(source, chosen, where, Grouping((name,), 0), (), {})
    read = chosen.column(name).read
    return value if value is None or read is None else read(value)


async def extreme(source: TableContext, where: Where, column: Any, *, largest: bool) -> Any:
    """Return the least or the greatest value of a column: the first one in its order, which an index has."""
    chosen = Outputs(source, where)
    name = chosen.add(column)
    found = chosen.column(name)
    if found.takes_collections:
        raise ValidationError(
            f"{source.model.name}.{name}: documents have no order", field=name, hint="t.count() counts them"
        )
    if found.nullable:
        where.expression(found.sa_column.is_not(None))
    model, order = chosen.model(), f"-{name}" if largest else name
    key = None if where.shape is None else ("extreme", where.shape, model.joins, order)
    statement = source.cached(
        key, lambda: statements.select(model, source.dialect, (name,), where, order=order, limit=True)
    )
    rows = await source.executor.fetch(*statement.ready({**where.values, "limit": 1}))
    return found.read(rows[0][0]) if rows and found.read is not None else rows[0][0] if rows else None


async def values(source: TableContext, where: Where, column: Any, *, counts: bool) -> Any:
    """Return the different values of a column, sorted; with ``counts``, how many rows have each."""
    must_be_flags(counts=counts)
    chosen = Outputs(source, where)
    columns = (chosen.add(column), *([chosen.add(Aggregate("count"))] if counts else []))
    rows = await _run(source, chosen, where, Grouping(columns, 1, ((0, False),)), (), {})
    read = chosen.column(columns[0]).read
    made = [(row[0] if row[0] is None or read is None else read(row[0]), *row[1:]) for row in rows]
    # One database sorts NULL first, the other one last.
    made.sort(key=lambda row: row[0] is None)
    return dict(made) if counts else [row[0] for row in made]
