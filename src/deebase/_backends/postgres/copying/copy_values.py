"""Values of PostgreSQL in the forms of a copy: what a SELECT reads as, and what COPY takes."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from deebase._backends.copy_columns import ColumnConverter
from deebase._backends.copy_forms import Convert, Form
from deebase._model.facts import ColumnInfo
from deebase._sqltext.quoting import array_element, identifier

_SIZES: Final = re.compile(r"\((\d+)(?:,(-?\d+))?\)")
#: Forms of types, as format_type writes them without sizes.
_FORMS: Final[dict[str, Form]] = {
    "smallint": Form("integer", "smallint"),
    "integer": Form("integer", "integer"),
    "bigint": Form("integer"),
    "real": Form("real", "real"),
    "double precision": Form("real"),
    "numeric": Form("decimal"),
    "boolean": Form("boolean"),
    "text": Form("text"),
    "name": Form("text", "name"),
    '"char"': Form("text", "char"),
    "character varying": Form("text", "character varying"),
    "character": Form("text", "character"),
    "bytea": Form("bytes"),
    "date": Form("date"),
    "time without time zone": Form("time"),
    "timestamp without time zone": Form("timestamp"),
    "timestamp with time zone": Form("timestamptz"),
    "interval": Form("interval"),
    "json": Form("json", "json"),
    "jsonb": Form("json"),
    "uuid": Form("uuid"),
}
#: Types of forms that have no type of their own.
_TYPES: Final = {
    "integer": "bigint",
    "real": "double precision",
    "decimal": "numeric",
    "bytes": "bytea",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "json": "jsonb",
    "array": "jsonb",
}
#: The longest text that varchar(n) takes, and the largest precision of numeric.
_MOST_LENGTH: Final = 10_485_760
_MOST_DIGITS: Final = 1_000


def form_of(column: ColumnInfo) -> Form:
    """Return the form of a column."""
    if column.labels and not column.array:
        return Form("text", "enum")
    if column.array:
        return Form("array", column.type if column.type.endswith("[]") else f"{column.base}[]")
    written = column.base or column.type
    sizes = _SIZES.search(written)
    form = _FORMS.get(" ".join(_SIZES.sub("", written).split()))
    if form is None and written.startswith("interval"):
        form = _FORMS["interval"]
    if form is None:
        return Form("native", written)
    if sizes is None or form.kind not in ("text", "decimal"):
        return form
    return Form(form.kind, form.native, tuple([int(size) for size in sizes.groups() if size is not None]))


def type_of(form: Form) -> str:
    """Return the type of a column of a form."""
    if form.kind == "text" and form.native == "character" and form.sizes:
        return f"character({form.sizes[0]})"
    if form.native == "character varying" and not form.sizes:
        return form.native
    if form.kind == "text":
        return f"character varying({form.sizes[0]})" if form.sizes and form.sizes[0] <= _MOST_LENGTH else "text"
    if form.kind == "decimal" and form.sizes and form.sizes[0] <= _MOST_DIGITS:
        return f"numeric({', '.join(map(str, form.sizes))})"
    if form.native and form.kind in ("integer", "real", "json", "array", "native"):
        return form.native
    return _TYPES.get(form.kind, form.kind)


_INTERVAL: Final = """CASE WHEN isfinite({0}) THEN pg_catalog.format('P%sM%sDT%sS',
    (extract(year FROM {0}) * 12 + extract(month FROM {0}))::int, extract(day FROM {0})::int,
    (extract(hour FROM {0})::numeric * 3600 + extract(minute FROM {0})::numeric * 60
    + extract(second FROM {0})::numeric)::numeric(30, 6)) ELSE {0}::text END"""
_SELECTED: Final[dict[str, str]] = {
    "integer": "{0}::bigint",
    "boolean": "{0}",
    "bytes": "{0}",
    "interval": _INTERVAL,
    "timestamptz": "({0} AT TIME ZONE 'UTC')::text",
    "array": "pg_catalog.to_json({0})::text",
}


def selected(name: str, form: Form) -> str:
    """Return the expression that reads a column in its form."""
    column = identifier(name)
    if form.kind == "real":
        # The shortest text of a real, as psql shows it.
        return f"{column}::text::double precision"
    if form.native != "enum" and (form.kind == "text" or form.native.startswith("character")):
        # A cast to text would strip the blanks at the end.
        return column if form.native.startswith("character") else f"{column}::text"
    if form.kind == "native" or form.native in ("inet", "cidr", "enum"):
        # A cast to text adds the mask of an address that has none; that of a type of users may run their function.
        return f"CASE WHEN {column} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {column}) END"
    return _SELECTED.get(form.kind, "{0}::text").format(column)


# -- what a column refuses ----------------------------------------------------------------------


def refusal(form: Form) -> Convert | None:
    """Return what raises ValueError for a value that a column of a form does not store."""
    if form.kind in ("text", "native"):
        return _text_check(form.sizes[0] if form.sizes else None)
    if form.kind in ("json", "array"):
        return _json_check(keeps_text=form.native == "json")
    if form.kind == "decimal" and form.sizes:
        precision, scale = form.sizes[0], form.sizes[1] if len(form.sizes) > 1 else 0
        return _decimal_check(precision, scale)
    if form.kind == "decimal":
        return _long_decimal_check
    if form == _FORMS["smallint"]:
        return _small_check
    if form == _FORMS["real"]:
        return _single_check
    return None


def _text_check(length: int | None) -> Convert:
    def check(text: str) -> None:
        if "\0" in text:
            raise ValueError("text with a NUL character")
        if length is not None and len(text) > length:
            raise ValueError(f"text longer than {length} characters")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ValueError("text with half of a surrogate pair") from None

    return check


def _json_check(*, keeps_text: bool) -> Convert:
    def check(text: str) -> None:
        if "\0" in text:
            raise ValueError("JSON with a NUL character")
        if keeps_text:
            return
        if "\\u" in text and re.search(r"(?<!\\)(?:\\\\)*\\u(?:0000|[dD][89a-fA-F])", text):
            try:
                if "\0" in (plain := json.loads(f"[{text}]").__repr__()) or "\\x00" in plain:
                    raise ValueError("JSON with a NUL character")
                json.dumps(json.loads(text), ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise ValueError("JSON with half of a surrogate pair") from None
        json.loads(text, object_pairs_hook=_without_repeats)

    return check


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("JSON that repeats a key")


def _decimal_check(precision: int, scale: int) -> Convert:
    def check(text: str) -> None:
        number = Decimal(text)
        if not number.is_finite() and text != "NaN":
            raise ValueError("an infinity in a column of fixed precision")
        if number.is_finite():
            _, digits, exponent = number.normalize().as_tuple() if number else (0, (0,), 0)
            assert isinstance(exponent, int)
            if -exponent > scale or (number and len(digits) + exponent > precision - scale):
                raise ValueError(f"a number of more than {precision} digits, {scale} after the point")

    return check


def _long_decimal_check(text: str) -> None:
    whole, _, fraction = text.partition(".")
    if len(whole) > 131_072 or len(fraction) > 16_383:
        raise ValueError("a number of too many digits")


def _small_check(value: int) -> None:
    if not -(2**15) <= value < 2**15:
        raise ValueError("an integer of more than 16 bits")


def _single_check(value: float) -> None:
    try:
        single: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        raise ValueError("a number beyond those of real") from None
    # The shortest text of at most nine digits that is this number again.
    if math.isfinite(value) and not any(float(f"{single:.{digits}g}") == value for digits in range(6, 10)):
        raise ValueError("a number of more digits than real has")


# -- COPY ---------------------------------------------------------------------------------------

_NULL: Final = "\\N"
_ESCAPED: Final = re.compile(r"[\\\n\r\t]")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def encoder(form: Form) -> ColumnConverter:
    """Return what writes values for the text format of COPY."""
    if form.kind == "array" and form.native:
        return ColumnConverter(lambda text: array_literal(text, form.native).translate(_ESCAPES), null=_NULL)
    encode = _ENCODERS.get(form.kind)
    if encode is None:
        return ColumnConverter(_escaped, changing=_ESCAPED, null=_NULL)
    return ColumnConverter(encode, null=_NULL)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _encode_real(value: float) -> str:
    if value != value:
        return "NaN"
    return repr(value).replace("inf", "Infinity")


def in_utc(text: str) -> str:
    """Return a timestamp without its zone, which is UTC, with it."""
    if text.endswith("infinity"):
        return text
    return f"{text[:-3]}+00 BC" if text.endswith(" BC") else f"{text}+00"


_ENCODERS: Final[dict[str, Callable[[Any], str]]] = {
    "integer": str,
    "real": _encode_real,
    "decimal": str,
    "boolean": lambda value: "t" if value else "f",
    "bytes": lambda value: f"\\\\x{value.hex()}",
    "timestamptz": in_utc,
}


def array_literal(text: str, native: str) -> str:
    """Return the literal of an array for its JSON."""
    holds_documents = native.partition("[")[0] in ("json", "jsonb")
    return _array(json.loads(text, parse_float=_Digits, parse_int=_Digits), holds_documents)


class _Digits(str):
    """A number of JSON in its digits."""


def _array(items: list[Any], holds_documents: bool) -> str:
    return "{" + ",".join([_element(item, holds_documents) for item in items]) + "}"


def _element(item: Any, holds_documents: bool) -> str:
    if item is None:
        return "NULL"
    if holds_documents:
        return array_element(_written_json(item))
    if isinstance(item, list):
        return _array(item, holds_documents)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(item, bool):
        return "t" if item else "f"
    if isinstance(item, _Digits):
        return item
    return array_element(item if isinstance(item, str) else _written_json(item))


def _written_json(item: Any) -> str:
    if isinstance(item, _Digits):
        return item
    if isinstance(item, list):
        return "[" + ",".join(map(_written_json, item)) + "]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(item, dict):
        pairs = [f"{json.dumps(name)}:{_written_json(inner)}" for name, inner in item.items()]  # pyright: ignore
        return "{" + ",".join(pairs) + "}"
    return json.dumps(item, ensure_ascii=False)
