"""SQLite files that are only read: by an option of the URL, or for want of rights."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deebase import ConfigurationError, ConnectionError, Database, DeeBaseError, IntegrityError, InvalidOperationError
from tests.support.rights import let_others_in
from tests.support.tree import ROOT

WRITES: list[Callable[[Database], Awaitable[object]]] = [
    lambda db: db.t.author.insert(name="x"),
    lambda db: db.t.author.insert_all([{"name": "x"}]),
    lambda db: db.t.author.upsert({"id": 1, "name": "x"}),
    lambda db: db.t.author.update({"id": 1, "name": "x"}),
    lambda db: db.t.author.update_where({"name": "x"}, id=1),
    lambda db: db.t.author.delete(1),
    lambda db: db.t.author.get_or_create({"name": "no tenant"}),
    lambda db: db.t.author.add_column("born", int),
    lambda db: db.t.book.drop(),
    lambda db: db.q("INSERT INTO author (name) VALUES ('x')"),
    lambda db: db.q("PRAGMA user_version = 5"),
    lambda db: db.q("VACUUM"),
    lambda db: db.script("INSERT INTO author (name) VALUES ('x'); DELETE FROM author"),
]


def made(path: Path, mode: str) -> Path:
    """Make a file with two tables, closed and without a log beside it."""
    raw = sqlite3.connect(path)
    raw.executescript(f"""
        PRAGMA journal_mode = {mode};
        CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INTEGER REFERENCES author, title TEXT);
        CREATE VIEW titles AS SELECT title FROM book;
        INSERT INTO author VALUES (1, 'Ada'), (2, 'Grace');
        INSERT INTO book VALUES (1, 1, 'Notes'), (2, 1, 'Letters');
    """)
    raw.close()
    return path


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
@pytest.mark.parametrize("option", ["mode=ro", "immutable=1", "mode=ro&immutable=true"])
async def test_a_file_that_is_opened_for_reading_is_read_by_every_call_and_never_changed(
    tmp_path: Path, journal: str, option: str
) -> None:
    path = made(tmp_path / "with space #1.db", journal)
    before = path.read_bytes()
    async with Database(f"file:{quote(str(path))}?{option}") as db:
        assert repr(db).endswith("mode=ro>" if option == "mode=ro" else "immutable=1>")
        await db.reflect()
        author, book = db.t.author, db.t.book
        assert [row["name"] for row in await author(order_by="id")] == ["Ada", "Grace"]
        assert await asyncio.gather(author.get(1), author.get(2)) == await author(order_by="id")
        assert [row async for row in author(order_by="id")] == await author(order_by="id")
        assert (await author.page(size=1, order_by="name")).next
        assert (await author.lookup(name="Ada"))["id"] == 1
        assert (await author.count(), await author.exists(3)) == (2, False)
        assert (await book.fk.author_id(await book[1])) == await author[1]
        assert len((await author.with_children(author(), "book"))[0][1]) == 2
        assert [row["title"] for row in await db.v.titles()] == ["Notes", "Letters"]
        assert await db.item("PRAGMA user_version") == 0
        async with db.transaction():
            assert await db.item("SELECT count(*) FROM book") == 2
        async with db.transaction(read_only=True):
            assert await book.count() == 2
        for number, write in enumerate(WRITES):
            with pytest.raises(InvalidOperationError, match="read-only") as refused:
                await write(db)
            assert "mode=ro" in str(refused.value.hint), number
    assert path.read_bytes() == before
    assert [name for name in os.listdir(tmp_path) if not name.endswith(("-wal", "-shm"))] == [path.name]


@pytest.mark.parametrize("option", ["mode=ro", "mode=rw", "immutable=1"])
async def test_a_missing_file_is_made_by_no_mode_but_rwc(tmp_path: Path, option: str) -> None:
    async with Database(f"sqlite:///{tmp_path}/none.db?{option}") as db:
        with pytest.raises(ConnectionError, match="does not exist"):
            await db.q("SELECT 1")
    assert os.listdir(tmp_path) == []
    async with Database(f"sqlite:///{tmp_path}/none.db?mode=rwc") as db:
        await db.q("CREATE TABLE t (id)")
    assert (tmp_path / "none.db").stat().st_mode & 0o077 == 0


async def test_an_unknown_vfs_is_a_wrong_option(tmp_path: Path) -> None:
    async with Database(f"file:{tmp_path}/x.db?vfs=no-such") as db:
        with pytest.raises(ConfigurationError, match="VFS"):
            await db.q("SELECT 1")


async def test_databases_in_memory_are_shared_by_name(tmp_path: Path) -> None:
    target = f"file:{tmp_path.name}?mode=memory&cache=shared"
    async with (
        Database(target) as one,
        Database(target) as other,
        Database(f"{target}".replace("shared", "private")) as own,
    ):
        await one.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        await one.q("INSERT INTO t VALUES (1)")
        assert await other.q("SELECT id FROM t") == [{"id": 1}]
        assert await own.item("SELECT count(*) FROM sqlite_master") == 0
    assert not Path(tmp_path.name).exists()


READER = """
import asyncio, os, sys
from deebase import Database, DeeBaseError

