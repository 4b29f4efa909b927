"""The exceptions of DeeBase: every failure is reported as one of these, raised ``from`` the original error.

Each class declares the codes that it stands for: SQLSTATEs (PostgreSQL manual, Appendix A; five characters, or
the two of a class) and SQLite's result codes (sqlite.org/rescode.html). Messages hold names of tables and
columns, never values.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

__all__ = [
    "BusyError",
    "CheckViolationError",
    "ColumnNotFoundError",
    "CommitOutcomeUnknownError",
    "ConfigurationError",
    "ConnectionError",
    "DataError",
    "DatabaseError",
    "DeadlockError",
    "DeeBaseError",
    "ForeignKeyViolationError",
    "IntegrityError",
    "InvalidOperationError",
    "MigrationError",
    "MultipleRowsError",
    "NotFoundError",
    "NotNullViolationError",
    "QueryError",
    "QueryTimeoutError",
    "SchemaError",
    "ScopeError",
    "SerializationError",
    "TableExistsError",
    "TableNotFoundError",
    "TransactionAbortedError",
    "TransactionError",
    "UniqueViolationError",
    "UnsupportedTypeError",
    "ValidationError",
]

E = TypeVar("E", bound="DeeBaseError")


class DeeBaseError(Exception):
    """Base class of all DeeBase errors.

    Attributes:
        message: what failed and where.
        hint: what to do next, or None.
        retryable: whether the whole transaction may succeed when it runs again.
        outcome: "unknown" if a write may be stored although it failed: the answer to a write outside of a
            transaction, or to COMMIT, never came. Otherwise the outcome of the transaction, or None.
        server_message: the message that a trigger or function of the database raised, or None. It may hold
            values, so it is not part of ``message``.
    """

    outcome: str | None = None
    server_message: str | None = None
    retryable: ClassVar[bool] = False
    sqlstates: ClassVar[tuple[str, ...]] = ()
    sqlite_codes: ClassVar[tuple[int, ...]] = ()

    def __init__(self, message: str = "", *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        for name, value in details.items():
            setattr(self, name, value)
        # A note: tracebacks end with it, while str() is only the message and its hint.
        self.add_note(f"{self.reference!r} explains this error.")

    @property
    def reference(self) -> str:
        """The command that explains this error.

        Example:
            ```python
            from deebase import NotFoundError

            assert NotFoundError().reference == "deebase help NotFoundError"
            ```
        """
        known = next(kind for kind in type(self).__mro__ if kind.__name__ in __all__)
        return f"deebase help {known.__name__}"

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nHint: {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))

    def with_prefix(self: E, prefix: str) -> E:
        """Return a copy whose message starts with ``prefix`` (the position of a row)."""
        return _rebuild(type(self), {**self.__dict__, "message": prefix + self.message})


def _rebuild(kind: type[E], state: Mapping[str, Any]) -> E:
    error = kind.__new__(kind, state["message"])
    error.args = (state["message"],)
    error.__dict__.update(state)
    return error


class ConfigurationError(DeeBaseError):
    """A URL, an option or an installed package is not valid."""


class ConnectionError(DeeBaseError, builtins.ConnectionError):
    """The database cannot be reached, or the connection to it was lost."""

    sqlstates: ClassVar[tuple[str, ...]] = ("08", "28", "3D000", "53300", "57P01", "57P02", "57P03", "57P04", "57P05")
    # CANTOPEN, and the READONLY codes that a reader gets: _RECOVERY, _CANTLOCK, _ROLLBACK, _DBMOVED, _CANTINIT
    sqlite_codes: ClassVar[tuple[int, ...]] = (14, 264, 520, 776, 1032, 1288)


class SchemaError(DeeBaseError):
    """A table, column or class does not fit the call.

    Attributes:
        table_name: the table, or None.
        column_name: the column, or None.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str | None = None,
        table_name: str | None = None,
        column_name: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.table_name = table_name
        self.column_name = column_name


