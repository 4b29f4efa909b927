"""Blocks of a transaction: one unit of work on one lane, and the savepoints inside of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from deebase._backends.error_translation import shown_cause
from deebase._backends.postgres.lane import READ_ONLY_SERVER, RolledBack, idled_too_long, unsent
from deebase._engine.generators import Home, home_of
from deebase._engine.unit import ABORTED_HINT, TURNS_TO_CLOSE, Unit, aborted, ended, link_lost
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase.errors import (
    BusyError,
    CommitOutcomeUnknownError,
    TransactionAbortedError,
    TransactionError,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._engine.executor import Executor

T = TypeVar("T")

log = logging.getLogger("deebase")

_COMMIT = Statement("COMMIT")


class _RollbackSignal(BaseException):
    """Carries ``tx.rollback()`` out of its block; no ``except Exception`` of the user's stops it."""

    def __init__(self, block: Block) -> None:
        self.block = block


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
    is_test_sandbox = False

    def __init__(self, executor: Executor, *, read_only: bool = False, isolation: str | None = None) -> None:
        self.outcome: str | None = None
        self._executor = executor
        self._read_only = read_only
        self._isolation = isolation
        self._parent: Block | None = None
        self._unit: Unit | None = None
        #: The task that entered it, and the generator that keeps it open over a ``yield``.
        self._task: weakref.ref[asyncio.Task[Any]] | None = None
        self._home: Home | None = None
        #: It belongs to a generator that is iterated, and to no other task.
        self.private: bool = False
        self._ending = False
        #: What undoes the read-only mode of a block inside a test sandbox.
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
            unit.blocks[-1].mark_failed(self._executor.translate(error, None) or error)

    def _reopen(self) -> None:
        """Be as one that has not begun yet."""
        self.outcome = self._unit = self._error = None

    def leave(self) -> NoReturn:
        """Leave the block from wherever its code is, undoing it."""
        if not self.open:
            raise ended()
        raise _RollbackSignal(self)

    # -- statements ----------------------------------------------------------------------------

    def _live(self) -> Unit:
        """Return the unit, or raise why no statement may run in this block any more."""
        unit = self._unit
        if unit is None or self.outcome is not None:
            raise ended()
        cause = unit.lost
        block: Block | None = self
        while cause is None and block is not None:
            cause = block._error
            block = block._parent
        if cause is not None:
            raise aborted(cause)
        return unit

    async def run(self, action: Callable[[Any], Awaitable[T]], statement: Statement | None = None) -> T:
        """Run one statement on the lane of the transaction; a database error aborts the block."""
        unit = self._live()
        if unit.cursors and (statement is None or statement.changes_schema):
            await unit.close_left_cursors()
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
            self.mark_failed(ours)
            if ours is error:
                raise
            raise ours from shown_cause(error)
        finally:
            unit.release()

    async def open_cursor(self, statement: Statement, args: Sequence[Any], size: int, *, guarded: bool = False) -> Any:
        """Start reading a result in pieces; guarded, the statement can do nothing but read."""
        cursor = await self.run(lambda lane: lane.open_cursor(statement, args, size, guarded=guarded), statement)
        if self._unit is not None:
            self._unit.cursors += 1
        return cursor

    async def close_cursor(self, cursor: Any, *, last: bool) -> None:
        """End reading a result; ``last`` where the transaction ends with it."""
        unit = self._unit
        if unit is None:
            return
        unit.cursors -= 1
        if not cursor.ends_by_itself:
            await cursor.close()
        elif not last and await unit.acquire_last():
            try:
                await cursor.close()
            finally:
                unit.release()

    def mark_failed(self, error: BaseException) -> None:
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

    # -- whose block it is ---------------------------------------------------------------------

    def is_within(self, outer: Block) -> bool:
        """Whether it is open, and another block itself or a savepoint inside of that."""
        block: Block | None = self if self.open else None
        while block is not None and block is not outer:
            block = block._parent
        return block is outer

    def seen_from_outside(self) -> Block | None:
        """Return the block of a statement in whose context this one was entered last, but not in its generator.

        Raises:
            TransactionError: the task was started while a generator's block was open.
        """
        block: Block | None = self
        while block is not None and block._over_for_caller():
            block = block._parent
        if block is not self:
            self._executor.current.set(block)
        if block is None or not block.private:
            return block
        if not block._entered_by_caller():
            raise TransactionError(
                "this task was started while a generator held a transaction open, which belongs to the generator alone",
                hint="start tasks outside of the loop over the generator, or have it yield outside of its transaction",
            )
        return block._parent

    async def settle(self) -> None:
        """Wait for the end of a generator's block that is about to be closed: its loop was left.

        Nothing refers to the generator then, and asyncio closes it in one of the next turns.
        """
        if not self._entered_by_caller():
            await self._close_to_end()

    async def _close_to_end(self) -> None:
        for _ in range(TURNS_TO_CLOSE):
            if self._ending:
                return
            await asyncio.sleep(0)

    def _over_for_caller(self) -> bool:
        """Whether the block has ended and its end is no news: for the task that entered it, not for late children."""
        return self._ending if self.private else self.outcome is not None and self._entered_by_caller()

    def _entered_by_caller(self) -> bool:
        return self._task is not None and self._task() is asyncio.current_task()

    async def refuse_consumer(self) -> None:
        """Refuse a statement of an outer block in the body of a loop over the generator that holds this one.

        Raises:
            TransactionError: the generator waits for the end of the loop's body, which waits for the generator.
        """
        if not self.private or not self._entered_by_caller():
            return
        await self._close_to_end()
        if self._ending:
            return
        raise TransactionError(
            "a generator holds a nested transaction open over its yield: the body of its loop cannot use the outer one",
            hint="have the generator yield outside of its nested transaction, or collect its rows first",
        )

    # -- the block -----------------------------------------------------------------------------

    async def enter(self) -> None:
        """Begin, inside the block of this task if it has one, and become the block of this task."""
        if self._unit is not None:
            raise TransactionError("a transaction object is used once", hint="call db.transaction() again")
        executor = self._executor
        outer = await executor.settled_block()
        home = home_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        if outer is None:
            await self.begin(streams=home is not None and home.private)
        else:
            await self._begin_nested(outer)
        task = asyncio.current_task()
        self._task = None if task is None else weakref.ref(task)
        self._home = home
        if home is not None:
            self.private = home.private
            executor.homes[home.frame] = self
        executor.current.set(self)

    async def begin(self, *, streams: bool = False) -> None:
        """Open the transaction without making it the one of this task.

        Args:
            streams: it is there for a stream, or is a generator's: its lane is held while the code of others runs.
        """
        executor = self._executor
        write = not self._read_only
        lanes = executor.lanes()
        try:
            lane = await lanes.acquire(_holder(streams=streams), write=write, streams=streams)
        except Exception as error:
            raise_translated(executor, error)
        unit = Unit(executor, lanes, lane, write=write)
        try:
            await lane.control(*executor.begin_statements(self._read_only, self._isolation))
        except BaseException as error:
            lane.broken = lane.broken or executor.discards_cancelled
            await run_shielded(self._abandon(unit))
            raise_translated(executor, error)
        unit.blocks.append(self)
        self._unit = unit

    async def joined(self) -> Unit:
        """Return what a block inside of this one shares with it."""
        return self._live()

    async def _begin_nested(self, outer: Block) -> None:
        if not outer.is_test_sandbox and (self._isolation is not None or (self._read_only and not outer._read_only)):
            raise TransactionError(
                "isolation and read_only belong to the outermost transaction block",
                hint="leave them out of the nested one",
            )
        unit = await outer.joined()
        await unit.acquire(outer)
        try:
            outer._live()
            self._parent = outer
            before, after = (
                self._executor.read_only_statements() if outer.is_test_sandbox and self._read_only else ((), ())
            )
            await unit.lane.control(Statement(f"SAVEPOINT {self._savepoint(unit)}"), *before)
            self._after = after
            unit.blocks.append(self)
            self._unit = unit
        except TransactionError:
            raise
        except BaseException as error:
            outer.mark_failed(error)
            raise_translated(self._executor, error)
        finally:
            unit.release()

    def _savepoint(self, unit: Unit) -> str:
        depth = unit.blocks.index(self) if self in unit.blocks else len(unit.blocks)
        return f"deebase_{depth}"

    async def exit(self, error: BaseException | None) -> bool:
        """End the block, and give the task its outer one back; True when the error has done its work."""
        executor = self._executor
        # Set rather than reset by token: the block of an async generator may end in another context.
        if executor.current.get() is self:
            executor.current.set(self._parent)
        home = self._home
        if home is not None:
            self._leave_home(home, error)
        return await self.end(error)

    def _leave_home(self, home: Home, error: BaseException | None) -> None:
        homes, outer = self._executor.homes, self._parent
        if outer is not None and outer._home is not None and outer._home.frame is home.frame:
            homes[home.frame] = outer
        else:
            homes.pop(home.frame, None)
        if isinstance(error, GeneratorExit) and not home.private:
            log.warning(
                "a transaction is rolled back because the generator %s was closed before its end",
                home.frame.f_code.co_qualname,
            )

    async def end(self, error: BaseException | None) -> bool:
        """Commit, or roll back after ``error``; True when the error has done its work here."""
        unit = self._unit
        if unit is None:
            raise ended()
        self._ending = True
        if self._parent is None:
            unit.lanes.ends(unit.lane, write=unit.write)
        leaving = isinstance(error, _RollbackSignal) and error.block is self
        try:
            await run_shielded(self._end(unit, failed=error is not None))
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
                raise aborted(cause)
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
                unit.lost = unit.lost or ended()
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
            raise aborted(link_lost())
        if not lane.in_transaction:
            raise TransactionAbortedError("the database ended the transaction before its COMMIT", hint=ABORTED_HINT)
        try:
            await lane.control(_COMMIT)
        except RolledBack as error:
            raise TransactionAbortedError(
                "a failed statement aborted the transaction: nothing was saved", hint=ABORTED_HINT
            ) from error
        except BaseException as error:
            if unsent(error):
                lost = link_lost()
                raise aborted(lost) from lost
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
                self._parent.mark_failed(error)
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


def _holder(*, streams: bool) -> str:
    what = "a stream" if streams else "a transaction"
    task = asyncio.current_task()
    return f"{what} of task {task.get_name()!r}" if task is not None else what
