"""Arrow tables of PostgreSQL that libpq reads, on a connection of its own in a thread."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from deebase import Database, DataError, QueryTimeoutError, Table, UTCDateTime
from deebase._backends.postgres.adbc import AdbcReader, connection_string
from tests.support.worlds import only_on

backend_name = only_on("postgres")

SLOW = "CREATE VIEW slow AS SELECT 1 AS n, pg_sleep(30)::text AS waited"


class Reading:
    id: int
    n: int
    x: float
    name: str
    price: Decimal
    doc: dict[str, Any]
    at: UTCDateTime
    span: timedelta | None


ROW: dict[str, Any] = {
    "n": 5,
    "x": 0.1,
    "name": "é",
    "price": Decimal("1.50"),
    "doc": {"b": 1, "a": [1.5]},
    "at": datetime(2024, 1, 1, tzinfo=UTC),
    "span": timedelta(days=-1, seconds=5),
}


@pytest.fixture
async def readings(db: Database) -> Table[Any]:
    table = await db.create(Reading)
    await table.insert_all([ROW, {**ROW, "n": 7, "span": None}])
    return table


@pytest.fixture
def by_adbc(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return, for each result that was asked of ADBC, whether it came from there."""
    answers: list[bool] = []
    fetch = AdbcReader.fetch

    async def recorded(self: AdbcReader, *given: Any) -> Any:
        table = await fetch(self, *given)
        answers.append(table is not None)
        return table

    monkeypatch.setattr(AdbcReader, "fetch", recorded)
    return answers


async def test_adbc_reads_what_rows_give(db: Database, readings: Table[Any], by_adbc: list[bool]) -> None:
    queries = [
        readings(order_by="id"),
        readings(n=5),
        readings(readings.c.at >= datetime(2024, 1, 1, tzinfo=UTC), name="é"),
        readings("n > ? AND x < ?", [1, 100], order_by="-id"),
        readings("n > ? AND x < ?", [1, 0.5], order_by="-id"),
        readings.xtra(n=7)(),
        readings(n=[5, 9]),
        readings(price=Decimal("1.5")),
        readings(n=99),
    ]
    made = [await query.arrow() for query in queries]
    async with db.transaction(read_only=True):
        rows = [await query.arrow() for query in queries]
    assert [table.to_pylist() for table in made] == [table.to_pylist() for table in rows]
    assert [table.schema for table in made] == [table.schema for table in rows]
    # Lists and decimals as parameters are sent by asyncpg; a fraction in SQL text is a decimal.
    assert by_adbc.count(True) >= 6


async def test_a_small_result_takes_no_connection_of_its_own_again(readings: Table[Any], by_adbc: list[bool]) -> None:
    for _ in range(3):
        await readings().arrow()
    await readings(limit=10).arrow()
    assert by_adbc == [True]


async def test_a_connection_is_used_again_with_a_fresh_session(db: Database, by_adbc: list[bool]) -> None:
    await db.q(
        "CREATE VIEW session AS SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS before, "
        "set_config('lock_timeout', '7s', false) AS after"
    )
    session = await db.reflect_view("session")
    queries = [session(), session(order_by="pid"), session(select=["pid", "before"])]
    rows = [(await query.arrow()).to_pylist()[0] for query in queries]
    await db.q("SELECT pg_terminate_backend(?)", [rows[0]["pid"]])
    rows.append((await session(select=["before", "pid"]).arrow()).to_pylist()[0])
    assert by_adbc == [True] * 4
    assert [row["pid"] == rows[0]["pid"] for row in rows] == [True, True, True, False]
    assert {row["before"] for row in rows} == {"10s"}


async def test_values_that_arrow_has_not_are_read_as_rows(
    db: Database, readings: Table[Any], by_adbc: list[bool]
) -> None:
    await db.q("UPDATE reading SET span = interval '1 month' WHERE n = 5")
    with pytest.raises(DataError, match=r"reading\.span: a value does not fit"):
        await readings().arrow()
    await db.q("UPDATE reading SET at = 'infinity', span = NULL WHERE n = 5")
    with pytest.raises(DataError, match=r"reading\.at: a value does not fit"):
        await readings().arrow()
    await db.q("CREATE VIEW broken AS SELECT 1 / (n - 5) AS q FROM reading")
    broken = await db.reflect_view("broken")
    with pytest.raises(DataError, match="division by zero"):
        await broken().arrow()
    # An error of the server is that of the rows, which are read after ADBC gave none.
    assert by_adbc == [True, True, False]


