"""Decides whether the schema of a SQLite file is trusted.

With ``trusted_schema`` off, a view, trigger, CHECK, index or computed column can only call functions that are marked as
harmless. Before 3.44, SQLite does not mark its own JSON functions, full-text and R-Tree tables
(sqlite.org/pragma.html#pragma_trusted_schema), so files that use them cannot be written, and some cannot be read.
A file is trusted if it needs these functions, and its schema names no other unmarked function of the library. Functions
that the application adds to the connection cannot be marked: with them, a file is trusted on the same condition.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from contextlib import closing, suppress
from typing import Any

from deebase._sqltext.quoting import identifier

#: The beginning of SQLite's error message.
UNSAFE = "unsafe use of "
#: The flag of a function that is marked as harmless (sqlite.org/c3ref/c_deterministic.html, SQLITE_INNOCUOUS).
_INNOCUOUS = 0x200000
_DETERMINISTIC = 0x800
#: Harmless functions, marked or not: JSON, and those of full-text and R-Tree tables.
_HARMLESS = re.compile(
    r"json(_\w+)?|->>?|match|snippet|offsets|matchinfo|optimize|highlight|bm25|fts5|fts5_source_id"
    r"|rtree(node|depth|check)",
    re.IGNORECASE,
)
#: Names that a trusted schema cannot have: tables of the library about itself, and functions of DeeBase.
_NEVER = ("load_extension", "fts3_tokenizer", "sqlite_dbpage", "dbstat")
_NEVER_BEGINS = ("pragma_", "deebase_")
_NEEDS = re.compile(r"json|->|\bvirtual\b", re.IGNORECASE)
_PROBES = (
    ("CREATE TABLE j (a CHECK (json_valid(a)))",),
    ("CREATE VIRTUAL TABLE f USING fts5(a)", "CREATE VIEW of_f AS SELECT * FROM f", "SELECT * FROM of_f"),
    ("CREATE VIRTUAL TABLE g USING fts4(a)", "CREATE VIEW of_g AS SELECT * FROM g", "SELECT * FROM of_g"),
    ("CREATE VIRTUAL TABLE r USING rtree(a, b, c)", "CREATE VIEW of_r AS SELECT * FROM r", "SELECT * FROM of_r"),
)


@functools.cache
def refuses_its_own() -> bool:
    """Whether this library considers JSON, full-text or R-Tree tables unsafe in a schema."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.execute("PRAGMA trusted_schema = OFF")
        return any(_is_refused(raw, statements) for statements in _PROBES)


def _is_refused(raw: sqlite3.Connection, statements: tuple[str, ...]) -> bool:
    try:
        for statement in statements:
            raw.execute(statement)
    except sqlite3.OperationalError as error:
        # A module that is missing in this library raises another error.
        return is_unsafe(error)
    return False


def is_unsafe(error: BaseException) -> bool:
    """Whether SQLite refused a call in the schema: in a statement, or while it read the schema."""
    return isinstance(error, sqlite3.DatabaseError) and UNSAFE in str(error)


def trust_if_needed(raw: sqlite3.Connection, *, added: bool = False) -> None:
    """Trust the schema of a new connection, if it is harmless and has calls that SQLite would reject.

    Args:
        raw: the connection.
        added: whether the application has added functions, which the schema may call.
    """
    # A file that is locked, damaged or not a database: the first statement raises the error.
    with suppress(sqlite3.Error):
        if added:
            _decide(raw)
        elif refuses_its_own():
            _decide(raw, _NEEDS)


def is_harmless(text: str) -> bool:
    """Whether the statements of a schema name nothing that only a trusted schema may call."""
    return not _never().search(text)


def trust_if_harmless(raw: sqlite3.Connection) -> bool:
    """Trust the schema of a connection if it is harmless; True if it was not trusted before."""
    if raw.execute("PRAGMA trusted_schema").fetchone()[0]:
        return False
    return _decide(raw)


def _decide(raw: sqlite3.Connection, needs: re.Pattern[str] | None = None) -> bool:
    """Trust the schema if it is harmless and, with ``needs``, matches that pattern."""
    trusted = False
    # Without trust SQLite cannot read a schema with an index that calls json_extract(). Reading does not run code of
    # the schema.
    raw.execute("PRAGMA trusted_schema = ON")
    try:
        text = _schema(raw)
        trusted = (needs is None or needs.search(text) is not None) and is_harmless(text)
    finally:
        if not trusted:
            raw.execute("PRAGMA trusted_schema = OFF")
    return trusted


def added_functions(raw: sqlite3.Connection) -> dict[str, bool]:
    """Return the functions that were added to a connection, and whether they are marked as harmless."""
    known = {name for name, _ in _of_library()}
    return {name: bool(flags & (_INNOCUOUS | _DETERMINISTIC)) for name, flags in _functions(raw) if name not in known}


def _functions(raw: sqlite3.Connection) -> list[tuple[str, int]]:
    found: list[Any] = raw.execute("PRAGMA function_list").fetchall()
    return [(str(row[0]).lower(), int(row[5])) for row in found]


@functools.cache
def _of_library() -> list[tuple[str, int]]:
    """Return the functions of the library itself, with their flags."""
    with closing(sqlite3.connect(":memory:")) as raw:
        return _functions(raw)


@functools.cache
def _never() -> re.Pattern[str]:
    """Return a pattern of the names that make a schema untrusted."""
    unmarked = {name for name, flags in _of_library() if not flags & _INNOCUOUS and not _HARMLESS.fullmatch(name)}
    names = "|".join(map(re.escape, sorted({*unmarked, *_NEVER})))
    return re.compile(rf"(?<![\w$])(?:(?:{names})(?![\w$])|{'|'.join(_NEVER_BEGINS)})", re.IGNORECASE)


def _schema(raw: sqlite3.Connection) -> str:
    """Return the text of all schemas of a connection."""
    texts: list[str] = []
    for _, name, _ in raw.execute("PRAGMA database_list").fetchall():
        found = raw.execute(f"SELECT sql FROM {identifier(name)}.sqlite_master WHERE sql IS NOT NULL")
        texts += [str(sql) for (sql,) in found]
    return "\n".join(texts)
