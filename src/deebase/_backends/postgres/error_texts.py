"""Messages and hints for errors of PostgreSQL, by their SQLSTATE (manual, appendix A)."""

from __future__ import annotations

# Messages for errors whose own text may quote a value: by SQLSTATE, else by its first three or two characters.
MEANINGS = {
    "0A": "the server does not support what the statement asks for",
    "08": "the link to the server is broken",
    "21": "a row would be changed twice, or a sub-select gave several rows",
    "22": "a value cannot be what the statement makes of it",
    "22001": "a text is too long for its column",
    "22003": "a number is out of the range of its type",
    "22012": "a division by zero",
    "22P02": "a text cannot be read as the type the statement needs",
    "25P02": "an earlier error aborted the transaction",
    "25P03": "the transaction was idle for too long and was ended",
    "25P04": "the transaction took too long and was ended",
    "25006": "the database, or this transaction, is read-only",
    "26": "a prepared statement does not exist on this connection",
    "28": "the server refuses this user or password",
    "2B": "other objects depend on the one that the statement drops",
    "2F": "a function did what it may not do",
    "34": "a cursor does not exist",
    "38": "a function of the database failed",
    "39": "a function of the database failed",
    "3D000": "the database does not exist on the server",
    "3F": "a schema does not exist",
    "40": "the transaction was rolled back by the server",
    "40001": "another transaction changed what this one had read",
    "40P01": "two transactions waited for each other",
    "42": "the statement is wrong, or names something that does not exist",
    "42501": "the user of the connection may not do this",
    "428C9": "the database alone makes the values of a column (GENERATED ALWAYS)",
    "42P10": "no unique constraint or index covers the columns of ON CONFLICT",
    "53": "the server has too few resources",
    "53100": "the disk of the server is full",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left",
    "53400": "a limit of the server's configuration is reached",
    "54": "the statement, or a value in it, is larger than the server can process",
    "55": "an object is not in the state that the statement needs",
    "55006": "the object is in use",
    "55P03": "another transaction holds the lock",
    "57": "the statement was cancelled on the server",
    "57014": "the statement was ended: it took longer than its limit, or was cancelled",
    "57P": "the server ended the connection",
    "57P01": "the server ended the connection: it shuts down, or an administrator ended the session",
    "57P02": "the server ended the connection: another of its processes crashed",
    "57P03": "the server takes no connections now: it starts, stops or recovers",
    "57P04": "the server ended the connection: the database was dropped",
    "57P05": "the server ended the connection: it was idle for too long",
    "58": "the server cannot use one of its files",
    "72": "the snapshot of the transaction is too old",
    "F0": "the server cannot read its configuration",
    "HV": "a foreign server, or the access to it, failed",
    "P0": "a function or trigger of the database raised an error",
    "XX": "the server met an internal error",
    "XX001": "the server found damaged data",
    "XX002": "the server found a damaged index",
}
_LOG = "the log of the server says more"
_POOLER = "if a pooler such as PgBouncer is in between: Database(..., pgbouncer=True)"
# What to do, by SQLSTATE, else by its first three or two characters; else what the class of the error says.
HINTS = {
    "08P01": _POOLER,
    "25001": "run it by db.q outside of db.transaction() and db.script",
    "25006": "open the transaction without read_only; a standby takes no writes (target_session_attrs=read-write finds "
    "the primary), nor does a role or database with default_transaction_read_only",
    "26": _POOLER,
    "28": "correct the user in the URL, or what pg_hba.conf of the server allows it (perhaps with sslmode=require)",
    "28P01": "correct user and password in the URL",
    "3D000": "create it first, connected to another one: CREATE DATABASE ...; or correct the name in the URL",
    "42501": "GRANT the right to the user of the URL, or connect as another user",
    "42P05": _POOLER,
    "53100": "free some space on the server; nothing of the transaction is stored",
    "53200": "lower work_mem, or what the statement sorts, aggregates or returns at once",
    "53300": "lower pool_size=, end idle clients, put PgBouncer in between, or raise max_connections of the server",
    "53": f"{_LOG}; a limit of the server or the system has to be raised, or the load lowered",
    "54": "split the statement, shorten the value, or index a hash of it",
    "54001": "split the statement: its conditions or expressions are nested too deeply",
    "54011": "divide the columns among several tables",
    "54023": "pass fewer arguments, or an array of them",
    "57P03": "try again in a moment",
    "57P04": "connect to another database, or create it again",
    "57P": "run the whole transaction again, or use db.retry; the pool connects again by itself",
    "58": f"{_LOG}; a path in a statement is one on the server, and the server's user must be allowed to use it",
    "72": "run the whole transaction again",
    "F0": _LOG,
    "HV": "check that the foreign server runs, and its options and user mapping",
    "P0": "error.server_message has the text that it raised",
    "XX": f"{_LOG}; run the statement again, and report the error to PostgreSQL if it stays",
    "XX001": "restore a backup: parts of a table are lost on the server",
    "XX002": "REINDEX the index that the log of the server names",
}
#: By what the server writes in English; in other languages the neutral text is all there is.
CANCELLED = {
    "user request": (
        "the statement was cancelled on request",
        "another session cancelled this statement, as pg_cancel_backend does: no limit of the Database was reached",
    ),
    "statement timeout": (
        "the statement took longer than statement_timeout and was ended",
        "make the statement cheaper, or raise what set the limit: SET statement_timeout in this transaction, else "
        "command_timeout= of the Database, the role or the database",
    ),
}
#: The server's functions that refuse a row that does not fit into a page (SQLSTATE 54000, which has other meanings).
FITTING = ("RelationGetBufferForTuple", "raw_heap_insert")
ROW_TOO_BIG = (
    "a row is too big for one page of the server (8 kB by default): only long values, such as text and JSON, are "
    "stored outside of it",
    "divide the columns among several tables, or keep many of them together in one JSON column",
)


def by_state(table: dict[str, str], state: str) -> str | None:
    """Return the entry of a SQLSTATE: its own, else that of its first three or two characters."""
    return table.get(state) or table.get(state[:3]) or table.get(state[:2])
