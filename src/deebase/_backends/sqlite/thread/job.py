"""Statements that run in the thread of a SQLite lane: jobs, results that are read in pieces, transaction control."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from deebase._lanes.interface import Columns, Params, Rows, Values
from deebase._lanes.pool import Waiter
from deebase._sql.statement import Statement

if sys.platform == "linux":
    import resource

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane

#: Results of jobs: rows, their number, columns and rows, the number for many parameters, the result of a function; the
#: function of the last kind runs without the transaction control that waits for the next statement.
ROWS, COUNT, RAW, MANY, CALL, CLEANUP = range(6)

#: A statement that took longer (seconds) may have waited: only then is it worth asking how much of it was work.
LOOK_CLOSER = 0.0001


class JobFuture(asyncio.Future[Any]):
    """The result of a job, which can resume the task that waits for it without another turn of the event loop."""

    #: What goes on with the result: the step of the task that waits, and its context.
    waiting: tuple[Callable[[Any], object], Context] | None = None

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Have a function called when the result is there, by the event loop or by ``resume``."""
        self.waiting = None if context is None else (fn, context)
        super().add_done_callback(fn, context=context)

    def resume(self, result: object, error: BaseException | None) -> None:
        """Set the result or the error, and run the task that waits until it waits again.

        Only for callbacks of the event loop, where no task is running.
        """
        if self.done():
            return
        # The thread of the connection refers to its last job. Through it, an abandoned stream would stay open.
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self.remove_done_callback(waiting[0])
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)
        if waiting is not None:
            waiting[1].run(waiting[0], self)


class Unstoppable(JobFuture):
    """A result that a cancelled task still waits for: the cancellation is raised when it is there."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse; asyncio then cancels the task at its next step."""
        return False


class Cancelled(Exception):
    """The statement was interrupted because its caller was cancelled."""


@dataclass(slots=True, eq=False)
class Job(Waiter):
    """One statement that a lane runs; its thread checks ``cancelled``."""

    future: JobFuture  # pyright: ignore[reportIncompatibleVariableOverride]
    statement: Statement
    args: Any
    mode: int
    cancelled: bool = False
    result: Any = None
    error: BaseException | None = None
    #: Whether its transaction ends with it, by its result.
    is_last: Callable[[Any], bool] | None = None
    #: The answer to the COMMIT that followed it: None if none did, True, or the error.
    commit: bool | BaseException | None = None

    def perform(self, raw: sqlite3.Connection) -> Any:
        """Run the statement, in the thread of the connection."""
        mode = self.mode
        if mode >= CALL:
            return self.args(raw)
        if mode == MANY:
            return raw.executemany(self.statement.sql, self.args).rowcount
        cursor = raw.execute(self.statement.sql, self.args)
        try:
            rows = cursor.fetchall()
        except BaseException:
            # The traceback refers to the cursor, which would keep the file open.
            cursor.close()
            raise
        if mode == ROWS:
            return rows
        if mode == COUNT:
            # sqlite3 counts rows of statements that begin with UPDATE or DELETE, but not with WITH.
            uncounted = cursor.rowcount < 0 and self.statement.writes is not None
            return raw.execute("SELECT changes()").fetchone()[0] if uncounted else cursor.rowcount
        return [column[0] for column in cursor.description or ()], rows


@dataclass(slots=True, eq=False)
class Hop:
    """Jobs that the thread of a connection runs in one call.

    A hop takes the place of the function, the future and the event loop that aiosqlite expects. The driver would set
    the result of a future in one turn of the loop and wake its task in the next. Here the first turn answers every
    caller of the batch, and the only caller goes on in that turn.
    """

    loop: asyncio.AbstractEventLoop
    done: Callable[[SqliteLane, list[Job]], None]
    lane: SqliteLane
    jobs: list[Job]
    alone: bool

    def __call__(self) -> None:
        """Run the jobs, in the thread of the connection."""
        worker = self.lane.worker
        try:
            worker.run(self.jobs, alone=self.alone)
        except BaseException as error:
            # The connection itself failed (a rollback on a full disk): no caller may assume success.
            self.lane.broken = True
            for job in self.jobs:
                if job.result is None and job.error is None:
                    job.error = worker.failure(error)

    def get_loop(self) -> Hop:
        """Return the loop that the driver posts its result to, which is this object."""
        return self

    def call_soon_threadsafe(self, _setter: object, _future: object, _result: object) -> None:
        """Post the end of the hop to the real loop."""
        try:
            self.loop.call_soon_threadsafe(self.done, self.lane, self.jobs)
        except RuntimeError:
            # The loop was closed meanwhile: no caller is left.
            if not self.loop.is_closed():
                raise


