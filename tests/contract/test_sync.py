"""``deebase.sync``: the same calls without await."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database as AsyncDatabase
from deebase import (
    DeeBaseError,
    ForeignKey,
    InvalidOperationError,
    NotFoundError,
    QueryError,
    TransactionError,
    ValidationError,
)
from deebase._sync.loop_runner import LoopRunner
from deebase.errors import SerializationError
from deebase.queries import count
from deebase.sync import Database, Query, Table, Transaction
from tests.support import sync_stub


@dataclass
class User:
    id: int | None
    name: str
    boss: ForeignKey[int, "user"] | None = None


class Post:
    id: int
    title: str
    author: ForeignKey[int, "user"]


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    with Database(db_url) as db:
        yield db


@pytest.fixture
def users(db: Database) -> Table[User]:
    users = db.create(User)
    users.insert_all([{"name": "Ada"}, {"name": "Bob", "boss": 1}, {"name": "Cy", "boss": 1}])
    return users


def test_rows_are_written_and_read(users: Table[User]) -> None:
    dan = users.insert(name="Dan")
    assert users[dan.id] == users.get(dan.id) == users.lookup(name="Dan") == dan
    dan.name = "Dana"
    assert users.update(dan).name == users.upsert(dan).name == "Dana"
    assert (dan.id in users, 99 in users) == (True, False)
    assert users.delete_where(name="Dana") == 1
    with pytest.raises(NotFoundError):
        users[dan.id]
    assert [row.name for row in users] == users.values("name") == ["Ada", "Bob", "Cy"]
    assert users.group("boss", n=count(), order_by="n") == [{"boss": None, "n": 1}, {"boss": 1, "n": 2}]
    page = users.page(size=2, order_by="name")
    assert [row.name for row in users.page(size=2, order_by="name", after=page.next).rows] == ["Cy"]


def test_a_query_is_the_sequence_of_its_rows(users: Table[User]) -> None:
    query = users(order_by="name")
    rows = [users[key] for key in (1, 2, 3)]
    assert query == rows
    assert list(query) == rows == query + [] == [] + query  # noqa: RUF005
    assert (len(query), query[0], query[-2:], rows[1] in query) == (3, rows[0], rows[1:], True)
    assert repr(query) == repr(rows)
    assert (query.first(), query.count(), query.count(rows[0]), query.exists()) == (rows[0], 3, 1, True)
    assert users(id=9) == []
    assert not users(id=9)
    assert [row.name for row in query.stream()] == users(order_by="name").scalars("name")
    assert isinstance(query, Query)


def test_a_query_has_the_rows_of_the_moment_of_its_call(users: Table[User]) -> None:
    before = users(order_by="id")
    users.delete_where(name="Cy")
    assert (len(before), users.count()) == (3, 2)
    wrong = users("nothing = ?", [1])
    assert users.count() == 2
    for _ in range(2):
        with pytest.raises(QueryError):
            len(wrong)
    with pytest.raises(ValidationError):
        users(limit=-1)


def test_transactions(db: Database, users: Table[User]) -> None:
    with db.transaction() as tx:
        users.insert(name="kept")
        assert users.count() == 4
        with pytest.raises(DeeBaseError), db.transaction():
            users.insert(name="lost")
            users.insert({"id": 1, "name": "taken"})
        assert users.count() == 4
    assert (tx.outcome, isinstance(tx, Transaction)) == ("committed", True)
    with pytest.raises(ZeroDivisionError), db.transaction():
        users.insert(name="lost")
        _ = 1 / 0
    with db.transaction() as tx:
        users.insert(name="lost")
        tx.rollback()
        raise AssertionError
    assert (tx.outcome, users.count()) == ("rolled back", 4)


def test_retry(db: Database, users: Table[User]) -> None:
    runs: list[int] = []

    def work() -> int:
        runs.append(users.insert(name=f"run {len(runs)}").id or 0)
        if len(runs) < 3:
            raise SerializationError("again")
        return users.count()

    assert db.retry(work) == 4
    assert len(runs) == 3
    with pytest.raises(SerializationError):
        db.retry(lambda: (_ for _ in ()).throw(SerializationError("never")), attempts=2)
    with pytest.raises(TransactionError, match="cannot rerun a part"), db.transaction():
        db.retry(work)
    with pytest.raises(ValidationError, match="takes a function"):
        db.retry(work())  # type: ignore[arg-type]


def test_related_rows(db: Database, users: Table[User]) -> None:
    posts = db.create(Post)
    post = posts.insert(title="first", author=1)
    ada = users[1]
    assert posts.fk.author(post) == posts.get_parent(post, "author") == ada
    assert users.get_children(ada, posts, "author") == [post]
    assert posts.with_parents(posts(), "author") == [(post, ada)]
    assert [len(rows) for _, rows in users.with_children(users(order_by="id"), posts, "author")] == [1, 0, 0]
    assert posts(posts.fk.author.c.name == "Ada", select=["author.name"]) == [{"author.name": "Ada"}]
    assert posts.fk.author.fk.boss.c.name is posts.fk.author.fk.boss.c["name"]
    assert users.xtra(boss=1).count() == 2


def test_the_rest_of_a_database(db: Database, users: Table[User], tmp_path: Path) -> None:
    assert [table.name for table in db.t] == ["user"]
    assert ("user" in db.t, len(db.t), db.t.user.count(), db.t[User].count()) == (True, 1, 3, 3)
    view = db.create_view("named", "SELECT name FROM \"user\" WHERE name <> 'Cy'")
    assert (view.count(), db.v.named.count(), len(db.v)) == (2, 2, 1)
    assert db.q("SELECT :a AS a", {"a": "x"}) == list(db.stream("SELECT 'x' AS a")) == [{"a": "x"}]
    assert db.item(sa.select(sa.func.count()).select_from(users.sa_table)) == 3
    users = users.add_column("age", int | None)
    assert isinstance(users, Table)
    assert users.export_file(tmp_path / "users.csv") == 3
    assert db.import_file(tmp_path / "users.csv", "again").count() == 3
    assert "transform" in dir(users)
    assert users.transform_plan(drop=["age"]).statements
    with pytest.raises(AttributeError, match="nothing"):
        users.nothing  # type: ignore[attr-defined]  # noqa: B018


async def test_a_running_event_loop_is_not_blocked(db_url: str) -> None:
    async with AsyncDatabase(db_url) as db:
        with pytest.raises(InvalidOperationError, match="would block the event loop"):
            db.sync.item("SELECT 1")
        assert await db.item("SELECT 1") == 1


def test_a_database_of_an_application_has_such_calls_too(db_url: str) -> None:
    db = AsyncDatabase(db_url).sync
    with db:
        assert isinstance(db, Database)
        assert db.item("SELECT 1") == 1


def test_threads_share_a_database(db: Database, users: Table[User]) -> None:
    start = threading.Barrier(4)

    def work(number: int) -> list[Any]:
        start.wait()
        with db.transaction():
            mine = users.insert(name=f"thread {number}")
            found = [users.count(name=mine.name), users[mine.id] == mine]
        return [*found, len(users(name=mine.name))]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [[1, True, 1]] * 4
    assert users.count() == 7


def test_an_interrupt_ends_the_call_and_its_transaction(db: Database, users: Table[User]) -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield {"name": "lost"}
        raise KeyboardInterrupt

    for in_thread in (False, True):
        if in_thread:
            # Two threads at once move the loop to a thread of its own.
            with ThreadPoolExecutor(2) as pool, db._runner._running:
                assert pool.submit(users.count)
        with pytest.raises(KeyboardInterrupt), db.transaction():
            users.insert(name="lost")
            users.insert_all(records())
        assert users.count() == 3


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_program_that_closes_nothing_ends(db_url: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, threading
            from deebase.sync import Database
            db = Database({db_url!r})
            db.script("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            db.reflect()
            if len(sys.argv) > 1:
                threads = [threading.Thread(target=lambda: [db.t.t.insert({{}}) for _ in range(20)]) for _ in range(4)]
                [thread.start() for thread in threads]
                [thread.join() for thread in threads]
            rows = db.stream("SELECT 1 AS a")
            print(next(rows), db.t.t.count())
            db.transaction().__enter__()
            db.t.t.insert({{}})
            """
        )
    )
    for arguments, rows in (([], 0), (["threads"], 80)):
        (tmp_path / "done").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-W", "error", script, *arguments], capture_output=True, text=True, timeout=25, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{{'a': 1}} {rows}\n", "")
        with Database(db_url) as db:
            db.reflect()
            assert db.t.t.count() == rows
            db.t.t.drop()


def test_a_loop_of_its_own_thread_is_shut_down(tmp_path: Path) -> None:
    runner = LoopRunner()

    async def nothing() -> int:
        return 1

    with ThreadPoolExecutor(1) as pool:
        with runner._running:
            other = pool.submit(lambda: runner.run(nothing()))
        assert (other.result(), runner.run(nothing())) == (1, 1)
    for _ in range(2):
        runner.close()
    assert runner._loop is not None
    assert runner._loop.is_closed()


def test_the_types_are_those_of_the_awaited_calls() -> None:
    assert sync_stub.STUB.read_text(encoding="utf-8") == sync_stub.stub(), "python -m tests.support.sync_stub"
