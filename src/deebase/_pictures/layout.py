"""The positions of the boxes of a diagram, and the routes of the lines between them.

Tables are placed in columns: a table is to the right of the tables that it refers to. A line that crosses a column runs
through a gap that is reserved for it, so no line runs through a box (the method of Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP = 28.0
#: The height of the gap for a line that crosses a column.
PASSAGE = 14.0
GUTTER = 56.0
LANE = 9.0
MARGIN = 16.0

Point = tuple[float, float]


@dataclass
class Slot:
    """An element of a column: a box of this size, or (without a name) the gap for a line."""

    name: str | None
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    #: The right edge of its column.
    edge: float = 0.0
    #: The connected slots in the neighbouring columns.
    left: list[Slot] = field(default_factory=lambda: list[Slot]())
    right: list[Slot] = field(default_factory=lambda: list[Slot]())


@dataclass(frozen=True)
class Edge:
    """A line from one box to another or to itself; each end is at a distance below the top of its box."""

    child: str
    child_at: float
    parent: str
    parent_at: float


@dataclass
class Layout:
    """Boxes by name, the points of each line from child to parent, and the total size."""

    slots: dict[str, Slot]
    paths: list[list[Point]]
    width: float
    height: float


def arranged(sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Place boxes of these sizes and route the lines between them."""
    joined = {name for edge in edges if edge.child != edge.parent for name in (edge.child, edge.parent)}
    ranks = _ranks(sizes, [edge for edge in edges if edge.child != edge.parent], joined)
    slots = {name: Slot(name, *size) for name, size in sizes.items()}
    columns: list[list[Slot]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        columns[rank].append(slots[name])
    chains = [_chain(edge, ranks, slots, columns) for edge in edges]
    _untangle(columns)
    bottom = _place(columns, chains)
    bottom = _grid([slots[name] for name in sizes if name not in ranks], columns, bottom)
    paths = [_path(edge, chain, slots) for edge, chain in zip(edges, chains, strict=True)]
    _spread(paths)
    right = max([slot.x + slot.width for slot in slots.values()], default=0.0)
    loops = GUTTER / 2 if any(edge.child == edge.parent for edge in edges) else 0.0
    return Layout(slots, paths, right + loops + MARGIN, bottom + MARGIN)


# -- columns -----------------------------------------------------------------------------------


def _ranks(sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge], joined: set[str]) -> dict[str, int]:
    """Return the column of each connected box: to the right of the boxes that it refers to, except in cycles."""
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        parents[edge.child].append(edge.parent)
    order: list[str] = []
    state: dict[str, bool] = {}
    before: dict[str, list[str]] = defaultdict(list)
    for first in [name for name in sizes if name in joined]:
        _visit(first, parents, state, order, before)
    # About as high as wide, so that a table with many children does not make one tall column.
    area = sum(sizes[name][1] + GAP for name in order) * (max([sizes[name][0] for name in order], default=0) + GUTTER)
    limit = max(math.sqrt(area), max([sizes[name][1] for name in order], default=0.0))
    heights: dict[int, float] = defaultdict(float)
    ranks: dict[str, int] = {}
    for name in order:
        rank = max([ranks[parent] + 1 for parent in before[name]], default=0)
        while heights[rank] and heights[rank] + sizes[name][1] > limit:
            rank += 1
        heights[rank] += sizes[name][1] + GAP
        ranks[name] = rank
    used = {rank: place for place, rank in enumerate(sorted(set(ranks.values())))}
    return {name: used[rank] for name, rank in ranks.items()}


def _visit(
    first: str,
    parents: Mapping[str, list[str]],
    state: dict[str, bool],
    order: list[str],
    before: dict[str, list[str]],
) -> None:
    """Append a box after all boxes that it refers to, except for references that close a cycle."""
    stack = [(first, iter(parents.get(first, ())))]
    if first in state:
        return
    state[first] = False
    while stack:
        name, waiting = stack[-1]
        parent = next(waiting, None)
        if parent is None:
            stack.pop()
            state[name] = True
            order.append(name)
        elif parent not in state:
            state[parent] = False
            before[name].append(parent)
            stack.append((parent, iter(parents.get(parent, ()))))
        elif state[parent]:
            before[name].append(parent)


def _chain(edge: Edge, ranks: Mapping[str, int], slots: Mapping[str, Slot], columns: list[list[Slot]]) -> list[Slot]:
    """Return the slots of a line from left to right, with gaps in the columns that it crosses."""
    if edge.child == edge.parent:
        return []
    left, right = sorted((edge.child, edge.parent), key=lambda name: ranks[name])
    chain = [slots[left]]
    for rank in range(ranks[left] + 1, ranks[right]):
        passage = Slot(None, 0.0, PASSAGE)
        columns[rank].append(passage)
        chain.append(passage)
    chain.append(slots[right])
    for one, other in pairwise(chain):
        one.right.append(other)
        other.left.append(one)
    return chain


