"""The executor: every statement of a Database goes through it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from deebase._backends.error_translation import carry_outcome, redact, redacted_error, shown_cause
from deebase._backends.protocols import Backend, ErrorTranslator, Settings
from deebase._engine.loops import LoopResources, Loops
from deebase._engine.reading_block import Reads, refused_in_block
from deebase._engine.transaction_scope import TransactionScope
from deebase._lanes.acting import ActingContext
from deebase._lanes.interface import Columns, Lane, Lanes, Params, Rows, Values
from deebase._lanes.pool import closed_while_running
from deebase._lanes.replica import Freshness
from deebase._lanes.shield import run_shielded
from deebase._sql.keyed import KeyedRead
from deebase._sql.statement import Statement
from deebase._sql.violations import WriteTarget
from deebase.errors import (
    ConnectionError,
    DeeBaseError,
    IntegrityError,
    QueryTimeoutError,
    TransactionError,
    ValidationError,
)

if TYPE_CHECKING:
    from types import FrameType

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deebase._backends.postgres.lane import PostgresLane
    from deebase._backends.sqlite.lane import SqliteLane

T = TypeVar("T")

log = logging.getLogger("deebase.sql")


class Executor:
    """Sends statements to one database: in the transaction of the task, or each in autocommit mode.

    Attributes:
        current: the innermost transaction block of this context.
        generators: the innermost block of each async generator that holds one open over a ``yield``, by its frame.
        closed: whether the Database is closed.
        acting: for which values of secured tables each task acts.
        reading: sends the statements of `Database.read_only` on connections of its own, once there are any.
        reads: where reads go, by their context.
    """

    #: Whether every write is refused (``ReadingExecutor``).
    only_reads: bool = False

    def __init__(
        self, settings: Settings, errors: ErrorTranslator, *, echo: bool = False, coalesce: bool = True
    ) -> None:
        self.settings = settings
        #: All that differs between databases.
        self.backend: Backend = settings.backend
        self._errors = errors
        self.timeout: float = settings.timeout
        self.current: ContextVar[TransactionScope | None] = ContextVar("deebase_transaction", default=None)
        self.generators: dict[FrameType, TransactionScope] = {}
        self.closed: bool = False
        self.reading: Executor | None = None
        self._coalesces = coalesce
        self._level = logging.INFO if echo else logging.DEBUG
        self._recordings: list[list[str]] = []
        replicas = settings.replicas
        fresh = Freshness(replicas.max_lag) if replicas is not None and replicas.reads_fresh else None
        self.reads: Reads = Reads(fresh, is_used=replicas is not None)
        self.acting: ActingContext = ActingContext()
        self._loops = Loops(settings, self._note, self.translate, self.reads, self.acting)
        self._here: LoopResources | None = None

    # -- where statements run ------------------------------------------------------------------

    def current_transaction(self) -> TransactionScope | None:
        """Return the transaction block that a statement of the caller belongs to.

        A generator uses its own block, whichever task requests the next item. Its consumer does not use that block.
        """
        scope = self.current.get()
        if not self.generators and (scope is None or (scope.outcome is None and not scope.is_private)):
            return scope
        frame: FrameType | None = sys._getframe(1) if self.generators else None  # pyright: ignore[reportPrivateUsage]
        while frame is not None:
            held = self.generators.get(frame)
            if held is not None:
                return scope if scope is not None and scope.is_within(held) else held
            frame = frame.f_back
        return None if scope is None else scope.seen_from_outside()

    async def settled_transaction(self) -> TransactionScope | None:
        """Return the transaction block of the caller. Abandoned generators are closed first."""
        scope = self.current.get()
        if scope is not None and scope.is_private:
            await scope.wait_if_left()
        return self.current_transaction()

    def resources(self) -> LoopResources:
        """Return the engine and the lanes of the running event loop."""
        loop = asyncio.get_running_loop()
        here = self._here
        if here is not None and here.loop is loop:
            return here
        if self.closed:
            raise ConnectionError("this database is closed", hint="open a new Database, or close it later")
        here = self._here = self._loops.find(loop)
        return here

    def lanes(self) -> Lanes:
        """Return the lanes of the running event loop."""
        return self.resources().lanes

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine of the running event loop."""
        return self.resources().engine

    @property
    def lanes_in_use(self) -> int:
        """The number of lanes in use, in all event loops."""
        return self._loops.in_use + (0 if self.reading is None else self.reading.lanes_in_use)

    async def close(self, timeout: float) -> None:
        """Wait for running operations (at most ``timeout`` seconds), then close all connections."""
        given: Any = timeout
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not given >= 0:
            raise ValidationError("timeout is a number of seconds", field="timeout", value=given, hint="timeout=10")
        self.closed = True
        self._here = None
        if self.reading is not None:
            await self.reading.close(timeout)
        # Shielded: connections that stay open would keep threads and sockets.
        await run_shielded(self._loops.close(timeout))

    async def reconnect(self) -> None:
        """Close the connections of this event loop; the next statement opens new ones."""
        if self.reading is not None:
            await self.reading.reconnect()
        resources, self._here = self._loops.take(asyncio.get_running_loop()), None
        if resources is not None:
            await run_shielded(resources.close(self.timeout))

    def close_from_outside(self, timeout: float) -> None:
        """Close the connections of event loops that are neither closed nor running; `close` does the rest."""
        if self.reading is not None:
            self.reading.close_from_outside(timeout)
        self._loops.close_stopped(timeout)

    # -- errors and records --------------------------------------------------------------------

    def translate(self, error: BaseException, statement: Statement | None) -> DeeBaseError | None:
        """Return our error for one of a driver, which becomes its cause; None for other errors."""
        if isinstance(error, DeeBaseError):
            return error
        ours = redacted_error(error)
        if ours is None:
            ours = self._errors.translate(error, None if statement is None else statement.sql)
            if self.closed and isinstance(ours, (ConnectionError, QueryTimeoutError)):
                # close() interrupted it: the connection was intact, and no time limit was reached.
                ours = closed_while_running()
            if ours is not None and ours is not error:
                carry_outcome(error, ours)
                redact(error, ours)
        if statement is None or statement.writes is None or not isinstance(ours, IntegrityError):
            return ours
        return statement.writes.violation(ours)

    def raise_translated(self, error: BaseException, statement: Statement | None = None) -> NoReturn:
        """Raise our error for one of a driver, with it as the cause; raise any other error unchanged."""
        translated = self.translate(error, statement)
        if translated is None or translated is error:
            raise error
        raise translated from shown_cause(error)

    @contextmanager
    def recording(self) -> Generator[list[str]]:
        """Collect the SQL that is sent while the block runs, in order and without values."""
        statements: list[str] = []
        self._recordings.append(statements)
        try:
            yield statements
        finally:
            # By identity: two recordings may hold the same statements.
            self._recordings[:] = [other for other in self._recordings if other is not statements]

    def _note(self, statement: Statement) -> None:
        for statements in self._recordings:
            statements.append(statement.sql)
        # Values never reach the log: they may be secrets.
        if log.isEnabledFor(self._level):
            log.log(self._level, "%s", statement.sql)

    # -- statements ----------------------------------------------------------------------------

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """Run one statement and return its rows as the driver gives them (tuples, records)."""
        if self.reads.is_used:
            self.reads.must_read(statement)
        if self._recordings or log.isEnabledFor(self._level):
            self._note(statement)
        # Usually no transaction is open; this check needs no function call.
        scope = self.current.get()
        if scope is not None or self.generators:
            private = scope is not None and scope.is_private
            scope = await self.settled_transaction() if private else self.current_transaction()
        if scope is not None:
            return await scope.run(lambda lane: lane.fetch(statement, args), statement)
        try:
            return await self.resources().lanes.fetch(statement, args)
        except BaseException as error:
            self.raise_translated(error, statement)

    async def fetch_arrow(self, statement: Statement, args: Params) -> Any:
        """Run one statement on a connection of its own, and return an Arrow table with the types of its driver.

        Returns:
            The table; None if rows have to be read, as in a transaction, which another connection does not see.
        """
        if await self.settled_transaction() is not None:
            return None
        try:
            table = await self.resources().lanes.fetch_arrow(statement, args)
        except BaseException as error:
            self.raise_translated(error, statement)
        if table is not None:
            self._note(statement)
        return table

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        """Run one statement in a transaction, and return what ``make`` makes of its rows by column, in pieces."""
        scope = await self.settled_transaction()
        if scope is None:
            async with self.transaction(read_only=statement.reads):
                return await self.fetch_columns(statement, args, make)
        self._note(statement)
        return await scope.run(lambda lane: lane.fetch_columns(statement, args, make), statement)

    def fetch_by_key(self, read: KeyedRead, args: Params, *, waits: bool = False) -> Awaitable[Rows]:
        """Return an awaitable of the row with a key, if it exists. Reads of the same turn share one statement.

        Args:
            read: the columns, and those of the key.
            args: the key, and the values of the scope.
            waits: further reads are expected in this turn: do not send this one ahead of them.
        """
        outside = self.current.get() is None and not self.generators
        if self._coalesces and (outside or self.current_transaction() is None) and read.joins(args):
            here = self.resources()
            coalescer = here.coalescer if not self.reads.is_used else here.coalescer_by_context()
            future = None if coalescer is None else coalescer.join(read, args, waits=waits)
            if future is not None:
                return future
        return self.fetch(read.statement, args)

    async def count(self, statement: Statement, args: Params) -> int:
        """Run one statement and return the number of rows that it changed."""
        if self.reads.is_used:
            self.reads.must_read(statement)
        if self._recordings or log.isEnabledFor(self._level):
            self._note(statement)
        scope = self.current.get()
        if scope is not None or self.generators:
            private = scope is not None and scope.is_private
            scope = await self.settled_transaction() if private else self.current_transaction()
        if scope is not None:
            return await scope.run(lambda lane: lane.count(statement, args), statement)
        try:
            return await self.resources().lanes.count(statement, args)
        except BaseException as error:
            self.raise_translated(error, statement)

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement of the user and return its columns and rows."""
        scope = await self.settled_transaction()
        if self.reads.is_used:
            self.reads.must_read(statement)
            if scope is None and self.reads.in_block():
                # The database refuses what the text of a query does not show: a function that writes.
                async with self.transaction(read_only=True):
                    return await self.raw_fetch(statement, args)
        self._note(statement)
        if scope is not None:
            return await scope.run(lambda lane: lane.raw_fetch(statement, args), statement)
        try:
            return await self.lanes().raw_fetch(statement, args)
        except BaseException as error:
            self.raise_translated(error, statement)

    async def _run_inside(self, action: Callable[[Lane], Awaitable[T]], *statements: Statement) -> T:
        """Run statements in the transaction of this task, or in a new one."""
        if self.reads.is_used:
            for statement in statements:
                self.reads.must_read(statement)
        scope = await self.settled_transaction()
        if scope is None:
            async with self.transaction(read_only=self.reads.in_block()) as block:
                block.is_last = _always
                return await self._run_inside(action, *statements)
        for statement in statements:
            self._note(statement)
        return await scope.run(action, statements[0])

    async def many(self, statement: Statement, rows: Sequence[Params]) -> None:
        """Run one statement per row of parameters, in a transaction."""
        await self._run_inside(lambda lane: lane.many(statement, rows), statement)

    async def fetch_many(self, statement: Statement, rows: Sequence[Params]) -> Rows:
        """Run one statement per row of parameters, in a transaction, and return the rows of all, in that order."""
        return await self._run_inside(lambda lane: lane.fetch_many(statement, rows), statement)

    async def copy(self, table: sa.Table, columns: Sequence[str], rows: Sequence[Params]) -> None:
        """Store rows by COPY, in a transaction; only for databases that have it (``copies_rows``)."""
        text = f"COPY {table.fullname} ({', '.join(columns)}) FROM STDIN"
        statement = Statement(text, writes=WriteTarget("insert", table))
        await self._run_inside(
            lambda lane: cast("PostgresLane", lane).copying().store_rows(table.name, table.schema, columns, rows),
            statement,
        )

    async def copy_text(self, table: str, columns: Sequence[str], pieces: AsyncGenerator[bytes, None]) -> None:
        """Store rows in the text format of COPY, in a transaction; only for databases that have it."""
        statement = Statement(f"COPY {table} ({', '.join(columns)}) FROM STDIN")
        await self._run_inside(
            lambda lane: cast("PostgresLane", lane).copying().store_text(table, columns, pieces), statement
        )

    async def copy_out(self, query: str, sink: Callable[[bytes], Awaitable[None]]) -> None:
        """Give a function the rows of a query in the binary format of COPY, in pieces, in a transaction."""
        statement = Statement(f"COPY ({query}) TO STDOUT (FORMAT binary)", reads=True)
        await self._run_inside(lambda lane: cast("PostgresLane", lane).copying().read_binary(query, sink), statement)

    async def copy_in(
        self, schema: str, table: str, columns: Sequence[str], pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Store rows in the binary format of COPY, in a transaction."""
        statement = Statement(f"COPY {schema}.{table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)")
        await self._run_inside(
            lambda lane: cast("PostgresLane", lane).copying().store_binary(schema, table, columns, pieces), statement
        )

    async def write_schema(self, statements: Sequence[Statement]) -> None:
        """Run statements that change SQLite's schema table itself, in a transaction."""
        await self._run_inside(lambda lane: cast("SqliteLane", lane).write_schema(statements), *statements)

    async def stream(self, statement: Statement, args: Params, size: int) -> AsyncGenerator[tuple[Columns, Rows], None]:
        """Yield (columns, rows) in pieces of at most ``size`` rows, from a cursor of the database.

        The connection is in use while the caller iterates, and is returned on any exit.

        Args:
            statement: the query.
            args: its parameters.
            size: rows of a piece.
        """
        if self.reads.is_used:
            self.reads.must_read(statement)
        self._note(statement)
        scope, own = await self.settled_transaction(), None
        failed: BaseException | None = None
        if scope is None:
            # The task does not join this transaction: statements in the body of the loop run in autocommit mode.
            scope = own = TransactionScope(self, read_only=statement.reads)
            await own.begin(streams=True)
        try:
            cursor = await scope.open_cursor(statement, args, size)
            try:
                more = True
                while more:
                    rows = await scope.run(lambda _: cursor.fetch(), statement)
                    more = len(rows) == size
                    yield cursor.columns, rows
            finally:
                # A statement that stays open would keep the file open after its connection is closed.
                await run_shielded(scope.close_cursor(cursor, last=own is not None))
        except BaseException as error:
            failed = error
            raise
        finally:
            if own is not None:
                await own.end(failed)

    # -- transactions --------------------------------------------------------------------------

    def transaction(self, *, read_only: bool = False, isolation: str | None = None) -> TransactionScope:
        """Return a block: a transaction, or a savepoint in the transaction of this task."""
        if self.reads.is_used and self.reads.in_block() and self.current_transaction() is None:
            if not read_only:
                raise refused_in_block("a transaction that may write")
            if isinstance(isolation, str) and isolation.lower() == "serializable":
                raise refused_in_block("a serializable transaction, which a replica has not,")
        return TransactionScope(self, read_only=read_only, isolation=isolation)

    async def lock_schema(self) -> None:
        """Wait until no other process changes a schema through DeeBase; the lock ends with the transaction.

        Two programs that start at once must not both find a table, view or index missing.
        """
        lock = self.lanes().schema_lock
        if lock is not None:
            await self.fetch(lock, [])

    def must_be_inside(self, what: str) -> None:
        """Refuse an operation that is only useful in a transaction.

        Raises:
            TransactionError: the task is not in a transaction.
            InvalidOperationError: the code is in a block of `Database.reading`.
        """
        self.reads.must_write(what)
        if self.current_transaction() is None:
            raise TransactionError(
                f"{what} locks rows until the transaction ends, but no transaction is open",
                hint="put the read and the write into async with db.transaction(): ...",
            )


def _always(_: object) -> bool:
    return True
