"""The state that the scopes of one database transaction share: its lane, whose turn it is, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from deebase._lanes.interface import Lane, RolledBack
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase.errors import (
    BusyError,
    CommitOutcomeUnknownError,
    ConnectionError,
    TransactionAbortedError,
    TransactionError,
)

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase._engine.transaction_scope import TransactionScope

#: Turns of the event loop in which asyncio closes a generator without references, and the generators inside of it.
TURNS_TO_CLOSE = 20

ABORTED_HINT = (
    "if a failure is expected, put the statement in a nested `async with db.transaction():` "
    "and catch the error outside of that block"
)

_COMMIT = Statement("COMMIT")


class TransactionState:
    """The state that the scopes of one database transaction share.

    Attributes:
        lane: the connection of the transaction.
        scopes: the open scopes, from the transaction itself to the innermost savepoint.
        busy: whether a statement runs.
        cursors: number of open cursors of streams.
        lost: the error that ended the whole transaction in the database, if one did.
    """

    __slots__ = ("_executor", "_waiters", "busy", "cursors", "lane", "lost", "scopes")

    def __init__(self, executor: Executor, lane: Lane) -> None:
        self._executor = executor
        self._waiters: deque[tuple[TransactionScope | None, asyncio.Future[None]]] = deque()
        self.lane: Lane = lane
        self.scopes: list[TransactionScope] = []
        self.busy: bool = False
        self.cursors: int = 0
        self.lost: BaseException | None = None

    # -- whose turn it is ----------------------------------------------------------------------

    def take_turn(self, scope: TransactionScope | None) -> bool:
        """Take the turn if no statement runs or waits, and ``scope`` is the innermost one; return whether it did."""
        if self.busy or self._waiters or scope not in (None, self.scopes[-1]):
            return False
        self.busy = True
        return True

    async def acquire(self, scope: TransactionScope | None) -> None:
        """Wait until no statement runs and ``scope`` is the innermost one; with None, any scope will do."""
        if self.take_turn(scope):
            return
        if scope not in (None, self.scopes[-1]):
            await self.scopes[-1].refuse_consumer()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((scope, future))
        self._wake()
        timeout = self._executor.timeout
        try:
            async with asyncio.timeout(timeout or None):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            if isinstance(error, TimeoutError):
                raise BusyError(
                    f"a statement waited {timeout:g} s for its turn in the transaction",
                    hint="do not wait inside a nested db.transaction() for a task of the outer block",
                ) from error
            raise

    async def acquire_last(self) -> bool:
        """Wait until no statement of any scope runs; return False if the transaction has ended."""
        if self.scopes and self.lost is None:
            with contextlib.suppress(TransactionError):
                # Do not wait for a particular scope: a nested one may begin meanwhile and end later.
                await self.acquire(None)
                return True
        return False

    def refuse_others(self) -> None:
        """Refuse the statements that wait for their turn: the transaction is committed with the one that ran."""
        waiting, self._waiters = self._waiters, deque()
        for _, future in waiting:
            if not future.done():
                future.set_exception(ended())

    async def close_left_cursors(self) -> None:
        """Wait until abandoned streams have closed their cursors.

        No references to those streams are left, and asyncio closes them in one of the next turns.
        """
        for _ in range(TURNS_TO_CLOSE):
            if not self.cursors:
                return
            await asyncio.sleep(0)

    def release(self) -> None:
        """Start the next waiting statement."""
        self.busy = False
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, deque()
        for scope, future in waiting:
            if future.done():
                continue
            if not self.scopes or scope not in (None, *self.scopes):
                future.set_exception(ended())
            elif not self.busy and scope in (None, self.scopes[-1]):
                self.busy = True
                future.set_result(None)
            else:
                self._waiters.append((scope, future))

    # -- how it begins and ends ----------------------------------------------------------------

    async def begin(self, *, read_only: bool, isolation: str | None) -> None:
        """Begin the transaction; if that fails, the lane is returned."""
        try:
            await self.lane.begin(read_only=read_only, isolation=isolation)
        except BaseException as error:
            self.lane.failed(error)
            await run_shielded(self._abandon())
            self._executor.raise_translated(error)

    @property
    def is_sound(self) -> bool:
        """Whether the transaction is open and its connection intact."""
        lane = self.lane
        return self.lost is None and not lane.lost and not lane.broken and lane.in_transaction

    async def commit(self) -> None:
        """Commit the transaction.

        Raises:
            TransactionAbortedError: nothing was saved.
            CommitOutcomeUnknownError: the link was lost after COMMIT was sent.
        """
        lane = self.lane
        if lane.lost or lane.broken:
            raise aborted(link_lost())
        if not lane.in_transaction:
            raise TransactionAbortedError("the database ended the transaction before its COMMIT", hint=ABORTED_HINT)
        try:
            await lane.commit()
        except RolledBack as error:
            raise TransactionAbortedError(
                "a failed statement aborted the transaction: nothing was saved", hint=ABORTED_HINT
            ) from error
        except BaseException as error:
            reached = lane.commit_reached(error)
            if reached == "unsent":
                lost = link_lost()
                raise aborted(lost) from lost
            if reached == "sent" and _has_no_answer(lane, error):
                lane.broken = True
                raise CommitOutcomeUnknownError(
                    "the link was lost at COMMIT: the transaction may be saved or not",
                    hint="check whether its changes are stored before you repeat them",
                ) from error
            await self.roll_back()
            self._executor.raise_translated(error, _COMMIT)

    async def roll_back(self) -> None:
        """Roll back the transaction, unless it has ended."""
        lane = self.lane
        if lane.lost or lane.broken or not lane.in_transaction:
            return
        try:
            await lane.roll_back()
        except BaseException:
            # A lane that cannot roll back is closed, which makes the database roll back.
            lane.broken = True

    async def give_back(self) -> None:
        """Return the lane."""
        lane = self.lane
        lane.on_error = None
        if lane.connection.get_transaction() is not None:
            # The transaction that SQLAlchemy records for statements on tx.connection.
            with contextlib.suppress(Exception):
                await lane.connection.rollback()
        try:
            await lane.settle()
        except BaseException:
            lane.broken = True
        finally:
            lane.release()

    async def _abandon(self) -> None:
        """Return a lane whose BEGIN failed or was cancelled, perhaps before it ran."""
        lane = self.lane
        try:
            # Always roll back: a statement that opens the transaction may still run.
            if not lane.lost and not lane.broken:
                await lane.roll_back()
                await lane.settle()
        except BaseException:
            lane.broken = True
        finally:
            lane.release()


def _has_no_answer(lane: Lane, error: BaseException) -> bool:
    """Whether a COMMIT failed without an answer of the database."""
    # A broken lane counts too: the last error of a server that shuts down is not an answer to COMMIT.
    return lane.lost or lane.broken or not isinstance(error, Exception) or isinstance(error, (TimeoutError, OSError))


def ended() -> TransactionError:
    """Return the error of a statement whose transaction is over."""
    return TransactionError(
        "the transaction of this task has ended: nothing was done",
        hint="await the task inside the block, or start it outside so that it commits on its own",
    )


def link_lost() -> ConnectionError:
    """Return the error of a transaction whose link was lost before its COMMIT."""
    return ConnectionError(
        "the link to the database was lost before COMMIT",
        hint="run the whole transaction again, or use db.retry; the server also ends a transaction that is idle "
        "for longer than idle_timeout",
    )


def aborted(cause: BaseException) -> TransactionAbortedError:
    """Return the error of a transaction that an earlier error aborted."""
    error = TransactionAbortedError(
        f"the transaction was aborted by an earlier error ({type(cause).__name__}): none of its changes is saved",
        hint=ABORTED_HINT,
    )
    error.__cause__ = cause
    return error
