"""Lost links and ended backends of a PostgreSQL server: known outcomes, and a pool that recovers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from urllib.parse import urlsplit

import asyncpg
import pytest

from deebase import (
    CommitOutcomeUnknownError,
    ConnectionError,
    Database,
    DeeBaseError,
    QueryTimeoutError,
    TransactionAbortedError,
)
from tests.faults.proxy import Proxy
from tests.support.postgres import PostgresTestServer
from tests.support.worlds import PAIRS, keys, only_on, put

backend_name = only_on("postgres")


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[Database]:
    """A database behind the proxy, with the table ``t``."""
    async with Database(proxy.url, pool_size=3) as db:
        await db.q(PAIRS)
        yield db
        proxy.cut_at = b""
        assert db._core.executor.lanes_in_use == 0


async def terminate(server: PostgresTestServer, url: str, condition: str = "true") -> None:
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{urlsplit(url).path[1:]}' AND {condition}"
        )
    finally:
        await connection.close()


async def test_idle_connections_that_were_ended_are_replaced(
    t: Database, postgres_server: PostgresTestServer, db_url: str
) -> None:
    for round_ in range(3):
        await asyncio.gather(*(t.q("SELECT 1") for _ in range(5)))
        await terminate(postgres_server, db_url)
        await put(t, round_)
    assert await keys(t) == list(range(3))


async def test_an_ended_backend_fails_its_own_statement_at_most(
    t: Database, postgres_server: PostgresTestServer, db_url: str
) -> None:
    for round_ in range(3):
        victim = asyncio.create_task(t.q("SELECT pg_sleep(20)"))
        survivors = [asyncio.create_task(put(t, 10 * round_ + n)) for n in range(5)]
        await asyncio.gather(*survivors)
        while not await t.item("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"):
            await asyncio.sleep(0)
        await terminate(postgres_server, db_url, "query LIKE 'SELECT pg_sleep%'")
        with pytest.raises(ConnectionError):
            await victim
        await put(t, 10 * round_ + 9)
    assert t._core.executor.lanes_in_use == 0


async def test_the_statement_behind_a_victim_on_one_connection_succeeds(db_url: str) -> None:
    async with Database(db_url, pool_size=1) as db:
        for _ in range(20):
            with pytest.raises(ConnectionError):
                await db.q("SELECT pg_terminate_backend(pg_backend_pid())")
            assert await db.item("SELECT 1") == 1
        waiting = [asyncio.create_task(db.q("SELECT pg_terminate_backend(pg_backend_pid())"))]
        waiting += [asyncio.create_task(db.q("SELECT 1")) for _ in range(5)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(results[0], ConnectionError)
        assert all(isinstance(result, list) for result in results[1:])


async def test_a_transaction_whose_backend_was_ended_saves_nothing(t: Database) -> None:
    with pytest.raises(ConnectionError):
        async with t.transaction():
            await put(t, 1)
            await t.q("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(TransactionAbortedError):
        async with t.transaction():
            await put(t, 1)
            with pytest.raises(ConnectionError):
                async with t.transaction():
                    await t.q("SELECT pg_terminate_backend(pg_backend_pid())")
            with pytest.raises(TransactionAbortedError):
                await put(t, 2)
    assert await keys(t) == []
    await put(t, 3)


async def test_a_backend_ended_during_its_commit_leaves_the_outcome_unknown(t: Database) -> None:
    await t.script("""
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION die();
    """)
    tx = t.transaction()
    with pytest.raises(CommitOutcomeUnknownError):
        async with tx:
            await put(t, 1)
    assert tx.outcome == "unknown"
    assert await keys(t) == []


@pytest.mark.parametrize("deliver", [True, False])
async def test_a_link_lost_at_commit_is_an_unknown_outcome(far: Database, proxy: Proxy, deliver: bool) -> None:
    proxy.deliver = deliver
    attempts = range(10)
    for key in attempts:
        proxy.cut_at = b"COMMIT"
        tx = far.transaction()
        with pytest.raises(CommitOutcomeUnknownError):
            async with tx:
                await put(far, key)
        assert tx.outcome == "unknown"
        proxy.cut_at = b""
        assert far._core.executor.lanes_in_use == 0
    present = await keys(far)
    assert present == [] if not deliver else set(present) <= set(attempts)


async def test_retry_does_not_repeat_an_unknown_commit(far: Database, proxy: Proxy) -> None:
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        await put(far, calls)

    proxy.cut_at = b"COMMIT"
    with pytest.raises(CommitOutcomeUnknownError):
        await far.retry(work)
    assert calls == 1


async def test_retry_repeats_a_transaction_whose_link_was_lost_before_commit(far: Database, proxy: Proxy) -> None:
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        await put(far, calls)
        if calls == 1:
            proxy.cut()
            await far.q("SELECT 1")

    await far.retry(work)
    assert await keys(far) == [2]


@pytest.mark.parametrize("statement", [b"BEGIN", b"INSERT", b"SAVEPOINT", b"SELECT"])
async def test_a_link_lost_at_any_statement_saves_nothing(far: Database, proxy: Proxy, statement: bytes) -> None:
    async def work() -> None:
        async with far.transaction():
            await far.q("SELECT count(*) FROM t")
            await put(far, 1)
            async with far.transaction():
                await put(far, 2)

    for _ in range(3):
        proxy.cut_at = statement
        with pytest.raises(ConnectionError):
            await work()
        proxy.cut_at = b""
        assert far._core.executor.lanes_in_use == 0
        assert await keys(far) == []
    await work()
    assert await keys(far) == [1, 2]


async def test_a_cut_link_fails_what_runs_and_nothing_later(far: Database, proxy: Proxy) -> None:
    acknowledged: set[int] = set()
    errors: list[BaseException] = []

    async def writer(start: int) -> None:
        for key in range(start, start + 40):
            try:
                await put(far, key)
                acknowledged.add(key)
            except DeeBaseError as error:
                errors.append(error)

    async def cutter() -> None:
        for _ in range(4):
            while len(acknowledged) < 30 * (len(cuts) + 1):
                await asyncio.sleep(0)
            cuts.append(len(acknowledged))
            proxy.cut()

    cuts: list[int] = []
    await asyncio.gather(cutter(), *(writer(100 * k) for k in range(8)))
    assert {type(error) for error in errors} <= {ConnectionError}
    assert len(errors) <= 4 * 3
    assert acknowledged <= set(await keys(far))


async def test_a_server_that_is_down_is_reported_and_used_again_when_it_is_back(far: Database, proxy: Proxy) -> None:
    await put(far, 1)
    proxy.refuses = True
    proxy.cut()
    for _ in range(3):
        results = await asyncio.gather(*(put(far, 2) for _ in range(6)), return_exceptions=True)
        assert {type(result) for result in results} == {ConnectionError}
    proxy.refuses = False
    await put(far, 3)
    assert await keys(far) == [1, 3]


async def test_a_stream_whose_link_is_lost_ends_with_our_error(far: Database, proxy: Proxy) -> None:
    with pytest.raises(ConnectionError):
        async for _ in far.stream("SELECT n FROM generate_series(1, 100000) AS n"):
            proxy.cut()
    assert far._core.executor.lanes_in_use == 0
    assert await far.item("SELECT 1") == 1


async def test_a_statement_ends_at_the_command_timeout(db_url: str) -> None:
    async with Database(db_url, command_timeout=0.2, pool_size=1) as db:
        for _ in range(2):
            with pytest.raises(QueryTimeoutError):
                await db.q("SELECT pg_sleep(20)")
            assert await db.item("SELECT 1") == 1
        with pytest.raises(QueryTimeoutError):
            async with db.transaction():
                await db.q("SELECT pg_sleep(20)")


async def test_a_session_changed_by_hand_is_reset_before_the_next_use(db_url: str) -> None:
    async with Database(db_url, pool_size=1) as db:
        await db.q("SET search_path TO pg_catalog")
        assert await db.item("SHOW search_path") == '"$user", public'
        with pytest.raises(DeeBaseError):
            await db.q("SET no_such_setting TO 1")
        assert await db.item("SELECT 1") == 1


async def test_a_connection_that_cannot_be_replaced_is_logged_while_another_lives(
    far: Database, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with far.transaction():
        await put(far, 1)
        proxy.refuses = True
        # In tasks that have no part in the transaction of this one.
        others = [asyncio.create_task(keys(far), context=Context()) for _ in range(3)]
        async with asyncio.timeout(5):
            while "can be opened" not in caplog.text:
                await asyncio.sleep(0.01)
        proxy.refuses = False
    assert await asyncio.gather(*others) == [[1]] * 3
    (record,) = [record for record in caplog.records if record.name == "deebase"]
    assert record.levelname == "WARNING"
    assert far._core.settings.display in record.getMessage()
    reasons = ("the database cannot be reached", "the connection to the server is broken")
    assert any(reason in record.getMessage() for reason in reasons)
