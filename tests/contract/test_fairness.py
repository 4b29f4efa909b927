"""Nobody is held up by the slow, the many or the late: who waits is served in order, on whichever lane is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from deebase import Database, Table
from tests.support.capabilities import can

pytestmark = pytest.mark.in_memory

several_lanes = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
sqlite_only = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)

#: Seconds within which something has to happen that waits for nothing.
SOON = 10

#: Runs as long as its parameter says: for 1e12 rows, until it is cancelled.
ROWS_UP_TO = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?) SELECT count(*) AS n FROM c"


@dataclass
class Item:
    id: int
    name: str


@pytest.fixture
async def items(db: Database) -> Table[Item]:
    table = await db.create(Item)
    await table.insert_all({"name": f"item {n}"} for n in range(1, 101))
    return table


@asynccontextmanager
async def endless(db: Database, count: int = 1) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Run queries that do not end before this block does."""
    if not can(db).is_one_file:
        async with blocked_queries(db, count) as tasks:
            yield tasks
        return
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(db.q(ROWS_UP_TO, [10**12])) for _ in range(count)]
    try:
        await until(lambda: db._core.executor.lanes_in_use >= count)
        yield tasks
    finally:
        await ended(db, *tasks)


@asynccontextmanager
async def blocked_queries(db: Database, count: int) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Run queries that wait for a lock which this block holds."""
    locked, finished = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            await db.q("SELECT pg_advisory_xact_lock(7)")
            locked.set()
            await finished.wait()

    holder = asyncio.create_task(hold())
    await locked.wait()
    tasks: list[asyncio.Task[object]] = [
        asyncio.create_task(db.q("SELECT pg_advisory_xact_lock(7)")) for _ in range(count)
    ]
    try:
        await until(lambda: db._core.executor.lanes_in_use >= count + 1)
        yield tasks
    finally:
        finished.set()
        await holder
        await asyncio.gather(*tasks)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.001)


async def ended(db: Database, *tasks: asyncio.Task[object]) -> None:
    """Cancel what runs, and wait until its lanes are free."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await until(lambda: db._core.executor.lanes_in_use == 0)


@several_lanes
async def test_a_lone_get_does_not_wait_for_a_slow_query(db: Database, items: Table[Item]) -> None:
    async with endless(db) as slow, asyncio.timeout(SOON):
        for n in range(1, 11):
            assert await items[n] == Item(n, f"item {n}")
        assert not slow[0].done()


@several_lanes
async def test_a_crowd_of_reads_does_not_wait_for_a_slow_query(db: Database, items: Table[Item]) -> None:
    async with endless(db) as slow, asyncio.timeout(SOON):
        for _ in range(3):
            rows = await asyncio.gather(
                *(items[n] for n in range(1, 33)), *(items(name=f"item {n}").one() for n in range(33, 65))
            )
            assert [row.id for row in rows] == list(range(1, 65))
        assert not slow[0].done()


@several_lanes
async def test_a_get_finds_the_one_lane_that_slow_queries_have_left(db_url: str) -> None:
    async with Database(db_url, pool_size=5) as db:
        table = await db.create(Item)
        await table.insert(name="item 1")
        async with endless(db, 3) as slow, asyncio.timeout(SOON):
            assert await table[1] == Item(1, "item 1")
            assert await asyncio.gather(*(table[1] for _ in range(40))) == [Item(1, "item 1")] * 40
            assert not any(task.done() for task in slow)


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_reads_do_not_wait_for_a_query_that_used_to_be_quick(db: Database, items: Table[Item]) -> None:
    # By what its last runs took, this one is sent together with others, and nobody else is sent meanwhile.
    for _ in range(3):
        assert await db.item(ROWS_UP_TO, [5]) == 5
    slow = asyncio.create_task(db.q(ROWS_UP_TO, [10**12]))
    try:
        async with asyncio.timeout(SOON):
            rows = await asyncio.gather(*(items[n] for n in range(1, 33)))
            assert [row.id for row in rows] == list(range(1, 33))
            assert await items[1] == Item(1, "item 1")
        assert not slow.done()
    finally:
        await ended(db, slow)


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_reads_do_not_wait_for_a_slow_write(db: Database, items: Table[Item]) -> None:
    await db.q("CREATE TABLE numbers (x INTEGER)")
    slow = asyncio.create_task(db.q(f"INSERT INTO numbers {ROWS_UP_TO.replace('count(*) AS n', 'x')}", [10**12]))
    try:
        await until(lambda: db._core.executor.lanes_in_use >= 1)
        async with asyncio.timeout(SOON):
            rows = await asyncio.gather(*(items[n] for n in range(1, 33)))
            assert [row.id for row in rows] == list(range(1, 33))
            assert await items.count() == 100
        assert not slow.done()
    finally:
        await ended(db, slow)


@sqlite_only
async def test_single_writes_are_stored_in_the_order_in_which_they_were_asked_for(
    db: Database, items: Table[Item]
) -> None:
    rows = await asyncio.gather(*(items.insert(name=f"new {n}") for n in range(300)))
    assert [row.id for row in rows] == list(range(101, 401))


@sqlite_only
async def test_writes_and_transactions_are_served_in_one_order(db: Database, items: Table[Item]) -> None:
    async def block(n: int) -> None:
        async with db.transaction():
            await items.insert(name=f"new {n}")

    calls = [block(n) if n % 5 == 0 else items.insert(name=f"new {n}") for n in range(60)]
    await asyncio.gather(*calls)
    assert await items(items.c.id > 100, order_by="id").scalars("name") == [f"new {n}" for n in range(60)]


async def test_a_reader_is_not_starved_by_64_writers(db: Database, items: Table[Item]) -> None:
    finished = asyncio.Event()
    written = 0

    async def write(n: int) -> None:
        nonlocal written
        while not finished.is_set():
            await items.update(id=n, name="changed")
            written += 1

    async def read() -> None:
        for _ in range(50):
            await items[65]
            await items(name="item 70").one()
        finished.set()

    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        for n in range(1, 65):
            group.create_task(write(n))
        group.create_task(read())
    # Each of the 100 reads waited for some rounds of the writers at most.
    assert written <= 100 * 10 * 64


async def test_a_writer_is_not_starved_by_64_readers(db: Database, items: Table[Item]) -> None:
    finished = asyncio.Event()

    async def read(n: int) -> None:
        while not finished.is_set():
            await items[n]
            await items(name=f"item {n}").one()

    async def write() -> None:
        for n in range(50):
            await items.insert(name=f"new {n}")
            async with db.transaction():
                await items.update(id=70, name=f"changed {n}")
        finished.set()

    async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
        for n in range(1, 65):
            group.create_task(read(n))
        group.create_task(write())
    assert await items.count() == 150
