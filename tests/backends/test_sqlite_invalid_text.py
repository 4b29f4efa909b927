"""SQLite stores text that is not valid UTF-8; an UPDATE replaces it like any other value."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from deebase import Database

VALUES = {
    "doc": {"a": 1},
    "price": Decimal("1.50"),
    "token": UUID("12345678-1234-5678-1234-567812345678"),
    "length": timedelta(days=1, microseconds=5),
}
#: Not valid as UTF-8, nor do these bytes end in a whole character of UTF-16.
INVALID = "CAST(x'ff22fe4100d8' AS TEXT)"


class Item:
    id: int
    doc: dict[str, Any] | None
    price: Decimal | None
    token: UUID | None
    length: timedelta | None


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
@pytest.mark.parametrize("column", list(VALUES))
async def test_each_update_replaces_it(column: str, encoding: str) -> None:
    value = VALUES[column]
    record = {"id": 1, column: value}
    async with Database(":memory:") as db:
        await db.q(f"PRAGMA encoding = '{encoding}'")
        items = await db.create(Item)
        await items.insert(id=1)
        changes = (
            lambda: items.update(record),
            lambda: items.upsert(record),
            lambda: items.update_all([record]),
            lambda: items.upsert_all([record]),
            lambda: items.update_where({column: value}, id=1),
        )
        for change in changes:
            await db.q(f"UPDATE item SET {column} = {INVALID}")
            assert await db.item(f"SELECT typeof({column}) FROM item") == "text"
            await change()
            assert (await items[1])[column] == value


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
async def test_valid_text_keeps_its_form_in_each_encoding(encoding: str) -> None:
    async with Database(":memory:") as db:
        await db.q(f"PRAGMA encoding = '{encoding}'")
        items = await db.create(Item)
        await items.insert(id=1)
        await db.q("UPDATE item SET doc = ' {\"a\":\"\u00e9\U0001f600\"}', price = '1.5E+1'")
        before = await db.q("SELECT quote(doc), quote(price) FROM item")
        await items.update(await items[1])
        assert await db.q("SELECT quote(doc), quote(price) FROM item") == before
