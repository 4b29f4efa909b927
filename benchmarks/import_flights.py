"""Imports a compressed CSV file into PostgreSQL, and compares with parsing and COPY by hand.

Run it with `python -m benchmarks.import_flights`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.flights import DATA
from benchmarks.report import compared
from benchmarks.server import running_server
from deebase import Database

ARCHIVE = DATA / "flights.csv.zip"
_TEXTS = {"carrier", "tailnum", "origin", "dest", "time_hour"}


def rows_by_hand(path: Path) -> Iterator[tuple[Any, ...]]:
    """Parse the file with known column types."""
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as binary:
        reader = csv.reader(io.TextIOWrapper(binary, encoding="utf-8", newline=""))
        texts = [name in _TEXTS for name in next(reader)]
        for row in reader:
            yield tuple(
                [
                    None if value == "NA" else value if text else int(value)
                    for value, text in zip(row, texts, strict=True)
                ]
            )


async def by_hand(url: str, names: list[str], clock: Clock) -> Cost:
    """Return the cost of COPY into a table of the same columns."""
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        columns = ", ".join(f"{name} {'text' if name in _TEXTS else 'bigint'}" for name in names)
        await connection.execute(
            f"DROP TABLE IF EXISTS by_hand; CREATE TABLE by_hand (id bigserial PRIMARY KEY, {columns})"
        )
        clock.start()
        rows = rows_by_hand(ARCHIVE)
        async with connection.transaction():
            while batch := list(itertools.islice(rows, 5_000)):
                await connection.copy_records_to_table("by_hand", records=batch, columns=names)
        return clock.stop()
    finally:
        await connection.close()


async def with_deebase(url: str, clock: Clock) -> Cost:
    """Return the cost of one call."""
    async with Database(url) as db:
        await db.q("DROP TABLE IF EXISTS flights")
        clock.start()
        table = await db.import_file(ARCHIVE, null=["", "NA"])
        cost = clock.stop()
        assert await table.count() == 336_776
        return cost


@click.command()
@click.option("--repeat", default=3, show_default=True)
def main(repeat: int) -> None:
    """Print the times of both, and the ratio."""
    with zipfile.ZipFile(ARCHIVE) as archive, archive.open(archive.namelist()[0]) as file:
        names = file.readline().decode().strip().replace('"', "").split(",")
    with running_server() as server:
        work, clock = "import of a CSV file", Clock(server.process)
        ours, hand = Figures("postgres", work, "import_file"), Figures("postgres", work, "parsing and COPY by hand")
        for _ in range(repeat):
            hand.add(asyncio.run(by_hand(server.url, names, clock)))
            ours.add(asyncio.run(with_deebase(server.url, clock)))
    print("import_file also finds the types")
    print(compared(ours, hand))


if __name__ == "__main__":
    main()