class TableNotFoundError(SchemaError, AttributeError):
    """The table does not exist."""


class TableExistsError(SchemaError):
    """A table with this name already exists."""


class ColumnNotFoundError(SchemaError):
    """The column does not exist in the table."""


class UnsupportedTypeError(SchemaError):
    """An annotation does not map to a column type."""


class ValidationError(DeeBaseError, ValueError):
    """An argument is not valid; nothing was sent.

    Attributes:
        field: the column or argument, or None.
        value: the value; it is not part of the message.
    """

    def __init__(
        self, message: str = "", *, hint: str | None = None, field: str | None = None, value: Any = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.value = value


class ScopeError(ValidationError):
    """A value contradicts the scope of the handle."""


class NotFoundError(DeeBaseError, LookupError):
    """The row does not exist.

    Attributes:
        table_name: the table that was searched.
        filters: the key or the conditions.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str | None = None,
        table_name: str | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.table_name = table_name
        self.filters: dict[str, Any] = dict(filters) if filters else {}


class MultipleRowsError(NotFoundError):
    """The call asks for one row, and more than one matches."""


class InvalidOperationError(DeeBaseError):
    """The operation is not possible on this target.

    Attributes:
        operation: the operation.
        target: the object that does not support it.
    """

    # A write in a read-only transaction (or to a read-only database).
    sqlstates: ClassVar[tuple[str, ...]] = ("25006", "42501")
    sqlite_codes: ClassVar[tuple[int, ...]] = (8, 3, 23)  # READONLY, PERM, AUTH

    def __init__(
        self, message: str = "", *, hint: str | None = None, operation: str | None = None, target: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.operation = operation
        self.target = target


class IntegrityError(DeeBaseError):
    """The statement violates a constraint of the database; nothing of it is stored.

    Attributes:
        constraint: "unique", "primary_key", "foreign_key", "not_null", "check", "exclusion" (PostgreSQL) or None.
        constraint_name: the name of the constraint, if the database reports it.
        table_name: the table, if the database reports it.
        columns: the columns, if the database reports them.
    """

    sqlstates: ClassVar[tuple[str, ...]] = ("23", "44000")
    sqlite_codes: ClassVar[tuple[int, ...]] = (19,)  # CONSTRAINT

    def __init__(
        self,
        message: str = "",
        *,
        hint: str | None = None,
        constraint: str | None = None,
        constraint_name: str | None = None,
        table_name: str | None = None,
        columns: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.constraint = constraint
        self.constraint_name = constraint_name
        self.table_name = table_name
        self.columns = columns


class UniqueViolationError(IntegrityError):
    """A row with this key or these unique values already exists."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23505",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (1555, 2067, 2579)  # CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID


class ForeignKeyViolationError(IntegrityError):
    """The referenced row does not exist, or other rows still refer to this one."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23001", "23503")
    sqlite_codes: ClassVar[tuple[int, ...]] = (787,)  # CONSTRAINT_FOREIGNKEY


class NotNullViolationError(IntegrityError):
    """A column that is NOT NULL has no value."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23502",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (1299,)  # CONSTRAINT_NOTNULL


class CheckViolationError(IntegrityError):
    """The row violates a CHECK constraint."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23514",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (275,)  # CONSTRAINT_CHECK


class DatabaseError(DeeBaseError):
    """The database could not run a statement.

    Attributes:
        sqlstate: PostgreSQL's code, or SQLite's extended code as text.
        statement: the SQL, without values.
        position: the character of ``statement``, from 1, at which PostgreSQL found the error; None if it names none.
    """

    position: int | None = None
    sqlstates: ClassVar[tuple[str, ...]] = ("53", "54", "55", "58", "F0", "HV", "P0", "XX", "72")
    sqlite_codes: ClassVar[tuple[int, ...]] = (2, 7, 10, 11, 12, 13, 15, 16, 22, 24, 26, 27, 28)

    def __init__(
        self, message: str = "", *, hint: str | None = None, sqlstate: str | None = None, statement: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.statement = statement


class QueryError(DatabaseError):
    """The statement is wrong: its syntax, or a name in it."""

    sqlstates: ClassVar[tuple[str, ...]] = (
        "0A",
        "03",
        "09",
        "0F",
        "0Z",
        "10",
        "24",
        "42",
        "26",
        "34",
        "3F",
        "38",
        "39",
        "2F",
        "07",
        "21",
        "0L",
        "0P",
        "20",
        "27",
        "2B",
    )
    sqlite_codes: ClassVar[tuple[int, ...]] = (1, 17, 21, 516)  # ERROR, SCHEMA, MISUSE, ABORT_ROLLBACK


class DataError(DatabaseError):
    """A value is not valid for its use in the statement."""

    sqlstates: ClassVar[tuple[str, ...]] = ("22",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (18, 20, 25, 3091)  # TOOBIG, MISMATCH, RANGE, CONSTRAINT_DATATYPE


class BusyError(DatabaseError):
    """Another task or process holds the lock, or all connections are in use."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("55P03", "55006")
    sqlite_codes: ClassVar[tuple[int, ...]] = (5, 6)  # BUSY, LOCKED


class DeadlockError(DatabaseError):
    """Two transactions waited for each other, and the database rolled this one back."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("40P01",)


class SerializationError(DatabaseError):
    """Another transaction changed data that this one had read."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("40", "40001")
    sqlite_codes: ClassVar[tuple[int, ...]] = (517,)  # BUSY_SNAPSHOT


class QueryTimeoutError(DatabaseError):
    """A statement took longer than its limit."""

    sqlstates: ClassVar[tuple[str, ...]] = ("57014", "57")
    sqlite_codes: ClassVar[tuple[int, ...]] = (9, 4)  # INTERRUPT, ABORT


class TransactionError(DeeBaseError):
    """A transaction was used in a way that is not possible.

    Attributes:
        outcome: "committed", "rolled back", "unknown" or None.
    """

    sqlstates: ClassVar[tuple[str, ...]] = ("25", "2D", "3B", "0B")

    def __init__(self, message: str = "", *, hint: str | None = None, outcome: str | None = None) -> None:
        super().__init__(message, hint=hint)
        if outcome is not None:
            self.outcome: str | None = outcome


class TransactionAbortedError(TransactionError):
    """An earlier error aborted the transaction; nothing of it is saved."""

    sqlstates: ClassVar[tuple[str, ...]] = ("25P02", "25P03", "25P04")


class CommitOutcomeUnknownError(TransactionError):
    """The connection was lost during COMMIT; it is unknown whether the transaction is saved."""

    outcome: str | None = "unknown"
    sqlstates: ClassVar[tuple[str, ...]] = ("08007", "40003")


class MigrationError(DeeBaseError):
    """A migration cannot be created or applied."""


def _walk(kind: type[DeeBaseError]) -> Iterator[type[DeeBaseError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)


# Only the codes that a class declares itself: inherited ones belong to its base.
_BY_SQLSTATE: dict[str, type[DeeBaseError]] = {
    code: kind for kind in _walk(DeeBaseError) for code in vars(kind).get("sqlstates", ())
}
_BY_SQLITE: dict[int, type[DeeBaseError]] = {
    code: kind for kind in _walk(DeeBaseError) for code in vars(kind).get("sqlite_codes", ())
}


def class_for_sqlstate(state: str) -> type[DeeBaseError] | None:
    """Return the error class of a SQLSTATE, otherwise that of its first two characters."""
    return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])


def class_for_sqlite(code: int) -> type[DeeBaseError] | None:
    """Return the error class of an extended result code, otherwise of its primary code (the low byte)."""
    return _BY_SQLITE.get(code) or _BY_SQLITE.get(code & 0xFF)
