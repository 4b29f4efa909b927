"""A scanner for SQL that is the user's own: placeholders, kinds of statement, scripts.

It reads a text as the database will: strings, quoted names, comments and dollar quotes are never looked
into, and what only one of the two databases takes for a quote is one only there. The rules are those of
SQLite's tokenize.c, and of PostgreSQL's scan.l with standard_conforming_strings on (its default).
"""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from deebase.errors import ValidationError


class StatementKind(Enum):
    """What a statement does, as far as the engine has to know."""

    READ = "read"
    WRITE = "write"
    SCHEMA = "schema"
    SESSION = "session"
    TRANSACTION = "transaction"
    OTHER = "other"


class Token(NamedTuple):
    """A piece of SQL: its kind (the name of a group of the patterns below) and its text."""

    kind: str
    text: str


# Both databases take every character beyond ASCII for a letter, no-break spaces and the like included.
_LETTER = r"[A-Za-z_\u0080-\U0010ffff]"
_NAME = r"[A-Za-z0-9_\u0080-\U0010ffff]"
_STRING = r"'[^']*+(?:''[^']*+)*+'"
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
# PostgreSQL goes on with a string behind a line break, by the rules of its first part.
_NEXT_PART = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'"
_ESCAPES = r"[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"

_PATTERNS = {
    "sqlite": re.compile(
        rf"""
          (?P<space>[ \t\n\f\r\ufeff]+)
        | (?P<string>{_STRING})
        | (?P<quoted>{_QUOTED}|`[^`]*+(?:``[^`]*+)*+`|\[[^\]]*+\])
        | (?P<comment>--[^\n]*+|/\*.*?\*/)
        | (?P<broken>(?:['"`\[]|/\*).*)
        | (?P<number>[0-9](?:{_NAME}|\.)*+)
        | (?P<word>{_LETTER}(?:{_NAME}|\$)*+)
        | (?P<cast>::|:=)
        | (?P<named>:{_LETTER}{_NAME}*+)
        | (?P<foreign>[$@\#:](?:::)*(?:{_NAME}|\$)+|\?[0-9]+)
        | (?P<escaped>\?\?)
        | (?P<mark>\?)
        | (?P<other>.)
        """,
        re.DOTALL | re.VERBOSE,
    ),
    "postgresql": re.compile(
        rf"""
          (?P<space>[ \t\n\r\f\v]+)
        | (?P<string>{_STRING}|[eE]'{_ESCAPES}(?:{_NEXT_PART}{_ESCAPES})*+(?!{_NEXT_PART}))
        | (?P<quoted>{_QUOTED}|\$(?P<tag>(?:{_LETTER}{_NAME}*+)?)\$.*?\$(?P=tag)\$)
        | (?P<comment>--[^\n\r]*+)
        | (?P<nested>/\*)
        # Versions differ in whether the e right behind a number belongs to the string: an error in the newer.
        | (?P<broken>(?:['"]|[eE]'|[0-9](?:{_NAME}|\.)*+'|\$(?:{_LETTER}{_NAME}*+)?\$).*)
        | (?P<number>[0-9](?:{_NAME}|\.)*+)
        | (?P<word>{_LETTER}(?:{_NAME}|\$)*+)
        | (?P<cast>::|:=)
        # Right behind an operand a colon is that of a slice, as in a[lo:hi].
        | (?P<named>(?<![\w$\])"':\u0080-\U0010ffff]):{_LETTER}{_NAME}*+)
        | (?P<foreign>\$[0-9]+|\?[0-9]+)
        | (?P<escaped>\?\?)
        | (?P<mark>\?)
        | (?P<other>.)
        """,
        re.DOTALL | re.VERBOSE | re.ASCII,
    ),
}
_NAME_AT_START = re.compile(_NAME)
_NAME_AT_END = re.compile(rf"(?:{_NAME}|\$)\Z")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
#: A NUL ends the text for the databases; a lone surrogate has no UTF-8.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
BLANK = ("space", "comment")


def tokens(sql: str, dialect: str) -> Iterator[Token]:
    """Yield the tokens of a text; from an unclosed quote or comment on, all is one token of kind "broken"."""
    pattern, at = _PATTERNS[dialect], 0
    while match := pattern.match(sql, at):
        kind, end = str(match.lastgroup), match.end()
        if kind == "nested":
            kind, end = _nested_comment(sql, at)
        yield Token(kind, sql[at:end])
        at = end


