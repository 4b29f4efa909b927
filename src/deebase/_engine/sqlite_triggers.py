"""Rows of writes as they are stored: SQLite takes those of RETURNING before its triggers run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from deebase._sql.reread import folded
from deebase._sql.statement import Statement

#: A changed key may come back to its own table by ON UPDATE, whose actions run as late as triggers do.
_CHANGED_LATE = """
    SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'
    UNION SELECT tbl_name FROM sqlite_temp_master WHERE type = 'trigger'
    UNION SELECT f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND m.rootpage > 0 AND f.on_update NOT IN ('NO ACTION', 'RESTRICT')
"""


class Triggers:
    """The tables of a connection whose rows triggers may change, whoever makes those.

    SQLite counts the changes of its schema. Asking for that number costs 2 microseconds inside of a transaction, so it
    is asked for before each write that returns rows.
    """

    __slots__ = ("_tables", "_version", "looked")

    def __init__(self) -> None:
        self._tables: frozenset[str] = frozenset()
        self._version: int | None = None
        #: The schema cannot have changed since it was looked at: the writer's lock is held.
        self.looked = False

    def look(self, raw: sqlite3.Connection) -> None:
        """Take note of the triggers if the schema has changed."""
        version = raw.execute("PRAGMA schema_version").fetchone()[0]
        if version != self._version:
            self._tables = frozenset([folded(table) for (table,) in raw.execute(_CHANGED_LATE)])
            self._version = version

    def forget(self) -> None:
        """Read the schema again before the next write, after a statement that may have changed it.

        The number alone would not tell: a change that is rolled back and the next one get the same.
        """
        self._version = None

    def stored(self, raw: sqlite3.Connection, statement: Statement, rows: list[Any]) -> Sequence[Any]:
        """Return the rows that a statement wrote as they are stored."""
        reread = statement.reread
        if reread is None or not rows:
            return rows
        if not self.looked:
            self.look(raw)
        return [reread.row(raw, row) for row in rows] if reread.table in self._tables else rows
