"""Single-row writes that wait for SQLite's writer share a commit; each caller has the outcome it had alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deebase import (
    BusyError,
    ConnectionError,
    Database,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    NotFoundError,
    Table,
    UniqueViolationError,
)
from tests.support.tree import ROOT

both = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
file_only = pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)

#: Writes of one batch, one of which goes wrong.
CROWD = 32
BAD = 13


@dataclass
class Item:
    id: int
    name: str
    n: int = 0


@pytest.fixture
async def items(db: Database) -> Table[Item]:
    return await db.create(Item)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Database]:
    """A second database, on which each write is made after the one before it has ended."""
    async with Database(tmp_path / "alone.db") as database:
        yield database


class Writer:
    """The writing lane of a database: held back for a moment, and watched."""

    def __init__(self, db: Database) -> None:
        self._lanes = db._core.executor.lanes()
        self.sent: list[str] = []
        self.began: asyncio.Event = asyncio.Event()
        self._marks: str | None = None

    async def together(self, calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
        """Make all calls wait for the writer, then let them go; return their outcomes."""
        return await asyncio.gather(*await self.start(calls), return_exceptions=True)

    async def start(
        self, calls: Sequence[Coroutine[Any, Any, Any]], began: str | None = None
    ) -> list[asyncio.Task[Any]]:
        """Start calls that reach the writer as one batch.

        Args:
            calls: What waits.
            began: ``began`` is set when a statement that holds this text starts to run.
        """
        loop = asyncio.get_running_loop()
        lane = await self._lanes.acquire("the test", write=True)

        def note(sql: str) -> None:
            self.sent.append(sql)
            if began is not None and began in sql:
                loop.call_soon_threadsafe(self.began.set)

        await lane.call(lambda raw: raw.set_trace_callback(note))
        tasks = [asyncio.create_task(call) for call in calls]
        await asyncio.sleep(0)
        lane.release()
        return tasks

    def count(self, sql: str) -> int:
        """Return how often exactly this statement was run."""
        return self.sent.count(sql)


def kinds(outcomes: Sequence[Any]) -> list[Any]:
    """Return errors as their classes, and rows as they are."""
    return [type(outcome) if isinstance(outcome, BaseException) else outcome for outcome in outcomes]


async def one_by_one(calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    outcomes: list[Any] = []
    for call in calls:
        outcomes += await asyncio.gather(call, return_exceptions=True)
    return outcomes


async def contents(db: Database, *tables: str) -> list[Any]:
    return [await db.q(f"SELECT rowid, * FROM {table} ORDER BY rowid") for table in tables]


async def ids(db: Database) -> list[int]:
    return [row["id"] for row in await db.q("SELECT id FROM item ORDER BY id")]


async def check_against_alone(
    db: Database, alone: Database, prepare: str, calls: Callable[[Table[Item]], list[Coroutine[Any, Any, Any]]]
) -> tuple[list[Any], Writer]:
    """Run calls as one batch, and one by one elsewhere; outcomes and contents must be the same."""
    here, there = await db.create(Item), await alone.create(Item)
    for database in (db, alone):
        await database.script(prepare)
    writer = Writer(db)
    outcomes = await writer.together(calls(here))
    expected = await one_by_one(calls(there))
    assert kinds(outcomes) == kinds(expected)
    tables = [row["name"] for row in await db.q("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert await contents(db, *tables) == await contents(alone, *tables)
    return outcomes, writer


def inserts(table: Table[Item]) -> list[Coroutine[Any, Any, Any]]:
    return [table.insert(name=f"item {n}", n=n) for n in range(CROWD)]


LOG = """
    CREATE TABLE log (name VARCHAR);
    CREATE TRIGGER a_before BEFORE INSERT ON item BEGIN INSERT INTO log VALUES ('before ' || new.name); END;
    CREATE TRIGGER z_after AFTER INSERT ON item BEGIN INSERT INTO log VALUES ('after ' || new.name); END;
