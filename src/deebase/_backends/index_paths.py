"""Paths into JSON that existing indexes are over: the parts of CREATE INDEX that DeeBase writes for a path."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownMemberType=false
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.facts import IndexInfo, TableInfo
from deebase._sql.json_paths.json_parts import part_of
from deebase._sql.sql_rules import rules_of
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.quoting import unquoted
from deebase._sqltext.tokens import Token, code_tokens
from deebase._types.documents import JSON
from deebase.types import JsonPath

#: Words that only one of the types of a path has, in the SQL of one database.
_WORDS = frozenset({"TRUNC", "ABS", "TYPEOF"})


def paths_of(index: IndexInfo, facts: TableInfo, dialect: Dialect) -> list[JsonPath]:
    """Return the paths that an index is over, in their order; nothing if it is over another expression, too."""
    if index.sql is None or None not in index.columns:
        return []
    rules = capabilities_of(dialect).tokens
    parts = list(_parts(code_tokens(index.sql, rules)))
    if len(parts) != len(index.columns):
        return []
    expressions = [part for part, column in zip(parts, index.columns, strict=True) if column is None]
    found = [_path(part, facts, dialect, rules) for part in expressions]
    return [path for path in found if path is not None] if None not in found else []


def _parts(found: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each part of an index."""
    depth, part = 0, list[Token]()
    for token in found:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text == ")":
            yield part
            return
        if depth == 1 and token.text == ",":
            yield part
            part = []
        elif depth > 1 or (depth == 1 and token.text != "("):
            part.append(token)


def _path(part: Sequence[Token], facts: TableInfo, dialect: Dialect, rules: TokenRules) -> JsonPath | None:
    """Return the path whose SQL is a part of an index."""
    known = {column.name for column in facts.columns}
    names = [token.name for token in part if token.kind in ("word", "quoted") and token.name in known]
    wanted = _signature(part)
    for column in names[:1]:
        for steps in rules_of(dialect).json.steps_in([_text(token) for token in part if token.kind == "string"]):
            for kind in (str, int, float, Decimal, bool):
                path = JsonPath(column, *steps, as_=kind)
                if _signature(code_tokens(_written(path, facts, dialect), rules)) == wanted:
                    return path
    return None


def _written(path: JsonPath, facts: TableInfo, dialect: Dialect) -> str:
    """Return the SQL of a path in an index of DeeBase."""
    table = sa.Table(facts.name, sa.MetaData(), sa.Column(path.column, JSON()))
    made: Any = part_of(table.c[path.column], path, facts.name, dialect)
    return str(made.compile(dialect=dialect, compile_kwargs={"include_table": False}))


def _signature(found: Sequence[Token]) -> tuple[Any, ...]:
    """Return what PostgreSQL leaves as it is when it writes an expression in its own form."""
    strings = [_text(token) for token in found if token.kind == "string" and not _is_number(_text(token))]
    return strings, {token.word for token in found} & _WORDS


def _is_number(text: str) -> bool:
    # PostgreSQL writes large numbers as strings.
    return text.lstrip("-").isdigit()


def _text(token: Token) -> str:
    """Return the text that a string stands for."""
    if token.text[0] in "eE":
        return unquoted(token.text[2:-1]).replace("\\\\", "\\")
    return token.name
