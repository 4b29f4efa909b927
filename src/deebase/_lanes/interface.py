"""The interface of connections, as the engine uses them.

A lane is a connection that stays checked out of SQLAlchemy's engine. It runs one statement at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    import asyncio

    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._lanes.acting import Acting, ActingContext
    from deebase._lanes.limits import Allowance
    from deebase._sql.statement import Statement

#: Bound values, in the order in which the driver takes them.
Params: TypeAlias = Sequence[Any]
#: Rows as the driver returns them: tuples, or records.
Rows: TypeAlias = list[Any]
#: Columns as the driver describes them: names, or attributes with name and type.
Columns: TypeAlias = list[Any]
#: The values of one column in some rows.
Values: TypeAlias = Sequence[Any]

T = TypeVar("T")

#: Rows that are handed on by column at once.
COLUMN_ROWS = 4000


class Cursor(Protocol):
    """A result that is read in pieces."""

    @property
    def columns(self) -> Columns:
        """The columns of the result."""
        ...

    @property
    def ends_by_itself(self) -> bool:
        """Whether the database closes the cursor at the end of its transaction."""
        ...

    async def fetch(self) -> Rows:
        """Return the next piece, empty at the end."""
        ...

    async def close(self) -> None:
        """Close the cursor; the lane must be idle unless ``ends_by_itself`` is false."""
        ...


class PooledLane(Protocol):
    """The part of a lane that the pool uses."""

    #: The user of the lane, for messages.
    holder: str
    #: When it was lent or returned last, in seconds of the event loop's clock.
    since: float

    def cut_off(self) -> None:
        """End the running statement, without waiting for it; ``close`` follows."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class Lane(PooledLane, Protocol):
    """A connection with its session, used by one transaction or statement at a time.

    A method that fails raises the error of the driver. A cancelled call ends its statement, or marks the lane as
    broken. None of the methods may run at the same time as another one.
    """

    #: SQLAlchemy's view of the connection.
    connection: AsyncConnection
    #: The connection cannot be trusted: it is closed when it is returned.
    broken: bool
    #: Whether the transaction ends with the next statement, by its result: COMMIT may then travel with it, and a
    #: following ``commit`` returns what it did.
    is_last: Callable[[Any], bool] | None
    #: The answer to a COMMIT that was sent ahead of ``commit``.
    committing: asyncio.Future[Any] | None
    #: Called with each error that SQLAlchemy meets on the connection, while it is lent to the user.
    on_error: Callable[[BaseException], None] | None

    @property
    def in_transaction(self) -> bool:
        """Whether the connection is in a transaction."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the connection is closed."""
        ...

    async def act(self, acting: Acting | None) -> None:
        """See rows of secured tables with these values, and write such rows, from the next statement on."""
        ...

    # -- statements ----------------------------------------------------------------------------

    async def fetch(self, statement: Statement, args: Params) -> Rows:
        """Run a statement and return its rows."""
        ...

    async def count(self, statement: Statement, args: Params) -> int:
        """Run a statement and return the number of rows that it changed."""
        ...

    async def raw_fetch(self, statement: Statement, args: Params) -> tuple[Columns, Rows]:
        """Run a statement of the user and return its columns and rows."""
        ...

    async def parameter_types(self, sql: str) -> list[str]:
        """Return the name of the type of each parameter; none where parameters have no types (SQLite)."""
        ...

    async def many(self, statement: Statement, rows: Sequence[Params]) -> None:
        """Run a statement once per row of parameters."""
        ...

    async def fetch_many(self, statement: Statement, rows: Sequence[Params]) -> Rows:
        """Run a statement once per row of parameters and return the rows of all, in that order."""
        ...

    async def fetch_columns(self, statement: Statement, args: Params, make: Callable[[Sequence[Values]], T]) -> list[T]:
        """Run a statement in a transaction, and return what ``make`` makes of its rows by column, a piece at a time.

        SQLite calls it in the thread of the connection. A result without rows has no piece.
        """
        ...

    async def open_cursor(
        self, statement: Statement, args: Params, size: int, allowance: Allowance | None = None
    ) -> Cursor:
        """Open a cursor that reads ``size`` rows at once; a transaction must be open.

        Args:
            statement: the query.
            args: its parameters.
            size: the rows of a piece.
            allowance: the limits of a statement that is not trusted, and can only read.

        Raises:
            InvalidOperationError: the statement is not trusted and does more than read.
        """
        ...

    # -- transactions --------------------------------------------------------------------------

    async def begin(self, *, read_only: bool, isolation: str | None) -> None:
        """Begin a transaction, or have it begun by its first statement, which then raises what BEGIN does."""
        ...

    async def flush(self) -> None:
        """Begin the transaction now, and set its savepoints, before the driver is used directly."""
        ...

    async def set_savepoint(self, name: str, *, read_only: bool = False) -> None:
        """Set a savepoint, or have it set by the next statement; ``read_only`` if nothing is written after it."""
        ...

    async def release_savepoint(self, name: str, *, read_only: bool = False) -> None:
        """Release a savepoint and keep the changes after it, at once or with the next statement."""
        ...

    async def undo_savepoint(self, name: str, *, read_only: bool = False) -> None:
        """Undo all changes after a savepoint, and release it."""
        ...

    def send_commit(self) -> asyncio.Future[Any] | None:
        """Send COMMIT for a following ``commit``, if that is all to end the transaction; None otherwise.

        A task that waits for the answer gets it even if it is cancelled meanwhile. It is cancelled afterwards.
        """
        ...

    async def commit(self) -> None:
        """Commit the transaction.

        Raises:
            RolledBack: the database rolled the transaction back instead.
        """
        ...

    def commit_reached(self, error: BaseException) -> Literal["unsent", "too late", "sent"]:
        """Return how far a failed COMMIT got.

        "unsent": the driver sent nothing. "too late": the database had ended the transaction before. "sent": it may
        have been carried out.
        """
        ...

    async def roll_back(self) -> None:
        """Roll back the transaction, if one is open."""
        ...

    def lend(self, on_error: Callable[[BaseException], None]) -> None:
        """Prepare for statements of the user that SQLAlchemy runs on ``connection``."""
        ...

    def failed(self, error: BaseException) -> None:
        """Record an error of a statement, and mark the lane as broken if the connection cannot be used after it."""
        ...

    async def settle(self) -> None:
        """Reset the session after a transaction, for the next task."""
        ...

    # -- the pool ------------------------------------------------------------------------------

    def ends(self) -> None:
        """Announce that the lane is about to be returned, so that tasks keep waiting for it."""
        ...

    def release(self) -> None:
        """Return the lane to its pool, which closes it if it is broken or lost."""
        ...


