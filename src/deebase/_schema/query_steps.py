"""Runs the queries of a part of a backend that does no I/O."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from deebase._backends.protocols import Query, Steps
from deebase._engine.executor import Executor
from deebase._sql.statement import Statement
from deebase.errors import DeeBaseError

T = TypeVar("T")


async def run_steps(executor: Executor, steps: Steps[T]) -> T:
    """Send the queries of a generator, give it their rows, and return its result.

    Raises:
        DeeBaseError: a query failed; errors of guarded queries are thrown into the generator, which may handle them.
    """
    try:
        query = next(steps)
        while True:
            try:
                rows = await _send(executor, query)
            except DeeBaseError as error:
                if not query.guarded:
                    raise
                query = steps.throw(error)
            else:
                query = steps.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


async def _send(executor: Executor, query: Query) -> list[Any]:
    # A savepoint: after an error PostgreSQL rejects all further statements of the transaction.
    guard: AbstractAsyncContextManager[object] = nullcontext()
    if query.guarded and executor.current_transaction() is not None:
        guard = executor.transaction()
    async with guard:
        return await executor.fetch(Statement(query.sql, reads=query.reads), query.args)
