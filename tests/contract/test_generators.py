"""Transactions that an async generator holds open over a yield, and who takes part in them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from deebase import BusyError, Database, DeeBaseError, Table, TransactionError

pytestmark = pytest.mark.in_memory


class Number:
    id: int
    n: int


@pytest.fixture
async def numbers(db: Database) -> Table[dict[str, Any]]:
    table = await db.create(Number)
    await table.insert_all({"n": n} for n in range(1, 6))
    return table


async def reader(db: Database, **options: Any) -> AsyncIterator[dict[str, Any]]:
    async with db.transaction(**options):
        async for row in db.t.number(db.t.number.c.n <= 5, order_by="id"):
            yield row


async def stored(numbers: Table[dict[str, Any]]) -> set[int]:
    return set(await numbers(numbers.c.n > 5).scalars("n"))


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("leaving", ["break", "error", "aclose", "end"])
async def test_a_write_of_the_consumer_is_stored_or_refused_at_once(
    db: Database, numbers: Table[dict[str, Any]], read_only: bool, leaving: str
) -> None:
    acknowledged: set[int] = set()
    rows = reader(db, read_only=read_only)
    with contextlib.suppress(ZeroDivisionError):
        async for row in rows:
            with contextlib.suppress(BusyError):
                async with asyncio.timeout(5):
                    await numbers.insert(n=row["n"] + 100)
                acknowledged.add(row["n"] + 100)
            if leaving == "break":
                break
            if leaving == "aclose":
                await rows.aclose()  # type: ignore[attr-defined]
            if leaving == "error":
                raise ZeroDivisionError
    del rows
    await numbers.insert(n=200)
    await asyncio.gather(*(numbers.insert(n=n) for n in (201, 202)))
    async with db.transaction():
        await numbers.insert(n=203)
    assert await stored(numbers) == acknowledged | {200, 201, 202, 203}


async def test_what_the_generator_writes_is_its_own_to_keep_or_to_lose(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async def writer() -> AsyncIterator[int]:
        async with db.transaction():
            for n in (10, 11, 12):
                await numbers.insert(n=n)
                yield n

    assert [n async for n in writer()] == [10, 11, 12]
    assert await stored(numbers) == {10, 11, 12}
    await numbers.delete_where(numbers.c.n > 5)
    async with contextlib.aclosing(writer()) as written:  # type: ignore[type-var]
        async for n in written:
            if n == 11:
                break
    assert await stored(numbers) == set()


async def test_the_outer_transaction_is_refused_in_the_loop_and_goes_on_behind_it(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async with db.transaction():
        await numbers.insert(n=10)
        refused = 0
        async for _ in reader(db):
            with pytest.raises(TransactionError, match="nested transaction open"):
                await numbers.insert(n=11)
            refused += 1
        assert refused == 5
        await numbers.insert(n=12)
        async for _ in reader(db):
            break
        await numbers.insert(n=13)
    assert await stored(numbers) == {10, 12, 13}


async def test_a_task_that_the_consumer_starts_is_not_part_of_it(db: Database, numbers: Table[dict[str, Any]]) -> None:
    acknowledged: set[int] = set()

    async def work(n: int) -> None:
        await numbers.insert(n=n)
        acknowledged.add(n)

    tasks: list[asyncio.Task[None]] = []
    async for row in reader(db):
        tasks.append(asyncio.create_task(work(row["n"] + 100)))
        if row["n"] == 3:
            break
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, TransactionError) for outcome in outcomes)
    await work(200)
    assert await stored(numbers) == acknowledged


@contextlib.asynccontextmanager
async def unit(db: Database) -> AsyncIterator[Any]:
    async with db.transaction() as tx:
        yield tx
        await db.t.number.insert(n=99)


async def test_the_body_of_a_context_manager_is_part_of_the_transaction_that_it_holds(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async with unit(db) as tx:
        await numbers.insert(n=10)
        await asyncio.gather(numbers.insert(n=11), numbers.insert(n=12))
        async with db.transaction():
            await numbers.insert(n=13)
    assert tx.outcome == "committed"
    assert await stored(numbers) == {10, 11, 12, 13, 99}
    with pytest.raises(ZeroDivisionError):
        async with unit(db) as tx:
            await numbers.insert(n=14)
            raise ZeroDivisionError
    assert tx.outcome == "rolled back"
    assert await stored(numbers) == {10, 11, 12, 13, 99}


async def test_a_context_manager_inside_of_a_generator_belongs_to_the_generator(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async def rows() -> AsyncIterator[int]:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(unit(db))
            await numbers.insert(n=10)
            yield 1
            async with db.transaction():
                await numbers.insert(n=11)
                yield 2

    acknowledged: set[int] = set()
    async for n in rows():
        with contextlib.suppress(DeeBaseError):
            await numbers.insert(n=100 + n)
            acknowledged.add(100 + n)
    assert await stored(numbers) == {10, 11, 99} | acknowledged


async def test_a_dependency_may_be_left_in_another_task_than_it_was_entered_in(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    dependency = unit(db)
    await asyncio.create_task(dependency.__aenter__())
    await asyncio.create_task(dependency.__aexit__(None, None, None))
    assert await stored(numbers) == {99}


async def test_a_generator_finds_its_transaction_whatever_task_asks_for_the_next_item(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async def writer() -> AsyncIterator[int]:
        async with db.transaction():
            for n in (10, 11):
                await numbers.insert(n=n)
                yield n

    written = writer()
    assert [await asyncio.create_task(anext(written)) for _ in range(2)] == [10, 11]  # type: ignore[arg-type]
    await asyncio.create_task(written.aclose())  # type: ignore[attr-defined]
    assert await stored(numbers) == set()


async def test_a_transaction_that_ends_before_the_yield_is_shared_with_tasks_as_ever(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async def save(n: int) -> None:
        async with db.transaction():
            await asyncio.gather(numbers.insert(n=n), asyncio.wait_for(numbers.insert(n=n + 1), 10))

    async def rows() -> AsyncIterator[int]:
        for n in (10, 20):
            async with db.transaction():
                await asyncio.gather(numbers.insert(n=n + 5), numbers.insert(n=n + 6))
            await save(n)
            yield n

    async for n in rows():
        await numbers.insert(n=n + 8)
    assert await stored(numbers) == {10, 11, 15, 16, 18, 20, 21, 25, 26, 28}


async def test_a_task_of_the_generator_is_refused_rather_than_left_out_of_its_transaction(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    async def rows() -> AsyncIterator[int]:
        async with db.transaction():
            with pytest.raises(TransactionError, match="belongs to the generator alone"):
                await asyncio.create_task(anext_insert())
            yield 1

    async def anext_insert() -> None:
        await numbers.insert(n=10)

    assert [n async for n in rows()] == [1]
    assert await stored(numbers) == set()


async def test_a_generator_that_is_closed_early_tells_of_the_rollback(
    db: Database, numbers: Table[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    held = unit(db).gen  # type: ignore[attr-defined]
    tx = await anext(held)
    await numbers.insert(n=10)
    await held.aclose()
    assert tx.outcome == "rolled back"
    assert "the generator unit was closed before it finished" in caplog.text
    await numbers.insert(n=11)
    assert await stored(numbers) == {11}


async def test_a_cancelled_scope_around_the_loop_leaves_the_task_usable(
    db: Database, numbers: Table[dict[str, Any]]
) -> None:
    with anyio.CancelScope() as scope:
        async for _ in reader(db):
            scope.cancel()
            await anyio.sleep(1)
    await numbers.insert(n=10)
    assert await stored(numbers) == {10}
