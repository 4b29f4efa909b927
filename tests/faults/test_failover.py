"""A server that takes no writes any more is left for the one that does, at once and by all connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deebase import Database, InvalidOperationError
from tests.support.own_server import OwnServer, own_server
from tests.support.postgres import PostgresTestServer

pytestmark = pytest.mark.leaks_allowed("the log and the directory of a server end with it")


@pytest.fixture
async def primary(postgres_server: PostgresTestServer) -> AsyncIterator[OwnServer]:
    # The server of all tests has made the account that this one runs as.
    with own_server() as server:
        async with Database(server.url) as db:
            await db.q("CREATE TABLE t (n int PRIMARY KEY)")
        yield server


async def insert(db: Database, n: int) -> int | None:
    try:
        return await db.item("INSERT INTO t VALUES (:n) RETURNING n", {"n": n})  # type: ignore[no-any-return]
    except InvalidOperationError:
        return None


async def test_the_write_that_meets_it_first_has_all_connections_dropped(primary: OwnServer) -> None:
    standby = primary.standby()
    standby.control("start")
    hosts = f"host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}"
    url = f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write&sslmode=disable"
    async with Database(url, pool_size=3) as db, Database(primary.url) as old, Database(standby.url) as new:
        assert await asyncio.gather(*(insert(db, n) for n in range(30))) == list(range(30))
        # The old server goes read-only with its connections open, the other one is promoted once it has everything.
        position = await old.item("SELECT pg_current_wal_flush_lsn()::text")
        async with asyncio.timeout(10):
            while not await new.item(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"):
                await asyncio.sleep(0.01)
        await old.q("ALTER SYSTEM SET default_transaction_read_only = on")
        await old.q("SELECT pg_reload_conf()")
        async with asyncio.timeout(10):
            while await db.item("SHOW default_transaction_read_only") == "off":
                await asyncio.sleep(0.01)
        standby.control("promote")
        assert [await insert(db, n) for n in range(100, 110)] == [None, *range(101, 110)]
        async with db.transaction():
            await db.q("INSERT INTO t VALUES (200)")
        assert await new.item("SELECT count(*) FROM t") == 40


async def test_a_read_only_transaction_of_ours_leaves_the_connections_alone(primary: OwnServer) -> None:
    async with Database(primary.url, pool_size=1) as db:
        pid = await db.item("SELECT pg_backend_pid()")
        with pytest.raises(InvalidOperationError):
            async with db.transaction(read_only=True):
                await db.q("INSERT INTO t VALUES (1)")
        assert await db.item("SELECT pg_backend_pid()") == pid
