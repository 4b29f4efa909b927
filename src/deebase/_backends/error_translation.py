"""The translation of errors that both drivers share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from deebase._backends.protocols import ErrorTranslator, Translate
from deebase.errors import (
    BusyError,
    ConnectionError,
    DatabaseError,
    DataError,
    DeeBaseError,
    IntegrityError,
    QueryError,
    QueryTimeoutError,
    UniqueViolationError,
    ValidationError,
)


def original(error: BaseException) -> BaseException:
    """Return the driver's error that SQLAlchemy wrapped."""
    seen = 0
    while seen < 5:
        inner = getattr(error, "orig", None) or (error.__cause__ if _is_adapted(error) else None)
        if inner is None:
            break
        error, seen = inner, seen + 1
    return error


def _is_adapted(error: BaseException) -> bool:
    return type(error).__module__.startswith("sqlalchemy.")


def statement_of(error: BaseException, statement: str | None) -> str | None:
    """Return the SQL that failed: the caller's, otherwise the text that SQLAlchemy recorded (without values)."""
    noted = getattr(error, "statement", None) if _is_adapted(error) else None
    return statement if statement is not None or not isinstance(noted, str) else noted


def refused_by_sqlalchemy(error: BaseException, statement: str | None) -> DeeBaseError | None:
    """Translate an error that SQLAlchemy raises before it calls a driver; return None for any other error."""
    if not _is_adapted(error):
        return None
    cause = getattr(error, "orig", None) or error
    name, text = type(cause).__name__, str(cause.args[0]) if cause.args else ""
    if name == "TimeoutError" and _is_adapted(cause):
        return database_error(BusyError, "all connections of db.engine are in use", code=None, statement=statement)
    if not _is_adapted(cause):
        # A SQLAlchemy type could not convert a value. Its message, and the wrapper's, quote the value.
        return database_error(
            DataError, "a value has the wrong type for its column or parameter", code=None, statement=statement
        )
    # These messages name columns and parameters, except where a literal cannot be rendered.
    shown = name in ("CompileError", "InvalidRequestError") and "literal" not in text
    message = f"SQLAlchemy: {text}" if shown else f"SQLAlchemy rejected the statement ({name})"
    return database_error(QueryError, message, code=None, statement=statement)


def common(error: BaseException) -> DeeBaseError | None:
    """Translate the errors that both drivers share: timeouts, the network, values Python cannot encode."""
    # ETIMEDOUT of the operating system has an errno: the connection is dead. Our own timeouts have none.
    if isinstance(error, TimeoutError) and error.errno is None:
        return QueryTimeoutError(
            "the database did not answer in time", hint="raise command_timeout= (or connect_timeout=) of the Database"
        )
    if isinstance(error, OSError):
        # asyncio reports the failures of several addresses of one host only in the text.
        reason = error.strerror or str(error) or type(error).__name__
        return ConnectionError(
            f"the database cannot be reached: {reason}", hint="check the host, the port and that the server is running"
        )
    if isinstance(error, (UnicodeError, OverflowError)):
        return ValidationError("a value cannot be stored: it is not valid text, or it exceeds 64 bits")
    return None


#: Whether tracebacks include the frames between DeeBase and the server.
_ALL_FRAMES = os.environ.get("DEEBASE_FULL_TRACEBACKS", "") not in ("", "0")


def shown_cause(error: BaseException) -> BaseException:
    """Return the error that a traceback shows as the cause: the driver's own, in one line.

    The frames of SQLAlchemy and the driver do not help users, and their errors carry our text (``redact``).
    """
    if _ALL_FRAMES:
        return error
    cause = original(error)
    _set(cause, __traceback__=None, __suppress_context__=True)
    return cause


def _set(error: BaseException, **attributes: Any) -> None:
    """Set attributes, even on instances of asyncpg's warning classes, which are immutable."""
    for name, value in attributes.items():
        object.__setattr__(error, name, value)


#: The hint for a write outside of a transaction whose answer never came.
_MAYBE_STORED = "the write may be stored: read it back before you write again"


def leave_open(error: BaseException) -> None:
    """Mark an error that ended a write outside of a transaction: it is unknown whether the write is stored."""
    error.__dict__["outcome"] = "unknown"
    if not isinstance(error, Exception):
        # A cancellation is not translated, so the hint becomes a note.
        error.add_note(_MAYBE_STORED)


def carry_outcome(error: BaseException, ours: DeeBaseError) -> None:
    """Copy the known outcome of a driver's error to ours."""
    if error.__dict__.get("outcome") == "unknown" and ours.outcome is None:
        ours.outcome = "unknown"
        ours.hint = _MAYBE_STORED if ours.hint is None else f"{_MAYBE_STORED}; {ours.hint}"


