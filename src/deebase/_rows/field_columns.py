"""The columns of the fields of a class: a column whose name is no attribute has a field of another name."""

from __future__ import annotations

# Annotations are objects of any kind.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import inspect
import re
import typing
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from keyword import iskeyword
from typing import Annotated, Any, get_args, get_origin

from deebase.errors import UnsupportedTypeError
from deebase.types import ColumnName


def is_attribute(name: str) -> bool:
    """Whether a class statement can have an attribute of exactly this name.

    Python brings identifiers into a normal form (docs.python.org, "Identifiers and keywords"), and every
    class has ``mro``, of its metaclass.
    """
    return name.isidentifier() and not iskeyword(name) and name != "mro" and unicodedata.normalize("NFKC", name) == name


def attribute_names(columns: Iterable[str]) -> dict[str, str]:
    """Return the name of the field of each column: the column's own name, if a field can have it."""
    names = list(columns)
    made = {name: name for name in names if is_attribute(name) and not name.startswith("_")}
    taken = set(made.values())
    for name in names:
        if name not in made:
            made[name] = _free(_attribute(name), taken)
            taken.add(made[name])
    return {name: made[name] for name in names}


def _attribute(name: str) -> str:
    """Return an attribute similar to a name: ``class`` is class_, ``2nd place`` is column_2nd_place."""
    plain = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_")
    if not plain:
        return "column"
    if not plain.isidentifier():
        plain = f"column_{plain}"
    return plain if is_attribute(plain) else f"{plain}_" if is_attribute(f"{plain}_") else "column"


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted.rstrip('_')}_{number}"
    return name


@lru_cache(maxsize=1000)
def renamed_columns(kind: type[Any]) -> dict[str, str]:
    """Return the columns of the fields that are called otherwise, by field.

    Raises:
        UnsupportedTypeError: an annotation is text with names that are not known in its module.
    """
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__[:-1]):
        hints = inspect.get_annotations(owner)
        if any(isinstance(hint, str) and ColumnName.__name__ in hint for hint in hints.values()):
            hints = _resolved(owner)
        for field, hint in hints.items():
            found.update([(field, mark.name) for mark in _marks(hint)])
    return found


def _resolved(owner: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except NameError as error:
        raise UnsupportedTypeError(
            f"{owner.__name__}: the name {error.name!r} in its annotations is not defined",
            hint="define a class with ColumnName at the top of a module, or without annotations as text",
        ) from error


def _marks(hint: Any) -> Iterator[ColumnName]:
    if get_origin(hint) is Annotated:
        yield from [mark for mark in hint.__metadata__ if isinstance(mark, ColumnName)]
    for argument in get_args(hint):
        # Arguments of Annotated and Literal are values of any kind.
        if get_args(argument):
            yield from _marks(argument)


def columns_of(kind: type[Any], fields: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of the fields of a class."""
    hashable: Any = kind
    renamed = renamed_columns(hashable)
    return tuple([renamed.get(field, field) for field in fields])


def row_columns(kind: type[Any]) -> set[str]:
    """Return the columns of the fields of a dataclass."""
    return set(columns_of(kind, [field.name for field in dataclasses.fields(kind)]))
