"""Blocks after which a database is as it was before."""

from __future__ import annotations

# pyright: reportPrivateUsage=false
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from deebase._engine.core import core_of
from deebase._engine.sandbox import RollbackSandbox
from deebase.database import Database
from deebase.errors import TransactionError


def hold(db: Database) -> RollbackSandbox:
    """Have everything done with a database go into one transaction, and return that."""
    if core_of(db).executor.current_transaction() is not None:
        raise TransactionError(
            "this database is in a transaction already",
            hint="begin the rollback outside of db.transaction(), and once",
        )
    held = RollbackSandbox(core_of(db).executor)
    held.install()
    return held


@asynccontextmanager
async def rollback(db: Database) -> AsyncGenerator[Database]:
    """Undo everything at the end of the block that was done with a database in it.

    Inside the block the code under test may do all it does elsewhere: its statements, its ``db.transaction()`` and
    ``db.retry``, its tasks. An error undoes its statement or its block alone. What it commits is seen through this
    ``Database`` and by nobody else, and undone at the end, tables included.

    Args:
        db: the database. All tasks that use this object meanwhile are part of it; transactions of two tasks
            wait for each other.

    Raises:
        TransactionError: the block is inside of ``db.transaction()``, or of another ``rollback``.

    Example:
        ```python
        async with rollback(db):
            await users.insert(name="Eve", email="eve@example.com")
        assert not await users.exists(email="eve@example.com")
        ```
    """
    held = hold(db)
    try:
        yield db
    finally:
        await held.undo()
