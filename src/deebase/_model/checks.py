"""CHECK constraints: the conditions of ``create(checks=...)``, and those of existing tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from deebase._model.facts import TableInfo
from deebase._model.table_options import SECURE
from deebase._sqltext.create_table import Clause, TableText, parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.tokens import Token, code_tokens, folded, joined, spliced
from deebase._types.choices import choice_columns
from deebase._types.text import checked_lengths
from deebase.errors import InvalidOperationError

#: The text of a CHECK without options on PostgreSQL (pg_get_constraintdef).
_PLAIN = re.compile(r"CHECK \((.*)\)", re.DOTALL)


class Condition(NamedTuple):
    """A condition, its comparable text, and its name on SQLite."""

    sql: str
    key: str
    name: str | None = None


def conditions(facts: TableInfo, choices: Collection[str]) -> list[Condition]:
    """Return the conditions of a table that ``checks=`` can express, without those that belong to a type.

    Args:
        facts: the table.
        choices: its columns of an Enum or Literal, whose CHECK belongs to their type.
    """
    if facts.kind != "table":
        return []
    in_text = facts.sql is not None
    found = list(_of_text(facts.sql) if facts.sql is not None else _of_definitions(facts.checks))
    shown = [f"CHECK ({condition.sql})" if in_text else condition.key for condition in found]
    types = {column.name: column.type.upper() for column in facts.columns}
    return [
        condition
        for condition, source in zip(found, shown, strict=True)
        if choice_columns(source, in_text=in_text).keys().isdisjoint(choices)
        and not any(types.get(name) == f"VARCHAR({length})" for name, length in checked_lengths(source).items())
    ]


def _of_text(sql: str) -> Iterator[Condition]:
    try:
        table = parse(sql)
    except (InvalidOperationError, IndexError, StopIteration):
        # A virtual table, or one of a newer SQLite.
        return
    for clause in _checks(table):
        if clause.tokens[0].word == "CONSTRAINT" and clause.tokens[1].name == SECURE:
            continue
        place = next(n for n, token in enumerate(clause.tokens) if token.word == "CHECK")
        inside = sql[clause.tokens[place + 1].end : clause.tokens[-1].start].strip()
        if clause.tokens[-1].text == ")":
            yield Condition(inside, joined(clause.tokens[place:]), clause.tokens[1].name if place else None)


def _checks(table: TableText) -> Iterator[Clause]:
    for column in table.columns:
        yield from column.of("CHECK")
    yield from [clause for clause in table.constraints if clause.kind == "CHECK"]


def _of_definitions(definitions: Iterable[str]) -> Iterator[Condition]:
    for definition in definitions:
        found = _PLAIN.fullmatch(definition)
        if found is not None:
            yield Condition(_bare(found[1]), definition)


def _bare(sql: str) -> str:
    """Return a condition without its outer parentheses."""
    depth, found = 0, code_tokens(sql, SQLITE)
    for place, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and place < len(found) - 1:
            return sql
    return sql[1:-1] if found[0].text == "(" else sql


def by_value(condition: str, decimals: Collection[str]) -> str:
    """Return a condition for SQLite, in which Decimals, which are stored as text, are compared as numbers.

    Args:
        condition: in SQL of any database.
        decimals: columns of Decimals.

    Example:
        ```python
        assert by_value("price < 5 AND kind = 'a'", ["price"]) == "(price + 0) < 5 AND kind = 'a'"
        ```
    """
    found, names = code_tokens(condition, SQLITE), {folded(name) for name in decimals}
    edits: list[tuple[int, int, str]] = []
    for place, token in enumerate(found):
        before = found[place - 1] if place else None
        following = found[place + 1] if place + 1 < len(found) else None
        if token.kind in ("word", "quoted") and folded(token.name) in names and _is_compared(before, following):
            edits.append((token.start, token.end, f"({token.text} + 0)"))
    return spliced(condition, *edits)


def _is_compared(before: Token | None, following: Token | None) -> bool:
    if following is not None and (following.text[0] in "<>=!" or following.word in ("BETWEEN", "IN", "NOT")):
        return before is None or before.text != "."
    return before is not None and (before.text[-1] in "<>=" or before.word == "BETWEEN")


def stored_keys(sql: str) -> set[str]:
    """Return the comparable texts of the conditions in a CREATE TABLE of SQLite."""
    return {condition.key for condition in _of_text(sql)}


def written_key(condition: str) -> str:
    """Return the comparable text of a condition in a CREATE TABLE of SQLite."""
    return joined(code_tokens(f"CHECK ({condition})", SQLITE))
