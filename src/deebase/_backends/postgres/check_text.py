"""CHECK constraints as PostgreSQL shows them, which is not always how it shows them when they are made again."""

from __future__ import annotations

import re

_STRING = r"E?'(?:[^']|'')*'::character varying"
#: `x IN ('a', 'b')` of a varchar, made from what is shown of it, as by pg_dump: the cast has moved into the list.
_MADE_AGAIN = re.compile(rf"\(ARRAY\[(?P<listed>\({_STRING}\)::text(?:, \({_STRING}\)::text)*)\]\)")
_ELEMENT = re.compile(rf"\(({_STRING})\)::text")


def settled(definition: str) -> str:
    """Return a definition in the one form for both that mean the same.

    Args:
        definition: what ``pg_get_constraintdef`` gives.
    """
    return _MADE_AGAIN.sub(_as_written, definition)


def _as_written(found: re.Match[str]) -> str:
    listed = _ELEMENT.sub(r"\1", found["listed"])
    return f"((ARRAY[{listed}])::text[])"
