"""Connecting: what cannot be reached is told by our errors, in time, and without a password."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from deebase import BusyError, ConfigurationError, ConnectionError, Database, DatabaseError, DeeBaseError
from tests.support.rights import let_others_in
from tests.support.tree import ROOT

pytestmark = pytest.mark.in_memory

PASSWORD = "canary-s3cret"


def texts(error: BaseException) -> str:
    """Return all that a traceback of an error would show of it and its causes."""
    found = []
    current: BaseException | None = error
    while current is not None:
        found += [str(current), repr(current)]
        current = current.__cause__ or current.__context__
    return "\n".join(found)


async def refused(target: str | Path, kind: type[DeeBaseError], **options: float) -> DeeBaseError:
    """Use a database that cannot be used, by every way in; return the first error."""
    db = Database(target, timeout=0.5, **options)  # type: ignore[arg-type]
    try:
        with pytest.raises(kind) as caught:
            await db.q("SELECT count(*) FROM sqlite_master")
        with pytest.raises(kind):
            async with db.transaction():
                await db.q("SELECT 1")
        with pytest.raises(kind):
            async for _ in db.stream("SELECT count(*) FROM sqlite_master"):
                pass
        assert db._core.executor.lanes_in_use == 0
    finally:
        await db.close()
    assert PASSWORD not in texts(caught.value)
    assert PASSWORD not in repr(db)
    return caught.value


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_no_server_at_the_port() -> None:
    error = await refused(f"postgresql://u:{PASSWORD}@127.0.0.1:{closed_port()}/x", ConnectionError)
    assert "reached" in str(error)


@pytest.mark.leaks_allowed("asyncio looks names up in a thread that it keeps")
async def test_no_such_host() -> None:
    await refused(f"postgresql://u:{PASSWORD}@no-such-host.invalid/x", ConnectionError)


async def test_a_server_that_never_answers() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"postgresql://u:{PASSWORD}@127.0.0.1:{deaf.getsockname()[1]}/x"
        async with asyncio.timeout(10):
            await refused(url, DeeBaseError, connect_timeout=0.2)


async def test_a_port_that_speaks_another_language() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await refused(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/x", ConnectionError)


async def test_no_such_database_on_the_server(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    error = await refused(urlunsplit(parts._replace(path="/no_such_database")), ConnectionError)
    assert "no_such_database" not in str(error.__class__)


async def test_a_role_the_server_does_not_know(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    url = urlunsplit(parts._replace(netloc=f"nobody_here:{PASSWORD}@"))
    await refused(url, ConnectionError)


async def test_a_wrong_password_is_not_shown(postgres_url: str) -> None:
    def startup_refusal() -> bytes:
        fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
        return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(4096)
        if request[4:8] == (80877103).to_bytes(4, "big"):  # SSLRequest
            writer.write(b"N")
            await reader.read(4096)
        writer.write(startup_refusal())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await refused(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/x?password={PASSWORD}", ConnectionError)


async def test_the_directory_is_missing(tmp_path: Path) -> None:
    error = await refused(tmp_path / "missing" / "x.db", ConnectionError)
    assert "missing" in str(error)
    assert not (tmp_path / "missing").exists()


async def test_the_path_is_a_directory(tmp_path: Path) -> None:
    await refused(tmp_path, ConnectionError)


async def test_the_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, but quite a long text " * 100)
    before = (tmp_path / "x.db").read_bytes()
    error = await refused(tmp_path / "x.db", DatabaseError)
    assert "not a SQLite database" in str(error)
    assert (tmp_path / "x.db").read_bytes() == before


async def test_a_corrupt_file_is_called_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        raw.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 1000,) for _ in range(200)])
    raw.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    async with Database(path) as db:
        with pytest.raises(DatabaseError, match="corrupt"):
            await db.q("SELECT sum(length(text)) FROM t")
        with pytest.raises(DatabaseError, match="corrupt"):
            await db.q("INSERT INTO t (text) VALUES ('y')")
        assert await db.item("SELECT 1") == 1


async def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    source = """
import asyncio, os, sys
from deebase import Database, DeeBaseError

async def warm_up():
    async with Database(":memory:") as db:
        await db.q("SELECT 1")

async def main(path):
    async with Database(path, timeout=0.5) as db:
        assert await db.q("SELECT id FROM t") == []
        try:
            await db.q("INSERT INTO t VALUES (1)")
        except DeeBaseError as error:
            print(type(error).__name__)

asyncio.run(warm_up())  # all that is imported is read before the rights to read it are given up
os.chmod(sys.argv[1], 0o444)
os.chmod(os.path.dirname(sys.argv[1]), 0o555)
if os.geteuid() == 0:
    os.seteuid(65534)
asyncio.run(main(sys.argv[1]))
"""
    directory = tmp_path / "locked"
    directory.mkdir()
    with sqlite3.connect(directory / "x.db") as raw:
        raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    raw.close()
    let_others_in(directory)
    done = subprocess.run(
        [sys.executable, "-c", source, str(directory / "x.db")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    directory.chmod(0o755)
    assert (done.stdout, done.stderr) == ("InvalidOperationError\n", ""), done.stderr


async def test_a_file_that_another_process_holds_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    other.execute("BEGIN EXCLUSIVE")
    try:
        async with Database(path, timeout=0.2) as db:
            with pytest.raises(BusyError):
                await db.q("INSERT INTO t VALUES (1)")
            other.execute("COMMIT")
            await db.q("INSERT INTO t VALUES (2)")
            assert await db.q("SELECT id FROM t") == [{"id": 2}]
    finally:
        other.close()


async def test_opening_a_file_waits_for_another_process_up_to_the_timeout(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    other.execute("BEGIN EXCLUSIVE")
    try:
        async with Database(path) as db:
            waiting = asyncio.create_task(db.q("INSERT INTO t VALUES (1)"))
            # Longer than the single try inside of SQLite (busy_timeout), which is not all the patience there is.
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            other.execute("COMMIT")
            await waiting
            assert await db.q("SELECT id FROM t") == [{"id": 1}]
    finally:
        other.close()


async def test_an_option_sqlalchemy_does_not_know_is_a_configuration_error(db_url: str) -> None:
    db = Database(db_url, engine_options={"no_such_option": 1})
    with pytest.raises(ConfigurationError):
        await db.q("SELECT 1")
    await db.close()


async def test_a_database_that_could_not_be_reached_is_used_as_soon_as_it_can(tmp_path: Path) -> None:
    async with Database(tmp_path / "later" / "x.db") as db:
        with pytest.raises(ConnectionError):
            await db.q("SELECT 1")
        (tmp_path / "later").mkdir()
        assert await db.item("SELECT 1") == 1


async def test_many_callers_of_an_unreachable_server_are_all_refused() -> None:
    async with Database(f"postgresql://u:{PASSWORD}@127.0.0.1:{closed_port()}/x") as db:
        results = await asyncio.gather(*(db.q("SELECT 1") for _ in range(40)), return_exceptions=True)
        assert {type(result) for result in results} == {ConnectionError}