def _nested_comment(sql: str, start: int) -> tuple[str, int]:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return "comment", edge.end()
    return "broken", len(sql)


class Scan(NamedTuple):
    """A text cut at its placeholders: literal pieces, and between them names or None for ``?``."""

    pieces: tuple[str, ...]
    holes: tuple[str | None, ...]
    foreign: str | None


@lru_cache(maxsize=1000)
def scan(sql: str, dialect: str) -> Scan:
    """Find the placeholders of a text."""
    check_characters(sql)
    pieces: list[str] = []
    holes: list[str | None] = []
    foreign: str | None = None
    piece: list[str] = []
    for kind, text in tokens(sql, dialect):
        # In `limit?` and `?and` PostgreSQL would take the number of $1 for a part of the word.
        apart = " " if dialect == "postgresql" else ""
        if kind in ("mark", "named"):
            if piece and _NAME_AT_END.search(piece[-1]):
                piece.append(apart)
            pieces.append("".join(piece))
            holes.append(text[1:] if kind == "named" else None)
            piece = []
            continue
        if kind == "foreign":
            foreign = foreign or text
        if holes and not piece and _NAME_AT_START.match(text):
            piece.append(apart)
        piece.append("?" if kind == "escaped" else text)
    pieces.append("".join(piece))
    return Scan(tuple(pieces), tuple(holes), foreign)


def check_characters(sql: str) -> None:
    """Refuse a text that no database can be sent."""
    if _UNSENDABLE.search(sql):
        raise ValidationError("SQL text cannot hold a NUL or a lone surrogate", field="sql", hint="leave it out")


_TRANSACTION = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT"}
_SESSION = {"SET", "RESET", "ATTACH", "DETACH", "LISTEN", "UNLISTEN", "LOAD", "DISCARD", "PREPARE", "DEALLOCATE"}
_SCHEMA = {
    "CREATE", "ALTER", "DROP", "REINDEX", "ANALYZE", "VACUUM", "TRUNCATE", "COMMENT", "GRANT", "REVOKE", "REFRESH",
    "CLUSTER", "SECURITY",
}  # fmt: skip
_WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}
_READS = {"SELECT", "VALUES", "SHOW", "TABLE", "WITH", "EXPLAIN"}
_TEMPORARY = {"TEMP", "TEMPORARY"}
#: Pragmas whose argument names what they are asked about, as a call or behind `=`.
_ASKING = {
    "TABLE_INFO", "TABLE_XINFO", "TABLE_LIST", "INDEX_INFO", "INDEX_XINFO", "INDEX_LIST", "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK", "INTEGRITY_CHECK", "QUICK_CHECK",
}  # fmt: skip
#: Pragmas that work on the file, argument or not: for the writer, once.
_WORKING = {"WAL_CHECKPOINT", "OPTIMIZE", "INCREMENTAL_VACUUM"}
#: Pragmas that store their value in the file, which outlives the session.
_STORED = {"USER_VERSION", "APPLICATION_ID", "SCHEMA_VERSION"}


@lru_cache(maxsize=1000)
def classify(sql: str, dialect: str = "sqlite") -> StatementKind:
    """Return what kind of statement a text is, by its keywords outside of quotes and comments.

    Args:
        sql: one statement.
        dialect: by whose rules quotes and comments are read.
    """
    parts = list(_parts(sql, dialect))
    first = parts[0] if parts else ""
    if first in _TRANSACTION or parts[:2] == ["PREPARE", "TRANSACTION"]:
        return StatementKind.TRANSACTION
    if first == "PRAGMA":
        return _kind_of_pragma(parts)
    if first in _READS:
        return _kind_of_read(parts)
    if first == "CREATE" and _TEMPORARY.intersection(parts[1:4]):
        # It leaves something in the session, but is not to be repeated in others.
        return StatementKind.OTHER
    kinds = ((_SESSION, StatementKind.SESSION), (_WRITES, StatementKind.WRITE), (_SCHEMA, StatementKind.SCHEMA))
    return next((kind for words, kind in kinds if first in words), StatementKind.OTHER)


