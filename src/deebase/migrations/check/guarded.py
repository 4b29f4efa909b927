"""Statements of a migration that is not one transaction, each of them checked before it is committed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from deebase._engine.executor import Executor
from deebase._engine.loops import LoopResources
from deebase._engine.transaction_scope import TransactionScope
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import Capabilities
from deebase.errors import MigrationError
from deebase.migrations.check.hazards_words import Words
from deebase.migrations.check.loss_guard import CountAgainError, Guard
from deebase.migrations.target import Target

T = TypeVar("T")

#: The first words of statements that no transaction accepts.
_ALONE = frozenset({"VACUUM", "PRAGMA", "ATTACH", "DETACH"})
_ALONE_OBJECTS = frozenset({"DATABASE", "TABLESPACE", "SYSTEM", "SUBSCRIPTION"})


def _needs_no_transaction(sql: str, database: Capabilities) -> bool:
    """Whether no transaction accepts a statement; none of these loses rows."""
    words = Words.of(sql, database)
    first, second = [*words.upper, "", ""][:2]
    return (
        first in _ALONE
        or (first in ("CREATE", "ALTER", "REINDEX") and second in _ALONE_OBJECTS)
        or (
            database.builds_concurrently
            and first in ("CREATE", "DROP", "REINDEX", "ALTER", "REFRESH")
            and words.has("CONCURRENTLY")
        )
    )


class GuardedExecutor(Executor):
    """An executor that runs each statement in a transaction of its own, and rolls it back if rows or values are lost.

    It uses the connections and settings of the database's executor.

    Args:
        target: the database.
        guard: returns the guard of one transaction, from the text that it runs.
        text: the text of the migration, for the transactions that it begins itself.
    """

    def __init__(self, target: Target, guard: Callable[[str], Guard], text: str) -> None:
        self._inner = target.executor
        self._capabilities = target.capabilities
        self._guard_of = guard
        self._text = text
        #: The error that refused a statement.
        self.refused: MigrationError | None = None
        #: Whether a change was committed.
        self.wrote: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def resources(self) -> LoopResources:
        """See ``Executor``."""
        return self._inner.resources()

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """See ``Executor``."""
        return await self._alone(statement, lambda: self._inner.fetch(statement, args))

    async def count(self, statement: Statement, args: Sequence[Any]) -> int:
        """See ``Executor``."""
        return await self._alone(statement, lambda: self._inner.count(statement, args))

    async def raw_fetch(self, statement: Statement, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """See ``Executor``."""
        return await self._alone(statement, lambda: self._inner.raw_fetch(statement, args))

    async def stream(
        self, statement: Statement, args: Sequence[Any], size: int
    ) -> AsyncGenerator[tuple[list[Any], list[Any]], None]:
        """See ``Executor``; what a statement writes is checked before the first row is yielded."""
        if self.current.get() is not None or statement.reads:
            async for piece in super().stream(statement, args, size):
                yield piece
            return
        columns, rows = await self.raw_fetch(statement, args)
        for start in range(0, max(len(rows), 1), size):
            yield columns, rows[start : start + size]

    def transaction(self, *, read_only: bool = False, isolation: str | None = None) -> TransactionScope:
        """See ``Executor``."""
        return _GuardedTransaction(self, read_only=read_only, isolation=isolation)

    def guard(self, text: str | None = None) -> Guard:
        """Return the guard of one transaction.

        Args:
            text: the text that it runs; by default that of the migration.
        """
        return self._guard_of(self._text if text is None else text)

    async def _alone(self, statement: Statement, action: Callable[[], Awaitable[T]]) -> T:
        reads = statement.reads and not self._capabilities.reads_may_write
        if self.current.get() is not None or reads:
            return await action()
        if _needs_no_transaction(statement.sql, self._capabilities):
            self.wrote = True
            return await action()
        guard = self.guard(statement.sql)
        while True:
            try:
                async with self._inner.transaction():
                    result = await guard.around(action)
            except CountAgainError:
                continue
            except MigrationError as error:
                self.refused = error
                raise
            self.wrote = self.wrote or not statement.reads
            return result


class _GuardedTransaction(TransactionScope):
    """A transaction that the migration begins: it cannot run again, so that changes of uncounted tables are refused."""

    def __init__(self, executor: GuardedExecutor, *, read_only: bool, isolation: str | None) -> None:
        super().__init__(executor, read_only=read_only, isolation=isolation)
        self._guarded = executor
        self._guard: Guard | None = None

    async def __aenter__(self) -> TransactionScope:
        outermost = self._guarded.current.get() is None
        await super().__aenter__()
        if outermost:
            self._guard = self._guarded.guard()
            await self._guard.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        guard, self._guard = self._guard, None
        if guard is None:
            return await super().__aexit__(kind, error, traceback)
        try:
            if error is None:
                await guard.check(final=True)
        except BaseException as lost:
            self._guarded.refused = lost if isinstance(lost, MigrationError) else None
            await guard.close()
            await super().__aexit__(type(lost), lost, lost.__traceback__)
            raise
        await guard.close()
        ended = await super().__aexit__(kind, error, traceback)
        self._guarded.wrote = self._guarded.wrote or error is None
        return ended
