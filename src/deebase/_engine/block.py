"""Blocks of a transaction: one unit of work on one lane, and the savepoints inside of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from deebase._backends.base import shown_cause
from deebase._engine.lanes_postgres import READ_ONLY_SERVER, RolledBack, idled_too_long, unsent
from deebase._engine.shield import finish
from deebase._sql.statement import Statement
from deebase.errors import (
    BusyError,
    CommitOutcomeUnknownError,
    ConnectionError,
    TransactionAbortedError,
    TransactionError,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._engine.executor import Executor

T = TypeVar("T")

_COMMIT = Statement("COMMIT")
_ABORTED_HINT = (
    "to survive an expected failure put the statement in a nested `async with db.transaction():` "
    "and catch the error outside of that block"
)


class _Leave(BaseException):
    """Carries ``tx.rollback()`` out of its block; no ``except Exception`` of the user's stops it."""

    def __init__(self, block: Block) -> None:
        self.block = block


class Unit:
    """What the blocks of one database transaction share: the lane and whose turn it is."""

    __slots__ = ("_waiters", "blocks", "busy", "executor", "lane", "lanes", "lost", "write")

    def __init__(self, executor: Executor, lanes: Any, lane: Any, *, write: bool) -> None:
        self.executor = executor
        self.lanes = lanes
        self.lane = lane
        self.write = write
        self.blocks: list[Block] = []
        self.busy = False
        #: The error that ended the whole transaction in the database, if one did.
        self.lost: BaseException | None = None
        self._waiters: deque[tuple[Block, asyncio.Future[None]]] = deque()

    async def acquire(self, block: Block) -> None:
        """Wait until no statement runs and ``block`` is the innermost one."""
        if not self.busy and self.blocks[-1] is block and not self._waiters:
            self.busy = True
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((block, future))
        self._wake()
        try:
            async with asyncio.timeout(self.executor.timeout or None):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            if isinstance(error, TimeoutError):
                raise BusyError(
                    f"a statement waited {self.executor.timeout:g} s for its turn in the transaction",
                    hint="do not wait inside a nested db.transaction() for a task of the outer block",
                ) from error
            raise

    def release(self) -> None:
        """Let the next one have its turn."""
        self.busy = False
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, deque()
        for block, future in waiting:
            if future.done():
                continue
            if block not in self.blocks:
                future.set_exception(_ended())
            elif not self.busy and self.blocks[-1] is block:
                self.busy = True
                future.set_result(None)
            else:
                self._waiters.append((block, future))


def _ended() -> TransactionError:
    return TransactionError(
        "the transaction of this task has ended: nothing was done",
        hint="await the task inside the block, or start it outside so that it commits on its own",
    )


class Part(Protocol):
    """What a block has a version of its own of."""

    def publish(self) -> None:
        """Make it the version of the block around it, or of all tasks."""
        ...


