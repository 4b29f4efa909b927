"""Whole files of SQLite: copied while they are in use, and looked at for damage."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from deebase._backends.sqlite.connections import add_functions
from deebase._backends.sqlite.trust import refuses_its_own, trust_if_needed


def copy_out(raw: Any, name: str) -> None:
    """Copy the database of a connection, as of one moment, to a file without a log."""
    with closing(sqlite3.connect(name)) as file:
        raw.backup(file)
        file.execute("PRAGMA journal_mode = DELETE")


def copy_in(raw: Any, source: Path) -> None:
    """Replace the database of a connection by that of a file."""
    size = _page_size(raw)
    with closing(_reading(source)) as file:
        if _page_size(file) == size:
            file.backup(raw)
            return
        # A database with a log keeps its page size (sqlite.org/c3ref/backup_finish.html, SQLITE_READONLY).
        with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
            fitting = Path(directory, "fitting.db")
            file.execute(f"PRAGMA page_size = {size}")
            # Unlike a plain VACUUM it keeps every rowid.
            file.execute("VACUUM INTO ?", [str(fitting)])
            with closing(_reading(fitting)) as other:
                other.backup(raw)


def _page_size(raw: Any) -> int:
    return int(raw.execute("PRAGMA page_size").fetchone()[0])


def damage(source: Path) -> str | None:
    """Return what SQLite finds wrong with a file; None for a sound one."""
    with closing(_reading(source)) as connection:
        try:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return None if found == "ok" else str(found)


def _reading(source: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
    add_functions(connection)
    # The file may be a stranger's.
    connection.execute("PRAGMA trusted_schema = OFF")
    if refuses_its_own():
        trust_if_needed(connection)
    return connection
