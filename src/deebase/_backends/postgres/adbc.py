"""Results as Arrow tables through ADBC: libpq reads them, on a connection of its own in a thread."""

from __future__ import annotations

# The driver comes without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import asyncio
import logging
import math
import os
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from deebase._backends.protocols import Settings
from deebase._lanes.interface import Params
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement

log = logging.getLogger("deebase")

#: Connections of this kind in one event loop, besides those of the pool.
_MOST = 2
#: Seconds between two requests to cancel: one that arrives before its statement has no effect.
_CANCEL_EVERY = 0.05
#: Seconds that a cancelled statement has to end before its thread is left alone.
_PATIENCE = 2.0
#: Parameters that arrive at the server as asyncpg sends them.
_BOUND: Final = frozenset({bool, int, float, str, bytes, date, datetime})
#: Arguments of asyncpg that libpq has, or that do not change what a query returns.
_ARGUMENTS: Final = frozenset({"timeout", "command_timeout", "server_settings", "ssl"})
_CACHES: Final = frozenset({"statement_cache_size", "prepared_statement_cache_size"})
#: Options of a URL that mean the same for libpq.
_SAME: Final = frozenset({"passfile", "target_session_attrs", "krbsrvname"})
_SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
#: Variables of the environment with which libpq changes a session, and asyncpg does not.
_VARIABLES: Final = ("PGDATESTYLE", "PGGEQO", "PGHOSTADDR", "PGTZ")
#: SQLSTATE class of statements that the server or the user ended; others fail again when rows are read.
_ENDED: Final = "57"
#: Seconds for which a connection waits for the next result: opening one takes as long as to read some thousand rows.
_IDLE: Final = 60.0


def connection_string(url: sa.URL, connect_args: Mapping[str, Any]) -> str | None:
    """Return how libpq opens the connection that asyncpg opens; None where libpq would open another one.

    Args:
        url: of the server.
        connect_args: the arguments of asyncpg.
    """
    if not connect_args.keys() <= _ARGUMENTS or any(name in os.environ for name in _VARIABLES):
        return None
    made = {"user": url.username, "password": url.password, "dbname": url.database, "host": url.host}
    made["port"] = None if url.port is None else str(url.port)
    query = {name: value for name, value in url.query.items() if name not in _CACHES}
    ssl = connect_args.get("ssl", query.pop("ssl", None))
    port = query.pop("port", made["port"])
    if not isinstance(port, str | None):
        return None
    if "host" in query:
        made["host"], made["port"] = _hosts(query.pop("host"), port)
    elif port != made["port"]:
        return None
    if made["host"] is None or not query.keys() <= _SAME:
        return None
    if ssl is not None:
        made["sslmode"] = "disable" if ssl is False else ssl
        if made["sslmode"] not in _SSL_MODES:
            return None
    made.update({name: str(value) for name, value in query.items()})
    made.update(_session(connect_args["server_settings"]))
    seconds = connect_args.get("timeout")
    made["connect_timeout"] = None if not seconds else str(math.ceil(seconds))
    return " ".join([f"{name}={_quoted(value)}" for name, value in made.items() if value is not None])


def _hosts(given: str | tuple[str, ...], port: str | None) -> tuple[str, str]:
    """Return hosts and ports as libpq lists them, from ``host:port`` as SQLAlchemy takes it."""
    hosts: list[str] = []
    ports: list[str] = []
    for each in given if isinstance(given, tuple) else given.split(","):
        is_socket = each.startswith(("/", "@"))
        host, _, own = (each, "", "") if is_socket or each.count(":") != 1 else each.partition(":")
        hosts.append(host)
        ports.append(own or port or "5432")
    return ",".join(hosts), ",".join(ports)


