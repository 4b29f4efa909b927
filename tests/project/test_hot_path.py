"""What an operation costs, counted: statements, trips, and Python calls. A slow machine does not change them.

A trip is a wake-up of the event loop by the driver's thread on SQLite, and a write to the server on PostgreSQL. When a
change is meant to cost more (or less), correct the figure here, and say why in the commit.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio import selector_events
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import deebase
from deebase import Database, ForeignKey, Table
from deebase.queries import sum_
from tests.support.worlds import only_on

TASKS = 32


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    title: str
    pages: int


@dataclass
class World:
    db: Database
    authors: Table[dict[str, Any]]
    books: Table[dict[str, Any]]


backend_name = only_on("sqlite-file", "postgres")


@pytest.fixture
async def world(db_url: str) -> AsyncIterator[World]:
    # With one connection none is opened meanwhile, whose trips would be counted; and a busy machine makes no read slow.
    async with Database(db_url, pool_size=1, in_loop=1) as db:
        yield await filled(db)


async def filled(db: Database) -> World:
    authors = await db.create(Author)
    books = await db.create(Book, indexes=["pages"])
    await authors.insert_all({"name": f"author {n}"} for n in range(10))
    await books.insert_all({"author_id": n % 10 + 1, "title": f"book {n}", "pages": n} for n in range(200))
    return World(db, authors, books)


class Counter(logging.Handler):
    """Counts statements and trips while it is switched on."""

    def __init__(self) -> None:
        super().__init__()
        self.statements = 0
        self.trips = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.statements += 1


@contextmanager
def counting(backend_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """Count what is sent in the block."""
    counter = Counter()
    logger = logging.getLogger("deebase.sql")
    logger.addHandler(counter)
    with monkeypatch.context() as patch:
        patch.setattr(logger, "level", logging.DEBUG)
        logger.manager._clear_cache()  # type: ignore[attr-defined]
        owner: Any = selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
        name = "write"
        if backend_name != "postgres":
            owner, name = asyncio.BaseEventLoop, "call_soon_threadsafe"
        original = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            counter.trips += 1
            return original(*args, **kwargs)

        patch.setattr(owner, name, counted)
        try:
            yield counter
        finally:
            logger.removeHandler(counter)
    logger.manager._clear_cache()  # type: ignore[attr-defined]


async def transfer(w: World) -> None:
    async with w.db.transaction():
        await w.books.update({"id": 1, "pages": 5})
        await w.books.update({"id": 2, "pages": 6})


async def block(w: World, statements: int, *, read_only: bool = False) -> None:
    async with w.db.transaction(read_only=read_only):
        for n in range(1, statements + 1):
            await (w.books.get(n) if read_only else w.books.update({"id": n, "pages": 5}))


async def nested(w: World) -> None:
    async with w.db.transaction():
        await w.books.update({"id": 1, "pages": 5})
        async with w.db.transaction():
            await w.books.update({"id": 2, "pages": 5})
            async with w.db.transaction():
                pass
            await w.books.get(3)
        await w.books.update({"id": 4, "pages": 5})


async def left_by_an_error(w: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with w.db.transaction():
            await w.books.update({"id": 1, "pages": 5})
            raise ZeroDivisionError


async def together(make: Callable[[int], Awaitable[object]]) -> None:
    await asyncio.gather(*(make(n) for n in range(1, TASKS + 1)))


Operation = Callable[[World], Awaitable[object]]

#: The operation, its statements (those that begin and end transactions do not count), and its trips on SQLite and
#: PostgreSQL (those do).
COSTS: dict[str, tuple[Operation, int, int, int]] = {
    "get": (lambda w: w.books.get(7), 1, 0, 1),
    "exists": (lambda w: w.books.exists(7), 1, 0, 1),
    "insert": (lambda w: w.books.insert(author_id=1, title="x", pages=1), 1, 1, 1),
    "update": (lambda w: w.books.update({"id": 1, "pages": 2}), 1, 1, 1),
    "upsert": (lambda w: w.books.upsert({"id": 1, "author_id": 1, "title": "x", "pages": 2}), 1, 1, 1),
    "delete": (lambda w: w.books.delete_where(pages=10**6), 1, 1, 1),
    "select": (lambda w: w.books(w.books.c.id > 50, order_by="id", limit=100), 1, 0, 1),
    "count": (lambda w: w.books.count(), 1, 1, 1),
    "page": (lambda w: w.books.page(size=20, order_by="pages"), 1, 0, 1),
    "a path": (lambda w: w.books(select=["title", "author_id.name"], order_by="author_id.name", limit=20), 1, 0, 1),
    "a group": (lambda w: w.books.group("author_id.name", pages=sum_("pages")), 1, 1, 1),
    "a sum": (lambda w: w.books.sum("pages"), 1, 1, 1),
    "parent": (lambda w: w.books.fk.author_id({"author_id": 3}), 1, 0, 1),
    "gets of 32 tasks": (lambda w: together(lambda n: w.books.get(n)), 1, 0, 1),
    "parents of 32 rows": (lambda w: together(lambda n: w.books.fk.author_id({"author_id": n % 10 + 1})), 1, 0, 1),
    "inserts of 32 tasks": (
        lambda w: together(lambda n: w.books.insert(author_id=1, title="x", pages=n)),
        TASKS,
        2,
        TASKS,
    ),
    "with_parents": (lambda w: w.books.with_parents(w.books(limit=50), "author_id"), 2, 0, 2),
    "with_children": (lambda w: w.authors.with_children(w.authors(), "book"), 2, 0, 2),
    # On SQLite BEGIN and savepoints travel with the next statement, and COMMIT with the last if that is known.
    "a transaction of two updates": (transfer, 2, 3, 4),
    "an empty transaction": (lambda w: block(w, 0), 0, 0, 2),
    "a transaction of five updates": (lambda w: block(w, 5), 5, 6, 7),
    "a transaction of two reads": (lambda w: block(w, 2, read_only=True), 2, 3, 4),
    "nested transactions": (nested, 4, 5, 10),
    "a transaction that is rolled back": (left_by_an_error, 1, 2, 3),
    "retry of an update": (lambda w: w.db.retry(lambda: w.books.update({"id": 1, "pages": 2})), 1, 2, 3),
    "update_all": (lambda w: w.books.update_all({"id": n, "pages": 5} for n in range(1, 50)), 1, 1, 5),
    "delete_all": (lambda w: w.books.delete_all(range(10**6, 10**6 + 50)), 1, 2, 5),
    "insert_all of returned rows": (
        lambda w: w.authors.insert_all(({"name": "x"} for _ in range(8)), returning=True),
        1,
        1,
        5,
    ),
    "insert of 1,000 rows": (
        lambda w: w.books.insert_all({"author_id": 1, "title": "x", "pages": n} for n in range(1000)),
        1,
        1,
        # One of them asks for the types of the columns: COPY would take others for granted.
        8,
    ),
}


@pytest.mark.each_case
@pytest.mark.parametrize("name", COSTS)
async def test_an_operation_sends_what_it_must(
    world: World, backend_name: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation, statements, on_sqlite, on_postgres = COSTS[name]
    trips = on_postgres if backend_name == "postgres" else on_sqlite
    # Lanes are opened and statements prepared at their first use.
    for _ in range(3):
        await operation(world)
        await world.books.count()
    with counting(backend_name, monkeypatch) as counter:
        await operation(world)
    assert (counter.statements, counter.trips) == (statements, trips)


def functions_called(work: Callable[[], Awaitable[object]], runner: asyncio.Runner) -> list[CodeType]:
    """Return the Python functions that are called in the loop's thread, one entry for each call."""
    called: list[CodeType] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code)

    async def run() -> None:
        sys.setprofile(profile)
        try:
            await work()
        finally:
            sys.setprofile(None)

    runner.run(run())
    return called


