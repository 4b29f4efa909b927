"""SQLite: what its errors mean."""

from __future__ import annotations

import re
import sqlite3

from deebase._backends.base import common, database_error, integrity_error, original
from deebase.errors import (
    CheckViolationError,
    ConnectionError,
    DataError,
    DatabaseError,
    DeeBaseError,
    IntegrityError,
    QueryError,
    class_for_sqlite,
)

_KINDS = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "primary_key",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "primary_key",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key",
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "not_null",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "check",
}
_CORRUPT = {sqlite3.SQLITE_CORRUPT: "the file is corrupt", sqlite3.SQLITE_NOTADB: "the file is not a SQLite database"}
_PLAIN = {
    sqlite3.SQLITE_BUSY: "another process holds a lock on the database",
    sqlite3.SQLITE_READONLY: "the database, or this transaction, is read-only",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
    sqlite3.SQLITE_TOOBIG: "a value is too large",
    sqlite3.SQLITE_MISMATCH: "a value is not of the type the column takes",
    **_CORRUPT,
}


class SqliteBackend:
    """Translates errors of sqlite3 and aiosqlite."""

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return our error, its class from the extended result code alone."""
        error = original(error)
        if isinstance(error, DeeBaseError):
            return error
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None:
            return _from_code(error, code, statement)
        if isinstance(error, sqlite3.Error):
            return _from_driver(error, statement)
        if isinstance(error, ValueError) and "connection" in str(error).lower():
            return ConnectionError("the connection to the database was closed", hint="open the Database again")
        return common(error)


def _from_code(error: BaseException, code: int, statement: str | None) -> DeeBaseError:
    kind = class_for_sqlite(code) or DatabaseError
    if issubclass(kind, IntegrityError):
        return _violation(kind, code, str(error))
    primary = code & 0xFF
    message = _PLAIN.get(primary)
    if message is None:
        # Syntax errors and unknown names: SQLite's text names them, and holds no values.
        message = f"SQLite: {error}"
    return database_error(kind, message, code=str(code), statement=statement)


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
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return kind("a trigger refuses the row (RAISE)", hint="see the triggers of the table", constraint=None)
    index = re.fullmatch(r"index '(.*)'", detail)
    return integrity_error(kind, constraint, constraint_name=index.group(1) if index else None)


def _from_driver(error: sqlite3.Error, statement: str | None) -> DeeBaseError:
    text = str(error)
    if "closed database" in text:
        return ConnectionError("the connection to the database was closed", hint="open the Database again")
    if isinstance(error, sqlite3.InterfaceError) or "type" in text and "is not supported" in text:
        return database_error(
            DataError, "a parameter is of a type SQLite cannot store", code=None, statement=statement
        )
    return database_error(QueryError, f"SQLite: {text}", code=None, statement=statement)
