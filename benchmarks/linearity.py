"""Measures how the time of bulk operations grows with the number of rows: `python -m benchmarks.linearity`."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.report import compared
from benchmarks.server import running_server
from benchmarks.target import Backend
from deebase import Database, Table

Operation = Callable[["Table[Person]", int], Awaitable[None]]


@dataclass
class Person:
    id: int
    name: str
    age: int
    score: float


def people(count: int) -> Iterator[dict[str, object]]:
    """Yield this number of records."""
    return ({"id": n, "name": f"Person {n}", "age": n % 80, "score": n / 8} for n in range(1, count + 1))


async def insert_all(table: Table[Person], count: int) -> None:
    """Store every row in an empty table."""
    await table.insert_all(people(count))


async def insert_all_returning(table: Table[Person], count: int) -> None:
    """Store every row in an empty table and return it."""
    await table.insert_all(people(count), returning=True)


async def upsert_all(table: Table[Person], count: int) -> None:
    """Upsert every row; all of them exist."""
    await table.upsert_all(people(count))


async def update_all(table: Table[Person], count: int) -> None:
    """Change every row by key."""
    await table.update_all({"id": n, "age": 1} for n in range(1, count + 1))


async def stream(table: Table[Person], count: int) -> None:
    """Read every row."""
    seen = [row.id async for row in table(order_by="id")]
    assert len(seen) == count


async def page(table: Table[Person], count: int) -> None:
    """Read all pages of 100 rows."""
    seen, after = 0, None
    while seen == 0 or after is not None:
        found = await table.page(size=100, order_by="-id", after=after)
        seen, after = seen + len(found.rows), found.next
    assert seen == count


OPERATIONS: tuple[Operation, ...] = (insert_all, insert_all_returning, upsert_all, update_all, stream, page)


async def timed(operation: Operation, table: Table[Person], count: int) -> Cost:
    """Return the cost of one run."""
    if operation in (insert_all, insert_all_returning):
        await table.delete_where(all=True)
    gc.collect()
    clock = Clock()
    clock.start()
    await operation(table, count)
    return clock.stop()


async def measure(name: Backend, url: str, rows: int, rounds: int, say: Callable[[str], None]) -> None:
    """Print one line for each operation on one database."""
    async with Database(url) as db:
        few = await db.create(Person, name="few")
        many = await db.create(Person, name="many")
        for operation in OPERATIONS:
            short, long = (Figures(name, operation.__name__, f"{count:,} rows") for count in (rows, 10 * rows))
            await timed(operation, few, rows)
            for _ in range(rounds):
                short.add(await timed(operation, few, rows))
                long.add(await timed(operation, many, 10 * rows))
            say(compared(long, short))


@click.command()
@click.option("--backend", type=click.Choice(["sqlite", "postgres", "all"]), default="all", help="Database.")
@click.option("--rows", type=click.IntRange(min=100), default=10_000, help="Rows of the smaller size.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Measurements of each; the median counts.")
def main(backend: str, rows: int, rounds: int) -> None:
    """Print the seconds of operations on many rows, and on ten times as many."""
    with ExitStack() as stack:
        if backend in ("sqlite", "all"):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dblinear-")))
            asyncio.run(measure("sqlite", str(directory / "linearity.db"), rows, rounds, click.echo))
        if backend in ("postgres", "all"):
            asyncio.run(measure("postgres", stack.enter_context(running_server()).url, rows, rounds, click.echo))


if __name__ == "__main__":
    main()
