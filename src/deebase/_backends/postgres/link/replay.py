"""Positions in the write-ahead log: how far the primary has written it, and how far a replica has replayed it."""

from __future__ import annotations

from typing import Any

from deebase._backends.postgres.catalog_queries import qualified
from deebase._lanes.replica import ReplayState, position_number
from deebase._sql.statement import Statement

#: What is flushed includes each commit, unless sessions do not wait for the disk. The end of the log is no position to
#: wait for otherwise: it may be sent to replicas much later.
POSITION = Statement(
    qualified("""
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
  WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
  ELSE pg_current_wal_flush_lsn() END::text
"""),
    reads=True,
)
#: Without a receiver, all that was received may be replayed, and still be old.
STATE = Statement(
    qualified("""
SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn()::text, pg_last_wal_receive_lsn()::text,
  EXISTS (SELECT FROM pg_stat_wal_receiver),
  extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
"""),
    reads=True,
)


def replay_state(row: Any) -> ReplayState:
    """Return the state of a replica from a row of ``STATE``."""
    standby, replayed, received, streams, age = row
    done = 0 if replayed is None else position_number(replayed)
    is_complete = streams and received is not None and done >= position_number(received)
    return ReplayState(standby, done, is_complete, None if age is None else max(age, 0.0))
