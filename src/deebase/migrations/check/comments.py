"""Comments that allow a rule of lint in a migration: ``-- deebase: allow M402 the table is small``."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.tokens import tokens
from deebase.migrations.files import MigrationFile

#: It requires a reason, so that readers of the file learn why.
_ALLOW = re.compile(r"(?:--|#|/\*)\s*deebase:\s*allow\s+(?P<rules>M[0-9]{3}(?:\s*,\s*M[0-9]{3})*)\s+\S", re.IGNORECASE)


def allowed(file: MigrationFile, database: Capabilities) -> set[str]:
    """Return the numbers of the rules that comments of a file allow.

    Args:
        file: the migration.
        database: the database, whose syntax comments in SQL have.
    """
    found = _of_sql(file.text, database) if file.suffix == ".sql" else _of_python(file.text)
    matches = [match for comment in found if (match := _ALLOW.match(comment)) is not None]
    return {rule.strip().upper() for match in matches for rule in match["rules"].split(",")}


def _of_sql(text: str, database: Capabilities) -> Iterator[str]:
    yield from [token.text for token in tokens(text, database.tokens) if token.kind == "comment"]


def _of_python(text: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    except (SyntaxError, tokenize.TokenError):
        return  # loading the file reports the error
