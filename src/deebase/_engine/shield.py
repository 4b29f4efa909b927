"""Work that must run to its end whatever happens to the task that asked for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")


def _shield_scope() -> AbstractContextManager[Any]:
    # A cancelled anyio scope cancels its task again on every turn of the loop, so waiting the
    # cancellation out would spin; a shielded scope holds it back until the work is done.
    anyio = sys.modules.get("anyio")
    if anyio is None or not hasattr(anyio, "CancelScope"):
        return nullcontext()
    scope: AbstractContextManager[Any] = anyio.CancelScope(shield=True)
    return scope


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in a task of its own and wait for its end, however often the caller is cancelled.

    A cancellation that arrived meanwhile is raised after the work has ended; an error of the work
    itself goes first, with the cancellation behind it.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with _shield_scope():
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not task.cancelled() and task.exception() is not None:
            raise cancelled from task.exception()
        raise cancelled
    return task.result()
