"""How many statements reach the driver per operation, counted by the drivers themselves."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from deebase import Database, Index, NotFoundError, SchemaError, Table, ValidationError
from tests.support.capabilities import can

Rows = Table[dict[str, Any]]


class Item:
    id: int
    code: str
    n: int = 0
    meta: dict | None


class Place:
    day: int
    name: str
    n: int = 0


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    """Every statement runs on a lane, whose driver is traced."""
    async with Database(db_url, in_loop=None) as db:
        yield db


async def lanes_of(db: Database) -> list[Any]:
    """Return every lane of the database, with those opened that one task needs."""
    await db.q("SELECT 1")
    async with db.transaction():
        pass
    lanes = db._core.executor.lanes()
    if not can(db).is_one_file:
        return list(lanes._pool.idle)
    return [lane for pool in {lanes._writer, lanes._reader} for lane in pool.idle]


def tracing(callback: Callable[[str], None] | None) -> Callable[[sqlite3.Connection], None]:
    return lambda raw: raw.set_trace_callback(callback)


async def sent_by(db: Database, operation: Callable[[], Awaitable[Any]]) -> list[str]:
    """Run an operation and return what the driver was given to run: sqlite3 traces it, asyncpg logs it."""
    seen: list[str] = []
    lanes = await lanes_of(db)
    if can(db).is_one_file:
        for lane in lanes:
            await lane.call(tracing(seen.append))
        await operation()
        for lane in lanes:
            await lane.call(tracing(None))
        # The transaction that SQLite opens for a lone write is spelled out, and goes along in the same hop.
        lone = len(seen) == 3 and (seen[0], seen[2]) == ("BEGIN IMMEDIATE", "COMMIT")
        return seen[1:2] if lone else seen

    def note(record: Any) -> None:
        seen.append(record.query)

    for lane in lanes:
        lane.driver.add_query_logger(note)
    await operation()
    await asyncio.sleep(0)  # asyncpg calls its loggers in the next turn of the loop
    for lane in lanes:
        lane.driver.remove_query_logger(note)
    return seen


@pytest.fixture
async def items(db: Database) -> Rows:
    table = await db.create(Item, indexes=[Index("ux_item_code", "code", unique=True)])
    await table.insert_all({"code": f"c{n}", "n": n, "meta": {"n": n}} for n in range(10))
    return table


@pytest.fixture
async def places(db: Database) -> Rows:
    table = await db.create(Place, pk=["day", "name"])
    await table.insert(day=1, name="Rome")
    return table


SINGLE: dict[str, tuple[str, Callable[[Rows], Awaitable[Any]]]] = {
    "insert": ("INSERT", lambda t: t.insert(code="new", meta={"a": 1})),
    "insert with a key": ("INSERT", lambda t: t.insert(id=500, code="new")),
    "get": ("SELECT", lambda t: t.get(1)),
    "get without the row": ("SELECT", lambda t: t.get(99, default=None)),
    "[key]": ("SELECT", lambda t: t[1]),
    "update": ("UPDATE", lambda t: t.update({"id": 1, "n": 5, "meta": None})),
    "update of the key": ("UPDATE", lambda t: t.update({"id": 77}, pk=1)),
    "update_where": ("UPDATE", lambda t: t.update_where({"n": 1}, t.c.n > 5)),
    "upsert of a new row": ("INSERT", lambda t: t.upsert({"id": 70, "code": "new"})),
    "upsert of a row that is there": ("INSERT", lambda t: t.upsert({"id": 1, "code": "c1x"})),
    "upsert on another column": ("INSERT", lambda t: t.upsert({"code": "c1", "n": 9}, on="code")),
    "delete": ("DELETE", lambda t: t.delete(1)),
    "delete_where": ("DELETE", lambda t: t.delete_where(n=[1, 2])),
    "select": ("SELECT", lambda t: _all(t(n=[1, 2], order_by="-n", limit=5))),
    "first": ("SELECT", lambda t: t(order_by="n").first()),
    "one": ("SELECT", lambda t: t(code="c1").one()),
    "lookup": ("SELECT", lambda t: t.lookup(code="c1")),
    "count": ("SELECT", lambda t: t.count(n=1)),
    "exists": ("SELECT", lambda t: t.exists(1)),
    "scalars": ("SELECT", lambda t: t().scalars("n")),
    "get_or_create of a row that is there": ("SELECT", lambda t: t.get_or_create(code="c1")),
}


async def _all(query: Any) -> list[Any]:
    return list(await query)


async def test_each_operation_is_exactly_one_statement(db: Database, items: Rows) -> None:
    rows = await items()
    for name, (verb, operation) in SINGLE.items():
        for _ in range(2):  # compiled by the first, kept for the second
            sent = await sent_by(db, lambda operation=operation: operation(items))
            assert [text.split()[0] for text in sent] == [verb], (name, sent)
            await items.delete_where(all=True)
            await items.insert_all(rows)


async def test_operations_by_a_composite_key_are_one_statement_too(db: Database, places: Rows) -> None:
    operations: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
        ("SELECT", lambda: places[1, "Rome"]),
        ("UPDATE", lambda: places.update({"day": 1, "name": "Rome", "n": 1})),
        ("INSERT", lambda: places.upsert({"day": 1, "name": "Rome", "n": 2})),
        ("INSERT", lambda: places.insert(day=2, name="Rome")),
        ("DELETE", lambda: places.delete((2, "Rome"))),
    ]
    for verb, operation in operations:
        sent = await sent_by(db, operation)
        assert [text.split()[0] for text in sent] == [verb], sent


async def test_inside_a_transaction_there_is_one_statement_each_too(db: Database, items: Rows) -> None:
    async def work() -> None:
        async with db.transaction():
            await items.insert(code="a")
            await items.update({"id": 1, "n": 1})
            await items.get(1)
            await items.upsert({"id": 2, "code": "b"})
            await items.delete(3)

    verbs = [text.split()[0] for text in await sent_by(db, work)]
    assert verbs == ["BEGIN", "INSERT", "UPDATE", "SELECT", "INSERT", "DELETE", "COMMIT"]


async def test_refused_calls_send_nothing(db: Database, items: Rows) -> None:
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: items.insert({}),
        lambda: items.insert(code=5),
        lambda: items.insert(coed="x"),
        lambda: items.update({"n": 1}),
        lambda: items.get("1"),
        lambda: items.delete(None),
        lambda: items.delete_where(),
        lambda: items.count(n="x"),
        lambda: items.insert_all("rows"),
        lambda: items.upsert(code="x"),
    ]

    async def work() -> None:
        for call in calls:
            with pytest.raises((ValidationError, SchemaError)):
                await call()

    assert await sent_by(db, work) == []


async def test_a_missing_row_costs_no_second_look(db: Database, items: Rows) -> None:
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: items.get(99),
        lambda: items.update({"id": 99, "n": 1}),
        lambda: items.delete(99),
    ]
    for call in calls:

        async def work(call: Callable[[], Awaitable[Any]] = call) -> None:
            with pytest.raises(NotFoundError):
                await call()

        assert len(await sent_by(db, work)) == 1