"""


@both
async def test_waiting_inserts_share_one_commit_and_each_gets_its_own_row(db: Database, items: Table[Item]) -> None:
    writer = Writer(db)
    rows = await writer.together(inserts(items))
    assert [(row.name, row.n) for row in rows] == [(f"item {n}", n) for n in range(CROWD)]
    assert [row.id for row in rows] == list(range(1, CROWD + 1))
    assert await items(order_by="id") == rows
    assert (writer.count("BEGIN IMMEDIATE"), writer.count("COMMIT")) == (1, 1)


@both
async def test_a_statement_of_the_users_own_between_them_does_not_keep_the_others_from_sharing(
    db: Database, items: Table[Item]
) -> None:
    text = "INSERT INTO item (name) VALUES ('raw')"
    for _ in range(2):  # by the second run it is known to be quick
        await db.q(text)
    writer = Writer(db)
    calls = inserts(items)
    outcomes = await writer.together([*calls[:16], db.q(text), *calls[16:]])
    assert [row.n for row in outcomes[:16] + outcomes[17:]] == list(range(CROWD))
    assert await db.item("SELECT count(*) FROM item") == CROWD + 3
    assert writer.count("COMMIT") == 2


@both
@pytest.mark.parametrize("moment", ["BEFORE", "AFTER"])
@pytest.mark.parametrize("resolution", ["FAIL, 'no'", "ABORT, 'no'", "ROLLBACK, 'no'", "IGNORE"])
async def test_a_trigger_that_raises_meets_its_own_caller_alone(
    db: Database, alone: Database, moment: str, resolution: str
) -> None:
    guard = f"CREATE TRIGGER m_guard {moment} INSERT ON item WHEN new.n = {BAD} BEGIN SELECT RAISE({resolution}); END;"
    outcomes, writer = await check_against_alone(db, alone, LOG + guard, inserts)
    failed = {n: type(outcome) for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)}
    if resolution != "IGNORE":
        assert failed == {BAD: IntegrityError}
        # What failed left nothing behind: a caller who meets an error may try again.
        assert await db.item("SELECT count(*) FROM item") == CROWD - 1
        assert await db.item("SELECT count(*) FROM log") == 2 * (CROWD - 1)
    elif moment == "BEFORE":
        assert failed == {BAD: InvalidOperationError}
        assert await db.item("SELECT count(*) FROM item") == CROWD - 1
    else:
        assert failed == {}
    shared = "ROLLBACK" not in resolution
    assert (writer.count("COMMIT") == 1) == shared


@both
async def test_a_constraint_that_rolls_back_meets_its_own_caller_alone(db: Database, alone: Database) -> None:
    prepare = """
        DROP TABLE item;
        CREATE TABLE item (
            id INTEGER PRIMARY KEY, name VARCHAR UNIQUE ON CONFLICT ROLLBACK, n INTEGER NOT NULL ON CONFLICT ROLLBACK
        );
        INSERT INTO item (name, n) VALUES ('item 7', 0);
    """
    outcomes, _ = await check_against_alone(db, alone, prepare, inserts)
    failed = {n: type(outcome) for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)}
    assert failed == {7: UniqueViolationError}


@both
async def test_a_deferred_foreign_key_meets_its_own_caller_alone(db: Database, alone: Database) -> None:
    prepare = """
        DROP TABLE item;
        CREATE TABLE parent (id INTEGER PRIMARY KEY);
        INSERT INTO parent VALUES (1);
        CREATE TABLE item (
            id INTEGER PRIMARY KEY, name VARCHAR, n INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED
        );
    """

    def calls(table: Table[Item]) -> list[Coroutine[Any, Any, Any]]:
        return [table.insert(name=f"item {n}", n=99 if n in (BAD, BAD + 5) else 1) for n in range(CROWD)]

    outcomes, _ = await check_against_alone(db, alone, prepare, calls)
    failed = {n: type(outcome) for n, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)}
    assert failed == {BAD: ForeignKeyViolationError, BAD + 5: ForeignKeyViolationError}
    assert await db.q("PRAGMA foreign_key_check") == []


@both
async def test_side_effects_of_triggers_happen_once_when_the_rows_run_again(db: Database, alone: Database) -> None:
    prepare = (
        LOG
        + f"""
        CREATE TABLE total (rows INTEGER, sum INTEGER);
        INSERT INTO total VALUES (0, 0);
        CREATE TRIGGER sums AFTER INSERT ON item BEGIN UPDATE total SET rows = rows + 1, sum = sum + new.n; END;
        CREATE TRIGGER guard AFTER INSERT ON item WHEN new.n = {BAD} BEGIN SELECT RAISE(ROLLBACK, 'no'); END;
    """
    )
    await check_against_alone(db, alone, prepare, inserts)
    assert await db.q("SELECT * FROM total") == [{"rows": CROWD - 1, "sum": sum(range(CROWD)) - BAD}]


@both
@pytest.mark.parametrize("ends_all", [False, True])
async def test_every_kind_of_write_has_its_own_outcome_in_a_batch(
    db: Database, alone: Database, ends_all: bool
) -> None:
    prepare = "INSERT INTO item (id, name, n) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);"
    if ends_all:
        prepare += "CREATE TRIGGER guard BEFORE UPDATE ON item WHEN new.n = -1 BEGIN SELECT RAISE(ROLLBACK, 'no'); END;"
    else:
        prepare += "CREATE TRIGGER guard BEFORE UPDATE ON item WHEN new.n = -1 BEGIN SELECT RAISE(ABORT, 'no'); END;"

    def calls(table: Table[Item]) -> list[Coroutine[Any, Any, Any]]:
        return [
            table.insert(name="four"),
            table.update(id=1, n=10),
            table.update(id=77, n=10),  # not there
            table.upsert(id=2, name="two again", n=20),
            table.upsert(id=50, name="fifty", n=50),
            table.delete(3),
            table.delete(3),  # not there any more
            table.insert(id=1, name="taken"),  # the key is taken
            table.update(id=2, n=-1),  # the trigger
            table.insert(name="last"),
            table.update({"id": 60}, pk=50),
            table.get_or_create({"id": 70}, defaults={"name": "made"}),
        ]

    outcomes, _ = await check_against_alone(db, alone, prepare, calls)
    assert kinds(outcomes) == [
        Item(4, "four", 0),
        Item(1, "one", 10),
        NotFoundError,
        Item(2, "two again", 20),
        Item(50, "fifty", 50),
        None,
        NotFoundError,
        UniqueViolationError,
        IntegrityError,
        Item(51, "last", 0),
        Item(60, "fifty", 50),
        (Item(70, "made", 0), True),
    ]


@file_only
async def test_a_row_can_be_read_by_others_as_soon_as_its_caller_is_answered(db: Database, items: Table[Item]) -> None:
    async def write_then_read(n: int) -> None:
        row = await items.insert(name=f"item {n}", n=n)
        found = await db.q("SELECT name FROM item WHERE id = ?", [row.id])
        assert found == [{"name": f"item {n}"}]
        assert await items[row.id] == row
        changed = await items.update(id=row.id, n=-n)
        assert await items[row.id] == changed
        await items.delete(row.id)
        assert await items.get(row.id, default=None) is None

    for _ in range(5):
        await Writer(db).together([write_then_read(n) for n in range(CROWD)])
    assert await ids(db) == []


@both
async def test_a_connection_that_was_lost_is_told_to_every_caller_of_a_batch(db: Database, items: Table[Item]) -> None:
    lanes = db._core.executor.lanes()
    lane = await lanes.acquire("the test", write=True)
    await lane.call(sqlite3.Connection.close)
    tasks = [asyncio.create_task(call) for call in inserts(items)]
    await asyncio.sleep(0)
    lane.release()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ConnectionError}
    before = await db.item("SELECT count(*) FROM item")
    await asyncio.gather(*inserts(items))
    assert await db.item("SELECT count(*) FROM item") == before + CROWD


# -- cancelled callers -----------------------------------------------------------------------------

#: Runs for many seconds unless it is ended.
SLOW = f"""
    CREATE TABLE many (x INTEGER);
    INSERT INTO many WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000) SELECT x FROM c;
    CREATE TRIGGER slow BEFORE INSERT ON item WHEN new.n = {BAD}
    BEGIN SELECT count(*) FROM many a, many b, many c WHERE a.x + b.x = c.x; END;