def _untangle(columns: list[list[Slot]]) -> None:
    """Order each column by the mean position of the connected slots, in alternating directions."""
    for turn in range(8):
        forward = turn % 2 == 0
        places = {id(slot): place for column in columns for place, slot in enumerate(column)}
        for column in columns if forward else reversed(columns):

            def middle(slot: Slot, forward: bool = forward, places: dict[int, int] = places) -> float:
                beside = slot.left if forward else slot.right
                if not beside:
                    return float(places[id(slot)])
                return sum(places[id(other)] for other in beside) / len(beside)

            column.sort(key=middle)
            places.update({id(slot): place for place, slot in enumerate(column)})


def _place(columns: list[list[Slot]], chains: Sequence[Sequence[Slot]]) -> float:
    """Set the positions of all slots; return the bottom of the lowest."""
    heights = [sum(slot.height + GAP for slot in column) - GAP for column in columns]
    tallest = max(heights, default=0.0)
    crossing = [0] * (len(columns) + 1)
    where = {id(slot): rank for rank, column in enumerate(columns) for slot in column}
    for chain in chains:
        for slot in chain[:-1]:
            crossing[where[id(slot)]] += 1
    x = MARGIN
    for rank, column in enumerate(columns):
        y = MARGIN + (tallest - heights[rank]) / 2
        width = max([slot.width for slot in column], default=0.0)
        for slot in column:
            slot.x, slot.y, slot.edge = x, y, x + width
            slot.width = width if slot.name is None else slot.width
            y += slot.height + GAP
        x += width + GUTTER + LANE * crossing[rank]
    return MARGIN + tallest if columns else MARGIN


def _grid(free: Sequence[Slot], columns: list[list[Slot]], bottom: float) -> float:
    """Place unconnected boxes below the others, in rows; return the bottom of the lowest."""
    if not free:
        return bottom
    wide = max([slot.x + slot.width for column in columns for slot in column], default=0.0)
    room = max(wide, 2.5 * math.sqrt(sum(slot.width * slot.height for slot in free)), max(s.width for s in free))
    x, y, tall = MARGIN, bottom + (GAP if columns else 0.0), 0.0
    for slot in free:
        if x > MARGIN and x + slot.width > room + MARGIN:
            x, y, tall = MARGIN, y + tall + GAP, 0.0
        slot.x, slot.y = x, y
        x, tall = x + slot.width + GAP, max(tall, slot.height)
    return y + tall


# -- lines -------------------------------------------------------------------------------------


def _path(edge: Edge, chain: Sequence[Slot], slots: Mapping[str, Slot]) -> list[Point]:
    """Return the corners of a line from child to parent; the lines of one gutter still share its middle."""
    child, parent = slots[edge.child], slots[edge.parent]
    start, end = child.y + edge.child_at, parent.y + edge.parent_at
    if not chain:
        # A line from a box to itself leaves it to the right and returns.
        x = child.x + child.width
        return [(x, start), (x + GUTTER / 3, start), (x + GUTTER / 3, end), (x, end)]
    heights = [slot.y + slot.height / 2 for slot in chain]
    leftwards = chain[-1] is child
    heights[0], heights[-1] = (end, start) if leftwards else (start, end)
    points = [(chain[0].x + chain[0].width, heights[0])]
    for (one, from_y), (other, to_y) in pairwise(zip(chain, heights, strict=True)):
        middle = (one.edge + other.x) / 2
        points += [(middle, from_y), (middle, to_y), (other.x, to_y)]
        if other.name is None:
            points.append((other.x + other.width, to_y))
    return points[::-1] if leftwards else points


def _spread(paths: list[list[Point]]) -> None:
    """Move the vertical segments of lines in the same gutter apart."""
    gutters: dict[float, list[tuple[int, int]]] = defaultdict(list)
    for number, path in enumerate(paths):
        for place, ((x, y), (other_x, other_y)) in enumerate(pairwise(path)):
            if x == other_x and y != other_y:
                gutters[round(x, 1)].append((number, place))
    for pieces in gutters.values():
        # Segments that lead to the same point stay together.
        ends = sorted({paths[number][-1] for number, _ in pieces}, key=lambda point: (point[1], point[0]))
        for number, place in pieces:
            shift = (ends.index(paths[number][-1]) - (len(ends) - 1) / 2) * LANE
            for corner in (place, place + 1):
                x, y = paths[number][corner]
                paths[number][corner] = (x + shift, y)
