"""What a backend does without touching its database: it tells what a driver's error means."""

from __future__ import annotations

from typing import Any, Protocol

from deebase.errors import (
    ConnectionError,
    DatabaseError,
    DeeBaseError,
    IntegrityError,
    NotNullViolationError,
    QueryTimeoutError,
    ValidationError,
)


class Backend(Protocol):
    """Translates the errors of one driver."""

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return our error for one of the driver, or None for what is not the database's."""
        ...


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


def common(error: BaseException) -> DeeBaseError | None:
    """Translate what both drivers share: timeouts, the network, values Python cannot encode."""
    if isinstance(error, TimeoutError):
        return QueryTimeoutError(
            "the database did not answer in time", hint="raise command_timeout= (or connect_timeout=) of the Database"
        )
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return ConnectionError(f"the database cannot be reached: {reason}", hint="check host, port and that it runs")
    if isinstance(error, (UnicodeError, OverflowError)):
        return ValidationError("a value cannot be stored: it is no valid text, or beyond 64 bits")
    return None


CONSTRAINT_HINTS = {
    "unique": "change the value, or use upsert(on=...)",
    "primary_key": "leave the key out to have it generated, or use upsert",
    "foreign_key": "insert the row that is referred to first, or delete those that refer to it",
    "not_null": "give the column a value, or a default",
    "check": "the row breaks a rule of the table",
}
_WHAT = {
    "unique": "a row with the same value exists",
    "primary_key": "a row with this key exists",
    "foreign_key": "a row that is referred to is missing, or rows still refer to this one",
    "not_null": "a value is missing",
    "check": "a check refuses the row",
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
    named = f" (constraint {constraint_name})" if constraint_name and kind is not NotNullViolationError else ""
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
    "BusyError": "somebody else holds it: keep transactions short, raise timeout=, or rerun with db.retry",
    "CommitOutcomeUnknownError": "read back whether the changes are there before doing them again",
    "ConnectionError": "check the URL, the server and its credentials",
    "DataError": "give a value that the column or the function takes",
    "DeadlockError": "run the work through db.retry",
    "InvalidOperationError": "open the transaction without read_only, or check the rights on file or table",
    "QueryTimeoutError": "make the statement cheaper, or raise command_timeout=",
    "SerializationError": "run the work through db.retry",
    "TransactionAbortedError": "put a statement that may fail in a nested db.transaction()",
}
