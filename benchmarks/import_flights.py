"""Imports a compressed CSV file into PostgreSQL, and compares with parsing and COPY by hand.

Run it with `python -m benchmarks.import_flights`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.flights import DATA
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


async def by_hand(url: str, names: list[str]) -> float:
    """Return the seconds of COPY into a table of the same columns."""
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        columns = ", ".join(f"{name} {'text' if name in _TEXTS else 'bigint'}" for name in names)
        await connection.execute(
            f"DROP TABLE IF EXISTS by_hand; CREATE TABLE by_hand (id bigserial PRIMARY KEY, {columns})"
        )
        start = time.perf_counter()
        rows = rows_by_hand(ARCHIVE)
        async with connection.transaction():
            while batch := list(itertools.islice(rows, 5_000)):
                await connection.copy_records_to_table("by_hand", records=batch, columns=names)
        return time.perf_counter() - start
    finally:
        await connection.close()


async def with_deebase(url: str, **options: Any) -> float:
    """Return the seconds of one call."""
    async with Database(url) as db:
        await db.q("DROP TABLE IF EXISTS flights")
        start = time.perf_counter()
        table = await db.import_file(ARCHIVE, null=["", "NA"], **options)
        seconds = time.perf_counter() - start
        assert await table.count() == 336_776
        return seconds


@click.command()
@click.option("--repeat", default=3, show_default=True)
def main(repeat: int) -> None:
    """Print the seconds of both, and the ratio."""
    with zipfile.ZipFile(ARCHIVE) as archive, archive.open(archive.namelist()[0]) as file:
        names = file.readline().decode().strip().replace('"', "").split(",")
    with running_server() as server:
        hand = median(asyncio.run(by_hand(server.url, names)) for _ in range(repeat))
        ours = median(asyncio.run(with_deebase(server.url)) for _ in range(repeat))
    print(f"parsing and COPY by hand {hand:.2f} s; import_file, with finding the types, {ours:.2f} s")
    print(f"import_file has {hand / ours:.2f} of the speed (wanted: 0.5)")


if __name__ == "__main__":
    main()
