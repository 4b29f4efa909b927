"""What PostgreSQL reports: the class, what it means and what to do, and no value."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from deebase import (
    BusyError,
    ConfigurationError,
    ConnectionError,
    Database,
    DatabaseError,
    DeeBaseError,
    InvalidOperationError,
    QueryError,
    QueryTimeoutError,
    SerializationError,
    TransactionError,
)
from deebase._backends.postgres.driver_errors import PostgresErrors
from tests.support.own_server import free_port
from tests.support.worlds import only_on

CANARY = "canary-v4lue"
RAISE = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE FUNCTION raise_it(said text, code text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the shop is closed for %', said USING ERRCODE = code; END $$;
    CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no row of % here', NEW.id; END $$;
    CREATE TRIGGER guard BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION guard();
"""


backend_name = only_on("postgres")


@pytest.fixture
async def raising(db: Database) -> Database:
    """A database with a function and a trigger that raise errors of their own."""
    await db.script(RAISE)
    return db


@pytest.mark.parametrize("inside", [False, True])
async def test_the_text_of_a_trigger_is_offered_and_not_shown(raising: Database, inside: bool) -> None:
    await raising.reflect()

    async def insert() -> None:
        if inside:
            async with raising.transaction():
                await raising.t.t.insert(id=4711, n=1)
        await raising.t.t.insert(id=4711, n=1)

    with pytest.raises(DatabaseError) as refused:
        await insert()
    error = pickle.loads(pickle.dumps(refused.value))
    assert error.server_message == refused.value.server_message == "no row of 4711 here"
    assert "server_message" in error.hint
    assert "4711" not in f"{error} {error!r} {refused.value} {refused.value.__cause__!r}"


#: Codes that a function may choose, and the class: nothing of it is the server's own state.
CHOSEN: dict[str, type[DeeBaseError]] = {
    **dict.fromkeys(("P0001", "02000", "01000", "57P01", "08006", "53300", "3D000", "28000", "40003"), DatabaseError),
    **dict.fromkeys(("55000", "54000", "XX000", "58030", "99999", "UX001"), DatabaseError),
    "42501": InvalidOperationError,
    "0A000": QueryError,
    "40001": SerializationError,
    "55006": BusyError,
}


@pytest.mark.parametrize("code", CHOSEN)
async def test_a_code_that_a_function_chose_is_its_own_error(raising: Database, code: str) -> None:
    with pytest.raises(CHOSEN[code]) as refused:
        await raising.q("SELECT raise_it(?, ?)", [CANARY, code])
    assert refused.value.server_message == f"the shop is closed for {CANARY}"
    assert CANARY not in f"{refused.value} {refused.value.__cause__!r}"
    assert refused.value.outcome is None


