"""JSON as others wrote it: a document that is stored again unchanged keeps its spaces, digits and repeated keys."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any


class JsonNumber(float):
    """A number of a document that a float does not write as it is stored: with more digits, or zeros at its end.

    It is the nearest float to compute with, and is stored again with the digits it has.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> JsonNumber:
        """Return the number of a JSON text."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __reduce__(self) -> Any:
        """Return how copies and pickles are made."""
        return JsonNumber, (self.text,)


def _number(text: str) -> float:
    value = float(text)
    # A float has 15 digits that always come back; the rest takes a closer look, which costs three times as much.
    if len(text) < 17 and text[-1] != "0" and "e" not in text and "E" not in text:
        return value
    written = float.__repr__(value)
    if written == text or (math.isfinite(value) and stable_digits(written) == text):
        return value
    return JsonNumber(text)


def stable_digits(written: str) -> str:
    """Return the text of a float without an exponent, which would make an int of it."""
    expanded = format(Decimal(written), "f")
    return expanded if "." in expanded else f"{expanded}.0"


#: Returns the value of JSON text.
loads = json.JSONDecoder(parse_float=_number).decode


class WrittenObject(dict[str, Any]):
    """An object of JSON, with the text that it was read from."""

    __slots__ = ("text",)

    text: str

    def __reduce__(self) -> Any:
        """Return how copies and pickles are made."""
        return _made, (type(self), dict(self), self.text)


class WrittenArray(list[Any]):
    """An array of JSON, with the text that it was read from."""

    __slots__ = ("text",)

    text: str

    def __reduce__(self) -> Any:
        """Return how copies and pickles are made."""
        return _made, (type(self), list(self), self.text)


def _made(kind: Any, value: Any, text: str) -> Any:
    made = kind(value)
    made.text = text
    return made


def with_text(value: Any, text: str, write: Callable[[Any], str]) -> Any:
    """Return a document that is an object or an array with its text, if it would be written in another way.

    Args:
        value: the document.
        text: its text.
        write: writes a document.
    """
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    kept = WrittenObject if kind is dict else WrittenArray if kind is list else None
    if kept is None:
        return value
    try:
        if write(value) == text:
            return value
    except ValueError:
        # Others may write what we refuse.
        pass
    return _made(kept, value, text)


def written_text(value: Any) -> str | None:
    """Return the text that a document was read from; None if it changed since, or has none."""
    if not isinstance(value, (WrittenObject, WrittenArray)):
        return None
    # As text, in which True is not 1.
    return value.text if json.dumps(value) == json.dumps(loads(value.text)) else None
