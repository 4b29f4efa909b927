"""SQLite lanes of one event loop: a writer and readers, which take all statements that wait in one hop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from deebase._backends.sqlite.job import COUNT, RAW, ROWS, Job
from deebase._backends.sqlite.lane import SqliteLane
from deebase._lanes.pool import LanePool
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement

SessionStatement = tuple[Statement, Any]

#: Statements of one hop; more would make the first of them wait for the last.
MAX_BATCH = 64
#: A statement slower than this (seconds) travels alone, so that it holds up nobody else.
QUICK = 0.001
#: A further reader is opened when the head of the queue has waited this long (seconds).
GROW_AFTER = 0.004


_DISTRUST = Statement("PRAGMA trusted_schema = OFF")


class SqlitePool(LanePool[SqliteLane]):
    """Lanes that take all statements that wait, in one hop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[], Awaitable[SqliteLane]],
        limit: int,
        timeout: float,
        kind: str,
        session: list[SessionStatement],
    ) -> None:
        super().__init__(loop, open_lane, limit, timeout, kind)
        #: Hops on their way whose statements are all known to be quick.
        self._quick: set[SqliteLane] = set()
        self._watch: asyncio.TimerHandle | None = None
        #: Session statements (PRAGMA x = y, ATTACH) that every lane runs before its next use.
        self.session = session

    async def acquire(self, holder: str) -> SqliteLane:
        """Lend a lane that has run every session statement."""
        lane = await super().acquire(holder)
        if lane.session < len(self.session):
            try:
                await run_shielded(self._catch_up(lane))
            except BaseException:
                self.release(lane)
                raise
        return lane

    async def _catch_up(self, lane: SqliteLane) -> None:
        while lane.session < len(self.session):
            statement, args = self.session[lane.session]
            lane.session += 1
            await lane.fetch(statement, args)

    async def run(self, statement: Statement, args: Any, mode: int) -> Any:
        """Run one statement outside of a transaction on whichever lane is free first."""
        job = Job(self.loop.create_future(), statement, args, mode)
        self._enqueue(job)
        if self.holders.lanes and len(self.busy) >= self.limit:
            self.watch(job)
        self._serve()
        try:
            return await job.future
        except asyncio.CancelledError:
            job.cancelled = True
            raise

    def _serve(self) -> None:
        queue = self._queue
        while queue:
            if queue[0].future.done():
                queue.popleft()
            elif self._quick and isinstance(queue[0], Job):
                # A quick hop is back before long and takes all that waits by then: one thread at a time,
                # with full hands, does more than several that contend for the interpreter.
                self._look_again_later()
                return
            elif self.idle:
                lane = self.idle.pop()
                self.busy.add(lane)
                self._hand_over(lane)
            else:
                self._grow()
                return

    def _look_again_later(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(GROW_AFTER, self._look_again)

    def _look_again(self) -> None:
        """Help the head of the queue to a lane of its own when it has waited for long."""
        self._watch = None
        if not self._queue or self.closed:
            return
        if self.timeout - (self._queue[0].deadline - self.loop.time()) < GROW_AFTER:
            self._look_again_later()
            return
        self._quick.clear()
        if not self.idle:
            super()._grow()
        self._serve()

    def _hand_over(self, lane: SqliteLane) -> None:
        if not isinstance(self._queue[0], Job):
            super()._hand_over(lane)
            return
        self._start(lane, self._take_batch())

    def _take_batch(self) -> list[Job]:
        """Take the head of the queue and the quick statements behind it."""
        queue = self._queue
        batch: list[Job] = []
        # In the thread the deadline counts on another clock; without a timeout there is none.
        shift = time.monotonic() - self.loop.time() if self.timeout else math.inf
        while queue and len(batch) < MAX_BATCH:
            job = queue[0]
            if not isinstance(job, Job) or (batch and job.statement.last_seconds > QUICK):
                break
            queue.popleft()
            if not job.future.done():
                job.deadline += shift
                batch.append(job)
                if job.statement.last_seconds > QUICK:
                    break
        return batch

    def _start(self, lane: SqliteLane, batch: list[Job]) -> None:
        if lane.session < len(self.session):
            batch = self._missed(lane) + batch
        lane.holder = batch[0].statement.sql[:40]
        lane.since = self.loop.time()
        if batch[0].statement.last_seconds <= QUICK:
            self._quick.add(lane)
        lane.hop(batch, self._finished, alone=True)

    def _missed(self, lane: SqliteLane) -> list[Job]:
        """Return the session statements the lane has not run; nobody waits for their results."""
        missed = [
            Job(self.loop.create_future(), statement, args, ROWS) for statement, args in self.session[lane.session :]
        ]
        for job in missed:
            job.future.cancel()
        lane.session = len(self.session)
        return missed

    def _finished(self, lane: SqliteLane, jobs: list[Job]) -> None:
        self._quick.discard(lane)
        for job in jobs:
            job.deliver()
        if lane.broken:
            self.discard(lane)
        else:
            self.release(lane)

    def _grow(self) -> None:
        if self.busy or self.idle:
            # The lanes at work are likely to be back before a new connection is open.
            self._look_again_later()
        elif self._opening == 0:
            super()._grow()

    async def close(self, timeout: float) -> None:
        """Close as every pool does."""
        await super().close(timeout)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class SqliteLanes:
    """The lanes of one database in one event loop: a writer and readers, or one lane for memory."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[bool], Awaitable[SqliteLane]],
        *,
        readers: int,
        timeout: float,
    ) -> None:
        self.loop = loop
        session: list[SessionStatement] = []
        self._session = session
        self._writer = SqlitePool(loop, lambda: open_lane(False), 1, timeout, "writing", session)
        self._single = readers == 0
        self._reader = (
            self._writer
            if self._single
            else SqlitePool(loop, lambda: open_lane(True), readers, timeout, "reading", session)
        )

    @property
    def in_use(self) -> int:
        """Number of lanes that are lent now."""
        return len(self._writer.busy) + (0 if self._single else len(self._reader.busy))

    def fetch(self, statement: Statement, args: Any) -> Awaitable[list[Any]]:
        """Run one statement that returns rows, and commit it."""
        pool = self._reader if statement.reads else self._writer
        return pool.run(statement, args, ROWS)

    def count(self, statement: Statement, args: Any) -> Awaitable[int]:
        """Run one statement that changes rows, commit it, and return their number."""
        return self._writer.run(statement, args, COUNT)

    async def raw_fetch(self, statement: Statement, args: Any) -> tuple[list[str], list[Any]]:
        """Run a statement of the user's own; one that changes the session is repeated on every lane."""
        if statement.changes_session:
            lane = await self._writer.acquire(statement.sql[:40])
            return await run_shielded(self._change_session(lane, statement, args))
        pool = self._reader if statement.reads else self._writer
        result: tuple[list[str], list[Any]] = await pool.run(statement, args, RAW)
        return result

    async def _change_session(self, lane: SqliteLane, statement: Statement, args: Any) -> tuple[list[str], list[Any]]:
        try:
            result = await lane.raw_fetch(statement, args)
            # All other lanes run it before their next use; this one has.
            self._session.append((statement, args))
            lane.session = len(self._session)
            if lane.trusts and statement.sql.lstrip()[:6].upper() == "ATTACH":
                # The schema of another file was not looked at.
                await lane.control(_DISTRUST)
                self._session.append((_DISTRUST, ()))
                lane.session = len(self._session)
        finally:
            self.release(lane, write=True)
        return result

    async def acquire(self, holder: str, *, write: bool, streams: bool = False) -> SqliteLane:
        """Lend a lane of its own to a transaction or a stream."""
        pool = self._writer if write else self._reader
        return await pool.lend(lambda: pool.acquire(holder), holder, streams=streams)

    def ends(self, lane: SqliteLane, *, write: bool) -> None:
        """Note that a lane is about to be given back."""
        (self._writer if write else self._reader).holders.ends(lane)

    def release(self, lane: SqliteLane, *, write: bool) -> None:
        """Take it back."""
        pool = self._writer if write else self._reader
        if lane.broken or lane.lost:
            pool.discard(lane)
        else:
            pool.release(lane)

    async def close(self, timeout: float) -> None:
        """Wait for what runs, then close every lane; the writer's WAL is folded back."""
        if not self._single:
            await self._reader.close(timeout)
        await self._writer.close(timeout)
