"""The tokens of a SQL text, each with its place in it, so that an edit leaves everything else as it was.

Each string, quoted name, comment and dollar quote is one token, by the rules of its database: what only one of them
takes for a quote is one only there.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.quoting import unquoted

Kind = Literal[
    "space", "comment", "open_comment", "unclosed", "string", "blob", "quoted", "word", "number", "symbol", "illegal",
    "mark", "named", "escaped", "native",
]  # fmt: skip
#: What means nothing. SQLite takes a block comment that is not closed for one that ends with the text.
BLANK: frozenset[Kind] = frozenset({"space", "comment", "open_comment"})
#: What may swallow text that is put after it; always the last token.
UNCLOSED: frozenset[Kind] = frozenset({"open_comment", "unclosed"})

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_KINDS.update(cast="symbol", no_number="illegal")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> str:
    """Return a name in the form in which SQLite compares names: only ASCII letters have two cases."""
    return name.translate(_LOWER)


class Token(NamedTuple):
    """A piece of SQL.

    Attributes:
        kind: "string" has any form of quotes; "blob" is ``x'ff'``, which PostgreSQL takes for bits; "quoted" is a name;
            "symbol" is an operator or punctuation; "illegal" is what the database refuses. Placeholders are "mark"
            (``?``), "named" (``:x``), "escaped" (``??``, a literal question mark) and "native" (what only the database
            knows: ``?1``, ``@x``, ``$1``).
        text: as it is written.
        start: its place in the whole text.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """A bare word in capitals, as keywords are compared; "" for any other token."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def syntax(self) -> str:
        """A bare word in capitals, a symbol as it is; "" for names in quotes, values and placeholders."""
        return self.text if self.kind == "symbol" else self.word

    @property
    def name(self) -> str:
        """What the token names, without its quotes; SQLite takes a string for a name where only a name can be."""
        if self.kind not in ("quoted", "string"):
            return self.text
        quote = self.text[-1]
        inner = self.text[3 if self.text[0] in "uU" else 1 : -1]
        return inner if quote == "]" else unquoted(inner, quote)

    def means(self, name: str) -> bool:
        """Whether it is this name, bare or quoted."""
        return self.kind in ("word", "quoted") and folded(self.name) == folded(name)


def tokens(sql: str, rules: TokenRules) -> list[Token]:
    """Return all tokens of a text; joined, they are the text.

    Example:
        ```python
        assert [token.text for token in tokens("a -- x", SQLITE)] == ["a", " ", "-- x"]
        ```
    """
    found: list[Token] = []
    match, at = rules.pattern.match, 0
    while matched := match(sql, at):
        group = str(matched.lastgroup)
        token = _nested_comment(sql, at) if group == "nested" else Token(_KINDS[group], matched.group(), at)
        found.append(token)
        at = token.end
    return found


def code_tokens(sql: str, rules: TokenRules) -> list[Token]:
    """Return the tokens of a text without white space and comments."""
    return [token for token in tokens(sql, rules) if token.kind not in BLANK]


def _nested_comment(sql: str, start: int) -> Token:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return Token("comment", sql[start : edge.end()], start)
    return Token("unclosed", sql[start:], start)


def joined(found: Sequence[Token]) -> str:
    """Return tokens in the form in which two texts of one meaning are the same; SQLite quotes names when it renames."""
    return " ".join([folded(token.name) if token.kind in ("word", "quoted") else token.text for token in found])


def mentions(sql: str, rules: TokenRules, *names: str) -> bool:
    """Whether all of these names occur in a text, outside of strings and comments."""
    found = words(sql, rules)
    return all(folded(name) in found for name in names)


def words(sql: str, rules: TokenRules) -> frozenset[str]:
    """Return the names and keywords in a text, outside of strings and comments, in the form in which they compare."""
    return frozenset([folded(token.name) for token in tokens(sql, rules) if token.kind in ("word", "quoted")])


def spliced(sql: str, *edits: tuple[int, int, str]) -> str:
    """Return a text with some places (start, end, replacement) replaced; they do not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql
