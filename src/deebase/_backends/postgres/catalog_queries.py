"""Queries of the catalogs that call nothing but PostgreSQL itself.

PostgreSQL prefers a function or operator of the search_path to that of ``pg_catalog`` if its arguments have exactly the
types of the call. Without further measures, a superuser who reads the schema of a stranger would run code of the
stranger. An empty search_path, as pg_dump has it, would change the names in what the server writes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from deebase._backends.schema_script import Read
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.tokens import Token, code_tokens, spliced

#: Words before a parenthesis that are no functions of a schema.
_SYNTAX = frozenset(
    {
        *("ALL", "AND", "ANY", "ARRAY", "AS", "BY", "CASE", "CAST", "COALESCE", "DISTINCT", "ELSE", "EXCEPT"),
        *(
            "EXISTS",
            "EXTRACT",
            "FILTER",
            "FROM",
            "GREATEST",
            "HAVING",
            "IN",
            "JOIN",
            "LATERAL",
            "LEAST",
            "LIMIT",
            "NOT",
        ),
        *(
            "NULLIF",
            "ON",
            "OPERATOR",
            "OR",
            "OVER",
            "ROW",
            "SELECT",
            "SOME",
            "THEN",
            "UNION",
            "USING",
            "VALUES",
            "WHEN",
            "WHERE",
        ),
    }
)
#: Before a name that is defined there.
_DEFINES = frozenset({"AS", "RECURSIVE", "WITH", "::", "."})
#: Operators that have the same precedence as OPERATOR().
_OPERATORS = frozenset({"||", "~", "!~", "~*", "!~*", "->", "->>", "#>", "#>>", "@>", "<@", "?", "^@", "&"})
_COMPARISONS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "::"})
#: Types whose literals name what the catalogs hold by its oid.
_NAMES = frozenset({"REGCLASS", "REGNAMESPACE", "REGPROC", "REGTYPE"})
_NONE = Token("space", "", 0)


@functools.lru_cache(maxsize=256)
def qualified(sql: str) -> str:
    """Return a query whose functions and operators are those of ``pg_catalog``, whatever a schema defines.

    Comparisons stay as they are, since their precedence would change. Both sides have the same type: a number, or the
    name of a catalog, becomes a literal of the type of the other side.
    """
    found = [_NONE, _NONE, *code_tokens(sql, POSTGRES), _NONE, _NONE]
    edits: list[tuple[int, int, str]] = []
    for place in range(2, len(found) - 2):
        token, before, after = found[place], found[place - 1], found[place + 1]
        if token.kind == "word" and after.text == "(":
            if token.word not in _SYNTAX and before.syntax not in _DEFINES:
                edits.append((token.start, token.start, "pg_catalog."))
        elif token.text in _OPERATORS and token.kind not in ("string", "quoted"):
            edits.append((token.start, token.end, f"OPERATOR(pg_catalog.{token.text})"))
        elif token.kind == "number":
            compared = before.text in _COMPARISONS or after.text in _COMPARISONS
            if compared and before.text not in _ARITHMETIC and after.text not in _ARITHMETIC:
                edits.append((token.start, token.end, f"'{token.text}'"))
        elif token.word in _NAMES and found[place - 2].kind == "string" and after.text != "::":
            edits.append((token.end, token.end, "::oid"))
    return spliced(sql, *edits)


def reading_catalogs(read: Read) -> Read:
    """Return a function that reads the catalogs by qualified queries."""

    async def run(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await read(qualified(sql), args)

    return run
