"""A backup of the database before migrations are applied."""

from __future__ import annotations

import itertools
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.errors import DeeBaseError, MigrationError
from deebase.tools.backup import backup

if TYPE_CHECKING:
    from deebase.database import Database


async def back_up(db: Database, wanted: bool | str | os.PathLike[str]) -> Path:
    """Write a backup, and return its path.

    Args:
        db: the database.
        wanted: the file; True for a dated one, beside the file of SQLite, else in the current directory.

    Raises:
        MigrationError: it cannot be written.
    """
    path = _dated(db) if isinstance(wanted, bool) else Path(wanted)
    try:
        return await backup(db, path)
    except DeeBaseError as error:
        raise MigrationError(
            f"nothing was applied, because the backup failed: {error.message}",
            hint=f"{error.hint or 'look at its place'}; or make one by hand and leave backup out",
        ) from error


def _dated(db: Database) -> Path:
    settings = core_of(db).settings
    moment = f"{datetime.now():%Y%m%d-%H%M%S}"
    if settings.name == "postgresql":
        place, stem, suffix = Path(), settings.sa_url.database or "database", ".dump"
    elif settings.path is not None:
        of = Path(os.path.realpath(settings.path))
        place, stem, suffix = of.parent, of.stem, of.suffix or ".db"
    else:
        place, stem, suffix = Path(), "memory", ".db"
    # The name of a database on a server may hold what no file name may.
    stem = "".join([c if c.isalnum() or c in "-_." else "_" for c in stem])
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    return next(path for more in names if not (path := place / f"{stem}-{moment}{more}{suffix}").exists())
