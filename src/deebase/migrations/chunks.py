"""Changing many rows in a migration: in chunks, each committed together with its position in the ledger."""

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

#: The run that the code of a migration belongs to.
_running: ContextVar[Run | None] = ContextVar("deebase_migration_in_chunks", default=None)


class Run:
    """One run of a migration in chunks; as a context manager it ends the chunk that is left open.

    Args:
        executor: the executor of the database.
        ledger: stores the progress.
        name: the name of the migration.
        progress: the progress of earlier runs.
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
            f"the loop over chunked() of {name} was left before it finished, and its last chunk was not saved",
            operation="chunked",
            target=name,
            hint="give conditions to chunked() instead of break or return",
        )
        await self.open.end(left)
        if error is None:
            raise left

    def around(self, work: Callable[[Database], Awaitable[None]]) -> Callable[[Database], Awaitable[None]]:
        """Wrap a function of a migration so that it belongs to this run."""

        async def within(db: Database) -> None:
            async with self:
                await work(db)

        return within

    def named(self, name: str | None, table: str) -> str:
        """Return the name of a loop, which identifies its position; a free one if none is given."""
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
        """Lock the row of the migration until the transaction ends.

        Raises:
            MigrationError: another program has continued it.
        """
        if await self._ledger.progress_of(self._name) != self.progress.text:
            raise MigrationError(
                f"another program continues {self._name}",
                hint=f"let it finish; {either('status()', 'status')} shows its progress",
            )

    async def advance(self, progress: ChunkProgress) -> None:
        """Store the progress, in the transaction of the chunk."""
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
    """Iterate over the rows of a table in chunks, in a migration with ``resumable = True``.

    The body of the loop and the position in the ledger are one transaction per chunk: after a run that fails, or is
    cancelled or killed, the next ``up()`` continues with the unfinished chunk, and no chunk is done twice. Code outside
    of loops runs again. On PostgreSQL the rows of a chunk are locked until it is committed.

    Args:
        table: the table, which needs a key; its rows come in the order of the key.
        *conditions_: conditions, as in a call of the table.
        size: rows per chunk, 1 to 10,000.
        name: identifies the loop; by default the name of the table, with a number from its second loop on.
        where: SQL text, with ``params``.
        params: the parameters of ``where``.
        **keywords: conditions by column.

    Returns:
        An asynchronous iterator over lists of rows.

    Raises:
        InvalidOperationError: the migration lacks ``resumable = True``; the table has no key; or the loop is inside of
            another one, in a transaction or in another task.
        ValidationError: the size is out of range, or two loops have the same name.

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
    return Chunks(run, source, conditions(source, conditions_, keywords, where, params), size, name)


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
        """Refuse a loop whose chunks would not be transactions of their own."""
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
        """Commit the open chunk, or roll it back."""
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
