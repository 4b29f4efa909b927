"""Expressions of PostgreSQL in common SQL, which SQLite reads as well, and expressions of other databases for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from deebase._sqltext.dialects import POSTGRES, SQLITE
from deebase._sqltext.quoting import identifier, literal, unquoted
from deebase._sqltext.tokens import Token, code_tokens, folded, tokens

_NOW: Final = re.compile(r"\b(?:now|transaction_timestamp|statement_timestamp|clock_timestamp)\(\)", re.IGNORECASE)
_UTC_NOW: Final = re.compile(
    r"\(?(?:CURRENT_TIMESTAMP|timezone\('utc'(?:::text)?, CURRENT_TIMESTAMP\))(?: AT TIME ZONE 'utc'(?:::text)?)?\)?",
    re.IGNORECASE,
)
_OPERATORS: Final = {"~~": "LIKE", "!~~": "NOT LIKE", "~~*": "LIKE", "!~~*": "NOT LIKE"}


def common(sql: str) -> str:
    """Return an expression as PostgreSQL writes it, without its casts and in operators that other databases have.

    Example:
        ```python
        assert common("((kind)::text = ANY (ARRAY['a'::text, 'b'::text]))") == "((kind) IN ('a', 'b'))"
        ```
    """
    code = [token for token in tokens(_NOW.sub("CURRENT_TIMESTAMP", sql), POSTGRES) if token.kind != "comment"]
    written = _without_casts(code)
    written = re.sub(
        r"= ANY \(+ARRAY\[((?:'(?:[^']|'')*'|[^'\]])*)\]\)+",
        lambda found: f"IN ({found[1]}){')' * _extra(found[0])}",
        written,
    )
    found = _UTC_NOW.fullmatch(written.strip())
    return "CURRENT_TIMESTAMP" if found else written


def _extra(text: str) -> int:
    """Return how many closing parentheses of a text have no opening one in it."""
    return max(text.count(")") - text.count("("), 0)


def _without_casts(code: list[Token]) -> str:
    parts: list[str] = []
    place = 0
    while place < len(code):
        token = code[place]
        if token.text in ("::", "cast") or (
            token.text == ":" and code[place + 1 : place + 2] and code[place + 1].text == ":"
        ):
            place = _after_type(code, place + (1 if token.text != ":" else 2))
            continue
        if token.text in _OPERATORS:
            parts.append(_OPERATORS[token.text])
        elif token.kind == "string" and token.text[:1] in "eE":
            parts.append(literal(unquoted(token.text[2:-1]).replace("\\\\", "\\"), SQLITE))
        else:
            parts.append(token.text)
        place += 1
    return "".join(parts)


#: Words that follow the first one of a type's name.
_TYPE_WORDS: Final = frozenset({"VARYING", "PRECISION", "WITH", "WITHOUT", "TIME", "ZONE"})


def _after_type(code: list[Token], place: int) -> int:
    """Return the place after the name of a type."""
    while code[place].kind == "space":
        place += 1
    place += 1
    while place < len(code):
        following = place + 1 if code[place].kind == "space" else place
        if following < len(code) and code[following].word in _TYPE_WORDS:
            place = following + 1
        elif code[place].text in (".", "["):
            place += 2
        elif code[place].text == "(" and place + 2 < len(code) and code[place + 1].kind == "number":
            place = next(n for n in range(place, len(code)) if code[n].text == ")") + 1
        else:
            return place
    return place


_FUNCTIONS: Final = {
    "IFNULL": "coalesce",
    "GROUP_CONCAT": "string_agg",
    "SUBSTR": "substr",
    "INSTR": "strpos",
    "UNICODE": "ascii",
    "CHAR": "chr",
}
_DATETIME_NOW: Final = re.compile(
    r"\(?\s*(?:datetime|date)\s*\(\s*'now'\s*(?:,\s*'localtime'\s*)?\)\s*\)?", re.IGNORECASE
)


class Translator:
    """Writes expressions and SELECTs of another database for PostgreSQL.

    Args:
        names: tables and columns by their names in lower case, as the target has them.
        booleans: the columns of booleans, in lower case.
    """

    def __init__(self, names: Mapping[str, str], booleans: Collection[str] = ()) -> None:
        self._names = names
        self._booleans = booleans

    def translated(self, sql: str) -> str:
        """Return the expression; one that PostgreSQL has no counterpart of comes out as one that it refuses."""
        code = code_tokens(sql, SQLITE)
        aliases = {folded(token.name): token.name for place, token in enumerate(code) if _is_alias(code, place)}
        if not aliases.keys() <= self._names.keys():
            return Translator({**aliases, **self._names}, self._booleans).translated(sql)
        parts: list[str] = []
        for place, token in enumerate(code):
            following = code[place + 1].text if place + 1 < len(code) else ""
            if token.word == "COLLATE" and parts:
                if code[place + 1].name.upper() == "NOCASE":
                    parts[-1] = f"lower({parts[-1]})"
                continue
            if place and code[place - 1].word == "COLLATE":
                continue
            parts.append(self._token(token, following, code, place))
        written = " ".join(part for part in parts if part)
        return re.sub(r" ?\. ?(?=[\"\w])", ".", written) if '" . "' in written or " . " in written else written

    def _token(self, token: Token, following: str, code: list[Token], place: int) -> str:
        if token.kind == "string" and _is_alias(code, place):
            return identifier(token.name)
        if token.kind == "quoted":
            name = self._names.get(folded(token.name))
            if name is None and token.text[0] == '"':
                # SQLite takes a name that does not exist for a string.
                return literal(token.name, POSTGRES)
            return identifier(name or token.name)
        if token.kind == "blob":
            return f"'\\x{token.text[2:-1]}'::bytea"
        if token.kind == "word":
            if following == "(":
                return _FUNCTIONS.get(token.word, token.text)
            if token.word == "LIKE":
                return "ILIKE"
            name = self._names.get(folded(token.text))
            return token.text if name is None else identifier(name)
        if token.text == "==":
            return "="
        if token.kind == "number" and token.text in ("0", "1") and self._is_boolean(code, place):
            return "true" if token.text == "1" else "false"
        return token.text

    def _is_boolean(self, code: list[Token], place: int) -> bool:
        """Whether a number stands for a value of a boolean column: after a comparison with one, or in its IN."""
        at = place - 1
        while at > 0 and code[at].text in ("(", ",", "0", "1", "=", "==", "<>", "!="):
            at -= 1
        if at > 0 and code[at].word in ("IN", "IS", "NOT"):
            at -= 1
            if at > 0 and code[at].word in ("IS", "NOT"):
                at -= 1
        return at >= 0 and at < place - 1 and folded(code[at].name) in self._booleans


def _is_alias(code: list[Token], place: int) -> bool:
    """Whether a token is the name of a result or a table, after AS; in a CAST it is a type."""
    if not place or code[place - 1].word != "AS" or code[place].kind not in ("word", "quoted", "string"):
        return False
    depth = 0
    for at in range(place - 2, -1, -1):
        depth += {")": 1, "(": -1}.get(code[at].text, 0)
        if depth < 0:
            return at == 0 or code[at - 1].word != "CAST"
    return code[place].word not in ("SELECT", "WITH", "VALUES")


def default_now(sql: str) -> bool:
    """Whether a default is the current time."""
    bare = sql.strip().strip("()").strip().upper()
    return (
        bare in ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME")
        or _DATETIME_NOW.fullmatch(sql.strip()) is not None
    )
