"""A copy of a whole database in one file, and the way back: SQLite's online backup, PostgreSQL's pg_dump."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._backends.database_tools import refused_backup
from deebase.database import Database
from deebase.tools.access import tools_of

if TYPE_CHECKING:
    pass

__all__ = ["backup", "restore"]


async def backup(db: Database, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a copy of the database to a file, while it is in use, and check the copy.

    SQLite: a database file with one state of the database; its integrity is checked. PostgreSQL: an archive of
    ``pg_dump``, which must be installed. The file appears whole or not at all.

    Args:
        db: the database.
        path: the file.
        overwrite: replace an existing file.

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
        await tools_of(db).write_backup(Path(name))
        os.replace(name, target)
    finally:
        for left in (name, f"{name}-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left)
    return target


def _beside(target: Path, *, overwrite: bool) -> str:
    """Create an empty file beside the target, and return its name."""
    if target.exists() and not overwrite:
        raise refused_backup(f"{target} already exists", "overwrite=True replaces it", str(target))
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        raise refused_backup(
            f"{target} cannot be written: {error.strerror}", "choose another path", str(target)
        ) from error
    os.close(descriptor)
    return name


async def restore(db: Database, path: str | os.PathLike[str], *, replace: bool = False) -> None:
    """Fill a database from a file that ``backup`` wrote.

    Args:
        db: the database; it must be empty unless ``replace`` is given.
        path: the file.
        replace: replace the contents of the database, which are lost, including rows newer than the backup.

    Raises:
        InvalidOperationError: the database is not empty, the file is no backup of this kind of database, or pg_restore
            (with ``replace`` psql, too) is not installed.
        DatabaseError: the file is damaged, or pg_restore or psql failed; nothing is changed.

    Example:
        ```python
        await restore(db, "app-backup.db", replace=True)
        ```
    """
    source = Path(path)
    tools = tools_of(db)
    # A file that is no backup is refused before the database is opened.
    tools.check_backup(source)
    found = await tools.object_names()
    if found and not replace:
        names = ", ".join(found[:3])
        raise refused_backup(
            f"the database is not empty: it has {names}", "replace=True takes their place", str(source)
        )
    await tools.read_backup(source, replace=bool(found))
    await db.reflect()
