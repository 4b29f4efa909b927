"""The lanes of a database with replicas: each read goes to a server that is fresh enough for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from deebase._engine.coalesce import Coalescer
from deebase._engine.reading_block import Reads
from deebase._lanes.acting import ActingContext
from deebase._lanes.interface import Columns, Lane, Lanes, Params, Rows
from deebase._lanes.replica import Freshness, Replica, first_answer, position_number
from deebase._sql.keyed import KeyedRead
from deebase._sql.statement import Statement
from deebase.errors import BusyError, ConnectionError, SerializationError

if TYPE_CHECKING:
    from deebase._backends.postgres.lane import PostgresLane
    from deebase._backends.protocols import Translate

T = TypeVar("T")

#: Seconds between two questions to a replica that is behind: the first, and the longest.
_PAUSE, _LONGEST_PAUSE = 0.002, 0.025
#: Seconds that a first question may take if nothing may be waited for.
_QUESTION = 0.05
#: What a standby refuses, and a primary may do: a write or a lock by a function, and what is not possible in recovery.
_ONLY_ON_PRIMARY = ("25006", "55000", "0A000")


class RoutedLanes:
    """The lanes of one database in one event loop, and those of its replicas.

    Args:
        loop: the event loop.
        primary: the lanes of the database itself.
        replicas: its replicas.
        reads: where the reads of each context go.
        in_order: use the first replica while it can be used.
        note: called with each statement of a coalesced read.
        translate: returns our error for one of the driver.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        primary: Lanes,
        replicas: Sequence[Replica],
        reads: Reads,
        *,
        in_order: bool,
        note: Callable[[Statement], None],
        translate: Translate,
    ) -> None:
        self._loop = loop
        self.acting: ActingContext = primary.acting
        self._primary = primary
        self._replicas = replicas
        self._reads = reads
        self._in_order = in_order
        self._note = note
        self._translate = translate
        #: The number of the last write whose position is known, and the position.
        self._located = 0
        self._position = 0
        self._locating: asyncio.Task[None] | None = None
        self._fresh = FreshCoalescer(loop, self, note, translate, reads)

    @property
    def in_use(self) -> int:
        return self._primary.in_use + sum(replica.lanes.in_use for replica in self._replicas)

    @property
    def schema_lock(self) -> Statement | None:
        return self._primary.schema_lock

    @property
    def position(self) -> Statement | None:
        return self._primary.position

    def runs_at_once(self, statement: Statement) -> bool:
        return self._primary.runs_at_once(statement)

    def coalescer(self, usual: Coalescer) -> Coalescer | None:
        """Return what combines the reads by key of the calling code: with those that ask for the same.

        Args:
            usual: combines those that go to the primary.
        """
        block = self._reads.here()
        if block is not None:
            if block.is_private:
                # The task that sends the statement is outside of the generator.
                return None
            made = block.coalescers.get(self._loop)
            if made is None:
                made = Coalescer(self._loop, self, self._note, self._translate, self.acting)
                block.coalescers[self._loop] = made
            return made
        return usual if self._reads.fresh is None else self._fresh

    # -- which server --------------------------------------------------------------------------

    def _wanted(self, *, is_single: bool) -> Freshness | None:
        """Return what a read of the calling code asks of a replica; None for the primary."""
        block = self._reads.here()
        if block is not None:
            return block.freshness
        return self._reads.fresh if is_single else None

    async def _with_own_writes(self, wanted: Freshness) -> Freshness:
        """Return what a read asks for if each one shows the writes of its context."""
        if self._reads.fresh is None:
            return wanted
        own = await self._position_after(self._reads.floor().last)
        return replace(wanted, after=max(wanted.after, own))

    async def _position_after(self, write: int) -> int:
        """Return a position of the primary at which a write was committed; the question is shared."""
        while self._located < write:
            if self._locating is None:
                # All that wait share the question, which acts for none of them.
                self._locating = self._loop.create_task(self._locate(), context=Context())
            task = self._locating
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return self._position if write else 0

    async def _locate(self) -> None:
        try:
            statement, writes = self._primary.position, self._reads.writes
            if statement is not None:
                rows = await self._primary.fetch(statement, ())
                self._position = max(self._position, position_number(rows[0][0]))
            self._located = max(self._located, writes)
        finally:
            self._locating = None

    async def _choose(self, wanted: Freshness, since: float) -> Replica | None:
        """Return a replica that may answer; None for the primary.

        Args:
            wanted: what the read asks for.
            since: when it was asked for.

        Raises:
            BusyError: no replica may, and the read is not to go to the primary.
        """
        deadline, pause = since + wanted.wait, _PAUSE
        replicas = [each for each in self._replicas if not each.is_away()]
        if not self._in_order:
            random.shuffle(replicas)
        began: dict[Replica, int] = {}
        while True:
            for replica in replicas:
                if replica.serves(wanted, since):
                    return replica
            left = deadline - self._loop.time()
            asked = [each for each in replicas if not each.is_away() and not each.is_silent(wanted.wait + _QUESTION)]
            if began:
                if wanted.otherwise == "primary":
                    # A further wait for a replica that stood still would only make the read later.
                    asked = [each for each in asked if not each.is_stalled()]
                if left <= 0 or not asked:
                    break
                await asyncio.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)
            elif not asked:
                break
            await first_answer(asked, max(deadline - self._loop.time(), 0.0 if began else _QUESTION))
            began = began or {each: each.replayed for each in asked}
        if wanted.wait:
            for replica, position in began.items():
                if self._loop.time() >= deadline:
                    replica.stood_still_at(position)
        if wanted.otherwise == "error":
            raise BusyError(
                f"no replica has the rows that db.reading() asks for, within {wanted.wait:g} s",
                hint="raise max_lag= or wait=, or read from the primary with otherwise='primary'",
            )
        return None

    async def _read(
        self, read: Callable[[Lanes], Awaitable[T]], wanted: Freshness, statement: Statement | None = None
    ) -> T:
        """Read from a replica, from another one if it cannot be reached, or from the primary."""
        since = self._loop.time()
        wanted = await self._with_own_writes(wanted)
        replica = await self._choose(wanted, since)
        while replica is not None:
            try:
                return await read(replica.lanes)
            except Exception as error:
                ours = self._translate(error, statement)
                if isinstance(ours, SerializationError) and self._reads.here() is None:
                    # The replica cancelled a read of code that did not ask for replicas.
                    break
                if not isinstance(ours, ConnectionError):
                    raise
                replica.failed(error)
            replica = await self._choose(wanted, since)
        return await read(self._primary)

    # -- statements ----------------------------------------------------------------------------

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """Run a statement: a read where it may run, a write on the primary."""
        if not statement.reads:
            return await self._write(self._primary.fetch(statement, args))
        wanted = self._wanted(is_single=True)
        if wanted is None:
            return await self._primary.fetch(statement, args)
        return await self._read(lambda lanes: lanes.fetch(statement, args), wanted, statement)

    async def count(self, statement: Statement, args: Params) -> int:
        """Run a write on the primary."""
        return await self._write(self._primary.count(statement, args))

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement of the user: on the primary if it may do more than read."""
        if not (statement.reads and statement.keeps_session):
            return await self._write(self._primary.raw_fetch(statement, args))
        wanted = self._wanted(is_single=True)
        if wanted is None:
            return await self._primary.raw_fetch(statement, args)
        try:
            return await self._read(lambda lanes: lanes.raw_fetch(statement, args), wanted, statement)
        except Exception as error:
            if getattr(error, "sqlstate", None) not in _ONLY_ON_PRIMARY:
                raise
        return await self._write(self._primary.raw_fetch(statement, args))

    async def fetch_arrow(self, statement: Statement, args: Params) -> Any:
        """Return an Arrow table from the primary; None if the rows are to be read from a replica."""
        return None if self._reads.here() is not None else await self._primary.fetch_arrow(statement, args)

    async def _write(self, work: Awaitable[T]) -> T:
        if self._reads.fresh is None:
            return await work
        floor = self._reads.floor()
        try:
            return await work
        finally:
            # Also after an error: the write may be stored.
            self._reads.wrote(floor)

    async def acquire(self, holder: str, *, write: bool, streams: bool = False) -> Lane:
        """Lend a lane to a transaction or a stream: inside of a block that of a replica."""
        wanted = None if write else self._wanted(is_single=False)
        if wanted is not None:
            return await self._read(lambda lanes: lanes.acquire(holder, write=False, streams=streams), wanted)
        lane = await self._primary.acquire(holder, write=write, streams=streams)
        if write and self._reads.fresh is not None:
            floor = self._reads.floor()
            cast("PostgresLane", lane).on_release = lambda: self._reads.wrote(floor)
        return lane

    async def close(self, timeout: float) -> None:
        """Wait for running operations, then close every lane."""
        if self._locating is not None:
            await asyncio.wait([self._locating], timeout=timeout)
        await asyncio.gather(*(replica.close(timeout) for replica in self._replicas), self._primary.close(timeout))


class FreshCoalescer(Coalescer):
    """Combines reads that show the writes of their own contexts: each statement shows the last of all its callers."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lanes: Lanes,
        note: Callable[[Statement], None],
        translate: Translate,
        reads: Reads,
    ) -> None:
        super().__init__(loop, lanes, note, translate, lanes.acting)
        self._reads = reads
        self._highest = 0

    def join(self, read: KeyedRead, args: Params, *, waits: bool) -> asyncio.Future[Rows] | None:
        """See ``Coalescer``."""
        future = super().join(read, args, waits=waits)
        if future is not None:
            self._highest = max(self._highest, self._reads.floor().last)
        return future

    def _flush(self) -> None:
        highest, self._highest = self._highest, 0

        def flush() -> None:
            self._reads.use_floor(highest)
            super(FreshCoalescer, self)._flush()

        copy_context().run(flush)
