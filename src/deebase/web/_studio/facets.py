"""What the values of a column are, and how often each occurs: facets and charts, within a time limit."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from deebase import DeeBaseError
from deebase.queries import count, day, max_, min_, month, year
from deebase.web._studio.labels import Reference, references_of
from deebase.web._studio.rendering import cell
from deebase.web._studio.site import Site
from deebase.web._studio.state import TableState
from deebase.web._studio.table_fields import Fields

#: Values that are shown, and bars of a histogram.
MOST, BARS = 10, 12
#: Periods of a line.
MOST_PERIODS = 80


@dataclass(frozen=True)
class Value:
    """A value of a column, or a range of them.

    Attributes:
        text: what is shown.
        count: the number of rows; in the chart of a result, the value itself.
        address: the query of the address of these rows; None if no filter finds them.
        share: of the largest count, from 0 to 1.
        is_chosen: whether the page shows these rows alone.
    """

    text: str
    count: int | float | Decimal
    address: str | None
    share: float
    is_chosen: bool = False


@dataclass(frozen=True)
class Distribution:
    """The values of a column.

    Attributes:
        column: its name.
        shape: "bar" for the most frequent values, "histogram" for ranges, "line" for periods.
        values: in the order in which they are shown.
        has_more: whether there are other values.
        problem: why there is none.
    """

    column: str
    shape: str = "bar"
    values: list[Value] = field(default_factory=list[Value])
    has_more: bool = False
    problem: str | None = None


class Facets:
    """Counts values among the rows of a page and its neighbours.

    Args:
        site: whose table it is.
        fields: the columns of the table.
        state: which rows are meant.
    """

    def __init__(self, site: Site, fields: Fields, state: TableState) -> None:
        self._site = site
        self._fields = fields
        self._state = state
        self._where: list[Any] = [item.condition(fields) for item in state.filters]

    async def values(self, column: str) -> Distribution:
        """Return the most frequent values of a column."""
        return await self._limited(column, self._frequent(column))

    async def chart(self, column: str) -> Distribution:
        """Return what a chart of a column shows: ranges of numbers, periods, or the most frequent values."""
        kind = self._fields.kinds[column]
        is_reference = column in references_of(self._site, self._fields, [column])
        if kind == "number" and not is_reference and column not in self._fields.handle.pks:
            return await self._limited(column, self._ranges(column))
        if kind == "moment" and issubclass(self._fields.columns[column].type.python, dt.date):
            return await self._limited(column, self._periods(column))
        return await self.values(column)

    async def _limited(self, column: str, counting: Awaitable[Distribution]) -> Distribution:
        seconds = self._site.limits.facet_seconds
        try:
            async with asyncio.timeout(seconds):
                return await counting
        except TimeoutError:
            return Distribution(column, problem=f"Not counted, because it takes longer than {seconds:g} s.")
        except DeeBaseError as error:
            return Distribution(column, problem=error.message)

    async def _group(self, by: dict[str, Any], *conditions: Any, **options: Any) -> list[dict[str, Any]]:
        where = [*self._where, *conditions] or None
        return await self._fields.handle.group(by, n=count(), where=where, **options)

    async def _frequent(self, column: str) -> Distribution:
        by: dict[str, Any] = {"value": self._fields.handle.c[column]}
        reference: Reference | None = references_of(self._site, self._fields, [column]).get(column)
        if reference is not None and reference.label is not None:
            by["label"] = reference.label
        rows = await self._group(by, order_by="-n", limit=MOST + 1)
        most = max([row["n"] for row in rows], default=1)
        values = [self._value(column, row, most) for row in rows[:MOST]]
        return Distribution(column, "bar", values, len(rows) > MOST)

    def _value(self, column: str, row: dict[str, Any], most: int) -> Value:
        value, label = row["value"], row.get("label")
        text = cell(value if label is None else label, 60).text
        code = "null" if value is None else "is"
        written = self._fields.text_of(column, value)
        texts: tuple[str, ...] = () if written is None else (written,)
        address = None if value is not None and not texts else self._state.filtered(code, column, *texts)
        chosen = any((item.code, item.column, item.texts) == (code, column, texts) for item in self._state.filters)
        return Value(text, row["n"], address, row["n"] / most, chosen)

    async def _ends(self, column: str) -> tuple[Any, Any]:
        (row,) = await self._fields.handle.group(
            low=min_(column), high=max_(column), where=[*self._where, self._fields.handle.c[column].is_not(None)]
        )
        return row["low"], row["high"]

    async def _ranges(self, column: str) -> Distribution:
        low, high = await self._ends(column)
        if low is None or not isinstance(low, type(high)) or isinstance(low, (str, bytes)):
            return Distribution(column, "histogram")
        if low == high:
            return await self._frequent(column)
        edges = _edges(low, high)
        expression = self._fields.handle.c[column]
        numbered = sa.case(*[(expression < edge, n) for n, edge in enumerate(edges[1:-1])], else_=len(edges) - 2)
        rows = await self._group({"range": numbered}, expression.is_not(None))
        counts = {row["range"]: row["n"] for row in rows}
        most = max([*counts.values(), 1])
        # Both ends of a filter belong to it.
        last = 1 if isinstance(low, int) else 0
        ranges = [(a, b - last) for a, b in pairwise(edges)]
        values = [
            Value(
                f"{_short(a)} \N{EN DASH} {_short(b)}",
                counts.get(n, 0),
                self._between(column, a, b),
                counts.get(n, 0) / most,
            )
            for n, (a, b) in enumerate(ranges)
        ]
        return Distribution(column, "histogram", values)

    def _between(self, column: str, low: Any, high: Any) -> str:
        others = TableState.read(
            [*self._state.pairs(without=column), (f"from.{column}", f"{low}"), (f"to.{column}", f"{high}")],
            self._fields,
        )
        return others.address()

    async def _periods(self, column: str) -> Distribution:
        low, high = await self._ends(column)
        if not isinstance(low, dt.date) or not isinstance(high, dt.date):
            return Distribution(column, "line")
        days = (dt.date(high.year, high.month, high.day) - dt.date(low.year, low.month, low.day)).days
        period, length = (day, 10) if days <= 62 else (month, 7) if days <= 1500 else (year, 4)
        is_given = self._fields.handle.c[column].is_not(None)
        rows = await self._group({"period": period(column)}, is_given, order_by="period", limit=MOST_PERIODS)
        most = max([row["n"] for row in rows], default=1)
        values = [Value(str(row["period"])[:length], row["n"], None, row["n"] / most) for row in rows]
        return Distribution(column, "line", values)


def _edges(low: Any, high: Any) -> Sequence[Any]:
    """Return the borders of ranges of equal width; of whole numbers where the values are whole."""
    if isinstance(low, int):
        step = max(1, -(-(high - low + 1) // BARS))
        edges = list(range(low, high + 1, step))
        return [*edges, edges[-1] + step]
    step = (high - low) / BARS
    return [*[low + step * n for n in range(BARS)], high]


def _short(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
