"""``db.reading()``: which code reads from replicas, how fresh its rows have to be, and which writes a context made."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from deebase._engine.generators import Owner, owner_of
from deebase._lanes.replica import BEGINNING, Freshness, position_number
from deebase.errors import ConfigurationError, InvalidOperationError, TransactionError

if TYPE_CHECKING:
    import asyncio
    from types import FrameType

    from deebase._engine.coalesce import Coalescer
    from deebase._engine.executor import Executor
    from deebase._sql.statement import Statement


class WriteFloor:
    """The last write of a context, which its next reads have to show.

    Attributes:
        last: the number of the write; 0 for none.
    """

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last: int = last


class Reads:
    """Where the reads of one Database go.

    Attributes:
        current: the reads of the innermost block of ``db.reading()`` of this context.
        fresh: what single reads ask for outside of a block; None if they go to the primary.
        is_used: whether there are replicas, or a block was entered. Until then all reads go the same way.
    """

    def __init__(self, fresh: Freshness | None = None, *, is_used: bool = False) -> None:
        self.is_used: bool = is_used
        self.current: ContextVar[Reading | None] = ContextVar("deebase_reading", default=None)
        self.fresh: Freshness | None = fresh
        self._floor: ContextVar[WriteFloor | None] = ContextVar("deebase_writes", default=None)
        self._guard = threading.Lock()
        self._writes = 0

    # -- blocks --------------------------------------------------------------------------------

    def here(self) -> Reading | None:
        """Return the reads of the block that the calling code is in."""
        reading = self.current.get()
        while reading is not None and not reading.covers_caller():
            reading = reading.outer
        return reading

    def must_read(self, statement: Statement) -> None:
        """Refuse a write inside of a block.

        Raises:
            InvalidOperationError: the statement does more than read; nothing was sent.
        """
        if not statement.reads and self.here() is not None:
            raise refused_in_block()

    def in_block(self) -> bool:
        """Whether the calling code is in a block."""
        return self.is_used and self.here() is not None

    def must_write(self, what: str) -> None:
        """Refuse a write that the text of a statement does not show.

        Raises:
            InvalidOperationError: the calling code is in a block.
        """
        if self.in_block():
            raise refused_in_block(what)

    # -- writes of a context -------------------------------------------------------------------

    def floor(self) -> WriteFloor:
        """Return the floor of this context.

        Tasks share the one of the task that started them. A context without one begins with all earlier writes of the
        process, which tasks that it awaited may have made.
        """
        floor = self._floor.get()
        if floor is None:
            floor = WriteFloor(self._writes)
            self._floor.set(floor)
        return floor

    def use_floor(self, last: int) -> None:
        """Let the reads of this context show a write of any context."""
        self._floor.set(WriteFloor(last))

    def wrote(self, floor: WriteFloor) -> None:
        """Record that a write of a context has ended, whatever came of it."""
        with self._guard:
            self._writes += 1
            floor.last = self._writes

    @property
    def writes(self) -> int:
        """The number of the last write of all contexts."""
        return self._writes


def refused_in_block(what: str = "a write") -> InvalidOperationError:
    """Return the error of what does more than read, inside of a block; nothing was sent."""
    return InvalidOperationError(
        f"{what} inside of db.reading(): nothing was sent",
        operation="reading",
        hint="write outside of the block; db.reading() is for reads, which a replica may answer",
    )


def read_freshness(max_lag: Any, after: Any, wait: Any, otherwise: Any) -> Freshness:
    """Return what the arguments of ``db.reading()`` ask for.

    Raises:
        ConfigurationError: a number is not valid.
        ValidationError: ``after`` is not a position.
    """
    for name, seconds in (("max_lag", max_lag), ("wait", wait)):
        given: object = seconds
        is_number = isinstance(given, (int, float)) and not isinstance(given, bool) and 0 <= given < 1e7
        if not is_number and (given is not None or name == "wait"):
            raise ConfigurationError(f"{name} is a number of seconds", hint=f"{name}=0.5")
    if otherwise not in ("primary", "error"):
        raise ConfigurationError("otherwise is 'primary' or 'error'", hint="otherwise='primary' reads there")
    return Freshness(max_lag, 0 if after is None else position_number(after), wait, otherwise)


async def position_of(executor: Executor) -> str:
    """Return the position of the last commit in the log of the database.

    Raises:
        TransactionError: a transaction is open.
    """
    scope = await executor.settled_transaction()
    if scope is not None and not scope.is_test_sandbox:
        raise TransactionError(
            "the position of a transaction is not known before its commit",
            hint="await db.position() after the block",
        )
    statement = executor.lanes().position
    if statement is None:
        return BEGINNING
    try:
        rows = await executor.resources().primary.fetch(statement, ())
    except BaseException as error:
        executor.raise_translated(error, statement)
    return str(rows[0][0])


class Reading:
    """The reads of one block.

    Attributes:
        freshness: what they ask for.
        outer: the reads of the block around it.
        coalescers: what combines its reads by key, by event loop.
    """

    def __init__(self, freshness: Freshness, owner: Owner | None, outer: Reading | None) -> None:
        self.freshness: Freshness = freshness
        self.outer: Reading | None = outer
        self.coalescers: dict[asyncio.AbstractEventLoop, Coalescer] = {}
        self._owner = owner
        self._has_ended = False

    @property
    def is_private(self) -> bool:
        """Whether the block belongs to a generator that is iterated over, and not to the body of that loop."""
        return self._owner is not None and self._owner.is_iterated

    def covers_caller(self) -> bool:
        """Whether the calling code is in the block: not after its end, nor in a loop over the generator it is in."""
        if self._has_ended:
            return False
        if self._owner is None or not self._owner.is_iterated:
            return True
        frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
        while frame is not None and frame is not self._owner.frame:
            frame = frame.f_back
        return frame is not None

    def end(self) -> None:
        """Leave the block, also for tasks that were started in it and still run."""
        self._has_ended = True


class ReadingBlock:
    """What ``Database.reading`` returns.

    Example:
        ```python
        async with db.reading(max_lag=1.0):
            n = await db.item("SELECT count(*) FROM post")
        ```
    """

    def __init__(self, executor: Executor, freshness: Freshness) -> None:
        self._executor = executor
        self._freshness = freshness
        self._reading: Reading | None = None

    async def __aenter__(self) -> None:
        if self._reading is not None:
            raise TransactionError("a block can be used only once", hint="call db.reading() again")
        scope = await self._executor.settled_transaction()
        if scope is not None and not scope.is_test_sandbox:
            raise TransactionError(
                "a replica does not show the changes of the open transaction",
                hint="open db.reading() outside of the transaction, or read without it",
            )
        reads = self._executor.reads
        reads.is_used = True
        owner = owner_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        self._reading = Reading(self._freshness, owner, reads.here())
        reads.current.set(self._reading)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        reading = self._reading
        if reading is None:
            return
        reading.end()
        current = self._executor.reads.current
        # Set rather than reset by token: the block of an async generator may end in another context.
        if current.get() is reading:
            current.set(reading.outer)
