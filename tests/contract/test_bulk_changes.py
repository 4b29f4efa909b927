"""Many rows changed, upserted or deleted at once, and the position of a row that the database refuses."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from deebase import (
    CheckViolationError,
    ColumnNotFoundError,
    Database,
    DeeBaseError,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    InvalidOperationError,
    NotFoundError,
    NotNullViolationError,
    Table,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
)
from tests.support.capabilities import can


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    id: int
    code: str
    n: int = 0
    note: str | None = None


class Everything:
    id: int
    i: int | None
    f: float | None
    s: str | None
    b: bool | None
    raw: bytes | None
    doc: dict | None
    items: list[int] | None
    at: datetime | None
    utc: UTCDateTime | None
    day: date | None
    clock: time | None
    took: timedelta | None
    money: Decimal | None
    uid: UUID | None
    color: Color | None


FULL: dict[str, Any] = {
    "i": -(2**63),
    "f": 0.1,
    "s": 'it\'s "ä" %s :x ?',
    "b": True,
    "raw": b"\x00\xff",
    "doc": {"a": [1, None, "x"], "?": ":b"},
    "items": [3, 2, 1],
    "at": datetime(2024, 2, 29, 12, 0, 0, 1),
    "utc": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "day": date(1, 1, 1),
    "clock": time(23, 59, 59, 999999),
    "took": timedelta(days=-1, microseconds=1),
    "money": Decimal("-12345678901234567890.0000000001"),
    "uid": UUID(int=5),
    "color": Color.BLUE,
}


@pytest.fixture
async def items(db: Database) -> Table[Item]:
    table = await db.create(Item, indexes=[Index("ux_item_code", "code", unique=True)])
    await table.insert_all({"code": f"c{n}", "n": n} for n in range(2500))
    return table


async def later(rows: list[Any]) -> AsyncIterator[Any]:
    for row in rows:
        await asyncio.sleep(0)
        yield row


# -- update_all ------------------------------------------------------------------------------------


async def test_many_rows_change_and_others_do_not(items: Table[Item]) -> None:
    assert await items.update_all({"id": n, "n": -n} for n in range(1, 2001)) == 2000
    rows = await items(order_by="id")
    assert [row.n for row in rows] == [-n if n <= 2000 else n - 1 for n in range(1, 2501)]
    assert {row.note for row in rows} == {None}


async def test_a_batch_is_one_statement(items: Table[Item], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    await items.update_all({"id": n, "n": 1} for n in range(1, 1001))
    assert [record.getMessage().split()[0] for record in caplog.records].count("UPDATE") == 1
    caplog.clear()
    await items.delete_all(range(1, 1001))
    assert [record.getMessage().split()[0] for record in caplog.records].count("DELETE") == 1


async def test_records_may_differ_in_columns_and_kind(items: Table[Item]) -> None:
    rows: list[Any] = [
        {"id": 1, "n": 10},
        {"id": 2, "note": "two"},
        Item(3, "three", 30, "note"),
        {"note": None, "n": 40, "id": 4},
        {"id": 5, "n": 50},
    ]
    assert await items.update_all(later(rows)) == 5
    assert await items(items.c.id <= 5, order_by="id") == [
        Item(1, "c0", 10),
        Item(2, "c1", 1, "two"),
        Item(3, "three", 30, "note"),
        Item(4, "c3", 40),
        Item(5, "c4", 50),
    ]


async def test_of_two_changes_of_a_row_the_later_stays(items: Table[Item]) -> None:
    rows = [{"id": n % 3 + 1, "n": n} for n in range(300)]
    assert await items.update_all(rows) == 300
    assert [row.n for row in await items(items.c.id <= 3, order_by="id")] == [297, 298, 299]


async def test_values_of_every_type_come_back_as_they_were(db: Database) -> None:
    table = await db.create(Everything)
    await table.insert_all({"i": n} for n in range(5))
    assert await table.update_all([{"id": 1, **FULL}, {"id": 2, **dict.fromkeys(FULL)}, {"id": 3, **FULL}]) == 3
    rows = await table(order_by="id")
    assert rows[0] == {"id": 1, **FULL}
    assert rows[1] == {"id": 2, **dict.fromkeys(FULL)}
    assert rows[2] == {"id": 3, **FULL}
    assert {name: type(value) for name, value in rows[0].items()} == {
        "id": int,
        **{name: type(value) for name, value in FULL.items()},
    }
    assert [row["i"] for row in rows[3:]] == [3, 4]


async def test_a_composite_key_is_taken_as_a_whole(db: Database) -> None:
    class Line:
        order_no: int
        position: int
        n: int

    lines = await db.create(Line, pk=["order_no", "position"])
    await lines.insert_all({"order_no": a, "position": b, "n": 0} for a in range(10) for b in range(10))
    changed = [{"order_no": a, "position": a, "n": 1} for a in range(10)]
    assert await lines.update_all(changed) == 10
    assert sorted((row["order_no"], row["position"]) for row in await lines(n=1)) == [(a, a) for a in range(10)]
    assert await lines.delete_all([(a, a) for a in range(10)]) == 10
    assert await lines.count() == 90
    with pytest.raises(ValidationError, match="row 1: "):
        await lines.delete_all([(1, 2), 3])
    assert await lines.count() == 90


@pytest.mark.parametrize("position", [0, 1, 999, 1000, 1999])
async def test_a_row_that_is_not_there_is_named_and_nothing_changes(items: Table[Item], position: int) -> None:
    rows = [{"id": n + 1, "n": -1} for n in range(2000)]
    rows[position]["id"] = 10**9
    with pytest.raises(NotFoundError, match=rf"^row {position}: item: no row"):
        await items.update_all(rows)
    assert await items.count(n=-1) == 0


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"n": 1}, ValidationError),
        ({"id": None, "n": 1}, ValidationError),
        ({"id": 5}, ValidationError),
        ({"id": 5, "n": "x"}, ValidationError),
        ({"id": 5, "m": 1}, ColumnNotFoundError),
        (None, ValidationError),
        (7, ValidationError),
    ],
)
async def test_a_row_that_does_not_fit_is_named_and_nothing_changes(
    items: Table[Item], row: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"^row 1500: "):
        await items.update_all([*({"id": n + 1, "n": -1} for n in range(1500)), row])
    assert await items.count(n=-1) == 0


async def test_expressions_are_refused(items: Table[Item], db: Database) -> None:
    with pytest.raises(ValidationError):
        await items.update_all([{"id": 1, "n": db.sql(items.c.n + 1)}])


async def test_inside_a_transaction_changes_join_it(items: Table[Item], db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await items.update_all([{"id": 1, "n": 100}])
            await items.delete_all([2])
            await items.upsert_all([{"id": 3, "code": "x", "n": 1}])
            raise ZeroDivisionError
    assert [row.n for row in await items(items.c.id <= 3, order_by="id")] == [0, 1, 2]


async def test_an_error_inside_a_transaction_leaves_the_rest_of_it(items: Table[Item], db: Database) -> None:
    async with db.transaction():
        await items.update(pk=1, n=100)
        with pytest.raises(UniqueViolationError):
            await items.insert_all([{"code": "new"}, {"code": "c5"}])
        with pytest.raises(NotFoundError):
            await items.update_all([{"id": 2, "n": 5}, {"id": 10**9, "n": 5}])
        await items.update(pk=3, n=300)
    assert [row.n for row in await items(items.c.id <= 3, order_by="id")] == [100, 1, 300]
    assert not await items.exists(code="new")


# -- upsert_all ------------------------------------------------------------------------------------


async def test_upserts_insert_and_change(items: Table[Item]) -> None:
    rows = [{"code": f"c{n}", "n": -n} for n in range(2400, 2600)]
    assert await items.upsert_all(rows, on="code") == 200
    assert await items.count() == 2600
    assert [row.n for row in await items(items.c.id > 2399, order_by="id")] == [2399, *[-n for n in range(2400, 2600)]]


async def test_upserted_rows_come_back_in_input_order(items: Table[Item]) -> None:
    rows = [{"code": "new", "n": 5}, {"code": "c0", "n": 6}, {"code": "new", "n": 7}]
    stored = await items.upsert_all(rows, on="code", returning=True)
    assert [(row.code, row.n) for row in stored] == [("new", 5), ("c0", 6), ("new", 7)]
    assert stored[0].id == stored[2].id


async def test_upserts_change_only_what_update_names(items: Table[Item]) -> None:
    await items.upsert_all(
        [{"code": "c1", "n": 9, "note": "x"}, {"code": "fresh", "n": 9, "note": "y"}], on="code", update=["note"]
    )
    assert (await items.lookup(code="c1")).n == 1
    assert (await items.lookup(code="c1")).note == "x"
    assert (await items.lookup(code="fresh")).n == 9
    with pytest.raises(ValidationError, match=r"^row 0: "):
        await items.upsert_all([{"code": "c1"}], on="code", update=["note"])


async def test_upserts_by_key_need_it(items: Table[Item]) -> None:
    with pytest.raises(ValidationError, match=r"^row 1: "):
        await items.upsert_all([{"id": 1, "code": "c0"}, {"code": "x"}])
    assert await items.upsert_all([{"id": 1, "code": "c0", "n": 3}, {"id": 9000, "code": "x"}]) == 2
    made = await items.insert(code="after")
    assert made.id > 9000


# -- delete_all ------------------------------------------------------------------------------------


async def test_keys_that_are_not_there_do_not_count(items: Table[Item]) -> None:
    assert await items.delete_all([1, 2, 2, 10**9, *range(1, 1500)]) == 1499
    assert await items.count() == 1001
    assert await items.delete_all([]) == 0
    assert await items.delete_all(later([1500, 1501])) == 2


async def test_a_key_that_is_none_is_refused_and_nothing_is_deleted(items: Table[Item]) -> None:
    for keys in ([1, 2, None], [1, 2, "x"], [1, 2, (1, 2)]):
        with pytest.raises(ValidationError, match=r"^row 2: "):
            await items.delete_all(keys)
    assert await items.count() == 2500


@pytest.mark.parametrize("operation", ["update_all", "delete_all", "upsert_all", "insert_all"])
async def test_what_is_no_collection_is_refused(items: Table[Item], operation: str) -> None:
    for wrong in (None, 5, "abc", b"x", {"id": 1}, Item(1, "x")):
        with pytest.raises(ValidationError, match=operation):
            await getattr(items, operation)(wrong)


async def test_without_a_key_rows_are_not_changed_by_it(db: Database) -> None:
    await db.q("CREATE TABLE loose (a int)")

    class Loose:
        a: int

    with pytest.warns(UserWarning, match="differs"):
        table = await db.create(Loose, pk="a", if_not_exists=True)
    for operation in (table.update_all, table.delete_all):
        with pytest.raises(InvalidOperationError):
            await operation([])


# -- which row -------------------------------------------------------------------------------------


class Checked:
    id: int
    item_id: ForeignKey[int, "item"]
    must: str
    color: Color


def good(n: int) -> dict[str, Any]:
    return {"id": n + 1, "item_id": n % 100 + 1, "must": "x", "color": Color.RED}


BAD: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], type[DeeBaseError]]] = {
    "unique": (lambda row: {**row, "id": 1}, UniqueViolationError),
    "not null": (lambda row: {**row, "must": None}, NotNullViolationError),
    "foreign key": (lambda row: {**row, "item_id": 10**9}, ForeignKeyViolationError),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("position", [1, 1000, 5001])
async def test_the_row_that_a_constraint_refuses_is_named(
    db: Database, items: Table[Item], fault: str, position: int
) -> None:
    make, kind = BAD[fault]
    table = await db.create(Checked)
    rows = [good(n) for n in range(5100)]
    rows[position] = make(rows[position])
    for options in ({}, {"returning": True}):
        with pytest.raises(kind, match=rf"^row {position}: ") as caught:
            await table.insert_all(rows, **options)
        # The driver's own, without our error for the row in between.
        assert not isinstance(caught.value.__cause__, DeeBaseError)
        assert await table.count() == 0


async def test_the_first_of_several_bad_rows_is_named(db: Database, items: Table[Item]) -> None:
    table = await db.create(Checked)
    rows = [good(n) for n in range(3000)]
    for position in (700, 1500, 2999):
        rows[position]["id"] = 1
    with pytest.raises(UniqueViolationError, match=r"^row 700: "):
        await table.insert_all(rows)
    with pytest.raises(UniqueViolationError, match=r"^row 700: "):
        await table.insert_all(rows, returning=True)


async def test_a_change_that_a_constraint_refuses_is_named(items: Table[Item]) -> None:
    rows: list[dict[str, Any]] = [{"id": n + 1, "code": f"d{n}"} for n in range(1500)]
    rows[1234]["code"] = "c2000"
    with pytest.raises(UniqueViolationError, match=r"^row 1234: "):
        await items.update_all(rows)
    assert (await items[1]).code == "c0"


async def test_rows_that_others_refer_to_are_not_deleted(db: Database, items: Table[Item]) -> None:
    table = await db.create(Checked)
    await table.insert({**good(0), "item_id": 77})
    with pytest.raises(ForeignKeyViolationError, match=r"^row 76: "):
        await items.delete_all(range(1, 500))
    assert await items.count() == 2500


async def test_a_check_of_the_database_is_named_too(db: Database) -> None:
    key = "integer PRIMARY KEY"
    await db.q(f"CREATE TABLE stock (id {key}, n integer NOT NULL CHECK (n >= 0))")

    class Stock:
        id: int
        n: int

    # PostgreSQL's integer is not the BIGINT that the class says.
    differs: AbstractContextManager[Any] = (
        pytest.warns(UserWarning, match="differs") if can(db).checks_types else nullcontext()
    )
    with differs:
        table = await db.create(Stock, if_not_exists=True)
    with pytest.raises(CheckViolationError, match=r"^row 2: "):
        await table.insert_all([{"id": 1, "n": 0}, {"id": 2, "n": 1}, {"id": 3, "n": -1}])
    await table.insert_all([{"id": 1, "n": 0}, {"id": 2, "n": 1}])
    with pytest.raises(CheckViolationError, match=r"^row 1: "):
        await table.update_all([{"id": 1, "n": 5}, {"id": 2, "n": -5}])
    assert [row["n"] for row in await table(order_by="id")] == [0, 1]
