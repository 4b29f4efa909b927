"""What the user sets on the session of SQLite holds on every connection, and is set up once per setting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

from deebase import ConnectionError, Database


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "x.db", pool_size=2) as opened:
        yield opened


@pytest.fixture
async def other(tmp_path: Path) -> Path:
    path = tmp_path / "y.db"
    async with Database(path) as made:
        await made.script("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    return path


def lanes_of(db: Database) -> Any:
    return db._core.executor.lanes()


async def on_all(db: Database, sql: str) -> set[Any]:
    """Return the values of a query on the writer and on both readers."""
    found: set[Any] = set()
    async with db.transaction():
        found.add(await db.item(sql))
        # In tasks that have no part in this transaction.
        readers = [asyncio.Event(), asyncio.Event()]

        async def read(mine: asyncio.Event) -> None:
            async with db.transaction(read_only=True):
                found.add(await db.item(sql))
                mine.set()
                await asyncio.gather(*(each.wait() for each in readers))

        async with asyncio.timeout(10):
            await asyncio.gather(*(asyncio.create_task(read(mine), context=Context()) for mine in readers))
    return found


@pytest.mark.parametrize(
    "texts",
    [
        ["PRAGMA cache_size = {n}"],
        ["PRAGMA cache_size({n})", "pragma Cache_Size={n}", '-- again\nPRAGMA "cache_size" = {n};'],
        ["PRAGMA main.cache_size = {n}", 'PRAGMA "MAIN".cache_size = {n}'],
    ],
)
async def test_a_setting_is_recorded_once(db: Database, texts: list[str]) -> None:
    for n in range(300):
        await db.q(texts[n % len(texts)].format(n=1000 + n))
    assert len(lanes_of(db)._session) == 1
    assert await on_all(db, "PRAGMA cache_size") == {1299}


async def test_settings_are_repeated_in_their_last_order(db: Database) -> None:
    # The second one makes the first of no effect where it comes later.
    await db.q("PRAGMA cache_size = 10")
    await db.q("PRAGMA main.cache_size = 20")
    await db.q("PRAGMA cache_size = 30")
    assert len(lanes_of(db)._session) == 2
    assert await on_all(db, "PRAGMA cache_size") == {30}


@pytest.mark.parametrize("pragma", ["default_cache_size", "user_version", "auto_vacuum", "page_size", "secure_delete"])
async def test_a_connection_that_only_reads_need_not_store_a_setting(db: Database, pragma: str) -> None:
    assert await db.item("SELECT 1") == 1
    await db.q(f"PRAGMA main.{pragma} = 1")
    assert await on_all(db, "SELECT 2") == {2}


@pytest.mark.parametrize("name", ["y", '"Y"', "?"])
async def test_detach_removes_the_file_and_its_settings(db: Database, other: Path, name: str) -> None:
    session = lanes_of(db)._session
    for n in range(50):
        await db.q(f"ATTACH ? AS {name}", [str(other), *(["y"] if name == "?" else [])])
        await db.q(f"PRAGMA y.cache_size = {n + 1}")
        assert await on_all(db, "SELECT count(*) FROM y.t") == {1}
        assert await on_all(db, "PRAGMA y.cache_size") == {n + 1}
        if n % 2:
            # On some connections only, so that the others have to detach it later.
            await db.q("DETACH DATABASE y")
        else:
            await db.q(f"DETACH {name}", ["y"] if name == "?" else None)
    assert await on_all(db, "SELECT count(*) FROM pragma_database_list WHERE name = 'y'") == {0}
    # With another file, trust in functions is withdrawn for good.
    assert len(session) == 1


@pytest.mark.parametrize(
    ("attach", "further", "detach"),
    [
        ('ATTACH ? AS "y""z"', [], """DETACH 'Y"z'"""),
        ("ATTACH ? AS y KEY 'secret'", [], "DETACH y"),
        ("ATTACH ? AS ? KEY ?", ["y", "secret"], "DETACH y"),
        ("ATTACH ? AS key", [], "DETACH key"),
    ],
)
async def test_a_name_is_the_same_in_any_spelling(
    db: Database, other: Path, attach: str, further: list[str], detach: str
) -> None:
    await db.q(attach, [str(other), *further])
    assert await on_all(db, "SELECT count(*) FROM pragma_database_list WHERE file LIKE '%y.db'") == {1}
    await db.q(detach)
    assert await on_all(db, "SELECT count(*) FROM pragma_database_list WHERE file LIKE '%y.db'") == {0}
    # Only that functions in the schema of a file are not trusted.
    assert len(lanes_of(db)._session) <= 1


async def test_another_file_under_the_same_name(db: Database, other: Path, tmp_path: Path) -> None:
    await db.q("ATTACH ? AS y", [str(other)])
    assert await on_all(db, "SELECT count(*) FROM y.t") == {1}
    await db.q("DETACH y")
    await db.q("ATTACH ? AS y", [str(tmp_path / "z.db")])
    await db.q("CREATE TABLE y.t (id INTEGER)")
    assert await on_all(db, "SELECT count(*) FROM y.t") == {0}


def spoil(path: Path) -> None:
    """Leave something in the place of a file that no connection can attach."""
    path.unlink()
    path.mkdir()


async def test_a_connection_that_cannot_be_set_up_is_not_lent(db: Database, other: Path) -> None:
    await db.q("ATTACH ? AS y", [str(other)])
    spoil(other)
    for _ in range(2):
        with pytest.raises(ConnectionError, match=r"a reading connection cannot be set up: ATTACH.*cannot be opened"):
            await db.q("SELECT 1")
    # The writer has the file open.
    async with db.transaction():
        assert await db.item("SELECT 1") == 1
    await db.q("DETACH y")
    assert await db.item("SELECT 1") == 1


async def test_an_idle_connection_that_cannot_be_set_up_is_replaced(
    db: Database, other: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await db.item("SELECT 1") == 1
    readers = lanes_of(db)._reader
    (before,) = readers.idle
    await db.q("ATTACH ? AS y", [str(other)])
    spoil(other)
    with caplog.at_level(logging.WARNING, "deebase"), pytest.raises(ConnectionError, match="cannot be set up"):
        await db.q("SELECT 1")
    assert before.worker.closed
    assert not readers.busy
    assert not readers.idle
    other.rmdir()
    assert await db.item("SELECT 1") == 1
