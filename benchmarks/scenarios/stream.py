"""All rows of a table through a cursor, each side in a process of its own.

`python -m benchmarks.scenarios.stream PLACE ROWS SIDE` prints the seconds of wall time and of CPU time.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import aiosqlite
import asyncpg

from benchmarks.clock import Clock, Cost
from benchmarks.scenarios.bench import Bench
from benchmarks.target import Target
from deebase import Database

NAMES = ("id", "author_id", "rank", "title")
SELECT = "SELECT id, author_id, rank, title FROM post"
BATCH = 1000


async def stream(bench: Bench, target: Target) -> None:
    """Fill the table up, and stream it."""
    rows = bench.plan.rows
    missing = rows - await bench.db.item("SELECT count(*) FROM post")
    await bench.db.q(
        "INSERT INTO post (author_id, rank, title) SELECT 1, id % 1000, title FROM post p, "
        f"(SELECT 1 AS one FROM post LIMIT 10) AS more LIMIT {missing}"
    )
    place = target.url if target.backend == "postgres" else str(target.place)
    for _ in range(min(bench.plan.rounds, 3)):
        for side in ("deebase", "driver"):
            command = [sys.executable, "-m", "benchmarks.scenarios.stream", place, str(rows), side]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
            wall, cpu = map(float, done.stdout.split())
            bench.of(f"stream of {rows:,} rows", side).add(Cost(wall, cpu))


async def _by_deebase(place: str, clock: Clock) -> int:
    async with Database(place) as db:
        await db.item("SELECT 1")
        clock.start()
        count = 0
        async for _ in db.stream(SELECT):
            count += 1
        return count


async def _by_asyncpg(place: str, clock: Clock) -> int:
    connection = await asyncpg.connect(place)
    clock.start()
    count = 0
    async with connection.transaction():
        async for row in connection.cursor(SELECT, prefetch=BATCH):
            dict(row)
            count += 1
    return count


async def _by_aiosqlite(place: str, clock: Clock) -> int:
    connection = await aiosqlite.connect(place)
    clock.start()
    count = 0
    async with connection.execute(SELECT) as cursor:
        while found := await cursor.fetchmany(BATCH):
            for row in found:
                dict(zip(NAMES, row, strict=True))
                count += 1
    await connection.close()
    return count


async def _main(place: str, rows: int, side: str) -> None:
    by_driver = _by_asyncpg if place.startswith("postgresql") else _by_aiosqlite
    clock = Clock()
    count = await (_by_deebase if side == "deebase" else by_driver)(place, clock)
    cost = clock.stop()
    if count != rows:
        raise AssertionError(f"{count} rows in the stream instead of {rows}")
    print(cost.wall, cost.cpu)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
