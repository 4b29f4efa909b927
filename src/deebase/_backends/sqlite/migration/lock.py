"""One runner of migrations at a time: a lock on a file beside the database."""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from deebase._backends.migration_protocols import Attempt, Connected, this_process
from deebase.errors import MigrationError

#: The runner of migrations for each database in memory, by its identity.
_in_memory: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()

if sys.platform == "win32":
    import msvcrt

    #: After the text, because other processes may be unable to read a locked byte.
    _LOCKED_BYTE = 1 << 20

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@asynccontextmanager
async def runner_lock(database: Connected) -> AsyncGenerator[Attempt, None]:
    """See ``MigrationSupport``."""
    path = database.settings.path
    with _memory_lock(database.identity) if path is None else _file_lock(_beside(path)) as attempt:
        yield attempt


def _beside(path: str) -> str:
    # All links to the database share the lock.
    return f"{os.path.realpath(path)}-migrating"


@contextlib.contextmanager
def _file_lock(path: str) -> Generator[Attempt, None, None]:
    """Hold a lock on a file, which the system releases when the process dies."""
    held: list[int] = []

    async def attempt() -> str | None:
        try:
            descriptor = _lock_file(path)
        except OSError as error:
            raise MigrationError(
                f"{path} cannot be locked: {error.strerror}", hint="the directory of the database must be writable"
            ) from error
        if descriptor is None:
            return _holder_of(path)
        held.append(descriptor)
        return None

    try:
        yield attempt
    finally:
        for descriptor in held:
            # Removed while it is locked: a process that waits for this file notices that, and opens a new one.
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(descriptor)


def _lock_file(path: str) -> int | None:
    """Return the descriptor of the locked file, or None if another process holds the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                _take(descriptor)
            except (BlockingIOError, PermissionError):
                os.close(descriptor)
                return None
            if _is_still(path, descriptor):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{this_process()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: str, descriptor: int) -> bool:
    """Whether a path still refers to the opened file, not to a newer one."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(200) or "another process"
    except OSError:
        return "another process"


@contextlib.contextmanager
def _memory_lock(database: object) -> Generator[Attempt, None, None]:
    """Hold a lock among the tasks and threads of this process: no other process sees the database."""
    mine = f"another task of {this_process()}"
    held = False

    async def attempt() -> str | None:
        nonlocal held
        # One atomic step between threads; equal texts of other tasks are different objects.
        held = _in_memory.setdefault(database, mine) is mine
        return None if held else _in_memory.get(database, "another task")

    try:
        yield attempt
    finally:
        if held:
            _in_memory.pop(database, None)
