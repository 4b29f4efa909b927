"""JSON documents, paths into them, conditions and merges, as plain Python has them: databases are compared with it."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

#: Where a path leads nowhere.
MISSING: Any = object()
LEAST, LARGEST = -(2**63), 2**63 - 1


def at(document: Any, steps: tuple[str | int, ...]) -> Any:
    """Return the part of a document, or MISSING."""
    for step in steps:
        if isinstance(document, dict) and isinstance(step, str):
            document = document.get(step, MISSING)
        elif isinstance(document, list) and isinstance(step, int) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return MISSING
    return document


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, and True is not 1."""
    if is_number(one) and is_number(other):
        # Of Decimals, as the database has the digits of a float.
        return Decimal(repr(one)) == Decimal(repr(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and bool(one == other)


def contains(one: Any, other: Any, *, is_whole: bool = True) -> bool:
    """Whether a value contains another one, as the manual of PostgreSQL defines ``@>``."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(key in one and contains(one[key], other[key], is_whole=False) for key in other)
    if isinstance(one, list) and isinstance(other, list):
        return all(any(_holds(each, wanted) for each in one) for wanted in other)
    if isinstance(one, list) and not isinstance(other, dict):
        return is_whole and any(equal(each, other) for each in one)
    return not isinstance(one, (list, dict)) and equal(one, other)


def _holds(one: Any, wanted: Any) -> bool:
    if isinstance(wanted, (list, dict)):
        return type(one) is type(wanted) and contains(one, wanted, is_whole=False)
    return equal(one, wanted)


def typed(value: Any, kind: type) -> Any:
    """Return a value of a type, or None."""
    if kind in (str, bool):
        return value if type(value) is kind else None
    if not is_number(value):
        return None
    if kind is Decimal:
        return Decimal(repr(value))
    if kind is int:
        return int(value) if Fraction(value).denominator == 1 and LEAST <= value <= LARGEST else None
    try:
        return float(value)
    except OverflowError:
        return None


def merged(document: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document after a JSON merge patch, as RFC 7396 writes it."""
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key), value)
        else:
            result[key] = value
    return result


def is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
