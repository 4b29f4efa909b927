"""Many tasks at once: every acknowledged write is stored, and no lane is lost, cancelled or not."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from deebase import BusyError, Database
from tests.support.worlds import PAIRS, put


async def stored(db: Database) -> set[int]:
    return {row["id"] for row in await db.q("SELECT id FROM t")}


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
async def test_64_tasks_insert_without_an_error(t: Database, long_run: bool) -> None:
    rows = 157 if long_run else 32

    async def writer(number: int) -> None:
        for row in range(rows):
            await put(t, number * rows + row)

    await asyncio.gather(*(writer(number) for number in range(64)))
    assert await stored(t) == set(range(64 * rows))


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
async def test_50_tasks_upsert_one_key_without_an_error(t: Database) -> None:
    async def upsert() -> None:
        for _ in range(20):
            await t.q("INSERT INTO t (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1")

    await asyncio.gather(*(upsert() for _ in range(50)))
    assert await t.q("SELECT id, n FROM t") == [{"id": 1, "n": 1000}]


class Operations:
    """Reads, writes and two-row transactions, which note what was acknowledged."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.acknowledged: set[int] = set()
        self.failed: list[BaseException] = []

    async def run(self, number: int) -> None:
        """Do one operation; a write stores ``2 * number``, a transaction the number behind it too."""
        try:
            await (self._read, self._write, self._both)[number % 3](2 * number)
        except Exception as error:
            self.failed.append(error)

    async def _read(self, _key: int) -> None:
        await self.db.q("SELECT count(*) FROM t WHERE n > ?", [5])

    async def _write(self, key: int) -> None:
        await put(self.db, key)
        self.acknowledged.add(key)

    async def _both(self, key: int) -> None:
        async with self.db.transaction():
            await put(self.db, key)
            await put(self.db, key + 1)
        self.acknowledged |= {key, key + 1}

    async def check(self, operations: int) -> None:
        """Compare what is stored with what was acknowledged."""
        assert self.failed == []
        present = await stored(self.db)
        assert self.acknowledged - present == set()
        pairs = [(2 * n, 2 * n + 1) for n in range(operations) if n % 3 == 2]
        assert [pair for pair in pairs if (pair[0] in present) != (pair[1] in present)] == []


async def cancel_plain(work: Operations, numbers: list[int], share: float, chance: random.Random) -> None:
    async def limited(number: int) -> None:
        task = asyncio.create_task(work.run(number))
        if chance.random() < share:
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])

    await in_turns(limited, numbers)


async def cancel_scopes(work: Operations, numbers: list[int], share: float, chance: random.Random) -> None:
    async def limited(number: int) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(work.run, number)
            if chance.random() < share:
                for _ in range(chance.randrange(12)):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()

    await in_turns(limited, numbers)


async def in_turns(limited: Callable[[int], object], numbers: list[int]) -> None:
    async def worker() -> None:
        while numbers:
            await limited(numbers.pop())  # type: ignore[misc]

    await asyncio.gather(*(worker() for _ in range(24)))


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
@pytest.mark.parametrize("cancelling", [cancel_plain, cancel_scopes])
@pytest.mark.parametrize("share", [0.1, 0.5])
async def test_cancelled_operations_lose_no_lane_and_no_write(
    t: Database, cancelling: Callable[..., object], share: float, long_run: bool
) -> None:
    operations = 2000 if long_run else 400
    work = Operations(t)
    await cancelling(work, list(range(operations)), share, random.Random(7))  # type: ignore[misc]
    await work.check(operations)
    assert t._core.executor.lanes_in_use == 0
    await asyncio.gather(*(work.run(number) for number in range(operations, operations + 30)))
    await work.check(operations + 30)


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
async def test_cancelling_half_of_the_operations_takes_less_than_three_times_the_work(
    t: Database, long_run: bool
) -> None:
    operations = 2000 if long_run else 400
    work = Operations(t)
    seconds: dict[float, list[float]] = {0.0: [], 0.5: []}
    # The best of three, as other processes take their share of the caches.
    for number, share in enumerate([0.0, 0.5] * 3):
        started = time.process_time()
        first = number * operations
        await cancel_plain(work, list(range(first, first + operations)), share, random.Random(7))
        seconds[share].append(time.process_time() - started)
    assert min(seconds[0.5]) < 3 * min(seconds[0.0])


async def test_nested_calls_never_deadlock_on_a_small_pool(db_url: str) -> None:
    async with Database(db_url, pool_size=2) as db:
        await db.q(PAIRS)

        async def work(number: int) -> None:
            async with db.transaction():
                await put(db, 2 * number)
                assert await db.item("SELECT count(*) FROM t WHERE id = ?", [2 * number]) == 1
                async with db.transaction():
                    await put(db, 2 * number + 1)
                    await asyncio.gather(*(db.q("SELECT 1") for _ in range(3)))

        await asyncio.gather(*(work(number) for number in range(30)))
        assert await stored(db) == set(range(60))


async def test_a_wait_for_a_lane_ends_in_time_and_names_the_holder(db_url: str) -> None:
    async with Database(db_url, pool_size=1, timeout=1) as db:
        await db.q(PAIRS)

        async def waiting() -> None:
            with pytest.raises(BusyError, match=r"within 1 s \(limit 1; held by a transaction of task 'the holder'"):
                await put(db, 1)

        async def hold() -> None:
            async with db.transaction():
                await asyncio.create_task(waiting(), context=outside)

        import contextvars

        outside = contextvars.copy_context()
        await asyncio.create_task(hold(), name="the holder")
        await put(db, 2)
        assert await stored(db) == {2}


# PostgreSQL's writers do not wait for each other.
@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
async def test_writers_are_served_in_order(t: Database) -> None:
    order: list[int] = []

    async def work(number: int) -> None:
        async with t.transaction():
            await put(t, number)
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(30)))
    assert order == list(range(30))
