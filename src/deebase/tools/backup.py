"""A copy of a whole database in one file, and the way back: SQLite's online backup, PostgreSQL's pg_dump."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deebase._backends.sqlite.tools import copy_in, copy_out, damage
from deebase._engine.core import core_of
from deebase._sql.statement import Statement
from deebase.database import Database
from deebase.errors import DatabaseError, InvalidOperationError

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane

__all__ = ["backup", "restore"]

#: How a file of SQLite begins (sqlite.org/fileformat2.html).
_SQLITE_FILE = b"SQLite format 3\0"
#: All that users created, as what comes after DROP: schemas, what the schema public holds, and what belongs to no
#: schema; without the parts of extensions, and of other objects. Event triggers come first: they see the other drops.
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
#: The names are collected first, since each drop takes others with it.
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


async def backup(db: Database, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a copy of the database to a file, while it is in use, and make sure that it is sound.

    SQLite: a database file, as of one moment; its integrity is checked. PostgreSQL: an archive of ``pg_dump``, which
    has to be installed. The file is there whole or not at all.

    Args:
        db: the database.
        path: the file.
        overwrite: replace a file that is there.

    Returns:
        The path of the file.

    Raises:
        InvalidOperationError: the file exists, or cannot be written; pg_dump is not installed.
        DatabaseError: the copy is not sound, or pg_dump failed.

    Example:
        ```python
        await backup(db, "app-backup.db", overwrite=True)
        ```
    """
    target = Path(path)
    name = _beside(target, overwrite=overwrite)
    try:
        if db.engine.dialect.name == "sqlite":
            await _with_connection(db, lambda raw: copy_out(raw, name), write=False)
            _must_be_sound(Path(name))
        else:
            with _environment(db) as (environment, arguments):
                await _run("pg_dump", "--format=custom", f"--file={name}", *arguments, environment=environment)
        os.replace(name, target)
    finally:
        for left in (name, f"{name}-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left)
    return target


def _beside(target: Path, *, overwrite: bool) -> str:
    """Make an empty file beside the one that is to be written, and return its name."""
    if target.exists() and not overwrite:
        raise _refused(f"{target} exists", "overwrite=True replaces it", str(target))
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        raise _refused(f"{target} cannot be written: {error.strerror}", "choose another place", str(target)) from error
    os.close(descriptor)
    return name


def _begin(source: Path) -> bytes:
    try:
        with source.open("rb") as file:
            return file.read(len(_SQLITE_FILE))
    except OSError as error:
        raise _refused(f"{source} cannot be read: {error.strerror}", "name a backup", str(source)) from error


async def restore(db: Database, path: str | os.PathLike[str], *, replace: bool = False) -> None:
    """Fill a database with what ``backup`` has written.

    Args:
        db: the database; it is to be empty.
        path: the file.
        replace: take the place of what is there, which is lost, also what came after the backup.

    Raises:
        InvalidOperationError: the database is not empty, the file is no backup of this kind of database, or pg_restore
            (with ``replace`` psql, too) is not installed.
        DatabaseError: pg_restore or psql failed; nothing is changed.

    Example:
        ```python
        await restore(db, "app-backup.db", replace=True)
        ```
    """
    source = Path(path)
    # The file first: what is refused for its sake does not so much as open the database.
    begin = _begin(source)
    sqlite = db.engine.dialect.name == "sqlite"
    if (begin == _SQLITE_FILE) is not sqlite or (not sqlite and not begin.startswith(b"PGDMP")):
        kind = "a SQLite database" if sqlite else "an archive of pg_dump"
        raise _refused(f"{source} is not {kind}", "`deebase db copy` goes from one kind to the other", str(source))
    if sqlite:
        _must_be_sound(source)
    found = await _objects(db)
    if found and not replace:
        raise _refused(
            f"the database is not empty: it has {', '.join(found[:3])}", "replace=True takes their place", str(source)
        )
    if sqlite:
        await _with_connection(db, lambda raw: copy_in(raw, source), write=True)
        # A connection that has read a schema takes no other encoding of texts.
        await core_of(db).executor.reconnect()
    else:
        with _environment(db) as (environment, arguments):
            await _read_archive(source, arguments, environment, empties=bool(found))
    await db.reflect()


async def _objects(db: Database) -> list[str]:
    """Return the names of what a database holds."""
    executor = core_of(db).executor
    if executor.settings.name == "sqlite":
        await db.reflect()
        return [*dir(db.t), *dir(db.v)]
    rows = await executor.fetch(Statement(f"SELECT name FROM ({_OBJECTS}) AS found", reads=True), [])
    return [str(name).removeprefix("public.") for (name,) in rows]


async def _with_connection(db: Database, function: Callable[[Any], None], *, write: bool) -> None:
    """Run a function of a SQLite connection, of one that reads (so that writers go on) or of the one that writes."""
    executor = core_of(db).executor
    lane = cast("SqliteLane", await executor.lanes().acquire("a backup", write=write))
    try:
        await lane.call(function)
    except BaseException as error:
        executor.raise_translated(error)
    finally:
        lane.release()


def _must_be_sound(source: Path) -> None:
    found = damage(source)
    if found is not None:
        raise DatabaseError(f"the file is not sound: {found}", hint="take another backup; look at the disk")


# -- programs of PostgreSQL ---------------------------------------------------------------------


@contextmanager
def _environment(db: Database) -> Generator[tuple[dict[str, str], list[str]], None, None]:
    """Give the environment and the arguments by which PostgreSQL's programs find the database.

    The password is in a file of its own, which is no one else's to read; it is in no list of processes.
    """
    url = db.engine.url
    host, port = url.host or url.query.get("host"), url.port or url.query.get("port")
    host = host[0] if isinstance(host, tuple) else host
    arguments = [f"--dbname={url.database or 'postgres'}", "--no-password"]
    for option, value in (("--host", host), ("--port", port), ("--username", url.username)):
        if value is not None:
            arguments.append(f"{option}={value}")
    with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
        environment = dict(os.environ)
        if url.password is not None:
            file = Path(directory) / "pass"
            file.touch(mode=0o600)
            password = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
            file.write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
            environment["PGPASSFILE"] = str(file)
        yield environment, arguments


async def _read_archive(source: Path, arguments: Sequence[str], environment: dict[str, str], *, empties: bool) -> None:
    """Fill a database from an archive, in one transaction, in which it is emptied first."""
    if not empties:
        options = ["--single-transaction", "--exit-on-error", "--no-owner", *arguments]
        await _run("pg_restore", *options, str(source), environment=environment)
        return
    # pg_restore drops no more than the archive holds; psql runs its SQL behind any other.
    with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
        script = Path(directory, "archive.sql")
        await _run("pg_restore", "--no-owner", f"--file={script}", str(source), environment=environment)
        options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse"]
        commands = [f"--command={_EMPTY}", f"--file={script}"]
        await _run("psql", *options, *arguments, *commands, environment=environment)


async def _run(program: str, *arguments: str, environment: dict[str, str]) -> None:
    found = shutil.which(program)
    if found is None:
        raise _refused(f"{program} is not installed", "install PostgreSQL's client programs", program)
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
        raise DatabaseError(f"{program} failed: {text}", hint="take the one that came with the server's version")


def _last_line(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _refused(message: str, hint: str, target: str) -> InvalidOperationError:
    return InvalidOperationError(message, operation="backup", target=target, hint=hint)
