"""The executor of a Database that only reads: it refuses writes, and lets the database check what is not trusted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from copy import copy
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Never, TypeVar

from deebase._backends.protocols import ErrorTranslator, Settings
from deebase._engine.executor import Executor
from deebase._engine.loops import LoopResources
from deebase._engine.transaction_scope import TransactionScope
from deebase._lanes.interface import COLUMN_ROWS, Columns, Lane, Params, Rows, Values
from deebase._lanes.limits import UNLIMITED, Allowance, Limits
from deebase._lanes.shield import run_shielded
from deebase._sql.keyed import KeyedRead
from deebase._sql.read_only import only_reads
from deebase._sql.statement import Statement
from deebase.errors import InvalidOperationError, QueryTimeoutError, TransactionError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


T = TypeVar("T")
DB = TypeVar("DB")

#: The seconds after its limit in which a statement has to end; its connection is closed then.
GRACE = 1.0
_AFTER = 0.01


class ReadingExecutor(Executor):
    """Sends statements that only read, on connections that cannot write.

    Attributes:
        limits: the limits of each statement.
    """

    only_reads = True

    def __init__(self, settings: Settings, errors: ErrorTranslator, *, echo: bool = False, coalesce: bool = True):
        super().__init__(settings, errors, echo=echo, coalesce=coalesce)
        self.limits: Limits = UNLIMITED
        self._base: ReadingExecutor | None = None

    @classmethod
    def beside(cls, executor: Executor, limits: Limits) -> ReadingExecutor:
        """Return an executor with limits that reads beside another one; closing it leaves the connections open.

        Those of an executor that may write are not used: the first call makes others, which cannot.
        """
        base = executor if isinstance(executor, cls) else executor.reading
        if not isinstance(base, cls):
            settings = replace(executor.settings.backend.reading(executor.settings), replicas=None)
            base = executor.reading = cls(settings, executor._errors, coalesce=False)
            base._level, base._recordings = executor._level, executor._recordings
            base.acting = base._loops.acting = executor.acting
        made = copy(base)
        made.limits, made._base, made._coalesces = limits, base._base or base, False
        return made

    def resources(self) -> LoopResources:
        """See ``Executor``."""
        if self._base is None:
            return super().resources()
        if self.closed:
            raise InvalidOperationError(
                "this block of read_only() has ended", operation="read", hint="read inside of the block"
            )
        return self._base.resources()

    async def close(self, timeout: float) -> None:
        """See ``Executor``."""
        if self._base is None:
            await super().close(timeout)
        self.closed = True

    @property
    def engine(self) -> AsyncEngine:
        """Refuse: SQLAlchemy's engine would run any statement."""
        raise only_reads("engine")

    # -- statements that read ------------------------------------------------------------------

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """See ``Executor``."""
        if not statement.reads:
            raise only_reads()
        if self._is_harmless():
            return await super().fetch(statement, args)
        allowance = Allowance(self.limits, COLUMN_ROWS)
        rows: Rows = []
        async with aclosing(self._pieces(statement, args, allowance, streams=False)) as pieces:
            async for _, piece in pieces:
                rows += piece
        return self._complete(rows, allowance)

    def _is_harmless(self) -> bool:
        """Whether a statement that DeeBase generated needs neither limits nor a check by the database."""
        return self.limits == UNLIMITED and self.backend.capabilities.tokens.has_authorizer

    def _complete(self, rows: T, allowance: Allowance) -> T:
        if allowance.truncated:
            raise self.limits.too_many()
        return rows

    def fetch_by_key(self, read: KeyedRead, args: Params, *, waits: bool = False) -> Awaitable[Rows]:
        """See ``Executor``: reads share a statement only if nothing has to be checked or limited."""
        return (
            super().fetch_by_key(read, args, waits=waits) if self._is_harmless() else self.fetch(read.statement, args)
        )

    async def fetch_arrow(self, statement: Statement, args: Params) -> None:
        """See ``Executor``: rows have to be read."""

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        """See ``Executor``."""
        rows = await self.fetch(statement, args)
        pieces = [rows[start : start + COLUMN_ROWS] for start in range(0, len(rows), COLUMN_ROWS)]
        return [make(list(zip(*piece, strict=True))) for piece in pieces]

    async def stream(
        self,
        statement: Statement,
        args: Params,
        size: int,
        *,
        allowance: Allowance | None = None,
        streams: bool = True,
    ) -> AsyncGenerator[tuple[Columns, Rows], None]:
        """See ``Executor``.

        Args:
            statement: the query.
            args: its parameters.
            size: rows of a piece.
            allowance: of the SQL of a user; it tells afterwards whether rows are missing, which is no error then.
            streams: code of the user runs in between.
        """
        own = Allowance(self.limits, size) if allowance is None else allowance
        if allowance is None and not statement.reads:
            raise only_reads()
        async with aclosing(self._pieces(statement, args, own, streams=streams)) as pieces:
            async for piece in pieces:
                yield piece
        if allowance is None:
            self._complete(None, own)

    async def _pieces(
        self, statement: Statement, args: Params, allowance: Allowance, *, streams: bool
    ) -> AsyncGenerator[tuple[Columns, Rows], None]:
        self._note(statement)
        scope, own = await self.settled_transaction(), None
        failed: BaseException | None = None
        if scope is None:
            scope = own = TransactionScope(self, read_only=True)
            await own.begin(streams=streams)
        try:
            opening = scope.open_cursor(statement, args, 1, allowance)
            cursor = await self._in_time(scope, allowance, opening)
            try:
                while not allowance.ended:
                    rows = await self._in_time(scope, allowance, scope.run(lambda _: cursor.fetch(), statement))
                    yield cursor.columns, rows
            finally:
                await run_shielded(scope.close_cursor(cursor, last=own is not None))
        except BaseException as error:
            failed = error
            raise
        finally:
            if own is not None:
                await own.end(failed)

    async def _in_time(self, scope: TransactionScope, allowance: Allowance, work: Awaitable[T]) -> T:
        """Wait for the database, which ends the statement itself; close the connection if it does not."""
        limit = None if math.isinf(allowance.seconds) else max(allowance.seconds, 0.0) + GRACE
        lane = scope.state.lane
        # Before the statement is cancelled, which waits for its end.
        cut = None if limit is None else asyncio.get_running_loop().call_later(limit, lane.cut_off)
        try:
            async with asyncio.timeout(None if limit is None else limit + _AFTER):
                return await work
        except TimeoutError as error:
            raise self.limits.too_slow() from error
        except QueryTimeoutError as error:
            raise error if self.limits.seconds is None else self.limits.too_slow() from error
        finally:
            if cut is not None:
                cut.cancel()

    # -- transactions, and everything that writes ----------------------------------------------

    def transaction(self, *, read_only: bool = False, isolation: str | None = None) -> TransactionScope:
        """See ``Executor``: only a transaction that reads begins."""
        if not read_only and self.current_transaction() is None:
            raise only_reads("transaction")
        return _ReadingScope(self, read_only=read_only, isolation=isolation)

    async def _refuse(self) -> Never:
        raise only_reads()

    async def count(self, statement: Statement, args: Params) -> int:
        """Refuse: nothing that changes rows is sent."""
        await self._refuse()

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Refuse: the SQL of the user is checked by ``stream``."""
        await self._refuse()

    async def _run_inside(self, action: Callable[[Lane], Awaitable[T]], *statements: Statement) -> T:
        await self._refuse()


class _ReadingScope(TransactionScope):
    """A transaction that only reads."""

    @property
    def connection(self) -> AsyncConnection:
        """Refuse: SQLAlchemy's connection would run any statement."""
        raise only_reads("connection")


class ReadOnlyBlock(Generic[DB]):
    """What ``Database.read_only`` returns.

    Args:
        executor: of the Database outside of the block.
        opened: returns the Database of the block.

    Example:
        ```python
        async with db.read_only() as ro:
            n = await ro.item("SELECT count(*) FROM post")
        ```
    """

    def __init__(self, executor: Executor, opened: Callable[[], AbstractAsyncContextManager[DB]]) -> None:
        self._executor = executor
        self._open = opened
        self._opened: AbstractAsyncContextManager[DB] | None = None

    async def __aenter__(self) -> DB:
        if self._opened is not None:
            raise TransactionError("a block can be used only once", hint="call db.read_only() again")
        if await self._executor.settled_transaction() is not None:
            raise TransactionError(
                "read_only() has connections of its own, which do not see this transaction",
                hint="open it outside of the transaction; db.transaction(read_only=True) is for SQL that you trust",
            )
        self._opened = self._open()
        return await self._opened.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(kind, error, traceback)
