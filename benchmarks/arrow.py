"""Reads 200,000 rows of six columns as an Arrow table, and compares with ADBC itself, and with rows.

Run it with `python -m benchmarks.arrow`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.report import as_json, compared
from benchmarks.server import running_server
from benchmarks.target import Backend
from deebase import Database

ROWS = 200_000
_SEED = 2_654_435_761
_QUERY = "SELECT id, author, score, name, body, posted FROM post"


class Post:
    """Six columns of the usual types."""

    id: int
    author: int
    score: float
    name: str
    body: str
    posted: datetime


def _rows(count: int) -> Iterator[dict[str, Any]]:
    for number in range(1, count + 1):
        mixed = number * _SEED % 2**32
        yield {
            "id": number,
            "author": mixed % 1_000_000,
            "score": mixed / 2**32,
            "name": f"name {number}",
            "body": f"the text of post {number}, of some length",
            "posted": datetime(2024, 1, 1) + timedelta(seconds=number),
        }


async def _fill(url: str, count: int) -> None:
    async with Database(url) as db:
        posts = await db.create(Post, replace=True)
        await posts.insert_all(_rows(count))


def _with_deebase(url: str, what: str, postmaster: int | None) -> tuple[Cost, int]:
    """Return the cost of one result, and its number of rows."""

    async def measure() -> tuple[Cost, int]:
        async with Database(url) as db:
            posts = await db.create(Post, if_not_exists=True)
            await posts.count()
            clock = Clock(postmaster)
            if what == "rows":
                async with db.transaction(read_only=True):
                    clock.start()
                    made = await posts().arrow()
                    return clock.stop(), len(made)
            if what == "arrow":
                # Opens the connection, as that of ADBC is open.
                await posts().arrow()
            clock.start()
            result = await posts().arrow() if what == "arrow" else await posts()
            return clock.stop(), len(result)

    return asyncio.run(measure())


def _with_adbc(url: str, what: str, postmaster: int | None) -> tuple[Cost, int]:
    driver: Any = __import__(f"adbc_driver_{what}.dbapi", fromlist=["dbapi"])
    with driver.connect(url) as connection, connection.cursor() as cursor:
        clock = Clock(postmaster)
        clock.start()
        cursor.execute(_QUERY)
        table = cursor.fetch_arrow_table()
        return clock.stop(), table.num_rows


def _one(measure: Callable[..., tuple[Cost, int]], *arguments: Any) -> tuple[Cost, int, int]:
    """Return cost and rows of one round, and the largest memory of this process so far, in bytes."""
    gc.collect()
    cost, rows = measure(*arguments)
    return cost, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _measured(
    backend: Backend, url: str, rows: int, rounds: int, postmaster: int | None, *, quick: bool
) -> list[Figures]:
    """Return the figures of all sides. Each has a process of its own, and its turn in every round."""
    work = f"{rows:,} rows to Arrow"
    adbc = {"sqlite": "sqlite", "postgres": "postgresql"}[backend]
    sides: dict[str, tuple[Any, str]] = {
        "deebase": (_with_deebase, "arrow"),
        "ADBC": (_with_adbc, adbc),
        "deebase in a transaction": (_with_deebase, "rows"),
        "deebase, dicts": (_with_deebase, "dicts"),
    }
    figures = {side: Figures(backend, work, side) for side in sides}
    memory: dict[str, int] = {}
    with ExitStack() as stack:
        made: dict[str, Executor] = {}
        for side in sides:
            # A process takes a second to start, and --quick measures no memory.
            own_place = ThreadPoolExecutor(1) if quick else ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            made[side] = stack.enter_context(own_place)
        # The first round loads libraries, and is not counted.
        for number in range(rounds + 1):
            for side, (measure, what) in sides.items():
                found = made[side].submit(_one, measure, url, what, postmaster).result()
                cost, count, memory[side] = found
                assert count == rows
                if number:
                    figures[side].add(cost)
    own, *others = figures.values()
    for other in others:
        print(compared(own, other))
    print(f"{backend}, memory: " + ", ".join(f"{side} {size / 1e6:.0f} MB" for side, size in memory.items()))
    return list(figures.values())


@click.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Save the figures here.")
@click.option("--quick", is_flag=True, help="Measure as little as possible.")
@click.option("--rounds", default=7, show_default=True)
def main(json_file: Path | None, quick: bool, rounds: int) -> None:
    """Print the times of both sides, their ratios and their memory."""
    rows, rounds = (1000, 1) if quick else (ROWS, rounds)
    with tempfile.TemporaryDirectory() as directory, running_server() as server:
        path = str(Path(directory) / "arrow.db")
        targets: list[tuple[Backend, str, int | None]] = [
            ("sqlite", path, None),
            ("postgres", server.url, server.process),
        ]
        figures: list[Figures] = []
        for backend, url, process in targets:
            asyncio.run(_fill(url, rows))
            figures += _measured(backend, url, rows, rounds, process, quick=quick)
    if json_file is not None:
        saved = as_json(figures, {"rows": rows, "rounds": rounds})
        json_file.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.arrow")
