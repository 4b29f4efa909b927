"""The tools for a PostgreSQL database: pg_dump and pg_restore, inspection, and the statements for a copy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.copy_forms import Access as CopyAccess
from deebase._backends.database_tools import Access, Diagnosis, Estimate, refused_backup, require_header
from deebase._backends.postgres.catalog_queries import reading_catalogs
from deebase._backends.postgres.copying.copy_source import PostgresSource
from deebase._backends.postgres.copying.copy_target import PostgresTarget
from deebase._backends.postgres.copying.rows import PostgresRows
from deebase._backends.postgres.link.listed_hosts import addresses_of
from deebase._backends.postgres.row_security import HINT, UNRESTRICTED
from deebase._backends.postgres.script import read_script
from deebase._backends.postgres.script.recreation import recreation
from deebase._backends.schema_script import Recreation, SchemaObject, SchemaScript
from deebase._model.facts import TableInfo
from deebase.errors import DatabaseError

#: Everything that users created, as kind and name for DROP: schemas, the contents of the schema public, and objects
#: outside of schemas, without the parts of extensions and of other objects. Event triggers come first, since they would
#: fire on the other drops.
_OBJECTS = """
    WITH objects (class, oid) AS (
        SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
        UNION ALL SELECT 'pg_publication'::regclass, oid FROM pg_publication
        UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')
        UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oprnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE opcnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE opfnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE collnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE cfgnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE dictnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE prsnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template
            WHERE tmplnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
            WHERE stxnamespace = 'public'::regnamespace
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
        UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
        UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
        UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
    )
    SELECT CASE WHEN i.type IN ('function', 'procedure', 'aggregate', 'window function') THEN 'ROUTINE'
                WHEN i.type = 'statistics object' THEN 'STATISTICS'
                ELSE upper(replace(i.type, '-', ' ')) END AS kind, i.identity AS name
    FROM objects o, pg_identify_object(o.class, o.oid, 0) i
    WHERE NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = o.class AND d.objid = o.oid AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))
"""
#: The names are collected first, since CASCADE drops further objects.
_EMPTY = f"""
DO $$
DECLARE
  drops text[] := ARRAY(SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM ({_OBJECTS}) AS found);
  dropped text;
BEGIN
  FOREACH dropped IN ARRAY drops LOOP
    EXECUTE dropped;
  END LOOP;
  PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END $$;
"""
_INVALID_INDEXES = """
    SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text FROM pg_index i WHERE NOT i.indisvalid
"""
_UNCHECKED_CONSTRAINTS = """
    SELECT quote_ident(conname), conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0
"""

#: The estimate is -1 for a table that was never analyzed.
_ESTIMATES = """
    SELECT asked.name, c.reltuples, pg_total_relation_size(c.oid)
    FROM unnest($1::text[]) AS asked(name) JOIN pg_class AS c ON c.oid = to_regclass(asked.name)
"""

_TRIGGERS = """
    SELECT g.tgname::text, pg_get_triggerdef(g.oid) FROM pg_trigger g
    WHERE g.tgrelid = to_regclass($1) AND NOT g.tgisinternal ORDER BY g.tgname
