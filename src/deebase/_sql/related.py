"""Reads the rows that match any of many keys in one statement, each row with the number of its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import visitors

from deebase._rows.model import TableModel
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.queries.orders import order_by
from deebase._sql.scope import Scope
from deebase._sql.sql_rules import Key, rules_of
from deebase._sql.statement import Statement
from deebase._sql.where import Where, beside_key
from deebase._sqltext.capabilities import capabilities_of
from deebase.errors import ValidationError

#: Keys of one statement that binds each of them: below SQLite's limit of 32,766 parameters (sqlite.org/limits.html).
MOST_BOUND = 5000

#: Makes a condition from the SQL expressions of a key's values.
Within = Callable[[Sequence[Any]], Any]


class RelatedRead:
    """A SELECT that joins a list of keys with a table.

    Its rows begin with the number of the key. The database compares the values, so that collations and equal
    numbers have the same effect as in a foreign key.
    """

    def __init__(
        self,
        model: TableModel,
        dialect: Dialect,
        columns: Sequence[str],
        scope: Scope,
        order: Any,
        within: Within | None = None,
        collated: Mapping[str, str] | None = None,
    ) -> None:
        self._model = model
        self._dialect = dialect
        self._columns = [model.column(name) for name in columns]
        # The statements depend on the cache key of the scope; its values are parameters.
        self._scope = scope
        self._within = within
        #: Collations for the comparison, instead of those of the columns.
        self._collated = collated or {}
        self._order = order_by(model, order)[0]
        self._kept: dict[int, CompiledStatement] = {}

    def bind(self, values: Sequence[Any]) -> Key:
        """Return a key in its stored form."""
        return tuple(
            [
                value if column.bind_operand is None else column.bind_operand(value)
                for column, value in zip(self._columns, values, strict=True)
            ]
        )

    def bind_all(self, values: Sequence[Any]) -> list[Key]:
        """Return keys of one column in their stored form."""
        try:
            return [(value,) for value in self._columns[0].bind_all(values, set(map(type, values)))]
        except ValidationError:
            # A key may be longer than those that the column holds.
            return [self.bind((value,)) for value in values]

    def statements(self, keys: Sequence[Key], scope: Scope) -> Iterator[tuple[Statement, list[Any], int]]:
        """Yield statement, parameters, and the position of its first key among all keys."""
        if not keys:
            return
        lists = rules_of(self._dialect).key_lists(keys, self._columns)
        if lists is not None:
            yield self._ready(0, {**lists, **scope.values}, 0)
        else:
            for start in range(0, len(keys), MOST_BOUND):
                part = keys[start : start + MOST_BOUND]
                cells: dict[Any, Any] = {
                    (n, place): value for n, key in enumerate(part) for place, value in enumerate(key)
                }
                yield self._ready(len(part), {**cells, **scope.values}, start)

    def _ready(self, bound: int, values: dict[Any, Any], start: int) -> tuple[Statement, list[Any], int]:
        prepared = self._kept.get(bound)
        if prepared is None:
            prepared = self._kept[bound] = self._build(bound)
        return prepared.statement, prepared.args(values), start

    def _build(self, bound: int) -> CompiledStatement:
        parameters = Parameters()
        listed = rules_of(self._dialect).listed_keys
        number, values = self._bound(bound, parameters) if bound else listed(self._columns, parameters)
        held = Where(self._model, self._scope).clauses(parameters)
        if self._is_key():
            held = beside_key(held)
        table: Any = self._model.sa_table
        order = self._order
        if not bound and not capabilities_of(self._dialect).has_hash_joins and not self._has_index():
            table = self._matching(parameters, held)
            held, order = [], [_moved(part, self._model.sa_table, table) for part in order]
        compared = self._compared(table)
        matches = [column == value for column, value in zip(compared, values, strict=True)]
        if self._within is not None:
            held.append(self._within(values))
        joined: Any = table
        for join in self._model.joins:
            conditions = Where(self._model, self._scope).joined_by(join, parameters)
            moved = [_moved(condition, self._model.sa_table, table) for condition in conditions]
            joined = joined.outerjoin(join.parent.alias, sa.and_(*moved))
        element = sa.select(number, *table.c).select_from(joined).where(*matches, *held).order_by(number, *order)
        return prepare(element, self._dialect, parameters, reads=True, is_cheap=False)

    def _compared(self, table: Any) -> list[Any]:
        """Return the columns of the table, or of a subquery of it, in the form that is compared with keys."""
        columns = [table.c[column.name] for column in self._columns]
        return [sa.collate(c, self._collated[c.name]) if c.name in self._collated else c for c in columns]

    def _is_key(self) -> bool:
        """Whether the columns are unique together."""
        model, wanted = self._model, {column.name for column in self._columns}
        uniques = [unique.columns for unique in model.uniques.values() if not unique.partial]
        return any(wanted == set(names) for names in [model.pks, *uniques])

    def _has_index(self) -> bool:
        """Whether the columns are the first of the key or of an index, so that an index finds the rows."""
        if self._collated:
            # An index uses the collation of its column.
            return False
        table = self._model.sa_table
        wanted = {column.name for column in self._columns}
        indexes: list[Any] = [table.primary_key, *table.indexes]
        return any({column.name for column in list(index.columns)[: len(wanted)]} == wanted for index in indexes)

    def _matching(self, parameters: Parameters, held: Sequence[Any]) -> sa.CTE:
        """Return the rows that have any of the keys, as a materialized subquery.

        The database builds an index for it and uses that for the join; otherwise each key would read all rows.
        """
        table = self._model.sa_table
        _, values = rules_of(self._dialect).listed_keys(self._columns, parameters)
        columns = self._compared(table)
        left: Any = columns[0] if len(columns) == 1 else sa.tuple_(*columns)
        found = sa.select(*table.c).where(left.in_(sa.select(*values)), *held)
        return found.cte("matching").prefix_with("MATERIALIZED")

    def _bound(self, size: int, parameters: Parameters) -> tuple[Any, list[Any]]:
        """Return numbers and values of keys, with one parameter for each value."""
        types = [column.sa_type for column in self._columns]
        rows: list[tuple[Any, ...]] = [
            (sa.literal_column(str(n)), *[parameters.add((n, place), kind, None) for place, kind in enumerate(types)])
            for n in range(size)
        ]
        names = [sa.column(f"v{place}", kind) for place, kind in enumerate(types)]
        keys: Any = sa.values(sa.column("n", sa.Integer()), *names, name="keys").data(rows).cte()
        return keys.c.n, [keys.c[f"v{place}"] for place in range(len(types))]


def _moved(clause: Any, table: sa.Table, target: Any) -> Any:
    """Return an expression of columns of one table with the same columns of another table."""
    if target is table:
        return clause

    def replace(element: Any, **_: Any) -> Any:
        return target.c[element.name] if isinstance(element, sa.Column) and element.table is table else None

    return cast("Any", visitors.replacement_traverse(clause, {}, replace))
