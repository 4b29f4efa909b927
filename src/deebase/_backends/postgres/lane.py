"""PostgreSQL lanes: asyncpg connections that are lent without a reset and without a BEGIN."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from deebase._backends.error_translation import leave_open
from deebase._backends.postgres.guard import check_reads
from deebase._backends.postgres.session_state import RESET, StoredCode, require_standard_strings
from deebase._lanes.pool import LanePool
from deebase._sql.reread import Reread, as_stored
from deebase._sql.session_statements import keeps_session
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier
from deebase.errors import DataError, InvalidOperationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

log = logging.getLogger("deebase")

#: Shapes of COPY whose types are remembered.
KEPT_SHAPES = 500
#: A lane idle for longer (seconds) is asked whether it lives before it is lent.
IDLE_CHECK = 5.0

#: What may define a function, or have a table or view call one.
_DEFINES = re.compile(r"\b(?:CREATE|ALTER|DO|CALL|EXECUTE)\b", re.IGNORECASE)
_CLIENT_COPY = re.compile(r"\s*COPY\b.*\bSTD(?:IN|OUT)\b", re.IGNORECASE | re.DOTALL)


_COPY = Statement("COPY")

#: read_only_sql_transaction: outside of a read-only transaction it is the server that takes no writes, as after a
#: failover (manual, appendix A).
READ_ONLY_SERVER = "25006"


class PostgresLane:
    """One connection; ``driver`` is asyncpg's, ``connection`` SQLAlchemy's view of the same."""

    __slots__ = (
        "_copied",
        "_defined",
        "_lent",
        "broken",
        "code",
        "connection",
        "driver",
        "holder",
        "on_error",
        "opened",
        "since",
        "unclean",
    )

    def __init__(self, connection: AsyncConnection, driver: Any, code: StoredCode) -> None:
        self.connection: AsyncConnection = connection
        #: When it was connected, in seconds of the monotonic clock.
        self.opened: float = time.monotonic()
        self.driver: Any = driver
        self.holder: str = ""
        self.since: float = 0.0
        #: Told of errors that SQLAlchemy meets on the connection, while a transaction lends it out.
        self.on_error: Callable[[BaseException], None] | None = None
        #: Types of columns by table and columns, as asyncpg knows them from its first COPY into them.
        self._copied: dict[tuple[str, str], tuple[int, ...]] = {}
        #: Something of the user's own may have changed the session: reset before the next use.
        self.unclean: bool = False
        #: What the database runs by itself, which is the same for all lanes.
        self.code: StoredCode = code
        #: A statement may have defined a function, or what calls one.
        self._defined: bool = False
        #: The caller was given the connection of SQLAlchemy.
        self._lent: bool = False
        #: A statement was cancelled or the link failed: a late cancel could hit the next statement.
        self.broken: bool = False

    def failed(self, error: BaseException) -> None:
        """Take note of an error: whether the connection may be used after it."""
        self.broken = self.broken or not _leaves_sound(error)

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements that do not go through the lane, and may change the session."""
        self.on_error = on_error
        self.unclean = self._lent = self._defined = True

    def sends(self, sql: str) -> None:
        """Take note of a statement that SQLAlchemy sends on the connection."""
        if self.code.changes_sessions or not keeps_session(sql, POSTGRES):
            self._note(sql)

    def _begin(self, statement: Statement) -> None:
        """Prepare for a statement of ours on the session as it is now."""
        if self.unclean:
            require_standard_strings(self.driver)
        if self.code.changes_sessions or not statement.keeps_session:
            self._note(statement.sql)

    def _note(self, sql: str) -> None:
        """Take note of a statement that may change the session, or what all sessions run."""
        self.unclean = True
        self._defined = self._defined or _DEFINES.search(sql) is not None

    async def settle(self) -> None:
        """Undo what statements changed in the session, so that the next task finds it as it was at first."""
        if self.unclean and not self.broken and not self.lost:
            try:
                if self._lent:
                    # It also takes the callbacks of listeners away.
                    await self.driver.reset()
                await self.driver.execute(RESET)
                if self._defined:
                    await self.code.look(self.driver, again=True)
            except BaseException:
                self.broken = True
                raise
            self.unclean = self._lent = self._defined = False

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement as asyncpg records."""
        self._begin(statement)
        rows: list[Any] = await self.driver.fetch(statement.sql, *args)
        return rows if statement.reread is None else await self._stored(statement.reread, rows)

    async def _stored(self, reread: Reread, rows: list[Any]) -> list[Any]:
        """Return the rows of a write as they are stored, after its triggers."""
        # What was defined in this transaction is not known yet, and may be a trigger.
        if self._defined or reread.always or reread.table in self.code.fires:
            return [await self._row(reread, row) for row in rows]
        return rows

    async def _row(self, reread: Reread, written: Any) -> Any:
        for sql, key in reread.selects(written):
            found = await self.driver.fetchrow(sql, *key)
            if found is not None:
                return as_stored(found, written)
        return written

    async def fetch_committed(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Return the rows of a write as they are stored, after its triggers, and commit it."""
        await self.driver.execute("BEGIN")
        try:
            rows = await self.fetch(statement, args)
            await self.driver.execute("COMMIT")
        except BaseException as error:
            self.failed(error)
            if self.in_transaction and not self.broken:
                await self.roll_back()
            raise
        return rows

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Return the number of rows a statement changed, from its command tag (``UPDATE 3``)."""
        self._begin(statement)
        status: str = await self.driver.execute(statement.sql, *args)
        tail = status.rpartition(" ")[2]
        return int(tail) if tail.isdigit() else 0

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the columns (asyncpg attributes: name and type) and the rows of a statement."""
        self._begin(statement)
        if not statement.keeps_session:
            _refuse_copy(statement)
        prepared = await self.driver.prepare(statement.sql)
        attributes = prepared.get_attributes()
        rows = await prepared.fetch(*args)
        return list(attributes), rows

    async def many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of parameters, all or nothing."""
        self._begin(statement)
        await self.driver.executemany(statement.sql, rows)

    async def copy(self, table: str, schema: str | None, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Store rows of bound values by a binary COPY, inside of a transaction."""
        self._begin(_COPY)
        await self._know_types(table, schema, columns)
        try:
            await self.driver.copy_records_to_table(table, schema_name=schema, columns=list(columns), records=rows)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            # What asyncpg finds while it encodes rows has no class of its own.
            raise DataError(f"a row does not fit the columns of {table}", hint="check its values") from error

    async def _know_types(self, table: str, schema: str | None, columns: Sequence[str]) -> None:
        """See to it that asyncpg encodes for the types that the columns have now.

        It asks once per connection and keeps the answer: rows encoded for the types of before would be stored as
        other values, without an error. What is asked here locks the table against changes of others until the end of
        the transaction.
        """
        place = identifier(schema, table)
        listed = ", ".join(map(identifier, columns))
        asked = await self.driver.prepare(f"SELECT {listed} FROM {place} LIMIT 0", name="")
        types = tuple([attribute.type.oid for attribute in asked.get_attributes()])
        if self._copied.get((place, listed), types) != types or len(self._copied) > KEPT_SHAPES:
            # asyncpg forgets its answers then, and so does this.
            self._copied.clear()
            await self.driver.reload_schema_state()
        self._copied[place, listed] = types

    async def fetch_many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a statement once per row of parameters and return all their rows, in that order."""
        self._begin(statement)
        fetched: list[Any] = await self.driver.fetchmany(statement.sql, rows)
        return fetched if statement.reread is None else await self._stored(statement.reread, fetched)

    async def control(self, *statements: Statement) -> None:
        """Run transaction control in one round trip."""
        try:
            tag: str = await self.driver.execute("; ".join([statement.sql for statement in statements]))
        except BaseException as error:
            self.failed(error)
            raise
        if statements[0].sql == "COMMIT" and tag != "COMMIT":
            # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, without an error.
            raise RolledBack

    async def roll_back(self) -> None:
        """Undo the open transaction."""
        await self.driver.execute("ROLLBACK")

    async def open_cursor(
        self, statement: Statement, args: Sequence[Any], size: int, *, guarded: bool = False
    ) -> PostgresCursor:
        """Open a server-side cursor, read in pieces of ``size`` rows; a transaction must be open.

        Guarded, the transaction is READ ONLY, and the statement can do nothing but read.
        """
        self._begin(statement)
        if guarded:
            self.unclean = True
            await check_reads(self.driver, statement.sql)
        if not statement.keeps_session:
            _refuse_copy(statement)
        prepared = await self.driver.prepare(statement.sql)
        cursor = await prepared.cursor(*args)
        return PostgresCursor(self, cursor, list(prepared.get_attributes()), size)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on the connection."""
        return bool(self.driver.is_in_transaction())

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return bool(self.driver.is_closed())

    def cut_off(self) -> None:
        """Have ``close`` end the connection, which cancels what runs on it."""
        self.broken = True

    async def close(self) -> None:
        """End the connection."""
        # Not given back to SQLAlchemy's engine, whose dispose() waits for the answer of a server that is gone
        # for as long as the system does; this waits for 2 s.
        await self.connection.invalidate()
        await self.connection.close()


