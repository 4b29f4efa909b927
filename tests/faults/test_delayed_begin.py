"""On SQLite, BEGIN travels with the first statement of a block, and COMMIT with the last one where it is known."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from deebase import (
    BusyError,
    Database,
    ForeignKeyViolationError,
    IntegrityError,
    NotFoundError,
    TransactionAbortedError,
)
from tests.support.worlds import PAIRS, keys, only_on, put

backend_name = only_on("sqlite-file")


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    # Long enough to wait for what is to happen, short where the wait must end with an error.
    async with Database(db_url, timeout=0.3) as db:
        await db.q(PAIRS)
        await db.reflect()
        yield db
        assert db._core.executor.lanes_in_use == 0


@contextmanager
def locked(path: str) -> Iterator[sqlite3.Connection]:
    """Hold the write lock from another connection, as another process does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("COMMIT")
        other.close()


async def test_a_lock_of_another_process_fails_the_first_statement(db: Database, db_url: str) -> None:
    with locked(db_url):
        async with db.transaction() as empty:
            pass
        assert empty.outcome == "committed"
        tx = db.transaction()
        with pytest.raises(BusyError, match="another process"):
            async with tx:
                await put(db, 1)
        assert tx.outcome == "rolled back"
        with pytest.raises(TransactionAbortedError) as aborted:
            async with db.transaction():
                with pytest.raises(BusyError) as busy:
                    await keys(db)
                with pytest.raises(TransactionAbortedError):
                    await put(db, 2)
        assert aborted.value.__cause__ is busy.value
        # What may be repeated is begun again after the wait.
        calls = 0

        async def work() -> None:
            nonlocal calls
            calls += 1
            await put(db, calls)

        with pytest.raises(BusyError):
            await db.retry(work, attempts=2)
        assert calls == 2
    await db.retry(work)
    assert await keys(db) == [3]


async def test_a_block_keeps_its_place_among_the_writers(db: Database) -> None:
    order: list[str] = []

    async def write() -> None:
        await put(db, 1)
        order.append("a write")

    async def later() -> None:
        async with db.transaction():
            await put(db, 3)
            order.append("a later block")

    # Other tasks that have no part in the block of this one.
    async with asyncio.TaskGroup() as group:
        async with db.transaction():
            pass
        entered = db.transaction()
        await entered.__aenter__()
        db._core.executor.current.set(None)
        tasks = [group.create_task(write()), group.create_task(later())]
        await asyncio.wait(tasks, timeout=0.05)
        assert order == []
        db._core.executor.current.set(entered)
        await put(db, 2)
        order.append("the block")
        await entered.__aexit__(None, None, None)
    assert order == ["the block", "a write", "a later block"]


async def test_the_first_statement_sees_what_others_have_written_until_then(db: Database, db_url: str) -> None:
    async with db.transaction():
        with locked(db_url) as other:
            other.execute("INSERT INTO t VALUES (7, 7)")
        assert await keys(db) == [7]
        with pytest.raises(sqlite3.OperationalError, match="locked"), sqlite3.connect(db_url, timeout=0) as other:
            other.execute("INSERT INTO t VALUES (8, 8)")
    other.close()
    async with db.transaction(read_only=True):
        assert await keys(db) == [7]
        with locked(db_url) as other:
            other.execute("INSERT INTO t VALUES (9, 9)")
        assert await keys(db) == [7]
    assert await keys(db) == [7, 9]


@pytest.mark.parametrize("how", ["timeout", "busy"])
async def test_a_nested_block_that_could_not_begin_leaves_the_outer_one_to_begin(
    db: Database, db_url: str, how: str
) -> None:
    async with db.transaction() as tx:
        with locked(db_url), pytest.raises(TimeoutError if how == "timeout" else BusyError):
            async with asyncio.timeout(0.05 if how == "timeout" else None):
                async with db.transaction(), db.transaction():
                    await put(db, 1)
        await put(db, 2)
        async with db.transaction():
            await put(db, 3)
    assert tx.outcome == "committed"
    assert await keys(db) == [2, 3]