@pytest.fixture
def warm_world(runner: asyncio.Runner, db_url: str) -> Iterator[World]:
    async def prepare() -> World:
        db = Database(db_url, in_loop=1)
        world = World(db, await db.create(Author), await db.create(Book))
        await world.authors.insert(name="Ada")
        await world.books.insert_all({"author_id": 1, "title": "x", "pages": n} for n in range(100))
        return world

    world = runner.run(prepare())
    yield world
    runner.run(world.db.close())


#: The most Python functions that an operation of one task may call, on SQLite and PostgreSQL.
CALLS = {"get": (40, 100), "insert": (65, 90), "update": (75, 100), "select": (90, 145)}


@pytest.mark.parametrize("name", CALLS)
def test_an_operation_calls_few_functions(
    runner: asyncio.Runner, backend_name: str, warm_world: World, name: str
) -> None:
    operation = COSTS[name][0]
    # The first compile statements and open lanes; of the others each calls the same.
    counts = [len(functions_called(lambda: operation(warm_world), runner)) for _ in range(5)]
    assert min(counts) <= CALLS[name][backend_name == "postgres"]


SOURCE = str(Path(deebase.__file__).parent)

#: The most files and functions of DeeBase that a warm insert passes through, on SQLite and PostgreSQL, and how many of
#: them make the statement and the row; the others send it.
INSERT_PATH = {"sqlite-file": (8, 21), "postgres": (8, 16)}
INSERT_IN_TABLES = (5, 10)


@pytest.mark.parametrize("record", [None, {"author_id": 1, "title": "x", "pages": 1}], ids=["keywords", "dict"])
def test_a_warm_insert_passes_through_few_files_and_functions(
    runner: asyncio.Runner, backend_name: str, warm_world: World, record: dict[str, Any] | None
) -> None:
    async def insert() -> object:
        books = warm_world.books
        return await (books.insert(author_id=1, title="x", pages=1) if record is None else books.insert(record))

    paths = [functions_called(insert, runner) for _ in range(5)]
    path = {code for code in min(paths, key=len) if code.co_filename.startswith(SOURCE)}
    tables = {code for code in path if not {"_engine", "_lanes", "_backends"} & {*Path(code.co_filename).parts}}
    for codes, (files, functions) in ((path, INSERT_PATH[backend_name]), (tables, INSERT_IN_TABLES)):
        shown = sorted(f"{code.co_filename.removeprefix(SOURCE)}: {code.co_qualname}" for code in codes)
        assert len({code.co_filename for code in codes}) <= files, shown
        assert len(codes) <= functions, shown
