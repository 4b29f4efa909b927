"""Which texts may only read, as far as their tokens show it; the engine has the database decide the rest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from deebase._sqltext.scanner import BLANK, Token, split_script, tokens
from deebase.errors import InvalidOperationError

#: What a refused statement was asked for.
OPERATION = "read"
_HINT = "SELECT, VALUES, WITH ... SELECT and EXPLAIN of them only read"

_QUERIES = {"SELECT", "VALUES", "WITH", "TABLE", "("}
#: Commands that read.
_READING = {
    "sqlite": {"EXPLAIN", "PRAGMA"},
    "postgresql": {"EXPLAIN"},
}
#: Other commands, which the message names; the database decides whether any other word begins a query.
_COMMANDS = frozenset({
    "ABORT", "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT",
    "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DETACH", "DISCARD", "DO", "DROP", "END", "EXECUTE", "EXPLAIN",
    "FETCH", "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PRAGMA", "PREPARE",
    "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "REPLACE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY",
    "SET", "START", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM",
})  # fmt: skip
#: What EXPLAIN shows the plan of without running it.
_PLANNED = {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"}
_ANALYZE = {"ANALYZE", "ANALYSE"}
#: Bytes of a name that PostgreSQL keeps (manual, "Identifiers and Key Words").
_NAME_BYTES = 63


class ReadQuery(NamedTuple):
    """A statement that may be run.

    Attributes:
        query: what has to be a query, for the parser of PostgreSQL to confirm; None where nothing is run.
        calls: names before a parenthesis: functions, among others.
        names: all names; a function can be called as if it were a column of a row.
    """

    query: str | None
    calls: tuple[str, ...]
    names: tuple[str, ...]


class _Part(NamedTuple):
    token: Token
    #: Where it begins in the text.
    start: int
    #: In capitals if it is a word.
    word: str


def refused(what: str, hint: str = _HINT) -> InvalidOperationError:
    """Return the error for what does more than read."""
    return InvalidOperationError(f"{what} does more than read", operation=OPERATION, hint=hint)


def read_query(sql: str, dialect: str) -> ReadQuery:
    """Return what has to be known of a statement to run it.

    Args:
        sql: the statement, with the parameters of its database.
        dialect: by whose rules it is read.

    Raises:
        InvalidOperationError: it is of a kind that does more than read.
        ValidationError: a quote or comment is not closed.
    """
    statements = split_script(sql, dialect)
    if len(statements) != 1:
        what = "several statements" if statements else "a text without a statement"
        raise InvalidOperationError(
            f"{what} cannot be run to read from", operation=OPERATION, hint="one statement at a time reads"
        )
    parts = _parts(statements[0], dialect)
    first = parts[0].word
    if first in _COMMANDS - _READING[dialect]:
        raise refused(f"a statement that begins with {first[:30]}")
    if dialect == "sqlite":
        return ReadQuery(None, (), ())
    calls = [_name(before.token) for before, part in pairwise(parts) if part.word == "("]
    names = [_name(part.token) for part in parts]
    _refuse_escapes(parts)
    query: str | None = statements[0]
    if first in ("EXPLAIN", "SHOW"):
        query = _explained(statements[0], parts) if first == "EXPLAIN" else None
    return ReadQuery(query, tuple(filter(None, calls)), tuple(filter(None, names)))


def explains(sql: str, dialect: str) -> bool:
    """Whether a statement only shows how another one would be run."""
    return next((part.word for part in _parts(sql, dialect)), "") == "EXPLAIN"


def _parts(sql: str, dialect: str) -> list[_Part]:
    found: list[_Part] = []
    start = 0
    for token in tokens(sql, dialect):
        if token.kind not in BLANK and (found or token.text != ";"):
            word = token.text.upper() if token.kind == "word" else token.text if token.kind == "other" else ""
            found.append(_Part(token, start, word))
        start += len(token.text)
    return found


def _name(token: Token) -> str:
    """Return the name that a token is for PostgreSQL, "" if it is none."""
    if token.kind == "word":
        name = token.text.lower()
    elif token.kind == "quoted" and token.text.startswith('"'):
        name = token.text[1:-1].replace('""', '"')
    else:
        return ""
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def _refuse_escapes(parts: Sequence[_Part]) -> None:
    """Refuse U&"...": a name whose characters are written as escapes."""
    for first, second, third in zip(parts, parts[1:], parts[2:], strict=False):
        if first.word == "U" and second.word == "&" and third.token.text.startswith('"'):
            raise InvalidOperationError(
                'a name in the form U&"..." is not read here', operation=OPERATION, hint="write its characters"
            )


def _explained(sql: str, parts: Sequence[_Part]) -> str | None:
    """Return the query that EXPLAIN is about; None for a statement that it does not run."""
    at, runs, quoted = 1, False, False
    if [part.word for part in parts[1:2]] == ["("] and parts[2:3] and parts[2].word not in _QUERIES:
        while at < len(parts) and parts[at].word != ")":
            runs = runs or parts[at].word in _ANALYZE
            quoted = quoted or parts[at].token.kind == "quoted"
            at += 1
        at += 1
    while at < len(parts) and parts[at].word in {*_ANALYZE, "VERBOSE"}:
        runs = runs or parts[at].word in _ANALYZE
        at += 1
    word = parts[at].word if at < len(parts) else ""
    if word in _QUERIES:
        return sql[parts[at].start :]
    if word in _PLANNED and not runs and not quoted:
        return None
    raise refused(f"EXPLAIN of a statement that begins with {word[:30]}" if word else "EXPLAIN of nothing")
