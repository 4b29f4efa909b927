"""The stored rows of writes: SQLite evaluates RETURNING before triggers run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from deebase._lanes.interface import Params, Rows
from deebase._sql.reread import Reread, as_stored
from deebase._sql.statement import Statement

#: Texts that are cached. Other texts are treated as if they fired triggers.
_CACHED = 2000
#: RETURNING itself is a trigger of this name inside of SQLite.
_RETURNING = "sqlite_returning"


class Triggers:
    """Which statements of a connection fire triggers, including triggers that other connections created.

    SQLite calls the authorizer while it compiles a statement, with the name of the trigger that a part belongs to. It
    recompiles outdated statements automatically, so triggers that other programs create are detected at no cost.
    """

    __slots__ = ("_compiling", "_fires", "_fresh")

    def __init__(self) -> None:
        self._fires: dict[str, bool] = {}
        self._compiling: str | None = None
        self._fresh = True

    def watch(self, raw: sqlite3.Connection) -> None:
        """Install the authorizer."""
        raw.set_authorizer(self._authorize)

    def _authorize(
        self, _action: int, _first: str | None, _second: str | None, _schema: str | None, by: str | None
    ) -> int:
        sql = self._compiling
        if sql is not None:
            fires = by is not None and not by.startswith(_RETURNING)
            self._fires[sql] = fires or (not self._fresh and self._fires[sql])
            self._fresh = False
        return sqlite3.SQLITE_OK

    def stored(self, raw: sqlite3.Connection, statement: Statement, write: Callable[[], Rows]) -> Rows:
        """Run a statement with ``write`` and return the stored form of the written rows."""
        if len(self._fires) >= _CACHED:
            self._fires.clear()
        self._compiling, self._fresh = statement.sql, True
        try:
            rows = write()
        finally:
            self._compiling = None
        reread = statement.reread
        if reread is None or not (reread.always or self._fires.get(statement.sql, True)):
            return rows
        return [_stored(raw, reread, row) for row in rows]


def _stored(raw: sqlite3.Connection, reread: Reread, written: Params) -> Params:
    """Return the stored row; if a trigger removed it, the written row."""
    for sql, key in reread.selects(written):
        found = raw.execute(sql, key).fetchone()
        if found is not None:
            return as_stored(found, written)
    return written
