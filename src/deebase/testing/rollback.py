"""Blocks that leave a database as it was before."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from deebase._engine.core import core_of
from deebase._engine.sandbox import RollbackSandbox
from deebase.database import Database
from deebase.errors import TransactionError


def install_sandbox(db: Database) -> RollbackSandbox:
    """Install a transaction that everything done with a database joins, and return it."""
    executor = core_of(db).executor
    if executor.current_transaction() is not None:
        raise TransactionError(
            "this database is in a transaction already",
            hint="begin the rollback outside of db.transaction(), and once",
        )
    sandbox = RollbackSandbox(executor)
    sandbox.install()
    return sandbox


@asynccontextmanager
async def rollback(db: Database) -> AsyncGenerator[Database]:
    """Undo, at the end of the block, everything that was done with a database in it.

    Inside the block the code under test may do everything that it does elsewhere: statements, ``db.transaction()``,
    ``db.retry``, tasks. An error undoes its statement or its block alone. Rows that the code commits are visible
    through this ``Database`` only, and are undone at the end, as are changes of tables.

    Args:
        db: the database. All tasks that use this object during the block take part; transactions of two tasks
            wait for each other.

    Raises:
        TransactionError: the block is inside ``db.transaction()``, or inside another ``rollback``.

    Example:
        ```python
        async with rollback(db):
            await users.insert(name="Eve", email="eve@example.com")
        assert not await users.exists(email="eve@example.com")
        ```
    """
    sandbox = install_sandbox(db)
    try:
        yield db
    finally:
        await sandbox.undo()
