"""The statements of a script."""

from __future__ import annotations

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.kinds import TEMPORARY
from deebase._sqltext.tokens import BLANK, UNCLOSED, tokens
from deebase.errors import ValidationError


def split_script(sql: str, rules: TokenRules) -> list[str]:
    """Return the statements of a script, cut at the semicolons between them.

    Raises:
        ValidationError: a quote or comment is not closed.
    """
    statements: list[str] = []
    statement, start = _Statement(rules), 0

    def cut(end: int) -> None:
        if not statement.empty:
            # Python counts more characters as blanks than the databases do, which take them for letters.
            statements.append(sql[start:end].strip(" \t\n\r\f\v"))

    for token in tokens(sql, rules):
        if token.kind in UNCLOSED:
            raise ValidationError("the script has an unclosed quote or comment", field="sql", hint="close it")
        if token.text == ";" and statement.ends:
            cut(token.start)
            statement, start = _Statement(rules), token.end
        elif token.kind not in BLANK:
            statement.take(token.word or token.text)
    cut(len(sql))
    return statements


class _Statement:
    """Follows one statement of a script, to decide whether a semicolon ends it."""

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
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
        if not self._rules.has_trigger_bodies:
            # The rule of psql: the actions of a CREATE RULE are in parentheses.
            return not self._body and self._parentheses <= 0
        # The rule of sqlite3_complete(): a trigger ends with `; END ;`.
        skip = 2 if TEMPORARY.intersection(self._head[1:2]) else 1
        trigger = self._head[:1] == ["CREATE"] and self._head[skip : skip + 1] == ["TRIGGER"]
        return not trigger or self._last == (";", "END")

    @property
    def empty(self) -> bool:
        """Whether it has nothing but blanks and comments."""
        return self._last == ("", "")
