"""The error tree: every code of the two databases has a class, and errors survive being sent around."""

from __future__ import annotations

import copy
import pickle
import sqlite3
from collections.abc import Iterator

import asyncpg
import pytest

from deebase import errors
from deebase.errors import (
    BusyError,
    CheckViolationError,
    ConnectionError,
    DatabaseError,
    DataError,
    DeadlockError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    NotNullViolationError,
    QueryError,
    QueryTimeoutError,
    SerializationError,
    TransactionAbortedError,
    UniqueViolationError,
    ValidationError,
    class_for_sqlite,
    class_for_sqlstate,
)


def every_class(kind: type[DeeBaseError] = DeeBaseError) -> Iterator[type[DeeBaseError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every_class(child)


def sqlstates() -> list[str]:
    """Return the SQLSTATEs of all errors that asyncpg knows; classes 00 to 02 are no errors."""
    known = {getattr(value, "sqlstate", None) for value in vars(asyncpg.exceptions).values() if isinstance(value, type)}
    return sorted(state for state in known if isinstance(state, str) and state[:2] not in ("00", "01", "02"))


def sqlite_codes() -> dict[str, int]:
    """Return the error codes the sqlite3 module names; its other constants are not of this kind."""
    primary = {
        name: value
        for name, value in vars(sqlite3).items()
        if name.startswith("SQLITE_") and isinstance(value, int) and name in PRIMARY
    }
    extended = {
        name: value
        for name, value in vars(sqlite3).items()
        if isinstance(value, int) and value > 255 and name.startswith(tuple(f"{known}_" for known in PRIMARY))
    }
    return {**primary, **extended}


#: sqlite.org/rescode.html, without OK, NOTICE, WARNING, ROW and DONE.
PRIMARY = [
    f"SQLITE_{name}"
    for name in [
        "ERROR",
        "INTERNAL",
        "PERM",
        "ABORT",
        "BUSY",
        "LOCKED",
        "NOMEM",
        "READONLY",
        "INTERRUPT",
        "IOERR",
        "CORRUPT",
        "NOTFOUND",
        "FULL",
        "CANTOPEN",
        "PROTOCOL",
        "EMPTY",
        "SCHEMA",
        "TOOBIG",
        "CONSTRAINT",
        "MISMATCH",
        "MISUSE",
        "NOLFS",
        "AUTH",
        "FORMAT",
        "RANGE",
        "NOTADB",
    ]
]


def test_every_sqlstate_has_a_class() -> None:
    assert [state for state in sqlstates() if class_for_sqlstate(state) is None] == []


def test_every_sqlite_code_has_a_class() -> None:
    assert [name for name, code in sqlite_codes().items() if class_for_sqlite(code) is None] == []


def test_there_are_codes_to_walk() -> None:
    assert len(sqlstates()) > 200
    assert len(sqlite_codes()) > 80


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("23505", UniqueViolationError),
        ("23503", ForeignKeyViolationError),
        ("23502", NotNullViolationError),
        ("23514", CheckViolationError),
        ("23000", IntegrityError),
        ("23P01", IntegrityError),
        ("22012", DataError),
        ("40001", SerializationError),
        ("40P01", DeadlockError),
        ("55P03", BusyError),
        ("57014", QueryTimeoutError),
        ("57P01", ConnectionError),
        ("25P02", TransactionAbortedError),
        ("42601", QueryError),
    ],
)
def test_well_known_sqlstates(state: str, kind: type[DeeBaseError]) -> None:
    assert class_for_sqlstate(state) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, UniqueViolationError),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, UniqueViolationError),
        (sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, ForeignKeyViolationError),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, NotNullViolationError),
        (sqlite3.SQLITE_CONSTRAINT_CHECK, CheckViolationError),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, IntegrityError),
        (3091, DataError),  # SQLITE_CONSTRAINT_DATATYPE, which the module does not name
        (sqlite3.SQLITE_BUSY, BusyError),
        (sqlite3.SQLITE_LOCKED, BusyError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, SerializationError),
        (sqlite3.SQLITE_INTERRUPT, QueryTimeoutError),
        (sqlite3.SQLITE_CANTOPEN, ConnectionError),
        (sqlite3.SQLITE_ERROR, QueryError),
        (sqlite3.SQLITE_FULL, DatabaseError),
        (sqlite3.SQLITE_CORRUPT, DatabaseError),
        (sqlite3.SQLITE_NOTADB, DatabaseError),
        (sqlite3.SQLITE_IOERR, DatabaseError),
    ],
)
def test_well_known_sqlite_codes(code: int, kind: type[DeeBaseError]) -> None:
    assert class_for_sqlite(code) is kind


@pytest.mark.parametrize("kind", list(every_class()))
def test_errors_survive_pickle_and_copy(kind: type[DeeBaseError]) -> None:
    error = kind("what failed", hint="do this")
    for made in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(made) is kind
        assert str(made) == "what failed\nHint: do this"
        assert made.__dict__ == error.__dict__


def test_details_survive_too() -> None:
    error = UniqueViolationError("taken", constraint="unique", table_name="t", columns=("a", "b"))
    assert pickle.loads(pickle.dumps(error)).columns == ("a", "b")


def test_a_prefix_leaves_the_original_alone() -> None:
    error = ValidationError("too long", field="name", value="secret")
    located = error.with_prefix("row 3: ")
    assert (str(located), located.field) == ("row 3: too long", "name")
    assert str(error) == "too long"


def test_all_names_the_tree_and_is_sorted() -> None:
    assert sorted(errors.__all__, key=str.lower) == sorted((kind.__name__ for kind in every_class()), key=str.lower)
    assert {kind.__name__ for kind in every_class() if kind.retryable} == {
        "BusyError",
        "DeadlockError",
        "SerializationError",
    }
