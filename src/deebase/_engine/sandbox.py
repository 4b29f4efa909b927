"""A transaction that everything done with a database joins until it is rolled back: for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from deebase._engine.block import Block, raise_translated
from deebase._engine.unit import Unit
from deebase._sql.statement import Statement
from deebase.errors import TransactionError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor

T = TypeVar("T")

_SAVE = Statement("SAVEPOINT deebase_one")
_KEEP = Statement("RELEASE SAVEPOINT deebase_one")
_UNDO = Statement("ROLLBACK TO SAVEPOINT deebase_one")


class _Over(Exception):
    """Stands for the error after which the transaction is undone."""


class RollbackSandbox(Block):
    """The block of every task that has no other, for as long as it is held.

    Each statement has a savepoint of its own, so that an error undoes that statement alone, as it does outside of
    any transaction. It begins with the first statement, in the event loop that this one runs in, and is over when that
    loop shuts down; the next loop begins anew.
    """

    is_test_sandbox = True

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor)
        self._contexts = executor.current
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun: asyncio.Task[None] | None = None
        self._closer: AsyncGenerator[None, None] | None = None
        self._running: set[asyncio.Task[Any]] = set()

    # -- holding -------------------------------------------------------------------------------

    def install(self) -> None:
        """Become the block of all tasks, those of other contexts too."""
        self._executor.current = ContextVar("deebase_held", default=self)

    def uninstall(self) -> None:
        """Undo everything, from outside of the event loop; nothing is done where that has ended already.

        Raises:
            TransactionError: the event loop runs, so that only its own code can wait for the rollback.
        """
        self._executor.current = self._contexts
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if loop.is_running():
            raise TransactionError(
                "the event loop still runs in which this transaction began",
                hint="undo it there: async with rollback(db)",
            )
        loop.run_until_complete(self.undo())

    async def undo(self) -> None:
        """Undo everything, from inside of the event loop."""
        self._executor.current = self._contexts
        if self._closer is not None:
            await self._closer.aclose()

    # -- beginning -----------------------------------------------------------------------------

    async def joined(self) -> Unit:
        """Return what its blocks share; the first call in an event loop begins the transaction."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                raise TransactionError(
                    "the transaction of this test belongs to another event loop, which is still open",
                    hint="give each test a database of its own instead: rollback=False",
                )
            self._reopen()
            self._loop = loop
            self._begun = loop.create_task(self._begin())
        if self._begun is not None:
            # Whoever is cancelled meanwhile, the others wait for the same beginning.
            await asyncio.shield(self._begun)
        return self._live()

    async def _begin(self) -> None:
        try:
            await self.begin()
        except BaseException:
            self._loop = None
            raise
        self._closer = self._until_shutdown()
        await anext(self._closer)

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        # As the lanes do: a loop that shuts down closes its async generators.
        try:
            yield
        finally:
            await self.end(_Over())

    # -- statements ----------------------------------------------------------------------------

    async def run(self, action: Callable[[Any], Awaitable[T]], statement: Statement | None = None) -> T:
        """Run one statement as if it had a transaction of its own."""
        unit = await self.joined()
        if unit.cursors and (statement is None or statement.changes_schema):
            await unit.close_left_cursors()
        await unit.acquire(self)
        # Not ended with its caller: what is left half done would end the transaction of the whole test.
        task = asyncio.get_running_loop().create_task(self._alone(unit, action, statement))
        self._running.add(task)
        task.add_done_callback(self._ran)
        return await asyncio.shield(task)

    def _ran(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Taken note of: nobody may be left who waits for it.
            task.exception()

    async def _alone(self, unit: Unit, action: Callable[[Any], Awaitable[T]], statement: Statement | None) -> T:
        try:
            self._live()
            await unit.lane.control(_SAVE)
            try:
                result = await action(unit.lane)
            except BaseException:
                # A trigger that says ROLLBACK ends the whole transaction, savepoints and all.
                if unit.lane.in_transaction and not unit.lane.lost:
                    await unit.lane.control(_UNDO, _KEEP)
                raise
            await unit.lane.control(_KEEP)
        except BaseException as error:
            self.mark_failed(error)
            raise_translated(self._executor, error, statement)
        finally:
            unit.release()
        return result

    def mark_failed(self, error: BaseException) -> None:
        """Remember an error after which the database goes on with nothing of the transaction."""
        unit = self._unit
        if unit is None:
            return
        if not isinstance(error, Exception) and self._executor.discards_cancelled:
            unit.lane.broken = True
        if unit.lane.lost or unit.lane.broken or not unit.lane.in_transaction:
            unit.lost = unit.lost or error
