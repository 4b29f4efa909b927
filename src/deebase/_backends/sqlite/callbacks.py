"""Adds the functions, collations and extensions of an application to a connection.

SQLite reports that a function failed, but not which one, and Python's driver ignores the exception of a collation.
The callbacks therefore record their failure for the thread of the connection, where the lane asks for it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from deebase._backends.additions import Additions, SqlFunction
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded
from deebase.errors import ConfigurationError, QueryError

#: How SQLite says that a connection lacks something that the schema of a file uses.
LACKING = ("no such function: ", "unknown function: ", "no such collation sequence: ", "no such module: ")

_failures = threading.local()


def add(raw: sqlite3.Connection, additions: Additions) -> None:
    """Register everything on a connection, in its thread.

    Raises:
        ConfigurationError: an extension cannot be loaded, or this SQLite cannot load any.
    """
    for path in additions.extensions:
        _load(raw, path)
    for function in additions.functions:
        _register(raw, function)
    for name, compare in additions.collations.items():
        raw.create_collation(name, _comparing(raw, name, compare))


def stand_in(raw: sqlite3.Connection) -> bool:
    """Define the collations that the schema names and the connection lacks, for reading; whether there are any.

    Without them SQLite refuses even statements that compare nothing. A statement that compares two texts fails.
    """
    # A file that is locked, damaged or not a database: the first statement raises the error.
    with suppress(sqlite3.Error):
        texts = [str(sql) for (sql,) in raw.execute("SELECT sql FROM sqlite_master WHERE sql LIKE '%collate%'")]
        missing = [name for name in collations_of(texts) if not _is_defined(raw, name)]
        for name in missing:
            raw.create_collation(name, _refusing(raw, name))
        return bool(missing)
    return False


def _is_defined(raw: sqlite3.Connection, name: str) -> bool:
    # PRAGMA collation_list has every name that the schema mentions.
    try:
        raw.execute(f"SELECT 'a' < 'b' COLLATE {identifier(name)}")
    except sqlite3.OperationalError as error:
        return not lacks_addition(error)
    return True


def collations_of(texts: Iterable[str]) -> list[str]:
    """Return the collations that statements of a schema name."""
    pairs = [pair for sql in texts for pair in pairwise(code_tokens(sql, SQLITE))]
    return list({folded(name.name): name.name for token, name in pairs if token.word == "COLLATE"}.values())


def calls_of(texts: Iterable[str]) -> list[str]:
    """Return the names before a parenthesis in statements of a schema: functions, among others."""
    pairs = [pair for sql in texts for pair in pairwise(code_tokens(sql, SQLITE))]
    return list({folded(name.name): name.name for name, token in pairs if token.text == "(" and name.name}.values())


def _refusing(raw: sqlite3.Connection, name: str) -> Callable[[str, str], int]:
    """Return the collation that ends each statement that compares by it."""

    def run(_one: str, _other: str) -> int:
        _failures.last = QueryError(
            f"the statement compares by the collation {name} of the file, which is not defined",
            hint=f"if its application defines it: Database(path, collations={{{name!r}: f}})",
        )
        raw.interrupt()
        return 0

    return run


def lacks_addition(error: BaseException) -> bool:
    """Whether a statement failed for a function, collation or module that the connection does not have."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(LACKING)


def raise_failure() -> None:
    """Raise the error of the callback that has failed in this thread, if any.

    Raises:
        QueryError: names the function or collation, and where it failed; no value, since that may be secret.
    """
    failure: QueryError | None = getattr(_failures, "last", None)
    if failure is not None:
        _failures.last = None
        raise failure


def _load(raw: sqlite3.Connection, path: str) -> None:
    try:
        raw.enable_load_extension(True)
    except (AttributeError, sqlite3.Error) as error:
        hint = "use a Python whose sqlite3 has enable_load_extension, or omit extensions="
        raise ConfigurationError("this build of Python's sqlite3 cannot load extensions", hint=hint) from error
    try:
        raw.load_extension(path)
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"the SQLite extension {path} cannot be loaded: {error}",
            hint="give the path of the library, and install the libraries that it needs",
        ) from error
    finally:
        # Not for SQL: a statement could load any file.
        raw.enable_load_extension(False)


def _register(raw: sqlite3.Connection, function: SqlFunction) -> None:
    name, arguments = function.name, function.arguments
    if function.is_window:
        raw.create_window_function(name, arguments, _aggregate(function))
    elif function.is_aggregate:
        raw.create_aggregate(name, arguments, _aggregate(function))
    else:
        raw.create_function(
            name, arguments, _recording(f"the function {name}", function.call), deterministic=function.deterministic
        )


def _recording(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that records its exception."""

    def run(*args: Any) -> Any:
        try:
            return call(*args)
        except Exception as error:
            _record(what, error)
            raise

    return run


def _aggregate(function: SqlFunction) -> Any:
    """Return the class of an aggregate whose methods record their exceptions."""
    what = f"the aggregate function {function.name}"
    kind: Any = function.call

    def made(own: Any) -> None:
        own.state = _recording(what, kind)()

    def method(name: str) -> Callable[..., Any]:
        def run(own: Any, *args: Any) -> Any:
            return _recording(what, getattr(own.state, name))(*args)

        return run

    names = ("step", "finalize", *(("inverse", "value") if function.is_window else ()))
    return type(kind.__name__, (), {"__init__": made, **{name: method(name) for name in names}})


def _comparing(raw: sqlite3.Connection, name: str, compare: Callable[[str, str], int]) -> Callable[[str, str], int]:
    """Return a collation that ends the statement when it fails."""
    recording = _recording(f"the collation {name}", compare)

    def run(one: str, other: str) -> int:
        try:
            return int(recording(one, other))
        except Exception:
            # The driver takes the texts for equal: the rows would be in a wrong order.
            with suppress(sqlite3.Error):
                raw.interrupt()
            raise

    return run


def _record(what: str, error: Exception) -> None:
    place = _place(error.__traceback__)
    _failures.last = QueryError(
        f"{what} raised {type(error).__name__}{place}",
        hint="correct the function that is passed to Database(..., functions= or collations=)",
    )


def _place(traceback: TracebackType | None) -> str:
    """Return the file and line where an exception was raised."""
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f" ({Path(traceback.tb_frame.f_code.co_filename).name}, line {traceback.tb_lineno})"
