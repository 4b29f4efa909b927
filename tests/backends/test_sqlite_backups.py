"""Backups of SQLite: whatever the layout of the file, it comes back whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deebase import Database
from deebase.tools.backup import backup, restore

TEXTS = ["plain", "ünïcode 🐍", "x" * 5000]


class Note:
    id: int
    text: str
    price: Decimal | None


def prepared(path: Path, *pragmas: str) -> Path:
    """Make a file with a layout of its own, with one table, so that the layout is settled."""
    with closing(sqlite3.connect(path)) as raw:
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}")
        raw.execute("CREATE TABLE loose (a)")
        raw.executemany("INSERT INTO loose (rowid, a) VALUES (?, ?)", [(7, "seven"), (9, "nine")])
        raw.commit()
    return path


async def filled(db: Database) -> list[Any]:
    notes = await db.create(Note, indexes=["price"])
    await notes.insert_all([{"text": text, "price": Decimal("1.50")} for text in TEXTS])
    return await db.q("SELECT rowid, * FROM note ORDER BY id")


LAYOUTS = [
    *[(f"page_size = {size}",) for size in (512, 1024, 4096, 8192, 65536)],
    ("page_size = 1024", "auto_vacuum = FULL"),
    ("auto_vacuum = INCREMENTAL",),
    ("encoding = 'UTF-16le'",),
    ("encoding = 'UTF-16be'", "page_size = 8192"),
    ("user_version = 42", "application_id = 4711", "page_size = 2048"),
]


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=" ".join)
async def test_a_backup_of_any_layout_is_restored(tmp_path: Path, layout: tuple[str, ...], journal_mode: str) -> None:
    source = prepared(tmp_path / "source.db", *layout)
    kept = ("encoding", "user_version", "application_id", "auto_vacuum")
    async with Database(source, pragmas={"journal_mode": journal_mode}) as db:
        rows = await filled(db)
        loose = await db.q("SELECT rowid, a FROM loose")
        before = [await db.item(f"PRAGMA {name}") for name in kept]
        path = await backup(db, tmp_path / "one.backup")
        await db.t.note.truncate()
        # The same database, an empty one, and one of another layout that is in use.
        await restore(db, path, replace=True)
        assert await db.q("SELECT rowid, * FROM note ORDER BY id") == rows
    for name, first in (("new.db", None), ("other.db", prepared(tmp_path / "other.db", "page_size = 16384"))):
        async with Database(first or tmp_path / name, pragmas={"journal_mode": journal_mode}) as other:
            await other.reflect()
            await restore(other, path, replace=True)
            assert await other.q("SELECT rowid, * FROM note ORDER BY id") == rows
            assert await other.q("SELECT rowid, a FROM loose") == loose
            assert [await other.item(f"PRAGMA {name}") for name in kept] == before
            assert await other.item("PRAGMA integrity_check") == "ok"
            assert (await other.item("PRAGMA journal_mode")).upper() == journal_mode
            assert await other.t.note.count(price=Decimal("1.5")) == len(TEXTS)


@pytest.mark.parametrize("size", [512, 65536])
async def test_a_backup_is_restored_into_memory(tmp_path: Path, size: int) -> None:
    async with Database(prepared(tmp_path / "source.db", f"page_size = {size}")) as db:
        rows = await filled(db)
        path = await backup(db, tmp_path / "one.backup")
    async with Database(":memory:") as db:
        await restore(db, path)
        assert await db.q("SELECT rowid, * FROM note ORDER BY id") == rows
        assert (await db.t.note.insert(text="more", price=None))["id"] == len(TEXTS) + 1