async def test_a_cancelled_first_statement_leaves_no_transaction(db: Database, db_url: str) -> None:
    for _ in range(2):
        with locked(db_url), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), db.transaction():
                await put(db, 1)
        await put(db, 5)
        assert await keys(db) == [5]
        await db.q("DELETE FROM t")

    async def cancelled_at_once() -> None:
        async with db.transaction():
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel)
            await put(db, 1)

    with pytest.raises(asyncio.CancelledError):
        await cancelled_at_once()
    await put(db, 2)
    assert await keys(db) == [2]


async def test_sqlalchemys_connection_never_runs_a_statement_without_the_transaction(db: Database, db_url: str) -> None:
    insert = "INSERT INTO t VALUES (1, 1)"
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await tx.connection.execute(sa.text(insert))
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            driver = (await tx.connection.get_raw_connection()).driver_connection
            async with db.transaction():
                await driver.execute(insert)
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.q(sa.text(insert))
            raise ZeroDivisionError
    with locked(db_url):
        with pytest.raises(BusyError):
            async with db.transaction() as tx:
                await tx.connection.execute(sa.text(insert))
        with pytest.raises(TransactionAbortedError) as aborted:
            async with db.transaction() as tx:
                driver = (await tx.connection.get_raw_connection()).driver_connection
                with pytest.raises(sqlite3.DatabaseError):
                    await driver.execute(insert)
        assert isinstance(aborted.value.__cause__, BusyError)
    assert await keys(db) == []
    await put(db, 2)
    assert await keys(db) == [2]


async def test_what_commits_with_its_last_statement_reports_an_error_of_the_commit(db: Database) -> None:
    await db.script(
        "CREATE TABLE child (id INTEGER PRIMARY KEY, t_id INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    await db.reflect()
    child = db.t.child
    await put(db, 1)
    await child.insert(id=1, t_id=1)
    for call in (
        lambda: child.insert_all([{"id": 2, "t_id": 1}, {"id": 3, "t_id": 99}]),
        lambda: child.insert_all([{"id": 2, "t_id": 99}], returning=True),
        lambda: child.upsert_all([{"id": 1, "t_id": 99}]),
        lambda: child.update_all([{"id": 1, "t_id": 99}]),
        lambda: db.t.t.delete_all([1]),
    ):
        with pytest.raises((ForeignKeyViolationError, IntegrityError)):
            await call()
        assert await child(order_by="id") == [{"id": 1, "t_id": 1}]
        assert await keys(db) == [1]
    assert await child.update_all([{"id": 1, "t_id": None}]) == 1
    assert await db.t.t.delete_all([1, 99]) == 1
    assert (await keys(db), await child.get(1)) == ([], {"id": 1, "t_id": None})


async def test_what_finds_an_error_in_the_result_of_its_last_statement_saves_nothing(db: Database) -> None:
    t = db.t.t
    await put(db, 1)
    with pytest.raises(NotFoundError):
        await t.update_all([{"id": 1, "n": 5}, {"id": 2, "n": 5}])
    with pytest.raises(IntegrityError, match="row 1"):
        await t.insert_all([{"id": 2, "n": 1}, {"id": 1, "n": 1}])
    assert await t() == [{"id": 1, "n": 0}]
    async with db.transaction() as tx:
        await t.update_all([{"id": 1, "n": 5}])
        await tx.rollback()
    assert await t() == [{"id": 1, "n": 0}]


async def test_a_commit_that_is_cancelled_ends_and_is_reported(db: Database) -> None:
    async def work() -> None:
        async with db.transaction():
            await put(db, 1)
            task = asyncio.current_task()
            assert task is not None
            # In the turn in which the block ends.
            asyncio.get_running_loop().call_soon(task.cancel)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await keys(db) == [1]
