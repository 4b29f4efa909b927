"""The queue for lanes: fair, bounded in time, and consistent after any cancellation or failure."""

from __future__ import annotations

import asyncio

import pytest

from deebase import BusyError, ConnectionError
from deebase._lanes.pool import LanePool


class Lane:
    """A lane that connects to nothing."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.holder = ""
        self.since = 0.0
        self.closed = 0
        self.cut = False

    def cut_off(self) -> None:
        self.cut = True

    async def close(self) -> None:
        self.closed += 1


class Opener:
    """Opens lanes, or fails while ``error`` is set; holds them back while ``gate`` is closed."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Lane:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        lane = Lane(len(self.lanes))
        self.lanes.append(lane)
        return lane


def pool_of(opener: Opener, limit: int = 2, timeout: float = 5.0) -> LanePool[Lane]:
    return LanePool(asyncio.get_running_loop(), opener, limit, timeout, "test")


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_lanes_are_opened_up_to_the_limit_and_lent_again() -> None:
    opener = Opener()
    pool = pool_of(opener)
    first, second = await pool.acquire("a"), await pool.acquire("b")
    assert {first.number, second.number} == {0, 1}
    third = asyncio.create_task(pool.acquire("c"))
    await turns()
    assert not third.done()
    pool.release(first)
    assert await third is first
    assert first.holder == "c"
    pool.release(first)
    pool.release(second)
    assert await pool.acquire("d") is second
    pool.release(second)
    await pool.close(1)
    assert [lane.closed for lane in opener.lanes] == [1, 1]


async def test_waiters_are_served_in_their_order() -> None:
    pool = pool_of(Opener(), limit=1)
    lane = await pool.acquire("first")
    served: list[int] = []

    async def wait(number: int) -> None:
        mine = await pool.acquire(str(number))
        served.append(number)
        await asyncio.sleep(0)
        pool.release(mine)

    waiting = [asyncio.create_task(wait(number)) for number in range(20)]
    await turns()
    pool.release(lane)
    await asyncio.gather(*waiting)
    assert served == list(range(20))
    await pool.close(1)


async def test_a_waiter_cancelled_in_the_turn_of_its_lane_hands_it_on() -> None:
    pool = pool_of(Opener(), limit=1)
    lane = await pool.acquire("first")
    waiting = [asyncio.create_task(pool.acquire(str(number))) for number in range(3)]
    await turns()
    pool.release(lane)
    waiting[0].cancel()
    waiting[1].cancel()
    assert await waiting[2] is lane
    assert waiting[0].cancelled()
    assert pool.busy == {lane}
    pool.release(lane)
    await pool.close(1)


