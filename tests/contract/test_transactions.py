"""Transactions: all or nothing, nested, shared by tasks, and what errors and cancellations do to them."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from deebase import (
    Database,
    InvalidOperationError,
    SerializationError,
    TransactionAbortedError,
    TransactionError,
    UniqueViolationError,
)
from tests.support.capabilities import can
from tests.support.worlds import PAIRS, keys, put

pytestmark = pytest.mark.in_memory


@pytest.fixture
async def t(db: Database) -> Database:
    await db.q(PAIRS)
    return db


async def test_a_block_that_ends_normally_is_committed(t: Database) -> None:
    async with t.transaction() as tx:
        await put(t, 1)
        await put(t, 2)
        assert tx.outcome is None
    assert tx.outcome == "committed"
    assert await keys(t) == [1, 2]


async def test_any_exception_rolls_back_and_goes_on(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction() as tx:
            await put(t, 1)
            raise ZeroDivisionError
    assert tx.outcome == "rolled back"
    assert await keys(t) == []


async def test_rollback_leaves_the_block_without_an_error(t: Database) -> None:
    reached = False
    async with t.transaction() as tx:
        await put(t, 1)
        await tx.rollback()
        reached = True
    assert not reached
    assert tx.outcome == "rolled back"
    assert await keys(t) == []


async def test_ddl_is_rolled_back_too(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction():
            await t.q("CREATE TABLE other (id INTEGER)")
            raise ZeroDivisionError
    await t.q("CREATE TABLE other (id INTEGER)")


async def test_a_nested_block_is_a_savepoint(t: Database) -> None:
    async with t.transaction():
        await put(t, 1)
        with pytest.raises(ZeroDivisionError):
            async with t.transaction():
                await put(t, 2)
                async with t.transaction():
                    await put(t, 3)
                raise ZeroDivisionError
        async with t.transaction() as inner:
            await put(t, 4)
        assert inner.outcome == "committed"
    assert await keys(t) == [1, 4]


async def test_rollback_of_a_nested_block_leaves_only_that_block(t: Database) -> None:
    async with t.transaction():
        await put(t, 1)
        async with t.transaction() as inner:
            await put(t, 2)
            await inner.rollback()
        await put(t, 3)
    assert await keys(t) == [1, 3]


async def test_rollback_of_the_outer_block_from_inside_leaves_both(t: Database) -> None:
    async with t.transaction() as outer:
        await put(t, 1)
        async with t.transaction():
            await put(t, 2)
            await outer.rollback()
    assert await keys(t) == []


async def test_a_swallowed_error_aborts_the_block(t: Database) -> None:
    await put(t, 1)
    with pytest.raises(TransactionAbortedError) as caught:
        async with t.transaction():
            await put(t, 2)
            with pytest.raises(UniqueViolationError):
                await put(t, 1)
    assert isinstance(caught.value.__cause__, UniqueViolationError)
    assert "nested" in str(caught.value.hint)
    assert await keys(t) == [1]


async def test_statements_after_an_error_are_refused(t: Database) -> None:
    await put(t, 1)
    with pytest.raises(TransactionAbortedError):
        async with t.transaction():
            with pytest.raises(UniqueViolationError):
                await put(t, 1)
            with pytest.raises(TransactionAbortedError):
                await t.q("SELECT 1")
            with pytest.raises(TransactionAbortedError):
                async with t.transaction():
                    pass


async def test_a_nested_block_contains_an_expected_error(t: Database) -> None:
    await put(t, 1)
    async with t.transaction():
        await put(t, 2)
        with pytest.raises(UniqueViolationError):
            async with t.transaction():
                await put(t, 3)
                await put(t, 1)
        await put(t, 4)
    assert await keys(t) == [1, 2, 4]


async def test_a_swallowed_error_in_a_nested_block_undoes_only_that_block(t: Database) -> None:
    await put(t, 1)
    async with t.transaction():
        await put(t, 2)
        with pytest.raises(TransactionAbortedError):
            async with t.transaction():
                await put(t, 3)
                with pytest.raises(UniqueViolationError):
                    await put(t, 1)
        await put(t, 4)
    assert await keys(t) == [1, 2, 4]


async def test_errors_found_before_anything_is_sent_do_not_abort(t: Database) -> None:
    async with t.transaction():
        await put(t, 1)
        with pytest.raises(ValueError, match="placeholder"):
            await t.q("SELECT ?", [1, 2])
        with pytest.raises(LookupError):
            await t.item("SELECT id FROM t WHERE id = 99")
        await put(t, 2)
    assert await keys(t) == [1, 2]


async def test_a_failed_statement_of_the_sqlalchemy_connection_aborts_too(t: Database) -> None:
    await put(t, 1)
    with pytest.raises(TransactionAbortedError):
        async with t.transaction() as tx:
            await put(t, 2)
            with pytest.raises(sa.exc.IntegrityError):
                await tx.connection.execute(sa.text("INSERT INTO t (id, n) VALUES (1, 1)"))
    assert await keys(t) == [1]


async def test_sqlalchemys_connection_is_of_the_same_transaction(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction() as tx:
            await put(t, 1)
            assert (await tx.connection.execute(sa.text("SELECT count(*) FROM t"))).scalar() == 1
            await tx.connection.execute(sa.text("INSERT INTO t (id, n) VALUES (2, 0)"))
            assert await keys(t) == [1, 2]
            raise ZeroDivisionError
    assert await keys(t) == []
    async with t.transaction() as tx:
        await tx.connection.execute(sa.text("INSERT INTO t (id, n) VALUES (3, 0)"))
    assert await keys(t) == [3]


async def test_the_sqlalchemy_connection_cannot_commit_behind_the_block(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction() as tx:
            await put(t, 1)
            await tx.connection.execute(sa.text("SELECT 1"))
            with pytest.raises(InvalidOperationError):
                await tx.connection.commit()
            raise ZeroDivisionError
    assert await keys(t) == []


async def test_transaction_control_in_sql_text_is_refused(t: Database) -> None:
    for text in ("BEGIN", "commit", " ROLLBACK ", "-- x\nSAVEPOINT a", "/* x */ END", "-- x\r\nCOMMIT"):
        with pytest.raises(InvalidOperationError):
            await t.q(text)
        with pytest.raises(InvalidOperationError):
            await t.script(f"SELECT 1; {text}")


async def test_children_take_part_one_statement_at_a_time(t: Database) -> None:
    async with t.transaction():
        await asyncio.gather(*(put(t, n) for n in range(20)))
        assert await keys(t) == list(range(20))
    with pytest.raises(ZeroDivisionError):
        async with t.transaction():
            async with asyncio.TaskGroup() as group:
                for n in range(20, 40):
                    group.create_task(put(t, n))
            raise ZeroDivisionError
    assert await keys(t) == list(range(20))


async def test_a_child_that_outlives_the_block_is_refused(t: Database) -> None:
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        await put(t, 99)

    async with t.transaction():
        await put(t, 1)
        child = asyncio.create_task(late())
    go.set()
    with pytest.raises(TransactionError, match="ended"):
        await child
    assert await keys(t) == [1]


async def test_a_late_child_cannot_open_a_block_either(t: Database) -> None:
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        async with t.transaction():
            await put(t, 99)

    async with t.transaction():
        child = asyncio.create_task(late())
    go.set()
    with pytest.raises(TransactionError):
        await child


async def test_savepoints_of_two_children_never_interleave(t: Database) -> None:
    async def work(n: int) -> None:
        async with t.transaction():
            await put(t, 10 * n)
            await put(t, 10 * n + 1)
            if n % 2:
                raise ZeroDivisionError

    async with t.transaction():
        results = await asyncio.gather(*(work(n) for n in range(6)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), ZeroDivisionError] * 3
    assert await keys(t) == [0, 1, 20, 21, 40, 41]


async def test_tasks_without_the_transaction_do_not_see_it(t: Database) -> None:
    inside, checked = asyncio.Event(), asyncio.Event()

    async def outsider() -> list[int]:
        await inside.wait()
        seen = await keys(t) if "memory" not in repr(t) else []
        checked.set()
        return seen

    watching = asyncio.create_task(outsider())
    async with t.transaction():
        await put(t, 1)
        inside.set()
        await checked.wait()
    assert await watching == []
    assert await keys(t) == [1]


async def test_two_databases_never_mix(t: Database, tmp_path) -> None:
    async with Database(tmp_path / "other.db") as other:
        await other.q(PAIRS)
        with pytest.raises(ZeroDivisionError):
            async with t.transaction(), other.transaction():
                await put(t, 1)
                async with t.transaction():
                    await put(other, 2)
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            async with t.transaction():
                await put(other, 3)
                await put(t, 4)
                raise ZeroDivisionError
        assert await keys(t) == []
        assert await keys(other) == [3]


async def test_a_read_only_block_refuses_writes(t: Database) -> None:
    await put(t, 1)
    async with t.transaction(read_only=True):
        assert await keys(t) == [1]
    with pytest.raises(InvalidOperationError):
        async with t.transaction(read_only=True):
            await put(t, 2)
    await put(t, 3)
    assert await keys(t) == [1, 3]


async def test_isolation_belongs_to_the_outermost_block(t: Database) -> None:
    with pytest.raises(InvalidOperationError):
        t.transaction(isolation="chaos")  # type: ignore[arg-type]
    async with t.transaction(isolation="serializable"):
        await put(t, 1)
        with pytest.raises(TransactionError):
            async with t.transaction(isolation="serializable"):
                pass
    assert await keys(t) == [1]


async def test_a_cancelled_block_is_rolled_back(t: Database) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with t.transaction():
            await put(t, 1)
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await keys(t) == []
    await put(t, 2)


async def test_a_timeout_in_a_statement_aborts_the_block(t: Database) -> None:
    slow = (
        "SELECT count(*) FROM generate_series(1, 1000000000)"
        if can(t).has_sequences
        else "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1e9) SELECT count(*) FROM c"
    )
    with pytest.raises(TransactionAbortedError):
        async with t.transaction():
            await put(t, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await t.q(slow)
    assert await keys(t) == []


async def test_a_transaction_object_is_used_once(t: Database) -> None:
    tx = t.transaction()
    async with tx:
        pass
    with pytest.raises(TransactionError):
        async with tx:
            pass
    with pytest.raises(TransactionError):
        _ = tx.connection


async def test_retry_reruns_in_a_fresh_transaction(t: Database) -> None:
    await put(t, 1)
    attempts = 0

    async def work() -> int:
        nonlocal attempts
        attempts += 1
        await put(t, 1 + attempts)
        if attempts < 3:
            raise SerializationError("provoked")
        return attempts

    assert await t.retry(work) == 3
    assert await keys(t) == [1, 4]


async def test_retry_gives_up_on_other_errors_and_after_its_attempts(t: Database) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        raise SerializationError("provoked") if attempts > 1 else ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await t.retry(work)
    with pytest.raises(SerializationError):
        await t.retry(work, attempts=3)
    assert attempts == 4
    with pytest.raises(TransactionError):
        async with t.transaction():
            await t.retry(work)


async def test_increments_by_read_modify_write_are_not_lost(t: Database) -> None:
    await put(t, 1)

    async def increment() -> None:
        n = await t.item("SELECT n FROM t WHERE id = 1")
        await t.q("UPDATE t SET n = ? WHERE id = 1", [n + 1])

    async def worker() -> None:
        for _ in range(5):
            await t.retry(increment, attempts=50, isolation="serializable")

    await asyncio.gather(*(worker() for _ in range(8)))
    assert await t.item("SELECT n FROM t WHERE id = 1") == 40
