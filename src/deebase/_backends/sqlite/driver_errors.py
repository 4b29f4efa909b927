"""The errors of SQLite: their classes, messages and hints."""

from __future__ import annotations

import re

from deebase._backends.error_translation import (
    common,
    database_error,
    integrity_error,
    original,
    refused_by_sqlalchemy,
    statement_of,
)
from deebase.errors import (
    CheckViolationError,
    ConfigurationError,
    ConnectionError,
    DatabaseError,
    DataError,
    DeeBaseError,
    IntegrityError,
    QueryError,
    class_for_sqlite,
)

# Result codes (sqlite.org/rescode.html), written out because this module must not load the driver.
_CONSTRAINT_TRIGGER = 1811
_KINDS = {2067: "unique", 1555: "primary_key", 2579: "primary_key", 787: "foreign_key", 1299: "not_null", 275: "check"}
_NO_SHARED_MEMORY = "the file is in WAL mode, and its shared memory (-shm) cannot be used"
_DAMAGED_HINT = "deebase db doctor shows what is damaged; restore a backup"
_PLAIN = {
    4: "the statement was ended",
    5: "another process holds a lock on the database",
    6: "another statement holds a lock on the table",
    8: "the database, or this transaction, is read-only",
    9: "the statement was interrupted",
    10: "reading or writing the file failed",
    11: "the file is corrupt",
    13: "the disk is full",
    14: "the database file, or its -wal, -shm or -journal file, cannot be opened",
    18: "a value is too large",
    20: "a value has the wrong type for its column",
    26: "the file is not a SQLite database",
    264: _NO_SHARED_MEMORY,
    516: "a rollback removed the rows that the statement was reading",
    520: _NO_SHARED_MEMORY,
    776: "the file has an unfinished transaction, and a read-only connection cannot roll it back",
    1032: "the database file was moved or deleted while it was open",
    1288: _NO_SHARED_MEMORY,
    1544: "the directory of the database is not writable, so SQLite cannot create its -wal or -journal file",
    3338: "the system does not allow access to the file",
}
_READABLE = (
    "grant write permission on the file and its directory, or, if no process writes to it, open it with immutable=1"
)
# By extended code, otherwise by primary code.
_HINTS = {
    8: "open the database without mode=ro or immutable=1, open the transaction without read_only, and check the "
    "permissions of the file and its directory",
    10: "check the disk, the file system and its quota; deebase db doctor shows whether the file is damaged",
    11: _DAMAGED_HINT,
    13: "free some disk space; no change of the statement was stored",
    14: "check the path and the permissions of the file and its directory; reading a file in WAL mode needs its -shm "
    "file, or immutable=1 if no process writes to it",
    26: _DAMAGED_HINT,
    264: _READABLE,
    520: _READABLE,
    776: _READABLE,
    1032: "put the file back, or open a new Database",
    1288: _READABLE,
    1544: _READABLE,
}
# Messages for texts of SQLITE_ERROR that quote a value, by their first words.
_QUOTING = {
    "JSON path": "a JSON path is malformed",
    "bad JSON path": "a JSON path is malformed",
    "fts": "a full-text query is malformed",
    "malformed MATCH": "a full-text query is malformed",
    "unknown special query": "a full-text query is malformed",
}
#: What SQLite says of text that its JSON functions cannot read.
_NO_JSON = "SQLite: malformed JSON"
#: The option of ``Database`` that adds what a connection lacks.
_LACKING = {
    "no such function: ": "functions={...}) or Database(path, extensions=[...]",
    "unknown function: ": "functions={...}",
    "no such collation sequence: ": "collations={...}",
    "no such module: ": "extensions=[...]",
}
#: How SQLite reports an unsafe call in a schema (sqlite.org/pragma.html#pragma_trusted_schema).
_UNSAFE = "unsafe use of "
_UNDECODABLE = re.compile(r"Could not decode to UTF-8 column '(.*?)' with text ", re.DOTALL)
# The ValueErrors that aiosqlite raises for a connection that is not open.
_NOT_OPEN = ("no active connection", "Connection closed")


