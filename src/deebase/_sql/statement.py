"""The statements that the engine sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deebase._sql.violations import WriteTarget

if TYPE_CHECKING:
    from deebase._sql.reread import Reread

#: The first words of statements that only change rows.
_OF_ROWS = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH")


class Statement:
    """Native SQL text with the properties that the engine uses; cached, so rarely created."""

    __slots__ = (
        "changes_schema",
        "changes_session",
        "keeps_session",
        "last_rows",
        "last_seconds",
        "reads",
        "reread",
        "shares_commit",
        "sql",
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
        #: Rows of its last result as an Arrow table; None before the first.
        self.last_rows: int | None = None
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
