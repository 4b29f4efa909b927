"""The body of a function that is being written: calls of the API, SQL, and comments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Dialect

from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import tokens
from deebase.migrations.write.drafts import literal
from deebase.tools.codegen.line_layout import Piece, call, comment
from deebase.tools.codegen.module import Module
from deebase.tools.codegen.value_source import quoted

INDENT = "    "


class Body:
    """Takes down the steps of a migration.

    Args:
        module: the module that it is written into, with the classes of the tables that are created.
        dialect: the database that it is for.

    Attributes:
        lines: what was written.
        undone: what is different and was not written, in words.
    """

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self.module = module
        self.dialect = dialect
        self.lines: list[str] = []
        self.undone: list[str] = []

    @property
    def postgres(self) -> bool:
        """Whether it is for PostgreSQL."""
        return self.dialect.name == "postgresql"

    def do(self, step: Piece) -> None:
        """Write a call."""
        self.lines.append(step.after("await ").lines(INDENT))

    def sql(self, text: str) -> None:
        """Write a statement."""
        # To q() a question mark outside of strings is a parameter, and two of them are one.
        found = tokens(text, capabilities_of(self.dialect).tokens)
        written = "".join([token.text * 2 if token.kind == "mark" else token.text for token in found])
        self.do(call("db.q", Piece(literal(written))))

    def note(self, text: str) -> None:
        """Write a comment."""
        self.lines.append(comment(text, INDENT))

    def leave(self, text: str) -> None:
        """Note what is not written."""
        self.undone.append(text)
        self.note(f"not done here: {text}")

    def name(self, *names: str) -> str:
        """Return names in quotes of SQL."""
        return ", ".join(map(self.dialect.identifier_preparer.quote_identifier, names))


def access(table: str) -> str:
    """Return the source of the handle of a table."""
    return f"db.t[{quoted(table)}]"


def columns(names: Sequence[str]) -> Piece:
    """Return a column, or a tuple of several."""
    pieces = tuple([Piece(quoted(name)) for name in names])
    return pieces[0] if len(pieces) == 1 else Piece("(", pieces, ")")
