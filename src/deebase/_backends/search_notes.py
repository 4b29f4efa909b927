"""The note that DeeBase leaves in a database about the search of a table: what the objects of the search do not say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from deebase.errors import ValidationError
from deebase.types import Search

#: How a note begins; the rest is one JSON object.
NOTE = "deebase search"
_NOTE = re.compile(re.escape(NOTE) + r" (\{.*\})", re.DOTALL)


def note(search: Search, **more: Any) -> str:
    """Return the note of a search, for a comment in SQL; ``more`` holds names of its objects."""
    options = {
        "weights": list(search.all_weights),
        "language": search.language,
        "prefix": search.prefix,
        "tokenize": search.tokenize,
    }
    # In JSON, a slash may be escaped: the end of a comment is no part of the note.
    return f"{NOTE} {json.dumps({**options, **more})}".replace("*/", "*\\/")


def read_note(text: str) -> dict[str, Any] | None:
    """Return the note in a text, or None."""
    found = _NOTE.search(text)
    if found is None:
        return None
    try:
        read: Any = json.loads(found.group(1))
    except ValueError:
        return None
    return None if not isinstance(read, dict) else cast("dict[str, Any]", read)


def noted(found: dict[str, Any], columns: Sequence[str]) -> Search | None:
    """Return the search over these columns that a note describes; None if it is damaged."""
    try:
        weights = dict(zip(columns, found["weights"], strict=True))
        return Search(
            *columns,
            weights=weights,
            language=found["language"],
            prefix=found["prefix"],
            tokenize=found["tokenize"],
        )
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