class SqliteCursor:
    """A result that is read in pieces."""

    #: It is closed before its transaction ends.
    ends_by_itself: bool = False

    def __init__(self, lane: SqliteLane, size: int) -> None:
        self._lane = lane
        self._size = size
        self._cursor: sqlite3.Cursor | None = None
        self.columns: Columns = []

    def open(self, raw: sqlite3.Connection, sql: str, args: Params) -> None:
        """Start the statement, in the thread of the lane."""
        try:
            self._begin(raw, sql, args)
        except sqlite3.DatabaseError as error:
            if not self._lane.worker.is_allowed_now(error):
                raise
            self._begin(raw, sql, args)

    def _begin(self, raw: sqlite3.Connection, sql: str, args: Params) -> None:
        self._cursor = raw.execute(sql, args)
        self.columns = [column[0] for column in self._cursor.description or ()]

    async def fetch(self) -> Rows:
        return await self._lane.call(self._fetch)

    def pieces(self) -> Iterator[list[Values]]:
        """Yield the rows by column, in the thread of the lane."""
        width = len(self.columns)
        # Each row is taken apart while it is in the cache of the processor; lists of rows take a fifth longer.
        values = chain.from_iterable(self._cursor or ())
        while piece := list(islice(values, self._size * width)):
            yield [piece[place::width] for place in range(width)]

    def _fetch(self, _raw: sqlite3.Connection) -> Rows:
        return [] if self._cursor is None else self._cursor.fetchmany(self._size)

    async def close(self) -> None:
        """End the statement, which ends its read of the database."""
        if self._lane.worker.closed:
            # The thread has ended. The statement keeps the file open while a reference to it exists.
            self._cursor = None
        else:
            await self._lane.clean_up(self._close)

    def _close(self, _raw: sqlite3.Connection) -> None:
        self.end()

    def end(self) -> None:
        """End the statement, in the thread of the lane."""
        if self._cursor is not None:
            self._cursor.close()


CALLED = Statement("-- function")
BEGIN = Statement("BEGIN IMMEDIATE")
BEGIN_READING = Statement("BEGIN")
COMMIT = Statement("COMMIT")
READ_ONLY = Statement("PRAGMA query_only = ON")
WRITABLE = Statement("PRAGMA query_only = OFF")


@cache
def savepoint(name: str) -> Statement:
    return Statement(f"SAVEPOINT {name}")


@cache
def release(name: str) -> Statement:
    return Statement(f"RELEASE SAVEPOINT {name}")


def nothing(_: sqlite3.Connection) -> None:
    """Do nothing: transaction control was to run."""


def deny(*_: object) -> int:
    return sqlite3.SQLITE_DENY


def control(statement: Statement, jobs: list[Job]) -> Job:
    """Return the job that begins or ends the transaction of several writes, with the deadline of the first."""
    job = Job(jobs[0].future, statement, (), COUNT)
    job.deadline = jobs[0].deadline
    return job


def is_busy(error: BaseException) -> bool:
    """Whether the statement may succeed after another connection has released its lock."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    # Extended codes keep the primary code in the low byte (sqlite.org/rescode.html). Waiting does not help a stale
    # snapshot (SQLITE_BUSY_SNAPSHOT).
    code = getattr(error, "sqlite_errorcode", None)
    locked = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return locked and code != sqlite3.SQLITE_BUSY_SNAPSHOT


def blocks_read() -> int:
    """Return the number of blocks that this thread had to read from disks; 0 where the system does not count them."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock if sys.platform == "linux" else 0


class Meter:
    """Measures the statements of a connection, in its thread."""

    __slots__ = ("_blocks_read", "_started", "_worked")

    def __init__(self) -> None:
        self._blocks_read = 0

    def start(self) -> None:
        self._started, self._worked = time.perf_counter(), time.thread_time()

    def stop(self, statement: Statement) -> None:
        """Record the duration of a statement.

        Without a read of the disk, time in which the thread did not work does not count for the event loop: the thread
        waited for a processor, or for Python's lock after each row.
        """
        seconds = statement.last_seconds = time.perf_counter() - self._started
        if seconds > LOOK_CLOSER:
            before, self._blocks_read = self._blocks_read, blocks_read()
            if self._blocks_read == before:
                seconds = time.thread_time() - self._worked
        statement.ran(seconds)
