"""Values as source: what is written makes an equal value."""

from __future__ import annotations

# Defaults may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import math
import sys
from collections.abc import Callable
from datetime import UTC
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from deebase._rows.field_columns import is_attribute
from deebase._rows.records import field_names
from deebase._types.base import Call
from deebase._types.registry import type_of
from deebase.errors import ValidationError
from deebase.tools.codegen.line_layout import Piece, call, listed, mapped
from deebase.tools.codegen.name_use import Names, member_names


class Values:
    """Writes the values of one module.

    Args:
        names: the module's names.
        classes: what classes of values are called in it.
    """

    def __init__(self, names: Names, class_name: Callable[[type[Any]], str]) -> None:
        self._names = names
        self._class = class_name

    def source(self, value: Any) -> Piece:
        """Return the source of a value.

        Raises:
            ValidationError: it is of a class that cannot be written.
        """
        if value is None or isinstance(value, bool):
            return Piece(repr(value))
        if isinstance(value, Enum):
            return Piece(f"{self._class(type(value))}.{member_names(type(value))[value.name]}")
        if value is UTC:
            return Piece(self._names.use("datetime", "UTC"))
        if isinstance(value, (str, bytes)):
            return Piece(quoted(value))
        if isinstance(value, int):
            return Piece(int.__repr__(value))
        if isinstance(value, float):
            return self._float(value)
        if isinstance(value, list):
            return listed([self.source(item) for item in value])
        if isinstance(value, dict):
            return mapped([(self.source(key), self.source(item)) for key, item in value.items()])
        kind = type_of(value)
        return self._instance(value) if kind is None else self._made(kind.source(value))

    def _float(self, value: float) -> Piece:
        if math.isfinite(value):
            return Piece(float.__repr__(value).replace("e+", "e"))
        return call(self._names.use("builtins", "float"), Piece(f'"{value}"'))

    def _made(self, made: Call) -> Piece:
        cls, arguments, keywords = made
        named = {name: self.source(argument) for name, argument in keywords.items()}
        return call(self._class(cls), *map(self.source, arguments), **named)

    def _instance(self, value: Any) -> Piece:
        fields = field_names(type(value))
        if fields is None:
            raise ValidationError(
                f"a value of type {type(value).__name__} cannot be written as source",
                value=value,
                hint="use a value of a type that columns have, or leave the default out",
            )
        given = {name: self.source(getattr(value, name)) for name in fields}
        return call(self._class(type(value)), **given)


def factory_source(factory: Any, names: Names) -> str | None:
    """Return a function that makes defaults by the name it can be imported under; None for one without."""
    owner: Any = factory
    method = ""
    if isinstance(factory, (MethodType, BuiltinFunctionType)) and isinstance(getattr(factory, "__self__", None), type):
        owner, method = factory.__self__, f".{factory.__name__}"
    if not isinstance(owner, (type, FunctionType, BuiltinFunctionType)) or not is_importable(owner):
        return None
    if method and getattr(owner, factory.__name__, None) != factory:
        return None
    return names.use(owner.__module__, owner.__name__) + method


def is_importable(found: Any) -> bool:
    """Whether ``from module import name`` gives this object, in any program."""
    module, name = str(getattr(found, "__module__", "")), str(getattr(found, "__name__", ""))
    return (
        module != "__main__"
        and all(is_attribute(part) for part in (*module.split("."), name))
        and getattr(sys.modules.get(module), name, None) is found
    )


def quoted(value: str | bytes) -> str:
    """Return a text, or bytes, in the quotes that ``ruff format`` chooses."""
    written = repr(str.__str__(value) if isinstance(value, str) else bytes(value))
    start, inner, quote = written.partition(written[-1])[0], written[:-1].partition(written[-1])[2], written[-1]
    if quote == "'":
        bare = inner.replace("\\'", "'")
        if bare.count('"') <= bare.count("'"):
            return start + '"' + bare.replace('"', '\\"') + '"'
    return written
