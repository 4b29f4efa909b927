"""JSON columns: what may be in them, and how typed values (dataclasses, models) become JSON and back."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Convert = Callable[[Any], Any]

#: From here on the text of a float has no fraction, and PostgreSQL would give back an int.
_BIG_FLOAT = 1e16


@dataclass(frozen=True)
class JsonCodec:
    """How the values of one annotation become plain JSON values and back; None where they are plain."""

    dump: Convert | None = None
    load: Convert | None = None


PLAIN_JSON = JsonCodec()


def wrong_json(value: Any) -> str | None:
    """Return what makes a value no JSON, or None. Strings must be storable text."""
    kind = type(value)
    if kind is str:
        return "text with a NUL character or a lone surrogate" if not is_text(value) else None
    if value is None or kind is bool or kind is int:
        return None
    if kind is float:
        return None if math.isfinite(value) else "NaN or an infinity"
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                return f"a key of type {type(key).__name__} (JSON keys are text)"
            wrong = wrong_json(key) or wrong_json(inner)
            if wrong:
                return wrong
        return None
    if isinstance(value, (list, tuple)):
        return next((wrong for wrong in map(wrong_json, value) if wrong), None)
    return f"a {kind.__name__}"


def is_text(value: str) -> bool:
    """Whether both databases can store a string: no NUL, no lone surrogate."""
    if value.isascii():
        return "\0" not in value
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def dump_json(value: Any) -> str:
    """Return JSON text from which PostgreSQL's jsonb gives the same value back."""
    if _has_big_float(value):
        return _spelled(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


load_json = json.loads


def _has_big_float(value: Any) -> bool:
    if type(value) is float:
        return abs(value) >= _BIG_FLOAT
    if isinstance(value, dict):
        return any(map(_has_big_float, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_has_big_float, value))


def _spelled(value: Any) -> str:
    if isinstance(value, float) and abs(value) >= _BIG_FLOAT:
        return f"{value:.1f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_spelled(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_spelled, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def codec_for(annotation: Any) -> JsonCodec | None:
    """Return the codec of an annotation that makes a JSON column, None if it makes none."""
    if annotation in (dict, list):
        return PLAIN_JSON
    origin = typing.get_origin(annotation)
    if origin in (dict, list):
        return _container(origin, typing.get_args(annotation))
    if not isinstance(annotation, type):
        return None
    if typing.is_typeddict(annotation):
        return PLAIN_JSON
    return _model(annotation)


def _container(origin: type, args: tuple[Any, ...]) -> JsonCodec:
    inner = codec_for(args[-1]) if args else None
    if inner is None or inner.load is None or inner.dump is None:
        return PLAIN_JSON
    dump, load = inner.dump, inner.load
    if origin is list:
        return JsonCodec(lambda value: [dump(item) for item in value], lambda value: [load(item) for item in value])
    return JsonCodec(
        lambda value: {key: dump(item) for key, item in value.items()},
        lambda value: {key: load(item) for key, item in value.items()},
    )


def _model(annotation: type) -> JsonCodec | None:
    if hasattr(annotation, "model_validate") and hasattr(annotation, "model_dump"):
        validate = annotation.model_validate
        return JsonCodec(lambda value: value.model_dump(mode="json") if isinstance(value, annotation) else value, validate)
    if hasattr(annotation, "__struct_fields__"):
        import msgspec

        return JsonCodec(msgspec.to_builtins, lambda value: msgspec.convert(value, annotation))
    if dataclasses.is_dataclass(annotation):
        return JsonCodec(
            lambda value: dataclasses.asdict(value) if isinstance(value, annotation) else value,
            lambda value: _build(annotation, value),
        )
    return None


def _build(cls: Any, value: Any) -> Any:
    """Make a dataclass, and those inside of it, from JSON values."""
    if not isinstance(value, dict):
        return value
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    return cls(**{name: _build_field(hints[name], inner) for name, inner in value.items() if name in known})


def _build_field(annotation: Any, value: Any) -> Any:
    if value is None:
        return None
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(annotation) if choice is not type(None)]
        annotation = choices[0] if len(choices) == 1 else Any
    codec = codec_for(annotation)
    return value if codec is None or codec.load is None else codec.load(value)
