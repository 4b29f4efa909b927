"""What kind of statement a SQL text is."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.tokens import code_tokens


class StatementKind(Enum):
    """What a statement does, as far as the engine has to know."""

    READ = "read"
    WRITE = "write"
    SCHEMA = "schema"
    SESSION = "session"
    TRANSACTION = "transaction"
    OTHER = "other"


_TRANSACTION = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT"}
_SESSION = {"SET", "RESET", "ATTACH", "DETACH", "LISTEN", "UNLISTEN", "LOAD", "DISCARD", "PREPARE", "DEALLOCATE"}
_SCHEMA = {
    "CREATE", "ALTER", "DROP", "REINDEX", "ANALYZE", "VACUUM", "TRUNCATE", "COMMENT", "GRANT", "REVOKE", "REFRESH",
    "CLUSTER", "SECURITY",
}  # fmt: skip
_WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}
_READS = {"SELECT", "VALUES", "SHOW", "TABLE", "WITH", "EXPLAIN"}
TEMPORARY = {"TEMP", "TEMPORARY"}
#: Pragmas whose argument names what they report on, as a call or after `=`.
_ASKING = {
    "TABLE_INFO", "TABLE_XINFO", "TABLE_LIST", "INDEX_INFO", "INDEX_XINFO", "INDEX_LIST", "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK", "INTEGRITY_CHECK", "QUICK_CHECK",
}  # fmt: skip
#: Pragmas that work on the file, with or without an argument: for the writer, once.
_WORKING = {"WAL_CHECKPOINT", "OPTIMIZE", "INCREMENTAL_VACUUM"}
#: Pragmas that store their value in the file, which outlives the session.
_STORED = {"USER_VERSION", "APPLICATION_ID", "SCHEMA_VERSION", "DEFAULT_CACHE_SIZE"}


@lru_cache(maxsize=1000)
def classify(sql: str, rules: TokenRules) -> StatementKind:
    """Return what kind of statement a text is, by its keywords outside of quotes and comments.

    Args:
        sql: one statement.
        rules: the rules by which quotes and comments are read.
    """
    parts = list(_parts(sql, rules))
    first = parts[0] if parts else ""
    if first in _TRANSACTION or parts[:2] == ["PREPARE", "TRANSACTION"]:
        return StatementKind.TRANSACTION
    if first == "PRAGMA":
        return _kind_of_pragma(parts)
    if first in _READS:
        return _kind_of_read(parts)
    if first == "CREATE" and TEMPORARY.intersection(parts[1:4]):
        # It changes its own session, but must not be repeated in others.
        return StatementKind.OTHER
    kinds = ((_SESSION, StatementKind.SESSION), (_WRITES, StatementKind.WRITE), (_SCHEMA, StatementKind.SCHEMA))
    return next((kind for words, kind in kinds if first in words), StatementKind.OTHER)


def _parts(sql: str, rules: TokenRules) -> Iterator[str]:
    """Yield words in capitals, symbols as they are, and "" for all that means nothing here."""
    leading = True
    for token in code_tokens(sql, rules):
        leading = leading and token.text in ("(", ";")
        if not leading:
            yield token.syntax


def _kind_of_pragma(parts: list[str]) -> StatementKind:
    at = 3 if parts[2:3] == ["."] else 1
    name, argument = "".join(parts[at : at + 1]), parts[at + 1 : at + 2]
    if name in _WORKING:
        return StatementKind.OTHER
    if name in _ASKING or argument in ([], [";"]):
        return StatementKind.READ
    return StatementKind.WRITE if name in _STORED else StatementKind.SESSION


def _kind_of_read(parts: list[str]) -> StatementKind:
    """Distinguish a query from one that stores something, or locks rows for it."""
    explains = parts[0] == "EXPLAIN"
    if explains and not {"ANALYZE", "ANALYSE"}.intersection(parts):
        return StatementKind.READ
    pairs = list(zip(parts, [*parts[1:], ""], strict=True))
    # EXPLAIN ANALYZE runs its statement, which may be of any kind.
    writes = (explains or parts[0] == "WITH") and _has_verb(pairs)
    writes = writes or (explains and not {"CREATE", "EXECUTE", "REFRESH"}.isdisjoint(parts))
    into = {after for word, after in pairs if word == "INTO"}
    if not writes and into & {*TEMPORARY, "LOCAL", "GLOBAL"}:
        return StatementKind.OTHER
    # FOR UPDATE, FOR SHARE, FOR KEY SHARE, FOR NO KEY UPDATE.
    locks = any(
        word == "FOR" and (after in ("UPDATE", "SHARE") or parts[n + 2 : n + 3] in (["KEY"], ["SHARE"]))
        for n, (word, after) in enumerate(pairs)
    )
    return StatementKind.WRITE if writes or into or locks else StatementKind.READ


def _has_verb(pairs: list[tuple[str, str]]) -> bool:
    # replace(...) is also a function.
    return any(word in _WRITES and (word != "REPLACE" or after == "INTO") for word, after in pairs)
