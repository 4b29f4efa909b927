"""PostgreSQL lanes: asyncpg connections that are lent without a reset and without a BEGIN."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from deebase._engine.guard_postgres import check_reads
from deebase._engine.pool import LanePool
from deebase._sql.statement import Statement
from deebase.errors import DataError, InvalidOperationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: Shapes of COPY whose types are remembered.
KEPT_SHAPES = 500
#: A lane idle for longer (seconds) is asked whether it lives before it is lent.
IDLE_CHECK = 5.0

_CLIENT_COPY = re.compile(r"\s*COPY\b.*\bSTD(?:IN|OUT)\b", re.IGNORECASE | re.DOTALL)


#: read_only_sql_transaction: outside of a read-only transaction it is the server that takes no writes, as after a
#: failover (manual, appendix A).
READ_ONLY_SERVER = "25006"


def quoted_name(name: str) -> str:
    """Return a name as PostgreSQL reads nothing but a name."""
    return '"' + name.replace('"', '""') + '"'


class PostgresLane:
    """One connection; ``driver`` is asyncpg's, ``connection`` SQLAlchemy's view of the same."""

    __slots__ = ("_copied", "broken", "connection", "driver", "holder", "on_error", "opened", "since", "unclean")

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
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
        #: A statement was cancelled or the link failed: a late cancel could hit the next statement.
        self.broken: bool = False

    def failed(self, error: BaseException) -> None:
        """Take note of an error: whether the connection may be used after it."""
        self.broken = self.broken or not _leaves_sound(error)

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement as asyncpg records."""
        rows: list[Any] = await self.driver.fetch(statement.sql, *args)
        return rows

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Return the number of rows a statement changed, from its command tag (``UPDATE 3``)."""
        status: str = await self.driver.execute(statement.sql, *args)
        tail = status.rpartition(" ")[2]
        return int(tail) if tail.isdigit() else 0

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return the columns (asyncpg attributes: name and type) and the rows of a statement."""
        if not statement.keeps_session:
            _refuse_copy(statement)
            self.unclean = True
        prepared = await self.driver.prepare(statement.sql)
        attributes = prepared.get_attributes()
        rows = await prepared.fetch(*args)
        return list(attributes), rows

    async def many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per row of parameters, all or nothing."""
        await self.driver.executemany(statement.sql, rows)

    async def copy(self, table: str, schema: str | None, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Store rows of bound values by a binary COPY, inside of a transaction."""
        await self._know_types(table, schema, columns)
        try:
            await self.driver.copy_records_to_table(table, schema_name=schema, columns=list(columns), records=rows)
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:
            # What asyncpg finds while it encodes rows has no class of its own.
            raise DataError(f"a row does not fit the columns of {table}", hint="check its values") from error

    async def _know_types(self, table: str, schema: str | None, columns: Sequence[str]) -> None:
        """See to it that asyncpg encodes for the types that the columns have now.

        It asks once per connection and keeps the answer: rows encoded for the types of before would be stored as
        other values, without an error. What is asked here locks the table against changes of others until the end of
        the transaction.
        """
        place = ".".join([quoted_name(part) for part in (schema, table) if part is not None])
        listed = ", ".join(map(quoted_name, columns))
        asked = await self.driver.prepare(f"SELECT {listed} FROM {place} LIMIT 0", name="")
        types = tuple([attribute.type.oid for attribute in asked.get_attributes()])
        shape = place, listed
        if self._copied.get(shape, types) != types or len(self._copied) > KEPT_SHAPES:
            self._copied.clear()
            await self.driver.reload_schema_state()
        # What asyncpg is about to ask for and keep.
        self._copied[shape] = types

    async def fetch_many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a statement once per row of parameters and return all their rows, in that order."""
        fetched: list[Any] = await self.driver.fetchmany(statement.sql, rows)
        return fetched

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
        if guarded:
            self.unclean = True
            await check_reads(self.driver, statement.sql)
        if not statement.keeps_session:
            _refuse_copy(statement)
        prepared = await self.driver.prepare(statement.sql)
        cursor = await prepared.cursor(*args)
        return PostgresCursor(cursor, list(prepared.get_attributes()), size)

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


class RolledBack(Exception):
    """A COMMIT was answered with ROLLBACK."""


class PostgresCursor:
    """A server-side cursor that is read in pieces."""

    def __init__(self, cursor: Any, columns: list[Any], size: int) -> None:
        self._cursor = cursor
        self._size = size
        self.columns = columns

    async def fetch(self) -> list[Any]:
        """Return the next piece, empty at the end."""
        rows: list[Any] = await self._cursor.fetch(self._size)
        return rows

    async def close(self) -> None:
        """Nothing to do: the portal ends with its transaction."""


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
        self._pool: LanePool[PostgresLane] = LanePool(loop, open_lane, limit, timeout, "database")
        self._retired = 0.0

    @property
    def in_use(self) -> int:
        """Number of lanes that are lent now."""
        return len(self._pool.busy)

    async def acquire(self, holder: str, *, write: bool = True) -> PostgresLane:
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
                await lane.driver.reset()
                lane.unclean = False
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

    def _failed(self, lane: PostgresLane, error: BaseException) -> None:
        lane.failed(error)
        if getattr(error, "sqlstate", None) == READ_ONLY_SERVER:
            self.retire()
        self.release(lane)

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Run one statement that returns rows, and commit it: one round trip."""
        lane = await self.acquire(statement.sql)
        try:
            rows: list[Any] = await lane.driver.fetch(statement.sql, *args)
        except BaseException as error:
            self._failed(lane, error)
            raise
        self.release(lane)
        return rows

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """Run one statement that changes rows, commit it, and return their number."""
        lane = await self.acquire(statement.sql)
        try:
            count = await lane.count(statement, args)
        except BaseException as error:
            self._failed(lane, error)
            raise
        self.release(lane)
        return count

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Run a statement of the user's own."""
        lane = await self.acquire(statement.sql)
        try:
            result = await lane.raw_fetch(statement, args)
        except BaseException as error:
            self._failed(lane, error)
            raise
        self.release(lane)
        return result

    async def close(self, timeout: float) -> None:
        """Wait for what runs, then close every lane."""
        await self._pool.close(timeout)
