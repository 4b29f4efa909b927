"""One SQLite lane: a connection with a thread, where one hop to the thread runs many statements."""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Literal, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from deebase._backends.sqlite.guard import SqliteGuard
from deebase._backends.sqlite.job import (
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
    Cancelled,
    Hop,
    Job,
    JobFuture,
    Meter,
    SqliteCursor,
    Unstoppable,
    control,
    deny,
    is_busy,
    nothing,
    release,
    savepoint,
)
from deebase._backends.sqlite.schema_calls import quoted_texts
from deebase._backends.sqlite.schema_calls.callbacks import raise_failure
from deebase._backends.sqlite.schema_calls.trust import is_unsafe, trust_if_harmless
from deebase._backends.sqlite.session_state import LaneSession
from deebase._backends.sqlite.triggers import Triggers
from deebase._lanes.interface import COLUMN_ROWS, Columns, Params, Rows, Values
from deebase._lanes.pool import LanePool, closed_while_running
from deebase._lanes.shield import run_shielded
from deebase._sql.read_only import read_query
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE

T = TypeVar("T")

#: Instructions of SQLite's virtual machine between two checks of the cancel token.
PROGRESS_STEPS = 10_000

# A long statement would keep its processor for a time slice of the scheduler (some ms), and the thread of a short
# statement that was woken there would wait for it.
_offer_processor: Callable[[], object] = getattr(os, "sched_yield", partial(time.sleep, 0))


