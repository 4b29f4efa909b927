"""Reads by key that are asked for together: one statement, and each caller has an outcome of its own."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from deebase import ConnectionError, Database, NotFoundError, QueryError, Table

pytestmark = pytest.mark.in_memory


@dataclass
class Item:
    id: int
    name: str


@dataclass
class Line:
    order_id: int
    number: int
    name: str


@dataclass
class Strict:
    id: int
    name: str

    def __post_init__(self) -> None:
        if self.id == 13:
            raise ZeroDivisionError("of the class")


@dataclass
class Coded:
    code: str
    name: str


@dataclass
class Tagged:
    tag: UUID
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


async def test_equal_missing_keys_give_each_caller_an_error_of_its_own(items: Table[Item]) -> None:
    await crowd(items)
    results = await asyncio.gather(
        items[99999], items[1], items[99999], items.get(99999, default="none"), return_exceptions=True
    )
    assert isinstance(results[0], NotFoundError)
    assert isinstance(results[2], NotFoundError)
    assert results[0] is not results[2]
    assert results[0].filters == results[2].filters == {"id": 99999}
    assert results[1] == Item(1, "item 1")
    assert results[3] == "none"


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


async def test_callers_cancelled_while_their_statement_runs_disturb_nobody(items: Table[Item]) -> None:
    await crowd(items)
    for turns in range(1, 8):
        tasks = [asyncio.create_task(items.get(n)) for n in range(1, 21)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [Item(n, f"item {n}") for n in range(2, 21, 2)]
        tasks = [asyncio.create_task(items.get(n)) for n in range(1, 21)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert await items[3] == Item(3, "item 3")


async def test_a_caller_with_several_equals_keeps_its_answer_when_they_are_cancelled(items: Table[Item]) -> None:
    await crowd(items)
    tasks = [asyncio.create_task(items.get(7)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[:-1]:
        task.cancel()
    assert await tasks[-1] == Item(7, "item 7")


async def test_a_row_that_cannot_be_made_is_its_callers_error_alone(items: Table[Item]) -> None:
    strict = items.rows_as(Strict)
    await crowd(items)
    results = await asyncio.gather(*(strict[n] for n in range(1, 21)), return_exceptions=True)
    errors = {n: result for n, result in enumerate(results, 1) if isinstance(result, Exception)}
    assert list(errors) == [13]
    assert "of the class" in str(errors[13])


async def test_callers_of_a_database_that_closes_are_all_told(db_url: str) -> None:
    db = Database(db_url)
    table = await db.create(Item)
    await table.insert_all({"name": f"item {n}"} for n in range(1, 101))
    await crowd(table)
    tasks = [asyncio.create_task(table.get(n)) for n in range(1, 101)]
    await asyncio.sleep(0)
    await db.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {ConnectionError, Item}


async def test_callers_whose_shared_statement_is_cancelled_do_not_wait_for_ever(
    db: Database, items: Table[Item]
) -> None:
    await asyncio.gather(*(items[n] for n in range(1, 6)))
    reads = [asyncio.create_task(items.get(n)) for n in range(1, 6)]
    serving = db._core.executor.resources().coalescer._tasks
    while not serving:
        await asyncio.sleep(0)
    # As an interrupt by the user, or the end of a loop, does.
    for task in serving:
        task.cancel()
    done, waiting = await asyncio.wait(reads, timeout=5)
    assert not waiting
    assert all(task.cancelled() for task in done)
    assert (await items[1]).id == 1


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


async def test_scopes_are_never_mixed(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    first, second = items.xtra(name="item 1"), items.xtra(name="item 2")
    again = items.xtra(name="item 1")
    await crowd(items)
    sent = Sent(caplog)
    results = await asyncio.gather(
        first[1], first[2], second[1], second[2], again[1], again[2], items[1], items[2], return_exceptions=True
    )
    one, two = Item(1, "item 1"), Item(2, "item 2")
    assert [None if isinstance(result, NotFoundError) else result for result in results] == [
        *(one, None),
        *(None, two),
        *(one, None),
        *(one, two),
    ]
    assert sent.count == 3


async def test_keys_of_text_and_uuid(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    coded, tagged = await db.create(Coded, pk="code"), await db.create(Tagged, pk="tag")
    codes = ["a", "A", "a ", "\u00e4", "a\u0308", "'; --", "%", "\n", ""]
    tags = [uuid4() for _ in range(20)]
    await coded.insert_all(Coded(code, repr(code)) for code in codes)
    await tagged.insert_all(Tagged(tag, str(tag)) for tag in tags)
    await asyncio.gather(*(coded[code] for code in codes), *(tagged[tag] for tag in tags))
    sent = Sent(caplog)
    rows = await asyncio.gather(*(coded[code] for code in codes), *(tagged[tag] for tag in tags))
    assert rows == [*(Coded(code, repr(code)) for code in codes), *(Tagged(tag, str(tag)) for tag in tags)]
    assert sent.count == 2


async def test_composite_keys(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    lines = await db.create(Line, pk=["order_id", "number"])
    await lines.insert_all(Line(order, number, f"{order}/{number}") for order in range(5) for number in range(5))
    await asyncio.gather(*(lines[0, n] for n in range(5)))
    sent = Sent(caplog)
    keys = [(order, number) for order in range(5) for number in range(5)]
    rows = await asyncio.gather(*(lines[key] for key in keys))
    assert rows == [Line(order, number, f"{order}/{number}") for order, number in keys]
    assert sent.count == 1


async def test_composite_keys_that_are_missing_or_equal(db: Database) -> None:
    lines = await db.create(Line, pk=["order_id", "number"])
    await lines.insert_all(Line(order, number, f"{order}/{number}") for order in range(3) for number in range(3))
    await asyncio.gather(*(lines[0, n] for n in range(3)))
    keys = [(0, 1), (1, 0), (0, 7), (7, 0), (0, 1), (2, 2), (0, 7)]
    rows = await asyncio.gather(*(lines.get(key, default=None) for key in keys))
    assert rows == [Line(*key, f"{key[0]}/{key[1]}") if max(key) < 3 else None for key in keys]
    plain = lines.rows_as(dict)
    first, second, _ = await asyncio.gather(plain[0, 1], plain[0, 1], plain[1, 1])
    assert first == second
    assert first is not second


async def test_many_statements_of_keys_with_gaps_and_of_pairs(
    db: Database, items: Table[Item], caplog: pytest.LogCaptureFixture
) -> None:
    lines = await db.create(Line, pk=["order_id", "number"])
    await lines.insert_all(Line(order, number, "") for order in range(40) for number in range(100))
    await crowd(items)
    sent = Sent(caplog)
    rows = await asyncio.gather(*(items.get(n, default=None) for n in range(1, 4_001)))
    assert [row.id for row in rows if row is not None] == list(range(1, 1201))
    assert sent.count == 8
    found = await asyncio.gather(*(lines[order, number] for order in range(40) for number in range(100)))
    assert [(line.order_id, line.number) for line in found] == [(o, n) for o in range(40) for n in range(100)]
    assert sent.count == 16


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


async def test_reads_inside_a_transaction_are_sent_one_by_one(
    db: Database, items: Table[Item], caplog: pytest.LogCaptureFixture
) -> None:
    await crowd(items)
    async with db.transaction():
        sent = Sent(caplog)
        await asyncio.gather(*(items[n] for n in range(1, 21)))
        assert sent.count == 20


async def test_reads_in_and_outside_of_a_transaction_are_never_mixed(db: Database, items: Table[Item]) -> None:
    changed, read = asyncio.Event(), asyncio.Event()

    async def inside() -> list[Item]:
        async with db.transaction() as tx:
            await items.update(Item(1, "changed"))
            changed.set()
            rows = await asyncio.gather(*(items[n] for n in range(1, 11)))
            await read.wait()
            await tx.rollback()
        return rows

    async def outside() -> list[Item]:
        await changed.wait()
        try:
            return await asyncio.gather(*(items[n] for n in range(1, 11)))
        finally:
            read.set()

    await crowd(items)
    if "memory" in repr(db):
        read.set()  # there is one connection: who is outside waits for the end of the transaction
    here, there = await asyncio.gather(inside(), outside())
    assert here[0] == Item(1, "changed")
    assert there == [Item(n, f"item {n}") for n in range(1, 11)]


async def test_a_write_is_seen_by_the_reads_behind_it(items: Table[Item]) -> None:
    async def work(n: int) -> None:
        for step in range(5):
            await items.update(Item(n, f"step {step}"))
            assert await items[n] == Item(n, f"step {step}")

    await asyncio.gather(*(work(n) for n in range(1, 33)))


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


async def test_keys_that_no_row_has_cost_one_more_statement_at_most(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    table = await db.create(Coded, pk="code")
    await table.insert_all({"code": f"c{n}", "name": "x"} for n in range(10))
    await asyncio.gather(*(table.get(f"c{n}", default=None) for n in range(40)))
    sent = Sent(caplog)
    rows = await asyncio.gather(*(table.get(f"c{n}", default=None) for n in range(40)))
    assert [row is not None for row in rows] == [n < 10 for n in range(40)]
    assert sent.count == 2


async def test_whole_numbers_that_no_row_has_cost_no_further_statement(
    items: Table[Item], caplog: pytest.LogCaptureFixture
) -> None:
    await crowd(items)
    sent = Sent(caplog)
    rows = await asyncio.gather(*(items.get(n, default=None) for n in range(1191, 1211)))
    assert [row is not None for row in rows] == [n <= 1200 for n in range(1191, 1211)]
    assert sent.count == 1
