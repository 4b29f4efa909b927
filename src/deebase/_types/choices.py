"""Enum and Literal columns, and enums of PostgreSQL: which texts stand for which members."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from enum import Enum, Flag
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.types import TypeEngine

from deebase._sqltext.quoting import unquoted
from deebase._sqltext.type_names import type_name
from deebase._types.base import ColumnType, declaration_of, has_types, is_a, sending
from deebase._types.text import text_fault
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
                "takes one of a list of values, and this is not one of them",
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


#: Operators that compare with a member; the others are about the stored text.
EQUALITIES = frozenset(
    {operators.eq, operators.ne, operators.in_op, operators.not_in_op, operators.is_, operators.is_not}
)


class Choice(ColumnType[Any]):
    """An Enum or Literal as VARCHAR.

    Args:
        pairs: stored texts and members; ``allowed`` are the texts, for the CHECK of the column.
    """

    impl = sa.String
    defines_classes = True

    def __init__(self, pairs: Pairs) -> None:
        super().__init__()
        self.pairs = pairs
        self.allowed = tuple(text for text, _ in pairs)
        self.wanted = f"one of {', '.join(self.allowed)}"
        self.example = self.allowed[0]
        self._choices = Choices(pairs)
        if not self.has_members:
            self.zero = pairs[0][1]

    @classmethod
    def of_annotation(cls, hint: Any, names: Callable[[], Any]) -> TypeEngine[Any] | None:
        if get_origin(hint) is Literal:
            return cls(literal_pairs(get_args(hint)))
        return cls(enum_pairs(hint)) if isinstance(hint, type) and issubclass(hint, Enum) else None

    @property
    def annotation(self) -> Any:
        """The Enum, or the Literal."""
        members = [member for _, member in self.pairs]
        whole: Any = type(members[0])  # pyright: ignore[reportUnknownVariableType]
        return whole if is_a(members[0], Enum) and members == list(whole) else Literal[tuple(members)]

    @property
    def has_members(self) -> bool:
        """Whether the values are members of an Enum, rather than those of a Literal."""
        return is_a(self.pairs[0][1], Enum)

    def accept(self, value: Any) -> Any:
        return self._choices.accept(value)

    def parse(self, text: str) -> Any:
        if text not in self._choices.members:
            raise ValueError
        return self._choices.members[text]

    def format(self, value: Any) -> str:
        return self._choices.text(value)

    def of_json(self, value: Any) -> Any:
        """Return the member of a stored text, or of the JSON value that it is."""
        return self.parse(value if isinstance(value, str) else json.dumps(value))

    def to_sqlite(self) -> Any:
        return self._choices.text

    def from_sqlite(self) -> Any:
        return self._choices.members.__getitem__

    to_postgres, from_postgres = to_sqlite, from_sqlite

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Patterns and concatenations are about the stored text."""
        return self if op in EQUALITIES else sa.String()

    def sample(self, number: int, name: str) -> Any:
        return self.pairs[number % len(self.pairs)][1]


#: Types of PostgreSQL that hold any text.
_TEXTS = frozenset({"character varying", "character", "text", "citext", "name"})


def checked_texts(kind: TypeEngine[Any], dialect: Dialect) -> tuple[str, ...]:
    """Return the texts that a column holds, for its CHECK; none for an enum of the database, which has them already."""
    if not isinstance(kind, Choice):
        return ()
    declared = declaration_of(kind, dialect)
    is_enum = declared is not None and has_types(dialect) and type_name(declared).name not in _TEXTS
    return () if is_enum else kind.allowed


class NativeEnum(postgresql.ENUM):
    """An enum of the database; its values are texts, also those that were added since."""

    cache_ok = True
    render_bind_cast = True

    def adapt(self, cls: Any, **kw: Any) -> Any:
        """Keep to this type: what the driver's dialect would put in its place refuses labels that were added since."""
        return copy(self)

    @cached_property
    def choices(self) -> Choices:
        """The labels that are known."""
        return Choices(literal_pairs(self.enums))

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what refuses other texts."""
        return sending(self.choices.accept)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Take labels as they come: an enum may have more by now."""
        return None


class DomainEnum(NativeEnum):
    """A domain over an enum, for which PostgreSQL has no operators: the column is compared as the enum."""

    cache_ok = True

    class Comparator(NativeEnum.Comparator):
        """Compares the column as the enum."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            element: Any = self.expr
            kind: Any = self.type
            if is_a(element, sa.Column):
                return op(kind.compared(element), *other, **options)
            return super().operate(op, *other, **options)

    comparator_factory: Any = Comparator

    def compared(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the column as it is compared."""
        made: Any = NativeEnum(*self.enums, name=self.name, schema=self.schema, create_type=False)  # pyright: ignore[reportUnknownMemberType]
        return sa.cast(column, made)

    order_expression = compared


class Labels(Choice):
    """The values of an enum of the database."""

    adopts = (sa.Enum,)

    def __init__(self, sa_type: sa.Enum) -> None:
        super().__init__(literal_pairs(sa_type.enums))
        self._checks = isinstance(sa_type, NativeEnum)

    @classmethod
    def of_annotation(cls, hint: Any, names: Callable[[], Any]) -> None:
        """Return None: enums of the database have no annotation of their own."""

    @classmethod
    def adopting(cls, sa_type: Any) -> ColumnType[Any]:
        return cls(sa_type)

    def accept(self, value: Any) -> Any:
        """Return the label; SQLAlchemy's own Enum checks it itself."""
        return super().accept(value) if self._checks else value


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
