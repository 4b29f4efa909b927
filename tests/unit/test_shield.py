"""Work that finishes even if the task that waits for it is cancelled."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from deebase._lanes.shield import run_shielded


async def test_it_returns_the_result_and_raises_the_error_of_the_work() -> None:
    async def work(fail: bool) -> int:
        await asyncio.sleep(0)
        if fail:
            raise ZeroDivisionError
        return 42

    assert await run_shielded(work(False)) == 42
    with pytest.raises(ZeroDivisionError):
        await run_shielded(work(True))


async def test_a_cancelled_task_waits_for_the_end_of_the_work() -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    task = asyncio.create_task(run_shielded(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_the_cancellation_continues_with_the_error_of_the_work_as_its_cause() -> None:
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        raise ZeroDivisionError

    task = asyncio.create_task(run_shielded(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_timeout_still_counts_as_a_timeout() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        while not timeout.expired():
            await asyncio.sleep(0)
        ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01) as timeout:
            await run_shielded(work())
    assert ended.is_set()


async def test_a_cancelled_scope_of_anyio_does_not_spin_while_the_work_runs() -> None:
    turns = 0
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()

    async def waiting() -> None:
        nonlocal turns
        try:
            await run_shielded(work())
        finally:
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(waiting)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            assert turns == 0
            go_on.set()
    assert turns == 1
