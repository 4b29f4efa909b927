"""`db.read_only()` and `Database(read_only=True)`: what they read, what they refuse, and where their limits end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    ConfigurationError,
    Database,
    DataError,
    DeeBaseError,
    InvalidOperationError,
    NotFoundError,
    QueryTimeoutError,
    TransactionError,
)
from deebase._engine.core import core_of
from deebase._sqltext.capabilities import Capabilities


class Post:
    id: int
    title: str
    owner: int


#: Never ends by itself, on both databases.
RUNAWAY = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT count(*) AS n FROM a"
WRITES: list[Callable[[Database], Awaitable[object]]] = [
    lambda db: db.t.post.insert(title="x", owner=1),
    lambda db: db.t.post.insert_all([{"title": "x", "owner": 1}]),
    lambda db: db.t.post.upsert({"id": 1, "title": "x", "owner": 1}),
    lambda db: db.t.post.update({"id": 1, "title": "x"}),
    lambda db: db.t.post.update_where({"title": "x"}, id=1),
    lambda db: db.t.post.delete(1),
    lambda db: db.t.post.delete_where(owner=1),
    lambda db: db.t.post.add_column("born", int),
    lambda db: db.t.post.drop(),
    lambda db: db.create(Post, name="other"),
    lambda db: db.create_view("other", "SELECT 1 AS a"),
    lambda db: db.script("DELETE FROM post"),
    lambda db: db.q(sa.text("DELETE FROM post")),
    lambda db: db.q(sa.delete(db.t.post.sa_table)),
    lambda db: db.q("DELETE FROM post"),
    lambda db: db.import_file(b"title,owner\nx,1\n", "post"),
]


async def filled(db: Database, count: int = 20) -> None:
    posts = await db.create(Post)
    await posts.insert_all([{"title": f"t{n}", "owner": n % 2} for n in range(1, count + 1)])


async def test_a_block_reads_what_its_database_reads(db: Database) -> None:
    await filled(db)
    async with db.read_only() as ro:
        posts = ro.t.post
        assert await posts.get(3) == await db.t.post.get(3)
        assert await posts(order_by="id", limit=2) == await db.t.post(order_by="id", limit=2)
        assert [row["id"] async for row in posts(order_by="id")] == list(range(1, 21))
        assert (await posts.count(), await posts.exists(99)) == (20, False)
        page = await posts.page(size=15, order_by="id")
        assert len((await posts.page(size=15, order_by="id", after=page.next)).rows) == 5
        assert await asyncio.gather(*[posts.get(n) for n in (1, 2, 3)]) == await db.t.post(id=[1, 2, 3], order_by="id")
        assert await ro.item("SELECT count(*) FROM post WHERE owner = :o", {"o": 1}) == 10
        assert await ro.q(sa.select(posts.c.id).where(posts.c.id < 3).order_by(posts.c.id)) == [{"id": 1}, {"id": 2}]
        assert [row async for row in ro.stream("SELECT id FROM post WHERE id < 2")] == [{"id": 1}]
        async with ro.transaction():
            assert await ro.item("SELECT count(*) FROM post") == await posts.count()
        # Committed by others, and seen by the next statement.
        await db.t.post.insert(title="new", owner=0)
        assert await posts.count() == 21
        await ro.reflect()
        assert await ro.q("SELECT title FROM post WHERE id = ?", [21]) == [{"title": "new"}]


async def test_a_scope_holds_in_a_block(db: Database) -> None:
    await filled(db)
    async with db.read_only(rows=5) as ro:
        scoped = ro.t.post.xtra(owner=1)
        assert {row["owner"] for row in await scoped(limit=5)} == {1}
        assert await scoped.count() == 10
        with pytest.raises(NotFoundError):
            await scoped.get(2)
        assert [row["id"] for row in await asyncio.gather(scoped.get(1), db.t.post.get(2))] == [1, 2]
        with pytest.raises(InvalidOperationError, match="only reads"):
            await scoped.insert(title="x")


async def test_every_write_is_refused_before_anything_is_sent(db: Database) -> None:
    await filled(db)
    before = await db.q("SELECT * FROM post")
    async with db.read_only() as ro:
        with core_of(db).recording() as sent:
            for number, write in enumerate(WRITES):
                with pytest.raises((InvalidOperationError, DeeBaseError)) as refused:
                    await write(ro)
                assert refused.value.hint, number
        assert sent == []
        for reach in (lambda: ro.engine, lambda: ro.transaction().connection):
            with pytest.raises(InvalidOperationError):
                reach()
    assert await db.q("SELECT * FROM post") == before


async def test_a_result_tells_that_it_is_truncated(db: Database, capabilities: Capabilities) -> None:
    await filled(db)
    async with db.read_only(rows=7, size=10_000) as ro:
        cut, whole = await ro.q("SELECT id FROM post ORDER BY id"), await ro.q("SELECT id FROM post WHERE id <= 7")
        assert ([row["id"] for row in cut], cut.truncated) == (list(range(1, 8)), True)
        assert (len(whole), whole.truncated) == (7, False)
        repeated = "hex(zeroblob(:n))" if capabilities.is_one_file else "repeat('ab', CAST(:n AS int))"
        many = await ro.q(f"SELECT id, {repeated} AS x FROM post ORDER BY id", {"n": 1500})
        assert ([row["id"] for row in many], many.truncated) == ([1, 2, 3], True)
        # What is read in full, or not at all.
        for read in (ro.t.post(), ro.q("SELECT * FROM post", as_="arrow"), anext_of(ro)):
            with pytest.raises(InvalidOperationError, match="7 rows or 10,000 bytes"):
                await read
        assert len(await ro.t.post(limit=7)) == 7
    assert (await db.q("SELECT * FROM post")).truncated is False


async def anext_of(ro: Database) -> list[Any]:
    return [row async for row in ro.stream("SELECT id FROM post")]


async def test_a_runaway_statement_ends_while_others_are_answered(db: Database) -> None:
    await filled(db)
    async with db.read_only(seconds=0.2) as ro:
        running = [asyncio.create_task(ro.q(RUNAWAY)) for _ in range(2)]
        while not all(task.done() for task in running):
            assert (await db.t.post.get(1))["id"] == 1
        for task in running:
            with pytest.raises(QueryTimeoutError, match=r"0\.2 s"):
                await task
        with pytest.raises(QueryTimeoutError):
            await ro.t.post(where=f"({RUNAWAY}) > 0")
        assert await ro.t.post.count() == 20


async def test_a_cancelled_read_leaves_a_connection_that_works(db: Database) -> None:
    await filled(db)
    async with db.read_only(seconds=None) as ro:
        for _ in range(5):
            task = asyncio.create_task(ro.q(RUNAWAY))
            await ro.item("SELECT 1")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await ro.item("SELECT count(*) FROM post") == 20
        stream = ro.stream("SELECT id FROM post")
        assert await anext(stream)
        del stream
        gc.collect()
        assert await ro.t.post.count() == 20


async def test_a_value_larger_than_the_result_may_be_is_not_read(db: Database, capabilities: Capabilities) -> None:
    bombs = [
        "SELECT zeroblob(1000000000)",
        "SELECT hex(zeroblob(400000000))",
        "SELECT replace(hex(zeroblob(40000)), '0', hex(zeroblob(4000)))",
        "WITH RECURSIVE a(n) AS (SELECT 'x' UNION ALL SELECT n || n FROM a) SELECT length(n) FROM a",
        "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 99999) SELECT group_concat(n) FROM a",
        "SELECT " + ", ".join(["randomblob(90000)"] * 1500),
    ]
    if not capabilities.is_one_file:
        bombs = ["SELECT repeat('x', 30000000)", "SELECT array_fill('x'::text, ARRAY[3000000])"]
    await filled(db)
    async with db.read_only(size=100_000, seconds=10) as ro:
        for bomb in bombs:
            with pytest.raises(DataError, match="larger than 100,000 bytes"):
                await ro.q(bomb)
        assert await ro.item("SELECT 1") == 1


async def test_limits_are_checked(db: Database) -> None:
    for wrong in ({"seconds": 0}, {"seconds": "2"}, {"rows": 0}, {"rows": True}, {"size": -1}, {"size": 1.5}):
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            db.read_only(**wrong)  # type: ignore[arg-type]
    await filled(db)
    async with db.read_only(seconds=None, rows=None, size=None) as ro:
        assert await ro.item("SELECT 1") == 1


async def test_a_block_is_no_part_of_a_transaction(db: Database) -> None:
    await filled(db)
    block = db.read_only()
    async with db.transaction():
        with pytest.raises(TransactionError, match="do not see this transaction"):
            await block.__aenter__()
    async with block as ro:
        assert await ro.t.post.count() == 20
        with pytest.raises(TransactionError, match="once"):
            await block.__aenter__()
        # Limits of an inner block are its own.
        async with ro.read_only(rows=1) as inner:
            assert len(await inner.q("SELECT id FROM post")) == 1
        assert len(await ro.q("SELECT id FROM post")) == 20
    with pytest.raises(InvalidOperationError, match="has ended"):
        await ro.item("SELECT 1")
    assert await db.item("SELECT 1") == 1


async def test_reads_beside_a_block_stay_as_they_are(db: Database) -> None:
    await filled(db)
    async with db.read_only(rows=3) as ro:
        both = await asyncio.gather(db.t.post.get(1), ro.t.post.get(1), db.t.post.get(2), ro.t.post.get(2))
        assert [row["id"] for row in both] == [1, 1, 2, 2]
        assert len(await db.q("SELECT * FROM post")) == 20
        async with db.transaction():
            await db.t.post.insert(title="mine", owner=0)
            if not core_of(db).settings.memory:
                # The block reads what is committed, in the same task.
                assert await ro.t.post.count() == 20
        assert await ro.t.post.count() == 21


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_database_that_only_reads(db_url: str, db: Database) -> None:
    await filled(db, 2000)
    async with Database(db_url, read_only=True) as reading:
        await reading.reflect()
        posts = reading.t.post
        assert len(await posts()) == len(await reading.q("SELECT * FROM post")) == 2000
        assert [row["id"] for row in await asyncio.gather(*[posts.get(n) for n in range(1, 20)])] == list(range(1, 20))
        assert (await reading.q("SELECT id FROM post")).truncated is False
        for write in WRITES:
            with pytest.raises(DeeBaseError):
                await write(reading)
        async with reading.transaction():
            assert await posts.count() == 2000
        async with reading.read_only(rows=10) as ro:
            assert (await ro.q("SELECT id FROM post")).truncated
    assert await db.t.post.count() == 2000


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_what_sqlite_cannot_interrupt_loses_its_connection(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(db)
    monkeypatch.setattr("deebase._engine.reading_executor.GRACE", 0.05)
    # One instruction compares some 10**10 bytes.
    searched = "SELECT instr(printf('%.*c', 250000, 'a'), printf('%.*c', 125000, 'a') || 'b')"
    async with db.read_only(seconds=0.05) as ro:
        with pytest.raises(QueryTimeoutError):
            await ro.q(searched)
        assert await ro.t.post.count() == 20


async def test_a_role_with_many_rights_is_warned_of(postgres_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Database(postgres_url) as db, db.read_only() as ro:
        await asyncio.gather(*[ro.item("SELECT 1") for _ in range(3)])
        await ro.item("SELECT 1")
    assert [record.message for record in caplog.records if "superuser" in record.message] != []
    assert sum("superuser" in record.message for record in caplog.records) == 1
