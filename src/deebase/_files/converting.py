"""From what a file holds to the values of columns."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.types import TypeEngine

from deebase._files.guess import is_number
from deebase._files.notations import Notation
from deebase._types.documents import JSON
from deebase._types.registry import column_type

Convert = Callable[[Any], Any]

#: What reading raises for a text or JSON value that is not of its column's type.
MISREAD = (ValueError, TypeError, KeyError, ArithmeticError)


class Reader(NamedTuple):
    """What reads the values of a column, which are not None; what they have to be, and an example."""

    read: Convert
    wanted: str
    example: str


def text_reader(sa_type: TypeEngine[Any], notation: Notation) -> Reader:
    """Return what reads the texts of a delimited file for a column."""
    kind = column_type(sa_type)
    rewrite = notation.rewriter(kind.python)
    if rewrite is None:
        return Reader(kind.parse, kind.wanted, kind.example)
    return Reader(lambda text: kind.parse(rewrite(text)), f"{kind.wanted} in the given notation", kind.example)


def value_reader(sa_type: TypeEngine[Any]) -> Reader:
    """Return what reads the values of a JSON file for a column."""
    kind = column_type(sa_type)
    if not isinstance(kind, JSON):
        return Reader(kind.of_json, kind.wanted, kind.example)

    def read(value: Any) -> Any:
        if _too_long(value):
            raise ValueError
        return kind.of_json(value)

    wanted = f"{kind.wanted} that a column holds: a number of 64 bits, or with the digits of a float"
    return Reader(read, wanted, kind.example)


def _too_long(value: Any) -> bool:
    """Whether a value is a number that SQLite, for which text in such a column is a number, would round."""
    if isinstance(value, Decimal):
        return not is_number(str(value))
    return type(value) is int and not -(2**63) <= value < 2**63
