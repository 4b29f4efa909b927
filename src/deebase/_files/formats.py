"""The format of a file, by its name or else by its first characters."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from deebase.errors import ValidationError

Format = Literal["csv", "tsv", "json", "ndjson"]
Packing = Literal["gzip", "zip"]

FORMATS: tuple[Format, ...] = ("csv", "tsv", "json", "ndjson")
_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_PACKING_BY_SUFFIX: dict[str, Packing] = {".gz": "gzip", ".zip": "zip"}

#: The first bytes of packed files (RFC 1952; APPNOTE.TXT of PKWARE: an empty archive has only the end record).
_MAGIC: tuple[tuple[bytes, Packing], ...] = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"))
#: Bytes at the start of a text that identify its encoding (Unicode standard, "Byte Order Mark"); longest first.
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: A byte order mark, decoded.
BYTE_ORDER_MARK = "\ufeff"
#: Delimiters; of those that occur equally often, the first one wins.
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*+"?')
_LINE_END = re.compile(r"[\r\n]")
#: A first line with which spreadsheets name the delimiter; it is not part of the data.
_SEPARATOR_LINE = re.compile(r"sep=(?P<delimiter>[^\r\n\0\"])(?:\r\n|\r|\n)", re.IGNORECASE)


def field_writer(delimiter: str) -> Callable[[str], str]:
    """Return the function that writes a text as a field, in quotes where a reader could misread it."""
    needs_quotes = re.compile(rf'[{re.escape(delimiter)}"\r\n]|\A\s|\s\Z|\A\Z').search

    def write(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if needs_quotes(text) else text

    return write


class FileName(NamedTuple):
    """The parts of a file name: its stem, and the format and packing of its suffixes."""

    stem: str
    format: Format | None
    packing: Packing | None


def parse_name(name: str) -> FileName:
    """Parse a file name: ``flights.csv.gz`` is ("flights", "csv", "gzip")."""
    base = PurePath(name).name
    stem, suffix = os.path.splitext(base)
    packing = _PACKING_BY_SUFFIX.get(suffix.lower())
    if packing is not None:
        base = stem
        stem, suffix = os.path.splitext(base)
    found = _BY_SUFFIX.get(suffix.lower())
    return FileName(stem if found is not None else base, found, packing)


def table_name(stem: str) -> str:
    """Return a table name for a file name: lower case, with _ for anything but letters, digits and _."""
    return re.sub(r"\W+", "_", stem).strip("_").lower()


def checked_format(given: Any) -> Format | None:
    """Return a format if it is supported; None stays None."""
    for known in (None, *FORMATS):
        if given == known:
            return known
    raise ValidationError(
        "format is not a supported format",
        field="format",
        value=given,
        hint=f"one of {', '.join(map(repr, FORMATS))}; packed files are recognised by .gz and .zip",
    )


def checked_delimiter(given: Any) -> str | None:
    """Return a delimiter if it is valid; None stays None."""
    if given is None or (isinstance(given, str) and len(given) == 1 and given not in '"\r\n\0'):
        return given
    raise ValidationError(
        "delimiter is one character, and neither a quote nor a line end",
        field="delimiter",
        value=given,
        hint="delimiter=';'",
    )


def packing_of(start: bytes) -> Packing | None:
    """Return the packing of a file with these first bytes."""
    return next((packing for magic, packing in _MAGIC if start.startswith(magic)), None)


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding of the byte order mark at the start, None without one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


def format_of(start: str) -> Format:
    """Return the format of a text with this start."""
    if start.lstrip()[:1] in ("[", "{"):
        return "json"
    return "tsv" if delimiter_of(start) == "\t" else "csv"


def separator_line(start: str) -> tuple[int, str] | None:
    """Return the length and the delimiter of a first line ``sep=;``, None without one."""
    found = _SEPARATOR_LINE.match(start)
    return None if found is None else (found.end(), found["delimiter"])


def delimiter_of(start: str) -> str:
    """Return the most frequent of the delimiters , ; tab | outside of quotes in the first line."""
    bare = _QUOTED.sub("", start).lstrip("\r\n")
    return max(_DELIMITERS, key=_LINE_END.split(bare, 1)[0].count)
