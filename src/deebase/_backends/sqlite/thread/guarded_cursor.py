"""A result of a statement that is not trusted: it can only read, within limits of its time, rows and size."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from deebase._backends.sqlite.guard import SqliteGuard
from deebase._backends.sqlite.thread.job import SqliteCursor
from deebase._lanes.interface import Params, Rows
from deebase._lanes.limits import Allowance
from deebase._sql.read_only import explains
from deebase._sqltext.dialects import SQLITE
from deebase.errors import DeeBaseError

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane

#: The largest value of the limit that SQLite accepts.
_NO_LENGTH = 2**31 - 1
#: How many values of the largest size a statement may hold at once; more have to be shorter, down to some bytes.
_VALUES_AT_ONCE, _SHORT = 16, 1000
#: Instructions that make a value.
_CALLS = ("Function", "PureFunc", "AggFinal", "AggValue", "Concat")


class GuardedCursor(SqliteCursor):
    """A result that is read in pieces, while the guard and the limits watch the statement."""

    def __init__(self, lane: SqliteLane, guard: SqliteGuard, allowance: Allowance) -> None:
        super().__init__(lane, 1)
        self._guard = guard
        self._allowance = allowance
        self._longest = _NO_LENGTH if allowance.limits.size is None else allowance.limits.size

    def _begin(self, raw: sqlite3.Connection, sql: str, args: Params) -> None:
        with self._watched(raw):
            self._set_longest(raw, sql, args)
            super()._begin(raw, sql, args)
        if self._lane.worker.closed:
            # No one waits for it any more, and it would keep the file open.
            self.end()

    def _set_longest(self, raw: sqlite3.Connection, sql: str, args: Params) -> None:
        """Make the values of a statement that holds many of them at once shorter."""
        size = self._allowance.limits.size
        if size is None or explains(sql, SQLITE):
            return
        program = raw.execute(f"EXPLAIN {sql}", args).fetchall()
        width = max((columns for _, name, _, columns, *_ in program if name == "ResultRow"), default=1)
        calls = sum(name in _CALLS for _, name, *_ in program)
        self._longest = max(min(size, _VALUES_AT_ONCE * size // max(width, calls, 1)), _SHORT)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._longest)

    def _fetch(self, raw: sqlite3.Connection) -> Rows:
        allowance = self._allowance
        with self._watched(raw):
            return allowance.take(islice(self._cursor or (), allowance.piece()))

    @contextmanager
    def _watched(self, raw: sqlite3.Connection) -> Generator[None]:
        """Let the guard decide about what is compiled, and the limits about what runs."""
        allowance, worker, started = self._allowance, self._lane.worker, time.monotonic()
        worker.stops_at = started + allowance.seconds
        before = raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._longest)
        # The connection compiles its cached statements again.
        raw.set_authorizer(self._guard)
        try:
            yield
        except sqlite3.Error as error:
            explained = self._explained(error)
            if explained is None:
                raise
            raise explained from error
        finally:
            raw.set_authorizer(None)
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
            worker.stops_at = math.inf
            allowance.seconds -= time.monotonic() - started

    def _explained(self, error: sqlite3.Error) -> DeeBaseError | None:
        refusal = self._guard.refusal()
        if refusal is not None:
            return refusal
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT and time.monotonic() > self._lane.worker.stops_at:
            return self._allowance.limits.too_slow()
        if code == sqlite3.SQLITE_TOOBIG and self._allowance.limits.size is not None:
            return self._allowance.limits.too_large()
        return None
