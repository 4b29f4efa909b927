"""Many tasks and processes at the same rows and connections: no lost update, no lock of our own, nobody starves."""

from __future__ import annotations

import asyncio
import contextvars
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from deebase import Database, Table
from tests.support.tree import ROOT
from tests.support.worlds import series, slow_count

everywhere = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
file_only = pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)


class Counter:
    id: int
    n: int


@pytest.fixture
async def counters(db: Database) -> Table[dict[str, object]]:
    table = await db.create(Counter)
    await table.insert(id=1, n=0)
    return table


async def each(tasks: int, times: int, work: Callable[[], Awaitable[object]]) -> None:
    async def repeat() -> None:
        for _ in range(times):
            await work()

    await asyncio.gather(*(repeat() for _ in range(tasks)))


@everywhere
async def test_increments_under_a_row_lock_are_not_lost(db: Database, counters: Table, long_run: bool) -> None:
    tasks, times = (32, 20) if long_run else (8, 5)

    async def increment() -> None:
        async with db.transaction():
            row = await counters.get(1, for_update=True)
            await counters.update(id=1, n=row["n"] + 1)

    await each(tasks, times, increment)
    assert (await counters[1])["n"] == tasks * times


@everywhere
@pytest.mark.long
async def test_320_increments_at_serializable_are_all_done_by_retry(db: Database, counters: Table) -> None:
    async def increment() -> None:
        row = await counters[1]
        await counters.update(id=1, n=row["n"] + 1)

    await each(32, 10, lambda: db.retry(increment, attempts=1000, isolation="serializable", timeout=60))
    assert (await counters[1])["n"] == 320


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_tasks_that_deadlock_are_all_done_by_retry(db_url: str) -> None:
    options = {"connect_args": {"server_settings": {"deadlock_timeout": "20ms"}}}
    async with Database(db_url, engine_options=options) as db:
        counters = await db.create(Counter)
        await counters.insert_all([{"id": 1, "n": 0}, {"id": 2, "n": 0}])
        attempts = 0
        each_holds_one = asyncio.Barrier(2)

        async def both(one: int, other: int) -> None:
            nonlocal attempts
            attempts += 1
            first = attempts <= 2
            await counters.update(id=one, n=db.sql(counters.c.n + 1))
            if first:
                await each_holds_one.wait()
            await counters.update(id=other, n=db.sql(counters.c.n + 1))

        await asyncio.gather(db.retry(lambda: both(1, 2)), db.retry(lambda: both(2, 1)))
        assert attempts > 2, "no deadlock was met"
        assert await counters(order_by="id").scalars("n") == [2, 2]


@everywhere
async def test_rows_that_are_rolled_back_are_never_seen_by_others(db: Database, counters: Table) -> None:
    class Undone(Exception):
        pass

    async def write(number: int) -> None:
        try:
            async with db.transaction():
                # Negative until the end of the block: nobody else may see one.
                await counters.insert(id=number, n=-1)
                await asyncio.sleep(0)
                if number % 2:
                    raise Undone
                await counters.update(id=number, n=1)
        except Undone:
            pass

    async def watch() -> None:
        while not finished.is_set():
            assert await counters.count(n=-1) == 0
            await asyncio.sleep(0)

    finished = asyncio.Event()
    watching = [asyncio.create_task(watch()) for _ in range(3)]
    await asyncio.gather(*(write(number) for number in range(100, 150)))
    finished.set()
    await asyncio.gather(*watching)
    assert await counters(counters.c.id >= 100, order_by="id").scalars("id") == list(range(100, 150, 2))


@everywhere
async def test_60_transactions_with_calls_inside_do_not_deadlock_on_5_connections(db_url: str) -> None:
    async with Database(db_url, pool_size=5) as db:
        counters = await db.create(Counter)

        async def work(number: int) -> None:
            async with db.transaction():
                await counters.insert(id=number, n=0)
                assert await db.q("SELECT n FROM counter WHERE id = ?", [number]) == [{"n": 0}]
                await asyncio.gather(*(db.item("SELECT count(*) FROM counter") for _ in range(2)))

        async with asyncio.timeout(20):
            await asyncio.gather(*(work(number) for number in range(60)))
        assert await counters.count() == 60


