"""SQLite lanes of one event loop: a writer and readers, which take all statements that wait in one hop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from deebase._engine.pool import LanePool
from deebase._engine.shield import finish
from deebase._engine.sqlite_lane import COUNT, RAW, ROWS, Job, SqliteLane
from deebase._sql.statement import Statement

SessionStatement = tuple[Statement, Any]

#: Statements of one hop; more would make the first of them wait for the last.
MAX_BATCH = 64
#: A statement slower than this (seconds) travels alone, so that it holds up nobody else.
QUICK = 0.001
#: A further reader is opened when the head of the queue has waited this long (seconds).
GROW_AFTER = 0.004


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
        self._scheduled = False
        #: Session statements (PRAGMA x = y, ATTACH) that every lane runs before its next use.
        self.session = session

    async def acquire(self, holder: str) -> SqliteLane:
        """Lend a lane that has run every session statement."""
        lane = await super().acquire(holder)
        if lane.session < len(self.session):
            try:
                await finish(self._catch_up(lane))
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
        if not self._scheduled:
            # Not at once: all that is asked for in this turn of the loop shares one hop.
            self._scheduled = True
            self.loop.call_soon(self._dispatch)
        try:
            return await job.future
        except asyncio.CancelledError:
            job.cancelled = True
            raise

    def _dispatch(self) -> None:
        self._scheduled = False
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
        now = self.loop.time()
        while queue and len(batch) < MAX_BATCH:
            job = queue[0]
            if not isinstance(job, Job) or (batch and job.statement.cost > QUICK):
                break
            queue.popleft()
            if not job.future.done():
                # From here the deadline counts on the clock of the thread.
                job.deadline += time.monotonic() - now
                batch.append(job)
                if job.statement.cost > QUICK:
                    break
        return batch

    def _start(self, lane: SqliteLane, batch: list[Job]) -> None:
        if lane.session < len(self.session):
            batch = self._missed(lane) + batch
        lane.holder = batch[0].statement.sql[:40]
        lane.since = self.loop.time()
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
        for job in jobs:
            job.deliver()
        self.release(lane)

    def _grow(self) -> None:
        if not self.busy and not self.idle:
            if self._opening == 0:
                super()._grow()
        elif len(self.busy) < self.limit and self._opening == 0:
            # The lanes at work are likely to be back before a new connection is open.
            self.loop.call_later(GROW_AFTER, self._grow_if_stuck)

    def _grow_if_stuck(self) -> None:
        if self._queue and not self.idle and self._opening == 0 and not self.closed:
            patience = self.timeout - GROW_AFTER
            if self._queue[0].deadline - self.loop.time() <= patience:
                super()._grow()
            else:
                self._grow()


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
            return await finish(self._change_session(lane, statement, args))
        pool = self._reader if statement.reads else self._writer
        result: tuple[list[str], list[Any]] = await pool.run(statement, args, RAW)
        return result

    async def _change_session(self, lane: SqliteLane, statement: Statement, args: Any) -> tuple[list[str], list[Any]]:
        try:
            result = await lane.raw_fetch(statement, args)
            # All other lanes run it before their next use; this one has.
            self._session.append((statement, args))
            lane.session = len(self._session)
        finally:
            self.release(lane, write=True)
        return result

    async def acquire(self, holder: str, *, write: bool) -> SqliteLane:
        """Lend a lane of its own to a transaction or a stream."""
        return await (self._writer if write else self._reader).acquire(holder)

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
