"""All that a SQLite file holds, in a form in which two moments can be compared."""

from __future__ import annotations

import sqlite3
from typing import Any

from deebase._backends.sqlite.casts import FITS, STORED, fits, stored
from deebase._sqltext.quoting import identifier
from deebase._types.decimals import compare_decimals

Snapshot = dict[str, Any]


def opened(path: Any) -> sqlite3.Connection:
    """Open a file as SQLite itself does, with what our columns need."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.create_collation("deebase_decimal", compare_decimals)
    connection.create_function(FITS, 2, fits)
    connection.create_function(STORED, 2, stored)
    return connection


def _is_false_alarm(connection: sqlite3.Connection, text: str) -> bool:
    """Whether SQLite reports a NULL that does not exist.

    3.40 does of any WITHOUT ROWID table whose key is not its first column, also of one that was never changed. IS NULL
    would not tell: of a NOT NULL column SQLite takes it for false without looking.
    """
    _, separator, column = text.partition("NULL value in t.")
    return (
        bool(separator)
        and not connection.execute(f"SELECT 1 FROM t WHERE typeof({identifier(column)}) = 'null'").fetchall()
    )


def snapshot(path: Any) -> Snapshot:
    """Return schema, rows with their rowids, counters; the file has to be sound."""
    connection = opened(path)
    try:
        found = [text for (text,) in connection.execute("PRAGMA integrity_check")]
        assert found == ["ok"] or all(_is_false_alarm(connection, text) for text in found), found
        listed = connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
        ).fetchall()
        result: Snapshot = {"schema": listed}
        for kind, name, _, sql in listed:
            if kind == "table" and not sql.upper().startswith("CREATE VIRTUAL"):
                result[name] = rows(connection, name, sql)
            elif kind == "view":
                # A view has no order of its own.
                result[name] = sorted(connection.execute(f"SELECT * FROM {identifier(name)}").fetchall(), key=repr)
        result["broken references"] = connection.execute("PRAGMA foreign_key_check").fetchall()
        return result
    finally:
        connection.close()


def rows(connection: sqlite3.Connection, name: str, sql: str) -> list[Any]:
    """Return the rows of a table, with the types in which they are stored."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({identifier(name)})")]
    listed = [identifier(column) for column in columns]
    kinds = [f"typeof({column})" for column in listed]
    rowid = [] if "WITHOUT ROWID" in sql.upper() else ["rowid"]
    return connection.execute(
        f"SELECT {', '.join(rowid + listed + kinds)} FROM {identifier(name)} ORDER BY 1"
    ).fetchall()