async def test_an_exhausted_pool_names_its_limit_and_its_holders() -> None:
    pool = pool_of(Opener(), limit=1, timeout=0.05)
    lane = await pool.acquire("the holder")
    with pytest.raises(BusyError, match=r"within 0.05 s \(limit 1; held by the holder"):
        await pool.acquire("late")
    results = await asyncio.gather(*(pool.acquire("late") for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {BusyError}
    pool.release(lane)
    assert await pool.acquire("next") is lane
    pool.release(lane)
    await pool.close(1)


async def test_a_failed_connection_fails_all_waiting_tasks_if_there_is_no_other() -> None:
    opener = Opener()
    opener.error = OSError("refused")
    pool = pool_of(opener)
    results = await asyncio.gather(*(pool.acquire("x") for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {OSError}
    opener.error = None
    pool.release(await pool.acquire("again"))
    await pool.close(1)


async def test_a_failed_connection_fails_no_task_while_another_lane_is_in_use() -> None:
    opener = Opener()
    pool = pool_of(opener)
    lane = await pool.acquire("a")
    opener.error = OSError("refused")
    waiting = asyncio.create_task(pool.acquire("b"))
    await turns()
    assert not waiting.done()
    pool.release(lane)
    assert await waiting is lane
    pool.release(lane)
    await pool.close(1)


async def test_a_discarded_lane_is_closed_and_replaced() -> None:
    opener = Opener()
    pool = pool_of(opener, limit=1)
    lane = await pool.acquire("a")
    waiting = asyncio.create_task(pool.acquire("b"))
    await turns()
    pool.discard(lane)
    other = await waiting
    assert other is not lane
    assert lane.closed == 1
    pool.release(other)
    await pool.close(1)


async def test_the_caller_of_a_connection_that_opens_may_be_cancelled() -> None:
    opener = Opener()
    opener.gate.clear()
    pool = pool_of(opener, limit=1)
    waiting = asyncio.create_task(pool.acquire("a"))
    await turns()
    waiting.cancel()
    await asyncio.wait([waiting])
    opener.gate.set()
    await turns()
    assert len(pool.idle) == 1
    pool.release(await pool.acquire("b"))
    await pool.close(1)
    assert len(opener.lanes) == 1


async def test_close_waits_for_lent_lanes_and_refuses_new_callers() -> None:
    opener = Opener()
    pool = pool_of(opener, limit=1)
    lane = await pool.acquire("a")
    waiting = asyncio.create_task(pool.acquire("b"))
    await turns()
    closing = asyncio.create_task(pool.close(5))
    await turns()
    with pytest.raises(ConnectionError, match="closed"):
        await pool.acquire("late")
    waiting.cancel()
    await turns()
    assert not closing.done()
    pool.release(lane)
    await asyncio.wait_for(closing, 1)
    assert (lane.closed, lane.cut) == (1, False)


async def test_close_cuts_off_lanes_that_are_not_given_back_in_time() -> None:
    opener = Opener()
    pool = pool_of(opener, limit=1)
    lane = await pool.acquire("a")
    waiting = asyncio.create_task(pool.acquire("b"))
    await turns()
    await pool.close(0.01)
    assert (lane.closed, lane.cut) == (1, True)
    with pytest.raises(ConnectionError, match="closed"):
        await waiting
    pool.discard(lane)
    await turns()
    assert lane.closed == 1


async def test_close_gives_up_a_connection_that_never_opens() -> None:
    opener = Opener()
    opener.gate.clear()
    pool = pool_of(opener)
    waiting = asyncio.create_task(pool.acquire("a"))
    await turns()
    await asyncio.wait_for(pool.close(0.01), 1)
    with pytest.raises(ConnectionError, match="closed"):
        await waiting


async def test_without_a_timeout_a_waiter_waits_for_as_long_as_it_takes() -> None:
    pool = pool_of(Opener(), limit=1, timeout=0)
    lane = await pool.acquire("a")
    waiting = asyncio.create_task(pool.acquire("b"))
    await turns(50)
    assert not waiting.done()
    pool.release(lane)
    pool.release(await waiting)
    await pool.close(1)


async def test_a_failed_connection_is_logged_once_per_burst_while_another_lane_lives(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opener = Opener()
    loop = asyncio.get_running_loop()
    pool = LanePool(loop, opener, 2, 5.0, "database", "db.example.org/shop", lambda error: f"<{error}>")
    lane = await pool.acquire("a")

    async def fail() -> None:
        waiting = asyncio.create_task(pool.acquire("b"))
        await turns()
        waiting.cancel()
        await asyncio.wait([waiting])

    opener.error = OSError("refused")
    for _ in range(5):
        await fail()
    assert [(record.name, record.levelname) for record in caplog.records] == [("deebase", "WARNING")]
    assert "db.example.org/shop" in caplog.text
    assert "<refused>" in caplog.text
    opener.error = None
    other = await pool.acquire("c")
    pool.discard(other)
    await turns()
    opener.error = OSError("refused again")
    await fail()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    pool.release(lane)
    await pool.close(1)


async def test_a_failed_connection_that_is_raised_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    opener = Opener()
    opener.error = OSError("refused")
    pool = pool_of(opener)
    with pytest.raises(OSError, match="refused"):
        await pool.acquire("a")
    assert not caplog.records
    await pool.close(1)
