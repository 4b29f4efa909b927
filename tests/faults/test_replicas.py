"""A primary and its standby: how fresh reads are, which server answers them, and what a promotion does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from deebase import BusyError, ConnectionError, Database, InvalidOperationError, SerializationError, Table
from deebase._backends.postgres import engine
from deebase._engine.core import core_of
from tests.support.load import Load
from tests.support.own_server import OwnServer, free_port, own_server
from tests.support.postgres import PostgresTestServer
from tests.support.tenants import ordinary_url, tenants

pytestmark = pytest.mark.leaks_allowed("the log and the directory of a server end with it")

#: What a read may wait for a replica, and what a busy machine may add, in seconds.
WAIT, SLACK = 0.25, 1.0
ON_REPLICA = "SELECT pg_is_in_recovery()"
#: What calls may meet while no server accepts writes.
EXPECTED = {
    *("ConnectionError", "CommitOutcomeUnknownError", "TransactionAbortedError", "QueryTimeoutError"),
    *("InvalidOperationError", "BusyError"),
}


class Doc:
    id: int
    n: int


class Pair(NamedTuple):
    """A primary and its standby."""

    primary: OwnServer
    standby: OwnServer

    def database(self, **options: Any) -> Database:
        """Return a Database on the primary that reads from the standby."""
        return Database(self.primary.url, replicas=self.standby.url, **options)

    def both(self, **options: str) -> str:
        """Return a URL that lists both servers, the primary first."""
        query = "&".join(f"{name}={value}" for name, value in {"sslmode": "disable", **options}.items())
        return f"postgresql://postgres@127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}/postgres?{query}"


@pytest.fixture(scope="module")
def pair(postgres_server: PostgresTestServer) -> Iterator[Pair]:
    # The server of all tests has made the account that these run as.
    with own_server() as primary:
        standby = primary.standby()
        standby.control("start")
        yield Pair(primary, standby)


@asynccontextmanager
async def paused(pair: Pair) -> AsyncGenerator[None]:
    """Let the standby receive, and replay nothing."""
    async with Database(pair.standby.url, pool_size=1) as standby:
        await standby.q("SELECT pg_wal_replay_pause()")
        try:
            async with asyncio.timeout(10):
                while await standby.item("SELECT pg_get_wal_replay_pause_state()") != "paused":
                    await asyncio.sleep(0.005)
            yield
        finally:
            await standby.q("SELECT pg_wal_replay_resume()")


async def docs_of(db: Database) -> Table[Any]:
    await db.q("DROP TABLE IF EXISTS doc CASCADE")
    return await db.create(Doc)


async def in_time(read: Any) -> Any:
    """Await a read that must not wait for longer than asked."""
    async with asyncio.timeout(WAIT + SLACK):
        return await read


async def test_reads_after_own_writes_are_never_stale(pair: Pair, long_run: bool) -> None:
    count = 100 if long_run else 30
    async with pair.database(reads="fresh") as db:
        docs = await docs_of(db)
        async with paused(pair):
            for n in range(count):
                key = (await docs.insert(n=n))["id"]
                assert (await in_time(docs.get(key)))["n"] == n
                async with db.transaction():
                    await docs.update(pk=key, n=-n)
                token = await db.position()
                async with db.reading(after=token, wait=WAIT):
                    assert (await in_time(docs.get(key)))["n"] == -n
                assert await in_time(db.item("SELECT n FROM doc WHERE id = ?", [key])) == -n
        assert await docs.count() == count


@pytest.mark.parametrize("reads", ["primary", "fresh"])
async def test_a_replica_shows_only_the_rows_of_the_tenant(pair: Pair, reads: Any) -> None:
    async with Database(pair.primary.url) as owner:
        await owner.q("DROP TABLE IF EXISTS doc, folder, note CASCADE")
        async with tenants(owner, replicas=await ordinary_url(owner, at=pair.standby.url), reads=reads) as world:
            db, docs = world.db, world.docs
            token = await db.position()

            async def read(tenant: int) -> None:
                async with db.acting(tenant=tenant), db.reading(after=token, wait=10, otherwise="error"):
                    assert await db.item(ON_REPLICA)
                    mine = [1, 3] if tenant == 7 else [2, 4]
                    assert [row["id"] for row in await docs(order_by="id")] == mine
                    assert [row["id"] for row in await db.q("SELECT id FROM doc ORDER BY id")] == mine
                    assert [row["id"] async for row in db.stream("SELECT id FROM doc ORDER BY id")] == mine
                    found = await asyncio.gather(*(docs.get(key, default=None) for key in (1, 2, 3, 4)))
                    assert [row["id"] for row in found if row is not None] == mine
                    async with db.transaction():
                        assert await docs.count() == await db.item("SELECT count(*) FROM doc") == 2

            await asyncio.gather(*(read(tenant) for tenant in (7, 8) * 8))
            async with db.reading(after=token, wait=10, otherwise="error"):
                # A block of reads around those of two tenants: the same keys are read at once, for each of them.
                async def get(tenant: int) -> list[Any]:
                    async with db.acting(tenant=tenant):
                        return [await docs.get(key, default=None) for key in (1, 2)]

                mine, theirs = await asyncio.gather(get(7), get(8))
                assert [row and row["id"] for row in mine + theirs] == [1, None, None, 2]
                assert await db.q("SELECT * FROM doc") == []


async def test_the_role_at_a_replica_is_checked_too(pair: Pair) -> None:
    async with Database(pair.primary.url) as owner:
        await owner.q("DROP TABLE IF EXISTS doc, folder, note CASCADE")
        async with tenants(owner, replicas=pair.standby.url) as world:
            token = await world.db.position()
            async with world.db.acting(tenant=7):
                assert await world.docs.count() == 2
                async with world.db.reading(after=token, wait=10, otherwise="error"):
                    with pytest.raises(InvalidOperationError, match="superuser"):
                        await world.db.q("SELECT * FROM doc")


async def test_most_reads_are_served_by_the_replica(pair: Pair) -> None:
    async with pair.database(reads="fresh") as db, pair.database() as other:
        docs = await docs_of(db)
        served: list[bool] = []
        for n in range(60):
            key = (await docs.insert(n=n))["id"]
            found = f"{ON_REPLICA}, (SELECT n FROM doc WHERE id = {key})"
            (row,) = await db.q(found)
            assert row["n"] == n
            token = await db.position()
            async with other.reading(after=token, wait=WAIT):
                (again,) = await other.q(found)
            assert again["n"] == n
            served += row["pg_is_in_recovery"], again["pg_is_in_recovery"]
        assert sum(served) >= 0.8 * len(served)
        assert not await other.item(ON_REPLICA)


async def test_the_writes_of_tasks_are_those_of_the_task_that_waits_for_them(pair: Pair) -> None:
    async with pair.database(reads="fresh") as db, pair.database(reads="fresh") as fresh:
        await docs_of(db)
        docs = await fresh.reflect_table("doc")
        async with paused(pair):
            keys = [row["id"] for row in await asyncio.gather(*(docs.insert(n=n) for n in range(32)))]
            # Reads by key of one turn share a statement, which shows what each of their callers wrote.
            rows = await asyncio.gather(*(docs.get(key) for key in keys))
            assert [row["n"] for row in rows] == [*range(32)]

            async def write_and_read(n: int) -> None:
                key = (await docs.insert(n=n))["id"]
                found = await asyncio.gather(*(docs.get(key) for _ in range(3)), docs.get(keys[0]))
                assert found[0]["n"] == n

            await asyncio.gather(*(write_and_read(n) for n in range(20)))


async def test_writes_of_others_are_at_most_so_old(pair: Pair) -> None:
    async with pair.database(max_lag=0.5) as db, Database(pair.primary.url) as other:
        await docs_of(other)
        docs = await db.reflect_table("doc")
        async with db.reading(after=await other.position(), wait=5, otherwise="error"):
            assert await db.item(ON_REPLICA)
        async with paused(pair):
            await other.q("INSERT INTO doc (n) VALUES (1)")
            async with db.reading(max_lag=None):
                assert await docs.count() == 0, "any lag is accepted"
                assert list(await asyncio.gather(docs.get(1, default=0), docs.get(2, default=0))) == [0, 0]
            async with asyncio.timeout(10), db.reading(max_lag=0.3, wait=0):
                while await docs.count() == 0:
                    await asyncio.sleep(0.01)
            token = await other.position()
            async with db.reading(after=token, wait=0.05, otherwise="error"):
                with pytest.raises(BusyError, match="no replica"):
                    await docs.count()
                with pytest.raises(BusyError, match="no replica"):
                    async with db.transaction():
                        pass
            async with db.reading(after=token, wait=0):
                assert not await db.item(ON_REPLICA)
        async with db.reading(after=token, wait=10, otherwise="error"):
            assert await docs.count() == 1
            assert await db.item(ON_REPLICA)


async def test_an_idle_primary_is_no_lag(pair: Pair) -> None:
    async with pair.database() as db:
        token = await db.position()
        async with db.reading(after=token, wait=10, otherwise="error"):
            await db.item(ON_REPLICA)
        # All that was received is replayed, however long ago it was committed.
        async with db.reading(max_lag=0, wait=1, otherwise="error"):
            assert await db.item(ON_REPLICA)
            async with db.transaction():
                assert await db.item(ON_REPLICA)
            assert [row async for row in db.stream(ON_REPLICA)] == [{"pg_is_in_recovery": True}]


async def test_what_a_replica_cannot_do_runs_on_the_primary_or_nowhere(pair: Pair) -> None:
    async with pair.database(reads="fresh") as db:
        await docs_of(db)
        await db.q(
            "CREATE OR REPLACE FUNCTION put() RETURNS bigint BEGIN ATOMIC INSERT INTO doc (n) VALUES (7); "
            "SELECT count(*) FROM doc; END"
        )
        for text in ("SELECT nextval('doc_id_seq')", "SELECT put()", "SELECT txid_current()"):
            assert await db.item(text)
        before = await db.item("SELECT count(*) FROM doc")
        assert before == 1
        for options in ({}, {"after": "FFFFFFFF/0", "wait": 0.0}):
            # On the primary, to which the second one goes, the text writes no more than on the replica.
            async with db.reading(**options):  # type: ignore[arg-type]
                with pytest.raises(InvalidOperationError, match="read-only"):
                    await db.q("SELECT put()")
        assert await db.item("SELECT count(*) FROM doc") == before


async def test_a_replica_that_is_away_is_left_out(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    nobody = f"postgresql://postgres@127.0.0.1:{free_port()},127.0.0.1:{pair.standby.port}/postgres?sslmode=disable"
    async with (
        Database(pair.primary.url, replicas=nobody, reads="fresh") as db,
        db.reading(max_lag=None, wait=5, otherwise="error"),
    ):
        assert all([await db.item(ON_REPLICA) for _ in range(10)])
    async with Database(pair.primary.url, replicas=pair.primary.url, reads="fresh") as db:
        caplog.clear()
        assert not any([await db.item(ON_REPLICA) for _ in range(10)])
        said = [record.getMessage() for record in caplog.records if "not used for now" in record.getMessage()]
        assert len(said) == 1
        assert "is a primary" in said[0]
        async with db.reading(wait=0, otherwise="error"):
            with pytest.raises(BusyError):
                await db.item("SELECT 1")


async def test_a_replica_says_that_it_cancelled_a_query(pair: Pair) -> None:
    async with pair.database(reads="fresh") as db:
        docs = await docs_of(db)
        await docs.insert_all({"n": n} for n in range(3))
        async with Database(pair.standby.url, pool_size=1) as standby, asyncio.timeout(10):
            await standby.q("ALTER SYSTEM SET max_standby_streaming_delay = '50ms'")
            await standby.q("SELECT pg_reload_conf()")
            async with db.reading(after=await db.position(), wait=10, otherwise="error"):
                running = asyncio.create_task(db.item("SELECT count(*) FROM doc, (SELECT pg_sleep(20)) AS s"))
                while not await standby.item("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                    await asyncio.sleep(0.01)
            await db.q("ALTER TABLE doc ADD COLUMN more int")
            with pytest.raises(SerializationError, match="a replica cancelled the query") as refused:
                await running
            await standby.q("ALTER SYSTEM RESET max_standby_streaming_delay")
            await standby.q("SELECT pg_reload_conf()")
        assert refused.value.retryable
        assert "hot_standby_feedback" in str(refused.value)


@pytest.mark.parametrize("wanted", ["standby", None])
async def test_a_write_to_a_standby_drops_no_connection(pair: Pair, wanted: str | None) -> None:
    url = pair.standby.url if wanted is None else pair.both(target_session_attrs=wanted)
    async with Database(url, pool_size=1) as db:
        pid = await db.item("SELECT pg_backend_pid()")
        with pytest.raises(InvalidOperationError):
            await db.q("CREATE TABLE other (n int)")
        assert await db.item("SELECT pg_backend_pid()") == pid


async def test_a_pool_that_prefers_a_standby_returns_to_it(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Database(pair.both(target_session_attrs="prefer-standby"), pool_size=1) as db:
        assert await db.item(ON_REPLICA)
        await asyncio.to_thread(pair.standby.control, "stop", "-m", "fast")
        assert not await db.item(ON_REPLICA)
        await asyncio.to_thread(pair.standby.control, "start")
        assert not await db.item(ON_REPLICA), "a connection that is in use is not asked"
        monkeypatch.setattr(engine, "IDLE_CHECK", 0)
        assert await db.item(ON_REPLICA)


async def test_hosts_are_chosen_at_random_if_that_is_asked_for(pair: Pair) -> None:
    async with Database(pair.both(load_balance_hosts="random"), pool_size=20) as db:
        found = await asyncio.gather(*(db.item(f"{ON_REPLICA} FROM pg_sleep(0.1)") for _ in range(20)))
        assert set(found) == {True, False}


async def test_each_host_is_listed_with_its_reason(pair: Pair) -> None:
    nobody = free_port()
    url = f"postgresql://postgres@127.0.0.1:{pair.standby.port},127.0.0.1:{nobody}/postgres?sslmode=disable"
    async with Database(f"{url}&target_session_attrs=read-write") as db:
        with pytest.raises(ConnectionError) as refused:
            await db.q("SELECT 1")
        assert f"127.0.0.1:{pair.standby.port} is a standby" in str(refused.value)
        assert f"127.0.0.1:{nobody}: the database cannot be reached (refused)" in str(refused.value)
        assert refused.value.retryable


@pytest.mark.parametrize("mode", ["immediate", pytest.param("fast", marks=pytest.mark.long)])
async def test_a_promotion_under_load_loses_nothing(
    postgres_server: PostgresTestServer, mode: str, long_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_CHECK", 0)
    for _ in range(10 if long_run else 1):
        with own_server() as primary:
            standby = await asyncio.to_thread(primary.standby)
            await asyncio.to_thread(standby.control, "start")
            await promote_under_load(Pair(primary, standby), mode)


async def promote_under_load(pair: Pair, mode: str) -> None:
    url = pair.both(target_session_attrs="read-write")
    async with (
        Database(url, replicas=pair.both(), reads="fresh", pool_size=4, connect_timeout=2) as db,
        Database(pair.both(target_session_attrs="standby"), pool_size=1) as reader,
        Database(pair.standby.url, pool_size=1) as follower,
    ):
        load = await Load.prepare(db)
        # What is acknowledged is on the standby.
        async with Database(pair.primary.url, pool_size=1) as admin:
            await admin.q("ALTER SYSTEM SET synchronous_standby_names = '*'")
            await admin.q("SELECT pg_reload_conf()")
            async with asyncio.timeout(10):
                while not await admin.item("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
                    await asyncio.sleep(0.01)
        assert await reader.item(ON_REPLICA)
        async with load.running(tasks=6):
            await load.more(150)
            await asyncio.to_thread(pair.primary.control, "stop", "-m", mode)
            await follower.q("SELECT pg_promote(true)")
            stored = len(load.acknowledged)
            async with asyncio.timeout(2):
                while len(load.acknowledged) == stored:
                    await asyncio.sleep(0.005)
            # The old primary comes back, and would accept writes.
            (pair.primary.data / "postgresql.auto.conf").write_text("")
            await asyncio.to_thread(pair.primary.control, "start")
            async with Database(pair.primary.url, pool_size=1) as old:
                rows = await old.item("SELECT count(*) FROM load")
                # Connections that are opened from now on find both servers.
                await core_of(db).executor.reconnect()
                await load.more(150)
                async with Database(url, pool_size=1) as another:
                    assert await another.item("SELECT inet_server_port()") == pair.standby.port
                assert await old.item("SELECT count(*) FROM load") == rows
        # A pool for standbys leaves a server that was promoted, and the old primary is none either.
        with pytest.raises(ConnectionError, match=f"{pair.standby.port} is a primary") as refused:
            await reader.q("INSERT INTO load (id, n) VALUES (-1, 0)")
        assert f"{pair.primary.port} is a primary" in str(refused.value)
        assert load.errors <= EXPECTED
        await load.check_after_faults()
        assert await db.item("SELECT inet_server_port()") == pair.standby.port
