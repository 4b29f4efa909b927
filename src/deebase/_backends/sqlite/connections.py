"""Opens connections to SQLite."""

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
from sqlalchemy.ext.asyncio import AsyncEngine

from deebase._backends.error_translation import describing
from deebase._backends.protocols import LANE, Settings, Translate
from deebase._backends.sqlite.casts import FITS, STORED, fits, kept, stored
from deebase._backends.sqlite.engine import SqliteLanes
from deebase._backends.sqlite.lane import SqliteLane
from deebase._backends.sqlite.schema_calls import callbacks, quoted_texts
from deebase._backends.sqlite.schema_calls.trust import added_functions, refuses_its_own, trust_if_needed
from deebase._backends.sqlite.sql import SUM, adapt
from deebase._backends.sqlite.thread.job import is_busy
from deebase._types.base import KEPT
from deebase._types.decimals import compare_decimals
from deebase._types.forms import arithmetic as exact
from deebase._types.forms.moment_forms import KINDS
from deebase.errors import ConfigurationError, ConnectionError

log = logging.getLogger("deebase")

Version = tuple[int, int, int]

#: The first and the last build with the bug, and those of older branches in which it is fixed (sqlite.org/wal.html).
_WAL_RESET_BUG: tuple[Version, Version] = ((3, 7, 0), (3, 51, 2))
_FIXED: tuple[Version, ...] = ((3, 44, 6), (3, 50, 7))


#: Older versions lack PRAGMA table_list, which reflection needs (sqlite.org/pragma.html#pragma_table_list).
_OLDEST_SQLITE: Version = (3, 37, 0)


#: For connections on which SQL runs that is not trusted (sqlite.org/limits.html): nothing can be attached, and patterns
#: are short, as comparing a text with one is a single instruction.
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
)


class SqliteEngine:
    """Opens connections to SQLite."""

    def engine_options(self, settings: Settings) -> dict[str, Any]:
        """Return the options of ``create_async_engine``."""
        given: dict[str, Any] = settings.engine_options.get("connect_args", {})
        return {**settings.engine_options, "connect_args": {**settings.connect_args, **given}}

    def prepare(self, engine: AsyncEngine, settings: Settings) -> None:
        """Register the set-up of new connections.

        Raises:
            ConfigurationError: Python is linked with a SQLite that is too old.
        """
        refuse_old_sqlite(sqlite3.sqlite_version_info)
        adapt(engine.dialect)
        _configure_connections(engine, settings)
        if settings.path is not None:
            _log_sqlite_bugs()

    def lanes(
        self, engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop, translate: Translate
    ) -> SqliteLanes:
        """Return the connections of one event loop: one that writes, and some that read."""
        file = _File(settings)
        return SqliteLanes(
            loop,
            lambda reader: _open(engine, settings, file, reader=reader),
            readers=0 if settings.memory and not settings.read_only else settings.pool_size,
            in_loop=settings.in_loop,
            timeout=settings.timeout,
            place=settings.display,
            describe=describing(translate),
        )


@functools.cache
def _log_sqlite_bugs() -> None:
    """Log the known bugs of this build, once per process; at level INFO, as most distributions ship such a build."""
    notice = wal_reset_notice(sqlite3.sqlite_version_info)
    if notice is not None:
        log.info("%s", notice)


def _configure_connections(engine: AsyncEngine, settings: Settings) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        def apply(raw: sqlite3.Connection) -> None:
            _configure(raw, settings)

        def run(driver: Any) -> Any:
            return driver._execute(apply, driver._conn)

        connection.run_async(run)

    if settings.read_only and settings.path is not None:
        event.listen(engine.sync_engine, "do_connect", functools.partial(_open_unchanging, settings.path))

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # The transactions of the driver are off (isolation_level=None), so connections that users
        # borrow from db.engine need a BEGIN; lanes begin and end their own transactions.
        if not connection.get_execution_options().get(LANE):
            connection.exec_driver_sql("BEGIN")