async def test_a_listener_of_the_user_keeps_results_on_the_pool(
    db: Database, readings: Table[Any], by_adbc: list[bool]
) -> None:
    event.listen(db.engine.sync_engine, "connect", lambda *_: None)
    assert (await readings().arrow()).num_rows == 2
    assert by_adbc == []


@pytest.fixture
async def slow(db: Database) -> Any:
    await db.q(SLOW)
    return await db.reflect_view("slow")


async def running(db: Database) -> int:
    count: int = await db.item(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM slow%' AND state = 'active' "
        "AND pid <> pg_backend_pid()"
    )
    return count


async def until(db: Database, count: int) -> None:
    async with asyncio.timeout(20):
        while await running(db) != count:
            await asyncio.sleep(0.01)


async def test_a_cancelled_task_ends_its_statement(db: Database, slow: Any) -> None:
    task = asyncio.create_task(slow().arrow())
    await until(db, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(db, 0)


async def test_close_ends_what_runs_after_its_patience(db_url: str) -> None:
    async with Database(db_url) as other, Database(db_url) as db:
        await db.q(SLOW)
        task = asyncio.create_task((await db.reflect_view("slow"))().arrow())
        await until(other, 1)
        await db.close(timeout=0.05)
        with pytest.raises(Exception, match="closed"):
            await task
        await until(other, 0)


async def test_the_time_limit_of_statements_holds(db_url: str) -> None:
    async with Database(db_url, command_timeout=0.3) as db:
        await db.q(SLOW)
        with pytest.raises(QueryTimeoutError):
            await (await db.reflect_view("slow"))().arrow()


async def test_the_session_is_that_of_the_pool(db_url: str, by_adbc: list[bool]) -> None:
    settings = {"search_path": "other, public", "TimeZone": "Asia/Tokyo"}
    async with Database(db_url, engine_options={"connect_args": {"server_settings": settings}}) as db:
        await db.script(
            "CREATE SCHEMA other; CREATE VIEW public.session AS SELECT current_setting('search_path') AS path, "
            "current_setting('TimeZone') AS zone, current_setting('application_name') AS app, "
            "current_setting('lock_timeout') AS wait, current_setting('DateStyle') AS style"
        )
        session = await db.reflect_view("session", schema="public")
        assert (await session().arrow()).to_pylist() == await session()
        assert by_adbc == [True]


BEGINNING = "client_encoding='UTF8' gssencmode='disable' options='-c a=b\\\\ c'"
STRINGS: list[tuple[str, dict[str, Any], str | None]] = [
    ("u:p%27w@h:1/d", {}, f"user='u' password='p\\'w' dbname='d' host='h' port='1' {BEGINNING}"),
    ("u@/d?host=a:1,b:2", {}, f"user='u' dbname='d' host='a,b' port='1,2' {BEGINNING}"),
    ("u@/d?host=/tmp&port=7", {}, f"user='u' dbname='d' host='/tmp' port='7' {BEGINNING}"),
    ("u@/d?host=/tmp", {}, f"user='u' dbname='d' host='/tmp' port='5432' {BEGINNING}"),
    ("u@h/d", {"ssl": "verify-full"}, f"user='u' dbname='d' host='h' sslmode='verify-full' {BEGINNING}"),
    ("u@h/d", {"timeout": 2.5}, f"user='u' dbname='d' host='h' {BEGINNING} connect_timeout='3'"),
    (
        "u@h/d?target_session_attrs=primary",
        {},
        f"user='u' dbname='d' host='h' target_session_attrs='primary' {BEGINNING}",
    ),
    ("u@h/d", {"ssl": True}, None),
    ("u@h/d", {"ssl": object()}, None),
    ("u@h/d", {"password": lambda: "x"}, None),
    ("u@h/d?direct_tls=1", {}, None),
    ("u@/d", {}, None),
]


@pytest.mark.parametrize(("url", "more", "expected"), STRINGS)
def test_libpq_opens_what_asyncpg_opens(url: str, more: dict[str, Any], expected: str | None) -> None:
    arguments = {"server_settings": {"a": "b c"}, **more}
    assert connection_string(sa.make_url(f"postgresql+asyncpg://{url}"), arguments) == expected
