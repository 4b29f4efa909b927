"""Copies the flight database from SQLite to PostgreSQL, and compares with COPY by hand.

Run it with `python -m benchmarks.copy_flights`.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.flights import DATA, read_csv
from benchmarks.flights_queries import load
from benchmarks.server import running_server
from deebase import Database
from deebase.tools.copying import CopyReport, copy_database
from examples import tour

TABLES = ("airline", "airport", "plane", "flight")
_VIEW = "SELECT origin, count(*) AS flights, avg(dep_delay) AS delay FROM flight GROUP BY origin"


async def make(path: Path, flights: int | None) -> None:
    """Create the database, of the data or the extract: four tables with foreign keys and indexes, and a view."""
    async with Database(path) as db:
        read = read_csv if DATA.is_dir() else tour.read_csv
        await load(db, lambda name: itertools.islice(read(name), flights if name == "flights" else None))
        await db.create_view("delays", _VIEW)


async def by_hand(path: Path, url: str) -> float:
    """Return the seconds of COPY into tables of the same columns, without keys, indexes or a comparison."""
    import asyncpg

    source = sqlite3.connect(path)
    connection = await asyncpg.connect(url)
    try:
        for table in TABLES:
            await connection.execute(f"CREATE TABLE hand_{table} (LIKE {table})")
        start = time.perf_counter()
        async with connection.transaction():
            for table in TABLES:
                cursor = source.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in cursor.description]
                while rows := cursor.fetchmany(5_000):
                    records = [_with_time(row) for row in rows] if table == "flight" else rows
                    await connection.copy_records_to_table(f"hand_{table}", records=records, columns=names)
        seconds = time.perf_counter() - start
        for table in TABLES:
            # The server compares by itself, because it does not have our checksum.
            differ = await connection.fetchval(
                f"SELECT count(*) FROM ((TABLE {table} EXCEPT ALL TABLE hand_{table})"
                f" UNION ALL (TABLE hand_{table} EXCEPT ALL TABLE {table})) AS differ"
            )
            assert differ == 0, f"{table}: {differ} rows differ"
        return seconds
    finally:
        for table in TABLES:
            await connection.execute(f"DROP TABLE IF EXISTS hand_{table}")
        await connection.close()
        source.close()


def _with_time(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*row[:-1], datetime.fromisoformat(row[-1]).replace(tzinfo=UTC))


async def with_deebase(path: Path, url: str) -> tuple[float, CopyReport]:
    """Return the seconds of one call, including the comparison of both sides."""
    async with Database(path) as source, Database(url) as target:
        await target.script("DROP VIEW IF EXISTS delays; DROP TABLE IF EXISTS flight, plane, airport, airline")
        start = time.perf_counter()
        report = await copy_database(source, target)
        return time.perf_counter() - start, report


async def run(path: Path, url: str, flights: int | None, repeat: int) -> None:
    """Print the seconds of both."""
    await make(path, flights)
    ours: list[float] = []
    for _ in range(repeat):
        seconds, report = await with_deebase(path, url)
        ours.append(seconds)
    hand = median([await by_hand(path, url) for _ in range(repeat)])
    took = median(ours)
    assert not report.left_out, report.left_out
    for table in report.tables:
        print(f"  {table.name}: {table.rows:,} rows, checksum {table.checksum} on both sides")
    print(f"views: {', '.join(report.views)}")
    print(f"COPY by hand {hand:.2f} s; copy_database, with keys, indexes and both sides compared, {took:.2f} s")
    print(f"copy_database takes {took / hand:.2f} times as long (wanted: 3 at most)")


@click.command()
@click.option("--flights", default=None, type=int, help="How many; all of them by default.")
@click.option("--repeat", default=3, show_default=True)
def main(flights: int | None, repeat: int) -> None:
    """Copy the flights, and print how long it takes."""
    with tempfile.TemporaryDirectory() as directory, running_server() as server:
        asyncio.run(run(Path(directory) / "flights.db", server.url, flights, repeat))


if __name__ == "__main__":
    main()