class SqliteErrors:
    """Translates errors of sqlite3 and aiosqlite."""

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return our error; its class follows from the extended result code alone."""
        outer, statement = error, statement_of(error, statement)
        error = original(error)
        if isinstance(error, DeeBaseError):
            return error
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return _from_code(error, code, statement)
        if type(error).__module__ == "sqlite3":
            return _from_driver(error, statement)
        if isinstance(error, ValueError) and str(error) in _NOT_OPEN:
            return ConnectionError("the connection to the database was closed", hint="open the Database again")
        return common(error) or refused_by_sqlalchemy(outer, statement)


def _from_code(error: BaseException, code: int, statement: str | None) -> DeeBaseError:
    kind = class_for_sqlite(code) or DatabaseError
    unsafe = str(error).partition(_UNSAFE)[2]
    if unsafe:
        # If SQLite is reading the schema, the code is that of a damaged file.
        made = database_error(
            QueryError,
            f"SQLite: the schema of the file calls {unsafe}, which is allowed only in a trusted schema",
            code=str(code),
            statement=statement,
        )
        made.hint = "if you trust the file: Database(path, pragmas={'trusted_schema': 'ON'}), or --trust-schema"
        return made
    if issubclass(kind, IntegrityError):
        return _violation(kind, code, str(error))
    primary = code & 0xFF
    message = _PLAIN.get(code) or _PLAIN.get(primary)
    if str(error).startswith("no such vfs"):
        return ConfigurationError("the SQLite library has no VFS of this name", hint="remove vfs= from the URL")
    lacking = next((option for start, option in _LACKING.items() if str(error).startswith(start)), None)
    if message is None:
        # Syntax errors and unknown names: SQLite's text has names, and almost never values.
        text = str(error)
        message = next((plain for start, plain in _QUOTING.items() if text.startswith(start)), f"SQLite: {text}")
    if message == _NO_JSON:
        made = database_error(DataError, "a text that is not JSON is read as JSON", code=str(code), statement=statement)
        made.hint = "SELECT rowid FROM t WHERE NOT json_valid(column) finds the rows"
        return made
    made = database_error(kind, message, code=str(code), statement=statement)
    added = f"if the application of the file defines it: Database(path, {lacking})" if lacking else None
    made.hint = _HINTS.get(code) or _HINTS.get(primary) or added or made.hint
    return made


def _violation(kind: type[IntegrityError], code: int, message: str) -> IntegrityError:
    constraint = _KINDS.get(code)
    detail = message.partition(" constraint failed: ")[2]
    if kind is CheckViolationError:
        return integrity_error(kind, constraint, constraint_name=detail[:100] or None)
    if constraint in ("unique", "primary_key", "not_null") and detail and not detail.startswith("index '"):
        places = [place.strip().rpartition(".") for place in detail.split(", ")]
        return integrity_error(
            kind, constraint, table_name=places[0][0] or None, columns=tuple(column for _, _, column in places)
        )
    if code == _CONSTRAINT_TRIGGER:
        refused = kind(
            "a trigger rejected the row (RAISE)",
            hint="error.server_message holds the trigger's message",
            constraint=None,
        )
        refused.server_message = message
        return refused
    index = re.fullmatch(r"index '(.*)'", detail)
    return integrity_error(kind, constraint, constraint_name=index.group(1) if index else None)


def _from_driver(error: BaseException, statement: str | None) -> DeeBaseError:
    text = str(error)
    if "closed database" in text:
        return ConnectionError("the connection to the database was closed", hint="open the Database again")
    undecodable = _UNDECODABLE.match(text)
    if undecodable is not None:
        message = f"the text in column {undecodable.group(1)} is not valid UTF-8"
        return database_error(DataError, message, code=None, statement=statement)
    if type(error).__name__ == "InterfaceError" or ("type" in text and "is not supported" in text):
        return database_error(
            DataError, "a parameter has a type that SQLite cannot store", code=None, statement=statement
        )
    return database_error(QueryError, f"SQLite: {text}", code=None, statement=statement)
