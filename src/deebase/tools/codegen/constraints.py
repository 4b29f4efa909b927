"""Indexes and checks of a table as arguments of ``create``, and the parts of a table that it cannot express."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.index_paths import paths_of
from deebase._model.checks import conditions
from deebase._model.facts import IndexInfo, TableInfo
from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.tokens import Token, code_tokens, tokens
from deebase._types.choices import Choice
from deebase._types.text import LimitedText
from deebase.types import Index


def indexes_of(table: sa.Table, facts: TableInfo | None, dialect: Dialect | None, notes: list[str]) -> list[Index]:
    """Return the indexes and unique constraints of a table; indexes that ``create`` cannot express become notes."""
    if facts is None or dialect is None:
        return [*_declared(table)]
    made: list[Index] = []
    for index in facts.indexes:
        found = _index(facts, index, dialect, notes)
        if found is None:
            notes.append(f"the index {index.name}: {index.sql}")
        else:
            made.append(found)
    return made


def _declared(table: sa.Table) -> Iterator[Index]:
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        # Both dialects of an index have the same condition.
        where = [value for name, value in index.dialect_kwargs.items() if name.endswith("_where") and value is not None]
        condition = str(where[0]) if where else None
        yield Index(str(index.name), *[c.name for c in index.columns], unique=bool(index.unique), where=condition)
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            names = [column.name for column in constraint.columns]
            yield Index(str(constraint.name or _unique_name(table.name, names)), *names, unique=True)


def _unique_name(table: str, columns: list[str]) -> str:
    return f"ux_{table}_{'_'.join(columns)}"


def plain_index(facts: TableInfo, index: IndexInfo, dialect: Dialect) -> Index | None:
    """Return an index as an argument of ``create``; None if it cannot be expressed."""
    notes: list[str] = []
    found = _index(facts, index, dialect, notes)
    return None if notes else found


def _index(facts: TableInfo, index: IndexInfo, dialect: Dialect, notes: list[str]) -> Index | None:
    paths = iter(paths_of(index, facts, dialect))
    parts = [next(paths, None) if name is None else name for name in index.columns]
    columns = [part for part in parts if part is not None]
    if len(columns) < len(parts) or len(set(columns)) < len(columns):
        return None
    if index.sql is None:
        # SQLite itself names the index of a constraint.
        return Index(_unique_name(facts.name, [str(name) for name in columns]), *columns, unique=index.unique)
    definition = _Definition(index.sql, dialect)
    if definition.method not in (None, "btree") or definition.more:
        return None
    if definition.order([str(name) for name in index.columns]):
        notes.append(f"order or collation of the index {index.name}")
    return Index(index.name, *columns, unique=index.unique, where=definition.where)


class _Definition:
    """A CREATE INDEX statement in its parts."""

    def __init__(self, sql: str, dialect: Dialect) -> None:
        found = tokens(sql, capabilities_of(dialect).tokens)
        depth, first, last, where = 0, len(found), len(found), len(found)
        for place, (kind, text, _) in enumerate(found):
            depth += {"(": 1, ")": -1}.get(text, 0)
            if text == "(":
                first = min(first, place)
            elif text == ")" and depth == 0 and last == len(found):
                last = place
            elif kind == "word" and text.upper() == "WHERE" and depth == 0:
                where = place
                break
        words = _words(found[:first])
        self.method = words[words.index("USING") + 1].lower() if "USING" in words else None
        self._inside = found[first + 1 : last]
        #: INCLUDE, WITH and the like.
        self.more = bool(_words(found[last + 1 : where]))
        condition = "".join([token.text for token in found[where + 1 :]]).strip()
        self.where = condition or None

    def order(self, columns: list[str]) -> bool:
        """Whether it gives an order or a collation for its columns."""
        known = {name.upper() for name in columns} | {"ASC"}
        depth, words = 0, list[str]()
        for token in self._inside:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            # What is in parentheses is an expression.
            words += _words([token]) if depth == 0 else []
        return any(word not in known for word in words)


def _words(found: list[Token]) -> list[str]:
    return [token.word for token in found if token.word]


#: Words of a CREATE TABLE of SQLite that a class cannot express.
_OPTIONS = ("COLLATE", "AUTOINCREMENT", "STRICT", "WITHOUT", "DEFERRABLE", "CONFLICT")


def checks_of(model: TableModel, facts: TableInfo | None) -> list[str]:
    """Return the conditions of the CHECKs, without those of Enum and Literal columns."""
    if facts is not None:
        return [condition.sql for condition in conditions(facts, _choices(model))]
    declared: list[Any] = [one.sqltext for one in model.sa_table.constraints if isinstance(one, sa.CheckConstraint)]
    # The checks of an Enum or Literal are expressions, the others are text.
    return sorted([str(condition) for condition in declared if hasattr(condition, "is_literal")])


def _choices(model: TableModel) -> list[str]:
    return [name for name, column in model.columns.items() if isinstance(column.sa_type, Choice)]


def unsaid(model: TableModel, facts: TableInfo | None) -> Iterator[str]:
    """Yield the other parts of a table that its class cannot express."""
    if facts is None:
        return
    limited = [name for name, column in model.columns.items() if isinstance(column.sa_type, LimitedText)]
    said = (
        bool(facts.secure)
        + len(_choices(model))
        + len(checks_of(model, facts))
        + (0 if facts.sql is None else len(limited))
    )
    words = [] if facts.sql is None else _words(code_tokens(facts.sql, SQLITE))
    checks = words.count("CHECK") if facts.sql is not None else len(facts.checks)
    if checks > said:
        yield "CHECK constraints" + "".join([f"; {re.sub(r'^CHECK ', '', check)}" for check in facts.checks])
    yield from [option for option in _OPTIONS if option in words]
