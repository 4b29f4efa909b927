"""What comments in a migration allow: ``-- deebase: allow M402 the table is small``."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import tokens
from deebase.migrations.files import MigrationFile

#: A reason is required, so that readers of the file learn why.
_ALLOW = re.compile(r"(?:--|#|/\*)\s*deebase:\s*allow\s+(?P<rules>M[0-9]{3}(?:\s*,\s*M[0-9]{3})*)\s+\S", re.IGNORECASE)


def allowed(file: MigrationFile, dialect: str) -> set[str]:
    """Return the numbers of the rules that comments of a file allow.

    Args:
        file: the migration.
        dialect: "sqlite" or "postgresql", by whose rules comments of SQL are read.
    """
    found = _of_sql(file.text, dialect) if file.suffix == ".sql" else _of_python(file.text)
    matches = [match for comment in found if (match := _ALLOW.match(comment)) is not None]
    return {rule.strip().upper() for match in matches for rule in match["rules"].split(",")}


def _of_sql(text: str, dialect: str) -> Iterator[str]:
    yield from [token.text for token in tokens(text, capabilities_of(dialect).tokens) if token.kind == "comment"]


def _of_python(text: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    except (SyntaxError, tokenize.TokenError):
        return  # loading it tells where it is wrong
