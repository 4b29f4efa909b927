"""Finds the classes of tables, and their options, in a list, a dict or a module."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import warnings
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import ModuleType
from typing import Any, TypeAlias, get_args, is_typeddict

from deebase._model.class_fields import Field, fields_of
from deebase.errors import ConfigurationError, ValidationError
from deebase.fields import PrimaryKey

#: Classes with their options of ``create``.
Tables: TypeAlias = "list[tuple[type[Any], Mapping[str, Any]]]"

#: The name in a module of its tables, with their options of `create`.
_TABLES = "TABLES"
_HINT = "create_all(User, Post), a list of classes, {User: {}, Post: {'pk': 'slug'}}, or a module with classes"


def tables_of(given: Iterable[Any]) -> Tables:
    """Return the classes among arguments, which may also be lists, dicts and modules of classes.

    Raises:
        ValidationError: an argument is of another type.
        ConfigurationError: a module without tables.
    """
    found: Tables = []
    for item in given:
        if isinstance(item, type):
            found.append((item, {}))
        elif isinstance(item, Mapping):
            found += _with_options(item)
        elif isinstance(item, ModuleType):
            found += tables_in(item)
        elif isinstance(item, Iterable) and not isinstance(item, (str, bytes)):
            found += tables_of(item)
        else:
            raise ValidationError(
                f"tables are created from classes, not from {type(item).__name__}", field="classes", hint=_HINT
            )
    return found


def _with_options(given: Mapping[Any, Any]) -> Tables:
    for cls, options in given.items():
        if not isinstance(cls, type) or not isinstance(options, Mapping):
            raise ValidationError(
                "each entry of a dict of tables is a class with the dict of its options", field="classes", hint=_HINT
            )
    return list(given.items())


def tables_in(module: ModuleType) -> Tables:
    """Return the classes of the tables of a module, each with its options for ``create``.

    Raises:
        ConfigurationError: the module has no tables.
    """
    given: Any = getattr(module, _TABLES, None)
    if isinstance(given, Mapping):
        return _with_options(given)
    found: list[type[Any]] = list(given) if isinstance(given, (list, tuple)) else _classes(module)
    if not found:
        raise ConfigurationError(
            f"the module {module.__name__} has no models",
            hint="write classes with an id, or TABLES = {User: {}, Post: {'pk': 'slug'}}, "
            "or async def create_tables(db)",
        )
    return tables_of(found)


def _classes(module: ModuleType) -> list[type[Any]]:
    """Return the public classes of a module that have an id and are not used in columns of other classes."""
    here: list[tuple[str, Any]] = [*vars(module).items()]
    own: list[type[Any]] = [
        cls
        for name, cls in here
        if isinstance(cls, type) and cls.__module__ == module.__name__ and not name.startswith("_")
    ]
    fields = {cls: fields_of(cls) for cls in own if not issubclass(cls, Enum) and not is_typeddict(cls)}
    used = {part for known in fields.values() for field in known for part in _parts(field.hint)}
    found = [cls for cls, known in fields.items() if cls not in used and known]
    keyed = [cls for cls in found if _has_key(cls, fields[cls])]
    for cls in found if keyed else []:
        if cls not in keyed:
            warnings.warn(
                f"{module.__name__}.{cls.__name__} has no id, so it is not a table: add an id or __pk__, "
                f"name all tables in TABLES = {{{cls.__name__}: {{'pk': ...}}, ...}}, or call it _{cls.__name__}",
                stacklevel=2,
            )
    return keyed


def _has_key(cls: type[Any], fields: Iterable[Field]) -> bool:
    marks = [mark for field in fields for mark in getattr(field.hint, "__metadata__", ())]
    marked = any(mark is PrimaryKey or isinstance(mark, PrimaryKey) for mark in marks)
    return marked or hasattr(cls, "__pk__") or any(field.name == "id" for field in fields)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in get_args(hint):
        # Arguments of Annotated and Literal are values of any kind.
        if isinstance(argument, type) or get_args(argument):
            yield from _parts(argument)
