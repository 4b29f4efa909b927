"""The error tree: every failure that leaves DeeBase is one of these, ``from`` the original.

Each class declares the codes it stands for: SQLSTATEs (PostgreSQL manual, Appendix A; five characters, or
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
    """Base of all errors of DeeBase.

    Attributes:
        message: what failed and where.
        hint: what to do next, or None.
        retryable: whether running the whole transaction again may succeed.
        outcome: "unknown" when what was sent may be stored all the same: the answer to a write outside of a
            transaction never came, or the answer to COMMIT. Else None, or what became of the transaction.
        server_message: the text that a trigger or function of the database raised by itself, or None. It may hold
            values, so that it is no part of the message.
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
        # A note, so that tracebacks end with it while str() is the message and its hint alone.
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
        """Return a copy whose message begins with ``prefix`` (the position of a row)."""
        return _rebuild(type(self), {**self.__dict__, "message": prefix + self.message})


def _rebuild(kind: type[E], state: Mapping[str, Any]) -> E:
    error = kind.__new__(kind, state["message"])
    error.args = (state["message"],)
    error.__dict__.update(state)
    return error


class ConfigurationError(DeeBaseError):
    """A URL or an option that cannot be right."""


class ConnectionError(DeeBaseError, builtins.ConnectionError):
    """The database cannot be reached, or the link to it was lost."""

    sqlstates: ClassVar[tuple[str, ...]] = ("08", "28", "3D000", "53300", "57P01", "57P02", "57P03", "57P04", "57P05")
    # CANTOPEN, and of READONLY what a reader meets: _RECOVERY, _CANTLOCK, _ROLLBACK, _DBMOVED, _CANTINIT
    sqlite_codes: ClassVar[tuple[int, ...]] = (14, 264, 520, 776, 1032, 1288)


class SchemaError(DeeBaseError):
    """A table or column is not what the call takes it for.

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
    """There is no such table."""


class TableExistsError(SchemaError):
    """A table of this name exists."""


class ColumnNotFoundError(SchemaError):
    """The table has no such column."""


class UnsupportedTypeError(SchemaError):
    """An annotation has no column type."""


class ValidationError(DeeBaseError, ValueError):
    """An argument cannot be right; nothing was sent.

    Attributes:
        field: the column or argument, or None.
        value: the value, which is not part of the message.
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
    """There is no such row.

    Attributes:
        table_name: where it was looked for.
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
    """More than one row was found where one was asked for."""


class InvalidOperationError(DeeBaseError):
    """The operation makes no sense here.

    Attributes:
        operation: what was asked for.
        target: of what.
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
    """A constraint of the database was violated; nothing of the statement is stored.

    Attributes:
        constraint: "unique", "primary_key", "foreign_key", "not_null", "check", "exclusion" (PostgreSQL) or None.
        constraint_name: the database's own name, where it gives one.
        table_name: the table, where the database tells.
        columns: the columns, where the database tells.
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
    """A row with this key or these unique values exists."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23505",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (1555, 2067, 2579)  # CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID


class ForeignKeyViolationError(IntegrityError):
    """The row referred to does not exist, or is still referred to."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23001", "23503")
    sqlite_codes: ClassVar[tuple[int, ...]] = (787,)  # CONSTRAINT_FOREIGNKEY


class NotNullViolationError(IntegrityError):
    """A column that must have a value has none."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23502",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (1299,)  # CONSTRAINT_NOTNULL


class CheckViolationError(IntegrityError):
    """A CHECK of the table refuses the row."""

    sqlstates: ClassVar[tuple[str, ...]] = ("23514",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (275,)  # CONSTRAINT_CHECK


class DatabaseError(DeeBaseError):
    """The database failed to run a statement.

    Attributes:
        sqlstate: PostgreSQL's code, or SQLite's extended code as text.
        statement: the SQL, without values.
    """

    sqlstates: ClassVar[tuple[str, ...]] = ("53", "54", "55", "58", "F0", "HV", "P0", "XX", "72")
    sqlite_codes: ClassVar[tuple[int, ...]] = (2, 7, 10, 11, 12, 13, 15, 16, 22, 24, 26, 27, 28)

    def __init__(
        self, message: str = "", *, hint: str | None = None, sqlstate: str | None = None, statement: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.statement = statement


class QueryError(DatabaseError):
    """The statement is wrong: its syntax, or a name it uses."""

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
    """A value cannot be what the statement makes of it."""

    sqlstates: ClassVar[tuple[str, ...]] = ("22",)
    sqlite_codes: ClassVar[tuple[int, ...]] = (18, 20, 25, 3091)  # TOOBIG, MISMATCH, RANGE, CONSTRAINT_DATATYPE


class BusyError(DatabaseError):
    """Somebody else holds what the operation waited for, or all connections were lent."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("55P03", "55006")
    sqlite_codes: ClassVar[tuple[int, ...]] = (5, 6)  # BUSY, LOCKED


class DeadlockError(DatabaseError):
    """Two transactions waited for each other and this one was ended."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("40P01",)


class SerializationError(DatabaseError):
    """Somebody else changed what this transaction had read."""

    retryable: ClassVar[bool] = True
    sqlstates: ClassVar[tuple[str, ...]] = ("40", "40001")
    sqlite_codes: ClassVar[tuple[int, ...]] = (517,)  # BUSY_SNAPSHOT


class QueryTimeoutError(DatabaseError):
    """A statement took longer than it may."""

    sqlstates: ClassVar[tuple[str, ...]] = ("57014", "57")
    sqlite_codes: ClassVar[tuple[int, ...]] = (9, 4)  # INTERRUPT, ABORT


class TransactionError(DeeBaseError):
    """A transaction was used in a way that cannot be kept.

    Attributes:
        outcome: "committed", "rolled back", "unknown" or None.
    """

    sqlstates: ClassVar[tuple[str, ...]] = ("25", "2D", "3B", "0B")

    def __init__(self, message: str = "", *, hint: str | None = None, outcome: str | None = None) -> None:
        super().__init__(message, hint=hint)
        if outcome is not None:
            self.outcome: str | None = outcome


class TransactionAbortedError(TransactionError):
    """An earlier error ended the transaction; nothing of it is saved."""

    sqlstates: ClassVar[tuple[str, ...]] = ("25P02", "25P03", "25P04")


class CommitOutcomeUnknownError(TransactionError):
    """The link was lost at COMMIT: the transaction is saved, or it is not."""

    outcome: str | None = "unknown"
    sqlstates: ClassVar[tuple[str, ...]] = ("08007", "40003")


class MigrationError(DeeBaseError):
    """A migration cannot be made or applied."""


def _walk(kind: type[DeeBaseError]) -> Iterator[type[DeeBaseError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)


# Of each class its own codes: those that it inherits are another one's.
_BY_SQLSTATE: dict[str, type[DeeBaseError]] = {
    code: kind for kind in _walk(DeeBaseError) for code in vars(kind).get("sqlstates", ())
}
_BY_SQLITE: dict[int, type[DeeBaseError]] = {
    code: kind for kind in _walk(DeeBaseError) for code in vars(kind).get("sqlite_codes", ())
}


def class_for_sqlstate(state: str) -> type[DeeBaseError] | None:
    """Return the class for a SQLSTATE: its own, else that of its class (first two characters)."""
    return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])


def class_for_sqlite(code: int) -> type[DeeBaseError] | None:
    """Return the class for an extended result code, else for its primary code (the low byte)."""
    return _BY_SQLITE.get(code) or _BY_SQLITE.get(code & 0xFF)
