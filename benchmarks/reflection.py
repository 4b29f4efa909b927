"""Measures reflection, and compares with SQLAlchemy: `python -m benchmarks.reflection`."""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.report import compared
from benchmarks.server import running_server
from benchmarks.target import Backend
from deebase import Database

TABLE = """
CREATE TABLE t{n} (
    id integer PRIMARY KEY, name varchar(50) NOT NULL, size int DEFAULT 3, at timestamp,
    parent int REFERENCES t{parent} (id)
);
CREATE INDEX a{n} ON t{n} (name); CREATE UNIQUE INDEX b{n} ON t{n} (size, at); CREATE INDEX c{n} ON t{n} (parent);
"""


async def made(url: str, tables: int) -> None:
    """Create tables with five columns, a foreign key and three indexes each."""
    async with Database(url) as db:
        await db.script("".join(TABLE.format(n=n, parent=max(0, n - 1)) for n in range(tables)))


async def with_deebase(url: str, *, build: bool = False) -> Cost:
    """Return the cost of `reflect()`, optionally with building every table."""
    async with Database(url) as db:
        await db.item("SELECT 1")
        clock = Clock()
        clock.start()
        await db.reflect()
        if build:
            assert all(table.columns for table in db.t)
        return clock.stop()


async def with_sqlalchemy(url: str) -> Cost:
    """Return the cost of `MetaData.reflect()`."""
    async with Database(url) as db:
        engine = create_async_engine(db.engine.url)
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT 1"))
            clock = Clock()
            clock.start()
            await connection.run_sync(sa.MetaData().reflect)
            return clock.stop()
    finally:
        await engine.dispose()


async def statements(url: str) -> int:
    """Return the number of statements that `reflect()` sends."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    logger = logging.getLogger("deebase.sql")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        async with Database(url) as db:
            await db.item("SELECT 1")
            seen.clear()
            await db.reflect()
            return len(seen)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def kept_bytes(url: str) -> int:
    """Return the additional memory of a database after reflection."""
    async with Database(url) as db:
        await db.reflect_table("t0")
        gc.collect()
        tracemalloc.start()
        await db.reflect()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held


async def measure(name: Backend, url: str, tables: int, rounds: int, say: Callable[[str], None]) -> None:
    """Print the figures of one database."""
    await made(url, tables)
    runs: dict[str, Callable[[], Awaitable[Cost]]] = {
        "MetaData.reflect": lambda: with_sqlalchemy(url),
        "reflect()": lambda: with_deebase(url),
        "reflect(), all built": lambda: with_deebase(url, build=True),
    }
    work = f"{tables} tables with 3 indexes each"
    theirs, *ours = (Figures(name, work, side) for side in runs)
    for number in range(rounds + 1):
        for figures, run in zip((theirs, *ours), runs.values(), strict=True):
            gc.collect()
            cost = await run()
            if number:  # the first round warms up
                figures.add(cost)
    for figures in ours:
        say(compared(figures, theirs))
    say(f"  {await statements(url)} statements, {await kept_bytes(url) / 1024:.0f} KiB of memory for what was read")


@click.command()
@click.option("--backend", type=click.Choice(["sqlite", "postgres", "all"]), default="all", help="Database.")
@click.option("--tables", type=click.IntRange(min=1), default=100, help="Number of tables.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="Measurements of each; the median counts.")
def main(backend: str, tables: int, rounds: int) -> None:
    """Print the times of reflection, and their ratios to SQLAlchemy's."""
    with ExitStack() as stack:
        if backend in ("sqlite", "all"):
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbreflect-")))
            asyncio.run(measure("sqlite", str(directory / "reflection.db"), tables, rounds, click.echo))
        if backend in ("postgres", "all"):
            asyncio.run(measure("postgres", stack.enter_context(running_server()).url, tables, rounds, click.echo))


if __name__ == "__main__":
    main()
