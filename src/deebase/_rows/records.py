"""Any record (dict, Mapping, dataclass, pydantic, attrs, msgspec, plain object) into a dict of values."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

from deebase.errors import ValidationError
from deebase.types import UNSET

Reader = Callable[[Any], dict[str, Any]]

#: How instances of a class are read; filled as classes are met.
_readers: dict[type, Reader] = {}


def values_of(record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given values of a record and keywords by name; UNSET ones are left out.

    Raises:
        ValidationError: there is no record at all, or it is of a kind that has no fields.
    """
    if record is None:
        if not keywords:
            raise ValidationError("no record was given", hint="pass a dict, an object or keyword arguments")
        values = dict(keywords)
    else:
        values = _read(record)
        if keywords:
            values.update(keywords)
    for value in values.values():
        if value is UNSET:
            return {name: value for name, value in values.items() if value is not UNSET}
    return values


def _read(record: Any) -> dict[str, Any]:
    kind: type[Any] = type(record)
    if kind is dict:
        return dict(record)
    reader = _readers.get(kind)
    if reader is None:
        reader = _readers[kind] = _reader_for(kind, record)
    return reader(record)


def _reader_for(kind: type, record: Any) -> Reader:
    if isinstance(record, Mapping):
        return dict
    names = field_names(kind)
    if names is not None:
        return _reader_of_fields(names)
    if isinstance(record, (str, bytes, int, float, list, tuple, set, frozenset, type)) or not hasattr(
        record, "__dict__"
    ):
        raise ValidationError(
            f"a record is a dict, a Mapping or an object with fields, not {kind.__name__}",
            hint="insert({'name': 'Ada'}) or insert(name='Ada')",
        )
    return lambda plain: {name: value for name, value in vars(plain).items() if not name.startswith("_")}


def field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the fields of a dataclass, pydantic, attrs or msgspec class; None for any other."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    for attribute in ("model_fields", "__struct_fields__"):
        fields = getattr(kind, attribute, None)
        if isinstance(fields, (dict, tuple)):
            return tuple(fields)
    attrs_fields = getattr(kind, "__attrs_attrs__", None)
    if attrs_fields is not None:
        return tuple(field.name for field in attrs_fields)
    return None


def _reader_of_fields(names: tuple[str, ...]) -> Reader:
    msgspec = sys.modules.get("msgspec")
    absent = getattr(msgspec, "UNSET", UNSET)

    def read(record: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in names:
            value = getattr(record, name, UNSET)
            if value is not absent:
                values[name] = value
        return values

    return read
