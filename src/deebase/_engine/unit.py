"""What the blocks of one database transaction share: its lane, and whose turn it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from deebase.errors import BusyError, ConnectionError, TransactionAbortedError, TransactionError

if TYPE_CHECKING:
    from deebase._engine.block import Block
    from deebase._engine.executor import Executor


#: Turns of the event loop in which asyncio closes a generator without references, and those inside of it.
TURNS_TO_CLOSE = 20

ABORTED_HINT = (
    "to survive an expected failure put the statement in a nested `async with db.transaction():` "
    "and catch the error outside of that block"
)


class Unit:
    """What the blocks of one database transaction share: the lane and whose turn it is."""

    __slots__ = ("_waiters", "blocks", "busy", "cursors", "executor", "lane", "lanes", "lost", "write")

    def __init__(self, executor: Executor, lanes: Any, lane: Any, *, write: bool) -> None:
        self.executor = executor
        self.lanes = lanes
        self.lane = lane
        self.write = write
        self.blocks: list[Block] = []
        self.busy = False
        #: Open cursors of streams.
        self.cursors = 0
        #: The error that ended the whole transaction in the database, if one did.
        self.lost: BaseException | None = None
        self._waiters: deque[tuple[Block | None, asyncio.Future[None]]] = deque()

    async def acquire(self, block: Block | None) -> None:
        """Wait until no statement runs and ``block`` is the innermost one; with None, whichever is."""
        if not self.busy and block in (None, self.blocks[-1]) and not self._waiters:
            self.busy = True
            return
        if block not in (None, self.blocks[-1]):
            await self.blocks[-1].refuse_consumer()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((block, future))
        self._wake()
        try:
            async with asyncio.timeout(self.executor.timeout or None):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release()
            if isinstance(error, TimeoutError):
                raise BusyError(
                    f"a statement waited {self.executor.timeout:g} s for its turn in the transaction",
                    hint="do not wait inside a nested db.transaction() for a task of the outer block",
                ) from error
            raise

    async def acquire_last(self) -> bool:
        """Wait until no statement runs, whichever block is the innermost one; False when the transaction is over."""
        if self.blocks and self.lost is None:
            with contextlib.suppress(TransactionError):
                # Not for the block that is the innermost one now: a nested one may begin meanwhile, and last.
                await self.acquire(None)
                return True
        return False

    async def close_left_cursors(self) -> None:
        """Wait until the streams have closed their cursors whose loops were left.

        Nothing refers to those any more, and asyncio closes them in one of the next turns.
        """
        for _ in range(TURNS_TO_CLOSE):
            if not self.cursors:
                return
            await asyncio.sleep(0)

    def release(self) -> None:
        """Let the next one have its turn."""
        self.busy = False
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        waiting, self._waiters = self._waiters, deque()
        for block, future in waiting:
            if future.done():
                continue
            if not self.blocks or block not in (None, *self.blocks):
                future.set_exception(ended())
            elif not self.busy and block in (None, self.blocks[-1]):
                self.busy = True
                future.set_result(None)
            else:
                self._waiters.append((block, future))


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
        hint="run the whole transaction again, or use db.retry; the server also ends a transaction in which nothing "
        "is asked for longer than idle_timeout",
    )


def aborted(cause: BaseException) -> TransactionAbortedError:
    """Return the error of a transaction that an earlier error aborted."""
    error = TransactionAbortedError(
        f"the transaction was aborted by an earlier error ({type(cause).__name__}): nothing of it is saved",
        hint=ABORTED_HINT,
    )
    error.__cause__ = cause
    return error
