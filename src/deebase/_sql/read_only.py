"""Rejects statements that do more than read, as far as tokens show; the database checks the rest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import dropwhile, pairwise
from typing import NamedTuple

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.splitting import split_script
from deebase._sqltext.tokens import Token, code_tokens
from deebase.errors import InvalidOperationError

#: The operation in the error of a refused statement.
OPERATION = "read"
_HINT = "SELECT, VALUES, WITH ... SELECT and EXPLAIN of them only read"

_QUERIES = {"SELECT", "VALUES", "WITH", "TABLE", "("}
#: Commands, which the message names; for any other first word, the database decides.
_COMMANDS = frozenset({
    "ABORT", "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT",
    "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DETACH", "DISCARD", "DO", "DROP", "END", "EXECUTE", "EXPLAIN",
    "FETCH", "GRANT", "IMPORT", "INSERT", "LISTEN", "LOAD", "LOCK", "MERGE", "MOVE", "NOTIFY", "PRAGMA", "PREPARE",
    "REASSIGN", "REFRESH", "REINDEX", "RELEASE", "REPLACE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SECURITY",
    "SET", "START", "TRUNCATE", "UNLISTEN", "UPDATE", "VACUUM",
})  # fmt: skip
#: Statements that EXPLAIN plans without running them.
_PLANNED = {"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"}
_ANALYZE = {"ANALYZE", "ANALYSE"}
#: Bytes of a name that PostgreSQL keeps (manual, "Identifiers and Key Words").
_NAME_BYTES = 63


class ReadQuery(NamedTuple):
    """A statement that has passed the check of its tokens.

    Attributes:
        query: the part that the parser of PostgreSQL must confirm to be a query; None if nothing is executed.
        calls: names before a parenthesis: functions, among others.
        names: all names; a function can be called as if it were a column of a row.
    """

    query: str | None
    calls: tuple[str, ...]
    names: tuple[str, ...]


def only_reads(operation: str = "write") -> InvalidOperationError:
    """Return the error for a write through a Database that only reads; nothing was sent."""
    return InvalidOperationError(
        "this Database only reads: nothing was sent",
        operation=operation,
        hint="write with a Database that was opened without read_only",
    )


def refused(what: str, hint: str = _HINT) -> InvalidOperationError:
    """Return the error for a statement that does more than read."""
    return InvalidOperationError(f"{what} does more than read", operation=OPERATION, hint=hint)


def read_query(sql: str, rules: TokenRules) -> ReadQuery:
    """Return the parts of a statement that the database must confirm before it runs.

    Args:
        sql: the statement, with the parameters of its database.
        rules: the token rules of the database.

    Raises:
        InvalidOperationError: the statement does more than read.
        ValidationError: a quote or comment is not closed.
    """
    statements = split_script(sql, rules)
    if len(statements) != 1:
        what = "several statements" if statements else "a text without a statement"
        raise InvalidOperationError(
            f"{what} cannot be run to read from", operation=OPERATION, hint="one statement at a time reads"
        )
    parts = _parts(statements[0], rules)
    first = parts[0].syntax
    if first in _COMMANDS - rules.reading_commands:
        raise refused(f"a statement that begins with {first[:30]}")
    if rules.has_authorizer:
        return ReadQuery(None, (), ())
    calls = [_name(before) for before, part in pairwise(parts) if part.syntax == "("]
    names = [_name(part) for part in parts]
    _refuse_escapes(parts)
    query: str | None = statements[0]
    if first in ("EXPLAIN", "SHOW"):
        query = _explained(statements[0], parts) if first == "EXPLAIN" else None
    return ReadQuery(query, tuple(filter(None, calls)), tuple(filter(None, names)))


def explains(sql: str, rules: TokenRules) -> bool:
    """Whether a statement only shows the plan of another one."""
    return next((part.syntax for part in _parts(sql, rules)), "") == "EXPLAIN"


def _parts(sql: str, rules: TokenRules) -> list[Token]:
    return list(dropwhile(lambda token: token.text == ";", code_tokens(sql, rules)))


def _name(token: Token) -> str:
    """Return the name in a token, as PostgreSQL reads it; "" if the token is not a name."""
    if token.kind not in ("word", "quoted"):
        return ""
    name = token.text.lower() if token.kind == "word" else token.name
    return name.encode()[:_NAME_BYTES].decode(errors="ignore")


def _refuse_escapes(parts: Sequence[Token]) -> None:
    """Refuse U&"...": a name whose characters are written as escapes."""
    if any(part.kind == "quoted" and not part.text.startswith('"') for part in parts):
        raise InvalidOperationError(
            'a name in the form U&"..." is not supported', operation=OPERATION, hint="write its characters"
        )


def _explained(sql: str, parts: Sequence[Token]) -> str | None:
    """Return the query that EXPLAIN plans; None for a statement that EXPLAIN does not run."""
    at, runs, quoted = 1, False, False
    if [part.syntax for part in parts[1:2]] == ["("] and parts[2:3] and parts[2].syntax not in _QUERIES:
        while at < len(parts) and parts[at].syntax != ")":
            runs = runs or parts[at].syntax in _ANALYZE
            quoted = quoted or parts[at].kind == "quoted"
            at += 1
        at += 1
    while at < len(parts) and parts[at].syntax in {*_ANALYZE, "VERBOSE"}:
        runs = runs or parts[at].syntax in _ANALYZE
        at += 1
    word = parts[at].syntax if at < len(parts) else ""
    if word in _QUERIES:
        return sql[parts[at].start :]
    if word in _PLANNED and not runs and not quoted:
        return None
    raise refused(f"EXPLAIN of a statement that begins with {word[:30]}" if word else "EXPLAIN of nothing")
