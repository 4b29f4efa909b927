"""A bounded set of lanes of one event loop, with one fair queue of the tasks that wait for a lane.

A lane is opened when a task waits and the limit is not reached. The lane that was used last is used first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from deebase._lanes.holders import Holders
from deebase._lanes.interface import PooledLane
from deebase.errors import BusyError, ConnectionError

log = logging.getLogger("deebase")

#: Length limit of the queue: further callers are rejected at once, so that they do not fill the memory.
MAX_WAITING = 100_000


def closed_while_running() -> ConnectionError:
    """Return the error of an operation that was interrupted because its Database was closed."""
    return ConnectionError("this database was closed while the operation ran", hint="close it when all work is done")


L = TypeVar("L", bound=PooledLane)


@dataclass(slots=True, eq=False)
class Waiter:
    """A task that waits for a lane."""

    future: asyncio.Future[Any]
    deadline: float = field(default=0.0, kw_only=True)

    def answer(self, result: object, error: BaseException | None = None) -> None:
        """Wake the task with a result or an error, if it still waits."""
        if not self.future.done():
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)


class LanePool(Generic[L]):
    """Lanes that are lent one at a time, in the order of the requests.

    Args:
        loop: the event loop.
        open_lane: opens a lane.
        limit: number of lanes at most.
        timeout: seconds that a task waits for a lane at most.
        kind: the purpose of the lanes, for messages.
        place: where the database is, for messages.
        describe: returns the message for an error of ``open_lane``.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[], Awaitable[L]],
        limit: int,
        timeout: float,
        kind: str,
        place: str = "the database",
        describe: Callable[[BaseException], str] = str,
    ) -> None:
        self.loop = loop
        self.limit = limit
        self.timeout = timeout
        self.kind = kind
        self.place = place
        self.describe = describe
        self.idle: list[L] = []
        self.busy: set[L] = set()
        #: Lent lanes whose connection is lost: they are discarded when they are returned.
        self.gone: set[L] = set()
        self.holders: Holders[L] = Holders(loop, limit, timeout, kind)
        self.closed = False
        self._open_lane = open_lane
        self._queue: deque[Waiter] = deque()
        self._opening = 0
        self._closing = 0
        #: Whether the last lane could not be opened, so that further failures are not logged.
        self._failing = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained: asyncio.Future[None] | None = None

    # -- borrowing -----------------------------------------------------------------------------

    async def acquire(self, holder: str) -> L:
        """Lend a lane, waiting for one up to the timeout (BusyError)."""
        waiter = Waiter(self.loop.create_future())
        self._enqueue(waiter)
        self._serve()
        if self.holders.lanes and len(self.busy) >= self.limit:
            self.watch(waiter)
        try:
            lane: L = await waiter.future
        except asyncio.CancelledError:
            # Lent in the same turn in which the task was cancelled: the next task gets it.
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self.release(waiter.future.result())
            raise
        lane.holder = holder
        lane.since = self.loop.time()
        return lane

    async def lend(self, acquire: Callable[[], Awaitable[L]], holder: str, *, streams: bool) -> L:
        """Lend a lane that stays lent while code of the user runs.

        Args:
            acquire: lends a lane of this pool.
            holder: the user of the lane, for messages.
            streams: the lane is lent to a stream; streams leave one lane to everything else.
        """
        if streams:
            await self.holders.take_place()
        try:
            lane = await acquire()
        except BaseException:
            if streams:
                self.holders.free_place()
            raise
        self.holders.hold(lane, holder, streams=streams)
        return lane

    def watch(self, waiter: Waiter) -> None:
        """End a wait at once if nothing but the timeout could end it."""
        self.holders.watch(waiter.future, lambda: self.busy, self.limit)

    def lost(self, lane: L) -> None:
        """Open another lane in place of a lent lane whose connection is lost."""
        if lane in self.busy:
            self.busy.discard(lane)
            self.gone.add(lane)
            self.holders.gave_back(lane)
            self._serve()
            self._check_drained()

    def release(self, lane: L) -> None:
        """Take a lane back and serve the tasks that wait."""
        self.busy.discard(lane)
        if lane in self.holders.lanes:
            self.holders.gave_back(lane)
        self.idle.append(lane)
        if self._queue:
            self._serve()
        if self._drained is not None:
            self._check_drained()

    def discard(self, lane: L) -> None:
        """Close a lane whose connection cannot be trusted; its place is free as soon as it is closed."""
        if self.closed and lane not in self.busy:
            # The pool has already closed it.
            return
        self.busy.discard(lane)
        self.gone.discard(lane)
        self.holders.gave_back(lane)
        self._closing += 1
        self._spawn(self._close_lane(lane))

    async def _close_lane(self, lane: L) -> None:
        try:
            await lane.close()
        finally:
            self._closing -= 1
            self._serve()
            self._check_drained()

    # -- the queue -----------------------------------------------------------------------------

    def _enqueue(self, waiter: Waiter) -> None:
        if self.closed:
            raise ConnectionError("this database is closed", hint="open a new Database, or close it later")
        if len(self._queue) >= MAX_WAITING:
            raise BusyError(
                f"more than {MAX_WAITING} operations wait for a {self.kind} connection", hint="slow the callers down"
            )
        waiter.deadline = self.loop.time() + self.timeout
        self._queue.append(waiter)
        if self._timer is None and self.timeout > 0:
            self._timer = self.loop.call_later(self.timeout, self._expire)

    def _expire(self) -> None:
        # All waiters have the same timeout, so the head of the queue is the next to expire.
        self._timer = None
        now = self.loop.time()
        queue = self._queue
        while queue and (queue[0].future.done() or queue[0].deadline <= now):
            waiter = queue.popleft()
            if not waiter.future.done():
                waiter.answer(None, self._busy_error())
        if queue:
            self._timer = self.loop.call_later(queue[0].deadline - now, self._expire)

    def _busy_error(self) -> BusyError:
        now = self.loop.time()
        holders = sorted(f"{lane.holder} ({now - lane.since:.1f} s)" for lane in self.busy if lane.holder)
        held = "; held by " + ", ".join(holders[:5]) if holders else ""
        return BusyError(
            f"no {self.kind} connection became free within {self.timeout:g} s (limit {self.limit}{held})",
            hint="keep transactions short, or raise timeout= or pool_size= of the Database",
        )

    def _serve(self) -> None:
        queue = self._queue
        while queue:
            if queue[0].future.done():
                queue.popleft()
            elif self.idle:
                lane = self.idle.pop()
                self.busy.add(lane)
                self._hand_over(lane)
            else:
                self._grow()
                return

    def _hand_over(self, lane: L) -> None:
        """Lend a lane to the head of the queue."""
        self._queue.popleft().future.set_result(lane)

    # -- opening and closing -------------------------------------------------------------------

    def _grow(self) -> None:
        places = len(self.busy) + len(self.idle) + self._opening + self._closing
        if self._opening < len(self._queue) and places < self.limit:
            self._opening += 1
            self._spawn(self._open())

    async def _open(self) -> None:
        try:
            lane = await self._open_lane()
        except BaseException as error:
            self._opening -= 1
            self._fail_waiting(error)
            if not isinstance(error, Exception):
                raise
            return
        self._opening -= 1
        self._failing = False
        self.release(lane)

    def _fail_waiting(self, error: BaseException) -> None:
        # The remaining lanes serve the tasks that wait.
        if self.busy or self.idle:
            self._log_failure(error)
            return
        if self._closing:
            return
        waiting, self._queue = self._queue, deque()
        for waiter in waiting:
            waiter.answer(None, error)

    def _log_failure(self, error: BaseException) -> None:
        """Log an error that no caller gets; only once for consecutive failures."""
        if self._failing or self.closed or not isinstance(error, Exception):
            return
        self._failing = True
        log.warning(
            "no further %s connection to %s can be opened, %d remain: %s",
            self.kind,
            self.place,
            len(self.busy) + len(self.idle),
            self.describe(error),
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_drained(self) -> None:
        if self._drained is not None and not self.busy and not self._drained.done():
            self._drained.set_result(None)

    async def close(self, timeout: float) -> None:
        """Refuse new work, wait up to ``timeout`` seconds for running operations, then close every lane."""
        self.closed = True
        if self.busy:
            self._drained = self.loop.create_future()
            await asyncio.wait([self._drained], timeout=timeout)
        if self._timer is not None:
            self._timer.cancel()
        self._fail_all(ConnectionError("this database was closed while the operation waited"))
        await self._end_tasks(timeout)
        lanes = [*self.idle, *self.busy, *self.gone]
        for lane in self.busy:
            lane.cut_off()
        self.idle.clear()
        self.busy.clear()
        self.gone.clear()
        await asyncio.gather(*(lane.close() for lane in lanes))

    async def _end_tasks(self, timeout: float) -> None:
        """Wait for lanes that are being opened or closed, and cancel those that take too long."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(list(self._tasks), timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=timeout)

    def _fail_all(self, error: BaseException) -> None:
        self.holders.fail_waiting(error)
        while self._queue:
            self._queue.popleft().answer(None, error)
