"""What `deebase.testing` gives to the tests of an application: rollback, temporary databases, rows of any kind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from deebase import (
    ConfigurationError,
    Database,
    ForeignKey,
    IntegrityError,
    TransactionError,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
)
from deebase.testing import build, build_many, rollback, temporary_database, temporary_url
from tests.support.capabilities import can
from tests.support.tree import ROOT


@dataclass
class User:
    id: int | None
    name: str
    email: str


@dataclass
class Post:
    id: int | None
    author_id: ForeignKey[int, "user"]
    title: str
    likes: int = 0


@pytest.fixture
async def users(db: Database) -> Any:
    await db.create_all(User, Post, options={User: {"indexes": []}})
    await db.t.user.create_index("email", unique=True)
    await db.t.user.insert(name="Ada", email="ada@example.com")
    return db.t.user


# -- rollback ----------------------------------------------------------------------------------


async def test_what_was_done_is_undone(db: Database, users: Any) -> None:
    async with rollback(db):
        await users.insert(name="Eve", email="eve@example.com")
        await users.insert_all([{"name": f"n{n}", "email": f"{n}@example.com"} for n in range(5)])
        async with db.transaction():
            await users.update_where({"name": "all"}, all=True)
        assert await users.count() == 7
    assert [(user.name, user.email) for user in await users()] == [("Ada", "ada@example.com")]
    assert db._core.executor.lanes_in_use == 0


async def test_the_code_in_it_meets_what_it_meets_elsewhere(db: Database, users: Any) -> None:
    async with rollback(db):
        # An error undoes its statement alone, as it does without a transaction.
        with pytest.raises(UniqueViolationError):
            await users.insert(name="Eve", email="ada@example.com")
        await users.insert(name="Bob", email="bob@example.com")
        with pytest.raises(ZeroDivisionError):
            async with db.transaction():
                await users.insert(name="Cy", email="cy@example.com")
                raise ZeroDivisionError
        with pytest.raises(IntegrityError):
            async with db.transaction():
                await users.insert(name="Dan", email="dan@example.com")
                await users.insert(name="Dan", email="dan@example.com")

        async def rename() -> None:
            await users.update(id=1, name="Ada Lovelace")

        await db.retry(rename)
        async with db.transaction(read_only=True):
            names = [user.name async for user in users(order_by="id")]
        await users.update(id=1, name="A. L.")
        assert names == ["Ada Lovelace", "Bob"]
    assert [user.name for user in await users()] == ["Ada"]


async def test_tasks_are_part_of_it(db: Database, users: Any) -> None:
    async def one(number: int) -> None:
        async with db.transaction():
            row = await users.insert(name=f"n{number}", email=f"{number}@example.com")
            await users.update(id=row.id, name="changed")

    async with rollback(db):
        await asyncio.gather(*(one(number) for number in range(20)))
        assert await users.count(name="changed") == 20
    assert await users.count() == 1


async def test_tables_that_are_made_and_changed_are_as_before(db: Database, users: Any) -> None:
    class Note:
        id: int
        text: str

    async with rollback(db):
        notes = await db.create(Note)
        await notes.insert(text="x")
        await users.add_column("age", int | None)
        assert "age" in db.t.user.columns
    assert "note" not in db.t
    await db.reflect()
    assert "note" not in db.t
    assert "age" not in db.t.user.columns


async def test_a_cancelled_statement_does_not_end_it(db: Database, users: Any) -> None:
    async with rollback(db):
        await users.insert(name="Bob", email="bob@example.com")
        task = asyncio.create_task(users.insert(name="Cy", email="cy@example.com"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await users.count(name="Bob") == 1
    assert await users.count() == 1


async def test_a_rollback_is_outermost(db: Database, users: Any) -> None:
    async with db.transaction():
        with pytest.raises(TransactionError, match="in a transaction already"):
            async with rollback(db):
                pass
    async with rollback(db):
        with pytest.raises(TransactionError, match="in a transaction already"):
            async with rollback(db):
                pass


# -- temporary databases -----------------------------------------------------------------------


@pytest.mark.in_memory
async def test_a_temporary_database_is_gone_afterwards(db: Database, db_url: str, backend_name: str) -> None:
    url = {"postgres": db_url, "sqlite-memory": ":memory:"}.get(backend_name)

    async def more(made: Database) -> None:
        await made.t.user.insert(name="Ada", email="ada@example.com")

    async with temporary_database(url, classes=[User, Post], setup=more) as made:
        assert can(made) == can(db)
        assert await made.t.user.count() == 1
        place = await made.item("SELECT current_database()") if can(db).has_schemas else made.engine.url.database
    if can(db).has_schemas:
        assert await db.item("SELECT count(*) FROM pg_database WHERE datname = ?", [place]) == 0
    else:
        assert not Path(str(place)).exists()


async def test_a_file_of_the_user_is_no_temporary_database(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot be a given SQLite file"),
        temporary_url(str(tmp_path / "mine.db")),
    ):
        pass


# -- rows --------------------------------------------------------------------------------------


class Color(Enum):
    RED = "red"


class Everything:
    id: int
    whole: int
    real: float
    text: str
    flag: bool
    raw: bytes
    doc: dict
    items: list
    numbers: list[int]
    at: datetime
    utc: UTCDateTime
    day: date
    price: Decimal
    key: UUID
    color: Color
    kind: Literal["a", "b"]
    left_out: str | None
    status: str = "new"


async def test_a_row_of_every_type_is_made_up(db: Database) -> None:
    table = await db.create(Everything)
    row = await build(table, text="given")
    assert row["text"] == "given"
    assert row["left_out"] is None
    assert row["status"] == "new"
    assert None not in [value for name, value in row.items() if name != "left_out"]
    other = await build(table)
    assert other["whole"] != row["whole"]
    assert other["key"] != row["key"]
    assert await table.count() == 2


async def test_the_rows_that_a_row_refers_to_are_made_too(db: Database, users: Any) -> None:
    post = await build(db.t.post, title="On engines")
    assert (post.title, post.likes) == ("On engines", 0)
    author = await users[post.author_id]
    assert author.email
    mine = await build_many(db.t.post, 3, author_id=1, title=lambda n: f"title {n}")
    assert {row.author_id for row in mine} == {1}
    assert len({row.title for row in mine}) == 3
    assert await users.count() == 2
    hers = db.t.post.xtra(author_id=1)
    assert (await build(hers)).author_id == 1


async def test_what_cannot_be_made_up_is_said(db: Database) -> None:
    class Node:
        id: int
        next_id: ForeignKey[int, "node"]

    await db.create(Node)
    with pytest.raises(ValidationError, match="next_id needs a row of node"):
        await build(db.t.node)
    assert await db.t.node.count() == 0


# -- in pytest ---------------------------------------------------------------------------------

CONFTEST = """
    import pytest
    from dataclasses import dataclass
    from deebase import ForeignKey
    from deebase.testing import database_fixture

    @dataclass
    class User:
        id: int | None
        name: str

    @dataclass
    class Post:
        id: int | None
        author_id: ForeignKey[int, "user"]

    async def first_rows(db):
        await db.t.user.insert(name="Ada")

    db = database_fixture(classes=[User, Post], setup=first_rows)
    own = database_fixture(classes=[User], rollback=False)

    @pytest.fixture(params=["asyncio"])
    def anyio_backend(request):
        return request.param
