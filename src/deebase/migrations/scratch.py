"""Databases of a moment, of the same kind as another one, in which migrations are tried."""

from __future__ import annotations

import contextlib
import re
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deebase._engine.core import core_of
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase._sqltext.quoting import identifier
from deebase.database import Database
from deebase.errors import DeeBaseError, MigrationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase.migrations.files import MigrationFile

#: What their names begin with; on a server the hour of their birth comes next, so that one which a killed program has
#: left behind is known.
PREFIX = "deebase_scratch_"
_LEFT_BEHIND = 24  # hours

_LISTED = Statement(
    "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) AND NOT EXISTS"
    " (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)",
    reads=True,
)


#: In the order in which they were made: one may need another. The language PL/pgSQL is in every database.
_EXTENSIONS = Statement(
    "SELECT e.extname::text, n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    " WHERE e.extname <> 'plpgsql' ORDER BY e.oid",
    reads=True,
)
_CREATES_EXTENSION = re.compile(r"""create\s+extension\s+(?:if\s+not\s+exists\s+)?\\?"?([\w-]+)""", re.IGNORECASE)


def scratch(db: Database) -> AbstractAsyncContextManager[Database]:
    """Give an empty database like another one for the length of the block.

    On SQLite it is a file in a temporary directory, on PostgreSQL a database of the same server, so that nothing that
    a migration names reaches the real one.

    Args:
        db: the one it is to be like.

    Raises:
        MigrationError: the user may not create databases.
    """
    executor = core_of(db).executor
    return _file(executor) if executor.settings.name == "sqlite" else _of_server(executor)


@asynccontextmanager
async def _file(executor: Executor) -> AsyncGenerator[Database, None]:
    # It is never needed again: nothing has to be on the disk for sure.
    pragmas = {**dict(executor.settings.pragmas), "synchronous": "OFF"}
    with tempfile.TemporaryDirectory(prefix=PREFIX) as directory:
        async with Database(Path(directory) / "scratch.db", pragmas=pragmas, pool_size=1) as made:
            yield made


@asynccontextmanager
async def _of_server(executor: Executor) -> AsyncGenerator[Database, None]:
    settings = executor.settings
    await _sweep(executor)
    name = f"{PREFIX}{_hour()}_{secrets.token_hex(8)}"
    url = settings.sa_url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    options: dict[str, Any] = dict(settings.engine_options)
    options["connect_args"] = {**settings.connect_args, **options.get("connect_args", {})}
    try:
        try:
            await _run(executor, f"CREATE DATABASE {identifier(name)}")
        except DeeBaseError as error:
            raise MigrationError(
                "a database to try migrations in cannot be created on this server",
                hint="ALTER ROLE ... CREATEDB lets the user do so; or do this with a server of your own",
            ) from error
        async with Database(url, pool_size=2, timeout=settings.timeout, engine_options=options) as made:
            await _create_extensions(executor, made)
            yield made
    finally:
        await run_shielded(_run(executor, f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)"))


async def _create_extensions(executor: Executor, made: Database) -> None:
    """Create the extensions of the real database in one that is to be like it."""
    own = core_of(made).executor
    for name, schema in await executor.fetch(_EXTENSIONS, []):
        await own.fetch(Statement(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}"), [])
        try:
            await own.fetch(
                Statement(f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} WITH SCHEMA {identifier(schema)}"), []
            )
        except DeeBaseError as error:
            raise MigrationError(
                f"the extension {name} cannot be created in a database to try migrations in",
                hint="let the user create it, or do this with a server of your own",
            ) from error


async def leave_out_extensions(made: Database, files: Iterable[MigrationFile]) -> None:
    """Drop the extensions from a scratch database that migrations create themselves."""
    executor = core_of(made).executor
    if executor.settings.name == "sqlite":
        return
    named = {name for file in files for name in _CREATES_EXTENSION.findall(file.text)}
    for name, _ in await executor.fetch(_EXTENSIONS, []):
        if name in named:
            await executor.fetch(Statement(f"DROP EXTENSION IF EXISTS {identifier(name)} CASCADE"), [])


def _hour() -> int:
    return int(time.time() // 3600)


async def _sweep(executor: Executor) -> None:
    """Drop what programs that were killed have left behind."""
    for (name,) in await executor.fetch(_LISTED, [PREFIX]):
        found = re.fullmatch(rf"{PREFIX}(\d+)_[0-9a-f]+", name)
        if found is not None and int(found[1]) < _hour() - _LEFT_BEHIND:
            # Another program may do the same just now.
            with contextlib.suppress(DeeBaseError):
                await _run(executor, f"DROP DATABASE IF EXISTS {identifier(name)}")


async def _run(executor: Executor, sql: str) -> None:
    """Run what no transaction takes."""
    try:
        async with executor.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(sql)
    except Exception as error:
        executor.raise_translated(error)