def _parts(sql: str, dialect: str) -> Iterator[str]:
    """Yield words in capitals, punctuation as it is, and "" for all that means nothing here."""
    leading = True
    for kind, text in tokens(sql, dialect):
        leading = leading and (kind in BLANK or text in ("(", ";"))
        if not leading and kind not in BLANK:
            yield text.upper() if kind == "word" else text if kind == "other" else ""


def _kind_of_pragma(parts: list[str]) -> StatementKind:
    at = 3 if parts[2:3] == ["."] else 1
    name, argument = "".join(parts[at : at + 1]), parts[at + 1 : at + 2]
    if name in _WORKING:
        return StatementKind.OTHER
    if name in _ASKING or argument in ([], [";"]):
        return StatementKind.READ
    return StatementKind.WRITE if name in _STORED else StatementKind.SESSION


def _kind_of_read(parts: list[str]) -> StatementKind:
    """Tell a query from one that stores something, or locks rows for it."""
    explains = parts[0] == "EXPLAIN"
    if explains and not {"ANALYZE", "ANALYSE"}.intersection(parts):
        return StatementKind.READ
    pairs = list(zip(parts, [*parts[1:], ""], strict=True))
    # What EXPLAIN ANALYZE explains is run, and may be of any kind.
    writes = (explains or parts[0] == "WITH") and _has_verb(pairs)
    writes = writes or (explains and not {"CREATE", "EXECUTE", "REFRESH"}.isdisjoint(parts))
    into = {after for word, after in pairs if word == "INTO"}
    if not writes and into & {*_TEMPORARY, "LOCAL", "GLOBAL"}:
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


class _Statement:
    """Follows one statement of a script, to tell whether a semicolon ends it."""

    def __init__(self, dialect: str) -> None:
        self._postgres = dialect == "postgresql"
        self._head: list[str] = []
        self._last = ("", "")
        self._parentheses = 0
        self._body = 0

    def take(self, part: str) -> None:
        """Go on by a word in capitals, or anything else that is not blank."""
        if len(self._head) < 4 and (self._head or part != "EXPLAIN"):
            self._head.append(part)
        self._parentheses += (part == "(") - (part == ")")
        if part == "ATOMIC" and self._last[1] == "BEGIN" and self._creates("FUNCTION", "PROCEDURE"):
            self._body = 1
        elif self._body:
            self._body += (part == "CASE") - (part == "END")
        self._last = self._last[1], part

    def _creates(self, *what: str) -> bool:
        return self._head[:1] == ["CREATE"] and not set(what).isdisjoint(self._head[1:])

    @property
    def ends(self) -> bool:
        """Whether a semicolon here is its end."""
        if self._postgres:
            # The rule of psql: the actions of a CREATE RULE are in parentheses.
            return not self._body and self._parentheses <= 0
        # The rule of sqlite3_complete(): a trigger ends with `; END ;`.
        skip = 2 if _TEMPORARY.intersection(self._head[1:2]) else 1
        trigger = self._head[:1] == ["CREATE"] and self._head[skip : skip + 1] == ["TRIGGER"]
        return not trigger or self._last == (";", "END")

    @property
    def empty(self) -> bool:
        """Whether there was nothing but blanks and comments."""
        return self._last == ("", "")


def split_script(sql: str, dialect: str) -> list[str]:
    """Return the statements of a script, cut at the semicolons between them.

    Raises:
        ValidationError: a quote or comment is not closed.
    """
    statements: list[str] = []
    pieces: list[str] = []
    statement = _Statement(dialect)
    for kind, text in [*tokens(sql, dialect), Token("end", "")]:
        if kind == "broken":
            raise ValidationError("the script has an unclosed quote or comment", field="sql", hint="close it")
        if kind == "end" or (text == ";" and statement.ends):
            if not statement.empty:
                # Python counts more characters as blanks than the databases do, which take them for letters.
                statements.append("".join(pieces).strip(" \t\n\r\f\v"))
            pieces, statement = [], _Statement(dialect)
            continue
        pieces.append(text)
        if kind not in BLANK:
            statement.take(text.upper() if kind == "word" else text)
    return statements
