"""JSON Schemas of documents: what the annotation of a JSON column says of its values."""

from __future__ import annotations

# Annotations may be anything, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import dataclasses
import types
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]

#: Text that a database stores in JSON: without NUL.
_TEXT: Final[Schema] = {"type": "string", "pattern": r"^[^\u0000]*$"}
#: Where the schema of any JSON value is in a document.
_ANY: Final[Schema] = {"$ref": "#/components/schemas/JsonValue"}
_OBJECT: Final[Schema] = {"type": "object", "propertyNames": _TEXT, "additionalProperties": _ANY}
_ARRAY: Final[Schema] = {"type": "array", "items": _ANY}
#: The schema of any JSON value that a column stores.
JSON_VALUE: Final[Schema] = {
    "anyOf": [{"type": ["null", "boolean", "number"]}, _TEXT, _OBJECT, _ARRAY],
    "description": "A JSON value.",
}
_SIMPLE: Final[dict[Any, Schema]] = {
    str: _TEXT,
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: _OBJECT,
    list: _ARRAY,
    Any: _ANY,
    type(None): {"type": "null"},
}


def document_schema(hint: Any) -> Schema:
    """Return the schema of an annotation; that of any value for one that says nothing here."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    if origin in (Union, types.UnionType):
        parts = [document_schema(part) for part in arguments]
        return {"anyOf": parts}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": document_schema(arguments[0])}
    if origin is dict:
        return {**_OBJECT, "additionalProperties": document_schema(arguments[1])}
    return _of_class(hint) if isinstance(hint, type) else dict(_ANY)


def _of_class(cls: type) -> Schema:
    """Return the schema of a dataclass or a TypedDict; that of another class is an object."""
    if is_typeddict(cls):
        required: Any = sorted(getattr(cls, "__required_keys__", ()))
    elif dataclasses.is_dataclass(cls):
        unset = dataclasses.MISSING
        required = [
            one.name for one in dataclasses.fields(cls) if one.default is unset and one.default_factory is unset
        ]
    else:
        return dict(_OBJECT)
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):
        return dict(_OBJECT)
    properties = {name: document_schema(hint) for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def without_references(schema: Any) -> Any:
    """Return a schema for a document that has no schema of a JSON value."""
    if isinstance(schema, dict):
        return {} if schema == _ANY else {name: without_references(part) for name, part in schema.items()}
    return [without_references(part) for part in schema] if isinstance(schema, list) else schema
