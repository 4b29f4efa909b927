"""One SQLite lane: a connection with a thread, where one hop to the thread runs many statements."""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from deebase._backends.sqlite.guard import SqliteGuard
from deebase._backends.sqlite.job import CALL, COUNT, MANY, RAW, ROWS, Cancelled, Job, is_busy
from deebase._backends.sqlite.triggers import Triggers
from deebase._backends.sqlite.trust import is_unsafe, trust_if_harmless
from deebase._lanes.pool import closed_while_running
from deebase._lanes.shield import run_shielded
from deebase._sql.read_only import read_query
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE

#: Instructions of SQLite's virtual machine between two looks at the cancel token.
PROGRESS_STEPS = 10_000

# A long statement would keep its processor for a slice of the scheduler's (some ms), and the thread of a
# short one that was woken there would wait for it.
_offer_processor: Callable[[], object] = getattr(os, "sched_yield", partial(time.sleep, 0))


class SqliteLane:
    """One connection, its thread, and the statement that runs on it now."""

    __slots__ = (
        "_loop",
        "_put",
        "broken",
        "closed",
        "connection",
        "current",
        "driver",
        "holder",
        "on_error",
        "raw",
        "session",
        "since",
        "timeout",
        "triggers",
        "trusts",
    )

    def __init__(
        self, connection: AsyncConnection, driver: Any, loop: asyncio.AbstractEventLoop, timeout: float
    ) -> None:
        self.connection: AsyncConnection = connection
        self.driver: Any = driver
        self.raw: sqlite3.Connection = driver._conn
        # aiosqlite's own work queue (SQLAlchemy's dialect uses it too): whatever is put there runs
        # in the connection's thread, in order.
        self._put = driver._tx.put_nowait
        self._loop = loop
        self.timeout: float = timeout or math.inf
        self.current: Job | None = None
        self.holder: str = ""
        self.since: float = 0.0
        #: Told of errors that SQLAlchemy meets on the connection, while a transaction lends it out.
        self.on_error: Callable[[BaseException], None] | None = None
        self.session: int = 0
        self.triggers: Triggers = Triggers()
        self.broken: bool = False
        #: Whether a harmless schema gets trust when it needs it (``sqlite_trust``).
        self.trusts: bool = False
        #: The thread takes nothing any more: what is sent there now would never be answered.
        self.closed: bool = False

    def watch(self) -> None:
        """Install the handler that ends a statement whose caller went away."""

        def wanted() -> int:
            _offer_processor()
            job = self.current
            return 1 if job is not None and (self.closed or job.cancelled) else 0

        self.raw.set_progress_handler(wanted, PROGRESS_STEPS)

    def hop(self, jobs: list[Job], done: Callable[[SqliteLane, list[Job]], None], *, alone: bool) -> None:
        """Run ``jobs`` in the thread and call ``done`` in the loop when all have ended."""
        self._put((_Hop(self._loop, done, self, jobs), lambda: self._run(jobs, alone)))

    def _run(self, jobs: list[Job], alone: bool) -> None:
        try:
            self._run_all(jobs, alone)
        except BaseException as error:
            # The connection itself failed (a rollback on a full disk): nobody takes silence for success.
            self.broken = True
            for job in jobs:
                if job.result is None and job.error is None:
                    job.error = closed_while_running() if self.closed else error

    def _run_all(self, jobs: list[Job], alone: bool) -> None:
        for shares, group in groupby(jobs, lambda job: alone and job.statement.shares_commit):
            if shares:
                self._run_shared(list(group))
                continue
            for job in group:
                self._run_one(job)
                if alone and self.raw.in_transaction:
                    # A statement outside of a transaction must not leave one open on the lane.
                    self.raw.rollback()

    def _run_one(self, job: Job) -> None:
        if job.cancelled:
            return
        if self.closed:
            job.error = closed_while_running()
            return
        started = time.perf_counter()
        try:
            if job.statement.reread is not None and job.mode == ROWS:
                job.result = self.triggers.stored(self.raw, job.statement, lambda: self._perform_patiently(job, [job]))
            else:
                job.result = self._perform_patiently(job, [job])
        except BaseException as error:  # whatever it is, it belongs to the caller
            job.error = self._failure(error)
        job.statement.last_seconds = time.perf_counter() - started

    def _perform_patiently(self, job: Job, callers: list[Job]) -> Any:
        """Run a statement that may have to wait for another process, up to the job's deadline.

        Each try waits ``busy_timeout`` inside SQLite; whether a caller is left is looked at in between,
        which a long busy wait would not do.
        """
        raw = self.raw
        self.current = job
        try:
            while True:
                try:
                    return job.perform(raw)
                except sqlite3.DatabaseError as error:
                    # Refused before anything was done; a function of ours may have run statements before.
                    if self.trusts and job.mode != CALL and is_unsafe(error) and trust_if_harmless(raw):
                        continue
                    waits = not raw.in_transaction or job.statement.sql == "COMMIT"
                    if not (waits and is_busy(error)) or time.monotonic() >= job.deadline:
                        raise
                    if self.closed or all(caller.cancelled for caller in callers):
                        raise Cancelled from error
        finally:
            self.current = None

    def _failure(self, error: BaseException) -> BaseException:
        # A statement that was ended because the lane closes failed for that reason.
        return closed_while_running() if self.closed else error

    def _run_shared(self, jobs: list[Job]) -> None:
        """Run writes of one row each in one transaction, or each in its own when that cannot be saved.

        What ends the whole transaction (RAISE(ROLLBACK), an interrupted write, a deferred foreign key at
        COMMIT, a full disk) undoes all of them, and then nobody has been answered yet.
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
            # Another process holds the lock: whose time is up is told so, the others wait on together.
            now = time.monotonic()
            for job in jobs:
                if job.deadline <= now:
                    job.error = failure
            jobs = [job for job in jobs if job.deadline > now]

    def _commit(self, jobs: list[Job]) -> BaseException | None:
        """Run writes in one transaction; return why none of them is saved, None when they are.

        Also a single write gets a transaction, so that its error means what it means in a batch (left to
        itself, SQLite keeps the row behind RAISE(FAIL)), and its cost is known without that of the commit.
        """
        try:
            self._perform_patiently(_control(_BEGIN, jobs), jobs)
            for job in jobs:
                self._run_row(job, lone=len(jobs) == 1)
            self._perform_patiently(_control(_COMMIT, jobs), jobs)
        except BaseException as error:  # whatever it is, nothing of them is stored
            for job in jobs:
                job.result = job.error = None
            if self.raw.in_transaction:
                self.raw.rollback()
            return error
        return None

    def _run_row(self, job: Job, *, lone: bool) -> None:
        """Run one write of a transaction; undo it alone when it fails, or raise its error if that is all there is."""
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

    async def _do(self, statement: Statement, args: Any, mode: int) -> Any:
        """Run one statement on this lane, which the caller holds."""
        if self.closed:
            raise closed_while_running()
        job = Job(self._loop.create_future(), statement, args, mode)
        job.deadline = time.monotonic() + self.timeout
        self.hop([job], _deliver, alone=False)
        try:
            return await job.future
        except asyncio.CancelledError:
            job.cancelled = True
            raise

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement as tuples."""
        rows: list[Any] = await self._do(statement, args, ROWS)
        return rows

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Return the number of rows a statement changed."""
        count: int = await self._do(statement, args, COUNT)
        return count

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[str], list[Any]]:
        """Return column names and rows of a statement."""
        result: tuple[list[str], list[Any]] = await self._do(statement, args, RAW)
        return result

    async def many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of parameters."""
        await self._do(statement, rows, MANY)

    async def fetch_many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a statement once per row of parameters, in one hop, and return all their rows."""

        def run(raw: sqlite3.Connection) -> list[Any]:
            result: list[Any] = []
            for args in rows:
                result.extend(raw.execute(statement.sql, args).fetchall())
            return result

        def run_and_read(raw: sqlite3.Connection) -> list[Any]:
            return self.triggers.stored(raw, statement, lambda: run(raw))

        fetched: list[Any] = await self.call(run_and_read)
        return fetched

    async def write_schema(self, statements: Sequence[Statement]) -> None:
        """Run statements that change sqlite_schema, and read it anew; in one hop, so that nothing else may."""

        def run(raw: sqlite3.Connection) -> None:
            raw.execute("PRAGMA writable_schema = ON")
            try:
                for statement in statements:
                    raw.execute(statement.sql)
            finally:
                # A connection on which this fails could still write there: it is not used again.
                self.broken, broken = True, self.broken
                raw.execute("PRAGMA writable_schema = RESET")
                self.broken = broken

        await self.call(run)

    async def call(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run a function of the connection in its thread."""
        return await self._do(_CALLED, function, CALL)

    async def control(self, *statements: Statement) -> None:
        """Run transaction control; it is short, and its deadline is the lane's timeout."""
        for statement in statements:
            await self._do(statement, (), COUNT)

    async def roll_back(self) -> None:
        """Undo the open transaction, if there still is one."""
        await self.call(lambda raw: raw.rollback())

    async def open_cursor(
        self, statement: Statement, args: Sequence[Any], size: int, *, guarded: bool = False
    ) -> SqliteCursor:
        """Start reading a result in pieces of ``size`` rows; guarded, the statement can do nothing but read."""
        if guarded:
            read_query(statement.sql, SQLITE)
        cursor = SqliteCursor(self, size, SqliteGuard(statement.sql) if guarded else None)
        try:
            await self.call(lambda raw: cursor.open(raw, statement.sql, args))
        except BaseException:
            # Cancelled, it may be open by now or soon; left so, it would keep the file open.
            await run_shielded(cursor.close())
            raise
        return cursor

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the connection."""
        return self.raw.in_transaction

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self.closed or self.driver._connection is None

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements that do not go through the lane."""
        self.on_error = on_error

    async def settle(self) -> None:
        """Do nothing: what changes the session of SQLite is meant for every connection."""

    def failed(self, error: BaseException) -> None:
        """Take note of an error: none of a statement makes a connection to a file useless."""

    def cut_off(self) -> None:
        """End what runs in the thread, and refuse what comes."""
        self.closed = True

    async def close(self) -> None:
        """Give the connection back to SQLAlchemy's engine."""
        self.closed = True
        await self.connection.close()


