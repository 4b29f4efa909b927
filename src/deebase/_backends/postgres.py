"""PostgreSQL: what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from deebase._backends.base import common, database_error, integrity_error, original
from deebase.errors import (
    ConnectionError,
    DatabaseError,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    NotNullViolationError,
    QueryError,
    UniqueViolationError,
    class_for_sqlstate,
)

_PLAIN = {
    "22": "a value cannot be what the statement makes of it",
    "25P02": "an earlier error aborted the transaction",
    "25006": "the database, or this transaction, is read-only",
    "28": "the server refuses this user or password",
    "3D000": "there is no such database on the server",
    "40001": "another transaction changed what this one had read",
    "40P01": "two transactions waited for each other",
    "53300": "the server has no connection left",
    "55P03": "somebody else holds the lock",
    "57014": "the statement took too long and was ended",
    "57P": "the server ended the connection",
    "08": "the link to the server is broken",
}
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
        error = original(error)
        if isinstance(error, DeeBaseError):
            return error
        if not type(error).__module__.startswith("asyncpg"):
            return common(error)
        state = getattr(error, "sqlstate", None)
        # The server's own errors come with their fields; those of the client have the text alone.
        if state is None or getattr(error, "severity", None) is None:
            return _from_client(error, statement)
        kind = class_for_sqlstate(state) or DatabaseError
        if issubclass(kind, IntegrityError):
            return self._violation(kind, error)
        return database_error(kind, _message(error, state), code=state, statement=statement)

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
            constraint = ""
        return integrity_error(kind, constraint or None, constraint_name=name, table_name=table, columns=columns)


def _message(error: Any, state: str) -> str:
    for key in (state, state[:3], state[:2]):
        if key in _PLAIN:
            return _PLAIN[key]
    if state.startswith(("42", "3F", "26", "34", "0A")):
        # Wrong syntax or names: the text names them, and holds no values.
        return f"PostgreSQL: {error.message if hasattr(error, 'message') else error.args[0]}"
    return f"PostgreSQL reported SQLSTATE {state}"


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
    if "onnect" in name or "closed" in text or "connection" in text:
        return ConnectionError(
            "the link to the server is broken", hint="check that it runs; the pool recovers by itself"
        )
    return database_error(QueryError, f"asyncpg refused the statement ({name})", code=None, statement=statement)
