"""Copies, imports and backups that are killed, or run out of disk: nothing is lost, nothing is half there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deebase import ConnectionError, Database, ForeignKey, InvalidOperationError
from deebase._sqltext.capabilities import Capabilities
from deebase.tools.backup import backup
from deebase.tools.copying import copy_database
from tests.support.rights import let_others_in

pytestmark = pytest.mark.long

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROWS = 12_000


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    title: str


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    """A file with rows for several pieces."""
    path = tmp_path / "source.db"
    async with Database(path) as db:
        options = {Author: {"checks": ["id > 0"]}, Book: {"indexes": ["title"]}}
        authors, books = await db.create_all(Author, Book, options=options)
        await authors.insert_all({"name": f"author {n}"} for n in range(ROWS))
        await books.insert_all({"author_id": 1 + n % ROWS, "title": f"title {n}"} for n in range(ROWS))
    return path


KILLED_COPY = """
    import asyncio, os, signal, sys
    from deebase import Database
    from deebase.tools.copying import copy_database

    left = int(sys.argv[3])

    def stop(table, rows, total):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        async with Database(sys.argv[1]) as source, Database(sys.argv[2]) as target:
            await target.reflect()
            report = await copy_database(source, target, progress=stop, resume="_deebase_copy" in target.t)
            print(*[f"{table.name}={table.rows}" for table in report.tables])

    asyncio.run(main())
"""


async def test_a_copy_that_is_killed_again_and_again_comes_to_its_end(
    source: Path, db_url: str, run_script: Run, capabilities: Capabilities
) -> None:
    killed = 0
    # From file to file a copy is one transaction, which tells of each table once. Otherwise each run gets further
    # before it is killed: in the first table, between the two, in the second one.
    for calls in (1, 2, 1_000) if capabilities.is_one_file else (1, 3, 5, 2, 1_000):
        done = run_script(KILLED_COPY, str(source), db_url, str(calls))
        if done.returncode == 0:
            break
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        killed += 1
        async with Database(db_url) as target:
            await target.reflect()
            # A table is there whole, or without a row.
            assert dir(target.t) == [] or not capabilities.is_one_file
            assert {await target.t[name].count() for name in dir(target.t) if name in ("author", "book")} <= {0, ROWS}
    assert killed >= 2
    assert done.stdout == f"author={ROWS} book={ROWS}\n"
    async with Database(source) as one, Database(db_url) as other:
        await one.reflect()
        await other.reflect()
        assert dir(other.t) == ["author", "book"]
        assert await other.t.book(order_by="id") == await one.t.book(order_by="id")
        assert [index["columns"] for index in other.t.book.indexes] == [["author_id"], ["title"]]
        assert other.t.book.foreign_keys == one.t.book.foreign_keys


INTERRUPTED_COPY = """
    import asyncio, signal, sys
    from deebase import Database
    from deebase.tools.copying import copy_database

    def stop(table, rows, total):
        if table == "book":
            signal.raise_signal(signal.SIGINT)

    async def main():
        async with Database(sys.argv[1]) as source, Database(sys.argv[2]) as target:
            await copy_database(source, target, progress=stop)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(main())
"""


async def goes_on(source: Path, target: str) -> None:
    """A copy that was cut off in its second table says so, and goes on with that one when it is told to."""
    told: set[str] = set()
    async with Database(source) as one, Database(target) as other:
        await other.reflect()
        assert [await other.t[name].count() for name in ("author", "book")] == [ROWS, 0]
        with pytest.raises(InvalidOperationError, match="--resume"):
            await copy_database(one, other)
        report = await copy_database(one, other, resume=True, progress=lambda table, *_: told.add(table))
        assert report.left_out == ()
        assert {table.name: table.rows for table in report.tables} == {"author": ROWS, "book": ROWS}
        assert told == {"book"}
        assert dir(other.t) == ["author", "book"]


async def test_a_copy_that_is_interrupted_leaves_whole_tables(source: Path, postgres_url: str, run_script: Run) -> None:
    done = run_script(INTERRUPTED_COPY, str(source), postgres_url)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    await goes_on(source, postgres_url)


async def test_a_copy_from_file_to_file_that_is_interrupted_leaves_nothing(
    source: Path, tmp_path: Path, run_script: Run
) -> None:
    target = tmp_path / "target.db"
    done = run_script(INTERRUPTED_COPY, str(source), str(target))
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    async with Database(source) as one, Database(target) as other:
        await other.reflect()
        assert dir(other.t) == []
        report = await copy_database(one, other)
        assert {table.name: table.rows for table in report.tables} == {"author": ROWS, "book": ROWS}


async def test_a_copy_whose_server_is_lost_goes_on(source: Path, postgres_url: str) -> None:
    async def end_sessions() -> None:
        async with Database(postgres_url) as third:
            await third.q(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def stop(table: str, rows: int, total: int) -> None:
        if table == "book" and not ended.is_set():
            ended.set()
            # In a thread that is waited for: the copy is in the middle of a table, and stands still.
            thread = threading.Thread(target=asyncio.run, args=(end_sessions(),))
            thread.start()
            thread.join()

    ended = threading.Event()
    async with Database(source) as one, Database(postgres_url) as other:
        with pytest.raises(ConnectionError):
            await copy_database(one, other, progress=stop)
    assert ended.is_set()
    await goes_on(source, postgres_url)


FULL_DISK = """
    import asyncio, resource, sys
    from deebase import Database, DatabaseError
    from deebase.tools.copying import copy_database

    # Python ignores SIGXFSZ, so that a write beyond the limit fails.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))

    async def main():
        async with Database(sys.argv[1]) as source, Database(sys.argv[2]) as target:
            try:
                await copy_database(source, target)
            except DatabaseError as error:
                print(type(error).__name__)

    asyncio.run(main())
