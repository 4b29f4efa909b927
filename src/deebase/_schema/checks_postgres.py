"""CHECK constraints as PostgreSQL shows them, which is not always how it shows them when they are made again."""

from __future__ import annotations

import re

_STRING = r"E?'(?:[^']|'')*'::character varying"
#: `x IN ('a', 'b')` of a varchar, as it is shown when it was written so, and ...
_WRITTEN = re.compile(
    rf"""\((?P<column>"(?:[^"]|"")+"|\w+)\)::text (?P<how>= ANY|<> ALL) """
    rf"""\(\(ARRAY\[(?P<listed>{_STRING}(?:, {_STRING})*)\]\)::text\[\]\)"""
)
#: ... when it was made from that, as by pg_dump: the cast has moved into the list.
_MADE_AGAIN = re.compile(rf"\(ARRAY\[(?P<listed>\({_STRING}\)::text(?:, \({_STRING}\)::text)*)\]\)")
_ELEMENT = re.compile(rf"\(({_STRING})\)::text")
_VALUE = re.compile(r"(E?'(?:[^']|'')*')::character varying")
_OPERATORS = {"= ANY": "IN", "<> ALL": "NOT IN"}


def settled(definition: str) -> str:
    """Return a definition in the one form for both that mean the same."""
    return _MADE_AGAIN.sub(_as_written, definition)


def again(definition: str) -> str:
    """Return what makes a constraint that is shown as this one is.

    Args:
        definition: one that ``settled`` gave.
    """
    return _WRITTEN.sub(_as_typed, definition)


def _as_written(found: re.Match[str]) -> str:
    listed = _ELEMENT.sub(r"\1", found["listed"])
    return f"((ARRAY[{listed}])::text[])"


def _as_typed(found: re.Match[str]) -> str:
    listed = _VALUE.sub(r"\1", found["listed"])
    return f"{found['column']} {_OPERATORS[found['how']]} ({listed})"
