"""A backup of the database before migrations are applied."""

from __future__ import annotations

import itertools
import os
from datetime import datetime
from pathlib import Path

from deebase.errors import DeeBaseError, MigrationError
from deebase.migrations.target import Target
from deebase.tools.backup import backup


async def back_up(target: Target, wanted: bool | str | os.PathLike[str]) -> Path:
    """Write a backup, and return its path.

    Args:
        target: the database.
        wanted: the file; True for a dated one, beside the file of SQLite, else in the current directory.

    Raises:
        MigrationError: it cannot be written.
    """
    path = _dated(target) if isinstance(wanted, bool) else Path(wanted)
    try:
        return await backup(target.db, path)
    except DeeBaseError as error:
        raise MigrationError(
            f"nothing was applied, because the backup failed: {error.message}",
            hint=f"{error.hint or 'check its directory'}; or write one by hand and leave backup out",
        ) from error


def _dated(target: Target) -> Path:
    settings = target.settings
    moment = f"{datetime.now():%Y%m%d-%H%M%S}"
    if not target.capabilities.is_one_file:
        place, stem, suffix = Path(), settings.sa_url.database or "database", ".dump"
    elif settings.path is not None:
        of = Path(os.path.realpath(settings.path))
        place, stem, suffix = of.parent, of.stem, of.suffix or ".db"
    else:
        place, stem, suffix = Path(), "memory", ".db"
    # The name of a database may have characters that no file name may have.
    stem = "".join([c if c.isalnum() or c in "-_." else "_" for c in stem])
    names = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    return next(path for more in names if not (path := place / f"{stem}-{moment}{more}{suffix}").exists())
