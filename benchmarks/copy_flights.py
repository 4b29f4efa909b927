"""Copies the flight database from SQLite to PostgreSQL, and compares with COPY by hand.

Run it with `python -m benchmarks.copy_flights`.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.flights import DATA, read_csv
from benchmarks.flights_queries import load
from benchmarks.report import compared
from benchmarks.server import Server, running_server
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


async def by_hand(path: Path, url: str, clock: Clock) -> Cost:
    """Return the cost of COPY into tables of the same columns, without keys, indexes or a comparison."""
    import asyncpg

    source = sqlite3.connect(path)
    connection = await asyncpg.connect(url)
    try:
        for table in TABLES:
            await connection.execute(f"CREATE TABLE hand_{table} (LIKE {table})")
        clock.start()
        async with connection.transaction():
            for table in TABLES:
                cursor = source.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in cursor.description]
                while rows := cursor.fetchmany(5_000):
                    records = [_with_time(row) for row in rows] if table == "flight" else rows
                    await connection.copy_records_to_table(f"hand_{table}", records=records, columns=names)
        cost = clock.stop()
        for table in TABLES:
            # The server compares by itself, because it does not have our checksum.
            differ = await connection.fetchval(
                f"SELECT count(*) FROM ((TABLE {table} EXCEPT ALL TABLE hand_{table})"
                f" UNION ALL (TABLE hand_{table} EXCEPT ALL TABLE {table})) AS differ"
            )
            assert differ == 0, f"{table}: {differ} rows differ"
        return cost
    finally:
        for table in TABLES:
            await connection.execute(f"DROP TABLE IF EXISTS hand_{table}")
        await connection.close()
        source.close()


def _with_time(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*row[:-1], datetime.fromisoformat(row[-1]).replace(tzinfo=UTC))


async def with_deebase(path: Path, url: str, clock: Clock) -> tuple[Cost, CopyReport]:
    """Return the cost of one call, including the comparison of both sides."""
    async with Database(path) as source, Database(url) as target:
        await target.script("DROP VIEW IF EXISTS delays; DROP TABLE IF EXISTS flight, plane, airport, airline")
        clock.start()
        report = await copy_database(source, target)
        return clock.stop(), report


async def run(path: Path, server: Server, flights: int | None, repeat: int) -> None:
    """Print the times of both, and the ratio."""
    await make(path, flights)
    work, clock = "copy of a database", Clock(server.process)
    ours, hand = Figures("postgres", work, "copy_database"), Figures("postgres", work, "COPY by hand")
    for _ in range(repeat):
        cost, report = await with_deebase(path, server.url, clock)
        ours.add(cost)
        hand.add(await by_hand(path, server.url, clock))
    assert not report.left_out, report.left_out
    for table in report.tables:
        print(f"  {table.name}: {table.rows:,} rows, checksum {table.checksum} on both sides")
    print(f"views: {', '.join(report.views)}")
    print("copy_database also makes keys and indexes, and compares both sides")
    print(compared(ours, hand))


@click.command()
@click.option("--flights", default=None, type=int, help="How many; all of them by default.")
@click.option("--repeat", default=3, show_default=True)
def main(flights: int | None, repeat: int) -> None:
    """Copy the flights, and print how long it takes."""
    with tempfile.TemporaryDirectory() as directory, running_server() as server:
        asyncio.run(run(Path(directory) / "flights.db", server, flights, repeat))


if __name__ == "__main__":
    main()
