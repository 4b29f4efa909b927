"""Short reads of SQLite files in the thread of the event loop: what runs there, and what it must not change.

A budget of a second makes the tests independent of the load of the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from deebase import ConnectionError, Database, ForeignKey, NotFoundError, QueryError, Table
from deebase._backends.sqlite import in_loop
from deebase._backends.sqlite.thread import job
from deebase._sql.statement import Statement
from tests.support.driver_faults import sqlite_error

Rows = Table[dict[str, Any]]


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    title: str
    image: bytes | None


class Spy:
    """Connections that record what runs in the thread of the event loop, and fail there if they are told to.

    Attributes:
        ran: the statements that ran in the loop, in order.
        error: raised instead of the next statement in the loop.
        at: where it is raised, "execute" or "fetchall".
        elsewhere: (connection, statement) of what ran in other threads.
    """

    def __init__(self) -> None:
        self.home = threading.get_ident()
        self.ran: list[str] = []
        self.error: BaseException | None = None
        self.at = "execute"
        self.elsewhere: set[tuple[int, str]] = set()
        self.opened: list[sqlite3.Connection] = []
        self.cold: list[str] = []
        self.may_open = threading.Event()
        self.may_open.set()

    def fail(self, at: str) -> None:
        if self.error is not None and self.at == at and threading.get_ident() == self.home:
            error, self.error = self.error, None
            raise error

    @property
    def options(self) -> dict[str, Any]:
        spy = self

        class Cursor(sqlite3.Cursor):
            def fetchall(self) -> Any:
                spy.fail("fetchall")
                return super().fetchall()

        class Connection(sqlite3.Connection):
            def __init__(self, *args: Any, **options: Any) -> None:
                assert threading.get_ident() != spy.home
                assert spy.may_open.wait(timeout=20)
                super().__init__(*args, **options)
                spy.opened.append(self)

            def cursor(self, factory: Any = Cursor) -> Any:
                return super().cursor(factory)

            def execute(self, sql: str, *args: Any) -> Any:
                if threading.get_ident() == spy.home:
                    spy.fail("execute")
                    spy.ran.append(sql)
                    if (id(self), sql) not in spy.elsewhere:
                        spy.cold.append(sql)
                else:
                    spy.elsewhere.add((id(self), sql))
                return self.cursor().execute(sql, *args)

        return {"connect_args": {"factory": Connection}}


class World:
    """An open database whose connections a spy watches."""

    def __init__(self, db: Database, spy: Spy, path: Path) -> None:
        self.db = db
        self.spy = spy
        self.path = path
        self.books: Rows = db.t.book
        self.authors: Rows = db.t.author

    async def warm(self, read: Callable[[], Awaitable[object]]) -> None:
        """Repeat a read until it is known to be short."""
        for _ in range(3):
            await read()

    async def in_loop(self, read: Callable[[], Awaitable[object]]) -> int:
        """Return how many statements of a read run in the loop."""
        self.spy.ran.clear()
        await read()
        return len(self.spy.ran)


@asynccontextmanager
async def opened(path: Path, **options: Any) -> AsyncIterator[World]:
    spy = Spy()
    async with Database(path, **{"in_loop": 1, "engine_options": spy.options, **options}) as db:
        await db.create_all([Author, Book])
        await db.t.author.insert_all({"name": f"author {n}"} for n in range(1, 11))
        await db.t.book.insert_all({"author_id": n % 10 + 1, "title": f"book {n}"} for n in range(1, 101))
        await db.t.author.create_index(["name"], unique=True)
        yield World(db, spy, path)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path / "x.db") as world:
        yield world


#: Each kind of read, and the statements that it runs in the loop.
READS: dict[str, tuple[Callable[[World], Awaitable[object]], int]] = {
    "get": (lambda w: w.books.get(7), 1),
    "get without the row": (lambda w: w.books.get(1000, default=None), 1),
    "exists": (lambda w: w.books.exists(7), 1),
    "exists by a column": (lambda w: w.authors.exists(name="author 3"), 1),
    "lookup": (lambda w: w.authors.lookup(name="author 3"), 1),
    "parent": (lambda w: w.books.fk.author_id({"author_id": 3}), 1),
    "select": (lambda w: w.books(author_id=3, order_by="-id", limit=5), 1),
    "expression": (lambda w: w.books(w.books.c.id.between(3, 9)).first(), 1),
    "page": (lambda w: w.books.page(size=10), 1),
    "32 tasks": (lambda w: asyncio.gather(*(w.books.get(n) for n in range(1, 33))), 1),
    "in a scope": (lambda w: w.db.t.book.xtra(author_id=3).get(2), 1),
    # One instruction of these may take any time.
    "count": (lambda w: w.books.count(), 0),
    "like": (lambda w: w.books("title like ?", ["book 1%"]), 0),
    "raw SQL": (lambda w: w.db.q("SELECT id FROM book WHERE id = 1"), 0),
    "stream": (lambda w: _streamed(w.books(limit=3)), 0),
}


async def _streamed(query: Any) -> list[Any]:
    return [row async for row in query]


@pytest.mark.parametrize("name", READS)
async def test_what_runs_in_the_loop(world: World, name: str, tmp_path: Path) -> None:
    read, expected = READS[name]
    await world.warm(lambda: read(world))
    assert await world.in_loop(lambda: read(world)) == expected
    # Whatever is slow at its first run, runs first in the thread of the same connection.
    assert world.spy.cold == []
    async with opened(tmp_path / "other.db", in_loop=None) as other:
        await other.warm(lambda: read(other))
        assert (await read(world), other.spy.ran) == (await read(other), [])


async def test_nothing_is_opened_for_single_reads(world: World) -> None:
    before = len(world.spy.opened)
    await world.books.get(1)
    await world.authors.get(1)
    await world.books.count()
    assert world.db._core.executor.lanes()._loop_reads._pool.idle == []  # type: ignore[attr-defined]
    assert len(world.spy.opened) <= before + 1


@pytest.mark.parametrize("at", ["execute", "fetchall"])
@pytest.mark.parametrize(
    "error",
    [
        sqlite_error("database is locked", sqlite3.SQLITE_BUSY),
        sqlite_error("interrupted", sqlite3.SQLITE_INTERRUPT),
        sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR),
        sqlite_error("no such function: f", sqlite3.SQLITE_ERROR),
        sqlite3.OperationalError("Could not decode to UTF-8 column 'title'"),
        sqlite3.ProgrammingError("Cannot operate on a closed database."),
        sqlite3.DataError("string or blob too big"),
        MemoryError(),
        asyncio.CancelledError(),
        OSError(5, "Input/output error"),
    ],
    ids=repr,
)
async def test_a_read_that_fails_in_the_loop_is_repeated_by_a_lane(world: World, error: BaseException, at: str) -> None:
    await world.warm(lambda: world.books.get(7))
    world.spy.at, world.spy.error = at, error
    assert (await world.books.get(7))["title"] == "book 7"
    assert world.spy.error is None
    # No statement was left open: nothing holds back a checkpoint.
    assert await world.db.q("PRAGMA wal_checkpoint(TRUNCATE)") == [{"busy": 0, "log": 0, "checkpointed": 0}]
    # Other statements go on in the loop, once the connection was prepared again.
    await world.warm(lambda: world.authors.get(1))
    assert await world.in_loop(lambda: world.authors.get(1)) == 1
    assert world.db._core.executor.lanes_in_use == 0


async def test_a_read_that_exceeds_the_budget_runs_on_a_lane(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as world:
        read = world.books(title="no such title")
        await world.warm(lambda: read)
        assert await world.in_loop(lambda: read) == 1
        reads = world.db._core.executor.lanes()._loop_reads  # type: ignore[attr-defined]
        await world.db.q(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO book (author_id, title) SELECT 1, 'many' FROM n"
        )
        # Any time is too long for a read that needs more instructions than two looks at the clock.
        reads._budget, reads._turn_ends = 1e-9, 0.0
        statement, args = read._prepared(read._columns, read._limit)  # type: ignore[attr-defined]
        statement.usual_seconds = 0.0
        assert await world.in_loop(lambda: read) == 1
        assert world.spy.ran == [statement.sql]
        assert statement.usual_seconds > in_loop.SLOW / 10
        reads._budget = 1e-4
        assert statement.usual_seconds > reads._budget
        assert await world.in_loop(lambda: read) == 0
        assert args == ["no such title"]


async def test_a_slow_disk_sends_a_statement_to_the_lanes_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = world.db._core.executor.lanes()._loop_reads  # type: ignore[attr-defined]
    await world.warm(lambda: world.books.get(7))
    now = [1000.0]

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            now[0] += step[0]
            return now[0]

    step = [0.01]
    reads._budget = 0.005
    blocks = itertools.count(0, 8)
    monkeypatch.setattr(in_loop, "time", Clock)
    monkeypatch.setattr(in_loop, "blocks_read", lambda: next(blocks))
    reads._turn_ends = 0.0
    assert await world.in_loop(lambda: world.books.get(7)) == 1
    step[0] = 0.0
    # The last reads are short again on the lanes, and yet the statement rests for a thousand times as long.
    for _ in range(20):
        assert await world.in_loop(lambda: world.books.get(7)) == 0
    now[0] += in_loop.REST * 0.011
    await world.warm(lambda: world.books.get(7))
    assert await world.in_loop(lambda: world.books.get(7)) == 1


async def test_one_slow_run_on_a_busy_machine_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = world.db._core.executor.lanes()._loop_reads  # type: ignore[attr-defined]
    await world.warm(lambda: world.books.get(7))
    reads._budget = in_loop.SLOW / 5
    now = [1000.0]

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            now[0] += 0.05 if slow else 0.0
            return now[0]

    slow = True
    monkeypatch.setattr(in_loop, "time", Clock)
    # The program itself reads files between two turns.
    monkeypatch.setattr(in_loop, "blocks_read", lambda: int(now[0]) // 1000)
    reads._blocks_read = 0
    reads._turn_ends = 0.0
    statement = world.books._source.by_pk.statement  # type: ignore[union-attr]
    statement.usual_seconds = reads._budget / 10
    assert await world.in_loop(lambda: world.books.get(7)) == 1
    slow = False
    assert await world.in_loop(lambda: world.books.get(7)) == 1
    slow = True
    usual: list[float] = []
    for _ in range(6):
        await asyncio.sleep(0)
        await world.books.get(7)
        usual.append(statement.usual_seconds)
    assert max(usual) > reads._budget


@pytest.mark.parametrize("waits", [False, True])
def test_waiting_does_not_count_as_work(waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    statement, meter = Statement("SELECT 1", reads=True), job.Meter()
    wall, worked, blocks = [5.0], [1.0], [0]
    clock = SimpleNamespace(perf_counter=lambda: wall[0], thread_time=lambda: worked[0])
    monkeypatch.setattr(job, "time", clock)
    monkeypatch.setattr(job, "blocks_read", lambda: blocks[0])
    meter.start()
    wall[0], worked[0], blocks[0] = 5.5, 1.25, 0 if waits else 8
    meter.stop(statement)
    assert (statement.last_seconds, statement.usual_seconds) == (0.5, 0.25 if waits else 0.5)


async def test_the_task_of_a_job_goes_on_in_the_turn_of_its_result() -> None:
    loop = asyncio.get_running_loop()
    order: list[object] = []

    async def wait(future: asyncio.Future[Any]) -> None:
        try:
            order.append(await future)
        except (ValueError, asyncio.CancelledError) as error:
            order.append(type(error))

    futures = [job.JobFuture(loop=loop) for _ in range(4)]
    tasks = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    tasks[2].cancel()

    def answer() -> None:
        futures[0].resume("first", None)
        futures[1].resume(None, ValueError("second"))
        futures[2].resume("too late", None)
        order.append("end of the turn")
        futures[3].set_result("by the loop")

    loop.call_soon(answer)
    await asyncio.wait(tasks)
    assert order == [asyncio.CancelledError, "first", ValueError, "end of the turn", "by the loop"]


@pytest.mark.parametrize("size", [in_loop.LONGEST + 1, 10_000_000])
async def test_a_long_value_among_short_ones_is_read_by_a_lane(world: World, size: int) -> None:
    await world.warm(lambda: world.books.get(7))
    await world.books.update({"id": 8, "image": bytes(size)})
    await world.authors.update({"id": 1, "name": "x" * size})
    assert len((await world.books.get(8))["image"]) == size
    await world.warm(lambda: world.authors.get(2))
    assert len((await world.authors.get(1))["name"]) == size
    raw = world.db._core.executor.lanes()._loop_reads._pool.idle[0].worker.raw  # type: ignore[attr-defined]
    assert raw.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == in_loop.LONGEST


async def test_functions_and_collations_of_a_program_run_on_lanes_alone(tmp_path: Path) -> None:
    threads: set[int] = set()

    def compare(one: str, other: str) -> int:
        threads.add(threading.get_ident())
        return (one > other) - (one < other)

    def plain(text: str) -> str:
        threads.add(threading.get_ident())
        return text.lower()

    options: dict[str, Any] = {"functions": {"plain": plain}, "collations": {"own": compare}}
    async with opened(tmp_path / "x.db", **options) as world:
        await world.db.script(
            "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT COLLATE own UNIQUE,"
            " low TEXT GENERATED ALWAYS AS (plain(text)) VIRTUAL);"
            "CREATE VIEW total AS SELECT 1 AS id, count(*) AS n FROM word;"
            "INSERT INTO word (id, text) VALUES (1, 'Ada'), (2, 'Bob');"
        )
        await world.db.reflect()
        word, total = world.db.t.word, world.db.v.total
        for read in (lambda: word.lookup(text="Ada"), lambda: word.get(2), lambda: total(id=1)):
            await world.warm(read)
            assert await world.in_loop(read) == 0
        assert (await word.get(2))["low"] == "bob"
        # A statement that needs none of them runs in the loop.
        await world.warm(lambda: word(id=1, select=["id"]))
        assert await world.in_loop(lambda: word(id=1, select=["id"])) == 1
    assert threading.get_ident() not in threads
    assert threads


async def test_a_full_text_search_runs_on_a_lane(world: World) -> None:
    await world.db.script(
        "CREATE VIRTUAL TABLE note USING fts5(body); INSERT INTO note (rowid, body) VALUES (1, 'a word');"
        "CREATE VIEW found AS SELECT rowid AS id, body FROM note;"
    )
    await world.db.reflect()
    found = world.db.v.found
    await world.warm(lambda: found(id=1))
    assert await world.in_loop(lambda: found(id=1)) == 0


async def test_an_error_is_that_of_the_lane(world: World) -> None:
    await world.warm(lambda: world.books.get(7))
    with pytest.raises(NotFoundError):
        await world.books.get(10_000)
    read = world.books("id / 0 = ? and abs(?) > 0", [1, -9223372036854775808])
    for _ in range(4):
        with pytest.raises(QueryError, match="integer overflow"):
            await read
    assert await world.in_loop(lambda: world.books.get(7)) <= 1


async def test_a_transaction_reads_on_its_own_connection(world: World) -> None:
    await world.warm(lambda: world.books.get(7))

    async def outside() -> str:
        return str((await world.books.get(7))["title"])

    other = asyncio.create_task(asyncio.sleep(0))
    await other
    gate, seen = asyncio.Event(), asyncio.Event()
    found: list[str] = []

    async def watcher() -> None:
        await gate.wait()
        found.append(await outside())
        seen.set()

    task = asyncio.create_task(watcher())
    async with world.db.transaction():
        await world.books.update({"id": 7, "title": "changed"})
        assert await world.in_loop(lambda: world.books.get(7)) == 0
        assert (await world.books.get(7))["title"] == "changed"
        gate.set()
        await seen.wait()
    await task
    assert found == ["book 7"]
    assert await outside() == "changed"


async def test_commits_of_others_are_seen_at_once(world: World) -> None:
    await world.warm(lambda: world.books.get(7))
    other = sqlite3.connect(world.path)
    try:
        for n in range(20):
            other.execute("UPDATE book SET title = ? WHERE id = 7", [f"other {n}"])
            other.commit()
            assert (await world.books.get(7))["title"] == f"other {n}"
            await world.books.update({"id": 7, "title": f"own {n}"})
            assert (await world.books.get(7))["title"] == f"own {n}"
        # A schema that another program changes, too.
        other.execute("ALTER TABLE book ADD COLUMN pages INTEGER DEFAULT 3")
        other.commit()
        assert (await world.books.get(7))["title"] == "own 19"
    finally:
        other.close()
    assert len(world.spy.ran) > 30


async def test_listeners_of_the_program_run_on_the_connection(world: World) -> None:
    marked: list[int] = []

    @event.listens_for(world.db.engine.sync_engine, "connect")
    def mark(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA cache_size = -4321")
        cursor.close()
        marked.append(1)

    await world.warm(lambda: world.books.get(7))
    assert await world.in_loop(lambda: world.books.get(7)) == 1
    raw = world.db._core.executor.lanes()._loop_reads._pool.idle[0].worker.raw  # type: ignore[attr-defined]
    assert marked
    assert raw.execute("PRAGMA cache_size").fetchone() == (-4321,)


async def test_statements_about_the_session_reach_the_connection(world: World, tmp_path: Path) -> None:
    await world.warm(lambda: world.books.get(7))
    other = tmp_path / "other.db"
    sqlite3.connect(other).close()
    await world.db.q("PRAGMA cache_size = -1234")
    await world.db.q("PRAGMA busy_timeout = 5000")
    await world.db.q("ATTACH ? AS other", [str(other)])
    # Prepared in the thread of the connection first.
    assert await world.in_loop(lambda: world.books.get(7)) == 0
    assert await world.in_loop(lambda: world.books.get(7)) == 1
    raw = world.db._core.executor.lanes()._loop_reads._pool.idle[0].worker.raw  # type: ignore[attr-defined]
    asked = [raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("cache_size", "busy_timeout", "query_only")]
    assert asked == [-1234, 0, 1]
    assert {row[1] for row in raw.execute("PRAGMA database_list")} == {"main", "other"}
    await world.db.q("DETACH other")


async def test_a_large_schema_can_be_attached(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LaterClock:
        @staticmethod
        def perf_counter() -> float:
            return time.perf_counter() + 10

    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as raw:
        raw.executescript("".join([f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, a TEXT);" for n in range(200)]))
    await world.warm(lambda: world.books.get(7))
    opened = len(world.spy.opened)
    # The budget of the last read is over, and the schema takes more steps than lie between two looks at the clock.
    monkeypatch.setattr(in_loop, "time", LaterClock)
    await world.db.q("ATTACH ? AS other", [str(other)])
    await world.warm(lambda: world.books.get(7))
    assert len(world.spy.opened) == opened
    assert caplog.messages == []


async def test_each_read_is_recorded_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.warm(lambda: world.books.get(7))
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    for error in (None, sqlite_error("database is locked", sqlite3.SQLITE_BUSY)):
        caplog.clear()
        world.spy.error = error
        with world.db._core.recording() as recorded:
            await world.books.get(7)
        assert len(caplog.records) == len(recorded) == 1


async def test_a_task_that_only_reads_lets_the_others_run(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db", in_loop=0.0002) as world:
        loop = asyncio.get_running_loop()
        turns = 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            handle[0] = loop.call_soon(turn)

        handle = [loop.call_soon(turn)]
        for _ in range(1000):
            await world.books.get(7)
        handle[0].cancel()
        # A turn has 100 us for reads, and none is read in less than one.
        assert turns >= 10
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                while True:
                    await world.books.get(7)


async def test_reads_that_wait_for_the_next_turn_can_be_cancelled(world: World) -> None:
    read = world.books(author_id=3, limit=2)
    await world.warm(lambda: read)
    world.db._core.executor.lanes()._loop_reads._budget = 1e-9  # type: ignore[attr-defined]
    statement, _ = read._prepared(read._columns, read._limit)  # type: ignore[attr-defined]
    statement.usual_seconds = 0.0
    tasks = [asyncio.create_task(_all(read)) for _ in range(200)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(len(rows) == 2 for rows in done[1::2])  # type: ignore[arg-type]
    # Only the first had its rows before it was cancelled.
    assert all(isinstance(error, asyncio.CancelledError) for error in done[2::2])
    assert world.db._core.executor.lanes_in_use == 0


async def _all(query: Any) -> list[Any]:
    return list(await query)


async def test_closing_ends_reads_and_leaves_no_log(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db", in_loop=0.0002) as world:
        await world.warm(lambda: world.books.get(7))

        async def reader() -> None:
            while True:
                await world.books.get(7)
                await asyncio.sleep(0)

        readers = [asyncio.create_task(reader()) for _ in range(10)]
        for _ in range(5):
            await asyncio.sleep(0)
        await world.db.close()
        for task in readers:
            with pytest.raises(ConnectionError, match="closed"):
                await task
    assert not (tmp_path / "x.db-wal").exists()


async def test_closing_while_the_connection_is_prepared(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as world:
        reads = world.db._core.executor.lanes()._loop_reads  # type: ignore[attr-defined]
        await world.warm(lambda: world.books.get(7))
        await world.authors.get(8)
        task = asyncio.create_task(world.authors.get(8))
        async with asyncio.timeout(10):
            while not reads._learning:
                await asyncio.sleep(0)
        await world.db.close()
        await task
        # Its thread closes it, while the loop may serve reads that came before.
        assert reads._raw is None


async def test_closing_while_the_connection_opens(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as world:
        await world.books.get(7)
        task = asyncio.create_task(world.books.get(7))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, (dict, ConnectionError))


async def test_a_read_waits_briefly_for_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_loop, "OPENING", 0.01)
    async with opened(tmp_path / "x.db") as world:
        await world.books.get(7)
        world.spy.may_open.clear()
        try:
            for n in (7, 8):
                assert (await world.books.get(n))["id"] == n
        finally:
            world.spy.may_open.set()


async def test_a_connection_that_cannot_be_opened_changes_nothing(world: World) -> None:
    await world.books.get(7)
    moved = world.path.with_suffix(".moved")
    os.rename(world.path, moved)
    for _ in range(5):
        assert (await world.books.get(7))["title"] == "book 7"
    assert await world.in_loop(lambda: world.books.get(7)) == 0
    os.rename(moved, world.path)


@pytest.mark.parametrize(
    "options", [{"in_loop": None}, {"in_loop": 0}, {"pragmas": {"journal_mode": "DELETE"}}], ids=str
)
async def test_where_reads_stay_on_lanes(tmp_path: Path, options: dict[str, Any]) -> None:
    async with opened(tmp_path / "x.db", **options) as world:
        for _ in range(5):
            await world.books.get(7)
        assert world.spy.ran == []


async def test_core_statements_of_the_program_stay_on_lanes(world: World) -> None:
    select = sa.select(world.books.sa_table).where(world.books.c.id == 7)
    for _ in range(4):
        assert len(await world.db.q(select)) == 1
    assert world.spy.ran == []
