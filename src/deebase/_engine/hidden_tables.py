"""Refuses SQL of programs that would show rows of secured tables, where the database itself secures none.

Statements that DeeBase makes have the values that a task acts for as conditions. SQL text and statements of SQLAlchemy
have not, so they cannot name a secured table, or a view of one.
"""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors

from deebase._lanes.acting import Acting
from deebase._sqltext.capabilities import Named, capabilities_of
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.tokens import code_tokens, folded
from deebase.errors import InvalidOperationError

#: Tables of SQLite itself that hold values of rows.
_COPIES = frozenset({"sqlite_stat3", "sqlite_stat4", "sqlite_dbpage"})


def hidden_names(secured: Iterable[str], objects: Sequence[tuple[str, str]]) -> frozenset[str]:
    """Return the tables and views that show rows of secured tables, in lower case.

    Args:
        secured: the secured tables.
        objects: the names of views and virtual tables, and what they are made by.
    """
    found = {folded(name) for name in secured}
    if not found:
        return frozenset()
    waiting = [(folded(name), {folded(token.name) for token in code_tokens(sql, SQLITE)}) for name, sql in objects]
    while more := {name for name, used in waiting if used & found} - found:
        found |= more
    return frozenset(found | _COPIES)


def refuse_hidden(acting: Acting, names: Iterable[str], dialect: Named) -> None:
    """Refuse to use tables and views, all of whose rows would be seen.

    Raises:
        InvalidOperationError: one of them is secured, or reads a secured table.
    """
    found = next((name for name in names if folded(name) in acting.hidden), None)
    if found is not None:
        raise InvalidOperationError(
            f"{found} is secured, or reads what is, and {capabilities_of(dialect).title} would show all of its rows",
            operation="acting",
            target=found,
            hint="inside of db.acting(), read and write it by its table: await db.t[...](...)",
        )


def refuse_text(acting: Acting, sql: str, dialect: Named) -> None:
    """Refuse a SQL text that names a secured table, or what reads one.

    Raises:
        InvalidOperationError: it does.
    """
    found = code_tokens(sql, capabilities_of(dialect).tokens)
    # SQLite takes a string for a name where no string can stand.
    refuse_hidden(acting, [token.name for token in found if token.kind in ("word", "quoted", "string")], dialect)


def refuse_subqueries(acting: Acting, sql: Any, dialect: Named) -> None:
    """Refuse a condition in SQL text that reads another table, if it names a secured one.

    Raises:
        InvalidOperationError: it does.
    """
    if not isinstance(sql, str):
        return
    words = [token.word for token in code_tokens(sql, capabilities_of(dialect).tokens)]
    follow = [after for before, after in pairwise(words) if before == "IN"]
    if "SELECT" in words or "TABLE" in words or any(follow):
        refuse_text(acting, sql, dialect)


def refuse_selects(acting: Acting, element: Any, dialect: Named) -> None:
    """Refuse an expression with a SELECT from a secured table; those over children have their conditions.

    Raises:
        InvalidOperationError: it has one.
    """
    clause: Any = getattr(element, "element", element)
    if not isinstance(clause, sa.ClauseElement):
        return
    for part in visitors.iterate(clause):
        if isinstance(part, sa.TextClause):
            refuse_text(acting, str(part.text), dialect)
        elif isinstance(part, sa.SelectBase):
            tables = [each for each in visitors.iterate(part) if isinstance(each, sa.TableClause)]
            refuse_hidden(acting, [table.name for table in tables], dialect)


def refuse_escape(sql: str, dialect: Named) -> None:
    """Refuse a SQL text that changes for whom its session acts, or its role.

    Raises:
        InvalidOperationError: it does.
    """
    rules = capabilities_of(dialect).tokens
    words = [token.name.upper() for token in code_tokens(sql, rules) if token.kind in ("word", "quoted")]
    session = classify(sql, rules) is StatementKind.SESSION
    if "SET_CONFIG" in words or (
        session and (words[0] in ("RESET", "DISCARD") or {"DEEBASE", "ROLE", "AUTHORIZATION"} & {*words})
    ):
        raise InvalidOperationError(
            "inside of db.acting(), SQL text cannot change settings of the session that secure rows",
            operation="acting",
            hint="leave the block, or open one for another tenant beside it",
        )
