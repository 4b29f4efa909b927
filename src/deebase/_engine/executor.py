"""The executor: every statement of a Database goes through here, once."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import random
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from deebase._backends.error_translation import carry_outcome, redact, redacted_error
from deebase._backends.protocols import ErrorTranslator, Settings
from deebase._engine.block import Block, raise_translated
from deebase._engine.coalesce import Coalescer
from deebase._engine.transaction import Transaction
from deebase._lanes.pool import closed_while_running
from deebase._lanes.shield import run_shielded
from deebase._sql.keyed import KeyedRead
from deebase._sql.statement import Statement
from deebase._sql.violations import WriteTarget
from deebase.errors import (
    ConnectionError,
    DeeBaseError,
    IntegrityError,
    QueryTimeoutError,
    TransactionAbortedError,
    TransactionError,
    ValidationError,
)

if TYPE_CHECKING:
    from types import FrameType

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deebase._backends.postgres.lane import PostgresLanes
    from deebase._backends.sqlite.engine import SqliteLanes

T = TypeVar("T")

log = logging.getLogger("deebase.sql")

#: Seconds of the longest pause between two attempts of ``retry`` (full jitter below it).
RETRY_CAP = 1.0


class _Home:
    """What one event loop has of a database: an engine and its lanes."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        note: Callable[[Statement], None],
        translate: Callable[[BaseException, Statement | None], DeeBaseError | None],
    ) -> None:
        # SQLAlchemy's asyncio part and the drivers are first needed here.
        from deebase._engine.connect import make_engine, make_lanes

        self.loop = loop
        self.engine: AsyncEngine = make_engine(settings, translate)
        self.lanes: SqliteLanes | PostgresLanes = make_lanes(self.engine, settings, loop, translate)
        self.coalescer: Coalescer = Coalescer(loop, self.lanes.fetch, note, translate)
        self._patience = 1.0
        # A loop that shuts down closes its async generators: that is the moment at which lanes
        # must be closed when nobody called close() (`asyncio.run` twice, pytest).
        self._closer = self._until_shutdown()
        self._started = loop.create_task(self._closer.__anext__())

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.lanes.close(self._patience)
            await self.engine.dispose()

    async def close(self, timeout: float) -> None:
        """Close lanes and engine; more than once does no harm."""
        self._patience = timeout
        await self._started
        await self._closer.aclose()