class SqliteCursor:
    """A result that is read in pieces."""

    #: It ends with its transaction.
    ends_by_itself = False

    def __init__(self, lane: SqliteLane, size: int, guard: SqliteGuard | None = None) -> None:
        self._lane = lane
        self._size = size
        self._guard = guard
        self._cursor: sqlite3.Cursor | None = None
        self.columns: list[str] = []

    def open(self, raw: sqlite3.Connection, sql: str, args: Sequence[Any]) -> None:
        """Start the statement, in the lane's thread."""
        with self._guarded(raw):
            self._cursor = raw.execute(sql, args)
        self.columns = [column[0] for column in self._cursor.description or ()]

    @contextmanager
    def _guarded(self, raw: sqlite3.Connection) -> Generator[None]:
        """Have the guard decide about what is compiled, in the one hop in which that happens."""
        if self._guard is None:
            yield
            return
        # Statements that the connection has compiled before are compiled again.
        raw.set_authorizer(self._guard)
        try:
            yield
        except sqlite3.Error as error:
            refusal = self._guard.refusal()
            if refusal is None:
                raise
            raise refusal from error
        finally:
            raw.set_authorizer(None)

    async def fetch(self) -> list[Any]:
        """Return the next piece, empty at the end."""
        rows: list[Any] = await self._lane.call(self._fetch)
        return rows

    def _fetch(self, raw: sqlite3.Connection) -> list[Any]:
        with self._guarded(raw):
            return [] if self._cursor is None else self._cursor.fetchmany(self._size)

    async def close(self) -> None:
        """End the statement, which ends its read of the database."""
        if self._lane.closed:
            # Its thread is gone. The statement keeps the file open for as long as anything refers to it.
            self._cursor = None
        else:
            await self._lane.call(self._close)

    def _close(self, _raw: sqlite3.Connection) -> None:
        if self._cursor is not None:
            self._cursor.close()


