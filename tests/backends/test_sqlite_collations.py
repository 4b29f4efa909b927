"""SQLite's collations on key columns."""

from __future__ import annotations

import asyncio

from deebase import Database


class Word:
    id: str
    name: str


async def test_a_row_is_found_under_another_spelling_of_its_key_also_by_a_shared_read() -> None:
    async with Database(":memory:") as db:
        await db.q("CREATE TABLE word (id VARCHAR NOT NULL COLLATE NOCASE PRIMARY KEY, name VARCHAR NOT NULL)")
        words = await db.create(Word, if_not_exists=True)
        await words.insert_all({"id": text, "name": text} for text in ("one", "two", "three"))
        await asyncio.gather(words["one"], words["two"])
        rows = await asyncio.gather(words["ONE"], words["two"], words.get("none", default=None))
    assert rows == [{"id": "one", "name": "one"}, {"id": "two", "name": "two"}, None]
