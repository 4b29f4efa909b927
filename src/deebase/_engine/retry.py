"""``db.retry``: a transaction that runs again after a temporary failure."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from deebase.errors import ConnectionError, DeeBaseError, TransactionAbortedError, TransactionError, ValidationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor

T = TypeVar("T")

#: Seconds of the longest pause between two attempts; the pause is random up to its limit.
LONGEST_PAUSE = 1.0


async def retry(
    executor: Executor,
    work: Callable[[], Awaitable[T]],
    *,
    attempts: int,
    isolation: str | None,
    timeout: float | None,
) -> T:
    """Run ``work`` in a new transaction; run it again after a temporary failure."""
    given: object = work
    if not callable(given):
        if inspect.iscoroutine(given):
            given.close()
        raise ValidationError(
            "retry takes a function, which it may call several times, not the result of a call",
            field="work",
            hint="await db.retry(transfer), or await db.retry(lambda: transfer(1, 2))",
        )
    tries: object = attempts
    if type(tries) is not int or tries < 1:
        raise ValidationError(
            "attempts is a number of runs, 1 or more", field="attempts", value=tries, hint="attempts=3"
        )
    scope = executor.current_transaction()
    if scope is not None and not scope.is_test_sandbox:
        raise TransactionError(
            "retry cannot rerun a part of an open transaction", hint="call db.retry outside of db.transaction()"
        )
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    attempt = 1
    while True:
        try:
            async with executor.transaction(isolation=isolation):
                return await work()
        except DeeBaseError as error:
            pause = random.uniform(0, min(LONGEST_PAUSE, 0.01 * 2**attempt))
            late = deadline is not None and loop.time() + pause > deadline
            if attempt >= attempts or late or not _is_transient(error):
                raise
        attempt += 1
        await asyncio.sleep(pause)


def _is_transient(error: DeeBaseError) -> bool:
    """Whether a rerun may succeed: serialization, deadlock, busy, a link lost before COMMIT.

    A write outside of the transaction, such as one of another database, may be stored although its answer was lost:
    a rerun could store it twice.
    """
    if isinstance(error, TransactionAbortedError) and isinstance(error.__cause__, DeeBaseError):
        error = error.__cause__
    return error.outcome != "unknown" and (error.retryable or isinstance(error, ConnectionError))
