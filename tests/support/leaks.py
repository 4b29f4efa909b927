"""The check for leaks: a test must not leave a thread, a file descriptor or a task behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

#: Seconds that an ending thread gets for its last instructions.
THREAD_GRACE = 10.0

_DIRECTORY = "/proc/self/fd"

#: Descriptors that the support code keeps open from one test to the next: they are nothing that a test left.
_kept: set[int] = set()


@contextmanager
def kept_descriptors() -> Iterator[set[int]]:
    """Take what the block opens out of the comparison, until the set that it gets is passed to ``forget``."""
    before = _descriptors()
    opened: set[int] = set()
    try:
        yield opened
    finally:
        opened |= _descriptors().keys() - before.keys()
        _kept.update(opened)


def forget(descriptors: set[int]) -> None:
    """Compare descriptors again: they were closed, and their numbers may be used for others."""
    _kept.difference_update(descriptors)


def _descriptors() -> dict[int, str]:
    """Return what each open file descriptor points at, by its number."""
    # Twice for each of ten thousand tests: as few calls as can be.
    targets: dict[int, str] = {}
    try:
        entries = os.listdir(_DIRECTORY)
    except FileNotFoundError:
        return targets
    for entry in entries:
        try:
            targets[int(entry)] = os.readlink(f"{_DIRECTORY}/{entry}")
        except FileNotFoundError:
            continue  # the descriptor of the listing itself is closed by now
    return targets


def open_descriptors() -> Counter[str]:
    """Return what the open file descriptors of this process point at; empty where there is no /proc."""
    return Counter(target for number, target in _descriptors().items() if number not in _kept)


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