async def cancelled(db: Database) -> None:
    running = asyncio.create_task(db.q("SELECT pg_sleep(20)"))
    async with asyncio.timeout(10):
        while not await db.item(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
            "WHERE wait_event = 'PgSleep' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    await running


async def limited(db: Database) -> None:
    async with db.transaction():
        await db.q("SET LOCAL statement_timeout = 50")
        await db.q("SELECT pg_sleep(20)")


async def vacuum_in_a_block(db: Database) -> None:
    async with db.transaction():
        await db.q("VACUUM")


async def unfilled(db: Database) -> None:
    await db.q("CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a WITH NO DATA")
    await db.q("SELECT * FROM mv")


async def without_the_right(db: Database) -> None:
    await db.q("DO $$ BEGIN CREATE ROLE deebase_other; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    async with db.transaction():
        await db.q("SET LOCAL ROLE deebase_other")
        await db.q("SELECT * FROM pg_authid")


async def long_key(db: Database) -> None:
    await db.q("CREATE TABLE k (a text PRIMARY KEY)")
    await db.q("INSERT INTO k SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) AS i")


MISLEADING: dict[str, tuple[Callable[[Database], Awaitable[Any]], type[DeeBaseError], str, str]] = {
    "pg_cancel_backend": (cancelled, QueryTimeoutError, "cancelled on request", "pg_cancel_backend"),
    "SET LOCAL statement_timeout": (limited, QueryTimeoutError, "statement_timeout", "SET statement_timeout in this"),
    "an unfilled view": (unfilled, DatabaseError, '"mv" has not been populated', "REFRESH MATERIALIZED VIEW"),
    "VACUUM in a block": (vacuum_in_a_block, TransactionError, "VACUUM", "outside of db.transaction"),
    "no right": (without_the_right, InvalidOperationError, "permission denied for table pg_authid", "GRANT"),
    "a key that is too long": (long_key, DatabaseError, "index row requires", "index a hash"),
    "currval": (
        lambda db: db.script("CREATE SEQUENCE s; SELECT currval('s')"),
        DatabaseError,
        'currval of sequence "s" is not yet defined',
        "",
    ),
    "too many columns": (
        lambda db: db.q(f"CREATE TABLE wide ({', '.join(f'c{n} int' for n in range(1700))})"),
        DatabaseError,
        "at most 1600 columns",
        "several tables",
    ),
    "a lock on an aggregate": (
        lambda db: db.q("SELECT count(*) FROM pg_class FOR UPDATE"),
        QueryError,
        "FOR UPDATE is not allowed with aggregate functions",
        "",
    ),
    "a unit from a parameter": (
        lambda db: db.q("SELECT date_trunc(?, now())", [CANARY]),
        DeeBaseError,
        "",
        "",
    ),
    "a file of the server": (lambda db: db.q("SELECT lo_import('/nope')"), DatabaseError, "files", "on the server"),
}


@pytest.mark.parametrize("name", MISLEADING)
async def test_an_error_says_what_it_means_and_what_to_do(db: Database, name: str) -> None:
    provoke, kind, message, hint = MISLEADING[name]
    with pytest.raises(kind) as refused:
        await provoke(db)
    assert message in refused.value.message
    assert hint in str(refused.value.hint)
    assert "SQLSTATE" not in str(refused.value)
    assert CANARY not in f"{refused.value} {refused.value.__cause__!r}"


@pytest.mark.parametrize(
    "state",
    [
        "08000",
        "08P01",
        "0A000",
        "25006",
        "26000",
        "28000",
        "28P01",
        "2BP01",
        "34000",
        "38000",
        "3D000",
        "3F000",
        "40000",
        "42501",
        "53000",
        "53100",
        "53200",
        "53300",
        "53400",
        "54000",
        "54001",
        "54011",
        "54023",
        "55000",
        "55006",
        "55P02",
        "55P03",
        "57000",
        "57014",
        "57P01",
        "57P02",
        "57P03",
        "57P04",
        "57P05",
        "58000",
        "58030",
        "58P01",
        "72000",
        "F0000",
        "HV000",
        "XX000",
        "XX001",
        "XX002",
    ],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_code_of_the_server_stands_bare(state: str, language: str) -> None:
    text = f'"{CANARY}" kann nicht' if language == "de" else f'cannot use "{CANARY}"'
    fields = {"S": "FEHLER" if language == "de" else "ERROR", "V": "ERROR", "C": state, "M": text, "R": "f"}
    ours = PostgresErrors(lambda _: None).translate(asyncpg.PostgresError.new(fields), "SELECT 1")
    assert isinstance(ours, DeeBaseError)
    assert "SQLSTATE" not in str(ours)
    assert ours.hint is not None or state in ("0A000", "2BP01", "34000", "38000", "3F000", "55000", "55P02")


@pytest.mark.parametrize("option", ["options=-c%20no_such%3D1", "options=-c%20work_mem%3Dcanary"])
async def test_a_setting_that_the_server_refuses_is_a_wrong_option(db_url: str, option: str) -> None:
    async with Database(f"{db_url}{'&' if '?' in db_url else '?'}{option}") as db:
        with pytest.raises(ConfigurationError, match=r"no_such|work_mem") as refused:
            await db.q("SELECT 1")
        assert "canary" not in str(refused.value)


async def test_no_host_with_the_attribute_names_what_each_is(db_url: str) -> None:
    async with Database(db_url) as db:
        directory = (await db.item("SHOW unix_socket_directories")).split(",")[0].strip()
        port, user = await db.item("SHOW port"), await db.item("SELECT current_user::text")
    nobody = free_port()
    hosts = f"host={directory}:{port}&host=127.0.0.1:{nobody}"
    async with Database(f"postgresql://{user}@/postgres?{hosts}&target_session_attrs=standby") as db:
        for call in (lambda: db.q("SELECT 1"), lambda: anext(db.stream("SELECT 1"))):
            with pytest.raises(ConnectionError, match="target_session_attrs=standby") as refused:
                await call()
            assert f"{directory}:{port} is a primary that accepts writes" in str(refused.value)
            assert f"127.0.0.1:{nobody}: the database cannot be reached" in str(refused.value)


async def stream(db: Database) -> None:
    rows = db.stream("SELECT generate_series(1, 100000) AS n")
    await anext(rows)
    await db.close(timeout=0)
    async for _ in rows:
        pass


async def block(db: Database) -> None:
    async with db.transaction():
        await db.q("SELECT 1")
        await db.close(timeout=0)
        await db.q("SELECT 1")


async def statement(db: Database) -> None:
    running = asyncio.create_task(db.q("SELECT pg_sleep(20)"))
    async with asyncio.timeout(10):
        while not await db.item("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            await asyncio.sleep(0.01)
    await db.close(timeout=0)
    await running


@pytest.mark.parametrize("cut_off", [stream, block, statement])
async def test_what_close_cuts_off_says_that_the_database_was_closed(
    db_url: str, cut_off: Callable[[Database], Awaitable[None]]
) -> None:
    with pytest.raises(ConnectionError, match="was closed"):
        await cut_off(Database(db_url))


async def test_a_row_that_does_not_fit_into_a_page_says_what_to_do(db: Database) -> None:
    names = [f"c{n}" for n in range(1200)]
    await db.q(f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'{name} bigint' for name in names)})")
    wide = await db.reflect_table("wide")
    record = {"id": 1, **dict.fromkeys(names, 1)}
    for write in (lambda: wide.insert(record), lambda: wide.insert_all([record]), lambda: wide.upsert(record)):
        with pytest.raises(DatabaseError, match="a row is too big") as caught:
            await write()
        assert caught.value.sqlstate == "54000"
        assert "divide the columns among several tables" in str(caught.value.hint)
    assert await wide.count() == 0
