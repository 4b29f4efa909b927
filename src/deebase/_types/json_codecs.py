"""JSON columns: how values of an annotation become JSON values, and back."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sqlalchemy.types import TypeEngine

from deebase._types.base import is_a, misfit, refused
from deebase._types.documents import ANY_DOCUMENT, JSON, Codec, Convert, plain
from deebase._types.forms.foreign_values import python_value
from deebase._types.forms.json_texts import JsonNumber
from deebase._types.registry import own_type
from deebase.errors import UnsupportedTypeError


def codec(hint: Any, localns: Mapping[str, Any] | None = None) -> Codec:
    """Return how values of an annotation are stored as JSON.

    Args:
        hint: a resolved annotation: dict, list[T], a TypedDict, dataclass, pydantic or msgspec class, ...
        localns: names for annotations inside of it that are still text.

    Raises:
        UnsupportedTypeError: something inside the annotation cannot be stored as JSON.
    """
    return _Builder(localns).build(hint)


class DocumentHints(JSON):
    """Finds the codec of an annotation."""

    @classmethod
    def of_annotation(cls, hint: Any, names: Callable[[], Any]) -> TypeEngine[Any] | None:
        """Return the type of a list, a dict, or a class whose instances JSON holds."""
        if hint == ANY_DOCUMENT:
            return JSON()
        is_document = (
            (get_origin(hint) or hint) in (list, dict)
            or dataclasses.is_dataclass(hint)
            or typing.is_typeddict(hint)
            or (hasattr(hint, "model_validate") and hasattr(hint, "model_dump"))
            or hasattr(hint, "__struct_fields__")
        )
        return JSON(hint, codec(hint, names())) if is_document else None


class _Builder:
    """Builds codecs from the inside out; a class that contains itself finds its codec half built."""

    def __init__(self, localns: Mapping[str, Any] | None) -> None:
        self.localns = dict(localns or {})
        self.classes: dict[type, Codec] = {}

    def build(self, hint: Any) -> Codec:
        own = own_type(hint)
        if own is not None:

            def encode(value: Any) -> Any:
                return plain(own.to_json(own.accept(python_value(value))))

            return Codec(encode, own.of_json)
        origin = get_origin(hint)
        if origin is Annotated:
            return self.build(get_args(hint)[0])
        if origin in (Union, types.UnionType):
            return self.union(get_args(hint))
        if origin is Literal:
            return _literal(get_args(hint))
        if origin is list or hint is list:
            return self.list_of(get_args(hint))
        if origin is dict or hint is dict:
            return self.dict_of(get_args(hint))
        if hint in (Any, object):
            return Codec(plain, None)
        if hint in _SCALARS:
            return _SCALARS[hint]
        if isinstance(hint, typing.NewType):
            return self.build(hint.__supertype__)
        return self.of_class(hint)

    def union(self, members: tuple[Any, ...]) -> Codec:
        others = [member for member in members if member is not type(None)]
        if len(others) == 1:
            inner = self.build(others[0])
            return Codec(_or_none(inner.encode), None if inner.decode is None else _or_none(inner.decode))
        if all(member in (str, int, bool) for member in others):
            return Codec(_one_of((*others, *({type(None)} & set(members)))), None)
        raise _unsupported(" | ".join(getattr(member, "__name__", repr(member)) for member in members))

    def list_of(self, arguments: tuple[Any, ...]) -> Codec:
        item = self.build(arguments[0]) if arguments else Codec(plain, None)
        decode = item.decode

        def encode(value: Any) -> Any:
            if not is_a(value, list):
                raise misfit(value, "a list", "list(value)" if is_a(value, (tuple, set, frozenset)) else None)
            return [item.encode(member) for member in value]

        if decode is None:
            return Codec(encode, None)

        def decode_list(value: Any) -> Any:
            return [decode(member) for member in value]

        return Codec(encode, decode_list)

    def dict_of(self, arguments: tuple[Any, ...]) -> Codec:
        key, item = arguments or (str, Any)
        if key not in (str, int, Any):
            raise _unsupported(f"dict with keys of type {getattr(key, '__name__', key)}")
        values = self.build(item)
        wanted: type = int if key is int else str
        decode = values.decode

        def encode(value: Any) -> Any:
            if not is_a(value, dict):
                raise misfit(value, "a dict")
            for name in value:
                if type(name) is not wanted:
                    raise refused(value, f"the keys of this dict are {wanted.__name__}, and one is not")
            return {str(name): values.encode(member) for name, member in value.items()}

        if wanted is str and decode is None:
            return Codec(encode, None)
        decoded = decode or _same

        def decode_dict(value: Any) -> Any:
            return {wanted(name): decoded(member) for name, member in value.items()}

        return Codec(encode, decode_dict)

    def of_class(self, kind: Any) -> Codec:
        if not is_a(kind, type):
            raise _unsupported(repr(kind))
        known = self.classes.get(kind)
        if known is not None:
            return known
        if typing.is_typeddict(kind):
            return self.typed_dict(kind)
        if issubclass(kind, Enum):
            return _enum(kind)
        if dataclasses.is_dataclass(kind):
            return self.data_class(kind)
        if hasattr(kind, "model_validate") and hasattr(kind, "model_dump"):
            return _exact(kind, lambda value: plain(value.model_dump(mode="json", by_alias=True)), kind.model_validate)
        if hasattr(kind, "__struct_fields__"):
            msgspec: Any = sys.modules["msgspec"]
            return _exact(
                kind,
                lambda value: plain(msgspec.to_builtins(value, str_keys=True)),
                lambda value: msgspec.convert(value, kind, str_keys=True),
            )
        raise _unsupported(kind.__name__)

    def hints(self, kind: type) -> dict[str, Any]:
        try:
            return typing.get_type_hints(kind, localns={**self.localns, kind.__name__: kind}, include_extras=True)
        except NameError as error:
            raise UnsupportedTypeError(
                f"{kind.__name__}: the name {error.name!r} in its annotations is not known",
                hint="import it at run time, not under TYPE_CHECKING only",
            ) from error

    def data_class(self, kind: Any) -> Codec:
        fields: dict[str, Codec] = {}
        self.classes[kind] = made = _exact(
            kind, lambda value: _encoded(value, fields), lambda value: _made(kind, value, fields)
        )
        hints = self.hints(kind)
        for field in dataclasses.fields(kind):
            if field.init:
                fields[field.name] = self.build(hints[field.name])
        return made

    def typed_dict(self, kind: Any) -> Codec:
        fields: dict[str, Codec] = {}
        required: set[str] = set(kind.__required_keys__)

        def encode(value: Any) -> Any:
            if not is_a(value, dict):
                raise misfit(value, f"a dict with the keys of {kind.__name__}")
            if not required <= value.keys() <= fields.keys():
                raise refused(value, f"takes a dict with the keys of {kind.__name__}, and this one has others")
            return {name: fields[name].encode(member) for name, member in value.items()}

        def decode(value: Any) -> Any:
            return {
                name: _decoded(fields[name], member) if name in fields else member for name, member in value.items()
            }

        self.classes[kind] = made = Codec(encode, decode)
        for name, hint in self.hints(kind).items():
            marked = get_origin(hint)
            # Where annotations are text, the class itself did not see NotRequired and Required.
            if marked is typing.NotRequired:
                required.discard(name)
            elif marked is typing.Required:
                required.add(name)
            fields[name] = self.build(get_args(hint)[0] if marked in (typing.Required, typing.NotRequired) else hint)
        return made


def _or_none(convert: Convert) -> Convert:
    def converted(value: Any) -> Any:
        return None if value is None else convert(value)

    return converted


def _same(value: Any) -> Any:
    return value


def _decoded(field: Codec, value: Any) -> Any:
    return value if field.decode is None else field.decode(value)


def _encoded(value: Any, fields: Mapping[str, Codec]) -> dict[str, Any]:
    return {name: field.encode(getattr(value, name)) for name, field in fields.items()}


def _made(kind: Any, value: Any, fields: Mapping[str, Codec]) -> Any:
    return kind(**{name: _decoded(field, value[name]) for name, field in fields.items() if name in value})


def _exact(kind: Any, encode: Convert, decode: Convert) -> Codec:
    def encode_exactly(value: Any) -> Any:
        if type(value) is not kind:
            raise misfit(value, f"an instance of {kind.__name__}", f"{kind.__name__}(...)")
        return encode(value)

    return Codec(encode_exactly, decode)


def _one_of(kinds: tuple[Any, ...]) -> Convert:
    wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)

    def encode(value: Any) -> Any:
        if type(value) not in kinds:
            raise misfit(value, wanted)
        return value

    return encode


def _float(value: Any) -> Any:
    if type(value) is int and float(value) == value:
        return float(value)
    if type(value) not in (float, JsonNumber):
        raise misfit(value, "float")
    return plain(value)


def _read_float(value: Any) -> float:
    return value if type(value) is JsonNumber else float(value)


_SCALARS: dict[Any, Codec] = {
    **{kind: Codec(_one_of((kind,)), None) for kind in (str, int, bool, type(None))},
    float: Codec(_float, _read_float),
}


def _literal(values: tuple[Any, ...]) -> Codec:
    known: set[tuple[Any, Any]] = {(type(value), value) for value in values}
    if not {kind for kind, _ in known} <= {str, int, bool, type(None)}:
        raise _unsupported("a Literal with other values than str, int, bool and None")

    def encode(value: Any) -> Any:
        if type(value) not in (str, int, bool, type(None)) or (type(value), value) not in known:
            raise refused(value, "takes one of a list of values, and this is not one of them")
        return value

    return Codec(encode, None)


def _enum(kind: type[Enum]) -> Codec:
    if not all(type(member.value) in (str, int, bool) for member in kind):
        raise _unsupported(f"{kind.__name__}, an Enum with other values than str, int and bool")
    return _exact(kind, lambda member: member.value, kind)


def _unsupported(what: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(
        f"{what} cannot be stored inside JSON",
        hint="JSON holds None, bool, int, float, str, list[T], dict[str, T], TypedDict, Enum, Literal, and nested "
        "dataclass, pydantic and msgspec classes",
    )
