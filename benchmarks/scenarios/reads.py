"""Reads of many rows: with their parents, from a large table, in pages."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scenarios.bench import Bench
from benchmarks.target import Backend

POST = ("id", "author_id", "rank", "title")
EVENT = ("id", "kind", "score", "note")
#: Rows of the large table that have the same kind.
SAME_KIND = 50


class Event:
    id: int
    kind: int
    score: float
    note: str


def as_dicts(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the driver's rows as dicts, as DeeBase does."""
    return [dict(zip(names, row, strict=True)) for row in rows]


# -- parents ---------------------------------------------------------------------------------------


async def parents(bench: Bench) -> None:
    """Read a hundred posts with their authors."""
    posts, raw = bench.posts, bench.raw
    select = "SELECT id, author_id, rank, title FROM post ORDER BY id LIMIT 100"
    find = "SELECT id, name FROM author WHERE id = $1"
    find_all = f"SELECT id, name FROM author WHERE id IN ({', '.join(f'${number}' for number in range(1, 101))})"

    async def gathered() -> object:
        rows = await posts(order_by="id", limit=100)
        return await asyncio.gather(*(posts.fk.author_id(row) for row in rows))

    async def gathered_by_hand() -> object:
        rows = as_dicts(POST, await raw.all(select))
        found = await asyncio.gather(*(raw.all(find, row["author_id"]) for row in rows))
        return [as_dicts(("id", "name"), one)[0] for one in found]

    async def joined() -> list[tuple[Any, Any]]:
        return await posts.with_parents(posts(order_by="id", limit=100), "author_id")

    async def joined_by_hand() -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        rows = as_dicts(POST, await raw.all(select))
        found = as_dicts(("id", "name"), await raw.all(find_all, *(row["author_id"] for row in rows)))
        authors = {author["id"]: author for author in found}
        return [(row, authors[row["author_id"]]) for row in rows]

    if await joined() != await joined_by_hand():
        raise AssertionError("the sides differ in the parents")
    await bench.compare("100 parents under gather", gathered, gathered_by_hand, 20)
    await bench.compare("100 parents with_parents", joined, joined_by_hand, 100)


# -- a large table ---------------------------------------------------------------------------------


def _filling(backend: Backend, rows: int) -> str:
    numbers = (
        f"generate_series(1, {rows}) AS numbers(n)"
        if backend == "postgres"
        else f"(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {rows}) SELECT n FROM r)"
    )
    return (
        f"INSERT INTO event (kind, score, note) SELECT n % {rows // SAME_KIND}, n / 8.0, 'event ' || n FROM {numbers}"
    )


async def large_table(bench: Bench) -> None:
    """Read twenty of fifty rows that meet a condition, in the order of their keys."""
    rows = bench.plan.large
    events = await bench.db.create(Event, indexes=["kind"])
    await bench.db.q(_filling(bench.backend, rows))
    await bench.raw.all("ANALYZE event")
    kinds = itertools.cycle(range(0, rows // SAME_KIND, 97))
    select = "SELECT id, kind, score, note FROM event WHERE kind = $1 ORDER BY id LIMIT 20"

    async def found(kind: int) -> list[Any]:
        return await events(events.c.kind == kind, order_by="id", limit=20)

    async def by_hand(kind: int) -> list[dict[str, Any]]:
        return as_dicts(EVENT, await bench.raw.all(select, kind))

    if await found(5) != await by_hand(5):
        raise AssertionError("the sides differ in the rows of the large table")
    work = f"20 of {rows:,} rows by an indexed condition"
    await bench.compare(work, lambda: found(next(kinds)), lambda: by_hand(next(kinds)), 200)


# -- pages -----------------------------------------------------------------------------------------


async def pages(bench: Bench) -> None:
    """Read all rows in pages of a thousand, by keyset and by OFFSET."""
    posts = bench.posts
    rows = bench.plan.rows // 3
    await posts.delete_where(posts.c.id > rows)

    async def by_key() -> int:
        count, cursor = 0, None
        while True:
            page = await posts.page(size=1000, order_by="rank", after=cursor)
            count, cursor = count + len(page.rows), page.next
            if cursor is None:
                return count

    async def by_offset() -> int:
        count = 0
        while True:
            found = await posts(order_by=["rank", "id"], limit=1000, offset=count)
            count += len(found)
            if len(found) < 1000:
                return count

    if (found := await by_key()) != rows:
        raise AssertionError(f"{found} rows in pages instead of {rows}")
    for _ in range(min(bench.plan.rounds, 3)):
        for name, work in (("keyset", by_key), ("offset", by_offset)):
            await bench.measure(f"{rows:,} rows in pages of 1,000", name, work)
