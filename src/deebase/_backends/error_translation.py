"""What the translation of both drivers' errors has in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from deebase._backends.protocols import ErrorTranslator
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
    """Return the driver's error inside of SQLAlchemy's wrapping."""
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
    """Return the SQL that failed: what the caller sent, else what SQLAlchemy noted (text without values)."""
    noted = getattr(error, "statement", None) if _is_adapted(error) else None
    return statement if statement is not None or not isinstance(noted, str) else noted


def refused_by_sqlalchemy(error: BaseException, statement: str | None) -> DeeBaseError | None:
    """Translate what SQLAlchemy refuses before a driver is asked; None for an error that is not its own."""
    if not _is_adapted(error):
        return None
    cause = getattr(error, "orig", None) or error
    name, text = type(cause).__name__, str(cause.args[0]) if cause.args else ""
    if name == "TimeoutError" and _is_adapted(cause):
        return database_error(BusyError, "all connections of db.engine are lent", code=None, statement=statement)
    if not _is_adapted(cause):
        # A type of SQLAlchemy could not convert a value. Its words, and those of the wrapper, quote the value.
        return database_error(
            DataError, "a value is not of the type its column or parameter takes", code=None, statement=statement
        )
    # These name columns and parameters, but for a literal that cannot be rendered.
    shown = name in ("CompileError", "InvalidRequestError") and "literal" not in text
    message = f"SQLAlchemy: {text}" if shown else f"SQLAlchemy refuses the statement ({name})"
    return database_error(QueryError, message, code=None, statement=statement)


def common(error: BaseException) -> DeeBaseError | None:
    """Translate what both drivers share: timeouts, the network, values Python cannot encode."""
    # The system's own ETIMEDOUT has a number: the link is dead, while a limit of ours ran out without one.
    if isinstance(error, TimeoutError) and error.errno is None:
        return QueryTimeoutError(
            "the database did not answer in time", hint="raise command_timeout= (or connect_timeout=) of the Database"
        )
    if isinstance(error, OSError):
        # asyncio puts the failures of several addresses of one host into the text alone.
        reason = error.strerror or str(error) or type(error).__name__
        return ConnectionError(f"the database cannot be reached: {reason}", hint="check host, port and that it runs")
    if isinstance(error, (UnicodeError, OverflowError)):
        return ValidationError("a value cannot be stored: it is no valid text, or beyond 64 bits")
    return None


#: Whether tracebacks show what lies between DeeBase and the server, too.
_ALL_FRAMES = os.environ.get("DEEBASE_FULL_TRACEBACKS", "") not in ("", "0")


def shown_cause(error: BaseException) -> BaseException:
    """Return what a traceback is to show as the cause: the driver's own error, in one line.

    The frames of SQLAlchemy and the driver tell users nothing, and their errors have the text of ours (``redact``).
    """
    if _ALL_FRAMES:
        return error
    cause = original(error)
    _set(cause, __traceback__=None, __suppress_context__=True)
    return cause


def _set(error: BaseException, **attributes: Any) -> None:
    """Set attributes, also of those classes of asyncpg (warnings) whose instances are immutable."""
    for name, value in attributes.items():
        object.__setattr__(error, name, value)


#: The hint for a write outside of a transaction whose answer never came.
_MAYBE_STORED = "the write may be stored all the same: read it back before doing it again"


def leave_open(error: BaseException) -> None:
    """Mark an error that ended a single write: whether the write is stored is unknown."""
    error.__dict__["outcome"] = "unknown"
    if not isinstance(error, Exception):
        # A cancellation has no translation that could carry the hint.
        error.add_note(_MAYBE_STORED)


def carry_outcome(error: BaseException, ours: DeeBaseError) -> None:
    """Have our error tell what is known of the outcome of what the driver's ended."""
    if error.__dict__.get("outcome") == "unknown" and ours.outcome is None:
        ours.outcome = "unknown"
        ours.hint = _MAYBE_STORED if ours.hint is None else f"{_MAYBE_STORED}; {ours.hint}"


_DRIVERS = ("asyncpg", "sqlalchemy", "sqlite3", "aiosqlite")


#: The attribute of a driver's error that holds ours.
_OURS = "deebase_error"


def redacted_error(error: BaseException) -> DeeBaseError | None:
    """Return our error again for a driver's that several callers meet, whose own text is gone by now."""
    ours: DeeBaseError | None = error.__dict__.get(_OURS)
    return None if ours is None else ours.with_prefix("")


def redact(error: BaseException, ours: DeeBaseError) -> None:
    """Let a driver's error say what ours says: it is the cause of ours, and a traceback prints causes.

    Its own text may quote values (``Key (email)=(...) already exists``, ``[parameters: ...]``). What it tells in
    attributes that hold names stays: SQLSTATE, constraint, table, column.
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
            # Of Python's own, from encoding the value that it quotes.
            cause = part.__cause__ if type(part.__cause__).__module__.startswith(_DRIVERS) else None
            _set(part, __cause__=cause, __suppress_context__=True)


CONSTRAINT_HINTS = {
    "unique": "change the value, or use upsert(on=...)",
    "primary_key": "give another key (a generated one is left out), or use upsert",
    "foreign_key": "insert the row that is referred to first, or delete those that refer to it",
    "not_null": "give the column a value, or a default",
    "check": "change the values so that they meet the condition; `deebase table schema` shows it",
    "exclusion": "change the values that the constraint compares",
}
_WHAT = {
    "unique": "a row with the same value exists",
    "primary_key": "a row with this key exists",
    "foreign_key": "a row that is referred to is missing, or rows still refer to this one",
    "not_null": "a value is missing",
    "check": "a check refuses the row",
    "exclusion": "the row conflicts with one that exists",
}


def integrity_error(
    kind: type[IntegrityError],
    constraint: str | None,
    *,
    constraint_name: str | None = None,
    table_name: str | None = None,
    columns: tuple[str, ...] = (),
) -> IntegrityError:
    """Return the error of a violated constraint, with a message made of names alone."""
    place = table_name or "the table"
    if columns:
        place += f".{columns[0]}" if len(columns) == 1 else f" ({', '.join(columns)})"
    what = _WHAT.get(constraint or "", "a constraint refuses the row")
    # Where the columns are known the message is the same on both databases.
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
    """Return an error of any class, with what a DatabaseError carries where it is one."""
    details: dict[str, Any] = {}
    if issubclass(kind, DatabaseError):
        details = {"sqlstate": code, "statement": statement}
    return kind(message, hint=HINTS.get(kind.__name__), **details)


HINTS = {
    "BusyError": "another session holds it: keep transactions short, raise timeout=, or rerun with db.retry",
    "CommitOutcomeUnknownError": "read back whether the changes are there before doing them again",
    "ConnectionError": "check the URL, the server and its credentials",
    "DataError": "give a value that the column or the function takes",
    "DeadlockError": "run the work through db.retry",
    "InvalidOperationError": "open the transaction without read_only, or check the rights on file or table",
    "QueryTimeoutError": "make the statement cheaper, or raise command_timeout=",
    "SerializationError": "run the work through db.retry",
    "TransactionAbortedError": "put a statement that may fail in a nested db.transaction()",
}


class ExplainingTranslator:
    """Adds to the error of a violated unique index what the catalog knows of it."""

    def __init__(
        self, translator: ErrorTranslator, explain: Callable[[UniqueViolationError], UniqueViolationError]
    ) -> None:
        self._translator = translator
        self._explain = explain

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return the DeeBase error, as the translator does."""
        made = self._translator.translate(error, statement)
        return self._explain(made) if isinstance(made, UniqueViolationError) and made is not error else made
