"""SQLite's collations on key columns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deebase import Database, Table


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


async def shared_and_alone(table: Table[Any], keys: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the rows of keys that are read in one turn of the event loop, and of the same keys one after the other."""
    await asyncio.gather(*(table.get(key, default=None) for key in keys))
    shared = await asyncio.gather(*(table.get(key, default=None) for key in keys))
    return list(shared), [await table.get(key, default=None) for key in keys]


@pytest.mark.parametrize(
    ("definition", "rows", "keys"),
    [
        ("code TEXT PRIMARY KEY COLLATE NOCASE", "('a'), ('b')", ["b", "a", "A", "B", "none"]),
        ("code TEXT PRIMARY KEY COLLATE RTRIM", "('a'), ('b  ')", ["b", "a", "a  ", "b  ", "none"]),
        ("code NUMERIC PRIMARY KEY", "(1), (2.5)", [1, "1", "2.5", 7, "none"]),
        ("code PRIMARY KEY", "(1), ('2')", [1, "1", "2", 2]),
        ("code TEXT COLLATE NOCASE UNIQUE, PRIMARY KEY (code)", "('a'), ('b')", ["b", "a", "A"]),
    ],
)
async def test_each_shared_read_finds_what_it_would_find_alone(definition: str, rows: str, keys: list[Any]) -> None:
    async with Database(":memory:") as db:
        await db.q(f"CREATE TABLE k ({definition}\n)")
        await db.q(f"INSERT INTO k (code) VALUES {rows}")
        shared, alone = await shared_and_alone(await db.reflect_table("k"), keys)
    assert shared == alone
    assert any(row is not None for row in shared)


async def test_parents_under_another_spelling_are_found_by_each_way_to_ask_for_them() -> None:
    async with Database(":memory:") as db:
        await db.script(
            "CREATE TABLE k (code TEXT PRIMARY KEY COLLATE NOCASE);"
            "CREATE TABLE c (n INTEGER PRIMARY KEY, k TEXT REFERENCES k);"
            "INSERT INTO k VALUES ('a'), ('b'); INSERT INTO c VALUES (1, 'b'), (2, 'a'), (3, 'A'), (4, NULL)"
        )
        await db.reflect()
        children = db.t.c
        rows = await children(order_by="n")
        await asyncio.gather(*(children.fk.k(row) for row in rows))
        shared = await asyncio.gather(*(children.fk.k(row) for row in rows))
        alone = [await children.fk.k(row) for row in rows]
        joined = [parent for _, parent in await children.with_parents(rows, "k")]
    assert shared == alone == joined == [{"code": "b"}, {"code": "a"}, {"code": "a"}, None]


async def test_composite_keys_are_found_under_another_spelling() -> None:
    async with Database(":memory:") as db:
        await db.script(
            "CREATE TABLE k (a TEXT COLLATE NOCASE, b INTEGER, PRIMARY KEY (a, b));"
            "INSERT INTO k VALUES ('x', 1), ('y', 2)"
        )
        shared, alone = await shared_and_alone(
            await db.reflect_table("k"), [("y", 2), ("x", 1), ("X", 1), ("X", 2), ("Y", 2)]
        )
    assert shared == alone
    assert [row is None for row in shared] == [False, False, False, True, False]


@pytest.mark.parametrize("index", ["", "CREATE INDEX ix ON child (parent)"])
async def test_children_under_another_spelling_are_found_by_each_way_to_ask_for_them(index: str) -> None:
    """SQLite compares a foreign key by the collation of the column that it refers to, whatever its own is."""
    async with Database(":memory:") as db:
        await db.script(
            "CREATE TABLE parent (code TEXT COLLATE NOCASE PRIMARY KEY);"
            "CREATE TABLE child (id INTEGER PRIMARY KEY, parent TEXT REFERENCES parent (code));"
            "CREATE TABLE loose (id INTEGER PRIMARY KEY, word TEXT COLLATE NOCASE REFERENCES exact (code));"
            "CREATE TABLE exact (code TEXT PRIMARY KEY);"
            "INSERT INTO parent VALUES ('a'), ('b'); INSERT INTO child VALUES (1, 'A'), (2, 'b'), (3, 'B'), (4, NULL);"
            f"INSERT INTO exact VALUES ('a'), ('A'); INSERT INTO loose VALUES (1, 'a'), (2, 'A'); {index}"
        )
        await db.reflect()
        for parent, child, expected in (("parent", "child", [[1], [2, 3]]), ("exact", "loose", [[1], [2]])):
            table = db.t[parent]
            rows = sorted(await table(), key=lambda row: str(row["code"]), reverse=parent == "exact")
            single = [await table.get_children(row, child, order_by="id") for row in rows]
            together = [children for _, children in await table.with_children(rows, child, order_by="id")]
            assert [[row["id"] for row in children] for children in single] == expected
            assert together == single
            assert await table.get_children(rows[0], child).count() == len(expected[0])
