"""What only SQLite does to a transaction, and what other processes do to its file."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deebase import (
    BusyError,
    ConnectionError,
    Database,
    ForeignKeyViolationError,
    IntegrityError,
    TransactionAbortedError,
)
from tests.support.worlds import keys, put

both = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
file_only = pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)

HOLDER = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN IMMEDIATE")
raw.execute("INSERT INTO t (id, n) VALUES (-1, 0)")
print("held", flush=True)
sys.stdin.readline()
raw.execute("COMMIT")
print("free", flush=True)
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.stdin.close()


@both
@pytest.mark.parametrize("resolution", ["ROLLBACK", "FAIL", "ABORT"])
@pytest.mark.parametrize("swallowed", [True, False])
async def test_a_trigger_that_raises_ends_the_whole_block(t: Database, resolution: str, swallowed: bool) -> None:
    await t.q(
        "CREATE TRIGGER guard BEFORE INSERT ON t WHEN new.id = 13 "
        f"BEGIN SELECT RAISE({resolution}, 'not thirteen'); END"
    )
    with pytest.raises(TransactionAbortedError if swallowed else IntegrityError):
        async with t.transaction():
            await put(t, 1)
            try:
                await put(t, 13)
            except IntegrityError:
                if not swallowed:
                    raise
            with pytest.raises(TransactionAbortedError):
                await put(t, 2)
    assert await keys(t) == []
    with pytest.raises(IntegrityError):
        await put(t, 13)
    results = await asyncio.gather(*(put(t, n) for n in range(10, 16)), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [IntegrityError]
    assert await keys(t) == [10, 11, 12, 14, 15]


@both
@pytest.mark.parametrize("nested", [False, True])
async def test_or_rollback_inside_a_block_saves_nothing(t: Database, nested: bool) -> None:
    await put(t, 1)
    with pytest.raises(TransactionAbortedError) as caught:
        async with t.transaction():
            await put(t, 2)
            with pytest.raises(IntegrityError):
                if nested:
                    async with t.transaction():
                        await t.q("INSERT OR ROLLBACK INTO t (id, n) VALUES (1, 0)")
                else:
                    await t.q("INSERT OR ROLLBACK INTO t (id, n) VALUES (1, 0)")
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert await keys(t) == [1]
    await put(t, 3)
    assert await keys(t) == [1, 3]


@both
async def test_a_nested_block_survives_a_trigger_that_only_fails_the_statement(t: Database) -> None:
    await t.q("CREATE TRIGGER guard BEFORE INSERT ON t WHEN new.id = 13 BEGIN SELECT RAISE(ABORT, 'no'); END")
    async with t.transaction():
        await put(t, 1)
        with pytest.raises(IntegrityError):
            async with t.transaction():
                await put(t, 2)
                await put(t, 13)
        await put(t, 3)
    assert await keys(t) == [1, 3]


@both
async def test_a_foreign_key_checked_at_commit_saves_nothing(t: Database) -> None:
    await t.q("CREATE TABLE child (t_id INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(IntegrityError):
        async with t.transaction() as tx:
            await put(t, 1)
            await t.q("INSERT INTO child VALUES (99)")
    assert tx.outcome == "rolled back"
    with pytest.raises(IntegrityError):
        await t.q("INSERT INTO child VALUES (99)")
    results = await asyncio.gather(
        *(t.q("INSERT INTO child VALUES (?)", [n]) for n in range(3)),
        *(put(t, n) for n in range(2)),
        return_exceptions=True,
    )
    assert {type(result) for result in results if result is not None} - {list} == {ForeignKeyViolationError}
    assert await keys(t) == [0, 1]
    async with t.transaction():
        await t.q("INSERT INTO child VALUES (7)")
        await put(t, 7)
    assert await keys(t) == [0, 1, 7]


@both
async def test_an_interrupted_write_of_a_block_saves_nothing_of_it(t: Database) -> None:
    slow = (
        "INSERT INTO t (id, n) WITH RECURSIVE c(x) AS (SELECT 10 UNION ALL SELECT x + 1 FROM c WHERE x < 100000000) "
        "SELECT x, 0 FROM c"
    )
    for nested in (False, True):
        with pytest.raises(TransactionAbortedError):
            async with t.transaction():
                await put(t, 1)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        if nested:
                            async with t.transaction():
                                await t.q(slow)
                        else:
                            await t.q(slow)
        assert await keys(t) == []
    others = [asyncio.create_task(put(t, n)) for n in range(5)]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await t.q(slow)
    await asyncio.gather(*others)
    assert await keys(t) == [0, 1, 2, 3, 4]


@file_only
async def test_a_lock_of_another_process_is_waited_for_up_to_the_timeout(db_url: str) -> None:
    async with Database(db_url, timeout=0.3) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        with held_by_another_process(Path(db_url)) as holder:
            assert holder.stdin is not None
            began = time.monotonic()
            with pytest.raises(BusyError, match="another process"):
                await put(db, 1)
            with pytest.raises(BusyError):
                async with db.transaction():
                    await put(db, 2)
            assert 0.5 < time.monotonic() - began < 5
            assert await keys(db) == []
            waiting = [asyncio.create_task(put(db, n)) for n in range(3, 9)]
            await asyncio.sleep(0)
            holder.stdin.write("\n")
            holder.stdin.flush()
            await asyncio.gather(*waiting)
        assert await keys(db) == [-1, 3, 4, 5, 6, 7, 8]
        assert db._core.executor.lanes_in_use == 0


@file_only
async def test_a_wait_for_another_process_can_be_cancelled(db_url: str) -> None:
    async with Database(db_url, timeout=20) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        with held_by_another_process(Path(db_url)):
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await put(db, 1)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1), db.transaction():
                        await put(db, 2)
            assert await keys(db) == []
        await put(db, 3)
        assert 3 in await keys(db)


@file_only
async def test_processes_that_write_at_once_meet_no_lock(db_url: str) -> None:
    writer = """
