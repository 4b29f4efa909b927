"""Statements that run in the thread of a SQLite lane."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deebase._lanes.pool import Waiter
from deebase._sql.statement import Statement

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane

#: Results of jobs: rows, their number, columns and rows, the number for many parameters, the result of a function.
ROWS, COUNT, RAW, MANY, CALL = range(5)


class Cancelled(Exception):
    """The statement was interrupted because its caller was cancelled."""


class Job(Waiter):
    """One statement that a lane runs; its thread checks ``cancelled``."""

    __slots__ = ("args", "cancelled", "error", "mode", "result", "statement")

    def __init__(self, future: asyncio.Future[Any], statement: Statement, args: Any, mode: int) -> None:
        # As in Waiter.__init__, without a further call: this runs for every statement.
        self.future = future
        self.deadline = 0.0
        self.statement: Statement = statement
        self.args: Any = args
        self.mode: int = mode
        self.cancelled: bool = False
        self.result: Any = None
        self.error: BaseException | None = None

    def perform(self, raw: sqlite3.Connection) -> Any:
        """Run the statement, in the thread of the connection."""
        mode = self.mode
        if mode == CALL:
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

    def deliver(self) -> None:
        """Answer the caller, in the event loop."""
        if not self.future.done():
            if self.error is None:
                self.future.set_result(self.result)
            else:
                self.future.set_exception(self.error)


class Hop:
    """Jobs that the thread of a connection runs in one call.

    A hop takes the place of the function, the future and the event loop that aiosqlite expects. The driver would set
    the result of a future in one turn of the loop and wake its task in the next. Here the first turn answers every
    caller of the batch.
    """

    __slots__ = ("alone", "done", "jobs", "lane", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[SqliteLane, list[Job]], None],
        lane: SqliteLane,
        jobs: list[Job],
        *,
        alone: bool,
    ) -> None:
        self.loop = loop
        self.done = done
        self.lane = lane
        self.jobs = jobs
        self.alone = alone

    def __call__(self) -> None:
        """Run the jobs, in the thread of the connection."""
        self.lane.run(self.jobs, alone=self.alone)

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


def is_busy(error: BaseException) -> bool:
    """Whether the statement may succeed after another connection has released its lock."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    # Extended codes keep the primary code in the low byte (sqlite.org/rescode.html). Waiting does not help a stale
    # snapshot (SQLITE_BUSY_SNAPSHOT).
    code = getattr(error, "sqlite_errorcode", None)
    locked = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return locked and code != sqlite3.SQLITE_BUSY_SNAPSHOT
