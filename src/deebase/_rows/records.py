"""Any record (dict, Mapping, dataclass, pydantic, attrs, msgspec, plain object) into a dict of values."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from deebase.errors import ValidationError
from deebase.types import UNSET

Reader = Callable[[Any], dict[str, Any]]

#: What has a ``__dict__``, or could have, and no fields in it.
_NO_RECORDS = (str, bytes, int, float, list, tuple, set, frozenset, type, sa.ClauseElement)

#: How instances of a class are read; filled as classes are met.
_readers: dict[type, Reader] = {}


def values_of(record: Any, keywords: Mapping[str, Any], operation: str = "insert") -> dict[str, Any]:
    """Return the given values of a record and keywords by name; UNSET ones are left out.

    Args:
        record: the record.
        keywords: values on top of it.
        operation: the method it was given to, for the message of the error.

    Raises:
        ValidationError: there is no record at all, or it is of a kind that has no fields.
    """
    if record is None:
        if not keywords:
            raise ValidationError("no record was given", hint="pass a dict, an object or keyword arguments")
        values = dict(keywords)
    else:
        values = _read(record, operation)
        if keywords:
            values.update(keywords)
    for value in values.values():
        if value is UNSET:
            return {name: value for name, value in values.items() if value is not UNSET}
    return values


def _read(record: Any, operation: str) -> dict[str, Any]:
    kind: type[Any] = type(record)
    if kind is dict:
        return dict(record)
    reader = _readers.get(kind)
    if reader is None:
        reader = _readers[kind] = _reader_for(kind, record, operation)
    return reader(record)


#: How a record is given, where it is not the usual `method({...}) or method(name=...)`.
_FORMS = {
    "update": "update({'id': 1, 'name': 'Ada'}), or the key by keyword: update(pk=1, name='Ada')",
    "update_where": "the new values come first, the conditions behind: update_where({'status': 'old'}, t.c.age > 90)",
}


def _not_a_record(kind: type, operation: str) -> ValidationError:
    single = operation.removesuffix("_all")
    hint = _FORMS.get(operation, f"{single}({{'name': 'Ada'}}) or {single}(name='Ada')")
    if issubclass(kind, (list, tuple)) and operation in ("insert", "update", "upsert"):
        hint = f"many rows go to {operation}_all([...]); one is a dict: {hint}"
    elif issubclass(kind, type):
        hint = f"an instance of the class; {hint}"
    return ValidationError(
        f"{operation} takes a dict, a Mapping or an object with fields, not {kind.__name__}", field="record", hint=hint
    )


def _reader_for(kind: type, record: Any, operation: str) -> Reader:
    if isinstance(record, Mapping):
        return dict
    names = field_names(kind)
    if names is not None:
        return _reader_of_fields(names)
    if isinstance(record, _NO_RECORDS) or not hasattr(record, "__dict__"):
        raise _not_a_record(kind, operation)
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
