"""The result of a SQL text as a page shows it: rows in parts, folded values, and a chart of a column."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import pairwise
from typing import Any

from deebase.tools.sql_text import RawResult
from deebase.web._studio.charts import chart_svg
from deebase.web._studio.facets import BARS, MOST, MOST_PERIODS, Distribution, Value
from deebase.web._studio.rendering import Cell, cell, shortened, written

#: Rows and cells of a part, characters of a cell, and bytes of all cells and of all folded values.
ROWS, CELLS, LONGEST, SHORTEST = 50, 500, 120, 12
BYTES, FOLDED_BYTES, LONGEST_FOLDED = 12_000, 8_000, 2_000
#: Bytes around a folded value.
_MARKUP = 100
#: Columns of a page.
MOST_COLUMNS = 60


@dataclass(frozen=True)
class ResultCell:
    """A value, and its whole text where it is folded.

    Attributes:
        cell: what is shown at once.
        folded: what is shown when it is opened; "" for nothing.
    """

    cell: Cell
    folded: str = ""


@dataclass(frozen=True)
class ResultPart:
    """The rows of one part of a result.

    Attributes:
        names: of the columns that are shown.
        kinds: the classes of their style.
        rows: the cells of each row.
        first: the number of the first row, from 1.
        total: the number of all rows that were read.
        hidden: the number of columns that are not shown.
        number: of the part, from 1.
        has_more: whether another part follows.
    """

    names: list[str]
    kinds: list[str]
    rows: list[list[ResultCell]]
    first: int
    total: int
    hidden: int
    number: int
    has_more: bool


def part_of(result: RawResult, number: int) -> ResultPart:
    """Return a part of a result; the last one if there are not as many."""
    names = result.names[:MOST_COLUMNS]
    size = max(1, min(ROWS, CELLS // max(1, len(names))))
    number = max(1, min(number, -(-len(result.rows) // size)))
    first = (number - 1) * size
    chosen = result.rows[first : first + size]
    longest = max(SHORTEST, min(LONGEST, BYTES // max(1, len(chosen) * len(names))))
    room = FOLDED_BYTES
    rows: list[list[ResultCell]] = []
    for row in chosen:
        cells: list[ResultCell] = []
        for value in row[: len(names)]:
            made = _shown(value, longest, room)
            room -= _MARKUP + len(escape(made.folded).encode()) if made.folded else 0
            cells.append(made)
        rows.append(cells)
    kinds = [_kind([row[place] for row in result.rows]) for place in range(len(names))]
    return ResultPart(
        names,
        kinds,
        rows,
        first + 1,
        len(result.rows),
        len(result.names) - len(names),
        number,
        first + size < len(result.rows),
    )


def _shown(value: Any, longest: int, room: int) -> ResultCell:
    made = cell(value, longest)
    # Escaping makes some texts several times as long.
    while len(escape(made.text).encode()) > longest + 24:
        made = Cell(shortened(made.text, len(made.text) // 2)[0], made.kind, None, True)
    if not made.is_cut:
        return ResultCell(made)
    whole = shortened(written(value)[1], LONGEST_FOLDED)[0]
    return ResultCell(made, whole if len(escape(whole).encode()) + _MARKUP <= room else "")


def _kind(values: Sequence[Any]) -> str:
    kinds = {written(value)[0] for value in values[:ROWS] if value is not None}
    return kinds.pop() if len(kinds) == 1 else "text"


# -- charts ------------------------------------------------------------------------------------


def chart_of(result: RawResult, name: str) -> tuple[Distribution, str] | None:
    """Return what a chart of a column shows, and its SVG; None for a column that the result does not have.

    Numbers beside a column that names each row are drawn by these names; other numbers by ranges. Of other values, the
    most frequent ones are counted.
    """
    if name not in result.names:
        return None
    place = result.names.index(name)
    values = [row[place] for row in result.rows if row[place] is not None]
    if values and all(_is_number(value) for value in values):
        labels = _labels(result, place)
        shown = _labelled(name, result, place, labels) if labels is not None else _ranges(name, values)
        label = f"{name} by {result.names[labels]}" if labels is not None else None
        return shown, chart_svg(shown.shape, shown.values, label)
    return _frequent(name, values), ""


def _is_number(value: Any) -> bool:
    # Neither NaN nor infinity, whose Decimals cannot be compared.
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and abs(float(value)) < 1e300


def _labels(result: RawResult, place: int) -> int | None:
    """Return the column before the numbers that names each row, if there is one and no number is below zero."""
    if not 0 < len(result.rows) <= MOST_PERIODS or any((row[place] or 0) < 0 for row in result.rows):
        return None
    for other in range(place):
        texts = [written(row[other])[1] for row in result.rows]
        if len(set(texts)) == len(texts):
            return other
    return None


def _labelled(name: str, result: RawResult, place: int, labels: int) -> Distribution:
    numbers = [row[place] or 0 for row in result.rows]
    most = float(max(numbers)) or 1.0
    moments = all(isinstance(row[labels], dt.date) for row in result.rows)
    values = [
        Value(shortened(written(row[labels])[1], 60)[0], number, None, float(number) / most)
        for row, number in zip(result.rows, numbers, strict=True)
    ]
    return Distribution(name, "line" if moments else "histogram", values)


def _ranges(name: str, values: Sequence[Any]) -> Distribution:
    low, high = float(min(values)), float(max(values))
    if low == high:
        return _frequent(name, values)
    width = (high - low) / BARS
    counts = Counter([min(int((float(value) - low) / width), BARS - 1) for value in values])
    edges = [low + width * number for number in range(BARS)] + [high]
    most = max(counts.values())
    shown = [
        Value(f"{start:.6g} \N{EN DASH} {end:.6g}", counts[number], None, counts[number] / most)
        for number, (start, end) in enumerate(pairwise(edges))
    ]
    return Distribution(name, "histogram", shown)


def _frequent(name: str, values: Sequence[Any]) -> Distribution:
    counts = Counter([shortened(written(value)[1], 60)[0] for value in values])
    found = counts.most_common(MOST + 1)
    most = found[0][1] if found else 1
    shown = [Value(text, count, None, count / most) for text, count in found[:MOST]]
    return Distribution(name, "bar", shown, len(found) > MOST)
