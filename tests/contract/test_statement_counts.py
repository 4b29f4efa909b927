"""How many statements reach the driver per operation, counted by the drivers themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deebase import Database, Index, NotFoundError, Table

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


async def lanes_of(db: Database) -> list[Any]:
    """Return every lane of the database, with all that the tests need opened."""
    await db.q("SELECT 1")
    async with db.transaction():
        pass
    lanes = db._executor.lanes()
    pools = {id(pool): pool for pool in vars(lanes).values() if hasattr(pool, "idle")} if hasattr(lanes, "__dict__") else {}
    return [lane for pool in (pools.values() or [lanes]) for lane in pool.idle]


@asynccontextmanager
async def counted(db: Database) -> AsyncIterator[list[str]]:
    """Collect what the driver is given to run: sqlite3 traces it, asyncpg logs it."""
    seen: list[str] = []
    lanes = await lanes_of(db)
    if db.engine.dialect.name == "sqlite":

        def tracing(callback: Callable[[str], None] | None) -> Callable[[sqlite3.Connection], None]:
            return lambda raw: raw.set_trace_callback(callback)

        for lane in lanes:
            await lane.call(tracing(seen.append))
        yield seen
        for lane in lanes:
            await lane.call(tracing(None))
    else:

        def note(record: Any) -> None:
            seen.append(record.query)

        for lane in lanes:
            lane.driver.add_query_logger(note)
        yield seen
        for lane in lanes:
            lane.driver.remove_query_logger(note)


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
    for name, (verb, operation) in SINGLE.items():
        for _ in range(2):  # at first compiled, then kept
            async with counted(db) as seen, db_restored(items):
                await operation(items)
                sent = list(seen)
            assert len(sent) == 1, (name, sent)
            assert sent[0].startswith(verb), (name, sent)


@asynccontextmanager
async def db_restored(items: Rows) -> AsyncIterator[None]:
    """Put the rows back that an operation changed."""
    before = await items()
    try:
        seen_before = None
        yield seen_before
    finally:
        await items.delete_where(all=True)
        await items.insert_all(before)


async def test_operations_by_a_composite_key_are_one_statement_too(db: Database, places: Rows) -> None:
    operations: list[tuple[str, Callable[[], Awaitable[Any]]]] = [
        ("SELECT", lambda: places[1, "Rome"]),
        ("UPDATE", lambda: places.update({"day": 1, "name": "Rome", "n": 1})),
        ("INSERT", lambda: places.upsert({"day": 1, "name": "Rome", "n": 2})),
        ("INSERT", lambda: places.insert(day=2, name="Rome")),
        ("DELETE", lambda: places.delete((2, "Rome"))),
    ]
    for verb, operation in operations:
        async with counted(db) as seen:
            await operation()
            sent = list(seen)
        assert [text.split()[0] for text in sent] == [verb], sent


async def test_inside_a_transaction_there_is_one_statement_each_too(db: Database, items: Rows) -> None:
    async with counted(db) as seen:
        async with db.transaction():
            await items.insert(code="a")
            await items.update({"id": 1, "n": 1})
            await items.get(1)
            await items.upsert({"id": 2, "code": "b"})
            await items.delete(3)
        sent = list(seen)
    verbs = [text.split()[0] for text in sent]
    assert verbs == ["BEGIN", "INSERT", "UPDATE", "SELECT", "INSERT", "DELETE", "COMMIT"]


async def test_refused_calls_send_nothing(db: Database, items: Rows) -> None:
    async with counted(db) as seen:
        for call in (
            lambda: items.insert({}),
            lambda: items.insert(code=5),
            lambda: items.insert(coed="x"),
            lambda: items.update({"n": 1}),
            lambda: items.get("1"),
            lambda: items.delete(None),
            lambda: items.delete_where(),
            lambda: items.count(n="x"),
            lambda: items.insert_all("rows"),
        ):
            with pytest.raises(Exception, match=r".") as caught:
                await call()
            assert type(caught.value).__module__ == "deebase.errors"
        assert seen == []


async def test_a_missing_row_costs_no_second_look(db: Database, items: Rows) -> None:
    for call in (lambda: items.get(99), lambda: items.update({"id": 99, "n": 1}), lambda: items.delete(99)):
        async with counted(db) as seen:
            with pytest.raises(NotFoundError):
                await call()
            assert len(seen) == 1
