"""The body of a migration's function: calls of the API, SQL, and comments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.engine import Dialect

from deebase._sqltext.capabilities import Capabilities, capabilities_of
from deebase._sqltext.tokens import tokens
from deebase.migrations.write.drafts import literal
from deebase.tools.codegen.line_layout import Piece, call, comment
from deebase.tools.codegen.module import Module
from deebase.tools.codegen.value_source import quoted

INDENT = "    "

#: How a token is written that q() would take for a parameter.
_AS_TEXT: dict[str, Callable[[str], str]] = {
    "mark": lambda text: text * 2,
    "named": lambda text: f": {text[1:]}",
}


class Body:
    """Collects the steps of a migration.

    Args:
        module: the module of the migration, with the classes of the tables that are created.
        dialect: the database.

    Attributes:
        lines: the steps so far.
        unhandled: differences for which it has no step, in words.
    """

    def __init__(self, module: Module, dialect: Dialect) -> None:
        self.module = module
        self.dialect = dialect
        self.lines: list[str] = []
        self.unhandled: list[str] = []
        self.capabilities: Capabilities = capabilities_of(dialect)

    def call(self, step: Piece) -> None:
        """Add a call."""
        self.lines.append(step.after("await ").lines(INDENT))

    def sql(self, text: str) -> None:
        """Add a statement."""
        self.call(call("db.q", Piece(literal(self.escaped(text)))))

    def escaped(self, text: str) -> str:
        """Return a statement without parameters as q() takes it.

        Outside of strings, a question mark is a parameter to it, and two of them are a question mark. So is a colon
        before a name, such as that of a slice ``[1:n]``.
        """
        return "".join([_AS_TEXT.get(token.kind, str)(token.text) for token in tokens(text, self.capabilities.tokens)])

    def note(self, text: str) -> None:
        """Add a comment."""
        self.lines.append(comment(text, INDENT))

    def leave(self, text: str) -> None:
        """Add a comment about a difference that has no step."""
        self.unhandled.append(text)
        self.note(f"not done here: {text}")

    def name(self, *names: str) -> str:
        """Return quoted names, as they stand in SQL."""
        return ", ".join(map(self.dialect.identifier_preparer.quote_identifier, names))


def access(table: str) -> str:
    """Return the source of the handle of a table."""
    return f"db.t[{quoted(table)}]"


def view_access(view: str) -> str:
    """Return the source of the handle of a view."""
    return f"db.v[{quoted(view)}]"


def columns(names: Sequence[str]) -> Piece:
    """Return a column, or a tuple of several."""
    pieces = tuple([Piece(quoted(name)) for name in names])
    return pieces[0] if len(pieces) == 1 else Piece("(", pieces, ")")
