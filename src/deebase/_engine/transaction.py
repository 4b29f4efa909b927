"""The public face of a transaction block."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from deebase._engine.block import Block
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

ISOLATION_LEVELS = ("read committed", "repeatable read", "serializable")


class Transaction:
    """What ``async with db.transaction() as tx`` gives: the transaction, or a savepoint in it.

    Example:
        ```python
        async with db.transaction() as tx:
            await users.insert(name="Ada", email="ada@example.com")
        assert tx.outcome == "committed"
        ```
    """

    def __init__(self, executor: Any, *, read_only: bool, isolation: str | None) -> None:
        if isolation is not None and isolation.lower() not in ISOLATION_LEVELS:
            raise InvalidOperationError(
                f"unknown isolation level; the levels are {', '.join(ISOLATION_LEVELS)}",
                operation="transaction",
                hint="leave isolation out for the database's own default",
            )
        self._block = Block(executor, read_only=read_only, isolation=isolation)

    def __repr__(self) -> str:
        kind = "savepoint" if self._block.nested else "transaction"
        return f"<{kind} {self.outcome or ('open' if self._block.open else 'not begun')}>"

    @property
    def outcome(self) -> str | None:
        """None while the block runs, then "committed", "rolled back" or "unknown".

        It is unknown when the link was lost after COMMIT was sent. A savepoint that was committed may
        still be undone by the outer block.
        """
        return self._block.outcome

    @property
    def connection(self) -> AsyncConnection:
        """SQLAlchemy's AsyncConnection of this transaction, for Core statements of your own.

        Raises:
            TransactionError: the block has ended or was aborted by an error.
        """
        return self._block.connection

    async def rollback(self) -> None:
        """Undo the block and leave it at once, without an error.

        Example:
            ```python
            async with db.transaction() as tx:
                await users.insert(name="Ada", email="ada@example.com")
                await tx.rollback()  # nothing behind this line runs
            ```
        """
        self._block.leave()

    async def __aenter__(self) -> Transaction:
        await self._block.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        # Declared so that checkers do not take every block for one that may swallow its errors, which
        # would make `return` inside of one look conditional: only rollback() ends here.
        return await self._block.exit(error)


Transaction.__module__ = "deebase"