"""


@both
async def test_a_statement_ended_in_the_middle_of_a_batch_takes_no_other_along(
    db: Database, items: Table[Item]
) -> None:
    await db.script(LOG + SLOW)
    writer = Writer(db)
    tasks = await writer.start(inserts(items), began=f"'item {BAD}'")
    await writer.began.wait()
    tasks[BAD].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[BAD], asyncio.CancelledError)
    others = [outcome for n, outcome in enumerate(outcomes) if n != BAD]
    assert [row.n for row in others] == [n for n in range(CROWD) if n != BAD]
    assert await items(order_by="id") == others
    assert await db.item("SELECT count(*) FROM log") == 2 * (CROWD - 1)


@both
async def test_a_row_that_runs_again_has_the_outcome_of_its_last_run(db: Database, items: Table[Item]) -> None:
    await db.script(SLOW)
    writer = Writer(db)
    calls = [items.insert(id=1, name="first"), items.insert(id=1, name="second"), items.insert(name="slow", n=BAD)]
    tasks = await writer.start(calls, began="'slow'")
    await writer.began.wait()
    # In the first run the second key was taken; the row that took it is given up together with the slow one.
    tasks[0].cancel()
    tasks[2].cancel()
    assert await tasks[1] == Item(1, "second", 0)
    assert await items() == [Item(1, "second", 0)]
    await asyncio.wait(tasks)


@both
async def test_a_batch_whose_callers_are_all_cancelled_frees_the_writer(
    db: Database, items: Table[Item], eventually: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    await db.script(SLOW)
    writer = Writer(db)
    tasks = await writer.start(inserts(items), began=f"'item {BAD}'")
    await writer.began.wait()
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await eventually(lambda: db._core.executor.lanes_in_use == 0)
    assert await ids(db) == []
    assert (await items.insert(name="next")).id == 1


@both
async def test_callers_cancelled_before_their_turn_store_nothing(db: Database, items: Table[Item]) -> None:
    writer = Writer(db)
    tasks = await writer.start([items.insert(id=n + 1, name=f"item {n}", n=n) for n in range(CROWD)])
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    stored = set(await ids(db))
    assert {row.id for row in outcomes[1::2]} <= stored
    assert len(stored) == len({row.id for row in outcomes[1::2]} | stored)


@both
async def test_a_database_that_closes_in_the_middle_of_a_batch_answers_every_caller(db_url: str) -> None:
    db = Database(db_url)
    items = await db.create(Item)
    await db.script(SLOW)
    writer = Writer(db)
    tasks = await writer.start(inserts(items), began=f"'item {BAD}'")
    await writer.began.wait()
    await db.close(timeout=0.05)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ConnectionError}
    if db_url != ":memory:":
        async with Database(db_url) as again:
            assert await ids(again) == []


# -- other processes, the disk, a kill -------------------------------------------------------------

HOLDER = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
raw.execute("COMMIT")
raw.close()
"""


