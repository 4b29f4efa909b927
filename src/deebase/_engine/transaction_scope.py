"""One ``async with db.transaction()`` block: the transaction itself, or a savepoint in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import weakref
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from deebase._backends.error_translation import shown_cause
from deebase._engine.generators import Owner, owner_of
from deebase._engine.transaction import Transaction
from deebase._engine.transaction_state import TURNS_TO_CLOSE, TransactionState, aborted, ended
from deebase._lanes.interface import Cursor, Lane, Params
from deebase._lanes.limits import Allowance
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase.errors import (
    BusyError,
    CommitOutcomeUnknownError,
    InvalidOperationError,
    TransactionAbortedError,
    TransactionError,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._engine.executor import Executor

T = TypeVar("T")

log = logging.getLogger("deebase")

ISOLATION_LEVELS = ("read committed", "repeatable read", "serializable")


class _RollbackSignal(BaseException):
    """Carries ``tx.rollback()`` out of its block; no ``except Exception`` of the user stops it."""

    def __init__(self, scope: TransactionScope) -> None:
        self.scope = scope


class Part(Protocol):
    """State outside of the database that takes part in a transaction: each scope has its own version."""

    def publish(self) -> None:
        """Publish this version to the outer scope, or to all tasks."""
        ...


class TransactionScope(Transaction):
    """One block: the transaction itself, or a savepoint in it.

    Attributes:
        parent: the outer block, in whose transaction this one is a savepoint.
        is_private: it belongs to a generator that is iterated; other code does not use it.
        parts: the state outside of the database that takes part in the block, by owner.
        is_last: whether the whole transaction ends with the only statement of this block, by its result; None if not.
    """

    #: Whether the code in it behaves as if no transaction were open (``RollbackSandbox``).
    is_test_sandbox = False

    def __init__(self, executor: Executor, *, read_only: bool = False, isolation: str | None = None) -> None:
        level: Any = isolation
        if level is not None and not (isinstance(level, str) and level.lower() in ISOLATION_LEVELS):
            raise InvalidOperationError(
                f"unknown isolation level; the levels are {', '.join(ISOLATION_LEVELS)}",
                operation="transaction",
                hint="omit isolation to use the default of the database",
            )
        self.parent: TransactionScope | None = None
        self.is_private: bool = False
        self.parts: dict[Hashable, Part] = {}
        self.is_last: Callable[[Any], bool] | None = None
        self._executor = executor
        self._read_only = read_only
        self._isolation = isolation
        self._outcome: str | None = None
        self._state: TransactionState | None = None
        #: The task that entered it, and the generator that keeps it open over a ``yield``.
        self._task: weakref.ref[asyncio.Task[object]] | None = None
        self._owner: Owner | None = None
        self._is_ending = False
        #: A block inside a test sandbox, that only reads.
        self._is_read_only_savepoint = False
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        kind = "transaction" if self.parent is None else "savepoint"
        return f"<{kind} {self.outcome or ('open' if self.open else 'not begun')}>"

    @property
    def outcome(self) -> str | None:
        """See ``Transaction``."""
        return self._outcome

    @property
    def open(self) -> bool:
        """Whether the block has begun and not ended."""
        return self._state is not None and self._outcome is None

    @property
    def state(self) -> TransactionState:
        """The state that the block shares with the other blocks of its transaction.

        Raises:
            TransactionError: the block has ended, or no statement may run in it.
        """
        state = self._state
        if state is None or self._outcome is not None:
            raise ended()
        if state.lane.committing is not None:
            raise ended()
        cause = state.lost
        scope: TransactionScope | None = self
        while cause is None and scope is not None:
            cause = scope._error
            scope = scope.parent
        if cause is not None:
            raise aborted(cause)
        return state

    @property
    def connection(self) -> AsyncConnection:
        """See ``Transaction``."""
        acting = self._executor.acting.current()
        if acting is not None and not self._executor.backend.capabilities.secures_rows:
            raise InvalidOperationError(
                "inside of db.acting(), statements on tx.connection would see all rows",
                operation="connection",
                hint="use the methods of the tables there",
            )
        lane = self.state.lane
        lane.lend(self._failed_outside)
        return lane.connection

    def _failed_outside(self, error: BaseException) -> None:
        """Record an error of a statement that SQLAlchemy ran on the connection."""
        state = self._state
        if state is not None and state.scopes:
            # SQLAlchemy raises its own error, with the text of ours.
            state.scopes[-1].mark_failed(self._executor.translate(error, None) or error)

    async def rollback(self) -> None:
        """See ``Transaction``."""
        if not self.open:
            raise ended()
        raise _RollbackSignal(self)

    # -- statements ----------------------------------------------------------------------------

    async def run(self, action: Callable[[Lane], Awaitable[T]], statement: Statement | None = None) -> T:
        """Run one statement on the lane of the transaction; a database error aborts the block."""
        state = self.state
        if state.cursors and (statement is None or statement.changes_schema):
            await state.close_left_cursors()
        has_waited = not state.take_turn(self)
        if has_waited:
            await state.acquire(self)
        try:
            lane = (self.state if has_waited else state).lane
            acting = self._executor.acting
            if acting.used:
                await lane.act(acting.current())
            if self.is_last is None:
                return await action(lane)
            lane.is_last = self.is_last
            result = await action(lane)
            if lane.committing is not None:
                state.refuse_others()
            return result
        except TransactionError:
            raise
        except BaseException as error:
            state.lane.failed(error)
            # One object for both: the error that the caller gets now is the cause of the abort later.
            ours = self._executor.translate(error, statement) or error
            self.mark_failed(ours)
            if ours is error:
                raise
            raise ours from shown_cause(error)
        finally:
            state.release()

    async def open_cursor(
        self, statement: Statement, args: Params, size: int, allowance: Allowance | None = None
    ) -> Cursor:
        """Open a cursor; with an allowance, the statement can only read, within limits."""
        cursor = await self.run(lambda lane: lane.open_cursor(statement, args, size, allowance), statement)
        if self._state is not None:
            self._state.cursors += 1
        return cursor

    async def close_cursor(self, cursor: Cursor, *, last: bool) -> None:
        """Close a cursor; ``last`` if the transaction ends with it."""
        state = self._state
        if state is None:
            return
        state.cursors -= 1
        if not cursor.ends_by_itself:
            await cursor.close()
        elif not last and await state.acquire_last():
            try:
                await cursor.close()
            finally:
                state.release()

    def mark_failed(self, error: BaseException) -> None:
        """Record the error after which the block cannot be committed."""
        state = self._state
        if state is None:
            return
        if self._error is None:
            self._error = error
        if not isinstance(error, Exception):
            state.lane.failed(error)
        if state.lane.lost or not state.lane.in_transaction:
            state.lost = state.lost or error

    # -- which code it belongs to --------------------------------------------------------------

    def is_within(self, outer: TransactionScope) -> bool:
        """Whether the block is open, and is ``outer`` or a savepoint in it."""
        scope: TransactionScope | None = self if self.open else None
        while scope is not None and scope is not outer:
            scope = scope.parent
        return scope is outer

    def seen_from_outside(self) -> TransactionScope | None:
        """Return the scope of a statement outside of the generator that this scope belongs to.

        This scope is the innermost one in the context of the statement.

        Raises:
            TransactionError: the task was started while a generator's block was open.
        """
        scope: TransactionScope | None = self
        while scope is not None and scope._is_over_for_caller():
            scope = scope.parent
        if scope is not self:
            self._executor.current.set(scope)
        if scope is None or not scope.is_private:
            return scope
        if not scope._was_entered_by_caller():
            raise TransactionError(
                "this task was started while a generator held a transaction open, which belongs to the generator alone",
                hint="start tasks outside of the loop over the generator, or move the yield out of its transaction",
            )
        return scope.parent

    async def wait_if_left(self) -> None:
        """Wait until the block of an abandoned generator has ended.

        No reference to the generator is left, and asyncio closes it in one of the next turns.
        """
        if not self._was_entered_by_caller():
            await self._wait_until_it_ends()

    async def _wait_until_it_ends(self) -> None:
        for _ in range(TURNS_TO_CLOSE):
            if self._is_ending:
                return
            await asyncio.sleep(0)

    def _is_over_for_caller(self) -> bool:
        """Whether the block has ended for the task that entered it; tasks started in it get an error instead."""
        return self._is_ending if self.is_private else self._outcome is not None and self._was_entered_by_caller()

    def _was_entered_by_caller(self) -> bool:
        return self._task is not None and self._task() is asyncio.current_task()

    async def refuse_consumer(self) -> None:
        """Refuse a statement of an outer block in the body of a loop over the generator that holds this one.

        Raises:
            TransactionError: the generator waits for the end of the loop's body, which waits for the generator.
        """
        if not self.is_private or not self._was_entered_by_caller():
            return
        await self._wait_until_it_ends()
        if self._is_ending:
            return
        raise TransactionError(
            "a generator holds a nested transaction open over its yield: the body of its loop cannot use the outer one",
            hint="move the yield out of the nested transaction, or collect the rows of the generator first",
        )

    # -- begin ---------------------------------------------------------------------------------

    async def __aenter__(self) -> TransactionScope:
        """Begin a transaction, or a savepoint in the block of this task, and become the block of this task."""
        if self._state is not None:
            raise TransactionError("a transaction object can be used only once", hint="call db.transaction() again")
        executor = self._executor
        outer = await executor.settled_transaction()
        owner = owner_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        if outer is None:
            await self.begin(streams=owner is not None and owner.is_iterated)
        else:
            await self._begin_nested(outer)
        task = asyncio.current_task()
        self._task = None if task is None else weakref.ref(task)
        self._owner = owner
        if owner is not None:
            self.is_private = owner.is_iterated
            executor.generators[owner.frame] = self
        executor.current.set(self)
        return self

    async def begin(self, *, streams: bool = False) -> None:
        """Begin the transaction without making it the current one of this task.

        Args:
            streams: it belongs to a stream or a generator, which keeps its lane while code of the user runs.
        """
        executor = self._executor
        try:
            lane = await executor.lanes().acquire(_holder(streams=streams), write=not self._read_only, streams=streams)
        except Exception as error:
            executor.raise_translated(error)
        state = TransactionState(executor, lane)
        await state.begin(read_only=self._read_only, isolation=self._isolation)
        state.scopes.append(self)
        self._state = state

    async def joined(self) -> TransactionState:
        """Return the state that a savepoint in this block shares with it."""
        return self.state

    async def _begin_nested(self, outer: TransactionScope) -> None:
        if not outer.is_test_sandbox and (self._isolation is not None or (self._read_only and not outer._read_only)):
            raise TransactionError(
                "isolation and read_only belong to the outermost transaction block",
                hint="omit them in the nested block",
            )
        state = await outer.joined()
        await state.acquire(outer)
        try:
            lane = outer.state.lane
            self.parent = outer
            self._is_read_only_savepoint = outer.is_test_sandbox and self._read_only
            await lane.set_savepoint(self._savepoint(state), read_only=self._is_read_only_savepoint)
            state.scopes.append(self)
            self._state = state
        except TransactionError:
            raise
        except BaseException as error:
            outer.mark_failed(error)
            self._executor.raise_translated(error)
        finally:
            state.release()

    def _savepoint(self, state: TransactionState) -> str:
        depth = state.scopes.index(self) if self in state.scopes else len(state.scopes)
        return f"deebase_{depth}"

    # -- end -----------------------------------------------------------------------------------

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """End the block, and make the outer block the current one of the task."""
        executor = self._executor
        # Set rather than reset by token: the block of an async generator may end in another context.
        if executor.current.get() is self:
            executor.current.set(self.parent)
        if self._owner is not None:
            self._leave_generator(self._owner, error)
        return await self.end(error)

    def _leave_generator(self, owner: Owner, error: BaseException | None) -> None:
        generators, outer = self._executor.generators, self.parent
        if outer is not None and outer._owner is not None and outer._owner.frame is owner.frame:
            generators[owner.frame] = outer
        else:
            generators.pop(owner.frame, None)
        if isinstance(error, GeneratorExit) and not owner.is_iterated:
            log.warning(
                "a transaction is rolled back because the generator %s was closed before it finished",
                owner.frame.f_code.co_qualname,
            )

    async def end(self, error: BaseException | None) -> bool:
        """Commit, or roll back after ``error``; True if ``error`` is the signal of this block's ``rollback``."""
        state = self._state
        if state is None:
            raise ended()
        self._is_ending = True
        if self.parent is None:
            state.lane.ends()
            if error is None and await self._commit_at_once(state):
                return False
        leaving = isinstance(error, _RollbackSignal) and error.scope is self
        try:
            await run_shielded(self._end(state, failed=error is not None))
        except TransactionAbortedError:
            # The user's error says more than TransactionAbortedError.
            if error is None:
                raise
        return leaving

    async def _commit_at_once(self, state: TransactionState) -> bool:
        """Commit without a task for it, if nothing else is to do; return whether the block has ended."""
        if self._error is not None or not state.take_turn(self):
            return False
        committing = state.lane.send_commit() if state.is_sound else None
        if committing is None:
            state.release()
            return False
        cancelled: asyncio.CancelledError | None = None
        try:
            await committing
        except asyncio.CancelledError as error:
            cancelled = error
        except BaseException:  # raised again by what awaits ``commit``
            pass
        if committing.exception() is not None:
            await run_shielded(self._end(state, failed=False, has_turn=True))
            return True
        self._outcome = "committed"
        self._close(state)
        state.lane.release()
        if cancelled is not None:
            raise cancelled
        return True

    async def _end(self, state: TransactionState, *, failed: bool, has_turn: bool = False) -> None:
        """Commit or roll back, and end the block on any exit."""
        if not has_turn:
            with contextlib.suppress(BusyError):
                await state.acquire(self)
                has_turn = True
        try:
            cause = state.lost or self._error
            if not (failed or cause is not None) and has_turn:
                await (self._commit(state) if self.parent is None else self._release_savepoint(state, self.parent))
                return
            await (state.roll_back() if self.parent is None else self._roll_back_savepoint(state))
            if cause is not None:
                raise aborted(cause)
            if not has_turn:
                state.lane.broken = True
                raise TransactionAbortedError(
                    "a statement of the transaction was still waiting for another task when the block ended"
                )
        finally:
            self._outcome = self._outcome or "rolled back"
            self._close(state)
            if self.parent is None:
                await state.give_back()

    def _close(self, state: TransactionState) -> None:
        """End the block for all tasks, those of blocks inside of it too."""
        self._settle_parts()
        if self in state.scopes:
            if self.parent is None and state.scopes[-1] is not self:
                state.lost = state.lost or ended()
            del state.scopes[state.scopes.index(self) :]
        state.release()

    def _settle_parts(self) -> None:
        """Publish the parts of the block if it was committed, otherwise discard them."""
        parts, self.parts = self.parts, {}
        if self._outcome == "committed":
            for part in parts.values():
                part.publish()

    async def _commit(self, state: TransactionState) -> None:
        try:
            await state.commit()
        except CommitOutcomeUnknownError:
            self._outcome = "unknown"
            raise
        self._outcome = "committed"

    async def _release_savepoint(self, state: TransactionState, outer: TransactionScope) -> None:
        try:
            await state.lane.release_savepoint(self._savepoint(state), read_only=self._is_read_only_savepoint)
        except BaseException as error:
            outer.mark_failed(error)
            self._executor.raise_translated(error)
        self._outcome = "committed"

    async def _roll_back_savepoint(self, state: TransactionState) -> None:
        if state.lost is not None:
            return
        try:
            await state.lane.undo_savepoint(self._savepoint(state), read_only=self._is_read_only_savepoint)
        except BaseException as error:
            state.lost = self._error or error


def _holder(*, streams: bool) -> str:
    what = "a stream" if streams else "a transaction"
    task = asyncio.current_task()
    return f"{what} of task {task.get_name()!r}" if task is not None else what
