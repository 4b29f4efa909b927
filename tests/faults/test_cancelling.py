"""Cancelling a task at every point of an operation: nothing half done, no lane lost, nothing left open."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from deebase import Database
from tests.support.worlds import PAIRS, keys, put, slow_count

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)

#: Turns of the event loop after which the task is cancelled, one run each.
TURNS = range(40)


async def cancelled_after(turns: int, work: Coroutine[Any, Any, None]) -> bool:
    """Cancel a task after some turns of the loop; return whether it was cancelled."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


async def in_cancelled_scope(turns: int, work: Coroutine[Any, Any, None]) -> bool:
    """The same in a scope of anyio, which cancels again on every turn until the task has ended."""
    done = False

    async def note() -> None:
        nonlocal done
        await work
        done = True

    async with anyio.create_task_group() as group:
        group.start_soon(note)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    return not done


cancelling = pytest.mark.parametrize("cancel", [cancelled_after, in_cancelled_scope])
Cancel = Callable[[int, Coroutine[Any, Any, None]], Coroutine[Any, Any, bool]]


@cancelling
async def test_a_transaction_is_stored_whole_or_not_at_all_wherever_it_is_cancelled(
    t: Database, cancel: Cancel
) -> None:
    async def work(key: int) -> None:
        async with t.transaction() as tx:
            await put(t, key)
            await put(t, key + 1)
        outcomes[key] = tx.outcome

    outcomes: dict[int, str | None] = {}
    for turns in TURNS:
        if not await cancel(turns, work(2 * turns)):
            assert outcomes[2 * turns] == "committed"
            assert {2 * turns, 2 * turns + 1} <= set(await keys(t))
        assert t._core.executor.lanes_in_use == 0
        # A lane that came back with its transaction open would take this row with it.
        await put(t, 1000 + turns)
    present = set(await keys(t))
    assert {1000 + turns for turns in TURNS} <= present
    assert all((2 * turns in present) == (2 * turns + 1 in present) for turns in TURNS)


@cancelling
async def test_a_write_behind_a_cancelled_begin_is_stored(t: Database, cancel: Cancel) -> None:
    async def work() -> None:
        async with t.transaction():
            pass

    for turns in range(12):
        await cancel(turns, work())
        await put(t, turns)
        async with t.transaction():
            await put(t, 100 + turns)
    assert await keys(t) == [*range(12), *range(100, 112)]


@cancelling
async def test_a_write_behind_a_cancelled_read_only_block_is_stored(t: Database, cancel: Cancel) -> None:
    async def work() -> None:
        async with t.transaction(read_only=True):
            await keys(t)

    for turns in range(30):
        await cancel(turns, work())
        await put(t, turns)
    assert await keys(t) == list(range(30))


@cancelling
async def test_a_cancelled_savepoint_does_not_end_in_a_half_transaction(t: Database, cancel: Cancel) -> None:
    async def work(key: int) -> None:
        async with t.transaction():
            await put(t, key)
            async with t.transaction():
                await put(t, key + 1)
            await put(t, key + 2)

    for turns in TURNS:
        await cancel(turns, work(3 * turns))
        assert t._core.executor.lanes_in_use == 0
        await put(t, 1000 + turns)
    present = set(await keys(t))
    assert all(len({3 * n, 3 * n + 1, 3 * n + 2} & present) in (0, 3) for n in TURNS)
    assert {1000 + turns for turns in TURNS} <= present


@cancelling
async def test_a_cancelled_single_write_is_stored_or_not_and_disturbs_no_other(t: Database, cancel: Cancel) -> None:
    for turns in range(12):
        others = [asyncio.create_task(put(t, 100 * turns + n)) for n in range(1, 9)]
        if not await cancel(turns, put(t, 100 * turns)):
            assert 100 * turns in await keys(t)
        await asyncio.gather(*others)
    present = set(await keys(t))
    assert {100 * turns + n for turns in range(12) for n in range(1, 9)} <= present


async def test_a_wait_for_a_lane_may_be_cancelled_in_the_turn_in_which_it_is_granted(
    db_url: str, eventually: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    async with Database(db_url, pool_size=1) as db:
        await db.q(PAIRS)
        released = asyncio.Event()

        async def hold(entered: asyncio.Event) -> None:
            async with db.transaction():
                entered.set()
                await released.wait()

        async def waits(key: int) -> None:
            async with db.transaction():
                await put(db, key)

        async def let_go_then_cancel(turns: int) -> None:
            entered = asyncio.Event()
            holder = asyncio.create_task(hold(entered))
            await entered.wait()
            waiting = [asyncio.create_task(waits(turns)), asyncio.create_task(put(db, 100 + turns))]
            for _ in range(3):
                await asyncio.sleep(0)
            released.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
            await holder
            released.clear()

        for turns in range(25):
            await let_go_then_cancel(turns)
            await eventually(lambda: db._core.executor.lanes_in_use == 0)
            await put(db, 1000 + turns)
        assert {1000 + turns for turns in range(25)} <= set(await keys(db))


async def test_a_cancelled_read_in_memory_loses_nothing(t: Database) -> None:
    slow = slow_count(t)
    await put(t, 1)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        task = asyncio.create_task(t.q(slow))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.shield(task)
        began = loop.time()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await keys(t) == [1]
        assert loop.time() - began < 2
    await put(t, 2)
    assert await keys(t) == [1, 2]


@cancelling
async def test_a_cancelled_stream_frees_its_lane(
    t: Database, cancel: Cancel, eventually: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    await t.q("INSERT INTO t (id, n) VALUES " + ", ".join(f"({n}, 0)" for n in range(3000)))

    async def work() -> None:
        async for _ in t.stream("SELECT id FROM t ORDER BY id"):
            await asyncio.sleep(0)

    for turns in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14, 20, 40, 400, 1500):
        await cancel(turns, work())
        await eventually(lambda: t._core.executor.lanes_in_use == 0)
    assert await t.item("SELECT count(*) FROM t") == 3000
    await put(t, 5000)


@cancelling
async def test_a_database_that_is_cancelled_while_it_opens_leaves_nothing_open(db_url: str, cancel: Cancel) -> None:
    async def work() -> None:
        async with Database(db_url) as db:
            await asyncio.gather(*(db.q("SELECT 1") for _ in range(5)))

    gc.disable()
    try:
        for turns in (*range(30), 60, 120, 240):
            await cancel(turns, work())
    finally:
        gc.enable()


@cancelling
async def test_cancelling_many_at_once_leaves_the_pool_sound(t: Database, cancel: Cancel) -> None:
    async def work() -> None:
        await asyncio.gather(*(put(t, n) for n in range(200)))

    for turns in (1, 3, 5, 8, 13, 21, 34):
        await cancel(turns, work())
        assert set(await keys(t)) <= set(range(200))
        await t.q("DELETE FROM t")
    await put(t, 1)
    assert await keys(t) == [1]
