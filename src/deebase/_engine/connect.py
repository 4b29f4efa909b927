"""Engines and lanes: how a connection is made and which settings it gets."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deebase._backends.dialects import adapt
from deebase._backends.postgres.codecs import set_codecs
from deebase._backends.postgres.engine import PostgresLanes
from deebase._backends.postgres.hosts import no_host
from deebase._backends.postgres.lane import PostgresLane
from deebase._backends.postgres.session_state import StoredCode, require_standard_strings
from deebase._backends.protocols import original
from deebase._backends.settings import Settings
from deebase._backends.sqlite.engine import SqliteLanes
from deebase._backends.sqlite.functions import add_functions
from deebase._backends.sqlite.job import is_busy
from deebase._backends.sqlite.lane import SqliteLane
from deebase._backends.sqlite.trust import refuses_its_own, trust_if_needed
from deebase._backends.version_checks import refuse_old_sqlite, unverified_host, wal_reset_notice
from deebase._lanes.interface import Lanes
from deebase._sql.statement import Statement
from deebase._types.documents import loads
from deebase._types.foreign_values import OWN, sendable
from deebase.errors import (
    ConfigurationError,
    ConnectionError,
    DeeBaseError,
    InvalidOperationError,
    TransactionError,
)

log = logging.getLogger("deebase")

Translate = Callable[[BaseException, Statement | None], DeeBaseError | None]

#: Marks a connection whose transactions DeeBase begins and ends itself.
LANE = "deebase_lane"


def make_engine(settings: Settings, translate: Translate) -> AsyncEngine:
    """Make SQLAlchemy's engine; nothing is opened yet.

    Args:
        settings: where the database is.
        translate: returns our error for one of the driver, and conceals the values in that.
    """
    options: dict[str, Any] = {
        # Lanes stay checked out; the overflow is for connections users take from db.engine.
        "pool_size": settings.pool_size + 1,
        "max_overflow": settings.pool_size,
        # Neither errors nor the log of the engine quote values.
        "hide_parameters": True,
        **({"json_deserializer": loads} if settings.name == "postgresql" else {}),
        **settings.engine_options,
    }
    options["connect_args"] = _connect_args(settings)
    try:
        engine = create_async_engine(settings.sa_url, **options)
    except ImportError as error:
        raise ConfigurationError(
            f"the driver for {settings.name} cannot be imported: {error.name}", hint="pip install aiosqlite asyncpg"
        ) from error
    except TypeError as error:
        raise ConfigurationError("engine_options holds something SQLAlchemy does not take", hint=str(error)) from error
    if settings.name == "sqlite":
        refuse_old_sqlite(sqlite3.sqlite_version_info)
        _prepare_sqlite(engine, settings)
        if settings.path is not None:
            _note_sqlite_bugs()
    else:
        _warn_of_unverified(settings, options["connect_args"])
        _watch_session(engine)
        event.listen(engine.sync_engine, "connect", _set_codecs)
    event.listen(engine.sync_engine, "before_cursor_execute", _send_own_values, retval=True)
    _guard_lanes(engine, translate)
    return engine


def _send_own_values(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
) -> tuple[str, Any]:
    """Let SQLAlchemy send values of other libraries as DeeBase does: sqlite3 takes an int of numpy for bytes."""
    rows: list[Any] = parameters if many else [parameters]
    if all(OWN.issuperset(map(type, row)) for row in rows):
        return statement, parameters
    made = [tuple(map(sendable, row)) for row in rows]
    return statement, made if many else made[0]


def _set_codecs(connection: Any, _record: Any) -> None:
    connection.run_async(set_codecs)


def _connect_args(settings: Settings) -> dict[str, Any]:
    """Return what the driver is given: our arguments, and on top of them the caller's."""
    given: dict[str, Any] = settings.engine_options.get("connect_args", {})
    args = {**settings.connect_args, **given}
    if settings.name == "postgresql":
        args["server_settings"] = {**settings.connect_args["server_settings"], **given.get("server_settings", {})}
    return args


@functools.cache
def _note_sqlite_bugs() -> None:
    """Tell once per process; at level INFO, as most distributions ship such a build."""
    notice = wal_reset_notice(sqlite3.sqlite_version_info)
    if notice is not None:
        log.info("%s", notice)


