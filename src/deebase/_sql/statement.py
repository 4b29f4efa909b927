"""The statements that the engine sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deebase._sql.violations import WriteTarget

if TYPE_CHECKING:
    from deebase._sql.reread import Reread

#: The first words of statements that only change rows.
_OF_ROWS = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH")
#: A run that is longer than this (seconds) counts at once, a shorter one by a quarter.
SLOW = 0.001
_UNKNOWN = 1e9


class Statement:
    """Native SQL text with the properties that the engine uses; cached, so rarely created."""

    __slots__ = (
        "changes_schema",
        "changes_session",
        "keeps_session",
        "last_seconds",
        "reads",
        "reread",
        "runs_in_loop",
        "shares_commit",
        "sql",
        "usual_seconds",
        "writes",
    )

    def __init__(
        self,
        sql: str,
        *,
        reads: bool = False,
        is_cheap: bool = False,
        shares_commit: bool = False,
        changes_session: bool = False,
        keeps_session: bool = True,
        writes: WriteTarget | None = None,
    ) -> None:
        self.sql: str = sql
        #: Certainly a read: it may run on a lane that cannot write.
        self.reads: bool = reads
        #: Duration of its last run in SQLite's thread, in seconds; an unknown one counts as long.
        self.last_seconds: float = 0.0 if is_cheap else 1.0
        #: Moving average of its durations on SQLite, which a slow run replaces.
        self.usual_seconds: float = _UNKNOWN
        #: Whether it may run in the thread of the event loop, if that is known.
        self.runs_in_loop: bool | None = None
        #: Writes one row: it may be committed together with others that wait for SQLite's writer.
        self.shares_commit: bool = shares_commit
        #: Changes settings of the connection (PRAGMA x = y, ATTACH): every SQLite lane repeats it.
        self.changes_session: bool = changes_session
        #: Does not change the session of a PostgreSQL connection.
        self.keeps_session: bool = keeps_session
        #: The table that it changes, if DeeBase generated the statement.
        self.writes: WriteTarget | None = writes
        #: May create, change or drop a table, as all statements may except plain reads and writes of rows.
        self.changes_schema: bool = not reads and writes is None and not sql.lstrip()[:7].upper().startswith(_OF_ROWS)
        #: How to read the returned rows again, if triggers may change them after the statement.
        self.reread: Reread | None = None

    def ran(self, seconds: float) -> None:
        """Record the duration of a run."""
        usual = self.usual_seconds
        known = usual != _UNKNOWN and seconds <= SLOW
        self.usual_seconds = usual + (seconds - usual) / 4 if known else seconds
