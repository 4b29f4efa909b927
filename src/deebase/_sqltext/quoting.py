"""Names and values as SQL text. All SQL that DeeBase writes quotes with these, and nothing else does."""

from __future__ import annotations

import re

from deebase._sqltext.dialects import TokenRules

#: A column that can name a setting of a session.
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,50}")


def identifier(*names: str | None) -> str:
    """Return a name that any database reads as that name, whatever it holds.

    Args:
        names: a name, or a schema and a name, of which the schema may be None.

    Example:
        ```python
        assert identifier("main", 'a"b') == '"main"."a""b"'
        ```
    """
    return ".".join(['"' + name.replace('"', '""') + '"' for name in names if name is not None])


def literal(text: str, rules: TokenRules) -> str:
    r"""Return a text as a string that ends at its own quote.

    Args:
        text: any text without a NUL.
        rules: those of the database; ``E'...'`` fixes the meaning of a backslash, which in ``'...'`` depends on a
            setting of PostgreSQL (standard_conforming_strings).

    Example:
        ```python
        assert literal("it's", SQLITE) == "'it''s'"
        assert literal("a\\b", POSTGRES) == "E'a\\\\b'"
        ```
    """
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if rules.escapes_strings and "\\" in text else quoted


def unquoted(inside: str, quote: str = "'") -> str:
    """Return what is meant by the text between two quotes, where each quote inside is doubled."""
    return inside.replace(quote * 2, quote)


def array_element(text: str) -> str:
    """Return a text as it stands in the text of a PostgreSQL array: ``{"a","b"}``."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def bytes_literal(value: bytes, rules: TokenRules) -> str:
    """Return bytes as a literal: ``X'..'`` of SQLite, the hex form of PostgreSQL's bytea."""
    return literal(f"\\x{value.hex()}", rules) if rules.escapes_strings else f"X'{value.hex()}'"


def names_setting(name: str) -> bool:
    """Return whether a column can name a setting of a session."""
    return _SETTING.fullmatch(name) is not None
