"""Scenarios of several calls: a long stream, pages, parents of many rows, and a mixed load of 32 tasks.

`python -m benchmarks.scenarios` measures DeeBase beside the plain driver, on both backends.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import click

from benchmarks.server import running_server
from benchmarks.target import POOL_SIZE, Backend
from deebase import Database, ForeignKey, Table

TASKS = 32
AUTHORS = 100


class Author:
    id: int
    name: str


class Post:
    id: int
    author_id: ForeignKey[int, "author"]
    rank: int
    title: str


@dataclass
class Plan:
    """How much is done."""

    rows: int
    rounds: int
    operations: int


@dataclass
class Figures:
    """Milliseconds of each scenario by who did it, one per round."""

    backend: Backend
    milliseconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, scenario: str, who: str, seconds: float) -> None:
        """Note one round."""
        self.milliseconds.setdefault(scenario, {}).setdefault(who, []).append(seconds * 1000)


class Raw(Protocol):
    """The plain driver."""

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement on a connection of a pool (PostgreSQL) or the only one (SQLite)."""
        ...


class RawSqlite:
    """aiosqlite, one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement."""
        return list(await self._connection.execute_fetchall(sql.replace("$1", "?").replace("$2", "?"), args))


class RawPostgres:
    """asyncpg's pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement."""
        rows: Sequence[Any] = await self._pool.fetch(sql, *args)
        return rows


