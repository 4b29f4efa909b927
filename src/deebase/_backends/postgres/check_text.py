"""The text of conditions of PostgreSQL, which may change when a shown text is used to create one."""

from __future__ import annotations

import re

_STRING = r"E?'(?:[^']|'')*'::character varying"
#: `x IN ('a', 'b')` of a varchar, created from its shown text, as by pg_dump: the cast has moved into the list.
_MADE_AGAIN = re.compile(rf"\(ARRAY\[(?P<listed>\({_STRING}\)::text(?:, \({_STRING}\)::text)*)\]\)")
#: The same as it was written at first.
_LISTED = re.compile(rf"\(\(ARRAY\[(?P<listed>{_STRING}(?:, {_STRING})*)\]\)::text\[\]\)")
_ELEMENT = re.compile(rf"\(({_STRING})\)::text")


def reproducing(definition: str) -> str:
    """Return a text that makes the same definition: in the shown one, the cast would move into the list.

    Args:
        definition: a statement or an expression as the server shows it.
    """
    return _LISTED.sub(r"(ARRAY[\g<listed>])", definition)


def settled(definition: str) -> str:
    """Return the common form of equal definitions.

    Args:
        definition: the result of ``pg_get_constraintdef``.
    """
    return _MADE_AGAIN.sub(_as_written, definition)


def _as_written(found: re.Match[str]) -> str:
    listed = _ELEMENT.sub(r"\1", found["listed"])
    return f"((ARRAY[{listed}])::text[])"
