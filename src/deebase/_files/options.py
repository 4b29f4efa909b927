"""The options of an import, checked before anything is read."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import codecs
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict, get_args

from deebase._files.delimited import Dialect, Ragged
from deebase._files.formats import Format, checked_delimiter, checked_format
from deebase._files.json_objects import Layout
from deebase._files.notations import Notation
from deebase.errors import ValidationError

#: Called with the rows and bytes that were read, and the size of the file in bytes.
Progress = Callable[[int, int, int], object]


class Reading(TypedDict):
    """How ``import_file`` reads its files: its arguments of these names."""

    format: str | None
    encoding: str | None
    delimiter: str | None
    quote: str | None
    header: bool | Sequence[str]
    skip: int
    comment: str | None
    ragged: str
    null: str | Iterable[str]
    decimal: str
    thousands: str | None
    date_format: str | None
    rows: str | Sequence[str] | None
    flatten: bool | str
    sheet: str | int | None
    progress: Progress | None


class ImportOptions(TypedDict, total=False):
    """How ``Table.import_file`` reads its files; ``Database.import_file`` describes each option."""

    format: Format | None
    encoding: str | None
    delimiter: str | None
    quote: str | None
    header: bool | Sequence[str]
    skip: int
    comment: str | None
    ragged: Ragged
    null: str | Iterable[str]
    decimal: str
    thousands: str | None
    date_format: str | None
    rows: str | Sequence[str] | None
    flatten: bool | str
    sheet: str | int | None
    progress: Progress | None


#: What ``import_file`` does if nothing is said.
DEFAULTS: Final[Reading] = {
    "format": None,
    "encoding": None,
    "delimiter": None,
    "quote": '"',
    "header": True,
    "skip": 0,
    "comment": None,
    "ragged": "error",
    "null": "",
    "decimal": ".",
    "thousands": None,
    "date_format": None,
    "rows": None,
    "flatten": False,
    "sheet": None,
    "progress": None,
}

#: Options with their types, and an example of each.
_SIMPLE: tuple[tuple[str, Any, str], ...] = (
    ("skip", int, "skip=1"),
    ("comment", str | None, "comment='#'"),
    ("sheet", str | int | None, "sheet='Sales'"),
)


@dataclass(frozen=True)
class Options:
    """The checked options.

    Attributes:
        encoding: of the text; None for UTF-8, or another one that the bytes show.
        null: texts that mean NULL.
        dialect: of delimited files.
        notation: of the numbers and dates in them.
        layout: of JSON files.
        sheet: of workbooks.
    """

    format: Format | None
    encoding: str | None
    null: frozenset[str]
    dialect: Dialect
    notation: Notation
    layout: Layout
    sheet: str | int | None
    progress: Progress | None


def checked(given: Reading) -> Options:
    """Return the options of an import.

    Raises:
        ValidationError: one of them has no meaning.
    """
    _check_encoding(given["encoding"])
    null = _null(given["null"])
    for name, types, hint in _SIMPLE:
        _check(name, dict(given)[name], types, hint)
    header: Any = given["header"]
    if not (isinstance(header, bool) or _are_texts(header)):
        raise ValidationError(
            "header is True, False or names", field="header", value=header, hint="header=['id', 'name']"
        )
    if given["progress"] is not None and not callable(given["progress"]):
        raise ValidationError("progress is a function of three numbers", field="progress", hint="progress=print")
    if given["ragged"] not in get_args(Ragged):
        hint = f"one of {', '.join(map(repr, get_args(Ragged)))}"
        raise ValidationError("ragged has no such value", field="ragged", value=given["ragged"], hint=hint)
    return Options(
        checked_format(given["format"]),
        given["encoding"],
        null,
        _dialect(given),
        Notation(given["decimal"], given["thousands"], given["date_format"]),
        Layout(null, values=True, path=_path(given["rows"]), separator=_separator(given["flatten"])),
        given["sheet"],
        given["progress"],
    )


def _check(name: str, value: Any, types: Any, hint: str) -> None:
    """Refuse a value of another type, an empty text and a negative number."""
    is_number = isinstance(value, int)
    if not isinstance(value, types) or isinstance(value, bool) or value == "" or (is_number and value < 0):
        raise ValidationError(f"{name} has no such value", field=name, value=value, hint=hint)


def _dialect(given: Reading) -> Dialect:
    quote: Any = given["quote"]
    if quote is not None and not (isinstance(quote, str) and len(quote) == 1 and quote not in "\r\n\0"):
        raise ValidationError("quote is one character or None", field="quote", value=quote, hint="quote=None")
    delimiter = checked_delimiter(given["delimiter"])
    if quote is not None and delimiter == quote:
        raise ValidationError(
            "quote and delimiter are the same character", field="quote", value=quote, hint="quote='\"'"
        )
    ragged: Any = given["ragged"]
    return Dialect(delimiter, quote, given["header"], given["skip"], given["comment"], ragged)


def _are_texts(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and all(isinstance(text, str) for text in given)


def _null(given: Any) -> frozenset[str]:
    texts: tuple[Any, ...] = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    if not all(isinstance(text, str) for text in texts):
        raise ValidationError("null takes texts that mean NULL", field="null", hint='null=["", "NA"]')
    return frozenset(texts)


def _path(given: Any) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(given.split("."))
    path: tuple[Any, ...] = () if given is None else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(key, str) for key in path):
        raise ValidationError("rows is the key of an array, or keys that lead to it", field="rows", hint="rows='data'")
    return path


def _separator(given: Any) -> str | None:
    if isinstance(given, bool):
        return "_" if given else None
    if not isinstance(given, str):
        hint = "flatten=True, or the separator"
        raise ValidationError("flatten is True, False or a separator", field="flatten", value=given, hint=hint)
    return given


def _check_encoding(encoding: Any) -> None:
    try:
        # Some codecs, such as hex, are not encodings of text; open() checks the same attribute.
        is_text = encoding is None or codecs.lookup(encoding)._is_text_encoding
    except (LookupError, TypeError, ValueError):
        is_text = False
    if not is_text:
        raise ValidationError(
            "encoding is not an encoding that Python knows", field="encoding", value=encoding, hint="encoding='cp1252'"
        )
