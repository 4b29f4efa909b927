"""The errors of PostgreSQL and asyncpg: their classes, messages and hints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from deebase._backends.error_translation import (
    common,
    database_error,
    integrity_error,
    original,
    refused_by_sqlalchemy,
    statement_of,
)
from deebase._backends.postgres.error_texts import (
    CANCELLED,
    FITTING,
    HINTS,
    MEANINGS,
    REPLICA_CANCELLED,
    ROW_TOO_BIG,
    by_state,
)
from deebase.errors import (
    CommitOutcomeUnknownError,
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

_UNREADABLE = (
    "Python cannot represent a value of the result; read a date outside of the years 1 to 9999 with CAST(... AS text)"
)
_AGAIN = "during a failover try again in a moment; otherwise correct the hosts, or target_session_attrs"
_CHANGED = "a table was changed since this connection last used it"
_IN_USE_BY_ITSELF = (
    "first leave the loop over the stream that reads the table, or change the table in its own transaction"
)
# Classes whose texts hold names: wrong syntax, unknown or existing names, objects in use.
_NAMING = ("0A", "26", "2B", "34", "3F", "42", "55")
# Texts that quote only names for all statements: of a role, a database, an object, a command.
_ALWAYS_NAMING = ("08", "25001", "25P01", "28", "3D000", "42501", "54", "55000")
#: The functions that raise errors of PL/pgSQL, and the codes of errors in other languages: users wrote these texts.
_RAISING = ("exec_stmt_raise", "exec_stmt_assert")
_RAISED = ("P0", "38", "39")
#: The server's errors for a start-up parameter that is unknown or has an invalid value.
_SETTING = ("22", "42704", "42602")
# A quoted part of an English text; other languages use other quotes.
_QUOTED = re.compile('"([^"]*)"')
# Commands that take no parameters, so the server's text about them cannot hold a value.
_UTILITY = re.compile(
    r"\s*(?:ALTER|ANALYZE|CLOSE|CLUSTER|COMMENT|COPY|CREATE|DROP|FETCH|GRANT|LOCK|REFRESH|REINDEX|RELEASE|RESET|REVOKE"
    r"|ROLLBACK|SET|SHOW|TRUNCATE|VACUUM)\b",
    re.IGNORECASE,
)
_KINDS: dict[type[IntegrityError], str] = {ForeignKeyViolationError: "foreign_key", NotNullViolationError: "not_null"}


class PostgresErrors:
    """Translates errors of asyncpg.

    Args:
        uniques: returns table and columns of a unique constraint by its name.
    """

    def __init__(self, uniques: Callable[[str | None], tuple[str, tuple[str, ...]] | None]) -> None:
        self._uniques = uniques

    def translate(self, error: Any, statement: str | None) -> DeeBaseError | None:
        """Return our error; its class follows from the SQLSTATE alone."""
        outer, statement = error, statement_of(error, statement)
        error = _last_words(original(error))
        if isinstance(error, DeeBaseError):
            return error
        if statement is not None and type(error) in (ValueError, OverflowError):
            # Raised while asyncpg decodes a result: it has a different error for parameters.
            return database_error(DataError, _UNREADABLE, code=None, statement=statement)
        if not type(error).__module__.startswith("asyncpg"):
            return common(error) or refused_by_sqlalchemy(outer, statement)
        state = getattr(error, "sqlstate", None)
        # Errors of the server have fields; errors of the client have only a text.
        if state is None or getattr(error, "severity", None) is None:
            return _from_client(error, statement)
        if type(error).__name__ == "InvalidCachedStatementError":
            # asyncpg has discarded its prepared statements; outside of a transaction it has already tried again.
            return database_error(SerializationError, _CHANGED, code=state, statement=statement)
        if error.severity_en == "FATAL" and state.startswith(_SETTING):
            return _refused_setting(error)
        return self._from_server(error, state, statement)

    def _from_server(self, error: Any, state: str, statement: str | None) -> DeeBaseError:
        kind = class_for_sqlstate(state) or DatabaseError
        raised = state.startswith(_RAISED) or error.server_source_function in _RAISING
        if raised and issubclass(kind, (ConnectionError, CommitOutcomeUnknownError)):
            # The connection works: a function raised the error with this code.
            kind = DatabaseError
        if issubclass(kind, IntegrityError):
            made: DeeBaseError = self._violation(kind, error)
        elif error.server_source_function == "CheckTableNotInUse":
            # This session itself uses the table: a retry does not help. (For another session, the server waits.)
            made = database_error(QueryError, _described(error, state, statement)[0], code=state, statement=statement)
            made.hint = _IN_USE_BY_ITSELF
        else:
            described = (MEANINGS["P0"], HINTS["P0"]) if raised else _described(error, state, statement)
            made = database_error(kind, described[0], code=state, statement=statement)
            made.hint = described[1] or made.hint
        if raised:
            made.server_message = error.message
        if isinstance(made, DatabaseError) and error.position is not None:
            made.position = int(error.position)
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


def conflicts_with_recovery(error: Any) -> bool:
    """Whether a standby ended a statement because the primary removed what it read, or holds a lock that it needs."""
    function = error.server_source_function or ""
    return error.sqlstate in ("40001", "40P01") and (
        "RecoveryConflict" in function
        or (error.sqlstate == "40001" and function == "ProcessInterrupts")
        or "conflict with recovery" in (error.message or "")
    )


def _last_words(error: BaseException) -> Any:
    """Return the server's last answer before it closed the connection: the cause of the driver's error."""
    said = error.__cause__
    is_lost = type(error).__name__ == "ConnectionDoesNotExistError"
    return said if is_lost and getattr(said, "severity", None) is not None else error


def _described(error: Any, state: str, statement: str | None) -> tuple[str, str | None]:
    """Return the message and the hint of an error; None means the hint of its class."""
    hint = by_state(HINTS, state)
    if error.server_source_function in FITTING:
        return ROW_TOO_BIG
    if conflicts_with_recovery(error):
        return REPLICA_CANCELLED
    if state == "57014":
        return next((said for text, said in CANCELLED.items() if text in error.message), (MEANINGS[state], None))
    if error.message and _names_only(error, state, statement):
        if "REFRESH MATERIALIZED VIEW" in (error.hint or ""):
            hint = "fill the view first: await view.refresh(), or REFRESH MATERIALIZED VIEW"
        return f"PostgreSQL: {error.message}", hint if error.hint is None else hint or error.hint
    return by_state(MEANINGS, state) or f"PostgreSQL reported SQLSTATE {state}", hint


def _refused_setting(error: Any) -> ConfigurationError:
    """Return the error of a connection whose settings the server rejects; the message omits their values."""
    named = re.search(r'parameter "([\w.]+)"', error.message)
    which = f" ({named.group(1)})" if named is not None else ""
    return ConfigurationError(
        f"the server rejected a setting of the connection{which}",
        hint="check options= of the URL, and server_settings in engine_options={'connect_args': ...}",
    )


def _names_only(error: Any, state: str, statement: str | None) -> bool:
    """Whether the server's text can quote only names and the SQL itself.

    The same codes come from values: ``CAST($1 AS regclass)`` answers with 42P01 and the value, ``to_tsquery($1)``
    with 42601. An error that the parser finds has a position in the statement and no context; an error in a value,
    or inside of a function, does not (protocol-error-fields in the PostgreSQL manual).
    """
    if state.startswith(_ALWAYS_NAMING):
        return True
    if not state.startswith(_NAMING) or error.context:
        return False
    if state.startswith("0A") and statement is not None and error.message.isascii():
        # These have no position. Names from the statement are not secret, and neither are texts without names.
        return all(name in statement for name in _QUOTED.findall(error.message))
    return error.position is not None or (statement is not None and _UTILITY.match(statement) is not None)


def _from_client(error: BaseException, statement: str | None) -> DeeBaseError:
    """Translate an error that asyncpg raises before, or instead of, an answer of the server."""
    text = str(error)
    parameter = re.match(r"invalid input for query argument (\$\d+)", text)
    if parameter is not None:
        return database_error(
            DataError,
            f"the value of parameter {parameter.group(1)} has the wrong type for the statement",
            code="22000",
            statement=statement,
        )
    if "the server expects" in text or "arguments for this query" in text:
        return database_error(QueryError, "the number of parameters does not match", code=None, statement=statement)
    name = type(error).__name__
    if name == "TargetServerAttributeNotMatched":
        return ConnectionError("no host meets target_session_attrs", hint=_AGAIN, retryable=True)
    if name == "ClientConfigurationError":
        return ConfigurationError(
            f"asyncpg cannot connect with these options: {error.args[0]}", hint="check the URL and connect_args"
        )
    # After the server closed an idle connection, asyncpg's state machine can send nothing.
    if name == "InternalClientError" or "onnect" in name or "closed" in text or "connection" in text:
        return ConnectionError(
            "the connection to the server is broken",
            hint="check that the server is running; the pool reconnects automatically. The server ends a transaction "
            "that is idle for longer than idle_timeout",
        )
    return database_error(QueryError, f"asyncpg rejected the statement ({name})", code=None, statement=statement)
