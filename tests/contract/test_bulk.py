"""Many rows at once: what insert_all takes, what it returns, and that it is all or nothing."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest

from deebase import (
    UNSET,
    Database,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    NotNullViolationError,
    SchemaError,
    Table,
    UniqueViolationError,
    ValidationError,
)


@dataclass
class Item:
    id: int | None
    code: str
    n: int = 7
    note: str | None = "none"


class Link:
    id: int
    item_id: ForeignKey[int, "item"]


@pytest.fixture
async def items(db: Database) -> Table[Item]:
    return await db.create(Item, indexes=[Index("ux_item_code", "code", unique=True)])


def numbered(count: int, start: int = 0) -> Iterator[dict[str, Any]]:
    for n in range(start, start + count):
        yield {"code": f"c{n}", "n": n}


async def later(count: int) -> AsyncIterator[dict[str, Any]]:
    for row in numbered(count):
        await asyncio.sleep(0)
        yield row


async def codes(items: Table[Item]) -> list[str]:
    return await items(order_by="id").scalars("code")


async def test_any_iterable_is_stored_and_counted(items: Table[Item]) -> None:
    assert await items.insert_all(numbered(2500)) == 2500
    assert await items.count() == 2500
    assert await items(n=2499).one() == Item(id=2500, code="c2499", n=2499, note="none")
    await items.delete_where(all=True)
    assert await items.insert_all(list(numbered(3))) == 3
    assert await items.insert_all(tuple(numbered(3, 3))) == 3
    assert await items.insert_all({"code": code} for code in {"x", "y"}) == 2
    assert await items.insert_all([]) == 0
    assert await items.count() == 8


async def test_empty_records_take_every_default(db: Database) -> None:
    class Ticket:
        id: int
        state: str = "open"

    tickets = await db.create(Ticket)
    assert await tickets.insert_all([{}, {}]) == 2
    assert await tickets.insert_all([{}, {"state": "shut"}, {}], returning=True) == [
        {"id": 3, "state": "open"},
        {"id": 4, "state": "shut"},
        {"id": 5, "state": "open"},
    ]
    assert await tickets.count(state="open") == 4
    # Records may have fields, and none with a value.
    assert await tickets.insert_all([Ticketed(), Ticketed(), Ticketed(state=UNSET)]) == 3
    assert await tickets.insert_all([{"id": None}, {"id": None}]) == 2
    assert await tickets.count(state="open") == 9


async def test_an_async_iterable_is_stored_too(items: Table[Item]) -> None:
    assert await items.insert_all(later(1500)) == 1500
    assert [item.code for item in await items.insert_all(numbered(2, 5000), returning=True)] == ["c5000", "c5001"]


async def test_the_stored_rows_come_back_in_input_order(items: Table[Item]) -> None:
    order = [(n * 7919) % 2500 for n in range(2500)]
    rows = await items.insert_all(({"code": f"c{n}", "n": n} for n in order), returning=True)
    assert [row.n for row in rows] == order
    assert [row.id for row in rows] == list(range(1, 2501))
    assert await items.insert_all([], returning=True) == []


async def test_records_of_every_kind_and_of_differing_keys(items: Table[Item]) -> None:
    rows = [
        {"code": "a"},
        {"n": 1, "code": "b"},
        {"code": "c", "note": None},
        Item(id=None, code="d", n=2),
        {"note": "x", "code": "e", "id": 50},
        {"code": "f", "n": UNSET, "id": None},
        {"code": "g", "n": 3},
    ]
    stored = await items.insert_all(rows, returning=True)
    assert [(row.code, row.n, row.note) for row in stored] == [
        ("a", 7, "none"),
        ("b", 1, "none"),
        ("c", 7, None),
        ("d", 2, "none"),
        ("e", 7, "x"),
        ("f", 7, "none"),
        ("g", 3, "none"),
    ]
    assert [row.id for row in stored] == [1, 2, 3, 4, 50, 51, 52]
    await items.delete_where(all=True)
    assert await items.insert_all(rows) == 7
    assert sorted(await codes(items)) == list("abcdefg")


async def test_a_row_that_does_not_fit_is_named_by_position_and_nothing_is_stored(items: Table[Item]) -> None:
    for position in (0, 3, 1500):
        rows = list(numbered(1600))
        rows[position] = {"code": "bad", "n": "seven"}
        with pytest.raises(ValidationError, match=f"row {position}: ") as caught:
            await items.insert_all(rows)
        assert caught.value.field == "n"
        assert "seven" not in str(caught.value)
        rows[position] = {"code": "bad", "m": 7}
        with pytest.raises(SchemaError, match=f"row {position}: ") as unknown:
            await items.insert_all(iter(rows), returning=True)
        assert unknown.value.column_name == "m"
        for record in (None, {}, 5, "text"):
            rows[position] = record  # type: ignore[assignment]
            with pytest.raises(ValidationError, match=f"row {position}: "):
                await items.insert_all(rows)
    assert await items.count() == 0


async def test_a_violation_far_down_leaves_nothing(db: Database, items: Table[Item]) -> None:
    rows = [*numbered(2200), {"code": "c5"}]
    for returning in (False, True):
        with pytest.raises(UniqueViolationError) as caught:
            await items.insert_all(rows, returning=returning)
        assert caught.value.columns == ("code",)
        assert await items.count() == 0
    with pytest.raises(NotNullViolationError):
        await items.insert_all([*numbered(5), {"code": "z", "n": None}])
    links = await db.create(Link)
    with pytest.raises(ForeignKeyViolationError):
        await links.insert_all([{"item_id": 99}])
    assert await items.count() == await links.count() == 0


async def test_a_failing_source_leaves_nothing(items: Table[Item]) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from numbered(1200)
        raise ZeroDivisionError

    async def broken_later() -> AsyncIterator[dict[str, Any]]:
        async for row in later(1200):
            yield row
        raise ZeroDivisionError

    for source in (broken, broken_later):
        with pytest.raises(ZeroDivisionError):
            await items.insert_all(source())
    assert await items.count() == 0


async def test_inside_a_transaction_it_is_a_savepoint(db: Database, items: Table[Item]) -> None:
    async with db.transaction():
        await items.insert(code="first")
        with pytest.raises(UniqueViolationError):
            await items.insert_all([{"code": "second"}, {"code": "first"}])
        with pytest.raises(ValidationError):
            await items.insert_all([{"code": "second"}, {"code": 2}])
        await items.insert_all([{"code": "third"}])
    assert await codes(items) == ["first", "third"]
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await items.insert_all(numbered(10))
            raise ZeroDivisionError
    assert await items.count() == 2


async def test_rows_may_come_from_the_same_database(db: Database, items: Table[Item]) -> None:
    await items.insert_all(numbered(1500))

    async def copies() -> AsyncIterator[dict[str, Any]]:
        async for item in items(order_by="id"):
            yield {"code": f"copy of {item.code}", "n": item.n}

    assert await items.insert_all([row async for row in copies()]) == 1500
    assert await items.count() == 3000


async def test_on_conflict_ignore_leaves_rows_that_are_there(items: Table[Item]) -> None:
    await items.insert_all(numbered(3))
    rows = [{"code": "c1", "n": 100}, {"code": "new", "n": 1}, {"code": "new", "n": 2}]
    assert await items.insert_all(rows, on_conflict="ignore") == 1
    stored = await items.insert_all([*rows, {"code": "newer"}], on_conflict="ignore", on="code", returning=True)
    assert [row.code for row in stored] == ["newer"]
    assert (await items(code="c1").one()).n == 1
    assert (await items(code="new").one()).n == 1


async def test_on_conflict_update_is_an_upsert_of_each_row(items: Table[Item]) -> None:
    await items.insert_all(numbered(3))
    rows = [{"code": "c1", "n": 100}, {"code": "new", "n": 1}, {"code": "new", "n": 2}, {"code": "c2", "note": "x"}]
    assert await items.insert_all(rows, on_conflict="update", on="code") == 4
    assert {item.code: (item.n, item.note) for item in await items()} == {
        "c0": (0, "none"),
        "c1": (100, "none"),
        "c2": (2, "x"),
        "new": (2, "none"),
    }
    stored = await items.insert_all([{"id": 1, "code": "c0", "n": 9}], on_conflict="update", returning=True)
    assert [(row.id, row.n) for row in stored] == [(1, 9)]
    with pytest.raises(ValidationError, match="row 1: ") as caught:
        await items.insert_all([{"id": 1, "code": "c0"}, {"code": "c1"}], on_conflict="update")
    assert caught.value.field == "id"


async def test_what_is_no_collection_of_records_is_refused(items: Table[Item]) -> None:
    for rows in ({"code": "a"}, "code", b"code", 5, None, Item(id=1, code="a")):
        with pytest.raises(ValidationError):
            await items.insert_all(rows)  # type: ignore[arg-type]
    with pytest.raises(ValidationError) as caught:
        await items.insert_all([], on_conflict="replace")  # type: ignore[call-overload]
    assert caught.value.field == "on_conflict"
    with pytest.raises(SchemaError):
        await items.insert_all([{"code": "a"}], on_conflict="ignore", on="nothing")


async def test_cancelled_halfway_it_leaves_nothing(items: Table[Item]) -> None:
    halfway = asyncio.Event()

    async def endless() -> AsyncIterator[dict[str, Any]]:
        async for row in later(1100):
            yield row
        halfway.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(items.insert_all(endless()))
    await halfway.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await items.count() == 0


async def test_memory_does_not_grow_with_the_input() -> None:
    async with Database(":memory:") as db:
        items = await db.create(Item)
        await items.insert_all(numbered(2000))
        peaks = []
        # More rows than are on their way at once.
        for count in (15_000, 45_000):
            tracemalloc.start()
            await items.insert_all(numbered(count, 100_000 * count))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        # The database's own memory is not Python's, so what is left is a batch or two.
        assert peaks[1] < 1.5 * peaks[0]


@dataclass
class Ticketed:
    id: int | None = None
    state: Any = UNSET


@dataclass
class Reading:
    id: int | None = None
    place: str | None = None
    value: float | None = None
    n: int = 0


async def functions_called(work: Awaitable[object]) -> int:
    """Return how many functions of DeeBase are called in this thread while something is awaited."""
    count = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and "deebase" in frame.f_code.co_filename

    sys.setprofile(profile)
    try:
        await work
    finally:
        sys.setprofile(None)
    return count


async def test_no_function_is_called_for_each_row_of_records_that_are_alike(db: Database) -> None:
    readings = await db.create(Reading)
    one = readings.xtra(n=1)
    rows = 1500
    # What a check of each value may look at more closely: no value, a zero with a sign, letters beyond ASCII.
    values: list[dict[str, Any]] = [
        {"place": "Zürich" if n % 2 else None, "value": (1.5, -0.0, 0.0, None)[n % 4]} for n in range(rows)
    ]
    keyed = [{"id": n + 1, **row} for n, row in enumerate(values)]
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "dicts": lambda: readings.insert_all(values),
        "dataclasses": lambda: readings.insert_all([Reading(**row) for row in values]),
        "columns in another order": lambda: readings.insert_all([dict(reversed(row.items())) for row in values[:2]]),
        "a scope": lambda: one.insert_all(values),
        "a scope that the records name": lambda: one.insert_all([{**row, "n": 1} for row in values[:2]]),
        "upsert": lambda: readings.upsert_all(keyed),
        "ignore": lambda: readings.insert_all(keyed, on_conflict="ignore"),
        "update": lambda: readings.update_all(keyed),
    }
    for name, call in calls.items():
        await call()
        assert await functions_called(call()) < rows, name
    assert [str(row.value) for row in await readings(id=[1, 2, 3, 4], order_by="id")] == ["1.5", "0.0", "0.0", "None"]
