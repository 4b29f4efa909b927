"""UPDATE and DELETE of many rows by key in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.operands import compared
from deebase._sql.own_form import bound_type, changed, companions, stamped, touches
from deebase._sql.scope import Scope
from deebase._sql.where import Where, beside_key

#: The largest number of rows of one statement.
MOST_ROWS = 1000
#: The largest number of parameters of one statement: below SQLite's limit of 32,766 (sqlite.org/limits.html) and
#: asyncpg's of 32,767.
MOST_PARAMETERS = 32_000

#: Makes a statement from the model, the names of the columns, rows of parameters and the conditions of the scope.
Build = Callable[[TableModel, Sequence[str], Sequence[Sequence[Any]], Sequence[Any]], Any]


class Batch:
    """A statement over rows of values, cached for a few numbers of rows; the last row is repeated to fill one.

    Attributes:
        most: the largest number of rows of one statement.
    """

    def __init__(self, model: TableModel, names: Sequence[str], dialect: Dialect, scope: Scope, build: Build) -> None:
        self._model = model
        self._names = tuple(names)
        self._dialect = dialect
        # The statements depend on the cache key of the scope; its values are parameters.
        self._scope = scope
        self._build = build
        columns = [model.column(name) for name in names]
        self._binds = [column.bind_operand if column.name in model.pks else column.bind for column in columns]
        self._kept: dict[int, CompiledStatement] = {}
        self.most = max(1, min(MOST_ROWS, MOST_PARAMETERS // len(names)))

    def bind(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return a row of values, checked and converted."""
        return tuple([value if bind is None else bind(value) for bind, value in zip(self._binds, values, strict=True)])

    def of(self, rows: Sequence[tuple[Any, ...]], scope: Scope) -> tuple[CompiledStatement, list[Any]]:
        """Return the statement for rows of bound values, and its parameters."""
        size = min(1 << (len(rows) - 1).bit_length(), self.most)
        prepared = self._kept.get(size)
        if prepared is None:
            prepared = self._kept[size] = self._prepared(size)
        padded = [*rows, *[rows[-1]] * (size - len(rows))]
        cells: dict[Any, Any] = dict(zip(self._places(size), chain.from_iterable(padded), strict=True))
        return prepared, prepared.args({**cells, **scope.values})

    def _places(self, size: int) -> Iterable[tuple[int, int]]:
        return product(range(size), range(len(self._names)))

    def _prepared(self, size: int) -> CompiledStatement:
        parameters = Parameters()
        types = [self._model.columns[name].sa_type for name in self._names]
        rows = [[parameters.add((n, place), kind, None) for place, kind in enumerate(types)] for n in range(size)]
        held = beside_key(Where(self._model, self._scope).clauses(parameters))
        element = self._build(self._model, self._names, rows, held)
        return prepare(element, self._dialect, parameters, reads=False, is_cheap=False)


def update_rows(model: TableModel, names: Sequence[str], rows: Sequence[Sequence[Any]], held: Sequence[Any]) -> Any:
    """UPDATE ... FROM (VALUES ...); the first columns are those of the key."""
    table = model.sa_table
    # Generated names, because a column may have any name.
    new = sa.values(*[sa.column(f"c{n}", bound_type(model, name)) for n, name in enumerate(names)], name="new")
    # Inside of FROM: after a leading WITH, sqlite3 would not count the rows.
    given: Any = sa.select(new.data([tuple(row) for row in rows]).cte(nesting=True)).subquery("given")
    width = len(model.pks)
    keys = [table.c[name] == given.c[f"c{n}"] for n, name in enumerate(names[:width])]
    bound = {name: given.c[f"c{n}"] for n, name in enumerate(names)}
    changing = [*names[width:], *[name for name in companions(model, names[width:]) if name not in bound]]
    sets = {table.c[name]: stamped(model, name, changed(model, name, bound)) for name in changing}
    sets.update(touches(model, changing))
    return sa.update(table).values(sets).where(*keys, *held)


def delete_rows(model: TableModel, names: Sequence[str], rows: Sequence[Sequence[Any]], held: Sequence[Any]) -> Any:
    """DELETE ... WHERE key IN (...)."""
    keys = [model.sa_table.c[name] for name in names]
    if len(keys) == 1:
        condition: Any = keys[0].in_([row[0] for row in rows])
    else:
        condition = sa.tuple_(*map(compared, keys)).in_([sa.tuple_(*row) for row in rows])
    return sa.delete(model.sa_table).where(condition, *held)
