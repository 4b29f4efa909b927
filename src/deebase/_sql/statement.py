"""A statement as the engine sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deebase._sql.violations import WriteTarget

if TYPE_CHECKING:
    from deebase._sql.reread import Reread

#: How statements begin that change rows alone.
_OF_ROWS = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH")


class Statement:
    """Native SQL text with what the engine has to know of it; kept per shape, so made rarely."""

    __slots__ = (
        "changes_schema",
        "changes_session",
        "keeps_session",
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
        #: Plainly a read: may go to a lane that cannot write.
        self.reads: bool = reads
        #: Seconds its last run took in SQLite's thread; unknown counts as long.
        self.last_seconds: float = 0.0 if is_cheap else 1.0
        #: Writes one row: may be committed together with others that wait for SQLite's writer.
        self.shares_commit: bool = shares_commit
        #: Changes settings of the connection (PRAGMA x = y, ATTACH): every SQLite lane repeats it.
        self.changes_session: bool = changes_session
        #: Leaves no trace in the session of a PostgreSQL connection.
        self.keeps_session: bool = keeps_session
        #: The table that it changes, where it is a statement of ours.
        self.writes: WriteTarget | None = writes
        #: May make, change or drop a table, as everything may that is no plain read or write of rows.
        self.changes_schema: bool = not reads and writes is None and not sql.lstrip()[:7].upper().startswith(_OF_ROWS)
        #: How to read the returned rows again, where triggers may change them after it.
        self.reread: Reread | None = None
