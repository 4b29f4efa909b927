"""The public class of a transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Transaction(ABC):
    """The transaction that ``async with db.transaction() as tx`` returns, or a savepoint in it.

    Example:
        ```python
        async with db.transaction() as tx:
            await users.insert(name="Ada", email="ada@example.com")
        assert tx.outcome == "committed"
        ```
    """

    @property
    @abstractmethod
    def outcome(self) -> str | None:
        """None while the block runs, then "committed", "rolled back" or "unknown".

        It is unknown if the link was lost after COMMIT was sent. The outer block may still undo a savepoint that was
        committed.
        """

    @property
    @abstractmethod
    def connection(self) -> AsyncConnection:
        """SQLAlchemy's AsyncConnection of this transaction, for your own Core statements.

        Raises:
            TransactionError: the block has ended or was aborted by an error.
        """

    @abstractmethod
    async def rollback(self) -> None:
        """Undo the block and leave it at once, without an error.

        Example:
            ```python
            async with db.transaction() as tx:
                await users.insert(name="Ada", email="ada@example.com")
                await tx.rollback()  # nothing after this line runs
            ```
        """

    @abstractmethod
    async def __aenter__(self) -> Transaction: ...

    # Declared as returning None, too, so that checkers do not take every block for one that may swallow its errors,
    # which would make `return` inside of one look conditional: only rollback() ends here.
    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None: ...


Transaction.__module__ = "deebase"
