"""Whole files of SQLite: copied while they are in use, and looked at for damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def copy_out(raw: Any, name: str) -> None:
    """Copy the database of a connection, as of one moment, to a file without a log beside it."""
    with closing(sqlite3.connect(name)) as file:
        raw.backup(file)
        file.execute("PRAGMA journal_mode = DELETE")


def copy_in(raw: Any, source: Path) -> None:
    """Replace the database of a connection by that of a file."""
    with closing(_reading(source)) as file:
        file.backup(raw)


def damage(source: Path) -> str | None:
    """Return what SQLite finds wrong with a file; None for a sound one."""
    with closing(_reading(source)) as connection:
        try:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if found == "ok" else str(found)


def _reading(source: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
