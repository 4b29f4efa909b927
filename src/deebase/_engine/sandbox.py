"""A transaction that all statements of a database join until it is rolled back: for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from deebase._engine.transaction_scope import TransactionScope
from deebase._engine.transaction_state import TransactionState
from deebase._lanes.interface import Lane
from deebase._sql.statement import Statement
from deebase.errors import TransactionError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor

T = TypeVar("T")

#: The savepoint of one statement.
_ONE = "deebase_one"


class _Over(Exception):
    """Ends the transaction with a rollback; no caller gets this error."""


class RollbackSandbox(TransactionScope):
    """The transaction of every task without another one, from ``install`` to ``uninstall`` or ``undo``.

    Each statement has its own savepoint, so that an error undoes only that statement, as it does outside of a
    transaction. The transaction begins with the first statement, in the event loop that runs then, and ends when that
    loop shuts down. The next loop begins another one.
    """

    is_test_sandbox = True

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor)
        self._contexts = executor.current
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun: asyncio.Task[None] | None = None
        self._closer: AsyncGenerator[None, None] | None = None
        self._running: set[asyncio.Task[object]] = set()

    # -- installing ----------------------------------------------------------------------------

    def install(self) -> None:
        """Become the transaction of all tasks, in all contexts."""
        self._executor.current = ContextVar("deebase_sandbox", default=self)

    def uninstall(self) -> None:
        """Undo everything, from outside of the event loop. If the loop was closed, nothing is left to undo.

        Raises:
            TransactionError: the event loop is running, so only code inside of it can wait for the rollback.
        """
        self._executor.current = self._contexts
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if loop.is_running():
            raise TransactionError(
                "the event loop in which this transaction began is still running",
                hint="undo it there: async with rollback(db)",
            )
        loop.run_until_complete(self.undo())

    async def undo(self) -> None:
        """Undo everything, from inside of the event loop."""
        self._executor.current = self._contexts
        if self._closer is not None:
            await self._closer.aclose()

    # -- beginning -----------------------------------------------------------------------------

    async def joined(self) -> TransactionState:
        """Return the state that its blocks share; the first call in an event loop begins the transaction."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise TransactionError(
                    "the transaction of this test belongs to another event loop, which is still open",
                    hint="give each test a separate database: rollback=False",
                )
            self._outcome = self._state = self._error = None
            self._loop = loop
            self._begun = loop.create_task(self._begin())
        if self._begun is not None:
            # Shielded: if one task is cancelled, the others still wait for the same transaction.
            await asyncio.shield(self._begun)
        return self.state

    async def _begin(self) -> None:
        try:
            await self.begin()
        except BaseException:
            self._loop = None
            raise
        self._closer = self._until_shutdown()
        await anext(self._closer)

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        # A loop that shuts down closes its async generators.
        try:
            yield
        finally:
            await self.end(_Over())

    # -- statements ----------------------------------------------------------------------------

    async def run(self, action: Callable[[Lane], Awaitable[T]], statement: Statement | None = None) -> T:
        """Run one statement in a savepoint, as if it were in autocommit mode."""
        state = await self.joined()
        if state.cursors and (statement is None or statement.changes_schema):
            await state.close_left_cursors()
        await state.acquire(self)
        # Not cancelled with its caller: an interrupted statement would end the transaction of the whole test.
        task = asyncio.get_running_loop().create_task(self._run_alone(state, action, statement))
        self._running.add(task)
        task.add_done_callback(self._ran)
        return await asyncio.shield(task)

    def _ran(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Retrieve the exception: perhaps no task waits for the result any more.
            task.exception()

    async def _run_alone(
        self, state: TransactionState, action: Callable[[Lane], Awaitable[T]], statement: Statement | None
    ) -> T:
        try:
            lane = self.state.lane
            await lane.set_savepoint(_ONE)
            try:
                result = await action(lane)
            except BaseException:
                # A trigger with RAISE(ROLLBACK) ends the whole transaction, savepoints included.
                if lane.in_transaction and not lane.lost:
                    await lane.undo_savepoint(_ONE)
                raise
            await lane.release_savepoint(_ONE)
        except BaseException as error:
            self.mark_failed(error)
            self._executor.raise_translated(error, statement)
        finally:
            state.release()
        return result

    def mark_failed(self, error: BaseException) -> None:
        """Record an error that ended the transaction in the database; other errors do not end it."""
        state = self._state
        if state is None:
            return
        if not isinstance(error, Exception):
            state.lane.failed(error)
        if state.lane.lost or state.lane.broken or not state.lane.in_transaction:
            state.lost = state.lost or error