def _warn_of_unverified(settings: Settings, connect_args: dict[str, Any]) -> None:
    host = unverified_host(settings.sa_url, connect_args)
    if host is not None:
        log.warning(
            "the certificate of the server %s is not verified: anybody between may read and change what is sent; "
            "engine_options={'connect_args': {'ssl': True}} has it verified",
            host,
        )


def _prepare_sqlite(engine: AsyncEngine, settings: Settings) -> None:
    adapt(engine.dialect)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        def apply(raw: sqlite3.Connection) -> None:
            _configure_sqlite(raw, settings)

        def run(driver: Any) -> Any:
            return driver._execute(apply, driver._conn)

        connection.run_async(run)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # The driver's own transactions are off (isolation_level=None), so connections that users
        # take from db.engine need a BEGIN; lanes begin and end theirs themselves.
        if not connection.get_execution_options().get(LANE):
            connection.exec_driver_sql("BEGIN")


def _configure_sqlite(raw: sqlite3.Connection, settings: Settings) -> None:
    deadline = time.monotonic() + (settings.timeout or math.inf)
    for name, value in settings.pragmas:
        if name == "journal_mode" and not _has_journal(settings):
            continue
        row = _set_pragma(raw, f"PRAGMA {name} = {value}", deadline)
        if name == "journal_mode" and row and str(row[0]).lower() != str(value).lower():
            raise ConfigurationError(
                f"this file system cannot give SQLite journal_mode={value} (it stays {row[0]})",
                hint="put the file on a local disk, or pass pragmas={'journal_mode': 'DELETE'}",
            )
    if settings.trusts_harmless and refuses_its_own():
        trust_if_needed(raw)
    if sys.version_info >= (3, 12):
        # Python 3.12+: a misspelt "column" is an error, not a string.
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, False)
        # What is built so refuses changes of its schema table, which a rebuilt table needs.
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    add_functions(raw)


def _set_pragma(raw: sqlite3.Connection, sql: str, deadline: float) -> Any:
    """Set a pragma, waiting for another connection that holds a lock, as any statement would."""
    while True:
        try:
            return raw.execute(sql).fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise


def _has_journal(settings: Settings) -> bool:
    """Whether this is a file that the process may write; one it may only read stays in its journal mode."""
    if settings.path is None or settings.read_only:
        return False
    return os.access(settings.path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _watch_session(engine: AsyncEngine) -> None:
    """Tell a lane of PostgreSQL what SQLAlchemy sends on its connection."""

    def sends(connection: sa.Connection, _cursor: Any, sql: str, *_: Any) -> None:
        lane = connection.get_execution_options().get(LANE)
        if lane is not None:
            lane.sends(sql)

    event.listen(engine.sync_engine, "before_cursor_execute", sends)


def _guard_lanes(engine: AsyncEngine, translate: Translate) -> None:
    """Tie what users do on ``tx.connection`` to the transaction it belongs to."""

    def refuse(connection: sa.Connection) -> None:
        lane = connection.get_execution_options().get(LANE)
        if lane is not None and lane.in_transaction:
            raise InvalidOperationError(
                "the transaction of tx.connection ends with its block",
                operation="commit",
                hint="leave the block to commit, call tx.rollback() to undo it",
            )

    def undone(connection: sa.Connection) -> None:
        # SQLAlchemy rolls back by itself after some errors, so this cannot be refused: the block is over.
        lane = connection.get_execution_options().get(LANE)
        if lane is not None and lane.in_transaction and lane.on_error is not None:
            lane.on_error(
                TransactionError("tx.connection was rolled back", hint="leave the block, or call tx.rollback()")
            )

    def failed(context: sa.engine.ExceptionContext) -> None:
        connection = context.connection
        error = context.sqlalchemy_exception or context.original_exception
        if connection is not None:
            # The driver's own words may quote values: they are replaced by ours, whatever the class.
            translate(error, None)
        lane: Any = None if connection is None else connection.get_execution_options().get(LANE)
        if lane is not None and lane.on_error is not None:
            lane.on_error(error)

    event.listen(engine.sync_engine, "commit", refuse)
    event.listen(engine.sync_engine, "rollback", undone)
    event.listen(engine.sync_engine, "handle_error", failed)


async def open_sqlite(engine: AsyncEngine, settings: Settings, file: _File, *, reader: bool) -> SqliteLane:
    """Open one SQLite lane; a reader cannot write past the writer."""
    file.check()
    loop = asyncio.get_running_loop()
    connection = await engine.connect()
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        lane = SqliteLane(connection, driver, loop, settings.timeout)
        lane.trusts = settings.trusts_harmless and refuses_its_own()
        await connection.execution_options(**{LANE: lane})

        def prepare(raw: sqlite3.Connection) -> None:
            lane.watch()
            lane.is_reader = reader
            if reader:
                raw.execute("PRAGMA query_only = ON")
            else:
                lane.triggers.watch(raw)

        await lane.call(prepare)
    except BaseException:
        await connection.close()
        raise
    return lane


class _File:
    """The file of a SQLite database: every connection of an event loop leads to the same one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Make the file if it is new, and raise why a connection would not lead to it."""
        path = self._settings.path
        if path is None:
            return
        _check_directory(path)
        if not os.path.exists(path):
            self._make(path)
        status = os.stat(path)
        identity = status.st_dev, status.st_ino
        if self._identity not in (None, identity):
            raise _replaced(path)
        self._identity = identity

    def _make(self, path: str) -> None:
        if self._identity is not None:
            raise _replaced(path)
        if not self._settings.creates:
            raise ConnectionError(
                f"the database {path} does not exist",
                hint="correct the path, or leave mode= and immutable= out to have the file made",
            )
        try:
            # Made by us rather than by SQLite so that no other user can read it, whatever the umask.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise ConnectionError(
                f"the database {path} cannot be made: {error.strerror}", hint="check the rights on its directory"
            ) from error


