"""SQLAlchemy's dialects as DeeBase uses them. Only the instances of a Database change, not SQLAlchemy's classes."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import Dialect

#: The aggregate that adds Decimals exactly; every SQLite connection registers it.
SUM = "deebase_sum"


class ExactSums(SQLiteCompiler):
    """Compiles ``sum()`` over Decimals to the exact aggregate."""

    def visit_sum_func(self, element: Any, **options: Any) -> str:
        """Return the call; SQLAlchemy looks for this method by the name of the function."""
        # A copy of the name alone: with its own, SQLAlchemy would come back to this method.
        name = SUM if getattr(element.type, "computes_exactly", False) else element.name
        return f"{name}{self.function_argspec(element, **options)}"


def adapt(dialect: Dialect) -> None:
    """Give a SQLite dialect exact sums, and the keywords that SQLAlchemy takes for plain names."""
    if dialect.name == "sqlite":
        dialect.statement_compiler = ExactSums
        preparer = dialect.identifier_preparer
        preparer.reserved_words = {*preparer.reserved_words, "nothing", "returning"}
