"""``db.retry``: a transaction that runs again after a temporary failure."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from deebase.errors import ConnectionError, DeeBaseError, TransactionAbortedError, TransactionError, ValidationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor

T = TypeVar("T")

#: Seconds of the longest pause between two attempts; the pause is random up to its limit.
LONGEST_PAUSE = 1.0


class Attempts:
    """How often a function runs, and when again.

    Args:
        work: the function.
        attempts: how often it runs at most.
        timeout: seconds after which no further attempt begins.

    Raises:
        ValidationError: the result of a call is passed instead of a function; attempts is not 1 or more.
    """

    def __init__(self, work: Callable[[], Any], attempts: int, timeout: float | None) -> None:
        given: object = work
        if not callable(given):
            if inspect.iscoroutine(given):
                given.close()
            raise ValidationError(
                "retry takes a function, which it may call several times, not the result of a call",
                field="work",
                hint="await db.retry(transfer), or await db.retry(lambda: transfer(1, 2))",
            )
        number: object = attempts
        if type(number) is not int or number < 1:
            raise ValidationError(
                "attempts is a number of runs, 1 or more", field="attempts", value=number, hint="attempts=3"
            )
        self._left = attempts
        self._number = 0
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def pause_after(self, error: DeeBaseError) -> float:
        """Return the seconds to wait before the next attempt; raise the error if there is none."""
        self._number += 1
        self._left -= 1
        pause = random.uniform(0, min(LONGEST_PAUSE, 0.01 * 2**self._number))
        is_late = self._deadline is not None and time.monotonic() + pause > self._deadline
        if self._left <= 0 or is_late or not _is_transient(error):
            raise error
        return pause


def must_be_outermost(executor: Executor) -> None:
    """Refuse to run a part of an open transaction again.

    Raises:
        TransactionError: a transaction is open.
    """
    scope = executor.current_transaction()
    if scope is not None and not scope.is_test_sandbox:
        raise TransactionError(
            "retry cannot rerun a part of an open transaction", hint="call db.retry outside of db.transaction()"
        )


async def retry(
    executor: Executor,
    work: Callable[[], Awaitable[T]],
    *,
    attempts: int,
    isolation: str | None,
    timeout: float | None,
) -> T:
    """Run ``work`` in a new transaction; run it again after a temporary failure."""
    tries = Attempts(work, attempts, timeout)
    must_be_outermost(executor)
    while True:
        try:
            async with executor.transaction(isolation=isolation):
                return await work()
        except DeeBaseError as error:
            pause = tries.pause_after(error)
        await asyncio.sleep(pause)


def _is_transient(error: DeeBaseError) -> bool:
    """Whether a rerun may succeed: serialization, deadlock, busy, a link lost before COMMIT.

    A write outside of the transaction, such as one of another database, may be stored although its answer was lost:
    a rerun could store it twice.
    """
    if isinstance(error, TransactionAbortedError) and isinstance(error.__cause__, DeeBaseError):
        error = error.__cause__
    return error.outcome != "unknown" and (error.retryable or isinstance(error, ConnectionError))
