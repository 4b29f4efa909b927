"""Sample rows, with made-up values for the columns that need one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

from deebase._engine.context import TableContext
from deebase._rows.model import ColumnModel, ForeignKeyModel, TableModel
from deebase._tables.table import Table
from deebase.errors import ValidationError
from deebase.testing.sample_values import value_for

R = TypeVar("R")

#: The numbers of the rows; smaller ones are left to the tests.
_NUMBERS = itertools.count(1000)


async def build(table: Table[R], /, **given: Any) -> R:
    """Insert a row with made-up values for the columns that need one, and return the stored row.

    Columns that are not nullable and have no default get a value that differs from row to row; a foreign key among
    them gets a new row of the table that it refers to. Other columns get their default.

    Args:
        table: the table; an ``xtra`` handle supplies the columns of its scope.
        **given: values by column. A callable is called with the number of the row.

    Returns:
        The stored row, in the table's row type.

    Raises:
        ValidationError: a column of a type without sample values, or tables that need each other.
        SchemaError: an unknown column.
        IntegrityError: made-up values violate a constraint of the table.

    Example:
        ```python
        post = await build(posts, title="On engines")  # with its own author
        user = await build(users, email=lambda n: f"user{n}@example.com")
        ```
    """
    source = table._source  # pyright: ignore[reportPrivateUsage]
    async with source.executor.transaction():
        return await table.insert(await _completed(source, given, ()))


async def build_many(table: Table[R], count: int, /, **given: Any) -> list[R]:
    """Insert rows as ``build`` does, all or none.

    Args:
        table: the table.
        count: the number of rows.
        **given: as in ``build``, for each of the rows.

    Returns:
        The stored rows.

    Raises:
        ValidationError: as in ``build``.

    Example:
        ```python
        author = await build(users)
        mine = await build_many(posts, 3, author_id=author["id"])
        ```
    """
    source = table._source  # pyright: ignore[reportPrivateUsage]
    async with source.executor.transaction():
        return [await table.insert(await _completed(source, given, ())) for _ in range(count)]


async def _completed(source: TableContext, given: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of a new row, after inserting the rows that it refers to."""
    model, number = source.model, next(_NUMBERS)
    path = (*path, model.name)
    for name in given:
        model.column(name)
    values: dict[str, Any] = {
        **source.scope.held,
        **{name: value(number) if callable(value) else value for name, value in given.items()},
    }
    needed = [column for column in model.columns.values() if _is_needed(model, column)]
    for key in model.foreign_keys:
        if any(column.name in key.columns and column.name not in values for column in needed):
            values.update(await _parent(source, key, values, path))
    for column in needed:
        if column.name not in values:
            values[column.name] = value_for(model.name, column, number)
    return values


def _is_needed(model: TableModel, column: ColumnModel) -> bool:
    if column.name in model.required_keys:
        return True
    has_value = column.default_factory is not None or column.sa_column.server_default is not None
    return not (column.nullable or column.computed or has_value or column.name == model.generated)


async def _parent(
    source: TableContext, key: ForeignKeyModel, values: Mapping[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    """Insert the row that a foreign key refers to, and return the columns of the key."""
    if key.target in path:
        raise ValidationError(
            f"{path[-1]}: {', '.join(key.columns)} needs a row of {key.target}, which is still being built",
            field=key.columns[0],
            hint=f"insert a row of {key.target} with SQL or in steps, and pass {', '.join(key.columns)}",
        )
    pairs = list(zip(key.columns, key.targets, strict=True))
    fixed = {target: values[name] for name, target in pairs if values.get(name) is not None}
    other = source.of_table(key.target)
    row = await Table[dict[str, Any]](other.with_rows(dict)).insert(await _completed(other, fixed, path))
    return {name: row[target] for name, target in pairs}