class SqliteLane:
    """One connection, its thread, and the statement that runs on it now."""

    def __init__(
        self, connection: AsyncConnection, driver: Any, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self.connection: AsyncConnection = connection
        self.driver: Any = driver
        self.raw: sqlite3.Connection = driver._conn
        # The work queue of aiosqlite (SQLAlchemy's dialect uses it too): its functions run in the connection's
        # thread, in order.
        self.put: Callable[[tuple[Hop, Hop]], None] = driver._tx.put_nowait
        self._loop = loop
        self.timeout: float = timeout or math.inf
        self.current: Job | None = None
        self.holder: str = ""
        self.since: float = 0.0
        self.on_error: Callable[[BaseException], None] | None = None
        self.pool: LanePool[SqliteLane] | None = None
        #: The session statements of the user that ran on the connection.
        self.session: LaneSession = LaneSession()
        self.triggers: Triggers = Triggers()
        self.broken: bool = False
        #: The connection was opened so that it cannot write.
        self.is_reader: bool = False
        #: A transaction has made the connection read-only until its end.
        self._is_read_only: bool = False
        #: Transaction control that the thread runs before the next statement, so that it needs no hop. The loop adds to
        #: it, and only the thread removes what it ran: a cancelled statement may run, or not.
        self._ahead: list[Statement] = []
        #: Whether BEGIN ran in the transaction that the lane is lent to, and whether anything was sent in it.
        self._has_begun: bool = True
        self._has_sent: bool = True
        #: Whether the transaction ends with the next statement, by its result.
        self.is_last: Callable[[Any], bool] | None = None
        #: The answer to a COMMIT that was sent ahead of ``commit``.
        self.committing: asyncio.Future[Any] | None = None
        #: The user has access to the connection: control is sent at once, and what was waiting is sent by this job.
        self._is_lent: bool = False
        self._flushing: asyncio.Future[Any] | None = None
        #: Why the transaction could not begin on a connection that is lent, which then refuses every statement.
        self._refusal: BaseException | None = None
        #: Whether a harmless schema is trusted when it needs it (module ``trust``).
        self.trusts: bool = False
        #: The functions of the application that statements may call where only reading is allowed.
        self.added: frozenset[str] | None = None
        self._meter: Meter = Meter()
        #: The thread has ended: further work would never finish.
        self.closed: bool = False

    def watch(self) -> None:
        """Install the handler that ends a statement whose caller was cancelled."""

        def wanted() -> int:
            _offer_processor()
            job = self.current
            return 1 if job is not None and (self.closed or job.cancelled) else 0

        self.raw.set_progress_handler(wanted, PROGRESS_STEPS)

    def run(self, jobs: list[Job], *, alone: bool) -> None:
        """Run jobs, in the thread of the connection.

        Args:
            jobs: the jobs; each gets its result or its error.
            alone: they run outside of a transaction.
        """
        try:
            self._run_all(jobs, alone)
        except BaseException as error:
            # The connection itself failed (a rollback on a full disk): no caller may assume success.
            self.broken = True
            for job in jobs:
                if job.result is None and job.error is None:
                    job.error = closed_while_running() if self.closed else error

    def _run_all(self, jobs: list[Job], alone: bool) -> None:
        if not alone:
            for job in jobs:
                self._run_one(job)
            return
        for shares, group in groupby(jobs, self._shares_commit):
            if shares:
                self._run_shared(list(group))
                continue
            for job in group:
                self._run_one(job)
                if self.raw.in_transaction:
                    # A statement outside of a transaction must not leave one open on the lane.
                    self.raw.rollback()

    def _shares_commit(self, job: Job) -> bool:
        # A collation that fails is noticed after the statement, which must not be committed then.
        return job.statement.shares_commit or (self.added is not None and job.statement.writes is not None)

    def _run_one(self, job: Job) -> None:
        if job.cancelled:
            return
        if self.closed:
            job.error = closed_while_running()
            return
        if (self._ahead or self._refusal) and job.mode != CLEANUP and not self._catch_up(job):
            return
        self._meter.start()
        try:
            if job.statement.reread is not None and job.mode == ROWS:
                job.result = self.triggers.stored(self.raw, job.statement, lambda: self._perform_patiently(job, [job]))
            else:
                job.result = self._perform_patiently(job, [job])
        except BaseException as error:  # any error belongs to the caller
            job.error = self._failure(error)
        self._meter.stop(job.statement)
        if job.is_last is not None:
            self._commit_after(job, job.is_last)

    def _commit_after(self, job: Job, is_last: Callable[[Any], bool]) -> None:
        """Commit the transaction of a statement that succeeded and is its last one."""
        if job.error is not None or job.cancelled or not is_last(job.result):
            return
        try:
            self._perform_patiently(control(COMMIT, [job]), [job])
            job.commit = True
        except BaseException as error:  # any error belongs to ``commit``
            job.commit = self._failure(error)

    def _catch_up(self, job: Job) -> bool:
        """Run the transaction control that waits for a statement, and return whether the statement may follow.

        What fails keeps waiting, and with it every statement, until the transaction or the savepoint is undone.
        """
        ahead = self._ahead
        try:
            if self._refusal is not None:
                raise self._refusal
            while ahead:
                self._perform_patiently(control(ahead[0], [job]), [job])
                self._has_begun = True
                del ahead[0]
        except BaseException as error:
            if self._is_lent and self._refusal is None:
                # Statements of the user may follow, which would run without the transaction.
                self._refusal = error
                self.raw.set_authorizer(deny)
            job.error = self._failure(error)
        return job.error is None and not job.cancelled

    def _perform_patiently(self, job: Job, callers: list[Job]) -> Any:
        """Run a statement that may have to wait for another process, up to the job's deadline.

        Each attempt waits ``busy_timeout`` inside SQLite. Between two attempts the callers are checked, which a long
        wait inside SQLite would not do.
        """
        raw = self.raw
        self.current = job
        try:
            while True:
                try:
                    result = job.perform(raw)
                    if self.added is not None:
                        raise_failure()
                    return result
                except sqlite3.DatabaseError as error:
                    raise_failure()
                    # Refused before anything was done; a function (CALL) may have run statements before.
                    if job.mode < CALL and self.is_allowed_now(error):
                        continue
                    waits = not raw.in_transaction or job.statement.sql == "COMMIT"
                    if not (waits and is_busy(error)) or time.monotonic() >= job.deadline:
                        raise
                    if self.closed or all(caller.cancelled for caller in callers):
                        raise Cancelled from error
        finally:
            self.current = None

    def is_allowed_now(self, error: BaseException) -> bool:
        """Whether what failed in the schema of the file was allowed just now."""
        if is_unsafe(error):
            return self.trusts and trust_if_harmless(self.raw)
        return quoted_texts.accept_if_needed(self.raw, error)

    def _failure(self, error: BaseException) -> BaseException:
        # If the closing lane interrupted the statement, report that.
        return closed_while_running() if self.closed else error

    def _run_shared(self, jobs: list[Job]) -> None:
        """Run writes of one row each in one transaction, or each in its own if that fails.

        An error that ends the whole transaction (RAISE(ROLLBACK), an interrupted write, a deferred foreign key at
        COMMIT, a full disk) undoes all of them before any caller was answered.
        """
        while jobs := [job for job in jobs if not job.cancelled]:
            failure = self._commit(jobs)
            if failure is None:
                return
            if len(jobs) == 1:
                jobs[0].error = self._failure(failure)
                return
            if not is_busy(failure):
                for job in jobs:
                    self._run_shared([job])
                return
            # Another process holds the lock: callers whose time is up get the error, the others keep waiting.
            now = time.monotonic()
            for job in jobs:
                if job.deadline <= now:
                    job.error = failure
            jobs = [job for job in jobs if job.deadline > now]

    def _commit(self, jobs: list[Job]) -> BaseException | None:
        """Run writes in one transaction; return the error if none was saved, None if all were.

        A single write gets a transaction too, so that errors have the same effect as in a batch (in autocommit mode
        SQLite keeps the row after RAISE(FAIL)), and its duration is measured without the commit.
        """
        try:
            self._perform_patiently(control(BEGIN, jobs), jobs)
            for job in jobs:
                self._run_row(job, lone=len(jobs) == 1)
            self._perform_patiently(control(COMMIT, jobs), jobs)
        except BaseException as error:  # of any kind: none of them is stored
            for job in jobs:
                job.result = job.error = None
            if self.raw.in_transaction:
                self.raw.rollback()
            return error
        return None

    def _run_row(self, job: Job, *, lone: bool) -> None:
        """Run one write of a transaction; if it fails, undo it, or raise its error if it is the only write."""
        raw = self.raw
        if not lone:
            raw.execute("SAVEPOINT deebase_row")
        self._run_one(job)
        if job.error is not None:
            if lone or not raw.in_transaction:
                raise job.error
            raw.execute("ROLLBACK TO deebase_row")
        if not lone:
            raw.execute("RELEASE deebase_row")

    def _send(self, statement: Statement, args: Any, mode: int, future: JobFuture | None = None) -> Job:
        """Send one statement to the thread."""
        if self.closed:
            raise closed_while_running()
        self._has_sent = True
        job = Job(future or JobFuture(loop=self._loop), statement, args, mode)
        job.deadline = time.monotonic() + self.timeout
        job.is_last = None if self._is_lent or self._is_read_only else self.is_last
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

    def fetch(self, statement: Statement, args: Params) -> Coroutine[Any, Any, Rows]:
        """Run a statement and return its rows as tuples."""
        return self._do(statement, args, ROWS)

    def count(self, statement: Statement, args: Params) -> Coroutine[Any, Any, int]:
        """Run a statement and return the number of rows that it changed."""
        return self._do(statement, args, COUNT)

    def raw_fetch(self, statement: Statement, args: Params) -> Coroutine[Any, Any, tuple[Columns, Rows]]:
        """Run a statement and return the names of its columns, and its rows."""
        return self._do(statement, args, RAW)

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
                    if not self.is_allowed_now(error):
                        raise
                    cursor = raw.execute(statement.sql, args)
                result.extend(cursor.fetchall())
            return result

        return await self.call(lambda raw: self.triggers.stored(raw, statement, lambda: run(raw)))

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
            self._ahead.append(BEGIN)
        elif self.is_reader:
            self._ahead.append(BEGIN_READING)
        else:
            # The one lane of a memory database can write.
            self._is_read_only = True
            self._ahead += (BEGIN_READING, READ_ONLY)
        self._has_begun = self._has_sent = False
        self.committing = self.is_last = None

    async def flush(self) -> None:
        """Run the transaction control that waits for the next statement."""
        # The driver may open a transaction of SQLAlchemy on the connection.
        self._is_lent = True
        if self._flushing is not None:
            await asyncio.shield(self._flushing)
        elif self._ahead:
            await self.call(nothing)

    async def set_savepoint(self, name: str, *, read_only: bool = False) -> None:
        self._ahead += (savepoint(name), *([READ_ONLY] if read_only else ()))
        if self._is_lent:
            await self.call(nothing)

    async def release_savepoint(self, name: str, *, read_only: bool = False) -> None:
        # A COMMIT that was sent has released all.
        if self.committing is None:
            self._ahead += (release(name), *([WRITABLE] if read_only else ()))
            if self._is_lent:
                await self.call(nothing)

    async def undo_savepoint(self, name: str, *, read_only: bool = False) -> None:
        def undo(raw: sqlite3.Connection) -> None:
            ahead, saved = self._ahead, savepoint(name)
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
            function(self.raw)

    def send_commit(self) -> asyncio.Future[Any] | None:
        """Send COMMIT, unless more than that ends the transaction; a task that is cancelled still waits for it."""
        if self.committing is not None:
            return self.committing
        if not self._has_sent or self._is_lent or self._is_read_only:
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
            self._ahead.clear()
            self._has_begun = True

    def commit_reached(self, error: BaseException) -> Literal["sent"]:
        """Return that a COMMIT reaches the database: there is no link that could be lost."""
        return "sent"

    async def roll_back(self) -> None:
        def undo(raw: sqlite3.Connection) -> None:
            self._ahead.clear()
            self._has_begun, self.committing = True, None
            # A connection that refuses every statement is not used again.
            self.broken = self.broken or self._refusal is not None
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
        self, statement: Statement, args: Params, size: int, *, guarded: bool = False
    ) -> SqliteCursor:
        """Open a cursor that reads ``size`` rows at once; a guarded statement can only read."""
        if guarded:
            read_query(statement.sql, SQLITE)
        cursor = SqliteCursor(self, size, SqliteGuard(statement.sql, self.added or ()) if guarded else None)
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
        return not self._has_begun or self.committing is not None or self.raw.in_transaction

    @property
    def lost(self) -> bool:
        return self.closed or self.driver._connection is None

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements of the user that SQLAlchemy runs on the connection."""
        self.on_error = on_error
        self._is_lent = True
        if self._ahead and self._flushing is None:
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
        self._is_lent, self._flushing = False, None
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
        self.closed = True

    async def close(self) -> None:
        """Return the connection to SQLAlchemy's engine."""
        self.closed = True
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
