"""Tracks which tasks hold lanes while other code runs, so that no task waits for itself.

A stream holds a lane while the body of its loop runs. If streams could take all lanes, the statements in those bodies
would wait for each other until the timeout. One lane is therefore reserved for single statements and transactions.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from deebase.errors import BusyError

#: Seconds after which a task that waits for itself gets an error. An abandoned stream is closed by then.
GRACE = 0.1

L = TypeVar("L")


class Holders(Generic[L]):
    """The tasks that hold lanes of one pool, and those of them that wait for another lane."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int, timeout: float, kind: str) -> None:
        self._loop = loop
        self._limit = limit
        self._timeout = timeout
        self._kind = kind
        #: How many lanes streams may hold at once.
        self._most = max(1, limit - 1)
        #: The task of each held lane (None as soon as the lane is about to be returned), and what holds the lane. A
        #: task refers to the generator whose next item it awaits (``create_task(anext(rows))``), so it is weak.
        self.lanes: dict[L, tuple[weakref.ref[asyncio.Task[object]] | None, str]] = {}
        self._streams: set[L] = set()
        self._places = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._blocked: dict[asyncio.Future[Any], asyncio.Task[object]] = {}

    # -- places of streams ---------------------------------------------------------------------

    async def take_place(self) -> None:
        """Wait until a further stream may hold a lane, up to the timeout (BusyError)."""
        if self._places < self._most and not self._queue:
            self._places += 1
            return
        place: asyncio.Future[None] = self._loop.create_future()
        self._queue.append(place)
        self.watch(place, lambda: self._streams, self._most)
        try:
            async with asyncio.timeout(self._timeout or None):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.free_place()
            if isinstance(error, TimeoutError):
                raise self._late() from error
            raise

    def free_place(self) -> None:
        """Give the place of a finished stream to the next one."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._places -= 1

    def fail_waiting(self, error: BaseException) -> None:
        """Fail the streams that wait for a place."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_exception(error)

    def _late(self) -> BusyError:
        return BusyError(
            f"no {self._kind} connection became free for a stream within {self._timeout:g} s "
            f"({self._most} of {self._limit} may stream at once; held by {self._named(self._streams)})",
            hint="keep the bodies of loops over streams short, or raise timeout= or pool_size= of the Database",
        )

    # -- holding -------------------------------------------------------------------------------

    def hold(self, lane: L, holder: str, *, streams: bool) -> None:
        """Record that the current task holds a lane."""
        task = asyncio.current_task()
        self.lanes[lane] = None if task is None else weakref.ref(task), holder
        if streams:
            self._streams.add(lane)

    def ends(self, lane: L) -> None:
        """Record that a lane is about to be returned, so that tasks keep waiting for it."""
        if lane in self.lanes:
            self.lanes[lane] = None, self.lanes[lane][1]

    def gave_back(self, lane: L) -> None:
        """Record that a lane was returned or discarded."""
        self.lanes.pop(lane, None)
        if lane in self._streams:
            self._streams.discard(lane)
            self.free_place()

    # -- tasks that wait for themselves --------------------------------------------------------

    def watch(self, future: asyncio.Future[Any], held: Callable[[], Iterable[L]], most: int) -> None:
        """Watch a task that waits for a lane while it holds one itself.

        Args:
            future: the result that it waits for.
            held: returns the lanes of which one has to become free.
            most: number of these lanes at most.
        """
        task = asyncio.current_task()
        if task is None or all(task is not self._holder(lane) for lane in self.lanes):
            return
        self._blocked[future] = task
        future.add_done_callback(self._unblock)
        self._loop.call_later(GRACE, self._refuse_stuck, future, held, most)

    def _unblock(self, future: asyncio.Future[Any]) -> None:
        del self._blocked[future]

    def _refuse_stuck(self, future: asyncio.Future[Any], held: Callable[[], Iterable[L]], most: int) -> None:
        # The last task to wait completes the cycle, so one check per task is enough.
        lanes = list(held())
        blocked = set(self._blocked.values())
        if future.done() or len(lanes) < most or any(self._holder(lane) not in blocked for lane in lanes):
            return
        future.set_exception(
            BusyError(
                f"no {self._kind} connection can become free: all are held by tasks that wait for one "
                f"(limit {self._limit}; held by {self._named(lanes)})",
                hint="inside a loop over a stream or a transaction of a generator, run no other statements: "
                "read the rows first (rows = await t(...)), page by page with t.page(...), or raise pool_size=",
            )
        )

    def _holder(self, lane: L) -> asyncio.Task[object] | None:
        """Return the task that holds a lane, if it has not ended."""
        task, _ = self.lanes.get(lane, (None, ""))
        return None if task is None else task()

    def _named(self, lanes: Iterable[L]) -> str:
        return ", ".join(sorted({self.lanes[lane][1] for lane in lanes if lane in self.lanes})[:5]) or "others"
