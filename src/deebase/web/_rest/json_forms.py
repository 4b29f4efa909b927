"""The JSON form of each column: how values are written and read, and the JSON Schema that says so.

A value has one form in all places. Numbers that JSON readers would change are strings: Decimals, integers beyond
2**53 - 1, infinities.
"""

from __future__ import annotations

# Values may be of any class, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import base64
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from deebase import UNSET, Column, ValidationError
from deebase.web._rest.document_schemas import Schema, document_schema

Convert = Callable[[Any], Any]

#: The largest integer that every JSON reader keeps (RFC 8259, section 6).
SAFE_INTEGER: Final = 2**53 - 1
#: Text without NUL, which no database stores.
_TEXT: Final = {"type": "string", "pattern": r"^[^\u0000]*$"}
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
#: Seconds of the longest timedelta of which a float keeps the microseconds.
_LONGEST: Final = 2**33
_INFINITIES: Final = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
#: The days of years 0001 to 9999.
_YEAR: Final = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP: Final = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DAY: Final = (
    f"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP}-02-29)"
)


@dataclass(frozen=True)
class JsonForm:
    """The JSON form of one column.

    Attributes:
        name: the column, or the path to it.
        schema: the JSON Schema of what is written.
        accepts: the JSON Schema of what is read from bodies.
        in_url: the JSON Schema of what is read from URLs.
        encode: makes the JSON value of a value that is not None; None if the value is one.
        decode: makes the value of a JSON value that is not None; raises ValueError or ValidationError.
        decode_text: makes the value of a text in a URL; None if the column has no conditions.
        wanted: what a value has to be, for messages.
        sample: a JSON value, for examples.
    """

    name: str
    schema: Schema
    accepts: Schema
    in_url: Schema
    encode: Convert | None
    decode: Convert
    decode_text: Convert | None
    wanted: str
    sample: Any


def form_of(column: Column) -> JsonForm:
    """Return the JSON form of a column."""
    made = _choice(column) if column.choices else _FORMS.get(column.type.name, _other)(column)
    if column.default is not UNSET and column.default is not None:
        default = made.encode(column.default) if made.encode else column.default
        made = replace(made, accepts={**made.accepts, "default": default}, schema={**made.schema, "default": default})
    if column.nullable:
        made = replace(made, schema=_or_null(made.schema), accepts=_or_null(made.accepts))
    return made


def checked_form_of(column: Column) -> JsonForm:
    """Return the JSON form of a column that is written: it refuses what the column cannot hold."""
    made, kind = form_of(column), column.type
    limit = kind.limiter()

    def decode(value: Any) -> Any:
        accepted = made.decode(value)
        kind.accept(accepted)
        excess = None if limit is None else limit(accepted)
        if excess is not None:
            raise ValidationError(excess)
        return accepted

    return replace(made, decode=decode)