_DRIVERS = ("asyncpg", "sqlalchemy", "sqlite3", "aiosqlite")


#: The attribute of a driver's error that holds ours.
_OURS = "deebase_error"


def redacted_error(error: BaseException) -> DeeBaseError | None:
    """Return our error again for a driver's error that several callers receive, and that is already redacted."""
    ours: DeeBaseError | None = error.__dict__.get(_OURS)
    return None if ours is None else ours.with_prefix("")


def redact(error: BaseException, ours: DeeBaseError) -> None:
    """Replace the text of a driver's error by ours, because a traceback prints the causes of our error.

    The original text may quote values (``Key (email)=(...) already exists``, ``[parameters: ...]``). Attributes that
    hold names are kept: SQLSTATE, constraint, table, column.
    """
    error.__dict__[_OURS] = ours
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not type(part).__module__.startswith(_DRIVERS):
            continue
        seen.add(id(part))
        _set(part, args=(ours.message,))
        _set(part, **({"hide_parameters": True} if _is_adapted(part) else {"detail": None}))
        waiting += [part.__cause__, part.__context__, getattr(part, "orig", None)]
        if isinstance(ours, DataError):
            # Python's own error from encoding the value, which quotes the value.
            cause = part.__cause__ if type(part.__cause__).__module__.startswith(_DRIVERS) else None
            _set(part, __cause__=cause, __suppress_context__=True)


CONSTRAINT_HINTS = {
    "unique": "change the value, or use upsert(on=...)",
    "primary_key": "use another key (leave out a generated one), or use upsert",
    "foreign_key": "insert the referenced row first, or delete the rows that refer to it",
    "not_null": "give the column a value, or a default",
    "check": "change the values so that they meet the condition; `deebase table schema` shows it",
    "exclusion": "change the values that the constraint compares",
}
_WHAT = {
    "unique": "a row with the same value already exists",
    "primary_key": "a row with this key already exists",
    "foreign_key": "the referenced row does not exist, or other rows still refer to this one",
    "not_null": "a value is missing",
    "check": "the row violates a CHECK condition",
    "exclusion": "the row conflicts with an existing row",
}


def integrity_error(
    kind: type[IntegrityError],
    constraint: str | None,
    *,
    constraint_name: str | None = None,
    table_name: str | None = None,
    columns: tuple[str, ...] = (),
) -> IntegrityError:
    """Return the error of a violated constraint; its message holds only names."""
    place = table_name or "the table"
    if columns:
        place += f".{columns[0]}" if len(columns) == 1 else f" ({', '.join(columns)})"
    what = _WHAT.get(constraint or "", "the row violates a constraint")
    # If the columns are known, the message is the same on both databases.
    named = f" (constraint {constraint_name})" if constraint_name and not columns else ""
    return kind(
        f"{place}: {what}{named}",
        hint=CONSTRAINT_HINTS.get(constraint or ""),
        constraint=constraint,
        constraint_name=constraint_name,
        table_name=table_name,
        columns=columns,
    )


def database_error(kind: type[DeeBaseError], message: str, *, code: str | None, statement: str | None) -> DeeBaseError:
    """Return an error of any class; a DatabaseError also gets its SQLSTATE and statement."""
    details: dict[str, Any] = {}
    if issubclass(kind, DatabaseError):
        details = {"sqlstate": code, "statement": statement}
    return kind(message, hint=HINTS.get(kind.__name__), **details)


HINTS = {
    "BusyError": "another task or process holds the lock or connection: keep transactions short, raise timeout=, "
    "or use db.retry",
    "CommitOutcomeUnknownError": "check whether the changes are stored before you repeat them",
    "ConnectionError": "check the URL, the server and its credentials",
    "DataError": "pass a value that the column or the function accepts",
    "DeadlockError": "run the work through db.retry",
    "InvalidOperationError": "open the transaction without read_only, or check the permissions of the file or table",
    "QueryTimeoutError": "make the statement cheaper, or raise command_timeout=",
    "SerializationError": "run the work through db.retry",
    "TransactionAbortedError": "run a statement that may fail in a nested db.transaction()",
}


class ExplainingTranslator:
    """Adds information of the catalog to the error of a violated unique index."""

    def __init__(
        self, translator: ErrorTranslator, explain: Callable[[UniqueViolationError], UniqueViolationError]
    ) -> None:
        self._translator = translator
        self._explain = explain

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return the DeeBase error, as the translator does."""
        made = self._translator.translate(error, statement)
        return self._explain(made) if isinstance(made, UniqueViolationError) and made is not error else made


def describing(translate: Translate) -> Callable[[BaseException], str]:
    """Return the function that returns the message for an error of the driver."""

    def describe(error: BaseException) -> str:
        ours = translate(error, None)
        return str(error) if ours is None else ours.message

    return describe
