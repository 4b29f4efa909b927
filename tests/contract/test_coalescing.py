"""Reads by key that are asked for together: one statement, and each caller has an outcome of its own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest

from deebase import Database, NotFoundError, QueryError, Table


@dataclass
class Item:
    id: int
    name: str


@dataclass
class Line:
    order_id: int
    number: int
    name: str


class Sent:
    """Counts the statements that were sent since it was made."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        caplog.clear()

    @property
    def count(self) -> int:
        return len(self._caplog.records)


@pytest.fixture
async def items(db: Database) -> Table[Item]:
    table = await db.create(Item)
    await table.insert_all({"name": f"item {n}"} for n in range(1, 1201))
    return table


async def crowd(table: Table[Item]) -> None:
    """Make the turn before a crowded one, after which the next reads wait for each other."""
    await asyncio.gather(*(table[n] for n in range(1, 5)))


async def test_reads_of_one_turn_share_one_statement(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    await crowd(items)
    sent = Sent(caplog)
    rows = await asyncio.gather(*(items[n] for n in range(1, 101)))
    assert rows == [Item(n, f"item {n}") for n in range(1, 101)]
    assert sent.count == 1


async def test_the_first_crowd_takes_two_statements(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    await items[1]
    sent = Sent(caplog)
    rows = await asyncio.gather(*(items[n] for n in range(1, 101)))
    assert [row.id for row in rows] == list(range(1, 101))
    assert sent.count == 2


async def test_a_lone_read_is_sent_as_itself(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    await crowd(items)
    sent = Sent(caplog)
    for n in range(1, 6):
        assert (await items[n]).id == n
    assert sent.count == 5
    assert all(" IN " not in record.getMessage() and "ANY" not in record.getMessage() for record in caplog.records)


async def test_a_missing_key_is_its_callers_error_alone(items: Table[Item]) -> None:
    await crowd(items)
    results = await asyncio.gather(
        items[1], items[99999], items.get(88888, default=None), items[2], return_exceptions=True
    )
    assert results[0] == Item(1, "item 1")
    assert isinstance(results[1], NotFoundError)
    assert results[1].filters == {"id": 99999}
    assert results[2] is None
    assert results[3] == Item(2, "item 2")


async def test_equal_keys_give_equal_rows_that_are_not_shared(db: Database, items: Table[Item]) -> None:
    plain = items.rows_as(dict)
    await crowd(items)
    first, second, third = await asyncio.gather(plain[7], plain[7], plain[8])
    assert first == second == {"id": 7, "name": "item 7"}
    assert first is not second
    assert third["id"] == 8


async def test_a_cancelled_caller_disturbs_nobody(items: Table[Item]) -> None:
    await crowd(items)
    tasks = [asyncio.create_task(items.get(n)) for n in range(1, 21)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert results[1::2] == [Item(n, f"item {n}") for n in range(2, 21, 2)]


async def test_an_error_reaches_every_caller_as_its_own(db: Database, items: Table[Item]) -> None:
    await crowd(items)
    await db.q("ALTER TABLE item RENAME TO elsewhere")
    results = await asyncio.gather(*(items[n] for n in range(1, 6)), return_exceptions=True)
    assert all(isinstance(result, QueryError) for result in results), results
    assert len({id(result) for result in results}) == 5


async def test_row_types_and_tables_are_never_mixed(db: Database, items: Table[Item]) -> None:
    other = await db.create(Item, name="other")
    await other.insert_all({"name": f"other {n}"} for n in range(1, 11))
    await crowd(items)
    rows = await asyncio.gather(items[1], items.rows_as(dict)[2], other[1], other.rows_as(dict)[2])
    assert rows == [Item(1, "item 1"), {"id": 2, "name": "item 2"}, Item(1, "other 1"), {"id": 2, "name": "other 2"}]


async def test_composite_keys(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    lines = await db.create(Line, pk=["order_id", "number"])
    await lines.insert_all(Line(order, number, f"{order}/{number}") for order in range(5) for number in range(5))
    await asyncio.gather(*(lines[0, n] for n in range(5)))
    sent = Sent(caplog)
    keys = [(order, number) for order in range(5) for number in range(5)]
    rows = await asyncio.gather(*(lines[key] for key in keys))
    assert rows == [Line(order, number, f"{order}/{number}") for order, number in keys]
    assert sent.count == 1


async def test_more_keys_than_one_statement_takes(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    await crowd(items)
    sent = Sent(caplog)
    rows = await asyncio.gather(*(items[n] for n in range(1, 1201)))
    assert [row.id for row in rows] == list(range(1, 1201))
    assert sent.count == 3


async def test_reads_inside_a_transaction_are_its_own(db: Database, items: Table[Item]) -> None:
    await crowd(items)
    async with db.transaction() as tx:
        await items.update(Item(1, "changed"))
        inside = await asyncio.gather(*(items[n] for n in range(1, 4)))
        assert inside[0] == Item(1, "changed")
        await tx.rollback()
    assert await items[1] == Item(1, "item 1")


async def test_it_can_be_switched_off(db_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Database(db_url, coalesce=False) as db:
        table = await db.create(Item)
        await table.insert_all({"name": f"item {n}"} for n in range(1, 21))
        sent = Sent(caplog)
        rows = await asyncio.gather(*(table[n] for n in range(1, 21)))
        assert [row.id for row in rows] == list(range(1, 21))
        assert sent.count == 20


async def test_many_tasks_read_and_write_at_once(items: Table[Item]) -> None:
    async def work(n: int) -> None:
        for _ in range(10):
            row = await items[n]
            await items.update(Item(n, row.name + "."))

    await asyncio.gather(*(work(n) for n in range(1, 33)))
    rows = await asyncio.gather(*(items[n] for n in range(1, 33)))
    assert [row.name for row in rows] == [f"item {n}" + "." * 10 for n in range(1, 33)]