_CALLED = Statement("-- function")
_BEGIN = Statement("BEGIN IMMEDIATE")
_COMMIT = Statement("COMMIT")


def _control(statement: Statement, jobs: list[Job]) -> Job:
    """Return what begins or ends the transaction of several writes, in the time the first of them has."""
    job = Job(jobs[0].future, statement, (), COUNT)
    job.deadline = jobs[0].deadline
    return job


def _deliver(lane: SqliteLane, jobs: list[Job]) -> None:
    for job in jobs:
        job.deliver()


class _Hop:
    """Stands where aiosqlite expects a future and an event loop.

    The driver would set a future's result in one turn of the loop and wake its task in the next;
    here the turn that brings the news answers every caller of the batch.
    """

    __slots__ = ("done", "jobs", "lane", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        done: Callable[[SqliteLane, list[Job]], None],
        lane: SqliteLane,
        jobs: list[Job],
    ) -> None:
        self.loop = loop
        self.done = done
        self.lane = lane
        self.jobs = jobs

    def get_loop(self) -> _Hop:
        """Be the loop that the driver posts its result to."""
        return self

    def call_soon_threadsafe(self, _setter: Any, _future: Any, _result: Any) -> None:
        """Post the end of the hop to the real loop."""
        try:
            self.loop.call_soon_threadsafe(self.done, self.lane, self.jobs)
        except RuntimeError:
            # The loop was closed meanwhile: nobody is left to be told.
            if not self.loop.is_closed():
                raise
