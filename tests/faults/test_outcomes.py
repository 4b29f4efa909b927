"""What is known of a write whose answer never came, and what `db.retry` makes of it."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from deebase import (
    BusyError,
    CommitOutcomeUnknownError,
    ConnectionError,
    Database,
    QueryTimeoutError,
    Table,
    TransactionAbortedError,
)
from tests.faults.proxy import Proxy
from tests.support.own_server import own_server
from tests.support.postgres import PostgresTestServer
from tests.support.worlds import PAIRS, only_on

pytestmark = pytest.mark.leaks_allowed("the log and the directory of a server end with it")

Rows = Table[dict[str, Any]]
Write = Callable[[Database, Rows], Awaitable[object]]

#: Each stores the row 1, outside of a transaction.
WRITES: dict[str, Write] = {
    "insert": lambda _, t: t.insert(id=1, n=1),
    "upsert": lambda _, t: t.upsert({"id": 1, "n": 1}),
    "get_or_create": lambda _, t: t.get_or_create({"id": 1}, defaults={"n": 1}),
    "update_where": lambda _, t: t.update_where({"id": 1}, id=0),
    "raw": lambda db, _: db.q("INSERT INTO t (id, n) VALUES (1, 1)"),
    "a function": lambda db, _: db.q("SELECT store()"),
}
#: What tells the write from the reads around it.
MARKS = {"update_where": b"UPDATE", "a function": b"store()"}
#: The same in a transaction of its own, or of the caller's.
TRANSACTIONS: dict[str, Write] = {
    "insert_all": lambda _, t: t.insert_all([{"id": 1, "n": 1}]),
    "a block": lambda db, t: in_a_block(db, t),
}


async def in_a_block(db: Database, t: Rows) -> None:
    async with db.transaction():
        await t.insert(id=1, n=1)


backend_name = only_on("postgres")


async def filled(db: Database) -> Rows:
    await db.q(PAIRS)
    await db.q(
        "CREATE FUNCTION store() RETURNS void LANGUAGE sql AS "
        "$$ INSERT INTO t (id, n) VALUES (1, 1) ON CONFLICT DO NOTHING $$"
    )
    await db.q("INSERT INTO t VALUES (0, 0)")
    await db.reflect()
    return db.t.t


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[Database]:
    """A database behind the proxy, with the tables ``t``."""
    async with Database(proxy.url, pool_size=3) as db:
        await filled(db)
        yield db
        proxy.cut_at = b""


async def test_a_write_that_waits_for_a_standby_may_be_stored(postgres_server: PostgresTestServer) -> None:
    with own_server() as server:
        async with Database(server.url, command_timeout=0.3) as db:
            t = await filled(db)
            await db.q("CREATE TABLE probe (id INTEGER)")
            await db.q("ALTER SYSTEM SET synchronous_standby_names = 'away'")
            await db.q("SELECT pg_reload_conf()")
            # Commits wait from the moment that the checkpointer has read the setting, which no query shows.
            with pytest.raises(QueryTimeoutError):
                async with asyncio.timeout(10):
                    while True:
                        await db.q("INSERT INTO probe VALUES (1)")
            await forget(server.url)
            for name, write in WRITES.items():
                with pytest.raises(QueryTimeoutError) as timed_out:
                    await write(db, t)
                assert timed_out.value.outcome == "unknown", name
                assert "may be stored" in str(timed_out.value.hint), name
                assert pickle.loads(pickle.dumps(timed_out.value)).outcome == "unknown", name
                await stored(t)
                await forget(server.url)
            for name, write in TRANSACTIONS.items():
                with pytest.raises(CommitOutcomeUnknownError) as unknown:
                    await write(db, t)
                assert unknown.value.outcome == "unknown", name
                await stored(t)
                await forget(server.url)


async def stored(t: Rows) -> None:
    """Wait until the row is seen: others see it when the server has taken note that its client is gone."""
    async with asyncio.timeout(10):
        while not await t.exists(1):
            await asyncio.sleep(0.01)


async def forget(url: str) -> None:
    """Delete the row again, without waiting for a standby."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET synchronous_commit = local; DELETE FROM t; INSERT INTO t VALUES (0, 0)")
    await connection.close()


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("deliver", [True, False])
async def test_a_write_whose_link_is_cut_may_be_stored(far: Database, proxy: Proxy, name: str, deliver: bool) -> None:
    t = far.t.t
    proxy.cut_at, proxy.deliver = MARKS.get(name, b"INSERT"), deliver
    with pytest.raises(ConnectionError) as lost:
        await WRITES[name](far, t)
    assert (lost.value.outcome, "may be stored" in str(lost.value.hint)) == ("unknown", True)


