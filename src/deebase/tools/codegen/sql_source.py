"""Objects of a schema that a module creates by their SQL, as constants."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deebase._backends.schema_script import SchemaObject
from deebase.tools.codegen.line_layout import Piece, assigned, call, comment
from deebase.tools.codegen.name_use import Names
from deebase.tools.codegen.value_source import quoted

#: The length of a name whose assignment begins on one line, also with a number at its end.
_LONGEST = 60


def constant_name(item: SchemaObject) -> str:
    """Return the name of a constant: the trigger "film fulltext" is TRIGGER_FILM_FULLTEXT."""
    made = re.sub(r"[\W_]+", "_", f"{item.kind}_{item.name}", flags=re.ASCII).upper().strip("_")
    return made[:_LONGEST].rstrip("_")


def constant_source(name: str, item: SchemaObject, names: Names, *, row_type: str | None, why: Sequence[str]) -> str:
    """Return the assignment of a constant.

    Args:
        name: its name.
        item: the object.
        names: of the module.
        row_type: the class of the rows of a table or view.
        why: what the class of a table does not express.
    """
    statements = [Piece(sql_text(statement)) for statement in item.create]
    keywords = {} if row_type is None else {"row_type": Piece(row_type)}
    made = call(
        names.use("deebase", "SchemaSQL"), Piece(quoted(item.kind)), Piece(quoted(item.name)), *statements, **keywords
    )
    reasons = f"SQL, since create() does not make exactly this table: {'; '.join(why)}"
    head = [comment(reasons)] if why else []
    return "\n".join([*head, assigned(name, made)])


def sql_text(statement: str) -> str:
    """Return a string literal, over several lines if the statement is."""
    lines_only = statement.replace("\n", "").replace("\t", "")
    if "\n" not in statement or not lines_only.isprintable() or '"""' in statement or statement[-1] in '"\\':
        return quoted(statement)
    raw = "r" if "\\" in statement else ""
    start = " " if statement[0] == '"' else ""
    return f'{raw}"""{start}{statement}"""'
