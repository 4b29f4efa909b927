"""Keyset pages: every row once, in order, whatever the order and whatever happens meanwhile."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from deebase import (
    ColumnNotFoundError,
    Database,
    InvalidOperationError,
    SchemaError,
    Table,
    UTCDateTime,
    ValidationError,
)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Thing:
    id: int
    a: int
    n: int | None
    s: str | None
    d: Decimal
    f: float
    color: Color
    at: UTCDateTime
    day: date
    u: UUID
    raw: bytes
    ok: bool | None
    took: timedelta | None


ROWS = 97
START = datetime(2024, 1, 1, tzinfo=UTC)


def thing(i: int) -> dict[str, Any]:
    return {
        "id": i + 1,
        "a": i * 7 % 5,
        "n": None if i % 4 == 0 else i * 11 % 6,
        "s": None if i % 7 == 0 else ["", "ä", "a", "Z", "'"][i % 5],
        "d": Decimal(i % 9) / 4,
        "f": i % 8 / 3,
        "color": list(Color)[i % 2],
        "at": START + timedelta(minutes=i % 13),
        "day": date(2024, 1, 1 + i % 10),
        "u": UUID(int=i % 6),
        "raw": bytes([i % 3]),
        "ok": [None, True, False][i % 3],
        "took": None if i % 5 == 0 else timedelta(seconds=i % 4),
    }


@pytest.fixture
async def things(db: Database) -> Table[Thing]:
    # Pages in the order of a column with NULLs are read otherwise if it has an index; "s" has none.
    table = await db.create(Thing, indexes=["n", ("ok", "took"), ("took", "id")])
    await table.insert_all(thing(i) for i in range(ROWS))
    return table


async def forwards(table: Table[Any], size: int, order: Any, **options: Any) -> tuple[list[int], str]:
    """Return the keys of all pages and the cursor of the page before the last."""
    ids: list[int] = []
    page = await table.page(size=size, order_by=order, **options)
    assert page.previous is None
    while True:
        ids += [row.id for row in page.rows]
        if page.next is None:
            return ids, str(page.previous)
        assert len(page.rows) == size
        page = await table.page(size=size, order_by=order, after=page.next, **options)


async def backwards(table: Table[Any], size: int, order: Any, cursor: str | None) -> list[int]:
    ids: list[int] = []
    while cursor is not None:
        page = await table.page(size=size, order_by=order, after=cursor)
        assert page.next is not None
        ids = [row.id for row in page.rows] + ids
        cursor = page.previous
    return ids


ORDERS: list[Any] = [
    None,
    "id",
    "-id",
    "a",
    "-a",
    "n",
    "-n",
    ["a", "n"],
    ["-a", "n"],
    ["n", "-s", "a"],
    ["-n", "-s"],
    ["s", "-id"],
    "d",
    "-d",
    ["f", "-d"],
    "color",
    "-at",
    ["day", "-at"],
    "u",
    ["raw", "ok"],
    ["-ok", "took"],
    "took",
    "-took",
    ["s", "n"],
]


@pytest.mark.parametrize("order", ORDERS, ids=repr)
async def test_pages_hold_every_row_once_and_in_order(things: Table[Thing], order: Any) -> None:
    names = [order] if isinstance(order, str) else list(order or [])
    tie = "-id" if names and names[-1].startswith("-") else "id"
    expected = [row.id for row in await things(order_by=[*names, tie])]
    for size in (7, ROWS - 1, ROWS):
        ids, before_last = await forwards(things, size, order)
        assert ids == expected
        if size < ROWS:
            last = (ROWS - 1) // size * size
            assert await backwards(things, size, order, before_last) == expected[:last]


@pytest.mark.parametrize("order", ["id", ["n", "-s", "a"]], ids=repr)
async def test_a_page_may_have_one_row(things: Table[Thing], order: Any) -> None:
    names = [order] if isinstance(order, str) else order
    ids, before_last = await forwards(things, 1, order)
    assert ids == [row.id for row in await things(order_by=[*names, "id"])]
    assert await backwards(things, 1, order, before_last) == ids[:-1]


async def test_conditions_select_and_scope_hold_for_each_page(things: Table[Thing]) -> None:
    plain = things.rows_as(dict).xtra(a=2)
    rows: list[Any] = []
    cursor = None
    while True:
        page = await plain.page("f < ?", [2], size=3, order_by="-n", select=["n", "a"], after=cursor, color=Color.RED)
        rows += page.rows
        cursor = page.next
        if cursor is None:
            break
    assert rows == await plain(things.c.f < 2, color=Color.RED, order_by=["-n", "-id"], select=["n", "a"])
    assert rows
    assert all(set(row) == {"n", "a"} for row in rows)


async def test_rows_that_come_and_go_meanwhile_neither_repeat_nor_hide_others(things: Table[Thing]) -> None:
    expected = [row.id for row in await things(order_by=["a", "id"])]
    ids: list[int] = []
    cursor, number = None, 1000
    while True:
        page = await things.page(size=5, order_by="a", after=cursor)
        ids += [row.id for row in page.rows]
        if page.next is None:
            break
        cursor = page.next
        # One more before the place, and the row of the cursor itself goes.
        await things.insert({**thing(0), "a": -1, "id": number})
        await things.delete(page.rows[-1].id)
        number += 1
    assert ids == expected


async def test_behind_the_end_the_way_back_is_open(things: Table[Thing]) -> None:
    page = await things.page(size=90, order_by="id")
    await things.delete_where(things.c.id > 90)
    end = await things.page(size=90, order_by="id", after=page.next)
    assert (end.rows, end.next) == ([], None)
    back = await things.page(size=90, order_by="id", after=end.previous)
    assert [row.id for row in back.rows] == list(range(1, 91))
    start = await things.page(size=5, order_by="id", after=(await things.page(size=90, after=back.next)).previous)
    assert [row.id for row in start.rows] == list(range(86, 91))


async def test_before_the_beginning_the_way_on_is_open(things: Table[Thing]) -> None:
    page = await things.page(size=1, order_by="id", after=(await things.page(size=1, order_by="id")).next)
    await things.delete_where(things.c.id < 2)
    none = await things.page(size=5, order_by="id", after=page.previous)
    assert (none.rows, none.previous) == ([], None)
    again = await things.page(size=2, order_by="id", after=none.next)
    assert [row.id for row in again.rows] == [2, 3]


async def test_an_empty_table_has_one_empty_page(things: Table[Thing]) -> None:
    await things.delete_where(all=True)
    page = await things.page()
    assert (page.rows, page.next, page.previous) == ([], None, None)


async def test_a_cursor_is_text_for_an_address_and_survives_a_restart(things: Table[Thing]) -> None:
    page = await things.page(size=10, order_by=["s", "-at"])
    assert page.next is not None
    assert page.next.replace("-", "").replace("_", "").isalnum()
    script = (
        "import sys; from deebase._tables.paging import _Cursor; import json;"
        "print(_Cursor.read(sys.argv[1], json.dumps(['thing', [['s', False], ['at', True], ['id', True]]])).values[-1])"
    )
    found = subprocess.run([sys.executable, "-c", script, page.next], capture_output=True, text=True, check=True)
    assert int(found.stdout) == page.rows[-1].id


def broken(cursor: str) -> Sequence[Any]:
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    swapped = base64.urlsafe_b64encode(raw[:-2] + b"9]").decode()
    return ["", "x", "!!!", cursor[:-3], cursor + "AAAA", cursor[::-1], swapped, "A" * 200_000, "é", "\0", 5, b"x", [1]]


async def test_a_broken_cursor_is_refused(things: Table[Thing]) -> None:
    page = await things.page(size=10, order_by="a")
    assert page.next is not None
    for cursor in broken(page.next):
        with pytest.raises(ValidationError) as caught:
            await things.page(size=10, order_by="a", after=cursor)
        assert caught.value.field == "after"


async def test_a_cursor_of_another_order_is_refused(things: Table[Thing]) -> None:
    page = await things.page(size=10, order_by="a")
    for order in ("-a", "n", None, ["a", "n"]):
        with pytest.raises(ValidationError, match="order"):
            await things.page(size=10, order_by=order, after=page.next)


@pytest.mark.parametrize("size", [0, -1, 10_001, True, 2.5, "10", None])
async def test_a_size_out_of_range_is_refused(things: Table[Thing], size: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        await things.page(size=size)
    assert caught.value.field == "size"


async def test_an_order_by_what_is_no_column_is_refused(things: Table[Thing], db: Database) -> None:
    with pytest.raises(ColumnNotFoundError):
        await things.page(order_by="b")
    with pytest.raises(SchemaError):
        await things.page(order_by=things.c.a + 1)

    class Document:
        id: int
        body: dict

    documents = await db.create(Document)
    with pytest.raises(ValidationError, match="order"):
        await documents.page(order_by="body")


async def test_a_composite_key_decides_between_equal_rows(db: Database) -> None:
    class Line:
        order_no: int
        position: int
        color: str

    lines = await db.create(Line, pk=["order_no", "position"])
    await lines.insert_all({"order_no": n // 5, "position": n % 5, "color": "x"} for n in range(25))
    found: list[Any] = []
    page = await lines.page(size=4, order_by="-color")
    while True:
        found += [(row["order_no"], row["position"]) for row in page.rows]
        if page.next is None:
            break
        page = await lines.page(size=4, order_by="-color", after=page.next)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 25


async def test_without_a_key_there_are_no_pages(db: Database) -> None:
    await db.q("CREATE TABLE loose (a int)")

    class Loose:
        a: int

    with pytest.warns(UserWarning, match="differs"):
        table = await db.create(Loose, pk="a", if_not_exists=True)
    with pytest.raises(InvalidOperationError) as caught:
        await table.page()
    assert caught.value.operation == "page"
