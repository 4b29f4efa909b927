"""A server that takes no writes any more is left for the one that does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from deebase import Database, DeeBaseError, InvalidOperationError
from tests.support.cluster import Server, primary_and_standby


@pytest.fixture
def servers(postgres_server: object) -> Iterator[tuple[Server, Server]]:
    """A primary and its standby; ``postgres_server`` tells whether there is a PostgreSQL to be had."""
    with primary_and_standby() as pair:
        yield pair


def url_of(*servers: Server) -> str:
    hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write"


async def insert(db: Database, n: int, acknowledged: list[int]) -> bool:
    try:
        acknowledged.append(await db.item("INSERT INTO t (n) VALUES (:n) RETURNING n", {"n": n}))
    except DeeBaseError:
        return False
    return True


async def test_writes_go_on_at_the_promoted_standby(servers: tuple[Server, Server]) -> None:
    primary, standby = servers
    async with Database(url_of(primary, standby), pool_size=3, connect_timeout=3) as db:
        await db.q("CREATE TABLE t (n int PRIMARY KEY)")
        acknowledged: list[int] = []
        assert all(await asyncio.gather(*(insert(db, n, acknowledged) for n in range(30))))
        # Both take part in the failover: the old one goes read-only with its connections open, the other one is made
        # the primary once it has everything.
        position = primary.execute("SELECT pg_current_wal_flush_lsn()")
        while standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") != "t":
            await asyncio.sleep(0.01)
        primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        primary.execute("SELECT pg_reload_conf()")
        standby.promote()
        outcomes = [await insert(db, n, acknowledged) for n in range(100, 110)]
        # The first one meets the old server, and has all connections to it dropped.
        assert outcomes == [False] + [True] * 9
        async with db.transaction():
            await db.q("INSERT INTO t VALUES (200)")
        assert await db.item("SELECT pg_is_in_recovery()") is False
        stored = await db.q("SELECT n FROM t")
        assert set(acknowledged) <= {row["n"] for row in stored}
        assert standby.execute("SELECT count(*) FROM t") == str(len(stored))


async def test_writes_go_on_after_a_crash_of_the_primary(servers: tuple[Server, Server]) -> None:
    primary, standby = servers
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    async with Database(url_of(primary, standby), pool_size=3, connect_timeout=3) as db:
        await db.q("CREATE TABLE t (n int PRIMARY KEY)")
        acknowledged: list[int] = []
        assert all(await asyncio.gather(*(insert(db, n, acknowledged) for n in range(30))))
        primary.stop()
        standby.promote()
        async with asyncio.timeout(10):
            n = 100
            while not await insert(db, n, acknowledged):
                n += 1
        assert set(acknowledged) <= {row["n"] for row in await db.q("SELECT n FROM t")}


async def test_a_read_only_transaction_of_ours_leaves_the_connections_alone(servers: tuple[Server, Server]) -> None:
    async with Database(url_of(servers[0]), pool_size=1) as db:
        await db.q("CREATE TABLE t (n int PRIMARY KEY)")
        pid = await db.item("SELECT pg_backend_pid()")
        with pytest.raises(InvalidOperationError):
            async with db.transaction(read_only=True):
                await db.q("INSERT INTO t VALUES (1)")
        assert await db.item("SELECT pg_backend_pid()") == pid