def _or_null(schema: Schema) -> Schema:
    made = dict(schema)
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    if "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    elif "type" in made:
        kinds = made["type"]
        made["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
    return made


def _text_of(column: Column) -> Convert:
    def decode(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        return column.type.parse(value)

    return decode


def _form(column: Column, schema: Schema, **given: Any) -> JsonForm:
    """Return a form whose JSON value is a string that the type of the column reads, unless other parts are given."""
    decode = given.get("decode") or _text_of(column)
    made: dict[str, Any] = {
        "accepts": schema,
        "encode": column.type.to_json,
        "decode": decode,
        "decode_text": decode,
        "wanted": column.type.wanted,
        "sample": column.type.example or "text",
        **given,
    }
    made.setdefault("in_url", _without_length(made["accepts"]))
    return JsonForm(name=column.name, schema=schema, **made)


def _without_length(schema: Schema) -> Schema:
    """Return the schema of a value of a condition, which may be longer than those of the column.

    A text of a URL is a number or a string alike: the first of several forms is the usual one.
    """
    schema = schema.get("anyOf", [schema])[0]
    return {name: part for name, part in schema.items() if name != "maxLength"}


def _integer(column: Column) -> JsonForm:
    bits = column.bits or 64
    half = 1 << (bits - 1)

    def from_text(text: str) -> int:
        if _WHOLE.fullmatch(text) is None or not -half <= int(text) < half:
            raise ValueError
        return int(text)

    def decode(value: Any) -> Any:
        if isinstance(value, str) and bits == 64:
            return from_text(value)
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise ValueError
        return column.type.of_json(value)

    limits: Schema = {"type": "integer", "minimum": -half, "maximum": half - 1}
    large = {"type": "string", "pattern": "^-?[0-9]{16,19}$", "description": "an integer beyond 2**53 - 1"}
    safe = {"type": "integer", "minimum": -SAFE_INTEGER, "maximum": SAFE_INTEGER}
    schema = limits if bits < 64 else {"anyOf": [safe, large]}
    return _form(
        column,
        schema,
        accepts=limits if bits < 64 else {"anyOf": [limits, {"type": "string", "pattern": "^-?[0-9]{1,18}$"}]},
        in_url=limits,
        encode=_safe_integer if bits == 64 else None,
        decode=decode,
        decode_text=from_text,
        wanted=f"a whole number of {bits} bits",
        sample=42,
    )


def _safe_integer(value: Any) -> Any:
    return value if type(value) is not int or -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)


def _float(column: Column) -> JsonForm:
    def decode(value: Any) -> float:
        if isinstance(value, str):
            if value not in _INFINITIES:
                raise ValueError
            return _INFINITIES[value]
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise ValueError
        made = float(value)
        if math.isinf(made):
            raise ValueError
        return made

    def from_text(text: str) -> float:
        return decode(Decimal(text) if _NUMBER.fullmatch(text) else text)

    written = {"anyOf": [{"type": "number"}, {"enum": list(_INFINITIES)}]}
    accepts = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf"]}]}
    # Floats are JSON already, but for those that the writer finds afterwards.
    return _form(
        column,
        written,
        accepts=accepts,
        encode=None,
        decode=decode,
        decode_text=from_text,
        wanted="a number",
        sample=1.5,
    )


def _boolean(column: Column) -> JsonForm:
    def decode(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    words = {"true": True, "false": False}
    return _form(column, {"type": "boolean"}, encode=None, decode=decode, decode_text=words.__getitem__, sample=True)


def _decimal(column: Column) -> JsonForm:
    schema: Schema = {"type": "string", "pattern": r"^(-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity)$"}
    number: Schema = {"type": "number"}
    text = r"^-?[0-9]{1,100}(\.[0-9]{1,100})?$"
    places = None
    if column.digits is not None:
        total, places = column.digits
        before = max(total - places, 0)
        text = rf"^-?[0-9]{{1,{before}}}" if before else "^-?0"
        text += rf"(\.[0-9]{{1,{places}}})?$" if places > 0 else "$"
        limit = 10**before - 1
        number = {"type": "number", "minimum": -limit, "maximum": limit}

    def decode(value: Any) -> Decimal:
        if isinstance(value, str):
            if _NUMBER.fullmatch(value) is None:
                raise ValueError
            return Decimal(value)
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise ValueError
        made = Decimal(value)
        # A JSON number is often a float with noise behind its digits; a text is meant as it is.
        return made if places is None else round(made, places)

    accepts = {"anyOf": [{"type": "string", "pattern": text}, number]}
    return _form(column, schema, accepts=accepts, decode=decode, wanted="a number, or its digits as a string")


def _string(column: Column) -> JsonForm:
    def decode(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        return value

    length: Schema = {} if column.length is None else {"maxLength": column.length}
    written: Schema = {"type": "string", **length}
    sample = "text" if column.length is None else "text"[: column.length]
    return _form(column, written, accepts={**_TEXT, **length}, encode=None, decode=decode, wanted="text", sample=sample)


def _binary(column: Column) -> JsonForm:
    pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
    schema = {"type": "string", "contentEncoding": "base64"}
    return _form(column, schema, accepts={**schema, "pattern": pattern})


def _formatted(format_: str) -> Callable[[Column], JsonForm]:
    return lambda column: _form(column, {"type": "string", "format": format_})


def _aware(column: Column) -> JsonForm:
    def decode(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError
        made = datetime.fromisoformat(value.upper())
        if made.tzinfo is None:
            raise ValueError
        return column.type.parse(made.isoformat())

    return _form(
        column,
        {"type": "string", "format": "date-time"},
        decode=decode,
        wanted="a date and a time with its offset, such as 2024-02-29T12:30:00Z",
    )


def _naive(column: Column) -> JsonForm:
    def decode(value: Any) -> Any:
        if not isinstance(value, str) or "T" not in value or datetime.fromisoformat(value).tzinfo is not None:
            raise ValueError
        return column.type.parse(value)

    pattern = f"^{_DAY}T{_CLOCK}$"
    schema = {"type": "string", "format": "date-time-local"}
    wanted = "a date and a time without an offset, such as 2024-02-29T12:30:00"
    return _form(column, schema, accepts={**schema, "pattern": pattern}, decode=decode, wanted=wanted)


def _time(column: Column) -> JsonForm:
    schema = {"type": "string", "format": "time-local"}
    return _form(column, schema, accepts={**schema, "pattern": f"^{_CLOCK}$"})


def _interval(column: Column) -> JsonForm:
    def decode(value: Any) -> timedelta:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise ValueError
        if abs(Decimal(value)) > _LONGEST:
            raise ValueError
        return timedelta(seconds=float(value))

    def from_text(text: str) -> timedelta:
        return decode(Decimal(text) if _NUMBER.fullmatch(text) else text)

    # Months of PostgreSQL have no number of seconds.
    schema = {"anyOf": [{"type": "number"}, {"type": "string"}]}
    accepts = {"type": "number", "minimum": -_LONGEST, "maximum": _LONGEST, "description": "seconds"}
    return _form(column, schema, accepts=accepts, decode=decode, decode_text=from_text, sample=90.5)


def _document(column: Column) -> JsonForm:
    hint: Any = column.type.annotation
    schema = document_schema(hint)
    kind: Any = {"object": dict, "array": list}.get(schema.get("type", ""))

    def decode(value: Any) -> Any:
        if kind is not None and not isinstance(value, kind):
            raise ValueError
        return value if isinstance(value, str) else column.type.of_json(value)

    sample: Any = [] if kind is list else {}
    wanted = "a JSON value" if kind is None else f"a JSON {schema['type']} of the column's form"
    # What other programs stored may be any JSON.
    return _form(column, {}, accepts=schema, decode=decode, decode_text=None, wanted=wanted, sample=sample)


def _choice(column: Column) -> JsonForm:
    values = [choice.value if isinstance(choice, Enum) else choice for choice in column.choices]

    def decode(value: Any) -> Any:
        for choice, known in zip(column.choices, values, strict=True):
            if value == known and isinstance(value, bool) is isinstance(known, bool):
                return choice
        raise ValueError

    def from_text(text: str) -> Any:
        return column.type.parse(text)

    return _form(
        column,
        {"enum": values},
        encode=_plain_choice,
        decode=decode,
        decode_text=from_text,
        wanted=f"one of {', '.join(map(json.dumps, values))}",
        sample=values[0],
    )


def _plain_choice(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _other(column: Column) -> JsonForm:
    """Return the form of arrays, of types of other programs, and of columns without a type."""
    if column.type.takes_collections:
        return replace(_document(column), schema={"type": "array"}, sample=[])
    if not column.type.classes and column.type.python is None:
        return _form(column, {}, decode=column.type.of_json, decode_text=column.type.parse)
    return _form(column, {"type": "string"})


_FORMS: Final[dict[str, Callable[[Column], JsonForm]]] = {
    "int": _integer,
    "float": _float,
    "bool": _boolean,
    "decimal": _decimal,
    "str": _string,
    "text": _string,
    "bytes": _binary,
    "uuid": _formatted("uuid"),
    "date": _formatted("date"),
    "datetime": _naive,
    "utcdatetime": _aware,
    "time": _time,
    "timedelta": _interval,
    "json": _document,
    "ipv4address": _formatted("ipv4"),
    "ipv6address": _formatted("ipv6"),
}


# -- rows --------------------------------------------------------------------------------------


def encoders_of(forms: Sequence[JsonForm]) -> list[tuple[str, Convert]]:
    """Return what has to be encoded of a row, by column."""
    return [(form.name, form.encode) for form in forms if form.encode is not None]


def encode_rows(rows: Sequence[dict[str, Any]], encoders: Sequence[tuple[str, Convert]]) -> None:
    """Put the JSON form of each value in its place.

    A table that another program made may hold values that are not of the type of their column: they are encoded by
    their own class.
    """
    for name, encode in encoders:
        if encode is _safe_integer:
            # Without a call for each number: nearly all of them are small.
            large = [row for row in rows if type(row[name]) is int and not -SAFE_INTEGER <= row[name] <= SAFE_INTEGER]
            for row in large:
                row[name] = str(row[name])
            continue
        for row in rows:
            value = row[name]
            if value is not None:
                try:
                    row[name] = encode(value)
                except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError):
                    row[name] = _by_class(value)


def _by_class(value: Any) -> Any:
    """Return a JSON value for a value of any class, as ``json`` calls it for those that are not JSON."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return _finite(value) if isinstance(value, float) else str(value)


def _finite(value: Any) -> Any:
    """Return a JSON value with the texts of infinities and NaN in their place."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


_WRITE: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"), default=_by_class
).encode
_WRITE_ASCII: Final = json.JSONEncoder(separators=(",", ":"), default=_by_class).encode


def written(value: Any) -> bytes:
    """Return the JSON text of a value."""
    try:
        return _WRITE(value).encode()
    except ValueError:
        # Infinities, or half of a surrogate pair in a file of another program.
        return _WRITE_ASCII(_finite(value)).encode()


class RepeatedName(ValueError):
    """An object of the request has two values of one name."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise RepeatedName
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_READ: Final = json.JSONDecoder(parse_float=Decimal, object_pairs_hook=_distinct, parse_constant=_no_constant).decode


def read(body: bytes) -> Any:
    """Return the value of a JSON text, its fractions as Decimals.

    Raises:
        ValidationError: it is not JSON, is nested too deeply, or holds a name twice in one object.
    """
    try:
        return _READ(body.decode())
    except RepeatedName:
        raise ValidationError("an object of the body has two values of one name") from None
    except RecursionError:
        raise ValidationError("the body is nested too deeply") from None
    except ValueError:
        raise ValidationError("the body is not JSON") from None
