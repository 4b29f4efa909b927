"""Conditions in SQL text: the places of their values, and the types with which the values are sent."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from deebase._sql.binding import style_of, template
from deebase._sql.compiled import Parameters
from deebase._sql.raw import adapt
from deebase._sqltext.capabilities import capabilities_of
from deebase.errors import ValidationError

#: Types whose values have one SQL type, and the type.
_KINDS: dict[type[Any], sa.types.TypeEngine[Any]] = {
    kind: sa.literal(sample).type
    for kind, sample in {str: "", float: 0.5, bytes: b"", bool: True, type(None): None}.items()
}
#: The types of other values, by what they are made of.
_OTHERS: dict[str, sa.types.TypeEngine[Any]] = {}
_INTEGER, _BIG, _EXACT, _UNKNOWN = sa.Integer(), sa.BigInteger(), sa.Numeric(), sa.types.NullType()
_LARGEST = 2**63


class Fragment(ColumnElement[bool]):
    """A SQL condition of the user: literal text with bound values in between."""

    __visit_name__ = "deebase_fragment"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("pieces", InternalTraversal.dp_string_list),
        ("values", InternalTraversal.dp_clauseelement_list),
    ]
    type = sa.Boolean()

    def __init__(self, parts: Sequence[str | sa.BindParameter[Any]]) -> None:
        self.parts = parts
        # As part of a condition on children it has a cache key.
        self.pieces = [part for part in parts if isinstance(part, str)]
        self.values = [part for part in parts if not isinstance(part, str)]

    def get_children(self, **_: Any) -> Any:
        """Return nothing: its values are no parts of an expression of the caller."""
        return ()

    def self_group(self, against: Any = None) -> Fragment:
        """Return the condition itself: SQLAlchemy would compare it with 1 on SQLite, which disables indexes."""
        return self


@compiles(Fragment)
def _compile_fragment(element: Fragment, compiler: Any, **kwargs: Any) -> str:
    text = "".join([part if isinstance(part, str) else compiler.process(part, **kwargs) for part in element.parts])
    # The line break ends a trailing `--` comment, which would hide the parenthesis.
    return f"({text}\n)"


class BoundFragment(NamedTuple):
    """A condition whose values are passed at each run.

    Attributes:
        pieces: the text before, between and after the values.
        sources: the names of the values.
        kinds: their SQL types.
    """

    pieces: tuple[str, ...]
    sources: tuple[str, ...]
    kinds: tuple[sa.types.TypeEngine[Any], ...]

    @property
    def shape(self) -> Hashable:
        """What determines the compiled text, and the names of its values."""
        return ("fragment", *self)

    def clause(self, parameters: Parameters) -> Fragment:
        """Return the condition as a Core expression."""
        parts: list[str | sa.BindParameter[Any]] = [self.pieces[0]]
        for source, kind, piece in zip(self.sources, self.kinds, self.pieces[1:], strict=True):
            parts += parameters.embed(source, kind), piece
        return Fragment(parts)


def bound_fragment(
    text: str, params: Mapping[str, Any] | Sequence[Any] | None, dialect: Dialect, *, scoped: bool, first: int
) -> tuple[BoundFragment, list[Any]]:
    """Return a condition in SQL text, and its values.

    Args:
        text: the condition.
        params: its parameters.
        dialect: the database.
        scoped: the handle has a scope.
        first: the number of the first value among those of all fragments.

    Raises:
        ValidationError: the text is no condition, or the parameters do not fit.
    """
    given: Any = text
    if not isinstance(given, str):
        raise ValidationError(
            f"where is a dict of columns or SQL text, not {type(given).__name__}",
            field="where",
            hint="where={'age': 30}, or where='age > ?', params=[30]",
        )
    style = style_of(params)
    capabilities = capabilities_of(dialect)
    read = template(text, style, capabilities.tokens, scoped=scoped)
    values: list[Any] = []
    kinds: list[sa.types.TypeEngine[Any]] = []
    for value, compared in zip(read.values(text, style, params), read.compared, strict=True):
        given, kind = _typed(adapt(value, dialect), compared=compared and capabilities.checks_types)
        values.append(given)
        kinds.append(kind)
    sources = tuple([f"\0f{first + n}" for n in range(len(values))])
    return BoundFragment(read.pieces, sources, tuple(kinds)), values


def _typed(value: Any, *, compared: bool) -> tuple[Any, sa.types.TypeEngine[Any]]:
    """Return a value and the type with which it is sent.

    Args:
        value: the value.
        compared: the other side of a comparison determines the type of a text. A type of its own would turn the column
            into another type, which no index has: citext to text, numeric and bigint to double precision.
    """
    kind = type(value)
    if compared and kind is str:
        return value, _UNKNOWN
    if compared and kind in (float, Decimal) and is_finite(value):
        return exact_number(value)
    if kind is int:
        return value, _INTEGER if value.bit_length() < 32 else _BIG
    known = _KINDS.get(kind)
    return value, _shared(sa.literal(value).type) if known is None else known


def _shared(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the one object for types that compile alike: types have no equality."""
    return _OTHERS.setdefault(repr(kind), kind)


def is_finite(value: float | Decimal) -> bool:
    """Whether it is a number, and no infinite one."""
    return value.is_finite() if isinstance(value, Decimal) else isfinite(value)


def exact_number(value: float | Decimal) -> tuple[int | Decimal, sa.types.TypeEngine[Any]]:
    """Return a finite number in the type that an index over any type of numbers serves best: whole, else decimal."""
    if -_LARGEST <= value < _LARGEST and value == int(value):
        return int(value), _BIG
    return value if isinstance(value, Decimal) else Decimal(repr(value)), _EXACT