import asyncio, sys
from deebase import Database

async def main(path, start):
    async with Database(path) as db:
        async def work(n):
            await db.q("INSERT INTO t (id, n) VALUES (?, 0)", [start + n])
            async with db.transaction():
                await db.q("UPDATE t SET n = n + 1 WHERE id = 0")
        await asyncio.gather(*(work(n) for n in range(40)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
    async with Database(db_url) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        await put(db, 0)
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", writer, db_url, str(1000 * k), stderr=-1)
            for k in (1, 2)
        ]
        outputs = await asyncio.gather(*(process.communicate() for process in processes))
        assert [output[1] for output in outputs] == [b"", b""]
        assert await db.item("SELECT count(*) FROM t") == 81
        assert await db.item("SELECT n FROM t WHERE id = 0") == 80
    raw = sqlite3.connect(db_url)
    assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    raw.close()


@both
async def test_a_connection_that_fails_is_replaced_and_nothing_is_taken_for_done(t: Database) -> None:
    for round_ in range(3):
        lane = t._core.executor.lanes()._writer.idle[0]
        await lane.call(sqlite3.Connection.close)
        results = await asyncio.gather(*(put(t, 10 * round_ + n) for n in range(5)), return_exceptions=True)
        lost = {10 * round_ + n for n, result in enumerate(results) if isinstance(result, ConnectionError)}
        assert lost
        assert {type(result) for result in results} <= {ConnectionError, type(None), list}
        assert lost.isdisjoint(await keys(t))
        await put(t, 100 + round_)
    assert {100, 101, 102} <= set(await keys(t))


@file_only
async def test_without_a_timeout_a_lock_of_another_process_is_waited_for(db_url: str) -> None:
    async with Database(db_url, timeout=0) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        with held_by_another_process(Path(db_url)) as holder:
            assert holder.stdin is not None
            waiting = [asyncio.create_task(put(db, 1)), asyncio.create_task(put(db, 2))]
            done, _ = await asyncio.wait(waiting, timeout=0.2)
            assert not done
            holder.stdin.write("\n")
            holder.stdin.flush()
            await asyncio.gather(*waiting)
        assert await keys(db) == [-1, 1, 2]


@file_only
async def test_readers_do_not_wait_for_a_writer(t: Database) -> None:
    async def outside() -> list[int]:
        return await keys(t)

    import contextvars

    context = contextvars.copy_context()
    async with t.transaction():
        await put(t, 1)
        async with asyncio.timeout(2):
            assert await asyncio.create_task(outside(), context=context) == []
    assert await keys(t) == [1]
