"""How much work SQLite has with the children of many rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deebase import Database

SCHEMA = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, a INTEGER, b TEXT COLLATE NOCASE, code BLOB UNIQUE, UNIQUE (a, b));
CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id), name TEXT, owner_id INTEGER);
CREATE TABLE pair (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, owner_id INTEGER,
    FOREIGN KEY (a, b) REFERENCES parent (a, b));
CREATE TABLE coded (id INTEGER PRIMARY KEY, code BLOB REFERENCES parent (code), owner_id INTEGER);
"""
CHILDREN = ["child", "pair", "coded"]


async def make(path: Path, count: int) -> Path:
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(SCHEMA)
        raw.executemany(
            "INSERT INTO parent VALUES (?, ?, ?, ?)", [(n, n, f"b{n}", f"c{n}".encode()) for n in range(count)]
        )
        for place in range(2):
            raw.executemany("INSERT INTO child VALUES (NULL, ?, ?, ?)", [(n, f"n{n}", place) for n in range(count)])
            raw.executemany("INSERT INTO pair VALUES (NULL, ?, ?, ?)", [(n, f"b{n}", place) for n in range(count)])
            raw.executemany("INSERT INTO coded VALUES (NULL, ?, ?)", [(f"c{n}".encode(), place) for n in range(count)])
        raw.commit()
    return path


def steps(path: Path, sql: str, args: list[Any]) -> int:
    """Return how many hundreds of instructions a statement takes."""
    count = 0

    def counted() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(sqlite3.connect(path)) as raw:
        raw.set_progress_handler(counted, 100)
        raw.execute(sql, args).fetchall()
    return count


@pytest.mark.parametrize("name", CHILDREN)
async def test_children_without_an_index_take_linear_work(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[int, int] = {}
    for count in (400, 1600):
        path = await make(tmp_path / f"{count}.db", count)
        sent: list[tuple[str, list[Any]]] = []
        async with Database(path) as db:
            await db.reflect()
            rows = await db.t.parent()
            fetch = db._core.executor.fetch

            async def noted(statement: Any, args: Any, fetch: Any = fetch, sent: Any = sent) -> Any:
                sent.append((statement.sql, list(args)))
                return await fetch(statement, args)

            monkeypatch.setattr(db._core.executor, "fetch", noted)
            found = await db.t.parent.with_children(rows, name, order_by="-id")
            assert [len(children) for _, children in found] == [2] * count
            assert all(children[0]["id"] > children[1]["id"] for _, children in found)
        taken[count] = sum(steps(path, sql, args) for sql, args in sent)
    assert taken[1600] < 8 * taken[400]


@pytest.mark.parametrize("name", CHILDREN)
async def test_the_answer_is_the_same_with_an_index(tmp_path: Path, name: str) -> None:
    path = await make(tmp_path / "both.db", 50)
    async with Database(path) as db:
        await db.reflect()
        children = db.t[name].xtra(owner_id=1)
        rows = await db.t.parent(order_by="id")
        key = db.t[name].foreign_keys[0]["column"]
        plain = await db.t.parent.with_children(rows, children, order_by="-id")
        await db.t[name].create_index(key)
        assert await db.t.parent.with_children(rows, db.t[name].xtra(owner_id=1), order_by="-id") == plain
        assert [len(found) for _, found in plain] == [1] * 50