class Lanes(Protocol):
    """The lanes of one database in one event loop.

    ``fetch``, ``count`` and ``raw_fetch`` run one statement outside of a transaction: they wait for a lane up to the
    timeout (BusyError), run the statement, commit it and return the lane. Errors are those of the driver.
    """

    #: For which values each task acts.
    acting: ActingContext

    @property
    def in_use(self) -> int:
        """The number of lanes in use."""
        ...

    @property
    def schema_lock(self) -> Statement | None:
        """The statement that keeps other processes from changing the schema until the transaction ends.

        None if the database has one writer at a time.
        """
        ...

    @property
    def position(self) -> Statement | None:
        """The statement that returns the position of the last commit; None if the database has no replicas."""
        ...

    def fetch(self, statement: Statement, args: Params) -> Awaitable[Rows]:
        """Run a statement and return its rows."""
        ...

    def runs_at_once(self, statement: Statement) -> bool:
        """Whether ``fetch`` would have the rows of a statement before the next turn of the event loop."""
        ...

    def count(self, statement: Statement, args: Params) -> Awaitable[int]:
        """Run a statement and return the number of rows that it changed."""
        ...

    def raw_fetch(self, statement: Statement, args: Params) -> Awaitable[tuple[Columns, Rows]]:
        """Run a statement of the user and return its columns and rows."""
        ...

    async def fetch_arrow(self, statement: Statement, args: Params) -> Any:
        """Return the result of a statement as an Arrow table with the types of the driver for Arrow.

        Returns:
            The table; None if rows have to be read, because no such driver is there or gives the same.
        """
        ...

    async def acquire(self, holder: str, *, write: bool, streams: bool = False) -> Lane:
        """Lend a lane to a transaction or a stream, which calls its ``release``.

        Args:
            holder: the user of the lane, for messages.
            write: whether it must be able to write.
            streams: while the lane is in use, code of the user runs that may need another lane.

        Raises:
            BusyError: no lane became free within the timeout.
        """
        ...

    async def close(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for running operations, then close every lane."""
        ...


class RolledBack(Exception):
    """The database answered a COMMIT with a rollback."""
