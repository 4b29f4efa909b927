"""SQLite lanes of one event loop: a writer and readers, which run all waiting statements in one hop."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from deebase._backends.sqlite.in_loop import LoopReads
from deebase._backends.sqlite.lane import SqliteLane
from deebase._backends.sqlite.session_state import SessionState
from deebase._backends.sqlite.thread.job import COUNT, RAW, ROWS, Hop, Job, JobFuture
from deebase._lanes.acting import ActingContext
from deebase._lanes.interface import Columns, Params, Rows
from deebase._lanes.pool import LanePool
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase.errors import ConnectionError

#: The largest number of statements of one hop: the first one waits for the last.
MAX_BATCH = 64
#: A statement slower than this (seconds) runs in a separate hop, so that no other statement waits for it.
QUICK = 0.001
#: A further reader is opened when the head of the queue has waited this long (seconds).
GROW_AFTER = 0.004


_DISTRUST = Statement("PRAGMA trusted_schema = OFF")


class SqlitePool(LanePool[SqliteLane]):
    """Lanes that run all waiting statements in one hop.

    Args:
        loop: the event loop.
        open_lane: opens a lane; its argument is whether the lane only reads.
        limit: number of lanes at most.
        timeout: seconds that a task waits for a lane at most.
        reads: whether the lanes only read.
        session: the session settings of the user for all connections.
        place: where the database is, for messages.
        describe: returns the message for an error.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[bool], Awaitable[SqliteLane]],
        limit: int,
        timeout: float,
        *,
        reads: bool,
        session: SessionState,
        place: str,
        describe: Callable[[BaseException], str],
    ) -> None:
        super().__init__(loop, self._open_one, limit, timeout, "reading" if reads else "writing", place, describe)
        self._open_reading_or_writing = open_lane
        self._reads = reads
        #: Number of running hops that consist of quick statements.
        self._quick: set[SqliteLane] = set()
        self._watch: asyncio.TimerHandle | None = None
        #: The statements that every lane runs before its next use.
        self.session = session

    async def acquire(self, holder: str) -> SqliteLane:
        """Lend a lane, waiting for one up to the timeout (BusyError)."""
        idle = self.idle
        if not idle or self._queue or self.closed or idle[-1].session.version != self.session.version:
            return await super().acquire(holder)
        lane = idle.pop()
        self.busy.add(lane)
        lane.holder, lane.since = holder, self.loop.time()
        return lane

    async def _open_one(self) -> SqliteLane:
        lane = await self._open_reading_or_writing(self._reads)
        lane.pool = self
        try:
            await self._set_up(lane)
        except BaseException:
            await run_shielded(lane.close())
            raise
        return lane

    async def _set_up(self, lane: SqliteLane) -> None:
        """Run the session settings of the user that are newer than the last use of the lane.

        Raises:
            ConnectionError: a statement fails on this connection, which must not be used.
        """
        for statement, args in self.session.missing(lane.session, reads=self._reads):
            try:
                await lane.fetch(statement, args)
            except Exception as error:
                raise ConnectionError(
                    f"a {self.kind} connection cannot be set up: {statement.sql.split()[0].upper()}, which ran on "
                    f"another connection, fails: {self.describe(error)}",
                    hint="undo the setting (DETACH, or the PRAGMA with its former value), or close this Database",
                ) from error

    async def _set_up_again(self, lane: SqliteLane) -> None:
        """Set up a lane that was idle, and return it to the pool, or discard it."""
        try:
            await self._set_up(lane)
        except BaseException as error:
            self.discard(lane)
            self._log_failure(error)
            if not isinstance(error, Exception):
                raise
        else:
            self.release(lane)

    async def run(self, statement: Statement, args: Any, mode: int) -> Any:
        """Run one statement outside of a transaction, on the first free lane."""
        job = Job(JobFuture(loop=self.loop), statement, args, mode)
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
                # A quick hop returns soon and then runs all waiting statements: one thread with full batches is
                # faster than several threads that contend for the interpreter.
                self._look_again_later()
                return
            elif self.idle:
                lane = self.idle.pop()
                self.busy.add(lane)
                if lane.session.version != self.session.version:
                    self._spawn(self._set_up_again(lane))
                elif isinstance(queue[0], Job):
                    batch = self._take_batch()
                    lane.holder, lane.since = batch[0].statement.sql[:40], self.loop.time()
                    if batch[0].statement.last_seconds <= QUICK:
                        self._quick.add(lane)
                    hop = Hop(self.loop, self._finished, lane, batch, alone=True)
                    lane.put((hop, hop))
                else:
                    self._hand_over(lane)
            else:
                self._grow()
                return

    def _look_again_later(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(GROW_AFTER, self._look_again)

    def _look_again(self) -> None:
        """Open a further lane if the head of the queue has waited for long."""
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

    def _take_batch(self) -> list[Job]:
        """Take the head of the queue and the quick statements that follow it."""
        queue = self._queue
        batch: list[Job] = []
        # The thread uses another clock for the deadline; without a timeout there is no deadline.
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

    def _finished(self, lane: SqliteLane, jobs: list[Job]) -> None:
        self._quick.discard(lane)
        alone = len(jobs) == 1
        if not alone:
            # An interrupt of the program (Ctrl+C) in one of the tasks must not take the results of the others along.
            for job in jobs:
                job.future.waiting = None
                job.answer(job.result, job.error)
        if lane.broken:
            self.discard(lane)
        else:
            self.release(lane)
        if alone:
            jobs[0].future.resume(jobs[0].result, jobs[0].error)

    def _grow(self) -> None:
        if self.busy or self.idle:
            # A busy lane is likely to return before a new connection is open.
            self._look_again_later()
        elif self._opening == 0:
            super()._grow()

    async def close(self, timeout: float) -> None:
        """Close the pool."""
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
        in_loop: float | None,
        timeout: float,
        place: str,
        describe: Callable[[BaseException], str],
    ) -> None:
        self.acting: ActingContext = ActingContext()
        self._session = session = SessionState()
        common: dict[str, Any] = {"session": session, "place": place, "describe": describe}
        self._writer = SqlitePool(loop, open_lane, 1, timeout, reads=False, **common)
        self._single = readers == 0
        self._reader = (
            self._writer if self._single else SqlitePool(loop, open_lane, readers, timeout, reads=True, **common)
        )
        self._loop_reads: LoopReads | None = None
        if in_loop and not self._single:
            own = SqlitePool(loop, open_lane, 1, timeout, reads=True, **common)
            self._loop_reads = LoopReads(own, self._reader, in_loop)

    @property
    def in_use(self) -> int:
        return len(self._writer.busy) + (0 if self._single else len(self._reader.busy))

    @property
    def schema_lock(self) -> None:
        """None: SQLite has one writer at a time."""
        return None

    @property
    def position(self) -> None:
        """None: readers see each commit."""
        return None

    def fetch(self, statement: Statement, args: Params) -> Awaitable[Rows]:
        """Run one statement, commit it and return its rows."""
        if not statement.reads:
            return self._writer.run(statement, args, ROWS)
        if self._loop_reads is not None:
            return self._loop_reads.fetch(statement, args)
        return self._reader.run(statement, args, ROWS)

    def runs_at_once(self, statement: Statement) -> bool:
        """Whether ``fetch`` would have the rows of a statement before the next turn of the event loop."""
        return self._loop_reads is not None and self._loop_reads.is_ready_for(statement)

    def count(self, statement: Statement, args: Params) -> Awaitable[int]:
        """Run one statement, commit it and return the number of rows that it changed."""
        return self._writer.run(statement, args, COUNT)

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement of the user; one that changes the session runs on every lane."""
        if statement.changes_session:
            lane = await self._writer.acquire(statement.sql[:40])
            return await run_shielded(self._change_session(lane, statement, args))
        pool = self._reader if statement.reads else self._writer
        result: tuple[Columns, Rows] = await pool.run(statement, args, RAW)
        return result

    async def fetch_arrow(self, statement: Statement, args: Params) -> None:
        """Return None: rows have to be read.

        The ADBC driver has another copy of the SQLite library. POSIX locks belong to the process: when that copy closes
        a file, the locks of sqlite3 on it are gone, and other processes write into the middle of a transaction.
        """

    async def _change_session(self, lane: SqliteLane, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement that changes the session; all other lanes run it before their next use."""
        session = self._session
        try:
            result = await lane.raw_fetch(statement, args)
            session.record(statement, args)
            if lane.worker.trusts and statement.sql.lstrip()[:6].upper() == "ATTACH":
                # The schema of the attached file was not checked.
                await lane.count(_DISTRUST, ())
                session.record(_DISTRUST, ())
            session.has_run(lane.session)
        finally:
            lane.release()
        return result

    async def acquire(self, holder: str, *, write: bool, streams: bool = False) -> SqliteLane:
        """Lend a lane to a transaction or a stream."""
        pool = self._writer if write else self._reader
        return await pool.lend(lambda: pool.acquire(holder), holder, streams=streams)

    async def close(self, timeout: float) -> None:
        """Wait for running operations, then close every lane; the last connection checkpoints the WAL."""
        if self._loop_reads is not None:
            await self._loop_reads.close(timeout)
        if not self._single:
            await self._reader.close(timeout)
        await self._writer.close(timeout)
