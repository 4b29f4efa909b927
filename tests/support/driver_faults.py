"""Drivers that fail: connections of sqlite3 and asyncpg whose Nth call ends with a chosen error."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")


def disk_full(backend: str) -> BaseException:
    """Return what a driver raises when the disk is full."""
    return (
        sqlite_error("database or disk is full", sqlite3.SQLITE_FULL) if backend == "sqlite" else server_error("53100")
    )


def broken_driver(backend: str) -> BaseException:
    """Return the error that a driver raises for an unspecific fault."""
    return sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR) if backend == "sqlite" else server_error("XX000")


def sqlite_error(text: str, code: int) -> sqlite3.OperationalError:
    """Return an error of sqlite3 with its code."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def server_error(state: str) -> BaseException:
    """Return an error of asyncpg as the server's answer makes it."""
    fields = {"S": "ERROR", "V": "ERROR", "C": state, "M": "a fault of the test's"}
    error: BaseException = asyncpg.PostgresError.new(fields)
    return error


#: The kinds of faults, and what makes one for a backend.
KINDS: dict[str, Callable[[str], BaseException]] = {
    "driver error": broken_driver,
    "OSError": lambda _: OSError(5, "Input/output error"),
    "CancelledError": lambda _: asyncio.CancelledError(),
    "TimeoutError": lambda _: TimeoutError(),
    "disk full": disk_full,
    "KeyboardInterrupt": lambda _: KeyboardInterrupt(),
}


@dataclass
class Fault:
    """One fault: the Nth call of the driver raises an error, before it is made or after.

    Attributes:
        number: which call, from 1; 0 for none.
        make: makes the error.
        after: whether the call is made, and its answer lost.
        calls: how many calls there were.
        hit: the call that failed, None while none has.
    """

    number: int
    make: Callable[[], BaseException]
    after: bool = False
    calls: int = 0
    hit: str | None = None

    def _due(self, name: str) -> bool:
        self.calls += 1
        if self.calls != self.number:
            return False
        self.hit = name
        return True

    def run(self, name: str, call: Callable[[], T]) -> T:
        """Make a call, or fail."""
        if not self._due(name):
            return call()
        error = self.make()
        if self.after and not _denies(error, name):
            call()
        raise error

    async def wait(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The same for a call that is awaited."""
        if not self._due(name):
            return await call()
        error = self.make()
        if self.after and not _denies(error, name):
            await call()
        raise error


def _denies(error: BaseException, name: str) -> bool:
    """Whether nothing was done where this is raised: a COMMIT that the database refuses, or a connection."""
    return name == "connect" or (name == "execute COMMIT" and isinstance(error, (sqlite3.Error, asyncpg.PostgresError)))


def sqlite_options(fault: Fault) -> dict[str, Any]:
    """Return engine options whose sqlite3 connections fail as the plan says."""

    class Cursor(sqlite3.Cursor):
        def fetchall(self) -> Any:
            return fault.run("fetchall", super().fetchall)

        def fetchone(self) -> Any:
            return fault.run("fetchone", super().fetchone)

        def fetchmany(self, *args: Any) -> Any:
            return fault.run("fetchmany", lambda: super(Cursor, self).fetchmany(*args))

    class Connection(sqlite3.Connection):
        def __init__(self, *args: Any, **options: Any) -> None:
            fault.run("connect", lambda: super(Connection, self).__init__(*args, **options))

        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *args: Any) -> Any:
            return fault.run(f"execute {args[0][:30]}", lambda: super(Connection, self).execute(*args))

        def executemany(self, *args: Any) -> Any:
            return fault.run(f"executemany {args[0][:30]}", lambda: super(Connection, self).executemany(*args))

        def rollback(self) -> None:
            return fault.run("rollback", super().rollback)

        def commit(self) -> None:
            return fault.run("commit", super().commit)

    return {"connect_args": {"factory": Connection}}


class _Prepared:
    """A prepared statement of asyncpg whose calls may fail."""

    def __init__(self, fault: Fault, statement: Any) -> None:
        self._fault = fault
        self._statement = statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._statement, name)

    async def fetch(self, *args: Any) -> Any:
        return await self._fault.wait("prepared.fetch", lambda: self._statement.fetch(*args))

    async def cursor(self, *args: Any) -> Any:
        cursor = await self._fault.wait("prepared.cursor", lambda: self._statement.cursor(*args))
        return _Portal(self._fault, cursor)


class _Portal:
    """A cursor of asyncpg whose calls may fail."""

    def __init__(self, fault: Fault, cursor: Any) -> None:
        self._fault = fault
        self._cursor = cursor

    async def fetch(self, size: int) -> Any:
        return await self._fault.wait("cursor.fetch", lambda: self._cursor.fetch(size))


def postgres_options(fault: Fault) -> dict[str, Any]:
    """Return engine options whose asyncpg connections fail as the plan says."""

    class Connection(asyncpg.Connection):  # type: ignore[misc]
        async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
            return await fault.wait(
                f"fetch {query[:30]}", lambda: super(Connection, self).fetch(query, *args, **options)
            )

        async def execute(self, query: str, *args: Any, **options: Any) -> Any:
            call = super().execute
            return await fault.wait(f"execute {query[:30]}", lambda: call(query, *args, **options))

        async def executemany(self, query: str, args: Any, **options: Any) -> Any:
            call = super().executemany
            return await fault.wait(f"executemany {query[:30]}", lambda: call(query, args, **options))

        async def fetchmany(self, query: str, args: Any, **options: Any) -> Any:
            call = super().fetchmany
            return await fault.wait(f"fetchmany {query[:30]}", lambda: call(query, args, **options))

        async def copy_records_to_table(self, *args: Any, **options: Any) -> Any:
            call = super().copy_records_to_table
            return await fault.wait("copy", lambda: call(*args, **options))

        async def prepare(self, query: str, **options: Any) -> Any:
            call = super().prepare
            return _Prepared(fault, await fault.wait(f"prepare {query[:30]}", lambda: call(query, **options)))

        async def reset(self, **options: Any) -> Any:
            call = super().reset
            return await fault.wait("reset", lambda: call(**options))

    async def connect(*args: Any, **options: Any) -> Any:
        return await fault.wait("connect", lambda: asyncpg.connect(*args, connection_class=Connection, **options))

    return {"connect_args": {"async_creator_fn": connect}}


def faulty_options(backend: str, fault: Fault) -> dict[str, Any]:
    """Return the engine options of a backend ("sqlite" or "postgres") that fails as the plan says."""
    return sqlite_options(fault) if backend == "sqlite" else postgres_options(fault)