class Block:
    """One block: the transaction itself, or a savepoint in it.

    Attributes:
        outcome: None while the block runs, then "committed", "rolled back" or "unknown".
    """

    #: Whether what runs in it is to behave as if there were no transaction (``held.py``).
    unseen = False

    def __init__(self, executor: Executor, *, read_only: bool = False, isolation: str | None = None) -> None:
        self.outcome: str | None = None
        self._executor = executor
        self._read_only = read_only
        self._isolation = isolation
        self._parent: Block | None = None
        self._unit: Unit | None = None
        #: What undoes the read-only mode of a block in an unseen one.
        self._after: tuple[Statement, ...] = ()
        self._error: BaseException | None = None
        #: What takes part in the block besides the database, by its owner.
        self.parts: dict[Any, Part] = {}

    @property
    def open(self) -> bool:
        """Whether the block has begun and not ended."""
        return self._unit is not None and self.outcome is None

    @property
    def parent(self) -> Block | None:
        """The block around it, which it is a savepoint of."""
        return self._parent

    @property
    def nested(self) -> bool:
        """Whether it is a savepoint."""
        return self._parent is not None

    @property
    def connection(self) -> AsyncConnection:
        """SQLAlchemy's AsyncConnection of this transaction, for Core statements of your own.

        Raises:
            TransactionError: the block has ended or was aborted by an error.
        """
        lane = self._live().lane
        lane.lend(self._failed_outside)
        connection: AsyncConnection = lane.connection
        return connection

    def _failed_outside(self, error: BaseException) -> None:
        """Take note of an error in a statement that SQLAlchemy ran on our connection."""
        unit = self._unit
        if unit is not None and unit.blocks:
            # SQLAlchemy raises its own, with the text of ours.
            unit.blocks[-1].poison(self._executor.translate(error, None) or error)

    def _reopen(self) -> None:
        """Be as one that has not begun yet."""
        self.outcome = self._unit = self._error = None

    def leave(self) -> NoReturn:
        """Leave the block from wherever its code is, undoing it."""
        if not self.open:
            raise _ended()
        raise _Leave(self)

    # -- statements ----------------------------------------------------------------------------

    def _live(self) -> Unit:
        """Return the unit, or raise why no statement may run in this block any more."""
        unit = self._unit
        if unit is None or self.outcome is not None:
            raise _ended()
        cause = unit.lost
        block: Block | None = self
        while cause is None and block is not None:
            cause = block._error
            block = block._parent
        if cause is not None:
            raise _aborted(cause)
        return unit

    async def run(self, action: Callable[[Any], Awaitable[T]], statement: Statement | None = None) -> T:
        """Run one statement on the lane of the transaction; a database error aborts the block."""
        unit = self._live()
        await unit.acquire(self)
        try:
            self._live()
            return await action(unit.lane)
        except TransactionError:
            raise
        except BaseException as error:
            unit.lane.failed(error)
            if getattr(error, "sqlstate", None) == READ_ONLY_SERVER and not self._root._read_only:
                unit.lanes.retire()
            # One object for both: what the caller meets now is the cause of the abort later.
            ours = self._executor.translate(error, statement) or error
            self.poison(ours)
            if ours is error:
                raise
            raise ours from shown_cause(error)
        finally:
            unit.release()

    def poison(self, error: BaseException) -> None:
        """Remember the error after which nothing of the block may be saved."""
        unit = self._unit
        if unit is None:
            return
        if self._error is None:
            self._error = error
        if not isinstance(error, Exception):
            unit.lane.broken = unit.lane.broken or self._executor.discards_cancelled
        if unit.lane.lost or not unit.lane.in_transaction:
            unit.lost = unit.lost or error

    @property
    def _root(self) -> Block:
        """The outermost block."""
        return self if self._parent is None else self._parent._root

    # -- the block -----------------------------------------------------------------------------

    async def enter(self) -> None:
        """Begin, inside the block of this task if it has one, and become the block of this task."""
        if self._unit is not None:
            raise TransactionError("a transaction object is used once", hint="call db.transaction() again")
        outer = self._executor.current.get()
        if outer is None:
            await self.begin()
        else:
            await self._begin_nested(outer)
        self._executor.current.set(self)

    async def begin(self) -> None:
        """Open the transaction without making it the one of this task."""
        executor = self._executor
        write = not self._read_only
        lanes = executor.lanes()
        try:
            lane = await lanes.acquire(_holder(), write=write)
        except Exception as error:
            raise_translated(executor, error)
        unit = Unit(executor, lanes, lane, write=write)
        try:
            await lane.control(*executor.begin_statements(self._read_only, self._isolation))
        except BaseException as error:
            lane.broken = lane.broken or executor.discards_cancelled
            await finish(self._abandon(unit))
            raise_translated(executor, error)
        unit.blocks.append(self)
        self._unit = unit

    async def joined(self) -> Unit:
        """Return what a block inside of this one shares with it."""
        return self._live()

    async def _begin_nested(self, outer: Block) -> None:
        if not outer.unseen and (self._isolation is not None or (self._read_only and not outer._read_only)):
            raise TransactionError(
                "isolation and read_only belong to the outermost transaction block",
                hint="leave them out of the nested one",
            )
        unit = await outer.joined()
        await unit.acquire(outer)
        try:
            outer._live()
            self._parent = outer
            before, after = self._executor.read_only_statements() if outer.unseen and self._read_only else ((), ())
            await unit.lane.control(Statement(f"SAVEPOINT {self._savepoint(unit)}"), *before)
            self._after = after
            unit.blocks.append(self)
            self._unit = unit
        except TransactionError:
            raise
        except BaseException as error:
            outer.poison(error)
            raise_translated(self._executor, error)
        finally:
            unit.release()

    def _savepoint(self, unit: Unit) -> str:
        depth = unit.blocks.index(self) if self in unit.blocks else len(unit.blocks)
        return f"deebase_{depth}"

    async def exit(self, error: BaseException | None) -> bool:
        """End the block, and give the task its outer one back; True when the error has done its work."""
        # Set rather than reset by token: the block of an async generator may end in another context.
        self._executor.current.set(self._parent)
        return await self.end(error)

    async def end(self, error: BaseException | None) -> bool:
        """Commit, or roll back after ``error``; True when the error has done its work here."""
        unit = self._unit
        if unit is None:
            raise _ended()
        leaving = isinstance(error, _Leave) and error.block is self
        try:
            await finish(self._end(unit, failed=error is not None))
        except TransactionAbortedError:
            # The user's own error says more than that the rollback it causes went as it should.
            if error is None:
                raise
        return leaving

    async def _end(self, unit: Unit, *, failed: bool) -> None:
        """Commit or roll back, whatever becomes of the task; afterwards the block is over."""
        holding = False
        with contextlib.suppress(BusyError):
            await unit.acquire(self)
            holding = True
        try:
            cause = unit.lost or self._error
            if not (failed or cause is not None) and holding:
                await (self._commit(unit) if self._parent is None else self._release_savepoint(unit))
                return
            await (self._roll_back(unit) if self._parent is None else self._roll_back_nested(unit))
            if cause is not None:
                raise _aborted(cause)
            if not holding:
                unit.lane.broken = True
                raise TransactionAbortedError(
                    "a statement of the transaction was still waiting for another task at its end"
                )
        finally:
            self.outcome = self.outcome or "rolled back"
            self._settle()
            if self in unit.blocks:
                del unit.blocks[unit.blocks.index(self) :]
            unit.release()
            if self._parent is None:
                unit.lost = unit.lost or _ended()
                await self._give_back(unit)

    def _settle(self) -> None:
        """Publish what takes part in the block if it was committed, else discard it."""
        parts, self.parts = self.parts, {}
        if self.outcome == "committed":
            for part in parts.values():
                part.publish()

    async def _commit(self, unit: Unit) -> None:
        lane = unit.lane
        if lane.lost or lane.broken:
            raise _aborted(_link_lost())
        if not lane.in_transaction:
            raise TransactionAbortedError("the database ended the transaction before its COMMIT", hint=_ABORTED_HINT)
        try:
            await lane.control(_COMMIT)
        except RolledBack as error:
            raise TransactionAbortedError(
                "a failed statement aborted the transaction: nothing was saved", hint=_ABORTED_HINT
            ) from error
        except BaseException as error:
            if unsent(error):
                lost = _link_lost()
                raise _aborted(lost) from lost
            # Broken before it is seen to be lost: the last word of a server that goes down is no answer to COMMIT.
            unsure = lane.lost or lane.broken or not isinstance(error, Exception)
            unsure = unsure or isinstance(error, (TimeoutError, OSError))
            if unsure and not idled_too_long(error):
                lane.broken = True
                self.outcome = "unknown"
                raise CommitOutcomeUnknownError(
                    "the link was lost at COMMIT: the transaction may be saved or not",
                    hint="read back whether its changes are there before doing them again",
                ) from error
            await self._roll_back(unit)
            raise_translated(self._executor, error, _COMMIT)
        self.outcome = "committed"

    async def _release_savepoint(self, unit: Unit) -> None:
        try:
            await unit.lane.control(Statement(f"RELEASE SAVEPOINT {self._savepoint(unit)}"), *self._after)
        except BaseException as error:
            if self._parent is not None:
                self._parent.poison(error)
            raise_translated(self._executor, error)
        self.outcome = "committed"

    async def _roll_back_nested(self, unit: Unit) -> None:
        if unit.lost is not None:
            return
        name = self._savepoint(unit)
        try:
            undo = Statement(f"ROLLBACK TO SAVEPOINT {name}"), Statement(f"RELEASE SAVEPOINT {name}")
            await unit.lane.control(*undo, *self._after)
        except BaseException as error:
            unit.lost = self._error or error

    async def _roll_back(self, unit: Unit) -> None:
        lane = unit.lane
        if lane.lost or lane.broken or not lane.in_transaction:
            return
        try:
            await lane.roll_back()
        except BaseException:
            # A lane that cannot roll back is thrown away, and the database rolls back by itself.
            lane.broken = True

    async def _give_back(self, unit: Unit) -> None:
        lane = unit.lane
        lane.on_error = None
        if lane.connection.get_transaction() is not None:
            # SQLAlchemy's own bookkeeping of statements that went through tx.connection.
            with contextlib.suppress(Exception):
                await lane.connection.rollback()
        try:
            await self._make_writable(lane)
            await lane.settle()
        except BaseException:
            lane.broken = True
        finally:
            unit.lanes.release(lane, write=unit.write)

    async def _abandon(self, unit: Unit) -> None:
        """Give a lane back whose BEGIN failed or was cancelled, perhaps before it ran."""
        lane = unit.lane
        try:
            # Asked of the connection behind whatever still runs there: what it tells now is too early.
            if not lane.lost and not lane.broken:
                await lane.roll_back()
                await self._make_writable(lane)
        except BaseException:
            lane.broken = True
        finally:
            unit.lanes.release(lane, write=unit.write)

    async def _make_writable(self, lane: Any) -> None:
        after = self._executor.end_read_only() if self._read_only else ()
        if after and not lane.broken and not lane.lost:
            await lane.control(*after)


def raise_translated(executor: Executor, error: BaseException, statement: Statement | None = None) -> NoReturn:
    """Raise our error for one of a driver, from it; anything else as it is."""
    translated = executor.translate(error, statement)
    if translated is None or translated is error:
        raise error
    raise translated from shown_cause(error)


def _link_lost() -> ConnectionError:
    return ConnectionError(
        "the link to the database was lost before COMMIT",
        hint="run the whole transaction again, or use db.retry; the server also ends a transaction in which nothing "
        "is asked for longer than idle_timeout",
    )


def _aborted(cause: BaseException) -> TransactionAbortedError:
    error = TransactionAbortedError(
        f"the transaction was aborted by an earlier error ({type(cause).__name__}): nothing of it is saved",
        hint=_ABORTED_HINT,
    )
    error.__cause__ = cause
    return error


def _holder() -> str:
    task = asyncio.current_task()
    return f"a transaction of task {task.get_name()!r}" if task is not None else "a transaction"
