"""PostgreSQL lanes of one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from deebase._backends.error_translation import leave_open
from deebase._backends.postgres.adbc import AdbcReader
from deebase._backends.postgres.lane import PostgresLane, was_unsent
from deebase._backends.postgres.link.hosts import HostChoice
from deebase._backends.postgres.link.replay import POSITION, STATE, replay_state
from deebase._lanes.acting import Acting, ActingContext
from deebase._lanes.interface import Columns, Params, Rows
from deebase._lanes.pool import LanePool
from deebase._lanes.replica import ReplayState
from deebase._sql.statement import Statement

T = TypeVar("T")

log = logging.getLogger("deebase")

#: A lane that was idle for longer (seconds) is checked before its next use.
IDLE_CHECK = 5.0

_LOCK_SCHEMA = Statement("SELECT pg_advisory_xact_lock(hashtext('deebase.create'))", keeps_session=True)


class PostgresLanes:
    """The lanes of one database in one event loop.

    Args:
        loop: the event loop.
        open_lane: opens a lane.
        limit: number of lanes at most.
        timeout: seconds that a task waits for a lane at most.
        place: the server and the database, for messages.
        describe: returns the message for an error of ``open_lane``.
        adbc: reads results as Arrow tables.
        hosts: chooses the server; None if any server is right.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_lane: Callable[[], Awaitable[PostgresLane]],
        *,
        limit: int,
        timeout: float,
        place: str,
        describe: Callable[[BaseException], str],
        adbc: AdbcReader,
        hosts: HostChoice | None = None,
    ) -> None:
        self._adbc = adbc
        self._hosts = None if hosts is None or hosts.wanted == "any" else hosts
        self._open_lane = open_lane
        self._pool: LanePool[PostgresLane] = LanePool(loop, self._open, limit, timeout, "database", place, describe)
        self.acting: ActingContext = ActingContext()
        self._retired = 0.0

    async def _open(self) -> PostgresLane:
        lane = await self._open_lane()
        lane.lanes = self
        lane.checked = self._pool.loop.time()

        def ended(_: object) -> None:
            self._pool.lost(lane)

        lane.driver.add_termination_listener(ended)
        return lane

    @property
    def in_use(self) -> int:
        return len(self._pool.busy)

    @property
    def schema_lock(self) -> Statement:
        return _LOCK_SCHEMA

    @property
    def position(self) -> Statement:
        return POSITION

    async def replay_state(self) -> ReplayState:
        """Return how far a replica has come."""
        return replay_state((await self.fetch(STATE, ()))[0])

    def runs_at_once(self, statement: Statement) -> bool:
        """Return False: each statement is a round trip to the server."""
        return False

    async def acquire(self, holder: str, *, write: bool = True, streams: bool = False) -> PostgresLane:
        """Lend a lane to a transaction or a stream."""
        lane = await self._pool.lend(lambda: self._sound(holder), holder, streams=streams)
        if self.acting.used:
            try:
                await lane.act(self.acting.current())
            except BaseException:
                self.release(lane)
                raise
        return lane

    def ends(self, lane: PostgresLane) -> None:
        """Record that a lane is about to be returned."""
        self._pool.holders.ends(lane)

    async def _sound(self, holder: str) -> PostgresLane:
        """Lend a lane whose connection works and whose session has its initial state."""
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
            elif not (
                lane.unclean
                or idle > IDLE_CHECK
                or (self._hosts is not None and lane.since - lane.checked > IDLE_CHECK)
            ) or await self._revive(lane):
                return lane

    async def _revive(self, lane: PostgresLane) -> bool:
        """Reset a lane whose session was changed, or check one that was idle; return whether it can be used."""
        try:
            if lane.unclean:
                await lane.settle()
            elif self._hosts is None:
                await lane.driver.execute("SELECT")
            elif await self._hosts.still_fits(lane.driver):
                lane.checked = self._pool.loop.time()
            else:
                lane.broken = True
                self._pool.discard(lane)
                return False
        except BaseException as error:
            lane.broken = True
            self._pool.discard(lane)
            if isinstance(error, Exception):
                return False
            raise
        return True

    def retire(self) -> None:
        """Replace all connections, because their server no longer accepts writes.

        With ``target_session_attrs=read-write`` and several hosts, a server that does is found then. Where standbys are
        wanted, a refused write is an error of the caller.
        """
        if self._hosts is None or self._hosts.wants_primary:
            self._retired = time.monotonic()

    def release(self, lane: PostgresLane) -> None:
        """Take a lane back; one with an unreliable connection is replaced."""
        if lane.broken or lane.driver.is_closed() or lane.driver.is_in_transaction():
            lane.broken = True
            self._pool.discard(lane)
        else:
            lane.since = self._pool.loop.time()
            self._pool.release(lane)

    async def _settle(self, lane: PostgresLane) -> None:
        """Take a lane back whose statement may have changed the session, after a reset."""
        try:
            await lane.settle()
        except Exception:
            # The statement itself succeeded, and its caller gets the result. The connection is discarded.
            log.debug("a connection could not be reset", exc_info=True)
        finally:
            self.release(lane)

    async def _failed(self, lane: PostgresLane, error: BaseException, statement: Statement) -> None:
        lane.failed(error)
        reads = statement.reads and statement.keeps_session
        if (lane.broken or lane.lost) and not reads and not was_unsent(error):
            leave_open(error)
        await self._settle(lane)

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """Run one statement, commit it and return its rows: one round trip unless a trigger changes the rows."""
        lane = await self._sound(statement.sql)
        reread, code = statement.reread, lane.code
        if code.changes_sessions or not statement.keeps_session:
            lane.unclean = True
        rows: Rows
        try:
            if self.acting.used and await self._acts(lane):
                rows = await _committed(lane, lambda: lane.fetch(statement, args), self.acting.current())
            elif reread is not None and (reread.always or reread.table in code.fires):
                rows = await _committed(lane, lambda: lane.fetch(statement, args), None)
            elif statement.runs_once:
                rows = await lane.fetch_once(statement, args)
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

    async def _acts(self, lane: PostgresLane) -> bool:
        """Have a lane act for the values of this task; return whether that needs a transaction."""
        acting = self.acting.current()
        if lane.acting.local:
            return acting is not None
        await lane.act(acting)
        return False

    def count(self, statement: Statement, args: Params) -> Awaitable[int]:
        """Run one statement, commit it and return the number of rows that it changed."""
        return self._alone(PostgresLane.count, statement, args)

    def raw_fetch(self, statement: Statement, args: Params) -> Awaitable[tuple[Columns, Rows]]:
        """Run a statement of the user, commit it and return its columns and rows."""
        return self._alone(PostgresLane.raw_fetch, statement, args)

    async def fetch_arrow(self, statement: Statement, args: Params) -> Any:
        """Return the result as an Arrow table; None if rows have to be read."""
        if self.acting.current() is not None:
            # Its connections have no tenant.
            return None
        return await self._adbc.fetch(statement, args) if self._adbc.reads(statement, args) else None

    async def _alone(
        self,
        action: Callable[[PostgresLane, Statement, Params], Awaitable[T]],
        statement: Statement,
        args: Params,
    ) -> T:
        # As ``fetch``, which spares the hot path the further calls.
        lane = await self._sound(statement.sql)
        try:
            if self.acting.used and await self._acts(lane):
                acting = self.acting.current()
                result = await _committed(lane, lambda: action(lane, statement, args), acting)
            else:
                result = await action(lane, statement, args)
        except BaseException as error:
            await self._failed(lane, error, statement)
            raise
        if lane.unclean:
            await self._settle(lane)
        else:
            self.release(lane)
        return result

    async def close(self, timeout: float) -> None:
        """Wait for running operations, then close every lane."""
        await asyncio.gather(self._adbc.close(timeout), self._pool.close(timeout))


async def _committed(lane: PostgresLane, work: Callable[[], Awaitable[T]], acting: Acting | None) -> T:
    """Run work in a transaction, and commit it.

    Args:
        lane: where it runs.
        work: what to run.
        acting: the values for which it acts, where they end with the transaction.
    """
    await lane.driver.execute("BEGIN")
    try:
        if lane.acting.local:
            lane.acting.begun()
            await lane.act(acting)
        result = await work()
        await lane.driver.execute("COMMIT")
    except BaseException as error:
        lane.failed(error)
        if lane.in_transaction and not lane.broken:
            await lane.roll_back()
        raise
    return result
