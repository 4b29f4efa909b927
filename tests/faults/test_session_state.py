"""What one task sets on a connection of PostgreSQL never reaches the next task."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database
from deebase._backends.postgres.engine import PostgresLanes
from deebase._backends.postgres.lane import PostgresLane
from tests.support.worlds import only_on

#: Everything that a session holds, as one row. Asked with functions that are known to change nothing.
STATE = """
SELECT coalesce(current_setting('app.owner', true), '') AS owner, current_user::text AS user_name,
       session_user::text AS session_name, current_setting('role') AS role,
       current_setting('search_path') AS path, current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout, current_setting('application_name') AS application,
       current_setting('TimeZone') AS zone, current_setting('DateStyle') AS style,
       current_setting('default_transaction_read_only') AS read_only,
       current_setting('default_transaction_isolation') AS isolation, current_setting('work_mem') AS memory,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks,
       (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared,
       (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
       (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS temporary,
       ARRAY(SELECT pg_listening_channels()) AS channels
"""
SET = "set_config('app.owner', '8', false)"
CHANGES = [
    f"SELECT {SET}",
    f"SELECT pg_catalog.{SET}",
    """SELECT "set_config"('app.owner', '8', false)""",
    """SELECT "pg_catalog" . "set_config" ('app.owner', '8', false)""",
    """SELECT U&"set\\005fconfig"('app.owner', '8', false)""",
    "SELECT Set_Config /* ( */ -- (\n ('app.owner', '8', false)",
    f"WITH chosen AS MATERIALIZED (SELECT {SET} AS owner) SELECT owner FROM chosen",
    f"SELECT * FROM {SET} AS owner",
    f"SELECT count(*) FROM t WHERE {SET} IS NOT NULL",
    f"VALUES ({SET})",
    f"INSERT INTO t (id, n) SELECT 1, 1 WHERE {SET} IS NULL",
    f"UPDATE t SET n = length({SET})",
    f"DELETE FROM t WHERE {SET} IS NULL",
    f"EXPLAIN ANALYZE SELECT {SET}",
    f"CREATE TABLE made AS SELECT {SET} AS owner",
    f"DO $$ BEGIN PERFORM {SET}; END $$",
    "SELECT choose_owner()",
    "CALL choose()",
    "SELECT * FROM ts_stat('SELECT to_tsvector(set_config(''app.owner'', ''8'', false))')",
    "SET app.owner = '8'",
    "SET SESSION app.owner TO '8'",
    "SET ROLE deebase_other",
    "SET SESSION AUTHORIZATION deebase_other",
    "SET search_path TO pg_catalog",
    "SET statement_timeout = 90000",
    "SET application_name = 'mine'",
    "SET TIME ZONE 'Asia/Kolkata'",
    "SET DateStyle = 'German, DMY'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "RESET ALL",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE TABLE pg_temp.mine (id int)",
    "SELECT 1 AS id INTO TEMP mine",
    "LISTEN news",
    "SELECT pg_advisory_lock(7)",
    "SELECT pg_try_advisory_lock_shared(7)",
    "PREPARE mine AS SELECT 1",
]


backend_name = only_on("postgres")


@pytest.fixture
async def one(t: Database, db_url: str) -> Any:
    """A database of one connection, with what the changes need."""
    await t.script(f"""
        DO $$ BEGIN CREATE ROLE deebase_other; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
        CREATE FUNCTION choose_owner() RETURNS text LANGUAGE sql AS $f$ SELECT {SET} $f$;
        CREATE PROCEDURE choose() LANGUAGE plpgsql AS $f$ BEGIN PERFORM {SET}; END $f$;
        INSERT INTO t (id, n) VALUES (0, 0);
    """)
    async with Database(db_url, pool_size=1, command_timeout=20) as db:
        yield db


async def outside(db: Database, change: str) -> None:
    await db.q(change)


async def inside(db: Database, change: str) -> None:
    async with db.transaction():
        await db.q(change)


async def inside_of_a_savepoint(db: Database, change: str) -> None:
    async with db.transaction(), db.transaction():
        await db.q(change)


async def by_sqlalchemy(db: Database, change: str) -> None:
    async with db.transaction() as tx:
        await tx.connection.exec_driver_sql(change)


@pytest.mark.parametrize("way", [outside, inside, inside_of_a_savepoint, by_sqlalchemy])
async def test_a_statement_leaves_no_trace_in_the_session(
    one: Database, way: Callable[[Database, str], Awaitable[None]]
) -> None:
    before = await one.q(STATE)
    for change in CHANGES:
        await way(one, change)
        assert await one.q(STATE) == before, change
        await one.q("DROP TABLE IF EXISTS made")


async def test_the_connection_of_the_driver_leaves_no_trace(one: Database) -> None:
    before = await one.q(STATE)
    heard: list[Any] = []
    async with one.transaction() as tx:
        raw = (await tx.connection.get_raw_connection()).driver_connection
        await raw.execute("SET app.owner = '8'; SET ROLE deebase_other; CREATE TEMP TABLE mine ()")
        await raw.add_listener("news", lambda *what: heard.append(what))
    assert await one.q(STATE) == before
    await one.q("NOTIFY news")
    assert await one.item("SELECT 1") == 1
    assert heard == []


async def test_sqlalchemy_expressions_leave_no_trace(one: Database) -> None:
    await one.reflect()
    t, chosen = one.t.t, sa.func.set_config("app.owner", "8", sa.false())
    before = await one.q(STATE)
    await one.q(sa.select(chosen))
    assert await one.q(STATE) == before
    await t(chosen == "8")
    assert await one.q(STATE) == before
    assert await t("set_config('app.owner', '8', false) = '8'").count() == 1
    assert await one.q(STATE) == before
    assert [row async for row in t(chosen == "8")] == [{"id": 0, "n": 0}]
    assert await one.q(STATE) == before
    assert [row async for row in one.stream(f"SELECT {SET} AS owner")] == [{"owner": "8"}]
    assert await one.q(STATE) == before
    await t.update_where({"n": one.sql(sa.func.length(chosen))}, chosen == "8")
    assert await one.q(STATE) == before
    await t.delete_where(chosen == "9")
    assert await one.q(STATE) == before


@pytest.mark.parametrize("nested", [False, True], ids=["outside", "inside"])
async def test_a_task_that_is_cancelled_or_fails_leaves_no_trace(one: Database, nested: bool) -> None:
    before = await one.q(STATE)

    async def change(then: str) -> None:
        if nested:
            async with one.transaction():
                await one.q("SELECT pg_advisory_lock(7), set_config('app.owner', '8', false)")
                await one.q(then)
        else:
            await one.q(f"SELECT pg_advisory_lock(7), set_config('app.owner', '8', false), ({then})")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await change("SELECT pg_sleep(20)")
    assert await one.q(STATE) == before
    with pytest.raises(Exception, match="division by zero"):
        await change("SELECT 1 / (SELECT n FROM t WHERE id = 0)")
    assert await one.q(STATE) == before


#: What the database runs by itself when a row is written or read: no text of the statement shows it.
STORED = {
    "a trigger": """
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $f$
            BEGIN PERFORM set_config('app.owner', NEW.id::text, false); RETURN NEW; END $f$;
        CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noted();
    """,
    "a trigger with SET": """
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN SET app.owner = '8'; RETURN NEW; END $f$;
        CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noted();
    """,
    "a view": f"CREATE VIEW chosen AS SELECT {SET} AS owner",
    "a view of a function": "CREATE VIEW chosen AS SELECT choose_owner() AS owner",
    "a default": "ALTER TABLE t ADD COLUMN owner text DEFAULT choose_owner()",
    "a check": "ALTER TABLE t ADD CHECK (choose_owner() IS NOT NULL)",
    "a policy": """
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
        CREATE POLICY chosen ON t USING (choose_owner() IS NOT NULL);
    """,
}


@pytest.mark.parametrize("known", [False, True], ids=["defined before", "defined here"])
@pytest.mark.parametrize("name", STORED)
async def test_what_the_database_runs_by_itself_leaves_no_trace(
    one: Database, db_url: str, name: str, known: bool
) -> None:
    await one.script(STORED[name])
    async with contextlib.AsyncExitStack() as stack:
        db = one if known else await stack.enter_async_context(Database(db_url, pool_size=1))
        await db.reflect()
        before = await db.q(STATE)
        assert before[0]["owner"] == ""
        keys = itertools.count(7)
        uses: list[Callable[[], Awaitable[object]]] = [
            lambda: db.t.t.insert(id=next(keys), n=1),
            lambda: db.t.t.update({"id": 0, "n": 2}),
            lambda: db.t.t.update_where({"n": 3}, id=0),
            lambda: db.t.t.upsert({"id": 0, "n": 4}),
            lambda: db.t.t.insert_all([{"id": next(keys), "n": 4}]),
            lambda: db.v.chosen() if "chosen" in db.v else db.t.t(),
        ]
        for number, use in enumerate(uses):
            await use()
            assert await db.q(STATE) == before, number
            async with db.transaction():
                await use()
            assert await db.q(STATE) == before, number


async def test_a_lock_of_the_session_is_free_when_the_call_returns(t: Database) -> None:
    # On any connection: an idle one that still held the lock would keep all others out.
    await asyncio.gather(*(t.q("SELECT 1") for _ in range(5)))
    for _ in range(3):
        await t.q("SELECT pg_advisory_lock(7)")
        assert await t.item("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_the_role_of_a_login_comes_back(one: Database, db_url: str) -> None:
    me = await one.item("SELECT quote_ident(current_user)")
    name = await one.item("SELECT quote_ident(current_database())")
    await one.q(f"ALTER ROLE {me} IN DATABASE {name} SET role = 'deebase_other'")
    try:
        async with Database(db_url, pool_size=1) as db:
            before = await db.q(STATE)
            assert before[0]["user_name"] == "deebase_other"
            await db.q("RESET ROLE")
            await db.q("SET ROLE NONE")
            await db.q(f"SET SESSION AUTHORIZATION {me}")
            assert await db.q(STATE) == before
    finally:
        await one.q(f"ALTER ROLE {me} IN DATABASE {name} RESET role")


async def test_ordinary_statements_need_no_reset(one: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await one.reflect()
    t = one.t.t
    seen: list[bool] = []
    release = PostgresLanes.release

    def noted(self: Any, lane: PostgresLane) -> None:
        seen.append(lane.unclean)
        release(self, lane)

    await t.count()
    monkeypatch.setattr(PostgresLanes, "release", noted)
    await t.insert(id=1, n=1)
    await t.upsert({"id": 1, "n": 2})
    await t.get_or_create({"id": 2}, defaults={"n": 5})
    await t.insert_all([{"id": n, "n": n} for n in range(10, 20)])
    await t.insert_all([{"id": n, "n": n} for n in range(10, 20)], on_conflict="ignore")
    await t.page(size=5, order_by="-n")
    await t(t.c.n > 1, order_by="n", limit=3)
    await asyncio.gather(t.get(1), t.get(2))
    await one.q("SELECT count(*), max(n), coalesce(min(n), 0) FROM t WHERE id IN (1, 2) AND n BETWEEN (1) AND (2)")
    await one.q("INSERT INTO t (id, n) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET (n) = ROW (excluded.n)", [1, 1])
    await one.q('WITH "x y" (a) AS (SELECT CAST(n AS numeric(5, 2)) FROM t) SELECT rank() OVER (ORDER BY a) FROM "x y"')
    await one.q("SELECT n, count(*) FILTER (WHERE n > 1) FROM t GROUP BY GROUPING SETS ((n), ())")
    await one.q("UPDATE t SET n = n + 1 WHERE id = ANY (ARRAY(SELECT 1))")
    async with one.transaction():
        await t.update({"id": 1, "n": 7})
        await one.q(sa.select(sa.func.count()).select_from(t.sa_table))
    assert seen
    assert not any(seen)