@contextmanager
def locked_by_another_process(path: str) -> Iterator[Callable[[], None]]:
    """Hold the write lock from another process; gives what lets go of it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.stdin.close
        finally:
            holder.stdin.close()


@file_only
async def test_a_batch_waits_for_the_lock_of_another_process(db: Database, db_url: str, items: Table[Item]) -> None:
    writer = Writer(db)
    with locked_by_another_process(db_url) as let_go:
        tasks = await writer.start(inserts(items))
        done, _ = await asyncio.wait(tasks, timeout=0.2)
        assert done == set()
        let_go()
        rows = await asyncio.gather(*tasks)
    assert [row.n for row in rows] == list(range(CROWD))
    assert writer.count("COMMIT") == 1


@file_only
async def test_a_write_that_had_to_wait_is_not_taken_for_a_slow_one(
    db: Database, db_url: str, items: Table[Item]
) -> None:
    commits = []
    # A busy machine may make any one of them slow indeed, but not each time.
    for _ in range(5):
        with locked_by_another_process(db_url) as let_go:
            first = asyncio.create_task(items.insert(name="first", n=0))
            await asyncio.wait([first], timeout=0.1)
            let_go()
            await first
        writer = Writer(db)
        await writer.together(inserts(items))
        commits.append(writer.count("COMMIT"))
        if commits[-1] == 1:
            return
    raise AssertionError(commits)


@file_only
async def test_a_lock_that_is_held_too_long_is_told_to_all_callers_in_time(db_url: str) -> None:
    async with Database(db_url, timeout=0.3) as db:
        items = await db.create(Item)
        with locked_by_another_process(db_url):
            began = time.monotonic()
            outcomes = await Writer(db).together(inserts(items))
            # Not one busy wait after the other.
            assert time.monotonic() - began < 0.3 + 0.6
        assert {type(outcome) for outcome in outcomes} == {BusyError}
        assert len({id(outcome) for outcome in outcomes}) == CROWD
        assert await ids(db) == []
        await items.insert(name="next")


@file_only
async def test_callers_that_stop_waiting_for_a_lock_free_the_writer(
    db: Database, db_url: str, items: Table[Item], eventually: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    with locked_by_another_process(db_url):
        tasks = await Writer(db).start(inserts(items))
        await asyncio.wait(tasks, timeout=0.1)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await eventually(lambda: db._core.executor.lanes_in_use == 0)
    assert await ids(db) == []


FULL_DISK = """
    import asyncio, resource, sys
    from dataclasses import dataclass
    from deebase import Database
    from deebase.errors import DatabaseError

    @dataclass
    class Item:
        id: int
        name: str

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main(path):
        async with Database(path) as db:
            items = await db.create(Item)
            acknowledged, failed = set(), set()

            async def insert(key):
                try:
                    row = await items.insert(id=key, name="x" * 5000)
                except DatabaseError:
                    failed.add(key)
                else:
                    acknowledged.add(row.id)

            limit(400_000)
            await asyncio.gather(*(insert(key) for key in range(1, 201)))
            assert acknowledged and failed, (acknowledged, failed)
            assert acknowledged | failed == set(range(1, 201))
            assert {row.id for row in await items()} == acknowledged
            limit(resource.RLIM_INFINITY)
            await asyncio.gather(*(insert(key) for key in range(201, 301)))
            assert acknowledged >= set(range(201, 301))
        async with Database(path) as db:
            assert {row["id"] for row in await db.q("SELECT id FROM item")} == acknowledged
            assert await db.item("PRAGMA integrity_check") == "ok"
        print("done")

    asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_is_told_to_every_caller_and_nothing_acknowledged_is_missing(
    tmp_path: Path, run_script: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_script(FULL_DISK, str(tmp_path / "full.db"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


KILLED = """
import asyncio, os, sys
from dataclasses import dataclass
from deebase import Database

@dataclass
class Item:
    id: int
    name: str
    n: int = 0

async def main(path):
    async with Database(path) as db:
        items = await db.create(Item)

        async def work():
            while True:
                row = await items.insert(name="x" * 100)
                os.write(1, b"%d\\n" % row.id)

        await asyncio.gather(*(work() for _ in range(32)))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_killed_under_load_loses_nothing_acknowledged(tmp_path: Path, long_run: bool) -> None:
    for round_ in range(20 if long_run else 3):
        path = tmp_path / f"{round_}.db"
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        ) as process:
            assert process.stdout is not None
            # After another number of answers in each round, so at another place in a batch.
            seen = [process.stdout.readline() for _ in range(200 + 37 * round_)]
            process.send_signal(signal.SIGKILL)
            seen += process.stdout.readlines()
        acknowledged = {int(line) for line in seen if line.endswith(b"\n")}
        raw = sqlite3.connect(path)
        present = {key for (key,) in raw.execute("SELECT id FROM item")}
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        raw.close()
        assert len(acknowledged) >= 200
        assert acknowledged - present == set()
