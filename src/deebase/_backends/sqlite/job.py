"""One statement on its way through a SQLite lane."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from deebase._lanes.pool import Waiter
from deebase._sql.statement import Statement

#: What a job gives: rows, their number, columns and rows, the number for many parameters, a function's result.
ROWS, COUNT, RAW, MANY, CALL = range(5)


class Cancelled(Exception):
    """The statement was ended because its caller went away."""


class Job(Waiter):
    """One statement on its way through a lane; ``cancelled`` is the token its thread looks at."""

    __slots__ = ("args", "cancelled", "error", "mode", "result", "statement")

    def __init__(self, future: asyncio.Future[Any], statement: Statement, args: Any, mode: int) -> None:
        super().__init__(future)
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
            # The traceback holds the cursor, which would hold the file open.
            cursor.close()
            raise
        if mode == ROWS:
            return rows
        if mode == COUNT:
            # The module counts what begins with UPDATE or DELETE, not with the WITH of a common table expression.
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


def is_busy(error: BaseException) -> bool:
    """Whether the statement may succeed when another connection has let go of its lock."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    # Extended codes keep the primary code in the low byte (sqlite.org/rescode.html); a stale
    # snapshot (SQLITE_BUSY_SNAPSHOT) does not get better by waiting.
    code = getattr(error, "sqlite_errorcode", None)
    locked = code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return locked and code != sqlite3.SQLITE_BUSY_SNAPSHOT