"""
ASYNCIO = """
    import asyncio
    import pytest
    from deebase.testing import build

    pytestmark = pytest.mark.asyncio

    @pytest.mark.parametrize("number", range(3))
    async def test_each_test_finds_what_was_set_up(db, number):
        assert [user.name for user in await db.t.user()] == ["Ada"]
        async with db.transaction():
            await build(db.t.post)
        await asyncio.gather(*(db.t.user.insert(name=str(n)) for n in range(5)))
        assert await db.t.user.count() == 7

    @pytest.mark.asyncio(loop_scope="session")
    @pytest.mark.parametrize("number", range(2))
    async def test_one_loop_for_all_tests(db, number):
        await db.t.user.insert(name="x")
        assert await db.t.user.count() == 2

    @pytest.mark.parametrize("number", range(2))
    async def test_one_of_its_own_may_be_closed(own, number):
        await own.t.user.insert(name="x")
        assert await own.t.user.count() == 1
        await own.close()

    async def test_an_empty_one_without_any_fixture(deebase_db):
        assert dir(deebase_db.t) == []
"""
ANYIO = """
    import anyio
    import pytest

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("number", range(2))
    async def test_with_anyio(db, number):
        async with anyio.create_task_group() as group:
            for n in range(3):
                group.start_soon(lambda: db.t.user.insert(name="x"))
        assert await db.t.user.count() == 4
"""
CLIENT = """
    import asyncio
    import pytest
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    def application(db):
        async def add(request):
            await db.t.user.insert(name="Eve")
            return JSONResponse({"users": await db.t.user.count()})
        return Starlette(routes=[Route("/", add)])

    @pytest.mark.parametrize("number", range(2))
    def test_requests_of_one_client_see_each_other(db, number):
        with TestClient(application(db)) as client:
            assert client.get("/").json() == {"users": 2}
            assert client.get("/").json() == {"users": 3}

    @pytest.mark.parametrize("number", range(2))
    def test_a_loop_by_hand(db, number):
        async def work():
            await db.t.user.insert(name="x")
            return await db.t.user.count()
        assert asyncio.run(work()) == 2
"""
SETTINGS = """
    [pytest]
    filterwarnings =
        error
        ignore:Using .httpx. with
    asyncio_default_fixture_loop_scope = function
"""


def project(directory: Path, *arguments: str) -> str:
    """Run the tests of a small project, and return the last line."""
    for name, text in {
        "conftest.py": CONFTEST,
        "test_asyncio.py": ASYNCIO,
        "test_anyio.py": ANYIO,
        "test_client.py": CLIENT,
        "pytest.ini": SETTINGS,
    }.items():
        (directory / name).write_text(textwrap.dedent(text), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    "backend_name",
    [*[pytest.param(name, marks=pytest.mark.long) for name in ("sqlite-memory", "sqlite-file")], "postgres"],
    indirect=True,
)
def test_in_a_project_with_pytest(tmp_path: Path, db_url: str, backend_name: str) -> None:
    url = ["--deebase-url", db_url] if backend_name != "sqlite-file" else []
    assert "14 passed" in project(tmp_path, *url)


@pytest.mark.long
@pytest.mark.timeout(90)
def test_with_a_database_for_each_worker(tmp_path: Path, postgres_url: str) -> None:
    assert "14 passed" in project(tmp_path, "-n", "2", "--deebase-url", postgres_url)


def test_an_empty_address_is_no_address(tmp_path: Path) -> None:
    # As of a variable that is not set: tests that were meant for PostgreSQL would run on SQLite.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--deebase-url", "", "-p", "no:randomly"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 4
    assert "--deebase-url is empty" in done.stdout + done.stderr
