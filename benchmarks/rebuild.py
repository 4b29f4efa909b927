"""Measures the rebuild of a large SQLite table, and compares with INSERT ... SELECT: `python -m benchmarks.rebuild`."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import click

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.flights import flights
from benchmarks.report import compared
from deebase import Database


def fill(path: Path, count: int) -> None:
    """Create the table of flights, with two indexes."""
    rows = flights(count)
    columns = [name for name in rows[0] if name != "id"]
    listed = ", ".join(columns)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE flight (id INTEGER PRIMARY KEY, {listed})")
        connection.executemany(
            f"INSERT INTO flight ({listed}) VALUES ({', '.join('?' * len(columns))})",
            ([row[name] for name in columns] for row in rows),
        )
        connection.execute("CREATE INDEX by_carrier ON flight (carrier)")
        connection.execute("CREATE INDEX by_day ON flight (month, day)")
        connection.commit()


async def copying(path: Path) -> Cost:
    """Return the cost of copying the rows into a table with the same indexes, in one transaction."""
    clock = Clock()
    async with Database(path) as db:
        clock.start()
        async with db.transaction():
            (made,) = await db.q("SELECT sql FROM sqlite_master WHERE name = 'flight'")
            await db.q(made["sql"].replace("TABLE flight", "TABLE copy", 1))
            await db.q("INSERT INTO copy SELECT * FROM flight")
            await db.q("CREATE INDEX copy_by_carrier ON copy (carrier)")
            await db.q("CREATE INDEX copy_by_day ON copy (month, day)")
        cost = clock.stop()
        await db.q("DROP TABLE copy")
        return cost


async def rebuilding(path: Path, *, not_null: bool) -> Cost:
    """Return the cost of a change that needs a rebuild."""
    clock = Clock()
    async with Database(path) as db:
        await db.reflect()
        clock.start()
        await db.t.flight.transform(not_null={"carrier": not_null})
        return clock.stop()


@click.command()
@click.option("--rows", default=336_776, show_default=True)
@click.option("--repeat", default=5, show_default=True)
def main(rows: int, repeat: int) -> None:
    """Print both times, and the ratio."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "flights.db"
        fill(path, rows)
        work = f"rebuild of {rows:,} rows"
        copied, rebuilt = Figures("sqlite", work, "INSERT ... SELECT and indexes"), Figures("sqlite", work, "transform")
        for turn in range(repeat):
            copied.add(asyncio.run(copying(path)))
            rebuilt.add(asyncio.run(rebuilding(path, not_null=turn % 2 == 0)))
    click.echo(f"{compared(rebuilt, copied)} (aim: 2)")


if __name__ == "__main__":
    main()
