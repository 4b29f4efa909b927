"""Memory does not grow with the number of rows, and work grows no faster than it."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deebase import Database, Table
from tests.support.capabilities import can
from tests.support.tree import ROOT

pytestmark = pytest.mark.long

SOURCE = str(ROOT / "src" / "deebase")

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory from /proc")

# What a process needs once (modules, connections, statements) is there before the measurement.
PROGRAM = '''
    import asyncio, contextlib, sys
    from dataclasses import dataclass, make_dataclass
    from deebase import Database

    @dataclass
    class Item:
        id: int
        name: str
        n: int
        score: float

    # The shape of the flights of 2013, which the database itself fills.
    TEXTS = ("carrier", "tailnum", "origin", "dest", "time_hour")
    NUMBERS = (
        "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
        "flight", "air_time", "distance", "hour", "minute",
    )
    COLUMNS = [("id", int), *[(name, int) for name in NUMBERS], *[(name, str) for name in TEXTS]]
    Flight = make_dataclass("Flight", COLUMNS)
    FILL = f"""
        INSERT INTO flight (id, {", ".join((*NUMBERS, *TEXTS))})
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < :rows)
        SELECT x, {", ".join(["x % 2500"] * len(NUMBERS))}, 'UA', 'N' || x, 'EWR', 'ORD', '2013-01-01T00:00:00Z' FROM c
    """

    def memory(field):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field + ":"))

    def forget_the_peak():
        # Where the kernel refuses, the peak of the start counts too.
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")

    def rows(count):
        return ({"name": f"item {n}", "n": n, "score": n / 8} for n in range(count))

    async def main(url, count):
        async with Database(url) as db:
            items = await db.create(Item, if_not_exists=True)
            await items.insert_all(rows(10))
            assert [row async for row in items()]
            forget_the_peak()
            idle = memory("VmRSS")
            WORK
            print(memory("VmHWM") - idle)

    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
'''


async def peak(directory: Path, url: str, count: int, work: str) -> float:
    """Return the MiB that work adds to the memory of a process with an open database."""
    program = directory / "program.py"
    program.write_text(textwrap.dedent(PROGRAM).replace("WORK", textwrap.indent(work, " " * 8).strip()))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), url, str(count)),
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    return int(output) / 2**20


@linux_only
@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_the_measurement_notices_what_was_there_for_a_moment(db_url: str, tmp_path: Path) -> None:
    added = await peak(tmp_path, db_url, 40, "kept = [b'x' * 2**20 for _ in range(count)]\ndel kept")
    assert 39 < added < 50


@linux_only
async def test_streaming_rows_adds_little_memory(db_url: str, tmp_path: Path, long_run: bool) -> None:
    count = 336_776 if long_run else 100_000
    await peak(tmp_path, db_url, count, "await db.create(Flight)\nawait db.q(FILL, {'rows': count})")
    for source in ("db.stream('SELECT * FROM flight')", "flights(order_by='id')", "flights.rows_as(dict)()"):
        work = f"""
flights = await db.create(Flight, if_not_exists=True)
seen = 0
async for row in {source}:
    seen += 1
assert seen == count, seen
"""
        added = await peak(tmp_path, db_url, count, work)
        print(f"{source} of {count} rows adds {added:.1f} MiB")
        assert added < 30


@linux_only
@pytest.mark.parametrize("options", ["", "on_conflict='ignore'", "on_conflict='update', on='id'"])
async def test_inserting_a_generator_adds_little_memory(
    db_url: str, tmp_path: Path, long_run: bool, options: str
) -> None:
    count = 1_000_000 if long_run else 100_000
    work = f"""
given = ({{"id": 100 + n, "name": f"item {{n}}", "n": n, "score": n / 8}} for n in range(count))
assert await items.insert_all(given, {options}) == count
assert await items.count() == count + 10
"""
    added = await peak(tmp_path, db_url, count, work)
    print(f"insert_all({options}) of {count} rows adds {added:.1f} MiB")
    assert added < 60


@dataclass
class Item:
    id: int
    name: str
    n: int


@dataclass
class Work:
    """What was done for an operation: not seconds, which depend on who else uses the machine.

    Attributes:
        calls: Functions of ours that were called, and generators that were resumed.
        statements: Statements that were sent.
        steps: Thousands of instructions of SQLite's virtual machine; 0 on PostgreSQL.
    """

    calls: int = 0
    statements: int = 0
    steps: int = 0

    def count_call(self, frame: FrameType, event: str, _argument: object) -> None:
        """Be the profile function of a thread."""
        if event == "call" and frame.f_code.co_filename.startswith(SOURCE):
            self.calls += 1

    def count_step(self) -> int:
        """Be the progress handler of a SQLite connection."""
        self.steps += 1
        return 0


async def watch_steps(db: Database, handler: Callable[[], int] | None) -> None:
    """Have SQLite call the handler every 1,000 instructions."""
    if can(db).is_one_file:
        lanes = db._core.executor.lanes()
        for lane in (*lanes._writer.idle, *lanes._reader.idle):
            await lane.call(lambda raw: raw.set_progress_handler(handler, 1000))


async def work_of(db: Database, caplog: pytest.LogCaptureFixture, operation: Callable[[], Awaitable[object]]) -> Work:
    work = Work()
    await watch_steps(db, work.count_step)
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    caplog.clear()
    sys.setprofile(work.count_call)
    try:
        await operation()
    finally:
        sys.setprofile(None)
    work.statements = len(caplog.records)
    await watch_steps(db, None)
    return work


async def insert_all(items: Table[Item], count: int) -> None:
    await items.insert_all({"name": f"item {n}", "n": n} for n in range(count))


async def insert_all_returning(items: Table[Item], count: int) -> None:
    assert len(await items.insert_all(({"name": f"item {n}", "n": n} for n in range(count)), returning=True)) == count


async def update_all(items: Table[Item], count: int) -> None:
    assert await items.update_all({"id": n, "name": "changed"} for n in range(1, count + 1)) == count


async def delete_all(items: Table[Item], count: int) -> None:
    assert await items.delete_all(range(1, count + 1)) == count


async def stream(items: Table[Item], count: int) -> None:
    assert len([row async for row in items(order_by="id")]) == count


async def page(items: Table[Item], count: int) -> None:
    seen, after = 0, None
    while seen == 0 or after is not None:
        found = await items.page(size=100, order_by="-name", after=after)
        seen, after = seen + len(found.rows), found.next
    assert seen == count


@pytest.mark.parametrize("operation", [insert_all, insert_all_returning, update_all, delete_all, stream, page])
async def test_ten_times_the_rows_are_at_most_eleven_times_the_work(
    db_url: str, caplog: pytest.LogCaptureFixture, operation: Callable[[Table[Any], int], Awaitable[None]]
) -> None:
    works = []
    # The steps are counted on the lanes, so no read runs on the connection of the event loop.
    async with Database(db_url, pool_size=1, in_loop=None) as db:
        for name, count in (("warm", 1000), ("few", 2000), ("many", 20_000)):
            items = await db.create(Item, name=name, indexes=["name"])
            if not operation.__name__.startswith("insert"):
                await insert_all(items, count)
            assert await items.count() in (0, count)
            works.append(await work_of(db, caplog, lambda items=items, count=count: operation(items, count)))
    _, few, many = works
    assert many.calls <= 11 * few.calls
    assert many.statements <= 11 * few.statements
    assert many.steps <= 11 * few.steps
