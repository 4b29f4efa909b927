"""``convert``: new values of columns, made from the old ones by a function of Python."""

from __future__ import annotations

# What a function of users returns may be of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from inspect import isawaitable, iscoroutine
from typing import Any, Final
from uuid import UUID

from deebase._engine.context import TableContext
from deebase._rows.model import ColumnModel
from deebase._sql.where import Where
from deebase._tables.bulk import update_many
from deebase._tables.paging import page_of
from deebase._tables.queries.selected_columns import Reading
from deebase._tables.selection import Selection
from deebase._tables.unique_changes import check_change, key_of
from deebase.errors import DeeBaseError, ValidationError

#: Rows that are read and written at once.
_CHUNK_ROWS: Final = 1000
_ROW: Final = re.compile(r"row ([0-9]+): ")
#: Stands for a stored value that the column would refuse.
_FOREIGN: Final = object()


class Conversion:
    """One call of ``convert``.

    Args:
        source: the table, with its scope.
        columns: the columns.
        function: makes the new values from the old ones.
    """

    def __init__(self, source: TableContext, columns: str | Sequence[str], function: Callable[..., Any]) -> None:
        self._source = source
        self._model = model = source.model
        self._pks = model.key_columns("convert")
        names = model.listed("columns", columns)
        if not names or len(set(names)) < len(names):
            raise ValidationError(
                f"convert of {model.name} takes one or more different columns",
                field="columns",
                hint='convert("phone", f)',
            )
        for name in names:
            if name in self._pks or model.columns[name].computed:
                why = "part of the key" if name in self._pks else "computed by the database"
                raise ValidationError(
                    f"convert of {model.name}: {name} is {why}",
                    field=name,
                    hint="update(pk=..., id=...) changes the key of a row"
                    if name in self._pks
                    else "convert the others",
                )
        if not callable(function):
            raise ValidationError(
                f"convert of {model.name} takes a function, not {type(function).__name__}",
                field="function",
                hint='convert("phone", normalized)',
            )
        self._columns: list[ColumnModel] = [model.columns[name] for name in names]
        self._function = function

    async def run(self, where: Where) -> int:
        """Convert the rows that match, and return how many were changed."""
        source = self._source.with_rows(dict)
        names = tuple(dict.fromkeys((*self._pks, *[column.name for column in self._columns])))
        reading, locked = Reading(self._model, names), Selection(for_update=True)
        count, after = 0, None
        async with source.executor.transaction():
            while True:
                page = await page_of(source, where, locked, size=_CHUNK_ROWS, after=after, reading=reading)
                count += await self._write([row for row in map(self._changed, page.rows) if row is not None])
                after = page.next
                if after is None:
                    return count

    async def _write(self, rows: Sequence[dict[str, Any]]) -> int:
        if not rows:
            return 0

        def changed(record: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            values = dict(record)
            key = key_of(self._source, values)
            check_change(self._source, values)
            return key, values

        try:
            return await update_many(self._source, rows, changed)
        except DeeBaseError as error:
            found = _ROW.match(error.message)
            if found is None:
                raise
            error.message = error.message.removeprefix(found[0])
            raise error.with_prefix(f"{self._row(rows[int(found[1])])}: ") from error

    def _changed(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Return the key and the new values of a row; None if it keeps its values."""
        old = [row[column.name] for column in self._columns]
        stored = [_bound(column, value) for column, value in zip(self._columns, old, strict=True)]
        new = self._made(row, old)
        is_same = True
        for column, before, old_value, value in zip(self._columns, stored, old, new, strict=True):
            try:
                after = value if value is None or column.bind is None else column.bind(value)
            except ValidationError as error:
                raise error.with_prefix(f"{self._row(row)}: ") from error.__cause__
            is_same = is_same and (value is old_value if before is _FOREIGN else _same(before, after))
        if is_same:
            return None
        made = {column.name: value for column, value in zip(self._columns, new, strict=True)}
        return {**{name: row[name] for name in self._pks}, **made}

    def _made(self, row: dict[str, Any], old: Sequence[Any]) -> Sequence[Any]:
        """Return what the function makes of the values of a row."""
        try:
            made = self._function(*old)
        except Exception as error:
            is_null = " of NULL" if None in old else ""
            raise self._error(
                row,
                f"the function raised {type(error).__name__}{is_null}",
                "a condition leaves NULL out: t.c.name.is_not(None)"
                if is_null
                else "its error is the cause of this one",
            ) from error
        if isawaitable(made):
            if iscoroutine(made):
                made.close()
            raise self._error(row, "the function is async", "give a plain function")
        if len(self._columns) == 1:
            return [made]
        if not isinstance(made, (tuple, list)) or len(made) != len(self._columns):
            raise self._error(
                row,
                f"the function did not return {len(self._columns)} values",
                "return a tuple with a value for each column",
            )
        return made

    def _error(self, row: dict[str, Any], what: str, hint: str) -> ValidationError:
        names = ", ".join([column.name for column in self._columns])
        key = tuple([row[name] for name in self._pks])
        return ValidationError(
            f"{self._row(row)}: {self._model.name}.{names}: {what}",
            field=names,
            value=key[0] if len(key) == 1 else key,
            hint=hint,
        )

    def _row(self, row: dict[str, Any]) -> str:
        """Return which row is meant. Texts of a key may be personal; they are in ``.value`` of the error alone."""
        parts = [f"{name}={row[name]}" if isinstance(row[name], (int, UUID)) else name for name in self._pks]
        return f"the row with {', '.join(parts)}" if any("=" in part for part in parts) else "a row"


def _bound(column: ColumnModel, value: Any) -> Any:
    """Return a value as it is sent, before the function can change it."""
    try:
        bound = value if value is None or column.bind is None else column.bind(value)
    except ValidationError:
        return _FOREIGN
    return deepcopy(bound) if column.takes_collections else bound


def _same(one: Any, other: Any) -> bool:
    """Whether two values are stored alike; NaN is itself."""
    return type(one) is type(other) and bool(one == other or (one != one and other != other))
