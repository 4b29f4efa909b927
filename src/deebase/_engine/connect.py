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
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deebase._backends.known_risks import refuse_old_sqlite, unverified_host, wal_reset_notice
from deebase._backends.settings import Settings, quote_keywords
from deebase._engine.lanes_postgres import PostgresLane, PostgresLanes
from deebase._engine.lanes_sqlite import SqliteLanes
from deebase._engine.sqlite_job import is_busy
from deebase._engine.sqlite_lane import SqliteLane
from deebase._schema import exact
from deebase._schema.stored_form import FITS, STORED, fits, stored
from deebase._schema.types import compare_decimals
from deebase.errors import ConfigurationError, ConnectionError, InvalidOperationError, TransactionError

log = logging.getLogger("deebase")

#: Marks a connection whose transactions DeeBase begins and ends itself.
LANE = "deebase_lane"


def make_engine(settings: Settings) -> AsyncEngine:
    """Make SQLAlchemy's engine; nothing is opened yet."""
    options: dict[str, Any] = {
        # Lanes stay checked out; the overflow is for connections users take from db.engine.
        "pool_size": settings.pool_size + 1,
        "max_overflow": settings.pool_size,
        **settings.engine_options,
    }
    options["connect_args"] = {**settings.connect_args, **settings.engine_options.get("connect_args", {})}
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
    _guard_lanes(engine)
    return engine


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
    quote_keywords(engine.dialect)

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
    if sys.version_info >= (3, 12):
        # Python 3.12+: a misspelt "column" is an error, not a string.
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, False)
        # What is built so refuses changes of its schema table, which a rebuilt table needs.
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    raw.create_collation("deebase_decimal", compare_decimals)
    raw.create_function(exact.COMPUTED, 3, exact.computed, deterministic=True)
    raw.create_window_function(exact.SUM, 1, exact.Sum)
    raw.create_function(FITS, 2, fits, deterministic=True)
    raw.create_function(STORED, 2, stored, deterministic=True)


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
    if settings.path is None:
        return False
    return os.access(settings.path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _guard_lanes(engine: AsyncEngine) -> None:
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
        lane: Any = None if connection is None else connection.get_execution_options().get(LANE)
        if lane is not None and lane.on_error is not None:
            lane.on_error(context.original_exception)

    event.listen(engine.sync_engine, "commit", refuse)
    event.listen(engine.sync_engine, "rollback", undone)
    event.listen(engine.sync_engine, "handle_error", failed)


async def open_sqlite(engine: AsyncEngine, settings: Settings, *, reader: bool) -> SqliteLane:
    """Open one SQLite lane; a reader cannot write past the writer."""
    _check_directory(settings)
    loop = asyncio.get_running_loop()
    connection = await engine.connect()
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        lane = SqliteLane(connection, driver, loop, settings.timeout)
        await connection.execution_options(**{LANE: lane})

        def prepare(raw: sqlite3.Connection) -> None:
            lane.watch()
            if reader:
                raw.execute("PRAGMA query_only = ON")
            else:
                lane.triggers.watch(raw)

        await lane.call(prepare)
    except BaseException:
        await connection.close()
        raise
    return lane


def _check_directory(settings: Settings) -> None:
    if settings.path is None or settings.memory:
        return
    directory = os.path.dirname(os.path.abspath(settings.path))
    if not os.path.isdir(directory):
        raise ConnectionError(
            f"the directory {directory} of the database {os.path.basename(settings.path)} does not exist",
            hint="make the directory first: a database never makes one for itself",
        )
    if os.path.isdir(settings.path):
        raise ConnectionError(f"{settings.path} is a directory, not a database", hint="name a file in it")
    if not os.path.exists(settings.path):
        # Made by us rather than by SQLite so that nobody else can read it, whatever the umask.
        os.close(os.open(settings.path, os.O_CREAT | os.O_RDWR, 0o600))


async def open_postgres(engine: AsyncEngine) -> PostgresLane:
    """Open one PostgreSQL lane."""
    try:
        connection = await engine.connect()
    except TimeoutError as error:
        raise ConnectionError(
            "the server did not accept a connection in time", hint="check host and port, or raise connect_timeout="
        ) from error
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        lane = PostgresLane(connection, driver)
        await connection.execution_options(isolation_level="AUTOCOMMIT", **{LANE: lane})
    except BaseException:
        await connection.close()
        raise
    return lane


def make_lanes(engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop) -> SqliteLanes | PostgresLanes:
    """Make the lanes of one event loop; they open when they are needed."""
    if settings.name == "sqlite":
        return SqliteLanes(
            loop,
            lambda reader: open_sqlite(engine, settings, reader=reader),
            readers=0 if settings.memory else settings.pool_size,
            timeout=settings.timeout,
        )
    return PostgresLanes(loop, lambda: open_postgres(engine), limit=settings.pool_size, timeout=settings.timeout)
