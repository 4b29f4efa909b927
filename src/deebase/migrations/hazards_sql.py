"""Lint of SQL, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deebase._sql.text import BLANK, StatementKind, classify, split_script
from deebase._sql.text import tokens as sql_tokens
from deebase.migrations import rules
from deebase.migrations.rules import Hazard, hazard


class _Words:
    """The words of a statement, without what stands between them."""

    def __init__(self, statement: str, dialect: str) -> None:
        found = [token for token in sql_tokens(statement, dialect) if token.kind not in BLANK]
        self.texts = [token.text for token in found]
        self.upper = [token.text.upper() if token.kind == "word" else "" for token in found]

    def begins(self, *words: str) -> bool:
        return tuple(self.upper[: len(words)]) == words

    def has(self, *words: str) -> bool:
        places = range(len(self.upper) - len(words) + 1)
        return any(tuple(self.upper[place : place + len(words)]) == words for place in places)

    def name(self, *, after: str) -> str | None:
        """Return the name behind a word, of which a schema and IF EXISTS are left out."""
        if after not in self.upper:
            return None
        place = self.upper.index(after) + 1
        while place < len(self.upper) and self.upper[place] in _FILLERS:
            place += 1
        while place + 2 < len(self.texts) and self.texts[place + 1] == ".":
            place += 2
        return _unquoted(self.texts[place]) if place < len(self.texts) else None


_FILLERS = frozenset({"IF", "NOT", "EXISTS", "ONLY", "TABLE", "COLUMN", "CONCURRENTLY"})
#: What ALTER TABLE ... DROP drops besides columns.
_NO_COLUMN = frozenset({"CONSTRAINT", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION"})


def _unquoted(text: str) -> str:
    if text[:1] in ('"', "`"):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text[1:-1] if text[:1] == "[" else text


def of_sql(script: str, dialect: str, line: int | None) -> Iterator[Hazard]:
    """Yield what is to be looked at in statements."""
    for statement in split_script(script, dialect):
        words = _Words(statement, dialect)
        if words.begins("ALTER", "TABLE"):
            yield from [replace(found, line=line) for found in _of_alter(words)]
        elif words.begins("DROP", "TABLE"):
            yield hazard(rules.DROP_TABLE, words.name(after="TABLE"), line=line)
        elif words.begins("TRUNCATE"):
            yield hazard(rules.DELETE_ROWS, words.name(after="TRUNCATE"), line=line)
        elif words.begins("DELETE", "FROM") and "WHERE" not in words.upper:
            yield hazard(rules.DELETE_ROWS, words.name(after="FROM"), line=line)
        elif words.begins("CREATE") and "INDEX" in words.upper[:3] and "CONCURRENTLY" not in words.upper:
            yield hazard(rules.INDEX, words.name(after="ON"), line=line)


def _of_alter(words: _Words) -> Iterator[Hazard]:
    table = words.name(after="TABLE")
    actions = {word: place for place, word in reversed(list(enumerate(words.upper))) if word}
    dropped = actions.get("DROP")
    if dropped is not None and words.upper[dropped + 1] not in _NO_COLUMN:
        yield hazard(rules.DROP_COLUMN, table, words.name(after="DROP"))
    if words.has("ADD", "COLUMN") and words.has("NOT", "NULL") and "DEFAULT" not in words.upper:
        yield hazard(rules.ADD_NOT_NULL, table, words.name(after="COLUMN"))
    if words.has("SET", "NOT", "NULL"):
        yield hazard(rules.SET_NOT_NULL, table, words.name(after="COLUMN"))
    if "RENAME" in words.upper:
        whole = words.has("RENAME", "TO") or words.has("RENAME", "CONSTRAINT")
        yield hazard(rules.RENAME, table, None if whole else words.name(after="RENAME"))
    if "TYPE" in words.upper and "ALTER" in words.upper[1:]:
        yield hazard(rules.CHANGE_TYPE, table, words.name(after="COLUMN"))
    if words.has("FOREIGN", "KEY") and not words.has("NOT", "VALID"):
        yield hazard(rules.FOREIGN_KEY, table)


def created_by(script: str, dialect: str) -> Iterator[str]:
    """Yield the tables that statements make."""
    for statement in split_script(script, dialect):
        words = _Words(statement, dialect)
        name = words.name(after="TABLE") if words.begins("CREATE", "TABLE") else None
        if name is not None:
            yield name


def writes(script: str, dialect: str) -> bool:
    """Whether a statement writes rows."""
    return any(classify(statement, dialect) is StatementKind.WRITE for statement in split_script(script, dialect))