def _refuse_copy(statement: Statement) -> None:
    """Refuse a COPY that would wait for data of the client's, which nobody sends."""
    if _CLIENT_COPY.match(statement.sql):
        raise InvalidOperationError(
            "COPY from STDIN or to STDOUT is not sent by hand",
            operation="q",
            hint="insert_all(...) stores many rows by COPY, stream(...) reads many",
        )


def _leaves_sound(error: BaseException) -> bool:
    """Whether the connection on which a statement failed may be used for the next one.

    A server's answer leaves it sound; a cancel, a timeout or a broken link does not. An answer of severity FATAL is
    the last one, and comes before the end of the link can be seen (protocol-message-formats in the PostgreSQL manual).
    """
    if not isinstance(error, Exception) or isinstance(error, (TimeoutError, OSError)):
        return False
    confused = type(error).__name__ == "InternalClientError"
    return not confused and getattr(error, "severity_en", None) not in ("FATAL", "PANIC")


def unsent(error: BaseException) -> bool:
    """Whether nothing was sent, as the link was lost before: the driver or the system refused to send.

    A pipe is broken when it is written to, never when it is read, and a message that is cut short is not carried out.
    """
    kind, text = type(error).__name__, str(error)
    causes = error.__cause__, getattr(error.__cause__, "__cause__", None)
    return (
        any(isinstance(cause, BrokenPipeError) for cause in causes)
        or (kind == "InternalClientError" and text.startswith("cannot switch to state"))
        or (kind == "InterfaceError" and "connection is closed" in text)
    )


