"""One runner at a time: a lock beside the database file, or an advisory lock of the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import socket
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deebase._lanes.shield import run_shielded
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import literal
from deebase.errors import BusyError, MigrationError
from deebase.migrations.hints import either

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._engine.executor import Executor

#: Seconds between two looks at a lock that somebody else holds, at most.
_PAUSE = 0.2

#: The lock of the server, as two numbers of 32 bits: "deebase" and "migrate", shortened.
_KEYS = {"space": 0x64656562, "kind": 0x6D696772}

_MEMORY: weakref.WeakKeyDictionary[Executor, str] = weakref.WeakKeyDictionary()

#: A call that tries to get the lock: None when it is ours now, else who holds it.
Attempt = Callable[[], Awaitable[str | None]]


@asynccontextmanager
async def runner_lock(executor: Executor, timeout: float) -> AsyncGenerator[None, None]:
    """Be the one runner of migrations of a database for the length of the block.

    Args:
        executor: of the database.
        timeout: seconds to wait for another one.

    Raises:
        BusyError: another one had it all the time; the message names it.
    """
    settings = executor.settings
    if settings.name == "postgresql":
        kind = _server_lock(executor)
    elif settings.path is not None:
        kind = _file_lock(_beside(settings.path))
    else:
        kind = _memory_lock(executor)
    async with kind as attempt:
        await _get(attempt, timeout)
        yield


def _beside(path: str) -> str:
    # Whichever link leads to the database, the lock is the same.
    return f"{os.path.realpath(path)}-migrating"


async def _get(attempt: Attempt, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (holder := await attempt()) is not None:
        left = deadline - loop.time()
        if left <= 0:
            raise BusyError(
                f"migrations of this database are being run by {holder}; waited {timeout:g} s for it",
                hint="try again when it has ended, or wait longer: "
                f"{either('up(lock_timeout=600)', 'up --lock-timeout 600')}",
            )
        # Asked again and again, because a call that waits in the server would hang what the holder does:
        # CREATE INDEX CONCURRENTLY waits for all transactions.
        await asyncio.sleep(min(left, random.uniform(_PAUSE / 4, _PAUSE)))


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


# -- a server ----------------------------------------------------------------------------------------

# Sent as text without parameters, in which case nothing of a statement is left open behind it: a transaction with an
# open portal would hold up an index that is built concurrently.
_TRY = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT set_config('application_name', {name}, true);
SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout');
SELECT 1 WHERE pg_try_advisory_xact_lock({space}, {kind})
"""
_HOLDER = """
SELECT activity.application_name, locks.pid, activity.xact_start FROM pg_locks AS locks
LEFT JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 2
AND locks.classid = {space} AND locks.objid = {kind}
AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@asynccontextmanager
async def _server_lock(executor: Executor) -> AsyncGenerator[Attempt, None]:
    """Hold the lock in a transaction of a connection of its own, which ends with it, behind PgBouncer too."""
    connection, driver = await _connected(executor)
    name = re.sub(r"[^\w. -]", "_", f"deebase migrations, {_me()}", flags=re.ASCII)[:63]
    sound = True

    async def attempt() -> str | None:
        nonlocal sound
        sound = False
        holder = None
        try:
            # The tag of the last statement, which tells how many rows it gave.
            if await driver.execute(_TRY.format(name=literal(name, POSTGRES), **_KEYS)) != "SELECT 1":
                await driver.execute("ROLLBACK")
                row = await driver.fetchrow(_HOLDER.format(**_KEYS))
                holder = "another session" if row is None else _described(*row)
        except Exception as error:
            executor.raise_translated(error)
        sound = True
        return holder

    try:
        yield attempt
    finally:
        await run_shielded(_end(connection, driver, sound))


def _described(application: str | None, pid: int, since: datetime | None) -> str:
    started = "" if since is None else f" since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{application or 'a session'} (server process {pid}){started}"


async def _connected(executor: Executor) -> tuple[AsyncConnection, Any]:
    connection: AsyncConnection | None = None
    try:
        connection = await executor.engine.connect()
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        return connection, (await connection.get_raw_connection()).driver_connection
    except BaseException as error:
        if connection is not None:
            await run_shielded(connection.close())
        executor.raise_translated(error)


async def _end(connection: AsyncConnection, driver: Any, sound: bool) -> None:
    try:
        if sound and driver.is_in_transaction():
            # The lock is free as soon as this was answered; a connection that is cut frees it some time later.
            await driver.execute("ROLLBACK")
    except Exception:
        sound = False  # a link that is lost has let the lock go
    if not sound:
        await connection.invalidate()
    await connection.close()


# -- a file ------------------------------------------------------------------------------------------

if sys.platform == "win32":
    import msvcrt

    #: Beyond the text: what is locked there nobody else can read.
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
async def _file_lock(path: str) -> AsyncGenerator[Attempt, None]:
    """Hold a lock on a file, which the system takes back from a process that dies."""
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
            # Removed while it is locked: whoever waits for this file finds that it is no more, and opens another.
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(descriptor)


def _lock_file(path: str) -> int | None:
    """Return the descriptor of the locked file, or None when somebody else has locked it."""
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
                os.write(descriptor, f"{_me()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: str, descriptor: int) -> bool:
    """Whether a path leads to the file that was opened, not to one that was made since."""
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


# -- memory ------------------------------------------------------------------------------------------


@asynccontextmanager
async def _memory_lock(executor: Executor) -> AsyncGenerator[Attempt, None]:
    """Hold a lock that other tasks and threads of this process see: nobody else sees the database."""
    mine = f"another task of {_me()}"
    held = False

    async def attempt() -> str | None:
        nonlocal held
        # One step: no other thread comes in between, and equal texts of others are other objects.
        held = _MEMORY.setdefault(executor, mine) is mine
        return None if held else _MEMORY.get(executor, "another task")

    try:
        yield attempt
    finally:
        if held:
            _MEMORY.pop(executor, None)
