"""The tokens of SQLite's SQL, each with its place in the text, so that an edit leaves everything else as it was."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import NamedTuple

# sqlite.org/lang.html and tokenize.c: white space is these five characters alone, every character beyond ASCII may be
# part of a name, and a comment that is not closed ends with the text.
_TOKEN = re.compile(
    r"""
    (?P<gap>[ \t\n\f\r]+|--[^\n]*|/\*(?:.*?\*/|.*\Z))
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<string>'(?:[^']|'')*')
    |(?P<literal>[xX]'[0-9a-fA-F]*'|0[xX][0-9a-fA-F]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    |(?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def folded(name: str) -> str:
    """Return a name in the form in which SQLite compares names: only ASCII letters have two cases."""
    return name.translate(_LOWER)


class Token(NamedTuple):
    """One token; ``kind`` is quoted (a name), string, literal, word or mark."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """A bare word in capitals, as keywords are compared; "" for any other token."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """What the token names, without its quotes; SQLite takes a string for a name where only a name can be."""
        if self.kind not in ("quoted", "string"):
            return self.text
        quote = self.text[-1]
        inner = self.text[1:-1]
        return inner if quote == "]" else inner.replace(quote * 2, quote)

    def means(self, name: str) -> bool:
        """Whether it is this name, bare or quoted."""
        return self.kind in ("word", "quoted") and folded(self.name) == folded(name)


def tokens(sql: str) -> list[Token]:
    """Return the tokens of a text without white space and comments.

    Example:
        ```python
        assert [token.name for token in tokens('a -- comment\n"b"')] == ["a", "b"]
        ```
    """
    return [
        Token(str(match.lastgroup), match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(sql)
        if match.lastgroup != "gap"
    ]


def joined(found: Sequence[Token]) -> str:
    """Return tokens in the form in which two texts of one meaning are the same; SQLite quotes names when it renames."""
    return " ".join([folded(token.name) if token.kind in ("word", "quoted") else token.text for token in found])


def mentions(sql: str, *names: str) -> bool:
    """Whether all of these names stand somewhere in a text, outside of strings and comments."""
    found = {folded(token.name) for token in tokens(sql) if token.kind in ("word", "quoted")}
    return all(folded(name) in found for name in names)


def quoted(name: str) -> str:
    """Return a name that SQLite takes for nothing but a name."""
    return '"' + name.replace('"', '""') + '"'


def spliced(sql: str, *edits: tuple[int, int, str]) -> str:
    """Return a text with some places (start, end, replacement) replaced; they do not overlap."""
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql
