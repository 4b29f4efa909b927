"""A database that migrations run in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sqlalchemy.engine import Dialect

from deebase._backends.migration_protocols import MigrationSupport
from deebase._backends.protocols import Settings
from deebase._engine.core import core_of
from deebase._sqltext.capabilities import Capabilities, capabilities_of
from deebase.database import Database, database_on
from deebase.migrations.ledger import Ledger

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._engine.executor import Executor
    from deebase._sql.statement import Statement

T = TypeVar("T")


class Target:
    """The real database, or a scratch database; implements ``Connected`` for the parts of its backend.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.executor: Executor = core_of(db).executor
        self.settings: Settings = self.executor.settings
        self.dialect: Dialect = self.settings.dialect
        self.capabilities: Capabilities = capabilities_of(self.dialect)
        self.support: MigrationSupport = self.settings.backend.migrations

    @cached_property
    def ledger(self) -> Ledger:
        """The table of the migrations that the database has."""
        return Ledger(self)

    @property
    def identity(self) -> object:
        """See ``Connected``."""
        return self.executor

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """See ``Connected``."""
        return await self.executor.fetch(statement, args)

    async def on_lane(self, action: Callable[[Any], Awaitable[T]]) -> T:
        """See ``Connected``."""
        block = self.executor.current.get()
        assert block is not None
        return await block.run(action)

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[AsyncConnection, None]:
        """See ``Connected``."""
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self.executor.engine.connect())
                await connection.execution_options(isolation_level="AUTOCOMMIT")
            except Exception as error:
                self.fail(error)
            yield connection

    def fail(self, error: Exception) -> NoReturn:
        """See ``Connected``."""
        self.executor.raise_translated(error)

    def handle(self, executor: Executor | None = None) -> Database:
        """Return a handle on the same database, and the same transactions, that knows no tables yet.

        A migration sees what the database holds, not what the program has registered so far, and one that fails
        leaves nothing behind in the handles of the program.

        Args:
            executor: runs its statements; by default that of the database.
        """
        return database_on(core_of(self.db).separate(executor))

    async def reflected(self) -> Database:
        """Return a handle that knows all tables and views."""
        own = self.handle()
        await own.reflect()
        return own

    @asynccontextmanager
    async def scratch(self, *, bare: bool = False) -> AsyncGenerator[Target, None]:
        """Give an empty database of the same kind, for the length of the block.

        On SQLite it is a file in a temporary directory, on PostgreSQL a database of the same server, so that nothing
        that a migration names reaches the real one.

        Args:
            bare: without the extensions of this database.

        Raises:
            MigrationError: the user may not create databases.
        """
        async with self.support.scratch(self) as opened, Database(opened.target, **opened.options) as db:
            made = Target(db)
            await self.support.create_schema(self, made)
            if not bare:
                await self.support.create_extensions(self, made)
            yield made
