"""The check for leaks: a test must not leave a thread, a file descriptor or a task behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

#: Seconds that an ending thread gets for its last instructions.
THREAD_GRACE = 2.0

_DESCRIPTORS = Path("/proc/self/fd")


def open_descriptors() -> Counter[str]:
    """Return what the open file descriptors of this process point at; empty where there is no /proc."""
    targets: Counter[str] = Counter()
    if _DESCRIPTORS.is_dir():
        for entry in os.listdir(_DESCRIPTORS):
            try:
                targets[os.readlink(_DESCRIPTORS / entry)] += 1
            except FileNotFoundError:  # the descriptor of the listing itself
                continue
    return targets


@dataclass(frozen=True)
class Snapshot:
    """The threads, descriptors and tasks of this process at one moment."""

    threads: frozenset[threading.Thread]
    descriptors: Counter[str]
    tasks: frozenset[asyncio.Task[object]]

    @classmethod
    def take(cls, loop: asyncio.AbstractEventLoop | None = None) -> Snapshot:
        """Record the current resources.

        Args:
            loop: The event loop whose unfinished tasks count; None: no tasks are noted.
        """
        tasks = asyncio.all_tasks(loop) if loop is not None and not loop.is_closed() else set()
        return cls(frozenset(threading.enumerate()), open_descriptors(), frozenset(tasks))

    def leaks(self, loop: asyncio.AbstractEventLoop | None = None) -> list[str]:
        """Return one line for each resource that exists now and did not at the time of the snapshot."""
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(THREAD_GRACE)
        now = Snapshot.take(loop)
        new = now.descriptors - self.descriptors
        return [
            *(f"thread {thread.name}" for thread in now.threads - self.threads),
            *(f"descriptor {target} x {count}" for target, count in new.items()),
            *(f"task {task!r}" for task in now.tasks - self.tasks),
        ]
