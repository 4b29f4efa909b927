"""Handles of secured tables: their scope depends on the values that the task acts for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from typing import Any, TypeVar

from deebase._engine.executor import Executor
from deebase._engine.reading_executor import ReadingExecutor
from deebase._lanes.acting import Acting
from deebase._lanes.interface import Columns, Lane, Params, Rows, Values
from deebase._sql.keyed import KeyedRead
from deebase._sql.statement import Statement

T = TypeVar("T")


class _ActingExecutor(Executor):
    """Sends the statements of one handle, each for the values of the handle besides those of the task.

    It shares everything else with the executor that it is made from.
    """

    __slots__ = ("_own",)

    _own: Acting

    def _entered(self) -> AbstractContextManager[None]:
        return self.acting.entered(self._own.beside(self.acting.current()))

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """See ``Executor``."""
        with self._entered():
            return await super().fetch(statement, args)

    async def fetch_arrow(self, statement: Statement, args: Params) -> Any:
        """See ``Executor``."""
        with self._entered():
            return await super().fetch_arrow(statement, args)

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        """See ``Executor``."""
        with self._entered():
            return await super().fetch_columns(statement, args, make)

    def fetch_by_key(self, read: KeyedRead, args: Params, *, waits: bool = False) -> Awaitable[Rows]:
        """See ``Executor``."""
        with self._entered():
            return super().fetch_by_key(read, args, waits=waits)

    async def count(self, statement: Statement, args: Params) -> int:
        """See ``Executor``."""
        with self._entered():
            return await super().count(statement, args)

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """See ``Executor``."""
        with self._entered():
            return await super().raw_fetch(statement, args)

    async def _run_inside(self, action: Callable[[Lane], Awaitable[T]], *statements: Statement) -> T:
        with self._entered():
            return await super()._run_inside(action, *statements)

    async def stream(
        self, statement: Statement, args: Params, size: int, **options: Any
    ) -> AsyncGenerator[tuple[Columns, Rows], None]:
        """See ``Executor``."""
        async with aclosing(super().stream(statement, args, size, **options)) as pieces:
            while True:
                # Not around the yield: the body of the caller's loop runs in the same context.
                with self._entered():
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece


class _ActingWriter(_ActingExecutor):
    """Sends the statements of a handle of a Database that may write."""


class _ActingReader(_ActingExecutor, ReadingExecutor):
    """Sends the statements of a handle of a Database that only reads."""


def acting_executor(executor: Executor, held: Mapping[str, Any]) -> Executor:
    """Return an executor that acts for the values of a handle, too.

    Raises:
        ScopeError: the handle acts for another value of a column already.
        ValidationError: a value that a setting of a session cannot hold.
    """
    own = Acting(held)
    if isinstance(executor, _ActingExecutor):
        own = own.beside(executor._own)  # pyright: ignore[reportPrivateUsage]
    made = object.__new__(_ActingReader if isinstance(executor, ReadingExecutor) else _ActingWriter)
    # All of the state is shared: the executor may be closed, or find another event loop, later.
    made.__dict__ = executor.__dict__
    made._own = own  # pyright: ignore[reportPrivateUsage]
    return made
