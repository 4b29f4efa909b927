"""The fields of a class that describes a table: their annotations, resolved, and their defaults."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, MemberDescriptorType
from typing import Any, ClassVar, NamedTuple, get_origin

from deebase._rows.records import field_names
from deebase._types.base import is_a
from deebase.errors import UnsupportedTypeError
from deebase.types import UNSET

Factory = Callable[[], Any]


class Field(NamedTuple):
    """One field: the annotation as an object, and a default or the function that makes one."""

    name: str
    hint: Any
    default: Any
    factory: Factory | None


def fields_of(cls: type, localns: Mapping[str, Any] | None = None) -> list[Field]:
    """Return the fields of a plain class, dataclass, pydantic, attrs or msgspec class, inherited ones first.

    ClassVars and names that begin with an underscore are not fields.

    Args:
        cls: the class.
        localns: further names for annotations that are text, besides those of the module; needed for classes
            defined inside functions.

    Raises:
        UnsupportedTypeError: an annotation uses an unknown name.
    """
    declared = field_names(cls)
    hints: dict[str, Any] = {}
    for owner, name, annotation in _annotations(cls):
        if name.startswith("_") or (declared is not None and name not in declared):
            continue
        hint = _resolved(owner, cls, name, annotation, localns)
        if get_origin(hint) is not ClassVar and hint is not ClassVar and not isinstance(hint, dataclasses.InitVar):
            hints[name] = hint
    defaults = _defaults_of(cls)
    return [Field(name, hint, *defaults(name)) for name, hint in hints.items()]


def _annotations(cls: type) -> Iterator[tuple[type, str, Any]]:
    for owner in reversed(cls.__mro__):
        for name, annotation in inspect.get_annotations(owner).items():
            yield owner, name, annotation


def names_for(owner: type, cls: type, localns: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the names that annotations of a class may use, besides builtins.

    For a class that is defined in a function, the names of the function hide those of the module. For a class of a
    module, the names of the module hide those of the caller.
    """
    module = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    own = {name: value for name, value in vars(owner).items() if isinstance(value, type)}
    given = dict(localns or {})
    ordered = (own, module, given) if "<locals>" in owner.__qualname__ else (own, given, module)
    return {**ordered[0], **ordered[1], **ordered[2], cls.__name__: cls}


def _resolved(owner: type, cls: type, name: str, annotation: Any, localns: Mapping[str, Any] | None) -> Any:
    # A class with one annotation, so that an error belongs to this field and ClassVar is allowed.
    holder = type("Holder", (), {"__annotations__": {name: annotation}, "__module__": owner.__module__})
    try:
        hints = typing.get_type_hints(holder, localns=names_for(owner, cls, localns), include_extras=True)
    except NameError as error:
        raise UnsupportedTypeError(
            f"{cls.__name__}.{name}: the name {error.name!r} in its annotation is not defined",
            column_name=name,
            hint="import it at run time, not under TYPE_CHECKING only",
        ) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise UnsupportedTypeError(
            f"{cls.__name__}.{name}: its annotation cannot be evaluated: {type(error).__name__}",
            column_name=name,
            hint="write a type: name: str",
        ) from error
    return hints[name]


Default = tuple[Any, Factory | None]


def _defaults_of(cls: Any) -> Callable[[str], Default]:
    """Return the function that returns the default of a field, or (UNSET, None) for a field without one."""
    if dataclasses.is_dataclass(cls):
        declared = {field.name: _of_dataclass_field(field) for field in dataclasses.fields(cls)}
        return lambda name: declared.get(name, (UNSET, None))
    if hasattr(cls, "model_fields"):
        return lambda name: _of_pydantic(cls.model_fields[name])
    if hasattr(cls, "__struct_fields__"):
        structs: Any = sys.modules["msgspec"].structs
        infos = {info.name: info for info in structs.fields(cls)}
        return lambda name: _of_msgspec(infos[name])
    if hasattr(cls, "__attrs_attrs__"):
        attributes = {attribute.name: attribute for attribute in cls.__attrs_attrs__}
        return lambda name: _of_attrs(attributes[name].default)
    return lambda name: _of_attribute(cls, name)


def _known(default: Any, factory: Any, absent: Any) -> Default:
    return (UNSET if default is absent else default), (None if factory is absent else factory)


def _of_dataclass_field(field: dataclasses.Field[Any]) -> Default:
    return _known(field.default, field.default_factory, dataclasses.MISSING)


def _of_pydantic(info: Any) -> Default:
    if info.default_factory is not None:
        return UNSET, info.default_factory
    return (UNSET if info.is_required() else info.default), None


def _of_msgspec(info: Any) -> Default:
    return _known(info.default, info.default_factory, sys.modules["msgspec"].NODEFAULT)


def _of_attrs(default: Any) -> Default:
    attrs: Any = sys.modules["attr"]
    if default is attrs.NOTHING:
        return UNSET, None
    return (UNSET, default.factory) if isinstance(default, attrs.Factory) else (default, None)


#: Types of class attributes that are not the default of a field of the same name.
_NO_DEFAULTS = (property, classmethod, staticmethod, FunctionType, MemberDescriptorType)


def _of_attribute(cls: type, name: str) -> Default:
    # Not getattr: every class has the attribute mro from its metaclass.
    value: Any = next((vars(owner)[name] for owner in cls.__mro__ if name in vars(owner)), UNSET)
    if is_a(value, dataclasses.Field):
        return _of_dataclass_field(value)
    return (UNSET if isinstance(value, _NO_DEFAULTS) else value), None
