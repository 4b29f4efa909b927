"""PostgreSQL servers that restart, stay away, or change their role: the pool recovers alone, and loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from deebase import ConnectionError, Database, InvalidOperationError
from tests.support.load import Load
from tests.support.own_server import OwnServer, own_server
from tests.support.postgres import PostgresTestServer

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("the log and the directory of a server end with it")]

#: What calls may meet while a server goes down or is away.
EXPECTED = {"ConnectionError", "CommitOutcomeUnknownError", "TransactionAbortedError", "QueryTimeoutError"}


@pytest.fixture
def server(postgres_server: PostgresTestServer) -> Iterator[OwnServer]:
    # The server of all tests has made the account that this one runs as.
    with own_server() as running:
        yield running


async def control(server: OwnServer, *arguments: str) -> None:
    await asyncio.to_thread(server.control, *arguments)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_under_load_loses_nothing(server: OwnServer, mode: str) -> None:
    async with Database(server.url, pool_size=5, connect_timeout=2) as db:
        load = await Load.prepare(db)
        async with load.running(tasks=16):
            for _ in range(3):
                await load.more(100)
                await control(server, "restart", "-m", mode)
            began = time.monotonic()
            await load.more(50)
            # From the return of the server on: back to normal.
            assert time.monotonic() - began < 2
        assert load.errors <= EXPECTED
        await load.check_after_faults()


async def test_a_server_that_is_away_for_a_while_is_used_as_soon_as_it_is_back(server: OwnServer) -> None:
    async with Database(server.url, pool_size=5, connect_timeout=2) as db:
        load = await Load.prepare(db)
        async with load.running(tasks=8):
            await load.more(50)
            await control(server, "stop", "-m", "fast")
            await asyncio.sleep(1.5)
            with pytest.raises(ConnectionError):
                await db.q("SELECT 1")
            await control(server, "start")
            await load.more(50)
        assert load.errors <= EXPECTED
        await load.check_after_faults()


async def test_the_first_use_after_an_idle_restart_succeeds(server: OwnServer) -> None:
    async with Database(server.url, pool_size=3) as db:
        load = await Load.prepare(db)
        await asyncio.gather(*(load.write_one() for _ in range(6)))
        await control(server, "restart", "-m", "fast")
        await load.write_one()
        await asyncio.gather(*(load.write_one() for _ in range(6)))
        await load.check(db)


async def test_writes_go_on_after_a_failover(server: OwnServer) -> None:
    standby = await asyncio.to_thread(server.standby)
    await control(standby, "start")
    hosts = f"host=127.0.0.1:{server.port}&host=127.0.0.1:{standby.port}"
    url = f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write&sslmode=disable"
    async with Database(url, pool_size=3, connect_timeout=2) as db:
        load = await Load.prepare(db)
        await asyncio.gather(*(load.write_one() for _ in range(20)))
        async with Database(standby.url) as copy:
            async with asyncio.timeout(20):
                while not await copy.item("SELECT to_regclass('load') IS NOT NULL"):
                    await asyncio.sleep(0.05)
                while await copy.item("SELECT count(*) FROM load") < 20:
                    await asyncio.sleep(0.05)
            with pytest.raises(InvalidOperationError):
                await copy.q("INSERT INTO load (id, n) VALUES (1000, 0)")
        await control(server, "stop", "-m", "fast")
        await control(standby, "promote")
        async with load.running(tasks=4):
            await load.more(60)
        assert load.errors <= EXPECTED
        await load.check_after_faults()


async def test_a_connection_to_a_server_that_turned_read_only_is_dropped(server: OwnServer) -> None:
    async with Database(server.url, pool_size=1) as db:
        load = await Load.prepare(db)
        await load.write_one()
        async with Database(server.url, pool_size=1) as other:
            await other.q("ALTER SYSTEM SET default_transaction_read_only = on")
            await other.q("SELECT pg_reload_conf()")
        async with asyncio.timeout(10):
            while await db.item("SHOW default_transaction_read_only") == "off":
                await asyncio.sleep(0.02)
        for refused in (load.write_one, load.transaction):
            before = await db.item("SELECT pg_backend_pid()")
            with pytest.raises(InvalidOperationError):
                await refused()
            # The refused write ends the connection, so that the next one may be to another server.
            assert await db.item("SELECT pg_backend_pid()") != before
