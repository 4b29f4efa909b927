"""The life of a Database: nothing before the first call, everything given back at the end."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from deebase import ConnectionError, Database, DeeBaseError
from deebase._engine.core import core_of
from tests.support.capabilities import can

pytestmark = pytest.mark.in_memory


async def test_nothing_is_opened_before_the_first_call(tmp_path: Path) -> None:
    threads = threading.active_count()
    async with Database(tmp_path / "x.db") as db:
        assert not (tmp_path / "x.db").exists()
        assert threading.active_count() == threads
        await db.q("SELECT 1")
        assert (tmp_path / "x.db").exists()


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    async with Database(tmp_path / "x.db") as db:
        await db.q("CREATE TABLE t (id INTEGER)")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_closing_again_does_no_harm(db_url: str) -> None:
    db = Database(db_url)
    await db.q("SELECT 1")
    await db.close()
    await db.close()
    await asyncio.gather(db.close(), db.close())
    assert "closed" in repr(db)


async def test_closing_what_was_never_used_does_no_harm(db_url: str) -> None:
    await Database(db_url).close()


async def test_use_after_close_is_refused(db_url: str) -> None:
    async with Database(db_url) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with pytest.raises(ConnectionError, match="closed"):
        await db.q("SELECT 1")
    with pytest.raises(ConnectionError, match="closed"):
        async with db.transaction():
            pass
    with pytest.raises(ConnectionError, match="closed"):
        async for _ in db.stream("SELECT 1"):
            pass
    with pytest.raises(ConnectionError, match="closed"):
        await db.script("SELECT 1; SELECT 2")
    with pytest.raises(ConnectionError, match="closed"):
        _ = db.engine


async def test_close_waits_for_what_runs(db_url: str) -> None:
    db = Database(db_url)
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with db.transaction():
            await db.q("INSERT INTO t VALUES (1)")
            inside.set()
            await go_on.wait()
            await db.q("INSERT INTO t VALUES (2)")

    task = asyncio.create_task(work())
    await inside.wait()
    closing = asyncio.create_task(db.close())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not closing.done()
    with pytest.raises(ConnectionError, match="closed"):
        await asyncio.create_task(db.q("SELECT 1"))
    go_on.set()
    await task
    await closing


async def test_close_does_not_wait_for_operations_that_were_cancelled(db_url: str) -> None:
    db = Database(db_url, pool_size=1)
    entered = asyncio.Event()

    async def hold() -> None:
        async with db.transaction():
            entered.set()
            await asyncio.Event().wait()

    async def wait_for_lane() -> None:
        async with db.transaction():
            pass

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiting = asyncio.create_task(wait_for_lane())
    for _ in range(3):
        await asyncio.sleep(0)
    closing = asyncio.create_task(db.close())
    await asyncio.sleep(0)
    waiting.cancel()
    holder.cancel()
    await asyncio.wait([holder, waiting])
    async with asyncio.timeout(5):
        await closing


async def test_close_cuts_off_what_does_not_end(db_url: str) -> None:
    db = Database(db_url)
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with db.transaction():
            await db.q("INSERT INTO t VALUES (1)")
            inside.set()
            await go_on.wait()
            await db.q("INSERT INTO t VALUES (2)")

    task = asyncio.create_task(work())
    await inside.wait()
    await db.close(timeout=0.05)
    go_on.set()
    async with asyncio.timeout(5):
        with pytest.raises(DeeBaseError):
            await task


async def test_close_ends_a_long_statement(db_url: str) -> None:
    db = Database(db_url)
    slow = (
        "SELECT count(*) FROM generate_series(1, 1000000000)"
        if can(db).has_sequences
        else "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1e9) SELECT count(*) FROM c"
    )
    await db.q("SELECT 1")
    task = asyncio.create_task(db.q(slow))
    for _ in range(5):
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await db.close(timeout=0.05)
        with pytest.raises(DeeBaseError):
            await task


async def test_close_ends_the_wait_for_another_process(tmp_path: Path) -> None:
    db = Database(tmp_path / "x.db", timeout=0)
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.create_task(db.q("INSERT INTO t VALUES (?)", [n])) for n in range(4)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await db.close(timeout=0.1)
            results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {ConnectionError}


async def test_close_cuts_off_a_stream(db_url: str) -> None:
    db = Database(db_url)
    rows = db.stream("SELECT 1 AS one UNION ALL SELECT 2")
    assert await anext(rows) == {"one": 1}
    await db.close(timeout=0.05)
    await rows.aclose()  # type: ignore[attr-defined]


async def test_statements_go_on_while_connections_are_replaced(db: Database) -> None:
    executor = core_of(db).executor
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    before = executor.lanes()
    replaced, *_ = await asyncio.gather(
        asyncio.create_task(executor.reconnect()), *(db.q("INSERT INTO t VALUES (?)", [n]) for n in range(3))
    )
    assert replaced is None
    assert executor.lanes() is not before
    assert await db.q("SELECT id FROM t ORDER BY id") == [{"id": n} for n in range(3)]


async def test_memory_databases_are_apart_and_end_with_their_object() -> None:
    async with Database(":memory:") as one, Database(":memory:") as other:
        await one.q("CREATE TABLE t (id INTEGER)")
        await other.q("CREATE TABLE t (id INTEGER, other INTEGER)")
        assert await one.q("SELECT name FROM pragma_table_info('t')") == [{"name": "id"}]


async def test_the_engine_is_the_same_database(db: Database) -> None:
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    async with db.engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    assert await db.q("SELECT id FROM t") == [{"id": 1}]
    with pytest.raises(ZeroDivisionError):
        async with db.engine.begin() as connection:
            await connection.execute(sa.text("INSERT INTO t VALUES (2)"))
            raise ZeroDivisionError
    assert await db.q("SELECT id FROM t") == [{"id": 1}]


async def test_a_file_closed_in_order_has_no_log_left(tmp_path: Path) -> None:
    async with Database(tmp_path / "x.db") as db:
        await db.q("CREATE TABLE t (id INTEGER)")
        await asyncio.gather(*(db.q("SELECT * FROM t") for _ in range(20)))
    assert os.listdir(tmp_path) == ["x.db"]


async def test_a_session_setting_reaches_every_connection_in_its_order(tmp_path: Path) -> None:
    async with Database(tmp_path / "x.db") as db, Database(tmp_path / "y.db") as other:
        await other.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        await other.q("INSERT INTO t VALUES (1)")
        await db.q("SELECT 1")
        await db.q("ATTACH ? AS y", [str(tmp_path / "y.db")])
        await db.q("PRAGMA y.cache_size = -4242")
        for _ in range(2):
            assert await db.item("SELECT count(*) FROM y.t") == 1
            assert await db.item("PRAGMA y.cache_size") == -4242
            async with db.transaction():
                assert await db.item("SELECT count(*) FROM y.t") == 1
            async with db.transaction(read_only=True):
                assert await db.item("PRAGMA y.cache_size") == -4242
        assert await asyncio.gather(*(db.item("SELECT count(*) FROM y.t") for _ in range(20))) == [1] * 20
