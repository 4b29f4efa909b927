"""Measures how long reads hold the event loop: `python -m benchmarks.stalls`.

A heartbeat asks the loop to wake it each millisecond. Its delay beside readers, with reads in the loop and without, is
compared with its delay in a loop that does nothing else. The rounds alternate, since other programs delay all of them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from deebase import Database, ForeignKey, Table

BEAT = 0.001
SIDES: dict[str, float | None] = {"off": None, "idle loop": None, "200us": 0.0002}

#: Commits one row after another, each with an fsync, until it is stopped.
WRITER = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
c.execute("PRAGMA synchronous = FULL")
n = 0
while True:
    n += 1
    c.execute("UPDATE book SET pages = ? WHERE id = ?", [n, n % 1000 + 1])
"""

#: Drops the file from the cache of the system, again and again.
COOLER = """
import os, sys, time
file = os.open(sys.argv[1], os.O_RDONLY)
while True:
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    time.sleep(0.02)
"""


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    title: str
    pages: int


class Scan:
    id: int
    title: str
    image: bytes


@dataclass(frozen=True)
class Sizes:
    """How much is stored and measured."""

    books: int
    scans: int
    scan_bytes: int
    seconds: float
    rounds: int


FULL = Sizes(books=100_000, scans=10, scan_bytes=10_000_000, seconds=0.5, rounds=5)
QUICK = Sizes(books=2_000, scans=4, scan_bytes=100_000, seconds=0.02, rounds=1)


@dataclass
class World:
    """An open database, and its tables."""

    books: Table[dict[str, Any]]
    authors: Table[dict[str, Any]]
    scans: Table[dict[str, Any]]
    sizes: Sizes

    async def read_short(self, dice: random.Random) -> None:
        """Read a row by key, its parent, and a few rows by condition."""
        book = await self.books.get(dice.randrange(1, self.sizes.books + 1))
        await self.books.fk.author_id(book)
        await self.books(author_id=book["author_id"], order_by="id", limit=10)

    async def read_long(self, dice: random.Random) -> None:
        """Read a row that is long in one of ten cases."""
        every_tenth = dice.random() < 0.1
        await self.scans.get(dice.randrange(1, self.sizes.scans + 1) if every_tenth else -dice.randrange(1, 1000))


Read = Callable[[World, random.Random], Awaitable[None]]


@dataclass(frozen=True)
class Situation:
    """Readers, and a program that runs beside them."""

    name: str
    tasks: int
    read: Read = World.read_short
    beside: str | None = None


SITUATIONS = (
    Situation("1 reader", 1),
    Situation("32 readers", 32),
    Situation("32 readers, a writer in another process", 32, beside=WRITER),
    Situation("32 readers, a cold cache", 32, beside=COOLER),
    Situation("32 readers, rows of 10 MB", 32, read=World.read_long),
)


@dataclass
class Delays:
    """Milliseconds by which the heartbeat was late, and the number of reads beside it."""

    late: list[float] = field(default_factory=list)
    reads: int = 0

    def at(self, share: float) -> float:
        """Return the delay that this share of the beats does not exceed."""
        ordered = sorted(self.late)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


async def beat(seconds: float, delays: Delays) -> None:
    """Be woken each millisecond, and record how late."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (now := loop.time()) < end:
        await asyncio.sleep(BEAT)
        delays.late.append((loop.time() - now - BEAT) * 1e3)


@contextmanager
def program(source: str | None, path: Path) -> Any:
    """Run a program beside the block."""
    if source is None:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", source, str(path)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def world(path: Path, sizes: Sizes, in_loop: float | None) -> AsyncIterator[World]:
    """Open the database, which is filled at the first call."""
    is_new = not path.exists()  # noqa: ASYNC240
    async with Database(path, in_loop=in_loop) as db:
        await db.create_all([Author, Book, Scan], if_not_exists=True)
        found = World(db.t.book, db.t.author, db.t.scan, sizes)
        if is_new:
            await found.books.create_index(["author_id"])
            await found.authors.insert_all({"name": f"author {n}"} for n in range(sizes.books // 10))
            await found.books.insert_all(
                {"author_id": n // 10 + 1, "title": f"book {n}", "pages": n} for n in range(sizes.books)
            )
            await found.scans.insert_all({"id": -n, "title": "short", "image": b"x" * 100} for n in range(1, 1000))
            for n in range(sizes.scans):
                await found.scans.insert({"id": n + 1, "title": "long", "image": bytes(sizes.scan_bytes)})
            await db.q("PRAGMA wal_checkpoint(TRUNCATE)")
        yield found


async def round_of(situation: Situation, side: str, path: Path, sizes: Sizes, delays: Delays) -> None:
    """Measure one side for one round."""
    async with world(path, sizes, SIDES[side]) as found:
        stopped = False

        async def reader(dice: random.Random) -> None:
            while not stopped:
                await situation.read(found, dice)
                delays.reads += 1

        tasks: list[asyncio.Task[None]] = []
        if side != "idle loop":
            # Statements are compiled, and known to be short.
            await asyncio.gather(*(situation.read(found, random.Random(n)) for n in range(100)))
            tasks = [asyncio.create_task(reader(random.Random(n))) for n in range(situation.tasks)]
        # The collector would stop the loop for the objects of the imported modules, too.
        gc.collect()
        gc.freeze()
        with program(situation.beside, path):
            await beat(sizes.seconds, delays)
        stopped = True
        await asyncio.gather(*tasks)


def measure(sizes: Sizes, folder: Path) -> list[dict[str, Any]]:
    """Return the figures of all situations and sides."""
    found: list[dict[str, Any]] = []
    path = folder / "stalls.db"
    for situation in SITUATIONS:
        sides = {side: Delays() for side in SIDES}
        for _ in range(sizes.rounds):
            for side, delays in sides.items():
                asyncio.run(round_of(situation, side, path, sizes, delays))
        for side, delays in sides.items():
            found.append(
                {
                    "situation": situation.name,
                    "in_loop": side,
                    "samples": len(delays.late),
                    "reads": delays.reads,
                    "p50": delays.at(0.5),
                    "p99": delays.at(0.99),
                    "p99_9": delays.at(0.999),
                    "largest": max(delays.late),
                }
            )
            click.echo(
                "{situation:42} {in_loop:10} {samples:6} beats {reads:8} reads  p50 {p50:7.3f}  p99 {p99:7.3f}  "
                "p99.9 {p99_9:7.3f}  largest {largest:7.3f} ms".format(**found[-1])
            )
    return found


@click.command()
@click.option("--quick", is_flag=True, help="tiny sizes, to see whether it runs")
@click.option("--json", "target", type=click.Path(path_type=Path), help="where to write the figures")
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="on the disk to measure")
def main(quick: bool, target: Path | None, folder: Path | None) -> None:
    """Measure how long reads hold the event loop."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        found = measure(QUICK if quick else FULL, Path(made))
    if target is not None:
        target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
