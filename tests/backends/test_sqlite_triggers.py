"""Rows that a write returns are the stored ones, also where a trigger changes them behind it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, Index, Table

Rows = Table[dict[str, Any]]

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)

AFTER_INSERT = "CREATE TRIGGER made AFTER INSERT ON note BEGIN UPDATE note SET n = NEW.n * 10 WHERE id = NEW.id; END"
AFTER_UPDATE = (
    "CREATE TRIGGER changed AFTER UPDATE OF s ON note BEGIN UPDATE note SET at = 'changed' WHERE id = NEW.id; END"
)


class Note:
    id: int
    n: int | None
    s: str
    at: str | None


@pytest.fixture
async def notes(db: Database) -> AsyncIterator[Rows]:
    table = await db.create(Note, indexes=[Index("note_s", "s", unique=True)])
    # Written before there is a trigger: that it comes later has to be noticed.
    await table.insert(n=1, s="first")
    await db.q(AFTER_INSERT)
    await db.q(AFTER_UPDATE)
    yield table
    assert (await table.lookup(s="first"))["n"] == 1


async def test_insert(notes: Rows) -> None:
    row = await notes.insert(n=2, s="a")
    assert row == await notes[row["id"]] == {"id": 2, "n": 20, "s": "a", "at": None}


async def test_update(notes: Rows) -> None:
    row = await notes.insert(n=2, s="a")
    assert await notes.update({"id": row["id"], "s": "b"}) == {"id": 2, "n": 20, "s": "b", "at": "changed"}


async def test_upsert(notes: Rows) -> None:
    assert await notes.upsert({"s": "a", "n": 2}, on="s") == {"id": 2, "n": 20, "s": "a", "at": None}
    assert await notes.upsert({"id": 2, "s": "b"}) == {"id": 2, "n": 20, "s": "b", "at": "changed"}


async def test_get_or_create(notes: Rows) -> None:
    assert await notes.get_or_create({"s": "a"}, defaults={"n": 2}) == (
        {"id": 2, "n": 20, "s": "a", "at": None},
        True,
    )


async def test_insert_all_and_upsert_all(notes: Rows) -> None:
    rows = await notes.insert_all([{"n": n, "s": f"s{n}"} for n in range(5)], returning=True)
    assert rows == [{"id": n + 2, "n": n * 10, "s": f"s{n}", "at": None} for n in range(5)]
    rows = await notes.upsert_all([{"id": n + 2, "s": f"t{n}"} for n in range(5)], returning=True)
    assert rows == [{"id": n + 2, "n": n * 10, "s": f"t{n}", "at": "changed"} for n in range(5)]


async def test_writes_that_share_a_commit(notes: Rows) -> None:
    rows = await asyncio.gather(*(notes.insert(n=n, s=f"s{n}") for n in range(20)))
    assert [row["n"] for row in rows] == [n * 10 for n in range(20)]


async def test_inside_of_a_transaction_that_makes_and_undoes_triggers(db: Database, notes: Rows) -> None:
    await db.q("DROP TRIGGER made")
    assert (await notes.insert(n=1, s="a"))["n"] == 1
    for statement, factor in ((AFTER_INSERT, 10), ("CREATE TABLE other (id integer)", 1), (AFTER_INSERT, 10)):
        async with db.transaction() as tx:
            await db.q(statement)
            assert (await notes.insert(n=2, s="b"))["n"] == 2 * factor
            await tx.rollback()
        assert (await notes.insert(n=3, s=f"c{statement}{await notes.count()}"))["n"] == 3


async def test_a_trigger_of_this_connection_alone(db: Database, notes: Rows) -> None:
    await db.q("CREATE TEMP TRIGGER own AFTER INSERT ON note BEGIN UPDATE note SET at = 'own' WHERE id = NEW.id; END")
    assert (await notes.insert(n=1, s="a"))["at"] == "own"


async def test_a_trigger_that_changes_the_key(db: Database, notes: Rows) -> None:
    await db.q("CREATE TRIGGER moved AFTER INSERT ON note BEGIN UPDATE note SET id = id + 100 WHERE id = NEW.id; END")
    row = await notes.insert(n=1, s="a")
    assert row == await notes.lookup(s="a")
    assert row["id"] > 100


async def test_a_row_that_a_trigger_moves_away_is_given_as_it_was_written(db: Database, notes: Rows) -> None:
    await db.script("CREATE TABLE archive (s text); DROP TRIGGER made")
    await db.q(
        "CREATE TRIGGER moved AFTER INSERT ON note BEGIN"
        " INSERT INTO archive VALUES (NEW.s); DELETE FROM note WHERE id = NEW.id; END"
    )
    assert (await notes.insert(n=1, s="a"))["s"] == "a"
    assert (await notes.get_or_create({"s": "b"}, defaults={"n": 1}))[1]
    assert await db.q("SELECT s FROM archive ORDER BY s") == [{"s": "a"}, {"s": "b"}]
    assert await notes.count() == 1


@pytest.mark.parametrize(
    ("definition", "row"),
    [
        ('"a%b?" TEXT, n INTEGER, PRIMARY KEY ("a%b?")) WITHOUT ROWID', {"a%b?": "x", "n": 1}),
        ("a TEXT COLLATE NOCASE, b INTEGER, n INTEGER, PRIMARY KEY (a, b))", {"a": "X", "b": 2, "n": 1}),
        ("s TEXT, n INTEGER)", {"s": "x", "n": 1}),
        ("rowid TEXT, _rowid_ TEXT, n INTEGER)", {"rowid": "x", "n": 1}),
        ("r REAL, d NUMERIC(5, 2) PRIMARY KEY, n INTEGER)", {"r": 1.5, "d": 2, "n": 1}),
    ],
)
async def test_tables_of_every_kind_of_key(db: Database, definition: str, row: dict[str, Any]) -> None:
    await db.q(f"CREATE TABLE k ({definition}")
    table = await db.reflect_table("k")
    for _ in range(2):
        await db.q("CREATE TRIGGER made AFTER INSERT ON k BEGIN UPDATE k SET n = n + 10; END")
        assert await table.insert(row) == (await table())[0]
        assert (await table())[0]["n"] == 11
        await table.delete_where(all=True)
        assert await table.insert_all([row], returning=True) == await table()
        await table.delete_where(all=True)
        await db.q("DROP TRIGGER made")
        assert (await table.insert(row))["n"] == 1
        await table.delete_where(all=True)


async def test_a_key_that_comes_back_by_on_update(db: Database) -> None:
    await db.q("CREATE TABLE k (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES k (id) ON UPDATE CASCADE, name TEXT)")
    table = await db.reflect_table("k")
    await table.insert(id=1, boss=1, name="Ada")
    assert await table.update({"id": 2}, pk=1) == await table[2] == {"id": 2, "boss": 2, "name": "Ada"}


async def test_a_trigger_of_another_program(db: Database, notes: Rows, backend_name: str, tmp_path: Path) -> None:
    if backend_name == "sqlite-memory":
        await db.q("CREATE TRIGGER others AFTER INSERT ON note BEGIN UPDATE note SET at = 'others'; END")
    else:
        with sqlite3.connect(tmp_path / "test.db") as other:
            other.execute("CREATE TRIGGER others AFTER INSERT ON note BEGIN UPDATE note SET at = 'others'; END")
        other.close()
    assert (await notes.insert(n=1, s="a"))["at"] == "others"
