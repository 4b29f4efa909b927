"""The rows after a position in an order: the condition of keyset pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement

from deebase._rows.model import TableModel
from deebase._sql.compiled import Parameters
from deebase._sqltext.capabilities import capabilities_of

Condition = ColumnElement[bool]


def place_source(n: int) -> str:
    """Return the source name of the n-th value of the position."""
    return f"\0k{n}"


class Seek(NamedTuple):
    """What determines the text of the statement.

    Attributes:
        columns: (column, descending) in the order of sorting; together they identify every row.
        backwards: select the rows before the position, nearest first.
        inclusive: also select the row at the position.
        nulls: for each column, whether its value at the position is NULL.
    """

    columns: tuple[tuple[str, bool], ...]
    backwards: bool
    inclusive: bool
    nulls: tuple[bool, ...]

    @property
    def directions(self) -> list[tuple[str, bool]]:
        """The columns, and whether they are descending in the direction of reading."""
        return [(name, descending != self.backwards) for name, descending in self.columns]

    def order(self, model: TableModel) -> list[Any]:
        """Return the ORDER BY, in the direction of reading."""
        result: list[Any] = []
        for name, descending in self.directions:
            column = model.columns[name].order_column
            result.append(column.desc() if descending else column.asc())
        return result

    def conditions(
        self, model: TableModel, parameters: Parameters, dialect: Dialect, columns: Mapping[str, Any]
    ) -> list[Condition]:
        """Return the conditions of the rows after the position; the rows of one come before those of the next.

        An index over a column has its NULLs at one end, and a condition finds one range of it: the rows with a value
        in the first column and those without are two ranges.

        Args:
            model: the table.
            parameters: the parameters of the statement.
            dialect: the database.
            columns: the compared expressions by column, if they differ from the ``order_column`` of the column.
        """
        steps = [
            _Step(model, parameters, n, name, descending, self.nulls[n], dialect, columns.get(name))
            for n, (name, descending) in enumerate(self.directions)
        ]
        first, rest = steps[0], steps[1:]
        if not first.nullable:
            return [self._after(steps)]
        if first.null:
            tied = self._after(rest) if rest else sa.true() if self.inclusive else sa.false()
            absent = sa.and_(first.column.is_(None), tied)
            return [absent] if first.nulls_after else [absent, first.column.is_not(None)]
        # A comparison with a value is never true for NULL.
        first.nullable = False
        present = self._after(steps)
        return [present, first.column.is_(None)] if first.nulls_after else [present]

    def _after(self, steps: Sequence[_Step]) -> Condition:
        directions = {step.descending for step in steps}
        if len(directions) == 1 and not any(step.nullable for step in steps):
            return self._by_row(steps)
        return self._by_columns(steps)

    def _by_row(self, steps: Sequence[_Step]) -> Condition:
        """Compare whole rows: one range of an index over the columns."""
        left = sa.tuple_(*[step.column for step in steps])
        right = sa.tuple_(*[step.value for step in steps])
        if len(steps) == 1:
            left, right = steps[0].column, steps[0].value
        if steps[0].descending:
            return left <= right if self.inclusive else left < right
        return left >= right if self.inclusive else left > right

    def _by_columns(self, steps: Sequence[_Step]) -> Condition:
        """Return: after it in the first column, or equal in the first and after it in the second, and so on."""
        ways: list[Condition] = []
        equal: list[Condition] = []
        for step in steps:
            after = step.after()
            if after is not None:
                ways.append(sa.and_(*equal, after))
            equal.append(step.same())
        if self.inclusive:
            ways.append(sa.and_(*equal))
        alternatives = sa.or_(*ways) if ways else sa.false()
        # Redundant, but allows the use of an index over the first column.
        first = steps[0]
        return alternatives if first.nullable else sa.and_(first.not_before(), alternatives)


class _Step:
    """One column of the order."""

    def __init__(
        self,
        model: TableModel,
        parameters: Parameters,
        n: int,
        name: str,
        descending: bool,
        null: bool,
        dialect: Dialect,
        column: Any,
    ) -> None:
        known = model.columns[name]
        self.column: Any = known.order_column if column is None else column
        self.descending = descending
        self.nullable = known.nullable
        self.null = null
        self.nulls_after = capabilities_of(dialect).sorts_nulls_last != descending
        self._parameter = (place_source(n), known.sa_type, known.bind_place)
        self._parameters = parameters

    @property
    def value(self) -> Any:
        # A separate parameter for each use in the text: drivers number them in order.
        return sa.null() if self.null else self._parameters.add(*self._parameter)

    def same(self) -> Condition:
        condition: Condition = self.column.is_(None) if self.null else self.column == self.value
        return condition

    def not_before(self) -> Condition:
        condition: Condition = self.column <= self.value if self.descending else self.column >= self.value
        return condition

    def after(self) -> Condition | None:
        """Return the condition of the rows after the place; None if there can be none."""
        if self.null:
            return None if self.nulls_after else self.column.is_not(None)
        after: Condition = self.column < self.value if self.descending else self.column > self.value
        return sa.or_(after, self.column.is_(None)) if self.nullable and self.nulls_after else after
