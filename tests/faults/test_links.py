"""Slow, deaf and broken links to a PostgreSQL server: known outcomes, bounded waits, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable

import asyncpg
import pytest

from deebase import (
    BusyError,
    CommitOutcomeUnknownError,
    ConnectionError,
    Database,
    DeeBaseError,
    QueryTimeoutError,
    TransactionAbortedError,
)
from tests.faults.proxy import Proxy
from tests.support.load import Load
from tests.support.postgres import PostgresTestServer
from tests.support.worlds import only_on

#: Seconds beyond a limit of ours within which a wait must have ended.
GRACE = 2.0


backend_name = only_on("postgres")


async def ends_within(limit: float, work: Awaitable[object], *kinds: type[BaseException]) -> None:
    """Await what must fail with one of these errors, in time."""
    began = time.monotonic()
    with pytest.raises(kinds):
        await work
    assert time.monotonic() - began < limit + GRACE


# -- nothing acknowledged is lost -------------------------------------------------------------------


async def test_links_that_are_reset_every_150_ms_lose_nothing(proxy: Proxy, postgres_url: str, long_run: bool) -> None:
    async with Database(proxy.url, pool_size=5) as db:
        load = await Load.prepare(db)
        async with load.running(tasks=16):
            for _ in range(130 if long_run else 5):
                await asyncio.sleep(0.15)
                proxy.reset()
        assert load.errors <= {"ConnectionError", "CommitOutcomeUnknownError", "TransactionAbortedError"}
        await load.check_after_faults()
    async with Database(postgres_url) as near:
        await load.check(near)


async def test_backends_that_are_ended_under_load_lose_nothing(
    postgres_server: PostgresTestServer, postgres_url: str, long_run: bool
) -> None:
    chance = random.Random(5)
    async with Database(postgres_url, pool_size=5) as db:
        load = await Load.prepare(db)
        killer = await asyncpg.connect(postgres_server.url)
        ended = 0
        async with load.running(tasks=16):
            while ended < (60 if long_run else 6):
                pids = await killer.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
                    postgres_url.partition("?")[0].rpartition("/")[2],
                )
                if pids:
                    ended += await killer.fetchval("SELECT pg_terminate_backend($1, 2000)", chance.choice(pids)[0])
                await load.more(20)
        await killer.close()
        assert load.errors <= {"ConnectionError", "CommitOutcomeUnknownError", "TransactionAbortedError"}
        await load.check_after_faults()


@pytest.mark.parametrize("deliver", [True, False])
async def test_a_link_cut_at_commit_is_never_taken_for_an_outcome(
    proxy: Proxy, postgres_url: str, deliver: bool, long_run: bool
) -> None:
    proxy.deliver = deliver
    async with Database(proxy.url, pool_size=2) as db:
        load = await Load.prepare(db)
        for _ in range(40 if long_run else 8):
            proxy.cut_at = b"COMMIT"
            tx = db.transaction()
            with pytest.raises(CommitOutcomeUnknownError):
                async with tx:
                    await load.write_pair()
            assert tx.outcome == "unknown"
            proxy.cut_at = b""
            await load.write_one()
    async with Database(postgres_url) as near:
        await load.check(near)


async def test_commits_that_are_cancelled_are_whole_or_not_there(proxy: Proxy, long_run: bool) -> None:
    proxy.delay = 0.001
    outcomes: set[str] = set()
    async with Database(proxy.url, pool_size=4) as db:
        load = await Load.prepare(db)

        async def commit(turns: int) -> None:
            me = asyncio.current_task()
            assert me is not None
            async with db.transaction():
                keys = await load.write_pair()
                # The last await of the block has returned: what is cancelled from here on is its end.
                asyncio.get_running_loop().call_later(turns * 0.0005, me.cancel)
            load.acknowledge(keys)

        for turn in range(200 if long_run else 30):
            task = asyncio.create_task(commit(turn % 10))
            await asyncio.wait([task])
            outcomes.add("cancelled" if task.cancelled() else "committed")
        await load.check(db)
    assert outcomes == {"cancelled", "committed"}


# -- every wait is bounded --------------------------------------------------------------------------


async def test_connecting_to_a_deaf_server_is_bounded(proxy: Proxy) -> None:
    proxy.deaf = True
    async with Database(proxy.url, connect_timeout=0.3, pool_size=2) as db:
        waiting = [db.q("SELECT 1"), db.item("SELECT 1"), db.create(type("T", (), {"__annotations__": {"id": int}}))]
        for work in waiting:
            await ends_within(0.3, work, ConnectionError)
        assert db._core.executor.lanes_in_use == 0
        proxy.deaf = False
        assert await db.item("SELECT 1") == 1


@pytest.mark.long
async def test_a_statement_on_a_link_that_went_deaf_is_bounded(proxy: Proxy) -> None:
    async with Database(proxy.url, command_timeout=0.3, connect_timeout=0.3, pool_size=1) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")

        async def block() -> None:
            async with db.transaction():
                proxy.deaf = True
                await db.q("INSERT INTO t VALUES (1)")

        async def commit() -> None:
            async with db.transaction():
                await db.q("INSERT INTO t VALUES (2)")
                proxy.deaf = True

        async def stream() -> None:
            async for _ in db.stream("SELECT generate_series(1, 100000) AS n"):
                proxy.deaf = True

        async def single() -> None:
            await db.q("SELECT 1")
            proxy.deaf = True
            await db.q("SELECT 1")

        for work, kinds in (
            (single, (QueryTimeoutError, ConnectionError)),
            (block, (QueryTimeoutError, ConnectionError)),
            (commit, (CommitOutcomeUnknownError,)),
            (stream, (QueryTimeoutError, ConnectionError)),
        ):
            # Beside the statement: the rollback, and the end of the connection.
            await ends_within(0.3 * 3, work(), *kinds)
            proxy.deaf = False
            assert db._core.executor.lanes_in_use == 0
            assert await db.q("SELECT id FROM t") == []


@pytest.mark.long
async def test_cancelling_on_a_dead_link_takes_two_seconds_at_most(proxy: Proxy) -> None:
    async with Database(proxy.url, pool_size=2, connect_timeout=0.5) as db:
        await db.q("SELECT 1")

        async def block() -> None:
            async with db.transaction():
                await db.q("SELECT 1")
                proxy.deaf = True
                await db.q("SELECT 1")

        for work in (block, lambda: db.q("SELECT 1")):
            task = asyncio.create_task(work())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await asyncio.shield(task)
            task.cancel()
            await ends_within(0.0, task, asyncio.CancelledError)
        assert db._core.executor.lanes_in_use == 0


@pytest.mark.long
async def test_a_database_on_a_dead_link_closes_in_time(proxy: Proxy) -> None:
    db = Database(proxy.url, pool_size=2)
    await asyncio.gather(db.q("SELECT 1"), db.q("SELECT 2"))
    proxy.deaf = True
    running = asyncio.create_task(db.q("SELECT 3"))
    await asyncio.sleep(0)
    began = time.monotonic()
    await db.close(timeout=0.3)
    assert time.monotonic() - began < 0.3 * 3 + GRACE
    with pytest.raises(DeeBaseError):
        await running


async def test_a_slow_link_is_slow_and_nothing_else(proxy: Proxy) -> None:
    async with Database(proxy.url, pool_size=4) as db:
        load = await Load.prepare(db)
        proxy.delay = 0.005
        async with load.running(tasks=8):
            await load.more(40)
        assert load.errors == set()
        await load.check(db)


async def test_a_wait_for_a_row_lock_of_our_own_is_bounded(postgres_url: str) -> None:
    async with Database(postgres_url, lock_timeout=0.3) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        await db.q("INSERT INTO t VALUES (1, 0)")

        async def change() -> None:
            await db.q("UPDATE t SET n = n + 1 WHERE id = 1")

        outside = contextvars.copy_context()
        async with db.transaction():
            await change()
            waiting = asyncio.create_task(change(), context=outside)
            await ends_within(0.3, waiting, BusyError)
        assert await db.q("SELECT n FROM t") == [{"n": 1}]


async def test_a_transaction_that_is_idle_for_too_long_is_ended(postgres_url: str) -> None:
    async with Database(postgres_url, idle_timeout=0.2, pool_size=1) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")

        async def idle() -> None:
            async with db.transaction():
                await db.q("INSERT INTO t VALUES (1)")
                lane = db._core.executor.current.get()._state.lane  # type: ignore[union-attr]
                while not lane.lost:
                    await asyncio.sleep(0.01)
                await db.q("INSERT INTO t VALUES (2)")

        await ends_within(0.2, idle(), ConnectionError, TransactionAbortedError)
        assert await db.q("SELECT * FROM t") == []
