"""Scratch databases: on the same server, so that nothing that a migration names reaches the real one."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from deebase._backends.migration_protocols import SCRATCH_PREFIX, Connected, ScratchTarget
from deebase._lanes.shield import run_shielded
from deebase._sql.statement import Statement
from deebase._sqltext.quoting import identifier
from deebase.errors import DeeBaseError, MigrationError

#: Hours after which the scratch database of a killed program is dropped: its name holds the hour of its creation.
_LEFT_BEHIND = 24

_LISTED = Statement(
    "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) AND NOT EXISTS"
    " (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)",
    reads=True,
)
#: In the order of their creation: one may need another. Every database has the language PL/pgSQL.
_EXTENSIONS = Statement(
    "SELECT e.extname::text, n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    " WHERE e.extname <> 'plpgsql' ORDER BY e.oid",
    reads=True,
)
_CREATES_EXTENSION = re.compile(r"""create\s+extension\s+(?:if\s+not\s+exists\s+)?\\?"?([\w-]+)""", re.IGNORECASE)

_CREATES_SCHEMA = re.compile(_CREATES_EXTENSION.pattern.replace("extension", "schema"), re.IGNORECASE)
_EMPTY_SCHEMAS = Statement(
    "SELECT n.nspname::text FROM pg_namespace n WHERE n.nspname NOT IN ('public', 'information_schema')"
    " AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d"
    " WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)",
    reads=True,
)


@asynccontextmanager
async def scratch(database: Connected) -> AsyncGenerator[ScratchTarget, None]:
    """See ``MigrationSupport``."""
    settings = database.settings
    await _sweep(database)
    name = f"{SCRATCH_PREFIX}{_hour()}_{secrets.token_hex(8)}"
    url = settings.sa_url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    options = dict(settings.engine_options)
    options["connect_args"] = {**settings.connect_args, **options.get("connect_args", {})}
    try:
        try:
            await _run(database, f"CREATE DATABASE {identifier(name)}")
        except DeeBaseError as error:
            raise MigrationError(
                "a scratch database for trying migrations cannot be created on this server",
                hint="ALTER ROLE ... CREATEDB allows the user to; or use a server of your own",
            ) from error
        yield ScratchTarget(url, {"pool_size": 2, "timeout": settings.timeout, "engine_options": options})
    finally:
        await run_shielded(_run(database, f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)"))


async def create_schema(database: Connected, scratch: Connected) -> None:
    """See ``MigrationSupport``."""
    for (name,) in await database.fetch(Statement("SELECT current_schema()::text", reads=True), []):
        if name is not None:
            await scratch.fetch(Statement(f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"), [])


async def create_extensions(database: Connected, scratch: Connected) -> None:
    """See ``MigrationSupport``."""
    for name, schema in await database.fetch(_EXTENSIONS, []):
        await scratch.fetch(Statement(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}"), [])
        try:
            create = f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} WITH SCHEMA {identifier(schema)}"
            await scratch.fetch(Statement(create), [])
        except DeeBaseError as error:
            raise MigrationError(
                f"the extension {name} cannot be created in a scratch database for trying migrations",
                hint="allow the user to create it, or use a server of your own",
            ) from error


async def drop_extensions(scratch: Connected, scripts: Iterable[str]) -> None:
    """See ``MigrationSupport``."""
    texts = list(scripts)
    named = {name for script in texts for name in _CREATES_EXTENSION.findall(script)}
    for name, _ in await scratch.fetch(_EXTENSIONS, []):
        if name in named:
            await scratch.fetch(Statement(f"DROP EXTENSION IF EXISTS {identifier(name)} CASCADE"), [])
    # The schema of an extension was created with it.
    schemas = {name for script in texts for name in _CREATES_SCHEMA.findall(script)}
    for (name,) in await scratch.fetch(_EMPTY_SCHEMAS, []):
        if name in schemas:
            await scratch.fetch(Statement(f"DROP SCHEMA {identifier(name)}"), [])


def _hour() -> int:
    return int(time.time() // 3600)


async def _sweep(database: Connected) -> None:
    """Drop the scratch databases of programs that were killed."""
    for (name,) in await database.fetch(_LISTED, [SCRATCH_PREFIX]):
        found = re.fullmatch(rf"{SCRATCH_PREFIX}(\d+)_[0-9a-f]+", name)
        if found is not None and int(found[1]) < _hour() - _LEFT_BEHIND:
            # Another program may be dropping it, too.
            with contextlib.suppress(DeeBaseError):
                await _run(database, f"DROP DATABASE IF EXISTS {identifier(name)}")


async def _run(database: Connected, sql: str) -> None:
    """Run a statement that no transaction accepts."""
    async with database.connect() as connection:
        try:
            await connection.exec_driver_sql(sql)
        except Exception as error:
            database.fail(error)
