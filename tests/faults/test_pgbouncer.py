"""PgBouncer in transaction mode: clients that share few connections never get each other's answers."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deebase import ConnectionError, Database
from tests.conftest import in_ci
from tests.support.tree import ROOT

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
# In CI, which installs it, a missing program is a failure.
pytestmark = pytest.mark.skipif(BOUNCER is None and not in_ci(), reason="pgbouncer is not installed")

CONFIG = """
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
unix_socket_dir = {directory}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
logfile = {directory}/log
"""

CLIENT = """
import asyncio, sys
from dataclasses import dataclass
from deebase import ConnectionError, Database

@dataclass
class Item:
    id: int
    owner: str
    n: int
    data: dict

async def main():
    url, me = sys.argv[1], sys.argv[2]
    async with Database(url, pgbouncer=True, pool_size=5) as db:
        items = await db.create(Item, if_not_exists=True)
        mine = items.xtra(owner=me)

        async def work(n):
            # Statements of many shapes, so that each client prepares others.
            row = await mine.insert(n=n, data={"me": me, "n": n})
            assert (row.owner, row.n, row.data) == (me, n, {"me": me, "n": n}), row
            assert await mine[row.id] == row
            async with db.transaction():
                changed = await mine.update(id=row.id, n=n + 1000)
                assert changed.n == n + 1000
                assert await db.item(f"SELECT {n} + count(*) FROM item WHERE id = :id", {"id": row.id}) == n + 1
            found = await mine(n=n + 1000, select=["id", "n"], order_by="-id").first()
            assert found == Item(id=row.id, n=n + 1000, owner=found.owner, data=found.data), found

        for start in range(0, 50, 10):
            await asyncio.gather(*(work(n) for n in range(start, start + 10)))
        assert await mine.count() == 50

asyncio.run(main())
"""


@pytest.fixture
def bouncer(postgres_url: str, eventually: Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]) -> Iterator[str]:
    """The URL of the test's database through a PgBouncer with three connections to the server."""
    parts = urlsplit(postgres_url)
    options = parse_qs(parts.query)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        config = directory / "pgbouncer.ini"
        host = options.get("host", [parts.hostname])[0]
        port = options.get("port", [parts.port or 5432])[0]
        text = CONFIG.format(host=host, port=port, user=parts.username or "postgres", directory=directory)
        config.write_text(text, encoding="utf-8")
        command = [str(BOUNCER), "-q", str(config)]
        if os.geteuid() == 0:
            # It refuses to run as root; whoever owns the socket of the server may use it.
            owner = Path(str(host)).owner() if Path(str(host)).is_dir() else "no tenant"
            shutil.chown(directory, owner)
            directory.chmod(0o755)
            command[1:1] = ["-u", owner]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(eventually(lambda: (directory / ".s.PGSQL.6432").exists()))
            yield f"postgresql://{parts.username or 'postgres'}@{parts.path}?host={directory}&port=6432"
        finally:
            process.terminate()
            process.wait(10)


def test_three_processes_share_three_connections(bouncer: str, tmp_path: Path) -> None:
    program = tmp_path / "client.py"
    program.write_text(CLIENT, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(program), bouncer]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    clients = [subprocess.Popen([*command, name], env=environment, stderr=subprocess.PIPE, text=True) for name in "abc"]
    for client in clients:
        _, error = client.communicate(timeout=100)
        assert client.returncode == 0, error


async def test_nothing_of_a_session_is_left_behind(bouncer: str) -> None:
    async with Database(bouncer, pgbouncer=True, pool_size=5) as db:
        pids = {
            row["pid"]
            for row in await asyncio.gather(*(db.q("SELECT pg_backend_pid() AS pid") for _ in range(20)))
            for row in row
        }
        assert len(pids) <= 3
        assert await db.item("SELECT count(*) FROM pg_prepared_statements") == 0
        async for row in db.stream("SELECT generate_series(1, 3000) AS n"):
            last = row["n"]
        assert last == 3000


async def test_backslashes_stay_plain_for_any_setting_of_the_database(bouncer: str, postgres_url: str) -> None:
    async with Database(postgres_url) as admin:
        name = await admin.item("SELECT quote_ident(current_database())")
        await admin.q(f"ALTER DATABASE {name} SET standard_conforming_strings = off")
        try:
            async with Database(bouncer, pgbouncer=True) as db:
                assert await db.item(r"SELECT '\' || 'x'") == r"\x"
                # Another server connection, on which no client has set anything.
                async with db.transaction():
                    assert await db.item(r"SELECT '\' || 'x'") == r"\x"
                    async for row in db.stream(r"SELECT '\' || 'y' AS y"):
                        assert row == {"y": r"\y"}
        finally:
            await admin.q(f"ALTER DATABASE {name} RESET ALL")


async def test_the_missing_option_is_named(bouncer: str) -> None:
    async with Database(bouncer) as db:
        with pytest.raises(ConnectionError, match="unsupported startup parameter") as refused:
            await db.item("SELECT 1")
    assert "pgbouncer=True" in str(refused.value.hint)
