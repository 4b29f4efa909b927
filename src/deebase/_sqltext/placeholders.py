"""The placeholders of a SQL text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.tokens import tokens
from deebase.errors import ValidationError

_NAME_AT_START = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]")
_NAME_AT_END = re.compile(r"[A-Za-z0-9_$\u0080-\U0010ffff]\Z")
#: A NUL ends the text for the databases; a lone surrogate has no UTF-8.
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class Scan(NamedTuple):
    """A text cut at its placeholders.

    Attributes:
        pieces: the literal text, before, between and after the placeholders.
        holes: the names of the placeholders, None for ``?``.
        native: the first placeholder that only the database knows.
    """

    pieces: tuple[str, ...]
    holes: tuple[str | None, ...]
    native: str | None


@lru_cache(maxsize=1000)
def scan(sql: str, rules: TokenRules) -> Scan:
    """Find the placeholders of a text.

    Raises:
        ValidationError: it has a character that cannot be sent.
    """
    check_characters(sql)
    pieces: list[str] = []
    holes: list[str | None] = []
    native: str | None = None
    piece: list[str] = []
    # In `limit?` and `?and` PostgreSQL would take the number of $1 for a part of the word.
    apart = " " if rules.numbers_parameters else ""
    for kind, text, _ in tokens(sql, rules):
        if kind in ("mark", "named"):
            if piece and _NAME_AT_END.search(piece[-1]):
                piece.append(apart)
            pieces.append("".join(piece))
            holes.append(text[1:] if kind == "named" else None)
            piece = []
            continue
        if kind == "native":
            native = native or text
        if holes and not piece and _NAME_AT_START.match(text):
            piece.append(apart)
        piece.append("?" if kind == "escaped" else text)
    pieces.append("".join(piece))
    return Scan(tuple(pieces), tuple(holes), native)


def check_characters(sql: str) -> None:
    """Refuse a text with a character that cannot be sent to a database.

    Raises:
        ValidationError: it holds a NUL or a lone surrogate.
    """
    if _UNSENDABLE.search(sql):
        raise ValidationError("SQL text cannot hold a NUL or a lone surrogate", field="sql", hint="leave it out")
