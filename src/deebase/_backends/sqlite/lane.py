"""One SQLite lane: a connection with a thread, to which the event loop sends statements and transaction control."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from deebase._backends.sqlite.guard import SqliteGuard
from deebase._backends.sqlite.session_state import LaneSession
from deebase._backends.sqlite.thread.guarded_cursor import GuardedCursor
from deebase._backends.sqlite.thread.job import (
    BEGIN,
    BEGIN_READING,
    CALL,
    CALLED,
    CLEANUP,
    COMMIT,
    COUNT,
    MANY,
    RAW,
    READ_ONLY,
    ROWS,
    WRITABLE,
    Hop,
    Job,
    JobFuture,
    SqliteCursor,
    Unstoppable,
    nothing,
    release,
    savepoint,
)
from deebase._backends.sqlite.thread.worker import LaneWorker
from deebase._lanes.acting import Acting
from deebase._lanes.interface import COLUMN_ROWS, Columns, Params, Rows, Values
from deebase._lanes.limits import Allowance
from deebase._lanes.pool import LanePool, closed_while_running
from deebase._lanes.shield import run_shielded
from deebase._sql.read_only import read_query
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE

T = TypeVar("T")


class SqliteLane:
    """One connection, as the event loop uses it; ``worker`` runs its statements in the thread of the connection."""

    def __init__(
        self, connection: AsyncConnection, driver: Any, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self.connection: AsyncConnection = connection
        self.driver: Any = driver
        self.worker: LaneWorker = LaneWorker(driver._conn)
        # The work queue of aiosqlite (SQLAlchemy's dialect uses it too): its functions run in the connection's
        # thread, in order.
        self.put: Callable[[tuple[Hop, Hop]], None] = driver._tx.put_nowait
        self._loop = loop
        self.timeout: float = timeout or math.inf
        self.holder: str = ""
        self.since: float = 0.0
        self.on_error: Callable[[BaseException], None] | None = None
        self.pool: LanePool[SqliteLane] | None = None
        #: The session statements of the user that ran on the connection.
        self.session: LaneSession = LaneSession()
        self.broken: bool = False
        #: The connection was opened so that it cannot write.
        self.is_reader: bool = False
        #: A transaction has made the connection read-only until its end.
        self._is_read_only: bool = False
        #: Whether anything was sent in the transaction that the lane is lent to.
        self._has_sent: bool = True
        #: Whether the transaction ends with the next statement, by its result.
        self.is_last: Callable[[Any], bool] | None = None
        #: The answer to a COMMIT that was sent ahead of ``commit``.
        self.committing: asyncio.Future[Any] | None = None
        #: The end of the transaction control that was waiting when the user got access to the connection.
        self._flushing: asyncio.Future[Any] | None = None

    def _send(self, statement: Statement, args: Any, mode: int, future: JobFuture | None = None) -> Job:
        """Send one statement to the thread."""
        if self.worker.closed:
            raise closed_while_running()
        self._has_sent = True
        job = Job(future or JobFuture(loop=self._loop), statement, args, mode)
        job.deadline = time.monotonic() + self.timeout
        job.is_last = None if self.worker.is_lent or self._is_read_only else self.is_last
        self.is_last = None
        hop = Hop(self._loop, _deliver, self, [job], alone=False)
        self.put((hop, hop))
        return job

    async def _do(self, statement: Statement, args: Any, mode: int) -> Any:
        """Run one statement on this lane, which the caller has borrowed."""
        job = self._send(statement, args, mode)
        try:
            return await job.future
        except asyncio.CancelledError:
            job.cancelled = True
            raise

    async def act(self, acting: Acting | None) -> None:
        """Do nothing: statements have the values as conditions."""

    def fetch(self, statement: Statement, args: Params) -> Coroutine[Any, Any, Rows]:
        """Run a statement and return its rows as tuples."""
        return self._do(statement, args, ROWS)

    def count(self, statement: Statement, args: Params) -> Coroutine[Any, Any, int]:
        """Run a statement and return the number of rows that it changed."""
        return self._do(statement, args, COUNT)

    def raw_fetch(self, statement: Statement, args: Params) -> Coroutine[Any, Any, tuple[Columns, Rows]]:
        """Run a statement and return the names of its columns, and its rows."""
        return self._do(statement, args, RAW)

    async def parameter_types(self, sql: str) -> list[str]:
        """Return nothing: a parameter takes any value."""
        return []

    async def many(self, statement: Statement, rows: Sequence[Params]) -> None:
        await self._do(statement, rows, MANY)

    async def fetch_many(self, statement: Statement, rows: Sequence[Params]) -> Rows:
        """Run a statement once per row of parameters, in one hop, and return all their rows."""

        def run(raw: sqlite3.Connection) -> Rows:
            result: Rows = []
            for args in rows:
                try:
                    cursor = raw.execute(statement.sql, args)
                except sqlite3.DatabaseError as error:
                    # Refused while it was compiled, before anything was done.
                    if not self.worker.is_allowed_now(error):
                        raise
                    cursor = raw.execute(statement.sql, args)
                result.extend(cursor.fetchall())
            return result

        return await self.call(lambda raw: self.worker.triggers.stored(raw, statement, lambda: run(raw)))

    async def write_schema(self, statements: Sequence[Statement]) -> None:
        """Run statements that change sqlite_schema, and read it again; in one hop, so that no other statement may."""

        def run(raw: sqlite3.Connection) -> None:
            raw.execute("PRAGMA writable_schema = ON")
            try:
                for statement in statements:
                    raw.execute(statement.sql)
            finally:
                # If this fails, the schema may still be writable: the connection is not used again.
                self.broken, broken = True, self.broken
                raw.execute("PRAGMA writable_schema = RESET")
                self.broken = broken

        await self.call(run)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function of the connection in its thread."""
        result: T = await self._do(CALLED, function, CALL)
        return result

    async def begin(self, *, read_only: bool, isolation: str | None) -> None:
        """Let the next statement begin a transaction; SQLite is always serializable.

        The caller has its place in the queue of the writer, so that only other processes may write until then.
        """
        if not read_only:
            # Never deferred: a transaction that reads and then writes fails at once if another connection wrote in
            # between, and busy_timeout does not help (SQLITE_BUSY_SNAPSHOT).
            self.worker.ahead.append(BEGIN)
        elif self.is_reader:
            self.worker.ahead.append(BEGIN_READING)
        else:
            # The one lane of a memory database can write.
            self._is_read_only = True
            self.worker.ahead += (BEGIN_READING, READ_ONLY)
        self.worker.has_begun = self._has_sent = False
        self.committing = self.is_last = None

    async def flush(self) -> None:
        """Run the transaction control that waits for the next statement."""
        # The driver may open a transaction of SQLAlchemy on the connection.
        self.worker.is_lent = True
        if self._flushing is not None:
            await asyncio.shield(self._flushing)
        elif self.worker.ahead:
            await self.call(nothing)

    async def set_savepoint(self, name: str, *, read_only: bool = False) -> None:
        self.worker.ahead += (savepoint(name), *([READ_ONLY] if read_only else ()))
        if self.worker.is_lent:
            await self.call(nothing)

    async def release_savepoint(self, name: str, *, read_only: bool = False) -> None:
        # A COMMIT that was sent has released all.
        if self.committing is None:
            self.worker.ahead += (release(name), *([WRITABLE] if read_only else ()))
            if self.worker.is_lent:
                await self.call(nothing)

    async def undo_savepoint(self, name: str, *, read_only: bool = False) -> None:
        def undo(raw: sqlite3.Connection) -> None:
            ahead, saved = self.worker.ahead, savepoint(name)
            if saved in ahead:
                # Nothing was done after it, and names of earlier savepoints may be the same.
                del ahead[len(ahead) - 1 - ahead[::-1].index(saved) :]
                return
            ahead.clear()
            for sql in (f"ROLLBACK TO SAVEPOINT {name}", f"RELEASE SAVEPOINT {name}"):
                raw.execute(sql)
            if read_only:
                raw.execute(WRITABLE.sql)

        await self.clean_up(undo)

    async def clean_up(self, function: Callable[[sqlite3.Connection], object]) -> None:
        """Run a function that ends something, in the thread, without what waits for the next statement."""
        if self._has_sent:
            await self._do(CALLED, function, CLEANUP)
        else:
            function(self.worker.raw)

    def send_commit(self) -> asyncio.Future[Any] | None:
        """Send COMMIT, unless more than that ends the transaction; a task that is cancelled still waits for it."""
        if self.committing is not None:
            return self.committing
        if not self._has_sent or self.worker.is_lent or self._is_read_only:
            return None
        self.committing = self._send(COMMIT, (), COUNT, Unstoppable(loop=self._loop)).future
        return self.committing

    async def commit(self) -> None:
        committing, self.committing = self.committing, None
        if committing is not None:
            await committing
        elif self._has_sent:
            await self._do(COMMIT, (), COUNT)
        else:
            self.worker.ahead.clear()
            self.worker.has_begun = True

    def commit_reached(self, error: BaseException) -> Literal["sent"]:
        """Return that a COMMIT reaches the database: there is no link that could be lost."""
        return "sent"

    async def roll_back(self) -> None:
        def undo(raw: sqlite3.Connection) -> None:
            self.worker.ahead.clear()
            self.worker.has_begun, self.committing = True, None
            # A connection that refuses every statement is not used again.
            self.broken = self.broken or self.worker.refusal is not None
            if raw.in_transaction:
                raw.rollback()

        await self.clean_up(undo)

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        """Run a statement and return what ``make`` makes of its rows by column, all in one hop."""

        def run(raw: sqlite3.Connection) -> list[T]:
            cursor = SqliteCursor(self, COLUMN_ROWS)
            cursor.open(raw, statement.sql, args)
            try:
                return [make(columns) for columns in cursor.pieces()]
            finally:
                cursor.end()

        return await self.call(run)

    async def open_cursor(
        self, statement: Statement, args: Params, size: int, allowance: Allowance | None = None
    ) -> SqliteCursor:
        """Open a cursor that reads ``size`` rows at once; with an allowance, the statement can only read."""
        if allowance is None:
            cursor = SqliteCursor(self, size)
        else:
            read_query(statement.sql, SQLITE)
            cursor = GuardedCursor(self, SqliteGuard(statement.sql, self.worker.added or ()), allowance)
        try:
            await self.call(lambda raw: cursor.open(raw, statement.sql, args))
        except BaseException:
            # A cancelled cursor may still open, and would keep the file open.
            await run_shielded(cursor.close())
            raise
        return cursor

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, begins with the next statement, or ended with the last one."""
        return not self.worker.has_begun or self.committing is not None or self.worker.raw.in_transaction

    @property
    def lost(self) -> bool:
        return self.worker.closed or self.driver._connection is None

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements of the user that SQLAlchemy runs on the connection."""
        self.on_error = on_error
        self.worker.is_lent = True
        if self.worker.ahead and self._flushing is None:
            # The thread runs it before what the user sends. If it fails, nothing of the user runs.
            self._flushing = self._send(CALLED, nothing, CALL).future
            self._flushing.add_done_callback(self._flushed)

    def _flushed(self, flushing: asyncio.Future[Any]) -> None:
        error = None if flushing.cancelled() else flushing.exception()
        if error is None:
            self._flushing = None
        elif self.on_error is not None:
            self.on_error(error)

    async def settle(self) -> None:
        """Make the connection writable again; other changes of the session apply to every connection."""
        self.worker.is_lent, self._flushing = False, None
        if self._is_read_only and not self.broken and not self.lost:
            if self._has_sent:
                await self.count(WRITABLE, ())
            self._is_read_only = False

    def failed(self, error: BaseException) -> None:
        """Do nothing: after an error of a statement, a connection to a file is still usable."""

    def ends(self) -> None:
        """Announce that the lane is about to be returned."""
        if self.pool is not None:
            self.pool.holders.ends(self)

    def release(self) -> None:
        """Return the lane to its pool."""
        if self.pool is None:
            return
        if self.broken or self.lost:
            self.pool.discard(self)
        else:
            self.pool.release(self)

    def cut_off(self) -> None:
        """End the running statement, and refuse further ones."""
        self.worker.closed = True

    async def close(self) -> None:
        """Return the connection to SQLAlchemy's engine."""
        self.worker.closed = True
        await self.connection.close()


def _deliver(lane: SqliteLane, jobs: list[Job]) -> None:
    for job in jobs:
        if job.commit is not None and not job.future.done():
            answer = lane.committing = job.future.get_loop().create_future()
            if isinstance(job.commit, BaseException):
                answer.set_exception(job.commit)
            else:
                answer.set_result(None)
        job.future.resume(job.result, job.error)
