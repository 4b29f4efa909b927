"""JSON as others wrote it: a document that is stored again unchanged keeps its spaces, digits and repeated keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


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
    kind = WrittenObject if type(value) is dict else WrittenArray if type(value) is list else None
    if kind is None:
        return value
    try:
        if write(value) == text:
            return value
    except ValueError:
        # Others may write what we refuse.
        pass
    return _made(kind, value, text)


def written_text(value: Any, read: Callable[[str], Any]) -> str | None:
    """Return the text that a document was read from; None if it changed since, or has none.

    Args:
        value: the document.
        read: reads a text.
    """
    if not isinstance(value, (WrittenObject, WrittenArray)):
        return None
    # As text, in which True is not 1.
    return value.text if json.dumps(value) == json.dumps(read(value.text)) else None
