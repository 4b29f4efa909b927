"""The SQL of JSON that differs between databases, and what both of them take from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.quoting import literal

#: Keys and indexes that lead to a part of a document.
Steps = Sequence[str | int]
Operand = sa.BindParameter[Any]

#: What SQLAlchemy would replace in the text of a statement, also inside of a string.
_MARKS = re.compile(r"(?<=%)(?=\()|(?<=__)(?=\[)")


class JsonRules(Protocol):
    """Writes the SQL of one database. A document is the SQL of a column, in which JSON may be stored as text."""

    def part(self, document: str, steps: Steps, kind: str) -> str:
        """Return a part of a document.

        Args:
            document: the document.
            steps: they lead to the part.
            kind: the name of the Python type of its values: NULL for a value of another type; "" for JSON of any kind.
        """
        ...

    def has_index(self, steps: Steps, kind: str) -> bool:
        """Return whether an index may be over a part of a type."""
        ...

    def steps_in(self, strings: Sequence[str]) -> Iterator[Steps]:
        """Yield the steps that the strings in the SQL of a part may stand for."""
        ...

    def operands(self, test: str, given: Any) -> tuple[Any, list[Operand]]:
        """Return what the text of a condition depends on, as plain JSON, and the values in it.

        Args:
            test: "has_key", "contains" or "equal".
            given: a text for "has_key", else a JSON value.
        """
        ...

    def condition(self, document: str, steps: Steps, test: str, shape: Any, operands: Sequence[str]) -> str:
        """Return a condition on a part of a document.

        Args:
            document: the document.
            steps: they lead to the part.
            test: one of those of ``operands``; or "exists", "is_null" (a stored ``null``), "is_none" (a stored ``null``
                or no value at all).
            shape: that of ``operands``.
            operands: the SQL of its values.
        """
        ...

    def patch(self, changes: Mapping[str, Any]) -> tuple[Any, list[Operand]]:
        """Return what the text of ``patched`` depends on, as plain JSON, and the values in it."""
        ...

    def patched(self, document: str, shape: Any, operands: Sequence[str]) -> str:
        """Return a document after a JSON merge patch (RFC 7396)."""
        ...


def text_literal(text: str, rules: TokenRules) -> str:
    """Return a text as SQL, in which SQLAlchemy finds none of its own marks."""
    pieces = [literal(piece, rules) for piece in _MARKS.split(text)]
    return pieces[0] if len(pieces) == 1 else f"({' || '.join(pieces)})"