"""


async def test_a_copy_onto_a_full_disk_goes_on_when_there_is_room(
    source: Path, tmp_path: Path, run_script: Run
) -> None:
    target = tmp_path / "target.db"
    done = run_script(FULL_DISK, str(source), str(target), "400000")
    assert (done.returncode, done.stdout, done.stderr) == (0, "DatabaseError\n", "")
    async with Database(source) as one, Database(target) as other:
        report = await copy_database(one, other, resume=True)
        assert {table.name: table.rows for table in report.tables} == {"author": ROWS, "book": ROWS}


KILLED_IMPORT = """
    import asyncio, os, signal, sys
    from deebase import Database

    def stop(rows, done, total):
        if rows >= 5000:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main():
        async with Database(sys.argv[1]) as db:
            await db.import_file(sys.argv[2], "people", progress=stop)

    asyncio.run(main())
"""


async def test_an_import_that_is_killed_leaves_nothing(db_url: str, tmp_path: Path, run_script: Run) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,age\n" + "".join(f"person {n},{n % 90}\n" for n in range(30_000)), encoding="utf-8")
    done = run_script(KILLED_IMPORT, db_url, str(file))
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    async with Database(db_url) as db:
        await db.reflect()
        assert "people" not in db.t or await db.t.people.count() == 0
        if "people" in db.t:
            await db.t.people.drop()
        people = await db.import_file(file, "people")
        assert await people.count() == 30_000


BACKUP = """
import asyncio, sys
from deebase import Database
from deebase.tools.backup import backup

async def main():
    async with Database(sys.argv[1]) as db:
        await backup(db, sys.argv[2], overwrite=True)

asyncio.run(main())
"""


async def test_a_backup_that_is_killed_leaves_the_one_that_was_there(source: Path, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    kept = place / "app.backup"
    async with Database(source) as db:
        await backup(db, kept)
        await db.reflect()
        await db.t.author.update_where({"name": "another"}, all=True)
    before = kept.read_bytes()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BACKUP, str(source), str(kept))
    async with asyncio.timeout(20):
        # Beside the old one a new file grows under another name.
        while len(list(place.iterdir())) < 2 and kept.read_bytes() == before:
            await asyncio.sleep(0)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    if kept.read_bytes() != before:
        # It had come to its end.
        with sqlite3.connect(kept) as found:
            assert found.execute("SELECT DISTINCT name FROM author").fetchall() == [("another",)]
        found.close()


async def test_a_backup_onto_a_full_disk_leaves_the_one_that_was_there(
    source: Path, tmp_path: Path, run_script: Run
) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    kept = place / "app.backup"
    kept.write_text("the old one")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))"
    done = run_script(f"{limit}\n{BACKUP}", str(source), str(kept))
    assert done.returncode == 1
    assert "deebase.errors." in done.stderr
    assert [(file.name, file.read_text()) for file in place.iterdir()] == [("app.backup", "the old one")]


LOCKED_BACKUP = """
    import asyncio, os, sys
    from pathlib import Path
    from deebase import Database, InvalidOperationError
    from deebase.tools.backup import backup

    async def main():
        place = Path(sys.argv[1])
        async with Database(":memory:") as db:
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            # All that is imported is read before the rights to read it are given up.
            await backup(db, place / "app.backup")
            place.chmod(0o555)
            if os.geteuid() == 0:
                os.seteuid(65534)
            for name in ("app.backup", "new.backup"):
                try:
                    await backup(db, place / name, overwrite=True)
                except InvalidOperationError as error:
                    print(error.hint)

    asyncio.run(main())
"""


def test_a_backup_into_a_directory_that_is_read_only_is_refused(tmp_path: Path, run_script: Run) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    let_others_in(place)
    done = run_script(LOCKED_BACKUP, str(place))
    place.chmod(0o755)
    assert (done.returncode, done.stdout, done.stderr) == (0, "choose another path\n" * 2, "")
    assert [file.name for file in place.iterdir()] == ["app.backup"]
    with contextlib.closing(sqlite3.connect(place / "app.backup")) as kept:
        assert kept.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
