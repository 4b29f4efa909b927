"""One runner of migrations at a time: an advisory lock of the server."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deebase._backends.migration_protocols import Attempt, Connected, this_process
from deebase._lanes.shield import run_shielded

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

#: The lock, as two numbers of 32 bits: "deebase" and "migrate", shortened.
_KEYS = {"space": 0x64656562, "kind": 0x6D696772}

# Sent as text without parameters, which leaves no portal open: a transaction with an open portal would block an index
# that is built concurrently.
_TRY = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT set_config('application_name', '{name}', true);
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
async def runner_lock(database: Connected) -> AsyncGenerator[Attempt, None]:
    """See ``MigrationSupport``.

    The lock belongs to a transaction of a connection of its own, so that it also works through PgBouncer.
    """
    name = re.sub(r"[^\w. -]", "_", f"deebase migrations, {this_process()}", flags=re.ASCII)[:63]
    async with database.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        sound = True

        async def attempt() -> str | None:
            nonlocal sound
            sound = False
            holder = None
            try:
                # The tag of the last statement has the number of its rows.
                if await driver.execute(_TRY.format(name=name, **_KEYS)) != "SELECT 1":
                    await driver.execute("ROLLBACK")
                    row = await driver.fetchrow(_HOLDER.format(**_KEYS))
                    holder = "another session" if row is None else _described(*row)
            except Exception as error:
                database.fail(error)
            sound = True
            return holder

        try:
            yield attempt
        finally:
            await run_shielded(_release(connection, driver, sound))


def _described(application: str | None, pid: int, since: datetime | None) -> str:
    started = "" if since is None else f" since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{application or 'a session'} (server process {pid}){started}"


async def _release(connection: AsyncConnection, driver: Any, sound: bool) -> None:
    try:
        if sound and driver.is_in_transaction():
            # Its answer means that the lock is free; a connection that is cut frees it some time later.
            await driver.execute("ROLLBACK")
    except Exception:
        sound = False  # a lost connection has lost the lock, too
    if not sound:
        await connection.invalidate()
    await connection.close()