def _open_unchanging(path: str, _dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    """Open a file in WAL mode that no process has open, in a directory where its -shm file cannot be made."""
    if "immutable=" not in arguments[0] and _has_no_shared_memory(path):
        arguments[0] = f"{arguments[0]}&immutable=1"


def _has_no_shared_memory(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            # The versions of the format for writing and reading: 2 is WAL (sqlite.org/fileformat.html).
            in_wal_mode = file.read(20)[18:20] == b"\2\2"
    except OSError:
        return False
    used = any(os.path.exists(path + suffix) for suffix in ("-wal", "-shm"))
    directory = os.path.dirname(os.path.abspath(path))
    return in_wal_mode and not used and not _may_write(directory)


def _configure(raw: sqlite3.Connection, settings: Settings) -> None:
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
    callbacks.add(raw, settings.additions)
    if settings.trusts_harmless:
        trust_if_needed(raw, added=bool(settings.additions))
    quoted_texts.refuse(raw)
    if sys.version_info >= (3, 12):
        # Such builds reject changes of the schema table, which the rebuild of a table needs.
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    add_functions(raw)


def _set_pragma(raw: sqlite3.Connection, sql: str, deadline: float) -> Any:
    """Set a pragma; wait while another connection holds a lock, as for any statement."""
    while True:
        try:
            return raw.execute(sql).fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise


def _has_journal(settings: Settings) -> bool:
    """Whether the process can write this file; a file that it can only read keeps its journal mode."""
    if settings.path is None or settings.read_only:
        return False
    return _may_write(settings.path)


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


async def _open(engine: AsyncEngine, settings: Settings, file: _File, *, reader: bool) -> SqliteLane:
    """Open one connection; a reader cannot write."""
    file.check()
    loop = asyncio.get_running_loop()
    connection = await engine.connect()
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        lane = SqliteLane(connection, driver, loop, settings.timeout)
        worker = lane.worker
        worker.trusts = settings.trusts_harmless and (bool(settings.additions) or refuses_its_own())
        await connection.execution_options(**{LANE: lane})

        def prepare(raw: sqlite3.Connection) -> None:
            worker.watch()
            if settings.additions:
                # SQLite has no mark for aggregates.
                own = [function.name.lower() for function in settings.additions.functions if function.deterministic]
                worker.added = frozenset([*own, *[name for name, harmless in added_functions(raw).items() if harmless]])
            lane.is_reader = reader
            if reader:
                if callbacks.stand_in(raw):
                    worker.added = worker.added or frozenset()
                raw.execute("PRAGMA query_only = ON")
                if settings.read_only:
                    for limit, most in _LIMITS:
                        raw.setlimit(limit, most)
            else:
                worker.triggers.watch(raw)

        await lane.call(prepare)
    except BaseException:
        await connection.close()
        raise
    return lane


class _File:
    """The file of a SQLite database, which must be the same for all connections of an event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Create the file if it is new, and raise an error if a connection would not open it."""
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
                hint="correct the path; to create the file, open it without mode=, immutable= and read_only",
            )
        try:
            # Created here rather than by SQLite, so that no other user can read it under any umask.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise ConnectionError(
                f"the database {path} cannot be created: {error.strerror}",
                hint="check the permissions of its directory",
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
            hint="create the directory first",
        )
    if os.path.isdir(path):
        raise ConnectionError(f"{path} is a directory, not a database", hint="pass the path of a file in it")


def refuse_old_sqlite(version: Version) -> None:
    """Raise an error for a build of SQLite that is too old, before a statement fails with an unclear error.

    Raises:
        ConfigurationError: it is too old.

    Example:
        ```python
        refuse_old_sqlite((3, 37, 0))
        ```
    """
    if version < _OLDEST_SQLITE:
        found, needed = (".".join(map(str, one)) for one in (version, _OLDEST_SQLITE))
        raise ConfigurationError(
            f"this Python is linked with SQLite {found}, and {needed} is needed",
            hint="use a Python with a newer SQLite: python -c 'import sqlite3; print(sqlite3.sqlite_version)'",
        )


def wal_reset_notice(version: Version) -> str | None:
    """Return the notice for a build of SQLite whose WAL may lose commits; None for one without the bug.

    The bug needs two processes that checkpoint at the same time. Within one process DeeBase has one writer, which
    checkpoints.

    Example:
        ```python
        assert wal_reset_notice((3, 51, 3)) is None
        ```
    """
    first, last = _WAL_RESET_BUG
    is_fixed = any(version[:2] == good[:2] and version >= good for good in _FIXED)
    if not first <= version <= last or is_fixed:
        return None
    shown = ".".join(map(str, version))
    return (
        f"SQLite {shown} has a bug that can lose commits when several processes checkpoint one database at once; "
        "3.51.3, 3.50.7 and 3.44.6 do not"
    )


def add_functions(raw: sqlite3.Connection) -> None:
    """Register the functions that generated tables and statements use."""
    raw.create_collation("deebase_decimal", compare_decimals)
    raw.create_function(exact.COMPUTED, 3, exact.computed, deterministic=True)
    raw.create_window_function(SUM, 1, exact.Sum)
    for kind in KINDS:
        raw.create_function(kind.name, 1, kind.normal, deterministic=True)
    raw.create_function(FITS, 2, fits, deterministic=True)
    raw.create_function(STORED, 2, stored, deterministic=True)
    raw.create_function(KEPT, 4, kept, deterministic=True)


ENGINE = SqliteEngine()