def _replaced(path: str) -> ConnectionError:
    return ConnectionError(
        f"the file {path} was deleted or replaced while the database was open",
        hint="put the file back, or close this Database and open a new one",
    )


def _check_directory(path: str) -> None:
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise ConnectionError(
            f"the directory {directory} of the database {os.path.basename(path)} does not exist",
            hint="make the directory first: a database never makes one for itself",
        )
    if os.path.isdir(path):
        raise ConnectionError(f"{path} is a directory, not a database", hint="name a file in it")


async def open_postgres(
    engine: AsyncEngine, settings: Settings, translate: Translate, code: StoredCode
) -> PostgresLane:
    """Open one PostgreSQL lane."""
    try:
        connection = await engine.connect()
    except TimeoutError as error:
        raise ConnectionError(
            "the server did not accept a connection in time", hint="check host and port, or raise connect_timeout="
        ) from error
    except Exception as error:
        cause, query = original(error), settings.sa_url.query
        choosing = "target_session_attrs" in query or isinstance(query.get("host"), tuple)
        unmatched = type(cause).__name__ == "TargetServerAttributeNotMatched"
        if not (unmatched or (choosing and isinstance(cause, OSError))):
            raise
        raise await no_host(engine, _connect_args(settings), _describing(translate)) from error
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        require_standard_strings(driver)
        await code.refresh(driver, force=False)
        lane = PostgresLane(connection, driver, code)
        await connection.execution_options(isolation_level="AUTOCOMMIT", **{LANE: lane})
    except BaseException:
        await connection.close()
        raise
    return lane


def _describing(translate: Translate) -> Callable[[BaseException], str]:
    """Return what gives the message for an error of the driver."""

    def describe(error: BaseException) -> str:
        ours = translate(error, None)
        return str(error) if ours is None else ours.message

    return describe


def make_lanes(engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop, translate: Translate) -> Lanes:
    """Make the lanes of one event loop; they open when they are needed."""

    describe = _describing(translate)
    if settings.name == "sqlite":
        file = _File(settings)
        return SqliteLanes(
            loop,
            lambda reader: open_sqlite(engine, settings, file, reader=reader),
            readers=0 if settings.memory else settings.pool_size,
            timeout=settings.timeout,
            place=settings.display,
            describe=describe,
        )
    code = StoredCode()
    return PostgresLanes(
        loop,
        lambda: open_postgres(engine, settings, translate, code),
        limit=settings.pool_size,
        timeout=settings.timeout,
        place=settings.display,
        describe=describe,
    )
