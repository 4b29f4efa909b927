"""Enum and Literal columns: which texts stand for which members."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum, Flag
from typing import Any

from deebase._sqltext.quoting import unquoted
from deebase._types.scalars import is_a, text_fault
from deebase.errors import UnsupportedTypeError, ValidationError

#: Stored text and the member it stands for, in the order of definition.
Pairs = tuple[tuple[str, Any], ...]

# The CHECK of an Enum or Literal column, as `create` writes it, and as PostgreSQL shows it.
_CHOICES_SQLITE = re.compile(r"""CHECK \((?:"((?:[^"]|"")+)"|(\w+)) IN \(('(?:[^']|'')*'(?:, '(?:[^']|'')*')*)\)\)""")
_CHOICES_POSTGRES = re.compile(
    r"""CHECK \(\(\((?:"((?:[^"]|"")+)"|(\w+))\)::text = ANY \(\(ARRAY\[(.*)\]\)::text\[\]\)\)\)""", re.DOTALL
)
_TEXT = re.compile(r"'((?:[^']|'')*)'")


def enum_pairs(kind: type[Enum]) -> Pairs:
    """Return the texts and members of an Enum class; aliases are their members.

    Raises:
        UnsupportedTypeError: no members, a Flag, values that are not str, int, float or bool, or two
            values with the same text.
    """
    if issubclass(kind, Flag):
        raise UnsupportedTypeError(
            f"{kind.__name__} is a Flag, whose combinations cannot be listed", hint="store an int: flags.value"
        )
    return _pairs(kind.__name__, list(kind))


def literal_pairs(values: Iterable[Any]) -> Pairs:
    """Return the texts and values of a Literal without its None.

    Raises:
        UnsupportedTypeError: as for ``enum_pairs``.
    """
    return _pairs("Literal", list(values))


def _pairs(name: str, members: list[Any]) -> Pairs:
    texts: dict[str, Any] = {}
    for member in members:
        text = _stored(member.value if isinstance(member, Enum) else member)
        if text is None:
            raise UnsupportedTypeError(
                f"{name} has a value that cannot be stored as text", hint="use str, int, float or bool values"
            )
        if text in texts:
            raise UnsupportedTypeError(
                f"two values of {name} are the same as text: {text!r}", hint="give them different texts"
            )
        texts[text] = member
    if not texts:
        raise UnsupportedTypeError(f"{name} has no values", hint="add a member")
    return tuple(texts.items())


def _stored(value: Any) -> str | None:
    if isinstance(value, str):
        return None if text_fault(value) else str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float.__repr__(value)
    return None


class Choices:
    """Looks members up by what users give, and by what is stored.

    ``1``, ``True`` and ``1.0`` are equal and different members of a Literal, so values are looked up
    with their type.
    """

    __slots__ = ("_accepted", "members", "texts")

    def __init__(self, pairs: Pairs) -> None:
        self.members: Mapping[str, Any] = dict(pairs)
        self.texts: Mapping[tuple[Any, Any], str] = {_key(member): text for text, member in pairs}
        self._accepted: dict[tuple[Any, Any], Any] = {_key(member): member for _, member in pairs}
        for _, member in pairs:
            if is_a(member, Enum):
                self._accepted.setdefault(_key(member.value), member)

    def accept(self, value: Any) -> Any:
        """Return the member for a member or its plain value.

        Raises:
            ValidationError: it is neither; the hint lists what is accepted.
        """
        if is_a(value, str) and not is_a(value, Enum):
            value = str.__str__(value)
        try:
            return self._accepted[type(value), value]
        except (KeyError, TypeError):
            raise ValidationError(
                "takes one of a list of values, and this is none of them",
                value=value,
                hint=f"accepted: {', '.join(self.members)}",
            ) from None

    def text(self, value: Any) -> str:
        """Return the stored text of a member or its plain value."""
        try:
            return self.texts[type(value), value]
        except (KeyError, TypeError):
            member = self.accept(value)
            return self.texts[type(member), member]


def _key(value: Any) -> tuple[Any, Any]:
    return type(value), value  # pyright: ignore[reportUnknownVariableType]


def choice_columns(source: str, *, in_text: bool) -> dict[str, list[str]]:
    """Return the columns that CHECKs hold to a list of texts.

    Args:
        source: the CHECKs.
        in_text: as ``create`` writes them, and SQLite keeps them; not as PostgreSQL shows them.
    """
    found: dict[str, list[str]] = {}
    for quoted, plain, listed in (_CHOICES_SQLITE if in_text else _CHOICES_POSTGRES).findall(source):
        found[unquoted(quoted, '"') or plain] = [unquoted(text) for text in _TEXT.findall(listed)]
    return found