def _session(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a session as libpq takes them."""
    options = [str(settings["options"])] if "options" in settings else []
    for name, value in settings.items():
        if name not in ("options", "application_name"):
            escaped = str(value).replace("\\", "\\\\").replace(" ", "\\ ")
            options.append(f"-c {name}={escaped}")
    made = {"client_encoding": "UTF8", "gssencmode": "disable", "options": " ".join(options)}
    if "application_name" in settings:
        made["application_name"] = str(settings["application_name"])
    return made


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class _Reading:
    """One statement in a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: str, sql: str, args: Params, connection: Any) -> None:
        self._loop = loop
        #: Before the statement, one to use again; after it, one that can be used again.
        self._connection = connection
        self._target = target
        self._sql = sql
        self._args = args
        self._cursor: Any = None
        self._ended = threading.Event()
        self._cancelled = False
        self.future: asyncio.Future[Any] = loop.create_future()
        self.thread = threading.Thread(target=self._run, name="deebase-adbc", daemon=True)

    def _run(self) -> None:
        result: Any = None
        error: Exception | None = None
        try:
            result = self._read()
        except Exception as failure:
            error = failure
        self._ended.set()
        try:
            self._loop.call_soon_threadsafe(self._answer, result, error)
        except RuntimeError:
            log.debug("the event loop ended before a statement that was cancelled")

    def _read(self) -> Any:
        connection = self._open()
        try:
            with connection.cursor() as cursor:
                self._cursor = cursor
                if self._cancelled:
                    return None
                cursor.execute(self._sql, self._args or None)
                table = cursor.fetch_arrow_table()
                self._connection = connection
                return table
        finally:
            self._cursor = None
            if self._connection is not connection:
                connection.close()

    def _open(self) -> Any:
        """Return a connection with a fresh session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("DISCARD ALL")
            except Exception:
                # The server has ended it meanwhile.
                connection.close()
            else:
                return connection
        return import_module("adbc_driver_postgresql.dbapi").connect(self._target, autocommit=True)

    def take(self) -> Any:
        """Return the connection after the end of the statement; None if it cannot be used again."""
        connection, self._connection = self._connection, None
        return connection

    def _answer(self, result: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

    def cancel(self) -> None:
        """End the statement, or do not begin it."""
        if not self._cancelled:
            self._cancelled = True
            threading.Thread(target=self._request_cancel, name="deebase-adbc-cancel", daemon=True).start()

    def _request_cancel(self) -> None:
        while not self._ended.is_set():
            cursor = self._cursor
            if cursor is not None:
                try:
                    cursor.adbc_cancel()
                except Exception:
                    log.debug("a request to cancel a statement failed", exc_info=True)
            self._ended.wait(_CANCEL_EVERY)


class AdbcReader:
    """Reads results of one database as Arrow tables, in one event loop.

    Args:
        engine: the engine of SQLAlchemy; what users do to its connections is not done to these.
        settings: where the database is.
        connect_args: the arguments of asyncpg.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, connect_args: Mapping[str, Any]) -> None:
        self._engine = engine
        self._before = _listeners(engine)
        plain = settings.engine_options.keys() <= {"connect_args", "echo"}
        self._target = connection_string(settings.sa_url, connect_args) if plain else None
        self._running: set[_Reading] = set()
        #: A connection that waits for the next result, and the timer that closes it.
        self._idle: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def reads(self, statement: Statement, args: Params) -> bool:
        """Return whether a statement gives here what it gives on a connection of the pool."""
        return (
            self._target is not None
            and not self._closed
            and statement.reads
            and len(self._running) < _MOST
            and all(map(_is_bound, args))
            and _listeners(self._engine) == self._before
        )

    async def fetch(self, statement: Statement, args: Params) -> Any:
        """Return the result; None if it could not be read here.

        Raises:
            asyncpg.PostgresError: the server ended the statement.
        """
        try:
            import_module("adbc_driver_postgresql.dbapi")
        except ImportError:
            self._target = None
            return None
        assert self._target is not None
        loop = asyncio.get_running_loop()
        idle, self._idle = self._idle, None
        reading = _Reading(loop, self._target, statement.sql, args, idle)
        self._running.add(reading)
        reading.thread.start()
        try:
            table = await asyncio.shield(reading.future)
            self._keep(loop, reading.take())
            return table
        except asyncio.CancelledError:
            await run_shielded(self._end(reading))
            raise
        except Exception as error:
            _raise_ended(error)
            log.debug("ADBC could not read a result, so it is read as rows: %s", type(error).__name__)
            return None
        finally:
            self._running.discard(reading)

    @staticmethod
    async def _end(reading: _Reading) -> None:
        """Cancel a statement, and wait for its thread."""
        reading.cancel()
        await asyncio.wait([reading.future], timeout=_PATIENCE)
        if reading.future.done() and not reading.future.cancelled():
            reading.future.exception()
            connection = reading.take()
            if connection is not None:
                connection.close()

    def _keep(self, loop: asyncio.AbstractEventLoop, connection: Any) -> None:
        """Keep a connection for the next result, for a while."""
        self._drop()
        self._idle = connection
        if self._closed:
            self._drop()
        else:
            self._timer = loop.call_later(_IDLE, self._drop)

    def _drop(self) -> None:
        """Close the connection that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connection, self._idle = self._idle, None
        if connection is not None:
            connection.close()

    async def close(self, timeout: float) -> None:
        """Wait for running statements, then cancel them."""
        self._closed = True
        running = [reading.future for reading in self._running]
        if running:
            await asyncio.wait(running, timeout=timeout)
        for reading in list(self._running):
            await self._end(reading)
        self._drop()


def _listeners(engine: AsyncEngine) -> tuple[int, ...]:
    """Return how many listeners there are that change a connection when it is opened or lent."""
    sync: Any = engine.sync_engine
    pool, dialect = sync.pool.dispatch, sync.dialect.dispatch
    return tuple([len(list(each)) for each in (pool.connect, pool.first_connect, pool.checkout, dialect.do_connect)])


def _is_bound(value: Any) -> bool:
    if type(value) not in _BOUND:
        return False
    return type(value) is not datetime or value.tzinfo is None or value.tzinfo is UTC


def _raise_ended(error: Exception) -> None:
    """Raise the error of asyncpg for a statement that the server ended."""
    code = getattr(error, "sqlstate", None)
    if isinstance(code, str) and code.startswith(_ENDED):
        made: Any = import_module("asyncpg.exceptions").PostgresError
        raise made.new({"C": code, "S": "ERROR", "V": "ERROR", "M": "the server ended the statement"}) from None
