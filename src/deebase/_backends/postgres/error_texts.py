"""Messages and hints for the errors of PostgreSQL, by SQLSTATE (manual, appendix A)."""

from __future__ import annotations

# Messages for errors whose server text may quote a value: by SQLSTATE, otherwise by its first three or two characters.
MEANINGS = {
    "0A": "the server does not support a feature of the statement",
    "08": "the connection to the server is broken",
    "21": "a row would be changed twice, or a subquery returned several rows",
    "22": "a value is not valid for its use in the statement",
    "22001": "a string is too long for its column",
    "22003": "a number is out of range for its type",
    "22012": "division by zero",
    "22P02": "a string is not valid input for the type that the statement needs",
    "25P02": "an earlier error aborted the transaction",
    "25P03": "the transaction was idle for too long and was ended",
    "25P04": "the transaction took too long and was ended",
    "25006": "the database, or this transaction, is read-only",
    "26": "a prepared statement does not exist on this connection",
    "28": "the server rejected the user or password",
    "2B": "other objects depend on the one that the statement drops",
    "2F": "a function violated a rule for functions",
    "34": "a cursor does not exist",
    "38": "a function of the database failed",
    "39": "a function of the database failed",
    "3D000": "the database does not exist on the server",
    "3F": "a schema does not exist",
    "40": "the transaction was rolled back by the server",
    "40001": "another transaction changed what this one had read",
    "40P01": "two transactions waited for each other",
    "42": "the statement is wrong, or names something that does not exist",
    "42501": "the user of the connection lacks the privilege",
    "428C9": "the database alone generates the values of a column (GENERATED ALWAYS)",
    "42P10": "no unique constraint or index matches the columns of ON CONFLICT",
    "53": "the server has too few resources",
    "53100": "the disk of the server is full",
    "53200": "the server is out of memory",
    "53300": "the server has no free connection",
    "53400": "a limit of the server's configuration is reached",
    "54": "the statement, or a value in it, is larger than the server can process",
    "55": "an object is not in the state that the statement needs",
    "55006": "the object is in use",
    "55P03": "another transaction holds the lock",
    "57": "the statement was cancelled",
    "57014": "the statement took longer than its limit, or was cancelled",
    "57P": "the server ended the connection",
    "57P01": "the server ended the connection: it is shutting down, or an administrator ended the session",
    "57P02": "the server ended the connection: another of its processes crashed",
    "57P03": "the server does not accept connections: it is starting, stopping or recovering",
    "57P04": "the server ended the connection: the database was dropped",
    "57P05": "the server ended the connection: it was idle for too long",
    "58": "the server cannot use one of its files",
    "72": "the snapshot of the transaction is too old",
    "F0": "the server cannot read its configuration",
    "HV": "a foreign server failed, or the access to it",
    "P0": "a function or trigger of the database raised an error",
    "XX": "the server reported an internal error",
    "XX001": "the server found damaged data",
    "XX002": "the server found a damaged index",
}
_LOG = "see the server log for details"
_POOLER = "if a pooler such as PgBouncer is in use: Database(..., pgbouncer=True)"
# Hints by SQLSTATE, otherwise by its first three or two characters, otherwise by the class of the error.
HINTS = {
    "08P01": _POOLER,
    "25001": "run it with db.q, outside of db.transaction() and db.script",
    "25006": "open the transaction without read_only; a standby accepts no writes (target_session_attrs=read-write "
    "finds the primary), and neither does a role or database with default_transaction_read_only",
    "26": _POOLER,
    "28": "correct the user in the URL, or the entry of pg_hba.conf on the server (it may require sslmode=require)",
    "28P01": "correct the user and password in the URL",
    "3D000": "create it while connected to another database (CREATE DATABASE ...), or correct the name in the URL",
    "42501": "GRANT the privilege to the user of the URL, or connect as another user",
    "42P05": _POOLER,
    "53100": "free some disk space on the server; no change of the transaction was stored",
    "53200": "lower work_mem, or sort, aggregate or return fewer rows at once",
    "53300": "lower pool_size=, end idle clients, use PgBouncer, or raise max_connections on the server",
    "53": f"{_LOG}; raise a limit of the server or the system, or lower the load",
    "54": "split the statement, shorten the value, or index a hash of it",
    "54001": "split the statement: its conditions or expressions are nested too deeply",
    "54011": "divide the columns among several tables",
    "54023": "pass fewer arguments, or an array of them",
    "57P03": "try again in a moment",
    "57P04": "connect to another database, or create it again",
    "57P": "run the whole transaction again, or use db.retry; the pool reconnects automatically",
    "58": f"{_LOG}; a path in a statement is a path on the server, and the server's user needs access to it",
    "72": "run the whole transaction again",
    "F0": _LOG,
    "HV": "check that the foreign server is running, and check its options and user mapping",
    "P0": "error.server_message holds its message",
    "XX": f"{_LOG}; run the statement again, and report the error to PostgreSQL if it persists",
    "XX001": "restore a backup: parts of a table are lost on the server",
    "XX002": "REINDEX the index that the log of the server names",
}
#: Keys are the server's English texts; for other languages a neutral text is used.
CANCELLED = {
    "user request": (
        "the statement was cancelled on request",
        "another session cancelled this statement, for example with pg_cancel_backend; no timeout was reached",
    ),
    "statement timeout": (
        "the statement took longer than statement_timeout and was ended",
        "make the statement cheaper, or raise the limit where it was set: SET statement_timeout in this transaction, "
        "command_timeout= of the Database, the role or the database",
    ),
}
REPLICA_CANCELLED = (
    "a replica cancelled the query: it conflicts with a change of the primary that the replica has to replay",
    "run it again, or on the primary; for long queries set hot_standby_feedback=on, or raise "
    "max_standby_streaming_delay on the replica",
)
#: The server functions that reject a row which does not fit into a page (SQLSTATE 54000 has other meanings, too).
FITTING = ("RelationGetBufferForTuple", "raw_heap_insert")
ROW_TOO_BIG = (
    "a row is too big for one page of the server (8 kB by default): only long values, such as text and JSON, are "
    "stored outside of the page",
    "divide the columns among several tables, or store many of them together in one JSON column",
)


def by_state(table: dict[str, str], state: str) -> str | None:
    """Return the entry of a SQLSTATE: or that of its first three or two characters."""
    return table.get(state) or table.get(state[:3]) or table.get(state[:2])