@asynccontextmanager
async def _raw(backend: Backend, place: str) -> AsyncIterator[Raw]:
    if backend == "sqlite":
        import aiosqlite

        async with aiosqlite.connect(place, isolation_level=None) as connection:
            await connection.execute_fetchall("PRAGMA synchronous=normal")
            yield RawSqlite(connection)
    else:
        import asyncpg

        async with asyncpg.create_pool(place, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            yield RawPostgres(pool)


async def _timed(work: Awaitable[object]) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


# -- parents ---------------------------------------------------------------------------------------


async def parents(posts: Table[Any], raw: Raw, figures: Figures) -> None:
    """A hundred posts with their authors."""
    select = "SELECT id, author_id, rank, title FROM post ORDER BY id LIMIT 100"
    find = "SELECT id, name FROM author WHERE id = $1"

    async def gathered() -> None:
        rows = await posts(order_by="id", limit=100)
        await asyncio.gather(*(posts.fk.author_id(row) for row in rows))

    async def raw_gathered() -> None:
        rows = await raw.all(select)
        await asyncio.gather(*(raw.all(find, row[1]) for row in rows))

    async def joined() -> None:
        await posts.with_parents(posts(order_by="id", limit=100), "author_id")

    async def raw_joined() -> None:
        rows = await raw.all(
            "SELECT p.id, p.author_id, p.rank, p.title, a.id, a.name FROM post p JOIN author a ON a.id = p.author_id "
            "ORDER BY p.id LIMIT 100"
        )
        [({"id": row[0]}, {"id": row[4], "name": row[5]}) for row in rows]

    for name, own, other in (
        ("100 parents under gather", gathered, raw_gathered),
        ("100 parents in bulk", joined, raw_joined),
    ):
        for work in (own, other):
            await work()
        figures.add(name, "deebase", min([await _timed(own()) for _ in range(10)]))
        figures.add(name, "driver", min([await _timed(other()) for _ in range(10)]))


# -- pages -----------------------------------------------------------------------------------------


async def pages(posts: Table[Any], figures: Figures, rows: int) -> None:
    """All rows in pages of a thousand, by keyset and by OFFSET."""

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

    for name, work in (("keyset", by_key), ("offset", by_offset)):
        start = time.perf_counter()
        found = await work()
        figures.add(f"{rows:,} rows in pages of 1,000", name, time.perf_counter() - start)
        if found != rows:
            raise AssertionError(f"{name}: {found} rows instead of {rows}")


# -- mixed load ------------------------------------------------------------------------------------


async def mixed(read: Callable[[int], Awaitable[object]], write: Callable[[int], Awaitable[object]], plan: Plan) -> Any:
    """Return seconds and latencies of 32 tasks, nine reads to a write."""
    dice = random.Random(3)
    calls = iter([(dice.random() < 0.1, dice.randrange(1, AUTHORS)) for _ in range(plan.operations)])
    latencies: list[float] = []

    async def work() -> None:
        for writes, key in calls:
            start = time.perf_counter()
            await (write(key) if writes else read(key))
            latencies.append(time.perf_counter() - start)

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(work())
    return time.perf_counter() - begin, sorted(latencies)


async def mixed_load(posts: Table[Any], raw: Raw, figures: Figures, plan: Plan) -> None:
    """Reads by key with a tenth of updates."""
    sides = {
        "deebase": (posts.get, lambda key: posts.update({"id": key, "rank": key})),
        "driver": (
            lambda key: raw.all("SELECT id, author_id, rank, title FROM post WHERE id = $1", key),
            lambda key: raw.all(
                "UPDATE post SET rank = $1 WHERE id = $2 RETURNING id, author_id, rank, title", key, key
            ),
        ),
    }
    for who, (read, write) in sides.items():
        seconds, latencies = await mixed(read, write, plan)
        figures.add(f"{plan.operations:,} operations by {TASKS} tasks, a tenth of them writes", who, seconds)
        for percent in (50, 99):
            place = min(len(latencies) - 1, math.ceil(len(latencies) * percent / 100))
            figures.add(f"  p{percent} of one of them", who, latencies[place])


# -- streams ---------------------------------------------------------------------------------------

_STREAM = """
import asyncio, sys, time
place, rows, who = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# Both load it, so that only the stream differs.
import deebase, aiosqlite, asyncpg
from deebase import Database

async def by_deebase():
    async with Database(place) as db:
        await db.item("SELECT 1")
        start, count = time.perf_counter(), 0
        async for row in db.stream("SELECT id, author_id, rank, title FROM post"):
            count += 1
        return count, time.perf_counter() - start

async def by_driver():
    if place.startswith("postgresql"):
        connection = await asyncpg.connect(place)
        start, count = time.perf_counter(), 0
        async with connection.transaction():
            async for row in connection.cursor("SELECT id, author_id, rank, title FROM post", prefetch=1000):
                dict(row)
                count += 1
    else:
        connection = await aiosqlite.connect(place)
        start, count = time.perf_counter(), 0
        async with connection.execute("SELECT id, author_id, rank, title FROM post") as cursor:
            while found := await cursor.fetchmany(1000):
                for row in found:
                    dict(zip(("id", "author_id", "rank", "title"), row))
                    count += 1
    result = count, time.perf_counter() - start
    await connection.close()
    return result

count, seconds = asyncio.run(by_deebase() if who == "deebase" else by_driver())
assert count == rows, count
print(seconds)
"""


def stream(place: str, figures: Figures, rows: int) -> None:
    """All rows through a cursor, each side in a process of its own."""
    for who in ("deebase", "driver"):
        done = subprocess.run(
            [sys.executable, "-c", _STREAM, place, str(rows), who], capture_output=True, text=True, check=True
        )
        figures.add(f"stream of {rows:,} rows", who, float(done.stdout))


# -- together --------------------------------------------------------------------------------------


async def measure(backend: Backend, place: str, plan: Plan) -> Figures:
    """Return the figures of one backend."""
    figures = Figures(backend)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database(place, durability="normal", pool_size=POOL_SIZE))
        authors = await db.create(Author)
        posts = await db.create(Post, indexes=[("rank", "id")])
        await authors.insert_all({"name": f"author {n}"} for n in range(AUTHORS))
        dice = random.Random(5)
        await posts.insert_all(
            {"author_id": n % AUTHORS + 1, "rank": dice.randrange(1000), "title": f"post {n}"} for n in range(plan.rows)
        )
        raw = await stack.enter_async_context(_raw(backend, place))
        await raw.all("ANALYZE")
        for _ in range(plan.rounds):
            await parents(posts, raw, figures)
            await mixed_load(posts, raw, figures, plan)
        await posts.delete_where(posts.c.id > plan.rows // 3)
        for _ in range(min(plan.rounds, 3)):
            await pages(posts, figures, plan.rows // 3)
    return figures


async def measure_stream(backend: Backend, place: str, plan: Plan, figures: Figures) -> None:
    """Add the stream, over as many rows as planned."""
    async with Database(place, durability="normal") as db:
        missing = plan.rows - await db.item("SELECT count(*) FROM post")
        await db.q(
            "INSERT INTO post (author_id, rank, title) SELECT 1, id % 1000, title FROM post p, "
            f"(SELECT 1 AS one FROM post LIMIT 10) AS more LIMIT {missing}"
        )
    stream(place, figures, plan.rows)


def lines(figures: Figures) -> list[str]:
    """Return the figures as lines of a Markdown table."""
    result = [f"| {figures.backend} | DeeBase, ms | reference, ms | ratio |", "|---|---|---|---|"]
    for scenario, sides in figures.milliseconds.items():
        medians = {who: statistics.median(values) for who, values in sides.items()}
        (own, first), (other, second) = medians.items()
        names = "" if other == "driver" else f" ({own} against {other})"
        result.append(f"| {scenario.strip()}{names} | {first:,.2f} | {second:,.2f} | {first / second:.2f} |")
    return result


@click.command()
@click.option("--backend", type=click.Choice(["sqlite", "postgres", "all"]), default="all")
@click.option("--quick", is_flag=True, help="Measure less; the figures are rough.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(backend: str, quick: bool, json_file: Path | None) -> None:
    """Measure what takes more than one call."""
    plan = Plan(6_000, 1, 640) if quick else Plan(300_000, 5, 20_000)
    found: list[Figures] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbbench-")))
        if backend in ("sqlite", "all"):
            place = str(directory / "scenarios.db")
            found.append(asyncio.run(measure("sqlite", place, plan)))
            asyncio.run(measure_stream("sqlite", place, plan, found[-1]))
        if backend in ("postgres", "all"):
            server = stack.enter_context(running_server())
            place = f"postgresql://postgres@/postgres?host={server.directory}&port={server.port}"
            found.append(asyncio.run(measure("postgres", place, plan)))
            asyncio.run(measure_stream("postgres", place, plan, found[-1]))
    for figures in found:
        click.echo("\n".join(lines(figures)) + "\n")
    if json_file:
        json_file.write_text(json.dumps([vars(figures) for figures in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.scenarios")
