"""One PostgreSQL lane: an asyncpg connection that tasks use without a reset or a BEGIN."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from deebase._backends.postgres.copy_calls import CopyCalls
from deebase._backends.postgres.guard import check_reads
from deebase._backends.postgres.link.received import ReceiveLimit
from deebase._backends.postgres.row_security import SessionActing
from deebase._backends.postgres.session_state import RESET, StoredCode, require_standard_strings
from deebase._lanes.interface import COLUMN_ROWS, Columns, Params, RolledBack, Rows, Values
from deebase._lanes.limits import Allowance
from deebase._lanes.shield import run_shielded
from deebase._sql.reread import Reread, as_stored
from deebase._sql.session_statements import keeps_session
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import POSTGRES
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._backends.postgres.engine import PostgresLanes
    from deebase._lanes.acting import Acting

T = TypeVar("T")

#: Statements that may define a function, or let a table or view call one.
_DEFINES = re.compile(r"\b(?:CREATE|ALTER|DO|CALL|EXECUTE)\b", re.IGNORECASE)
_CLIENT_COPY = re.compile(r"\s*COPY\b.*\bSTD(?:IN|OUT)\b", re.IGNORECASE | re.DOTALL)
#: A statement on the schema, without a semicolon after which another one could stand.
_ONE_DDL = re.compile(r"\s*(?:CREATE|ALTER|DROP|COMMENT)\s[^;]*", re.IGNORECASE)
_COPY = Statement("COPY")

#: read_only_sql_transaction: outside of a read-only transaction it means that the server rejects writes, as after a
#: failover (manual, appendix A).
_READ_ONLY_SERVER = "25006"


class PostgresLane:
    """One connection; ``driver`` belongs to asyncpg, ``connection`` is SQLAlchemy's view of it."""

    __slots__ = (
        "_copying",
        "_defined",
        "_is_read_only",
        "_lent",
        "_rolls_back",
        "acting",
        "broken",
        "checked",
        "code",
        "committing",
        "connection",
        "driver",
        "holder",
        "is_last",
        "lanes",
        "on_error",
        "on_release",
        "opened",
        "received",
        "since",
        "unclean",
    )

    def __init__(self, connection: AsyncConnection, driver: Any, code: StoredCode, *, local: bool = False) -> None:
        self.connection: AsyncConnection = connection
        #: When it was connected, in seconds of the monotonic clock.
        self.opened: float = time.monotonic()
        self.driver: Any = driver
        #: For which values of secured tables the session acts.
        self.acting: SessionActing = SessionActing(driver, local=local)
        self.holder: str = ""
        self.since: float = 0.0
        #: When the role of its server was checked last, in seconds of the event loop's clock.
        self.checked: float = 0.0
        #: Called at the end of a transaction that may have written.
        self.on_release: Callable[[], None] | None = None
        self.on_error: Callable[[BaseException], None] | None = None
        #: Has no effect: the driver sends one statement at a time.
        self.is_last: Callable[[Any], bool] | None = None
        #: None: no COMMIT is sent ahead.
        self.committing: asyncio.Future[Any] | None = None
        #: The lanes of the event loop, including this one.
        self.lanes: PostgresLanes | None = None
        self._copying: CopyCalls = CopyCalls(driver)
        #: Limits what the server sends, on a connection that only reads.
        self.received: ReceiveLimit | None = None
        #: A statement of the user may have changed the session: it is reset before the next use.
        self.unclean: bool = False
        #: The code that the database runs in triggers, views and defaults; shared by all lanes.
        self.code: StoredCode = code
        #: A statement may have defined a function, or something that calls one.
        self._defined: bool = False
        #: The user has access to the connection of SQLAlchemy.
        self._lent: bool = False
        #: The transaction of the lane is read-only.
        self._is_read_only: bool = False
        #: It ends with a rollback: a statement that is not trusted ran in it.
        self._rolls_back: bool = False
        #: A statement was cancelled or the link failed: a late cancel could hit the next statement.
        self.broken: bool = False

    def failed(self, error: BaseException) -> None:
        """Record an error, and whether this connection and others to the same server are usable after it."""
        self.broken = self.broken or not _leaves_sound(error)
        refused = getattr(error, "sqlstate", None) == _READ_ONLY_SERVER and not self._is_read_only
        # A standby has always refused writes: the other connections are as good as before.
        if refused and self.lanes is not None and not self._is_on_standby():
            self.lanes.retire()

    def _is_on_standby(self) -> bool:
        """Whether the server has reported that it is a standby (PostgreSQL 14 and later)."""
        return getattr(self.driver.get_settings(), "in_hot_standby", None) == "on"

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements of the user, which SQLAlchemy runs and which may change the session."""
        self.on_error = on_error
        self.unclean = self._lent = self._defined = True

    def sends(self, sql: str) -> None:
        """Record a statement that SQLAlchemy sends on the connection.

        Raises:
            InvalidOperationError: the session acts for other values than the task.
        """
        context = None if self.lanes is None else self.lanes.acting
        if context is not None and context.used and not self.acting.is_for(context.current()):
            raise InvalidOperationError(
                "tx.connection acts for another tenant than this block",
                operation="connection",
                hint="take it in the block of db.acting(): await db.q('SELECT 1') there switches the connection",
            )
        if self.code.changes_sessions or not keeps_session(sql, POSTGRES):
            self._note(sql)

    def _begin(self, statement: Statement) -> None:
        """Prepare for a generated statement in the current session."""
        if self.unclean:
            require_standard_strings(self.driver)
        if self.code.changes_sessions or not statement.keeps_session:
            self._note(statement.sql)

    def _note(self, sql: str) -> None:
        """Record a statement that may change the session, or code that all sessions run."""
        self.unclean = True
        self._defined = self._defined or _DEFINES.search(sql) is not None

    async def settle(self) -> None:
        """Reset the session to its initial state, for the next task."""
        self._is_read_only = False
        if self.unclean and not self.broken and not self.lost:
            try:
                if self._lent:
                    # This also removes the callbacks of listeners.
                    await self.driver.reset()
                await self.driver.execute(RESET)
                self.acting.reset()
                if self._defined:
                    await self.code.refresh(self.driver, force=True)
            except BaseException:
                self.broken = True
                raise
            self.unclean = self._lent = self._defined = False

    async def act(self, acting: Acting | None) -> None:
        """See and write the rows of secured tables with these values, from the next statement on.

        Raises:
            InvalidOperationError: the role of the session is not subject to row security.
        """
        if self.acting.is_for(acting) or (self.acting.local and not self.in_transaction):
            return
        context = None if self.lanes is None else self.lanes.acting
        if acting is not None and context is not None and self.lanes not in context.checked:
            await self.acting.check_role()
            context.checked.add(self.lanes)
        try:
            await self.acting.set(acting)
        except BaseException:
            # The session may act for either.
            self.broken = True
            raise

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """Run a statement and return its rows as asyncpg records."""
        self._begin(statement)
        rows: Rows
        if statement.runs_once:
            rows = await self.fetch_once(statement, args)
        else:
            rows = await self.driver.fetch(statement.sql, *args)
        return rows if statement.reread is None else await self._stored(statement.reread, rows)

    async def fetch_once(self, statement: Statement, args: Params) -> Rows:
        """Run a statement that the driver does not keep prepared, and return its rows."""
        prepared = await self.driver.prepare(statement.sql, name="")
        rows: Rows = await prepared.fetch(*args)
        return rows

    async def _stored(self, reread: Reread, rows: Rows) -> Rows:
        """Return the stored rows of a write, after its triggers."""
        # An object that was defined in this transaction may be a trigger, and was not read yet.
        if self._defined or reread.always or reread.table in self.code.fires:
            return [await self._row(reread, row) for row in rows]
        return rows

    async def _row(self, reread: Reread, written: Any) -> Any:
        for sql, key in reread.selects(written):
            found = await self.driver.fetchrow(sql, *key)
            if found is not None:
                return as_stored(found, written)
        return written

    async def count(self, statement: Statement, args: Params) -> int:
        """Run a statement and return the number of rows that it changed, from its command tag (``UPDATE 3``)."""
        self._begin(statement)
        status: str = await self.driver.execute(statement.sql, *args)
        tail = status.rpartition(" ")[2]
        return int(tail) if tail.isdigit() else 0

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement and return its columns (asyncpg attributes: name and type) and its rows."""
        self._begin(statement)
        if not statement.keeps_session:
            _refuse_copy(statement)
        if not args and _ONE_DDL.fullmatch(statement.sql):
            # It returns no rows, and preparing it would be a second round trip.
            await self.driver.execute(statement.sql)
            return [], []
        prepared = await self.driver.prepare(statement.sql)
        attributes = prepared.get_attributes()
        rows = await prepared.fetch(*args)
        return list(attributes), rows

    async def parameter_types(self, sql: str) -> list[str]:
        """Return the types that the server expects; nothing is run."""
        prepared = await self.driver.prepare(sql, name="")
        return [str(kind.name) for kind in prepared.get_parameters()]

    async def many(self, statement: Statement, rows: Sequence[Params]) -> None:
        """Run a statement once per row of parameters, all or nothing."""
        self._begin(statement)
        await self.driver.executemany(statement.sql, rows)

    def copying(self) -> CopyCalls:
        """Prepare for one COPY in a transaction, and return what runs it."""
        self._begin(_COPY)
        return self._copying

    async def fetch_many(self, statement: Statement, rows: Sequence[Params]) -> Rows:
        """Run a statement once per row of parameters and return all their rows, in that order."""
        self._begin(statement)
        fetched: Rows = await self.driver.fetchmany(statement.sql, rows)
        return fetched if statement.reread is None else await self._stored(statement.reread, fetched)

    async def begin(self, *, read_only: bool, isolation: str | None) -> None:
        self._is_read_only, self._rolls_back = read_only, False
        self.acting.begun()
        level = f" ISOLATION LEVEL {isolation.upper()}" if isolation else ""
        await self._control(f"BEGIN{level}{' READ ONLY' if read_only else ''}")

    async def flush(self) -> None:
        """Do nothing: transactions begin at once."""

    async def set_savepoint(self, name: str, *, read_only: bool = False) -> None:
        await self._control(f"SAVEPOINT {name}{'; SET TRANSACTION READ ONLY' if read_only else ''}")

    async def release_savepoint(self, name: str, *, read_only: bool = False) -> None:
        """Release a savepoint, which also ends its read-only mode."""
        await self._control(f"RELEASE SAVEPOINT {name}")

    async def undo_savepoint(self, name: str, *, read_only: bool = False) -> None:
        """Undo all changes after a savepoint, and release it, which also ends its read-only mode."""
        self.acting.undone()
        await self._control(f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")

    async def _control(self, sql: str) -> str:
        """Run transaction control in one round trip, and return the command tag of its last statement."""
        try:
            tag: str = await self.driver.execute(sql)
        except BaseException as error:
            self.failed(error)
            raise
        return tag

    def send_commit(self) -> None:
        """Return None: the driver sends COMMIT in a task that is not cancelled."""

    async def commit(self) -> None:
        if self._rolls_back:
            # Nothing was written. A rollback also takes back what is sent at a commit, and settings of the session.
            self.acting.undone()
            await self._control("ROLLBACK")
        elif await self._control("COMMIT") != "COMMIT":
            # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, without an error.
            self.acting.undone()
            raise RolledBack

    def commit_reached(self, error: BaseException) -> Literal["unsent", "too late", "sent"]:
        if was_unsent(error):
            return "unsent"
        return "too late" if _idled_too_long(error) else "sent"

    async def roll_back(self) -> None:
        self.acting.undone()
        await self.driver.execute("ROLLBACK")

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        cursor = await self.open_cursor(statement, args, COLUMN_ROWS)
        made: list[T] = []
        try:
            while rows := await cursor.fetch():
                made.append(make(list(zip(*rows, strict=True))))
                if len(rows) < COLUMN_ROWS:
                    break
        finally:
            await run_shielded(cursor.close())
        return made

    async def open_cursor(
        self, statement: Statement, args: Params, size: int, allowance: Allowance | None = None
    ) -> PostgresCursor:
        """Open a server-side cursor that reads ``size`` rows at once; a transaction must be open.

        With an allowance, the statement can only read, in a READ ONLY transaction, which is rolled back at its end.
        """
        self._begin(statement)
        if allowance is not None:
            self._rolls_back = True
            await check_reads(self.driver, statement.sql, allowance.limits)
        if not statement.keeps_session:
            _refuse_copy(statement)
        prepared = await self.driver.prepare(statement.sql)
        cursor = await prepared.cursor(*args)
        if allowance is not None:
            return GuardedCursor(self, cursor, list(prepared.get_attributes()), allowance)
        return PostgresCursor(self, cursor, list(prepared.get_attributes()), size)

    @property
    def in_transaction(self) -> bool:
        return bool(self.driver.is_in_transaction())

    @property
    def lost(self) -> bool:
        return bool(self.driver.is_closed())

    def ends(self) -> None:
        """Announce that the lane is about to be returned."""
        if self.lanes is not None:
            self.lanes.ends(self)

    def release(self) -> None:
        """Return the lane to its pool."""
        if self.on_release is not None:
            self.on_release()
            self.on_release = None
        if self.lanes is not None:
            self.lanes.release(self)

    def cut_off(self) -> None:
        """Mark the lane as broken; ``close`` ends the connection, which cancels the running statement."""
        self.broken = True

    async def close(self) -> None:
        # Not returned to SQLAlchemy's engine, whose dispose() waits for the answer of a server that is gone for as long
        # as the system does; this waits for 2 s.
        await self.connection.invalidate()
        await self.connection.close()


def _refuse_copy(statement: Statement) -> None:
    """Refuse a COPY that would wait for data of the client."""
    if _CLIENT_COPY.match(statement.sql):
        raise InvalidOperationError(
            "COPY from STDIN or to STDOUT is not supported",
            operation="q",
            hint="insert_all(...) stores many rows by COPY, stream(...) reads many",
        )


def _leaves_sound(error: BaseException) -> bool:
    """Whether the connection on which a statement failed may be used for the next one.

    It may after an error from the server, but not after a cancellation, a timeout or a broken link. An error of
    severity FATAL is the last one, and arrives before the link is closed (protocol-message-formats in
    the PostgreSQL manual).
    """
    if not isinstance(error, Exception) or isinstance(error, (TimeoutError, OSError)):
        return False
    confused = type(error).__name__ == "InternalClientError"
    return not confused and getattr(error, "severity_en", None) not in ("FATAL", "PANIC")


def was_unsent(error: BaseException) -> bool:
    """Whether a statement was not sent because the link had been lost: the driver or the system refused to send.

    A broken pipe is reported when writing, never when reading, and the server ignores an incomplete message.
    """
    kind, text = type(error).__name__, str(error)
    causes = error.__cause__, getattr(error.__cause__, "__cause__", None)
    return (
        any(isinstance(cause, BrokenPipeError) for cause in causes)
        or (kind == "InternalClientError" and text.startswith("cannot switch to state"))
        or (kind == "InterfaceError" and "connection is closed" in text)
    )


def _idled_too_long(error: BaseException) -> bool:
    """Whether the server ended session and transaction because they were idle, before it read the statement."""
    # idle_in_transaction_session_timeout; the last error of the server is the cause of the driver's lost link.
    return "25P03" in (getattr(part, "sqlstate", None) for part in (error, error.__cause__))


class PostgresCursor:
    """A server-side cursor that is read in pieces."""

    #: It ends with its transaction. Until then its tables cannot be altered.
    ends_by_itself: bool = True

    def __init__(self, lane: PostgresLane, cursor: Any, columns: Columns, size: int) -> None:
        self._lane = lane
        self._cursor = cursor
        self._size = size
        context = None if lane.lanes is None else lane.lanes.acting
        #: The values for which it was opened: the server compares each row when it is read.
        self._acting = None if context is None else context.current()
        self.columns: Columns = columns

    async def fetch(self) -> Rows:
        await self._lane.act(self._acting)
        rows: Rows = await self._cursor.fetch(self._size)
        return rows

    async def close(self) -> None:
        """Close the portal; no other statement of the transaction may run."""
        lane = self._lane
        if lane.broken or lane.lost or not self._cursor._portal_name:
            return
        try:
            raw: Any = await lane.connection.get_raw_connection()
            # asyncpg does this when it iterates over single rows, but has no public method for it. Statements of
            # the user on the connection do not wait for their turn, so this waits until they end.
            async with raw.dbapi_connection._execute_mutex:
                await self._cursor._close_portal(None)
        except BaseException as error:
            lane.failed(error)
            raise


#: The bytes of a piece: this many times those of the whole result, as later rows may be longer than the first, and some
#: for the messages around them.
_PIECE_SIZES, _OVERHEAD = 16, 1_000_000


class GuardedCursor(PostgresCursor):
    """A server-side cursor of a statement that is not trusted, within limits."""

    def __init__(self, lane: PostgresLane, cursor: Any, columns: Columns, allowance: Allowance) -> None:
        super().__init__(lane, cursor, columns, 1)
        self._allowance = allowance

    async def fetch(self) -> Rows:
        allowance, started = self._allowance, time.monotonic()
        await self._lane.act(self._acting)
        received, size = self._lane.received, allowance.limits.size
        if received is not None:
            received.left = math.inf if size is None else _PIECE_SIZES * size + _OVERHEAD
        try:
            rows: Rows = await self._cursor.fetch(allowance.piece())
        except Exception as error:
            if received is None or not received.exceeded:
                raise
            raise allowance.limits.too_large() from error
        allowance.seconds -= time.monotonic() - started
        return allowance.take(rows)
