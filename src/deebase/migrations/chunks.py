"""Changing many rows in a migration: in chunks, each of which is committed together with its place in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from deebase._engine.context import conditions
from deebase._engine.transaction_scope import TransactionScope
from deebase._tables.paging import page_of
from deebase._tables.selection import Selection
from deebase._tables.table import Table
from deebase.errors import InvalidOperationError, MigrationError, ValidationError
from deebase.migrations.check.guarded import GuardedExecutor
from deebase.migrations.check.guarded_rows import RowsGuard
from deebase.migrations.chunk_progress import ChunkProgress
from deebase.migrations.hints import either
from deebase.migrations.ledger import Ledger

if TYPE_CHECKING:
    from deebase._engine.context import TableContext
    from deebase._engine.executor import Executor
    from deebase._sql.where import Where
    from deebase.database import Database

R = TypeVar("R")

#: The run that the code of a migration is part of.
_running: ContextVar[Run | None] = ContextVar("deebase_migration_in_chunks", default=None)


class Run:
    """One run of a migration in chunks; a block of it ends what is left open.

    Args:
        executor: of the database.
        ledger: where the places are kept.
        name: of the migration.
        progress: how far earlier runs have come.
    """

    def __init__(self, executor: Executor, ledger: Ledger, name: str, progress: ChunkProgress) -> None:
        self.executor = executor
        self.progress = progress
        self.open: Chunks[Any] | None = None
        self.task: asyncio.Task[Any] | None = asyncio.current_task()
        self._ledger = ledger
        self._name = name
        self._loops: set[str] = set()

    async def __aenter__(self) -> Run:
        _running.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _running.set(None)
        if self.open is None:
            return
        name = self.open.name
        left = error or InvalidOperationError(
            f"the loop over chunked() of {name} was left before its end, and its last chunk was not saved",
            operation="chunked",
            target=name,
            hint="give conditions to chunked() instead of break or return",
        )
        await self.open.end(left)
        if error is None:
            raise left

    def around(self, work: Callable[[Database], Awaitable[None]]) -> Callable[[Database], Awaitable[None]]:
        """Return a function of a migration as a part of this run."""

        async def within(db: Database) -> None:
            async with self:
                await work(db)

        return within

    def named(self, name: str | None, table: str) -> str:
        """Return the name of a loop, under which its place is kept: the next one that is free if none is given."""
        found = table if name is None else name
        number = 2
        while found in self._loops:
            if name is not None:
                raise ValidationError(
                    f"two loops are called {name}", field="name", hint="chunked(table, name='second pass')"
                )
            found, number = f"{table} {number}", number + 1
        self._loops.add(found)
        return found

    async def hold(self) -> None:
        """Make sure that this migration is still ours, and have whoever takes it over wait for the transaction.

        Raises:
            MigrationError: another program goes on with it.
        """
        if await self._ledger.progress_of(self._name) != self.progress.text:
            raise MigrationError(
                f"another program goes on with {self._name}",
                hint=f"let it finish; {either('status()', 'status')} tells",
            )

    async def advance(self, progress: ChunkProgress) -> None:
        """Keep how far it has come, in the transaction of the chunk."""
        await self._ledger.change(self._name, progress=progress.text)


def chunked(
    table: Table[R],
    *conditions_: Any,
    size: int = 1000,
    name: str | None = None,
    where: str | None = None,
    params: Any = None,
    **keywords: Any,
) -> Chunks[R]:
    """Go through the rows of a table in a migration that says ``resumable = True``, chunk by chunk.

    What the body of the loop does with a chunk is one transaction, and so is its place in the ledger: a run that fails,
    is cancelled or killed is taken up by the next ``up()`` with the chunk that it was at, and no chunk is done twice.
    On PostgreSQL the rows of a chunk are locked until it is committed. What stands outside of loops is run again.

    Args:
        table: the table, which needs a key; its rows come in the order of that.
        *conditions_: conditions, as in a call of the table.
        size: rows of a chunk, 1 to 10,000.
        name: under which the place is kept; by default the name of the table, with a number if it comes again.
        where: SQL text, with ``params``.
        params: the parameters of ``where``.
        **keywords: conditions by column.

    Returns:
        What ``async for`` takes, and gives lists of rows.

    Raises:
        InvalidOperationError: the migration does not say ``resumable = True``; the table has no key; a loop in another
            one, in a transaction or in another task.
        ValidationError: a size out of range, or two loops of one name.

    Example:
        ```python
        async for rows in chunked(db.t["user"], size=1000):
            await db.t["user"].update_all([{"id": row["id"], "name": row["name"].strip()} for row in rows])
        ```
    """
    run = _running.get()
    if run is None or table._source.executor is not run.executor:  # pyright: ignore[reportPrivateUsage]
        raise InvalidOperationError(
            "chunked() is for migrations that are not one transaction",
            operation="chunked",
            target=table.name,
            hint="write `resumable = True` at the top level of its file, and use the database that it is given",
        )
    source = table._source  # pyright: ignore[reportPrivateUsage]
    return Chunks(run, source, conditions(source, conditions_, where, params, keywords), size, name)


class Chunks(Generic[R]):
    """The chunks of a table, for ``async for``; made by ``chunked``."""

    def __init__(self, run: Run, source: TableContext, where: Where, size: int, name: str | None) -> None:
        self.name: str = run.named(name, source.model.name)
        self._run = run
        self._source = source
        self._where = where
        self._size = size
        self._scope: TransactionScope | None = None
        self._guard: RowsGuard | None = None

    def __aiter__(self) -> Chunks[R]:
        return self

    async def __anext__(self) -> list[R]:
        run = self._run
        if run.open is self:
            await self.end(None)
        self._check_alone()
        while not run.progress.loop(self.name).done:
            if rows := await self._next():
                return rows
            await self.end(None)
        raise StopAsyncIteration

    def _check_alone(self) -> None:
        """Refuse a place where a chunk would not be a transaction by itself."""
        run = self._run
        alone = run.open is None and run.executor.current_transaction() is None
        if not alone or asyncio.current_task() is not run.task or _running.get() is not run:
            raise InvalidOperationError(
                f"chunked() of {self.name} is used inside of another loop or a transaction, or in another task",
                operation="chunked",
                target=self.name,
                hint="run one loop after the other, each by itself",
            )

    async def _next(self) -> list[R]:
        """Begin the transaction of the next chunk, and return its rows."""
        run, scope = self._run, TransactionScope(self._run.executor)
        await scope.__aenter__()
        run.open, self._scope = self, scope
        await run.hold()
        after = run.progress.loop(self.name).after
        page = await page_of(self._source, self._where, Selection(for_update=True), size=self._size, after=after)
        self._then = run.progress.moved(self.name, page.next, len(page.rows))
        await run.advance(self._then)
        if isinstance(run.executor, GuardedExecutor):
            self._guard = RowsGuard(run.executor, self._source)
            await self._guard.begin(page.rows)
        return page.rows

    async def end(self, error: BaseException | None) -> None:
        """Commit the chunk that is open, or roll it back."""
        scope, self._scope, self._run.open = self._scope, None, None
        guard, self._guard = self._guard, None
        assert scope is not None
        try:
            if guard is not None:
                await guard.end(error)
        except BaseException as lost:
            await scope.__aexit__(type(lost), lost, lost.__traceback__)
            raise
        await scope.__aexit__(None, error, None)
        if error is None:
            self._run.progress = self._then