def idled_too_long(error: BaseException) -> bool:
    """Whether the server ended session and transaction for idling, which it did before it read what was sent."""
    # idle_in_transaction_session_timeout; the driver has what the server said last as the cause of the lost link.
    return "25P03" in (getattr(part, "sqlstate", None) for part in (error, error.__cause__))


class RolledBack(Exception):
    """A COMMIT was answered with ROLLBACK."""


class PostgresCursor:
    """A server-side cursor that is read in pieces."""

    #: It ends with its transaction. Until then, it keeps its tables from being changed.
    ends_by_itself = True

    def __init__(self, lane: PostgresLane, cursor: Any, columns: list[Any], size: int) -> None:
        self._lane = lane
        self._cursor = cursor
        self._size = size
        self.columns = columns

    async def fetch(self) -> list[Any]:
        """Return the next piece, empty at the end."""
        rows: list[Any] = await self._cursor.fetch(self._size)
        return rows

    async def close(self) -> None:
        """Close the portal, on a connection whose turn it is."""
        lane = self._lane
        if lane.broken or lane.lost or not self._cursor._portal_name:
            return
        try:
            raw: Any = await lane.connection.get_raw_connection()
            # asyncpg does so itself where it iterates over single rows, and has no public way to do it. What the
            # caller sends on the connection does not wait for its turn, so that this waits for its end.
            async with raw.dbapi_connection._execute_mutex:
                await self._cursor._close_portal(None)
        except BaseException as error:
            lane.failed(error)
            raise


