"""Work that must finish even if the task that started it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def _ended(task: asyncio.Task[T]) -> None:
    """Wait for a task without cancelling it."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Task[T]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


async def _ended_uncancelled(task: asyncio.Task[T]) -> None:
    """Wait for a task, in a task that is being cancelled."""
    anyio = sys.modules.get("anyio")
    if anyio is not None and hasattr(anyio, "CancelScope"):
        # A cancelled anyio scope cancels its task again on every turn of the loop, so a loop that catches the
        # cancellation would spin. A shielded scope holds it back until the work is done.
        with anyio.CancelScope(shield=True):
            while not task.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await _ended(task)
        return
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await _ended(task)


async def run_shielded(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in a separate task until it finishes, even if the caller is cancelled.

    The cancellation is raised after the work has finished, from the error of the work if it failed.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await _ended(task)
    except asyncio.CancelledError as cancelled:
        await _ended_uncancelled(task)
        if not task.cancelled() and task.exception() is not None:
            raise cancelled from task.exception()
        raise
    return task.result()