@file_only
@pytest.mark.long
async def test_64_writers_that_hold_the_database_for_50_ms_each_meet_no_lock(db: Database, counters: Table) -> None:
    async def hold(number: int) -> float:
        began = time.monotonic()
        async with db.transaction():
            await counters.insert(id=number, n=0)
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    await asyncio.gather(*(hold(number) for number in range(100, 164)))
    assert await counters.count() == 65


@file_only
@pytest.mark.long
async def test_4_processes_of_16_writers_meet_no_lock(db: Database, db_url: str, counters: Table) -> None:
    writer = """
import asyncio, sys
from deebase import Database

async def main(path, start):
    async with Database(path, timeout=60) as db:
        counters = await db.reflect_table("counter")

        async def work(number):
            for n in range(10):
                await counters.insert(id=start + 100 * number + n, n=0)
                async with db.transaction():
                    row = await counters[1]
                    await counters.update(id=1, n=row["n"] + 1)

        await asyncio.gather(*(work(number) for number in range(16)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", writer, db_url, str(10_000 * number)),
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stderr=asyncio.subprocess.PIPE,
        )
        for number in (1, 2, 3, 4)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [output[1] for output in outputs] == [b""] * 4
    assert await counters.count() == 1 + 4 * 16 * 10
    assert (await counters[1])["n"] == 4 * 16 * 10


@file_only
@pytest.mark.long
async def test_the_slowest_of_64_writers_waits_three_times_the_mean_at_most(db: Database, counters: Table) -> None:
    async def write(number: int) -> float:
        began = time.monotonic()
        for n in range(20):
            async with db.transaction():
                await counters.insert(id=1000 * number + n, n=0)
        return time.monotonic() - began

    # How long each takes for the same: in one fair queue all end at nearly the same time.
    took = await asyncio.gather(*(write(number) for number in range(1, 65)))
    assert max(took) <= 3 * statistics.mean(took)
    assert max(took) <= 3 * min(took)


@file_only
async def test_reads_stay_quick_while_a_transaction_writes_for_a_second(
    db: Database, counters: Table, long_run: bool
) -> None:
    async def write() -> None:
        async with db.transaction():
            until = time.monotonic() + (1.0 if long_run else 0.2)
            number = 10
            while time.monotonic() < until:
                await counters.insert(id=(number := number + 1), n=0)

    writing = asyncio.create_task(write())
    waits: list[float] = []
    while not writing.done():
        began = time.monotonic()
        assert (await counters[1])["n"] == 0
        waits.append(time.monotonic() - began)
    await writing
    assert statistics.quantiles(waits, n=100)[94] < 0.05


@everywhere
async def test_a_running_statement_is_cancelled_within_a_moment(
    db: Database, eventually: Callable[..., Awaitable[None]]
) -> None:
    slow = slow_count(db)
    await db.item("SELECT 1")
    waits: list[float] = []
    for _ in range(5):
        task = asyncio.create_task(db.q(slow))
        await asyncio.wait([task], timeout=0.02)
        began = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        waits.append(time.monotonic() - began)
        # The connection is free again as soon as the database has noticed.
        await eventually(lambda: db._core.executor.lanes_in_use == 0)
        assert await db.item("SELECT 1") == 1
    assert statistics.median(waits) < 0.1


@everywhere
@pytest.mark.long
async def test_the_event_loop_is_not_held_by_a_stream_of_500_000_rows(db: Database) -> None:
    numbers = series(db, 500_000)
    late: list[float] = []

    async def tick() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.002
            await asyncio.sleep(0.002)
            late.append(loop.time() - due)

    ticking = asyncio.create_task(tick(), context=contextvars.copy_context())
    seen = 0
    async for _ in db.stream(numbers):
        seen += 1
    ticking.cancel()
    await asyncio.wait([ticking])
    assert seen == 500_000
    # All but what the scheduler of the machine takes now and then.
    assert statistics.quantiles(late, n=100)[97] < 0.02
