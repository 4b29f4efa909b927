"""PostgreSQL: what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from deebase._backends.base import (
    common,
    database_error,
    integrity_error,
    original,
    refused_by_sqlalchemy,
    statement_of,
)
from deebase.errors import (
    ConfigurationError,
    ConnectionError,
    DatabaseError,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    NotNullViolationError,
    QueryError,
    SerializationError,
    UniqueViolationError,
    class_for_sqlstate,
)

# What is said where the server's own text may quote a value: by SQLSTATE, else by its first three or two characters.
_PLAIN = {
    "0A": "the server does not support what the statement asks for",
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
    "28": "the server refuses this user or password",
    "3D000": "there is no such database on the server",
    "40001": "another transaction changed what this one had read",
    "40P01": "two transactions waited for each other",
    "42": "the statement is wrong, or names something that does not exist",
    "428C9": "the database alone makes the values of a column (GENERATED ALWAYS)",
    "42P10": "no unique constraint or index covers the columns of ON CONFLICT",
    "53100": "the disk of the server is full",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left",
    "55P03": "somebody else holds the lock",
    "57014": "the statement took too long and was ended",
    "57P": "the server ended the connection",
    "08": "the link to the server is broken",
    "P0": "a function or trigger of the database raised an error",
}
_UNREADABLE = "a value is beyond what Python holds; a date outside of the years 1 to 9999 is read as CAST(... AS text)"
_CHANGED = "a table was changed since this connection last used it"
_HINTS = {
    "3D000": "create it first, connected to another one: CREATE DATABASE ...; or correct the name in the URL",
    "28P01": "correct user and password in the URL",
}
_IN_USE_BY_ITSELF = "leave the loop over a stream that reads the table first; change it in a transaction of its own"
# Classes whose texts are made of names: wrong syntax, unknown or existing names, objects in use.
_NAMING = ("0A", "26", "2B", "34", "3F", "42", "55")
# Texts that quote names alone, whatever was sent: of a role, a database, an object, a command.
_ALWAYS_NAMING = ("25001", "25P01", "28", "3D000", "42501")
# Commands that take no parameters, so that no value can be in what the server says of them.
_UTILITY = re.compile(
    r"\s*(?:ALTER|ANALYZE|CLOSE|CLUSTER|COMMENT|COPY|CREATE|DROP|FETCH|GRANT|LOCK|REFRESH|REINDEX|RELEASE|RESET|REVOKE"
    r"|ROLLBACK|SET|SHOW|TRUNCATE|VACUUM)\b",
    re.IGNORECASE,
)
_KINDS: dict[type[IntegrityError], str] = {ForeignKeyViolationError: "foreign_key", NotNullViolationError: "not_null"}


class PostgresBackend:
    """Translates errors of asyncpg.

    Args:
        uniques: tells table and columns of a unique constraint by its name.
    """

    def __init__(self, uniques: Callable[[str | None], tuple[str, tuple[str, ...]] | None]) -> None:
        self._uniques = uniques

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return our error, its class from the SQLSTATE alone."""
        outer, statement = error, statement_of(error, statement)
        error = original(error)
        if isinstance(error, DeeBaseError):
            return error
        if statement is not None and type(error) in (ValueError, OverflowError):
            # From making Python's values of an answer: what asyncpg refuses of its parameters is an error of its own.
            return database_error(DataError, _UNREADABLE, code=None, statement=statement)
        if not type(error).__module__.startswith("asyncpg"):
            return common(error) or refused_by_sqlalchemy(outer, statement)
        state = getattr(error, "sqlstate", None)
        # The server's own errors come with their fields; those of the client have the text alone.
        if state is None or getattr(error, "severity", None) is None:
            return _from_client(error, statement)
        if type(error).__name__ == "InvalidCachedStatementError":
            # asyncpg has thrown its prepared statements away by now; outside of a transaction it tried again by itself.
            return database_error(SerializationError, _CHANGED, code=state, statement=statement)
        kind = class_for_sqlstate(state) or DatabaseError
        if issubclass(kind, IntegrityError):
            return self._violation(kind, error)
        if getattr(error, "server_source_function", None) == "CheckTableNotInUse":
            # By this very session: no rerun helps. Another session is waited for.
            made = database_error(QueryError, _message(error, state, statement), code=state, statement=statement)
            made.hint = _IN_USE_BY_ITSELF
            return made
        made = database_error(kind, _message(error, state, statement), code=state, statement=statement)
        made.hint = _HINTS.get(state, made.hint)
        return made

    def _violation(self, kind: type[IntegrityError], error: Any) -> IntegrityError:
        name, table, column = error.constraint_name, error.table_name, error.column_name
        columns: tuple[str, ...] = (column,) if column else ()
        constraint = _KINDS.get(kind, "check")
        if kind is UniqueViolationError:
            constraint = "unique"
            known = self._uniques(name)
            if known is not None:
                columns = known[1]
                constraint = "primary_key" if name == f"{table}_pkey" else "unique"
        elif kind is IntegrityError:
            constraint = "exclusion" if error.sqlstate == "23P01" else ""
        return integrity_error(kind, constraint or None, constraint_name=name, table_name=table, columns=columns)


def _message(error: Any, state: str, statement: str | None) -> str:
    if error.message and _names_only(error, state, statement):
        return f"PostgreSQL: {error.message}"
    for key in (state, state[:3], state[:2]):
        if key in _PLAIN:
            return _PLAIN[key]
    return f"PostgreSQL reported SQLSTATE {state}"


def _names_only(error: Any, state: str, statement: str | None) -> bool:
    """Whether the server's text can quote nothing but names and the SQL itself.

    The same codes come from values: ``CAST($1 AS regclass)`` answers with 42P01 and the value, ``to_tsquery($1)``
    with 42601. What the parser finds has a position in the statement and no context; what is found in a value,
    or inside of a function, has not (protocol-error-fields in the PostgreSQL manual).
    """
    if state.startswith(_ALWAYS_NAMING):
        return True
    if not state.startswith(_NAMING) or error.context:
        return False
    return error.position is not None or (statement is not None and _UTILITY.match(statement) is not None)


def _from_client(error: BaseException, statement: str | None) -> DeeBaseError:
    """Translate what asyncpg finds before, or instead of, an answer of the server."""
    text = str(error)
    parameter = re.match(r"invalid input for query argument (\$\d+)", text)
    if parameter is not None:
        return database_error(
            DataError,
            f"the value of parameter {parameter.group(1)} is not of the type the statement needs",
            code="22000",
            statement=statement,
        )
    if "the server expects" in text or "arguments for this query" in text:
        return database_error(QueryError, "the number of parameters does not match", code=None, statement=statement)
    name = type(error).__name__
    if name == "ClientConfigurationError":
        return ConfigurationError(
            f"asyncpg cannot connect with these options: {error.args[0]}", hint="check the URL and connect_args"
        )
    # The server's last word, to a connection that was idle, leaves asyncpg's state machine where it can send nothing.
    if name == "InternalClientError" or "onnect" in name or "closed" in text or "connection" in text:
        return ConnectionError(
            "the link to the server is broken",
            hint="check that it runs; the pool recovers by itself. The server also ends a transaction in which "
            "nothing is asked for longer than idle_timeout",
        )
    return database_error(QueryError, f"asyncpg refused the statement ({name})", code=None, statement=statement)