class PostgresLanes:
    """The lanes of one database in one event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[], Awaitable[PostgresLane]],
        *,
        limit: int,
        timeout: float,
    ) -> None:
        self.loop = loop
        self._open_lane = open_lane
        self._pool: LanePool[PostgresLane] = LanePool(loop, self._open, limit, timeout, "database")
        self._retired = 0.0

    async def _open(self) -> PostgresLane:
        lane = await self._open_lane()

        def ended(_: Any) -> None:
            self._pool.lost(lane)

        lane.driver.add_termination_listener(ended)
        return lane

    @property
    def in_use(self) -> int:
        """Number of lanes that are lent now."""
        return len(self._pool.busy)

    async def acquire(self, holder: str, *, write: bool = True, streams: bool = False) -> PostgresLane:
        """Lend a lane of its own to a transaction or a stream."""
        return await self._pool.lend(lambda: self._sound(holder), holder, streams=streams)

    def ends(self, lane: PostgresLane, *, write: bool = True) -> None:
        """Note that a lane is about to be given back."""
        self._pool.holders.ends(lane)

    async def _sound(self, holder: str) -> PostgresLane:
        """Lend a lane that is alive and in its first state."""
        pool = self._pool
        while True:
            if pool.idle and not pool.closed:
                lane = pool.idle.pop()
                pool.busy.add(lane)
                lane.holder = holder
                idle, lane.since = pool.loop.time() - lane.since, pool.loop.time()
            else:
                lane, idle = await pool.acquire(holder), 0.0
            if lane.driver.is_closed() or lane.opened < self._retired:
                lane.broken = True
                pool.discard(lane)
            elif not (lane.unclean or idle > IDLE_CHECK) or await self._revive(lane):
                return lane

    async def _revive(self, lane: PostgresLane) -> bool:
        """Reset a lane whose session was changed, and see whether one that was idle still lives."""
        try:
            if lane.unclean:
                await lane.settle()
            else:
                await lane.driver.execute("SELECT")
        except BaseException as error:
            lane.broken = True
            self._pool.discard(lane)
            if isinstance(error, Exception):
                return False
            raise
        return True

    def retire(self) -> None:
        """Connect anew from now on: the server that the lanes lead to takes no writes any more.

        With ``target_session_attrs=read-write`` and several hosts, the driver then finds the one that does.
        """
        self._retired = time.monotonic()

    def release(self, lane: PostgresLane, *, write: bool = True) -> None:
        """Take a lane back; one that cannot be trusted is replaced."""
        if lane.broken or lane.driver.is_closed() or lane.driver.is_in_transaction():
            lane.broken = True
            self._pool.discard(lane)
        else:
            lane.since = self._pool.loop.time()
            self._pool.release(lane)

    async def _settle(self, lane: PostgresLane) -> None:
        """Take a lane back whose statement may have changed the session, as good as new."""
        try:
            await lane.settle()
        except Exception:
            # The statement itself is done, and has its answer. The connection is thrown away.
            log.debug("a connection could not be reset", exc_info=True)
        finally:
            self.release(lane)

    async def _failed(self, lane: PostgresLane, error: BaseException, statement: Statement) -> None:
        lane.failed(error)
        reads = statement.reads and statement.keeps_session
        if (lane.broken or lane.lost) and not reads and not unsent(error):
            leave_open(error)
        if getattr(error, "sqlstate", None) == READ_ONLY_SERVER:
            self.retire()
        await self._settle(lane)

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Run one statement that returns rows, and commit it: one round trip where no trigger changes the rows."""
        lane = await self._sound(statement.sql)
        reread, code = statement.reread, lane.code
        if code.changes_sessions or not statement.keeps_session:
            lane.unclean = True
        rows: list[Any]
        try:
            if reread is not None and (reread.always or reread.table in code.fires):
                rows = await lane.fetch_committed(statement, args)
            else:
                rows = await lane.driver.fetch(statement.sql, *args)
        except BaseException as error:
            await self._failed(lane, error, statement)
            raise
        if lane.unclean:
            await self._settle(lane)
        else:
            self.release(lane)
        return rows

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Run one statement that changes rows, commit it, and return their number."""
        lane = await self._sound(statement.sql)
        try:
            count = await lane.count(statement, args)
        except BaseException as error:
            await self._failed(lane, error, statement)
            raise
        if lane.unclean:
            await self._settle(lane)
        else:
            self.release(lane)
        return count

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Run a statement of the user's own."""
        lane = await self._sound(statement.sql)
        try:
            result = await lane.raw_fetch(statement, args)
        except BaseException as error:
            await self._failed(lane, error, statement)
            raise
        if lane.unclean:
            await self._settle(lane)
        else:
            self.release(lane)
        return result

    async def close(self, timeout: float) -> None:
        """Wait for what runs, then close every lane."""
        await self._pool.close(timeout)