class Executor:
    """Sends statements to one database: on the transaction of the task, else on a lane."""

    def __init__(
        self, settings: Settings, errors: ErrorTranslator, *, echo: bool = False, coalesce: bool = True
    ) -> None:
        self.settings = settings
        #: All that differs between databases.
        self.backend = settings.backend
        self._errors = errors
        self.timeout: float = settings.timeout
        self.current: ContextVar[Block | None] = ContextVar("deebase_transaction", default=None)
        #: The innermost block of each async generator that holds one open over a ``yield``, by its frame.
        self.homes: dict[FrameType, Block] = {}
        #: A PostgreSQL lane whose statement was cancelled may be hit by a late cancel.
        self.discards_cancelled: bool = settings.backend.capabilities.discards_cancelled
        self.closed: bool = False
        self.coalesces = coalesce
        self._level = logging.INFO if echo else logging.DEBUG
        self._recordings: list[list[str]] = []
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._home: _Home | None = None
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._anchor: Any = None

    # -- where statements run ------------------------------------------------------------------

    def block(self) -> Block | None:
        """Return the block that a statement of the caller belongs to.

        A generator finds its own block, whatever task asks for its next item; for its consumer there is none.
        """
        block = self.current.get()
        if not self.homes and (block is None or (block.outcome is None and not block.private)):
            return block
        frame: FrameType | None = sys._getframe(1) if self.homes else None  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            held = self.homes.get(frame)
            if held is not None:
                return block if block is not None and block.is_within(held) else held
            frame = frame.f_back
        return None if block is None else block.seen_from_outside()

    async def settled_block(self) -> Block | None:
        """Return the block that a statement of the caller belongs to, as soon as that is certain."""
        block = self.current.get()
        if block is not None and block.private:
            await block.settle()
        return self.block()

    def lanes(self) -> Any:
        """Return the lanes of the running event loop."""
        return self.home().lanes

    def home(self) -> _Home:
        """Return (or make) engine and lanes of the running event loop."""
        loop = asyncio.get_running_loop()
        home = self._home
        if home is not None and home.loop is loop:
            return home
        return self._find_home(loop)

    def _find_home(self, loop: asyncio.AbstractEventLoop) -> _Home:
        if self.closed:
            raise ConnectionError("this database is closed", hint="open a new Database, or close it later")
        with self._guard:
            if self._pid != os.getpid():
                # A forked child starts afresh. What it inherited stays referenced and untouched:
                # ending it would end the parent's connections.
                self._inherited, self._homes, self._pid = self._homes, {}, os.getpid()
            self._homes = {known: home for known, home in self._homes.items() if not known.is_closed()}
            home = self._homes.get(loop)
            if home is None:
                self._keep_memory()
                home = self._homes[loop] = _Home(self.settings, loop, self._note, self.translate)
            self._home = home
            return home

    def _keep_memory(self) -> None:
        """Hold a named memory database open, so that it outlives every lane but not this object."""
        if self.settings.memory and self._anchor is None:
            import sqlite3

            path = str(self.settings.sa_url.database)
            self._anchor = sqlite3.connect(f"{path}?vfs=memdb", uri=True, check_same_thread=False)
            weakref.finalize(self, self._anchor.close)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine of the running event loop."""
        return self.home().engine

    @property
    def lanes_in_use(self) -> int:
        """Number of lanes lent in all event loops."""
        return sum(home.lanes.in_use for home in self._homes.values())

    async def close(self, timeout: float) -> None:
        """Wait for what runs (at most ``timeout`` seconds), then leave nothing behind."""
        self.closed = True
        # To its end even when the task is cancelled: what stayed open would keep threads and sockets.
        await run_shielded(self._close(timeout))

    async def _close(self, timeout: float) -> None:
        here = asyncio.get_running_loop()
        homes, self._homes, self._home = self._homes, {}, None
        if self._pid != os.getpid():
            # Those of the parent process, whose loops do not run here; referenced, so that nothing ends them.
            self._inherited, homes = homes, {}
        for loop, home in homes.items():
            if loop is here:
                await home.close(timeout)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(home.close(timeout), loop))
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    async def reconnect(self) -> None:
        """Close the connections of this event loop; the next statement opens new ones."""
        home = self._homes.pop(asyncio.get_running_loop(), None)
        self._home = None
        if home is not None:
            await run_shielded(home.close(self.timeout))

    def close_from_outside(self, timeout: float) -> None:
        """Close what event loops have that are neither closed nor running; `close` does the rest."""
        for loop in [loop for loop in self._homes if not (loop.is_closed() or loop.is_running())]:
            loop.run_until_complete(self._homes.pop(loop).close(timeout))

    # -- statements ----------------------------------------------------------------------------

    def translate(self, error: BaseException, statement: Statement | None) -> DeeBaseError | None:
        """Return our error for one of a driver, which becomes its cause; None for what is not the database's."""
        if isinstance(error, DeeBaseError):
            return error
        ours = redacted_error(error)
        if ours is None:
            ours = self._errors.translate(error, None if statement is None else statement.sql)
            if self.closed and isinstance(ours, (ConnectionError, QueryTimeoutError)):
                # Cut off by us: the link was sound, and no limit was reached.
                ours = closed_while_running()
            if ours is not None and ours is not error:
                carry_outcome(error, ours)
                redact(error, ours)
        if statement is None or statement.writes is None or not isinstance(ours, IntegrityError):
            return ours
        return statement.writes.violation(ours)

    @contextmanager
    def recording(self) -> Generator[list[str]]:
        """Collect the SQL that is sent while the block runs, in order and without values."""
        statements: list[str] = []
        self._recordings.append(statements)
        try:
            yield statements
        finally:
            # By identity: two recordings may hold the same.
            self._recordings = [other for other in self._recordings if other is not statements]

    def _note(self, statement: Statement) -> None:
        for statements in self._recordings:
            statements.append(statement.sql)
        # Values never reach the log: they may be secrets.
        if log.isEnabledFor(self._level):
            log.log(self._level, "%s", statement.sql)

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Run one statement and return its rows as the driver gives them (tuples, records)."""
        self._note(statement)
        # Nearly always there is none, which takes no further call to know.
        block = await self.settled_block() if self.current.get() is not None or self.homes else None
        if block is not None:
            return await block.run(lambda lane: lane.fetch(statement, args), statement)
        try:
            rows: list[Any] = await self.lanes().fetch(statement, args)
        except BaseException as error:
            raise_translated(self, error, statement)
        return rows

    def fetch_by_key(self, read: KeyedRead, args: Sequence[Any], *, waits: bool = False) -> Awaitable[list[Any]]:
        """Return, to be awaited, the row of a key if there is one, together with others that are asked for now.

        Args:
            read: what is read.
            args: the key, and what the scope holds.
            waits: others of this turn are to be expected: do not go ahead of them.
        """
        outside = self.current.get() is None and not self.homes
        if self.coalesces and (outside or self.block() is None) and read.joins(args):
            future = self.home().coalescer.join(read, args, waits=waits)
            if future is not None:
                return future
        return self.fetch(read.statement, args)

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Run one statement and return the number of rows it changed."""
        self._note(statement)
        # Nearly always there is none, which takes no further call to know.
        block = await self.settled_block() if self.current.get() is not None or self.homes else None
        if block is not None:
            return await block.run(lambda lane: lane.count(statement, args), statement)
        try:
            count: int = await self.lanes().count(statement, args)
        except BaseException as error:
            raise_translated(self, error, statement)
        return count

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Run a statement of the user's own and return its columns and rows."""
        self._note(statement)
        block = await self.settled_block()
        if block is not None:
            return await block.run(lambda lane: lane.raw_fetch(statement, args), statement)
        try:
            result: tuple[list[Any], list[Any]] = await self.lanes().raw_fetch(statement, args)
        except BaseException as error:
            raise_translated(self, error, statement)
        return result

    async def many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement per row of parameters, inside the transaction of this task."""
        block = await self.settled_block()
        if block is None:
            async with self.transaction():
                await self.many(statement, rows)
        else:
            self._note(statement)
            await block.run(lambda lane: lane.many(statement, rows), statement)

    async def copy(self, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Store rows by COPY (PostgreSQL), inside the transaction of this task."""
        block = await self.settled_block()
        if block is None:
            async with self.transaction():
                await self.copy(table, columns, rows)
        else:
            text = f"COPY {table.fullname} ({', '.join(columns)}) FROM STDIN"
            statement = Statement(text, writes=WriteTarget("insert", table))
            self._note(statement)
            await block.run(lambda lane: lane.copy(table.name, table.schema, columns, rows), statement)

    async def write_schema(self, statements: Sequence[Statement]) -> None:
        """Run statements that change SQLite's schema table itself, inside the transaction of this task."""
        block = await self.settled_block()
        if block is None:
            async with self.transaction():
                await self.write_schema(statements)
        else:
            for statement in statements:
                self._note(statement)
            await block.run(lambda lane: lane.write_schema(statements), statements[0])

    async def fetch_many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run one statement per row of parameters, and return the rows of all, in that order."""
        block = await self.settled_block()
        if block is None:
            async with self.transaction():
                return await self.fetch_many(statement, rows)
        self._note(statement)
        return await block.run(lambda lane: lane.fetch_many(statement, rows), statement)

    async def stream(
        self, statement: Statement, args: Sequence[Any], size: int, *, guarded: bool = False
    ) -> AsyncGenerator[tuple[list[Any], list[Any]], None]:
        """Yield (columns, rows) in pieces of at most ``size`` rows, from a cursor of the database.

        The lane is held while the caller iterates, and given back when the iteration ends, however.

        Args:
            statement: what is read.
            args: its parameters.
            size: of a piece.
            guarded: the statement is not trusted: in a read-only transaction of its own, it can do nothing but read.
        """
        self._note(statement)
        block, own = await self.settled_block(), None
        failed: BaseException | None = None
        if block is None or guarded:
            # Not made the block of the task: what the body of the loop does commits on its own.
            block = own = Block(self, read_only=statement.reads or guarded)
            await own.begin(streams=True)
        try:
            cursor = await block.open_cursor(statement, args, size, guarded=guarded)
            try:
                more = True
                while more:
                    rows = await block.run(lambda _: cursor.fetch(), statement)
                    more = len(rows) == size
                    yield cursor.columns, rows
            finally:
                # A statement that is left open would keep the file open behind its closed connection.
                await run_shielded(block.close_cursor(cursor, last=own is not None))
        except BaseException as error:
            failed = error
            raise
        finally:
            if own is not None:
                await own.end(failed)

    # -- transactions --------------------------------------------------------------------------

    def transaction(self, *, read_only: bool = False, isolation: str | None = None) -> Transaction:
        """Return a block: a transaction, or a savepoint inside the one of this task."""
        return Transaction(self, read_only=read_only, isolation=isolation)

    async def lock_schema(self) -> None:
        """Wait until no other process changes a schema through DeeBase; the lock ends with the transaction.

        Two programs that start at once must not both find a table, view or index missing (PostgreSQL). SQLite has one
        writer at a time.
        """
        for statement in self.backend.engine.lock_schema():
            await self.fetch(statement, [])

    def must_be_inside(self, what: str) -> None:
        """Refuse what only a transaction gives a meaning to.

        Raises:
            TransactionError: there is none.
        """
        if self.block() is None:
            raise TransactionError(
                f"{what} locks rows until the transaction ends, and there is none: other tasks may change them at once",
                hint="async with db.transaction(): ..., from the read to the write",
            )

    def begin_statements(self, read_only: bool, isolation: str | None) -> tuple[Statement, ...]:
        """Return what begins a transaction on this database."""
        return self.backend.engine.begin(self.settings, read_only=read_only, isolation=isolation)

    def end_read_only(self) -> tuple[Statement, ...]:
        """Return what makes the lane of a read-only transaction writable again."""
        return self.backend.engine.end_read_only(self.settings)

    def read_only_statements(self) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """Return what makes a savepoint read-only, and what makes its transaction writable again after it."""
        return self.backend.engine.read_only_savepoint()

    async def retry(
        self, work: Callable[[], Awaitable[T]], *, attempts: int, isolation: str | None, timeout: float | None
    ) -> T:
        """Run ``work`` in a fresh transaction, again after a failure that a rerun can mend."""
        given: Any = work
        if not callable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise ValidationError(
                "retry takes a function, which it may run several times, and not what calling it gave",
                field="work",
                hint="await db.retry(transfer), or await db.retry(lambda: transfer(1, 2))",
            )
        block = self.block()
        if block is not None and not block.is_test_sandbox:
            raise TransactionError(
                "retry cannot rerun a part of an open transaction", hint="call db.retry outside of db.transaction()"
            )
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        attempt = 1
        while True:
            try:
                async with self.transaction(isolation=isolation):
                    return await work()
            except DeeBaseError as error:
                pause = random.uniform(0, min(RETRY_CAP, 0.01 * 2**attempt))
                late = deadline is not None and loop.time() + pause > deadline
                if attempt >= attempts or late or not _mends_by_rerun(error):
                    raise
            attempt += 1
            await asyncio.sleep(pause)


def _mends_by_rerun(error: DeeBaseError) -> bool:
    """Whether the failure is of the moment: serialization, deadlock, busy, a link lost before COMMIT.

    A write outside of the transaction, such as one of another database, may be stored when its answer is lost: doing
    it again could store it twice.
    """
    if isinstance(error, TransactionAbortedError) and isinstance(error.__cause__, DeeBaseError):
        error = error.__cause__
    return error.outcome != "unknown" and (error.retryable or isinstance(error, ConnectionError))
