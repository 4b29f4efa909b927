"""One runner of migrations at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from deebase._backends.migration_protocols import Attempt
from deebase.errors import BusyError
from deebase.migrations.hints import either
from deebase.migrations.target import Target

#: Seconds between two attempts, at most.
_PAUSE = 0.2


@asynccontextmanager
async def runner_lock(target: Target, timeout: float) -> AsyncGenerator[None, None]:
    """Be the only runner of migrations of a database for the length of the block.

    Args:
        target: the database.
        timeout: seconds to wait for another runner.

    Raises:
        BusyError: another runner kept the lock; the message names it.
    """
    async with target.support.runner_lock(target) as attempt:
        await _wait(attempt, timeout)
        yield


async def _wait(attempt: Attempt, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while (holder := await attempt()) is not None:
        left = deadline - loop.time()
        if left <= 0:
            raise BusyError(
                f"{holder} is running migrations of this database; waited {timeout:g} s",
                hint="try again when it has ended, or wait longer: "
                f"{either('up(lock_timeout=600)', 'up --lock-timeout 600')}",
            )
        # Repeated attempts, because a call that waits in the server would block what the holder does:
        # CREATE INDEX CONCURRENTLY waits for all transactions.
        await asyncio.sleep(min(left, random.uniform(_PAUSE / 4, _PAUSE)))
