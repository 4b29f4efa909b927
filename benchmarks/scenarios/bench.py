"""The two sides of a scenario: DeeBase's tables, and the driver by hand."""

from __future__ import annotations

import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.clock import Clock
from benchmarks.figures import Figures
from benchmarks.target import POOL_SIZE, Backend, Target
from deebase import Database, ForeignKey, Table

AUTHORS = 100
WARM_UP = 10

Work = Callable[[], Awaitable[object]]


class Author:
    id: int
    name: str


class Post:
    id: int
    author_id: ForeignKey[int, "author"]
    rank: int
    title: str


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        rows: Posts.
        large: Rows of the large table.
        rounds: Measurements of each scenario; the median counts.
        operations: Calls of the mixed load.
        calls: The maximum number of calls of a round of the other scenarios.
    """

    rows: int
    large: int
    rounds: int
    operations: int
    calls: int


FULL = Plan(rows=300_000, large=1_000_000, rounds=5, operations=20_000, calls=1_000)
QUICK = Plan(rows=3_000, large=10_000, rounds=1, operations=320, calls=3)


class Raw(Protocol):
    """The plain driver; the parameters are `$1` and `$2` for both databases."""

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement on a connection of a pool (PostgreSQL) or the only one (SQLite)."""
        ...


class RawSqlite:
    """aiosqlite, one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement."""
        return list(await self._connection.execute_fetchall(sql.replace("$", "?"), args))


class RawPostgres:
    """asyncpg's pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def all(self, sql: str, *args: object) -> Sequence[Any]:
        """Run one statement."""
        rows: Sequence[Any] = await self._pool.fetch(sql, *args)
        return rows


@asynccontextmanager
async def _raw(target: Target) -> AsyncIterator[Raw]:
    if target.backend == "sqlite":
        import aiosqlite

        async with aiosqlite.connect(target.place, isolation_level=None) as connection:
            for pragma in target.pragmas:
                await connection.execute_fetchall(pragma)
            yield RawSqlite(connection)
    else:
        import asyncpg

        async with asyncpg.create_pool(target.url, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            yield RawPostgres(pool)


@dataclass
class Bench:
    """One database with its rows, both sides connected, and the figures."""

    backend: Backend
    db: Database
    posts: Table[Any]
    raw: Raw
    clock: Clock
    plan: Plan
    figures: dict[tuple[str, str], Figures] = field(default_factory=dict[tuple[str, str], Figures])

    def of(self, work: str, side: str) -> Figures:
        """Return the figures of one side."""
        return self.figures.setdefault((work, side), Figures(self.backend, work, side))

    async def compare(self, work: str, own: Work, by_hand: Work, calls: int) -> None:
        """Measure the rounds of a scenario; each round begins with the other side."""
        calls = min(calls, self.plan.calls)
        sides = [("deebase", own), ("driver", by_hand)]
        for name, side in sides:
            self.of(work, name)
            for _ in range(min(WARM_UP, calls)):
                await side()
        for number in range(self.plan.rounds):
            for name, side in sides if number % 2 else reversed(sides):
                await self.measure(work, name, side, calls)

    async def measure(self, work: str, name: str, side: Work, calls: int = 1) -> None:
        """Measure one round of one side."""
        gc.collect()
        self.clock.start()
        for _ in range(calls):
            await side()
        self.of(work, name).add(self.clock.stop().per(calls))


@asynccontextmanager
async def prepared(target: Target, plan: Plan, clock: Clock) -> AsyncIterator[Bench]:
    """Make the rows, and connect both sides."""
    place = target.url if target.backend == "postgres" else str(target.place)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database(place, durability=target.durability, pool_size=POOL_SIZE))
        authors, posts = await db.create_all(Author, Post, options={Post: {"indexes": [("rank", "id")]}})
        await authors.insert_all({"name": f"author {n}"} for n in range(AUTHORS))
        dice = random.Random(5)
        await posts.insert_all(
            {"author_id": n % AUTHORS + 1, "rank": dice.randrange(1000), "title": f"post {n}"} for n in range(plan.rows)
        )
        raw = await stack.enter_async_context(_raw(target))
        await raw.all("ANALYZE")
        yield Bench(target.backend, db, posts, raw, clock, plan)