async def warm_up():
    async with Database(":memory:") as db:
        await db.q("SELECT 1")

async def main(target):
    async with Database(target, timeout=0.5) as db:
        try:
            print((await db.q("SELECT name FROM author"))[0]["name"])
        except DeeBaseError as error:
            print(type(error).__name__, error.hint)

asyncio.run(warm_up())  # all that is imported is read before the rights to read it are given up
os.chmod(sys.argv[1], 0o444)
os.chmod(os.path.dirname(sys.argv[1]), 0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
asyncio.run(main(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("option", "log", "shown"),
    [
        ("mode=ro", True, "ConnectionError"),
        ("mode=ro&immutable=1", True, "Ada"),
        # No process has it open, or a -wal and a -shm file were there.
        ("mode=ro", False, "Ada"),
    ],
)
def test_a_file_in_wal_mode_that_may_not_be_written_says_what_helps(
    tmp_path: Path, option: str, log: bool, shown: str
) -> None:
    directory = tmp_path / "locked"
    directory.mkdir()
    path = made(directory / "x.db", "WAL")
    if log:
        path.with_name("x.db-wal").touch()
    let_others_in(directory)
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path), f"file:{path}?{option}"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    directory.chmod(0o755)
    assert done.stderr == ""
    assert done.stdout.startswith(shown)
    assert shown == "Ada" or "immutable=1" in done.stdout


async def away(path: Path) -> None:
    path.unlink()


async def replaced(path: Path) -> None:
    copy = path.with_suffix(".new")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("lose", [away, replaced])
async def test_a_file_that_is_gone_while_it_is_open_is_never_taken_for_an_empty_one(
    tmp_path: Path, lose: Callable[[Path], Awaitable[None]]
) -> None:
    path = tmp_path / "x.db"
    async with Database(path) as db:
        # The writer is open by now, and no reader is.
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        await lose(path)
        with pytest.raises(ConnectionError, match="deleted or replaced"):
            await db.q("SELECT id FROM t")
    assert path.exists() == (lose is replaced)


async def test_a_file_that_cannot_be_made_names_the_path_and_not_a_server(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with Database(tmp_path / ("x" * 300)) as db:
        with pytest.raises(ConnectionError, match="cannot be created") as refused:
            await db.q("SELECT 1")
    assert "server" not in str(refused.value)
    assert "directory" in str(refused.value.hint)


async def test_the_text_of_a_trigger_is_offered_and_not_shown(tmp_path: Path) -> None:
    async with Database(tmp_path / "x.db") as db:
        await db.script("""
            CREATE TABLE t (id INTEGER PRIMARY KEY);
            CREATE TRIGGER guard BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, 'closed on sundays'); END;
        """)
        with pytest.raises(IntegrityError) as refused:
            await db.q("INSERT INTO t VALUES (1)")
        assert refused.value.server_message == "closed on sundays"
        assert "sundays" not in f"{refused.value}{refused.value.__cause__}"


def test_every_error_of_a_file_has_a_hint_of_its_own() -> None:
    from deebase._backends.sqlite.driver_errors import SqliteErrors

    hints = set()
    for name in (
        "READONLY",
        "READONLY_RECOVERY",
        "READONLY_DBMOVED",
        "CANTOPEN",
        "CANTOPEN_ISDIR",
        "IOERR",
        "IOERR_READ",
        "FULL",
        "CORRUPT",
        "NOTADB",
    ):
        error: Any = sqlite3.OperationalError("x")
        error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{name}")
        ours = SqliteErrors().translate(error, None)
        assert isinstance(ours, DeeBaseError)
        assert ours.hint is not None
        assert "server" not in ours.hint
        hints.add(ours.hint)
    assert len(hints) >= 6