async def test_what_was_never_sent_or_only_reads_has_no_such_outcome(far: Database, proxy: Proxy) -> None:
    t = far.t.t
    proxy.cut_at = b"SELECT"
    for read in (t.get(0), t.count(), far.q("SELECT * FROM t")):
        with pytest.raises(ConnectionError) as lost:
            await read
        assert lost.value.outcome is None
    proxy.cut_at, proxy.refuses = b"", True
    proxy.cut()
    with pytest.raises(ConnectionError) as lost:
        await t.insert(id=1, n=1)
    assert lost.value.outcome is None
    proxy.refuses = False
    # The time of the wait, and long enough to connect on a busy machine.
    async with Database(proxy.url, pool_size=1, timeout=1) as narrow:
        await narrow.reflect()
        async with narrow.transaction():
            # In a task that has no part in the transaction of this one.
            outside = asyncio.create_task(narrow.t.t.insert(id=1, n=1), context=Context())
            with pytest.raises(BusyError) as busy:
                await outside
        assert busy.value.outcome is None
    assert not await t.exists(1)


async def test_a_cancelled_write_says_that_it_may_be_stored(far: Database) -> None:
    running = asyncio.create_task(far.q("INSERT INTO t SELECT 1, 1 FROM pg_sleep(20)"))
    async with asyncio.timeout(5):
        while await far.item("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 0:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await running
    assert "may be stored" in "".join(cancelled.value.__notes__)


async def test_a_backend_lost_before_commit_is_rolled_back_and_tried_again(far: Database, proxy: Proxy) -> None:
    async def lose_the_link(tx: Any) -> None:
        driver = (await tx.connection.get_raw_connection()).driver_connection
        proxy.cut()
        async with asyncio.timeout(5):
            while not driver.is_closed():
                await asyncio.sleep(0.001)

    tx = far.transaction()
    with pytest.raises(TransactionAbortedError) as lost:
        async with tx:
            await far.t.t.insert(id=1, n=1)
            await lose_the_link(tx)
    assert isinstance(lost.value.__cause__, ConnectionError)
    assert tx.outcome == "rolled back"

    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        await far.t.t.insert(id=calls, n=1)
        if calls == 1:
            async with far.transaction() as inner:
                await lose_the_link(inner)

    await far.retry(work)
    assert [row["id"] for row in await far.t.t(order_by="id")] == [0, 2]


async def test_retry_leaves_the_lost_write_of_another_database_alone(
    far: Database, proxy: Proxy, tmp_path: Any
) -> None:
    calls = 0
    async with Database(tmp_path / "own.db") as own:

        async def work() -> None:
            nonlocal calls
            calls += 1
            proxy.cut_at, proxy.deliver = b"INSERT", True
            try:
                await far.t.t.insert(id=calls, n=1)
            finally:
                proxy.cut_at = b""

        with pytest.raises(ConnectionError) as lost:
            await own.retry(work)
        assert (calls, lost.value.outcome) == (1, "unknown")


async def test_a_transaction_that_idled_too_long_is_rolled_back(db_url: str) -> None:
    async with Database(db_url, idle_timeout=0.2, pool_size=1) as db:
        t = await filled(db)
        tx = db.transaction()
        with pytest.raises(TransactionAbortedError) as ended:
            async with tx:
                await t.insert(id=1, n=1)
                # The loop stands still, so that COMMIT is sent behind the server's last words and answered by them.
                held_up(db_url)
        assert tx.outcome == "rolled back"
        assert "idle" in str(ended.value) or "idle" in str(ended.value.__cause__)
        assert not await t.exists(1)


def held_up(url: str) -> None:
    """Wait, in the thread of the event loop, until no session of the database is in a transaction."""
    name = urlsplit(url).path[1:]
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in transaction%'"

    async def ask() -> None:
        connection = await asyncpg.connect(url)
        async with asyncio.timeout(10):
            while await connection.fetchval(asked):
                await asyncio.sleep(0.01)
        await connection.close()

    thread = threading.Thread(target=asyncio.run, args=(ask(),))
    thread.start()
    thread.join()
