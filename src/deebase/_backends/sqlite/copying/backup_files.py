"""Files that hold a whole database: the backup, and the file that a restore reads."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from deebase._backends.additions import Additions
from deebase._backends.sqlite.connections import add_functions
from deebase._backends.sqlite.schema_calls import callbacks, quoted_texts
from deebase._backends.sqlite.schema_calls.callbacks import lacks_addition
from deebase._backends.sqlite.schema_calls.trust import trust_if_needed
from deebase._backends.sqlite.thread.job import is_busy
from deebase.errors import DatabaseError

_ALL: Final = 2**31 - 1
#: What an integrity check says of rows that violate a constraint: they are as whole as all others.
_VIOLATION: Final = re.compile("CHECK constraint failed in |(?:non-)?[A-Z]+ value in ")


def copy_out(raw: Any, name: str) -> None:
    """Copy a snapshot of the database of a connection to a file without a write-ahead log."""
    with closing(sqlite3.connect(name)) as file:
        raw.backup(file)
        file.execute("PRAGMA journal_mode = DELETE")


def copy_in(raw: Any, source: Path, additions: Additions) -> None:
    """Overwrite the database of a connection with the contents of a file."""
    size = _page_size(raw)
    with closing(reading(source, additions)) as file:
        # A database with a log keeps its page size (sqlite.org/c3ref/backup_finish.html, SQLITE_READONLY).
        if _page_size(file) == size or (raw.execute("PRAGMA page_count").fetchone()[0] <= 1 and _has_no_log(raw)):
            file.backup(raw)
            return
        with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
            fitting = Path(directory, "fitting.db")
            file.execute(f"PRAGMA page_size = {size}")
            # Unlike a plain VACUUM it keeps every rowid.
            file.execute("VACUUM INTO ?", [str(fitting)])
            with closing(reading(fitting, additions)) as other:
                other.backup(raw)


def _has_no_log(raw: Any) -> bool:
    """Give up the write-ahead log of an empty file, unless others use it; the next connection begins one again."""
    try:
        (mode,) = raw.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if is_busy(error):
            return False
        raise
    return str(mode) != "wal"


def _page_size(raw: Any) -> int:
    return int(raw.execute("PRAGMA page_size").fetchone()[0])


def require_sound(path: Path, additions: Additions) -> None:
    """Refuse a damaged file.

    Raises:
        DatabaseError: SQLite finds damage.
    """
    with closing(reading(path, additions)) as connection:
        try:
            lines = (line for (line,) in connection.execute(f"PRAGMA integrity_check({_ALL})"))
            found = next((line for line in lines if not _VIOLATION.match(line)), "ok")
        except sqlite3.DatabaseError as error:
            # An index may need a function or collation of its application; that is no damage.
            found = "ok" if lacks_addition(error) else str(error)
    if found != "ok":
        raise DatabaseError(f"the file is damaged: {found}", hint="make another backup, and check the disk")


def opened(path: Path, additions: Additions) -> sqlite3.Connection:
    """Open a snapshot for reading and writing, with the functions that its schema may call."""
    connection = _set_up(sqlite3.connect(path, isolation_level=None), additions)
    callbacks.stand_in(connection)
    return connection


def reading(source: Path, additions: Additions) -> sqlite3.Connection:
    """Open a file for reading, with the functions that its schema may call."""
    return _set_up(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True), additions)


def _set_up(connection: sqlite3.Connection, additions: Additions) -> sqlite3.Connection:
    add_functions(connection)
    quoted_texts.accept(connection)
    callbacks.add(connection, additions)
    # The file may come from an untrusted source.
    connection.execute("PRAGMA trusted_schema = OFF")
    trust_if_needed(connection, added=bool(additions))
    return connection
