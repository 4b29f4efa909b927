"""Measures the worst latency of a get during a scan of the whole table: `python -m benchmarks.fairness`."""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.server import running_server
from deebase import Database, Table

TASKS = 32

Scan = Callable[[Database], Awaitable[None]]


@dataclass
class Person:
    id: int
    name: str
    email: str
    age: int
    score: float
    created: str


async def count(db: Database) -> None:
    """Scan every row inside the database."""
    await db.item("SELECT count(*) FROM person WHERE name LIKE '%no such name%'")


async def stream(db: Database) -> None:
    """Read every row."""
    async for _ in db.stream("SELECT * FROM person"):
        pass


@dataclass
class Latencies:
    """Microseconds of the gets of all rounds."""

    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    scans: int = 0


async def fill(db: Database, rows: int) -> Table[Person]:
    """Create a table with this number of rows."""
    table = await db.create(Person)
    await table.insert_all(
        {
            "name": f"Person {n}",
            "email": f"person{n}@example.org",
            "age": n % 80,
            "score": n / 8,
            "created": "2024-01-01",
        }
        for n in range(rows)
    )
    return table


async def gets(table: Table[Person], rows: int, seconds: float) -> list[float]:
    """Return the microseconds of each get of this number of tasks during the time."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def work(dice: random.Random) -> None:
        while (start := time.perf_counter()) < end:
            await table[dice.randrange(1, rows + 1)]
            taken.append((time.perf_counter() - start) * 1e6)

    async with asyncio.TaskGroup() as group:
        for number in range(TASKS):
            group.create_task(work(random.Random(number)))
    return taken


async def measure(db: Database, table: Table[Person], scan: Scan, rows: int, rounds: int, seconds: float) -> Latencies:
    """Measure the gets without and with a concurrent scan, in turn."""
    result = Latencies()

    async def scan_again_and_again() -> None:
        while True:
            await scan(db)
            result.scans += 1

    await gets(table, rows, seconds / 4)
    for _ in range(rounds):
        result.alone += await gets(table, rows, seconds)
        scanning = asyncio.create_task(scan_again_and_again())
        result.beside += await gets(table, rows, seconds)
        scanning.cancel()
        await asyncio.wait([scanning])
    return result


def percentile(values: list[float], percent: int) -> float:
    """Return the percentile."""
    return statistics.quantiles(values, n=100)[percent - 1]


def report(name: str, result: Latencies) -> str:
    """Return the line of one measurement."""
    alone, beside = (percentile(values, 99) for values in (result.alone, result.beside))
    half_alone, half_beside = (percentile(values, 50) for values in (result.alone, result.beside))
    return (
        f"{name:15} p50 {half_alone:7.0f} -> {half_beside:7.0f} us   p99 {alone:7.0f} -> {beside:7.0f} us   "
        f"ratio {beside / alone:5.2f}   gets {len(result.alone)} / {len(result.beside)}, scans {result.scans}"
    )


async def compare(name: str, url: str, rows: int, rounds: int, seconds: float, say: Callable[[str], None]) -> None:
    """Measure one database."""
    async with Database(url) as db:
        table = await fill(db, rows)
        # Garbage collections skip the objects that are loaded now; otherwise they would block the loop.
        gc.collect()
        gc.freeze()
        for scan in (count, stream):
            say(report(f"{name} {scan.__name__}", await measure(db, table, scan, rows, rounds, seconds)))


@click.command()
@click.option("--backend", type=click.Choice(["sqlite", "postgres", "all"]), default="all", help="Database.")
@click.option("--rows", type=click.IntRange(min=1000), default=200_000, help="Rows of the table.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Measurements of each.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=1.0, help="Per measurement.")
def main(backend: str, rows: int, rounds: int, seconds: float) -> None:
    """Print p50 and p99 of a get at 32 tasks, without and with a concurrent scan of the full table."""
    with ExitStack() as stack:
        if backend in ("sqlite", "all"):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbfair-")))
            asyncio.run(compare("sqlite", str(directory / "fairness.db"), rows, rounds, seconds, click.echo))
        if backend in ("postgres", "all"):
            url = stack.enter_context(running_server()).url
            asyncio.run(compare("postgres", url, rows, rounds, seconds, click.echo))


if __name__ == "__main__":
    main()
