"""The text of CHECK constraints of PostgreSQL, which may change when a shown text is used to create one."""

from __future__ import annotations

import re

_STRING = r"E?'(?:[^']|'')*'::character varying"
#: `x IN ('a', 'b')` of a varchar, created from its shown text, as by pg_dump: the cast has moved into the list.
_MADE_AGAIN = re.compile(rf"\(ARRAY\[(?P<listed>\({_STRING}\)::text(?:, \({_STRING}\)::text)*)\]\)")
_ELEMENT = re.compile(rf"\(({_STRING})\)::text")


def settled(definition: str) -> str:
    """Return the common form of equal definitions.

    Args:
        definition: the result of ``pg_get_constraintdef``.
    """
    return _MADE_AGAIN.sub(_as_written, definition)


def _as_written(found: re.Match[str]) -> str:
    listed = _ELEMENT.sub(r"\1", found["listed"])
    return f"((ARRAY[{listed}])::text[])"
