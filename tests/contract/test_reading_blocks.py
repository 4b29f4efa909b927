"""`db.reading()` and `db.position()` without replicas: the same calls on each database, and writes refused inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import ConfigurationError, Database, DeeBaseError, InvalidOperationError, TransactionError, ValidationError
from deebase._engine.core import core_of
from deebase.sync import Database as SyncDatabase
from deebase.testing import rollback


class Post:
    id: int
    title: str


WRITES: list[Callable[[Database], Awaitable[object]]] = [
    lambda db: db.t.post.insert(title="x"),
    lambda db: db.t.post.insert_all([{"title": "x"}]),
    lambda db: db.t.post.insert_all(({"title": "x"} for _ in range(300)), returning=True),
    lambda db: db.t.post.upsert({"id": 1, "title": "x"}),
    lambda db: db.t.post.upsert_all([{"id": 1, "title": "x"}]),
    lambda db: db.t.post.get_or_create({"id": 99, "title": "x"}),
    lambda db: db.t.post.update({"id": 1, "title": "x"}),
    lambda db: db.t.post.update_all([{"id": 1, "title": "x"}]),
    lambda db: db.t.post.update_where({"title": "x"}, id=1),
    lambda db: db.t.post.delete(1),
    lambda db: db.t.post.delete_all([1, 2]),
    lambda db: db.t.post.delete_where(id=1),
    lambda db: db.t.post.truncate(),
    lambda db: db.t.post.add_column("born", int),
    lambda db: db.t.post.drop(),
    lambda db: db.t.post.get(1, for_update=True),
    lambda db: db.t.post(for_update=True),
    lambda db: db.t.post(skip_locked=True),
    lambda db: db.create(Post, name="other"),
    lambda db: db.create_view("other", "SELECT 1 AS a"),
    lambda db: db.script("DELETE FROM post"),
    lambda db: db.q("DELETE FROM post"),
    lambda db: db.q("SELECT * FROM post FOR UPDATE"),
    lambda db: db.q(sa.delete(db.t.post.sa_table)),
    lambda db: db.q(sa.select(db.t.post.sa_table).with_for_update()),
    lambda db: db.item("INSERT INTO post (title) VALUES ('x') RETURNING id"),
    lambda db: anext(db.stream("DELETE FROM post RETURNING id")),
    lambda db: db.import_file(b"title\nx\n", "post"),
    lambda db: db.retry(lambda: db.t.post.insert(title="x")),
]


@pytest.fixture
async def posts(db: Database) -> Database:
    made = await db.create(Post)
    await made.insert_all([{"title": f"t{n}"} for n in range(1, 9)])
    return db


@pytest.mark.parametrize("sandboxed", [False, True], ids=["plain", "in a test"])
async def test_every_write_is_refused_before_it_is_sent(posts: Database, sandboxed: bool) -> None:
    async def refuse_all() -> None:
        for write in WRITES:
            async with posts.reading():
                with core_of(posts).recording() as sent, pytest.raises(InvalidOperationError, match=r"db\.reading"):
                    await write(posts)
            assert not [sql for sql in sent if not sql.lstrip().startswith(("SELECT", "WITH", "PRAGMA"))]
            assert not any("FOR UPDATE" in sql for sql in sent)

    if sandboxed:
        async with rollback(posts):
            await refuse_all()
    else:
        await refuse_all()
    assert await posts.t.post.count() == 8


async def test_everything_that_reads_works_inside(posts: Database) -> None:
    async with posts.reading(max_lag=None, after=None, wait=0, otherwise="error"):
        assert (await posts.t.post.get(3))["title"] == "t3"
        rows = await asyncio.gather(*(posts.t.post.get(n) for n in range(1, 9)))
        assert [row["id"] for row in rows] == [*range(1, 9)]
        assert len(await posts.t.post(limit=5)) == 5
        assert await posts.item("SELECT count(*) FROM post") == 8
        assert len(await posts.q(sa.select(posts.t.post.sa_table))) == 8
        assert len([row async for row in posts.stream("SELECT * FROM post")]) == 8
        async with posts.transaction():
            assert await posts.t.post.count() == 8
            async with posts.transaction():
                assert await posts.t.post.exists(1)
            with pytest.raises(InvalidOperationError):
                await posts.t.post.insert(title="x")
        with pytest.raises(InvalidOperationError, match="serializable"):
            async with posts.transaction(isolation="serializable"):
                pass
    assert (await posts.t.post.insert(title="after"))["id"]


async def test_tasks_that_are_started_inside_belong_to_it_until_its_end(posts: Database) -> None:
    go = asyncio.Event()

    async def write() -> object:
        return await posts.t.post.insert(title="x")

    async def write_later() -> object:
        await go.wait()
        return await write()

    async with posts.reading():
        late = asyncio.create_task(write_later())
        with pytest.raises(InvalidOperationError):
            await asyncio.create_task(write())
        async with posts.reading(max_lag=0):
            with pytest.raises(InvalidOperationError):
                await write()
        with pytest.raises(InvalidOperationError):
            await write()
    go.set()
    assert await late


async def test_the_block_of_a_generator_leaves_the_body_of_its_loop_alone(posts: Database) -> None:
    async def numbers() -> AsyncIterator[int]:
        async with posts.reading():
            for row in await posts.t.post(limit=2):
                yield row["id"]
                with pytest.raises(InvalidOperationError):
                    await posts.t.post.insert(title="x")
            assert len(await asyncio.gather(posts.t.post.get(1), posts.t.post.get(2))) == 2

    async for number in numbers():
        await posts.t.post.update({"id": number, "title": "seen"})
    assert await posts.t.post.count(title="seen") == 2

    @asynccontextmanager
    async def request() -> AsyncGenerator[None]:
        async with posts.reading():
            yield

    async with request():
        with pytest.raises(InvalidOperationError):
            await posts.t.post.insert(title="x")
    assert await posts.t.post.insert(title="x")


async def test_a_transaction_and_a_block_do_not_mix(posts: Database) -> None:
    async with posts.transaction():
        with pytest.raises(TransactionError, match="open transaction"):
            async with posts.reading():
                pass
        with pytest.raises(TransactionError, match="before its commit"):
            await posts.position()
    block = posts.reading()
    async with block:
        pass
    with pytest.raises(TransactionError, match="only once"):
        async with block:
            pass


async def test_a_position_is_taken_by_any_database(posts: Database) -> None:
    await posts.t.post.insert(title="x")
    for token in ("0/0", await posts.position()):
        assert token.isprintable()
        assert ";" not in token
        async with posts.reading(after=token):
            assert await posts.t.post.count(title="x") == 1
            assert await posts.position()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"max_lag": -1}, ConfigurationError),
        ({"max_lag": "2"}, ConfigurationError),
        ({"wait": None}, ConfigurationError),
        ({"wait": float("nan")}, ConfigurationError),
        ({"wait": True}, ConfigurationError),
        ({"otherwise": "replica"}, ConfigurationError),
        ({"after": ""}, ValidationError),
        ({"after": "0/0; DROP TABLE post"}, ValidationError),
        ({"after": "123456789/0"}, ValidationError),
        ({"after": 7}, ValidationError),
    ],
)
async def test_wrong_arguments_are_refused_at_once(
    db: Database, arguments: dict[str, Any], kind: type[DeeBaseError]
) -> None:
    with pytest.raises(kind):
        db.reading(**arguments)


async def test_a_database_without_replicas_reads_fresh_from_itself(db_url: str) -> None:
    async with Database(db_url, reads="fresh", max_lag=None, replica_pool_size=2) as db:
        posts = await db.create(Post)
        for n in range(20):
            row = await posts.insert(title=str(n))
            assert await posts.get(row["id"]) == row


def test_synchronous_code_has_the_same_block(db_url: str) -> None:
    with SyncDatabase(db_url) as db:
        posts = db.create(Post)
        posts.insert(title="x")
        with db.reading(after=db.position()):
            assert posts.count() == 1
            assert posts.get(1)["title"] == "x"
            with pytest.raises(InvalidOperationError):
                posts.insert(title="y")
        posts.insert(title="y")
        assert posts.count() == 2