"""


class PostgresTools:
    """``DatabaseTools`` for PostgreSQL."""

    backup_suffix: str = "dump"
    files: None = None
    explain: str = "EXPLAIN"
    snapshot_isolation: Literal["repeatable read"] | None = "repeatable read"

    def __init__(self, access: Access) -> None:
        self._access = access

    # -- backups -------------------------------------------------------------------------------

    async def write_backup(self, path: Path) -> None:
        """Write an archive with pg_dump."""
        with _environment(self._access.url) as (environment, arguments):
            await _run("pg_dump", "--format=custom", f"--file={path}", *arguments, environment=environment)

    def check_backup(self, path: Path) -> None:
        """Refuse a file that is not an archive of pg_dump."""
        require_header(path, b"PGDMP", "an archive of pg_dump")

    async def object_names(self) -> list[str]:
        """Return the names of all objects that users created."""
        rows = await self._access.read(f"SELECT name FROM ({_OBJECTS}) AS found", [])
        return [str(name).removeprefix("public.") for (name,) in rows]

    async def read_backup(self, path: Path, *, replace: bool) -> None:
        """Fill the database with pg_restore; with ``replace``, drop its objects first, with psql."""
        with _environment(self._access.url) as (environment, arguments):
            await _read_archive(path, arguments, environment, replace=replace)

    # -- inspection ----------------------------------------------------------------------------

    async def version(self) -> str:
        """Return the version of the server."""
        return str(await self._one("SHOW server_version"))

    async def size_bytes(self) -> int:
        """Return the size of the database on the server."""
        return int(await self._one("SELECT pg_database_size(current_database())"))

    async def table_estimates(self, quoted_names: Sequence[str]) -> dict[str, Estimate]:
        """Return the number of rows that the planner estimates, and the size of each table on the disk."""
        rows = await self._access.read(_ESTIMATES, [list(quoted_names)])
        return {name: (None if number < 0 else int(number), int(size)) for name, number, size in rows}

    def vacuum(self, *, full: bool) -> str:
        """Return VACUUM, which collects statistics, too."""
        return f"VACUUM ({'FULL, ' if full else ''}ANALYZE)"

    async def index_definitions(self, name: str) -> list[str]:
        """Return the CREATE INDEX of an index."""
        return [str(await self._one("SELECT pg_get_indexdef(to_regclass(quote_ident($1)))", name))]

    async def view_definition(self, name: str) -> str:
        """Return the SELECT of a view."""
        return str(await self._one("SELECT pg_get_viewdef(to_regclass(quote_ident($1)))", name))

    async def examine(self) -> list[Diagnosis]:
        """Return problems of indexes, constraints and settings."""
        found = [
            Diagnosis(
                "invalid-index",
                "error",
                str(table),
                f"index {index} is not valid: a concurrent build did not finish",
                f"drop_index({str(index)!r}), and create it again",
            )
            for index, table in await self._access.read(_INVALID_INDEXES, [])
        ]
        found += [
            Diagnosis(
                "unchecked-constraint",
                "warning",
                str(table),
                f"{name} was not checked against existing rows (NOT VALID)",
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
            )
            for name, table in await self._access.read(_UNCHECKED_CONSTRAINTS, [])
        ]
        for setting in ("fsync", "full_page_writes"):
            if await self._one(f"SHOW {setting}") == "off":
                message = f"{setting} is off: a crash may lose the database"
                found.append(Diagnosis(f"{setting}-off", "warning", None, message, "turn it on"))
        found += [
            Diagnosis(
                "row-security-role",
                "advice",
                None,
                f"the role {role} {why}: row security does not restrict it, and db.acting() refuses it",
                f"run migrations with it, and let the program {HINT}",
            )
            for role, why in await self._access.read(UNRESTRICTED, [])
        ]
        return found

    # -- schema --------------------------------------------------------------------------------

    async def trigger_definitions(self, table: str, quoted: str) -> list[tuple[str, str]]:
        """Return its triggers as the server writes them, without those of constraints."""
        rows = await reading_catalogs(self._access.read)(_TRIGGERS, [quoted])
        return [(str(name), str(sql)) for name, sql in rows]

    async def schema_script(self) -> SchemaScript:
        """Return all objects of all schemas, besides those of extensions."""
        return await read_script(self._access.read)

    def known_script(self, tables: Sequence[TableInfo]) -> None:
        """Return None: reflection reads no statements."""

    def recreation(
        self, table: sa.Table, facts: TableInfo, objects: Mapping[tuple[str, str], SchemaObject], dialect: Dialect
    ) -> Recreation:
        """Compare them in the form in which the server shows them."""
        return recreation(table, facts, objects, dialect)

    # -- copies --------------------------------------------------------------------------------

    def copy_source(self, access: CopyAccess) -> PostgresSource:
        """Return what reads the database for a copy into another kind of database."""
        return PostgresSource(access)

    def row_transfer(self, access: CopyAccess) -> PostgresRows:
        """Return what moves rows into another database."""
        return PostgresRows(access)

    def copy_target(self, access: CopyAccess) -> PostgresTarget:
        """Return what creates and fills tables in a copy from another kind of database."""
        return PostgresTarget(access)

    def drop_tables(self, quoted_names: Sequence[str]) -> list[str]:
        """Return one DROP TABLE for all."""
        return [f"DROP TABLE {', '.join(quoted_names)}"] if quoted_names else []

    async def _one(self, sql: str, *args: Any) -> Any:
        rows = await self._access.read(sql, args)
        return rows[0][0]


# -- programs of PostgreSQL ---------------------------------------------------------------------


@contextmanager
def _environment(url: sa.URL) -> Generator[tuple[dict[str, str], list[str]], None, None]:
    """Yield the environment and the arguments with which PostgreSQL's programs reach the database.

    The password is written to a file that only its owner can read, and does not appear in the list of processes.
    """
    hosts = addresses_of(url)
    host = ",".join(each.host for each in hosts) or None
    port = ",".join(str(each.port) for each in hosts) or url.port or url.query.get("port")
    arguments = [f"--dbname={url.database or 'postgres'}", "--no-password"]
    for option, value in (("--host", host), ("--port", port), ("--username", url.username)):
        if value is not None:
            arguments.append(f"{option}={value}")
    with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
        environment = dict(os.environ)
        if "target_session_attrs" in url.query:
            environment["PGTARGETSESSIONATTRS"] = str(url.query["target_session_attrs"])
        if url.password is not None:
            file = Path(directory) / "pass"
            file.touch(mode=0o600)
            password = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
            file.write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
            environment["PGPASSFILE"] = str(file)
        yield environment, arguments


async def _read_archive(source: Path, arguments: Sequence[str], environment: dict[str, str], *, replace: bool) -> None:
    """Fill a database from an archive, in one transaction, which with ``replace`` first drops its objects."""
    if not replace:
        options = ["--single-transaction", "--exit-on-error", "--no-owner", *arguments]
        await _run("pg_restore", *options, str(source), environment=environment)
        return
    # pg_restore --clean drops only what the archive holds; psql can run other SQL before the archive.
    with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
        script = Path(directory, "archive.sql")
        await _run("pg_restore", "--no-owner", f"--file={script}", str(source), environment=environment)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
        commands = [f"--command={_EMPTY}", f"--file={script}"]
        await _run("psql", *options, *arguments, *commands, environment=environment)


async def _run(program: str, *arguments: str, environment: dict[str, str]) -> None:
    found = shutil.which(program)
    if found is None:
        raise refused_backup(f"{program} is not installed", "install PostgreSQL's client programs", program)
    process = await asyncio.create_subprocess_exec(
        found, *arguments, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, errors = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        text = _last_line(errors.decode(errors="replace").splitlines())
        raise DatabaseError(f"{program} failed: {text}", hint="use the version of the program that matches the server")


def _last_line(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if line.strip()), "no message")


TOOLS = PostgresTools
