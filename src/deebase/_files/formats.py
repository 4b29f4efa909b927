"""Which format a file has: told by its name, else by how it begins."""

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

#: How packed files begin (RFC 1952; APPNOTE.TXT of PKWARE, an empty archive has the end record alone).
_MAGIC: tuple[tuple[bytes, Packing], ...] = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"))
#: Bytes at the start of a text that identify its encoding (Unicode standard, "Byte Order Mark"); the longer ones first.
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: A byte order mark, decoded.
BYTE_ORDER_MARK = "\ufeff"
#: Of delimiters that the first line has equally often, the first one.
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*+"?')
_LINE_END = re.compile(r"[\r\n]")
#: A first line with which spreadsheets name the delimiter; it is not part of the data.
_SEPARATOR_LINE = re.compile(r"sep=(?P<delimiter>[^\r\n\0\"])(?:\r\n|\r|\n)", re.IGNORECASE)


def field_writer(delimiter: str) -> Callable[[str], str]:
    """Return the function that writes a text as a field: in quotes where readers would take it for something else."""
    needs_quotes = re.compile(rf'[{re.escape(delimiter)}"\r\n]|\A\s|\s\Z|\A\Z').search

    def write(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if needs_quotes(text) else text

    return write


class FileName(NamedTuple):
    """What the name of a file tells: its stem, and format and packing by its suffixes."""

    stem: str
    format: Format | None
    packing: Packing | None


def parse_name(name: str) -> FileName:
    """Take a file name apart: ``flights.csv.gz`` is ("flights", "csv", "gzip")."""
    base = PurePath(name).name
    stem, suffix = os.path.splitext(base)
    packing = _PACKING_BY_SUFFIX.get(suffix.lower())
    if packing is not None:
        base = stem
        stem, suffix = os.path.splitext(base)
    found = _BY_SUFFIX.get(suffix.lower())
    return FileName(stem if found is not None else base, found, packing)


def table_name(stem: str) -> str:
    """Return the table's name for a file's: lower case, with _ for whatever is no letter, digit or _."""
    return re.sub(r"\W+", "_", stem).strip("_").lower()


def checked_format(given: Any) -> Format | None:
    """Return a format that was asked for; None is none."""
    for known in (None, *FORMATS):
        if given == known:
            return known
    raise ValidationError(
        "format is none of those that are known",
        field="format",
        value=given,
        hint=f"one of {', '.join(map(repr, FORMATS))}; packed files are told by .gz and .zip",
    )


def checked_delimiter(given: Any) -> str | None:
    """Return a delimiter that was asked for; None is none."""
    if given is None or (isinstance(given, str) and len(given) == 1 and given not in '"\r\n\0'):
        return given
    raise ValidationError(
        "delimiter is one character, and neither a quote nor a line end",
        field="delimiter",
        value=given,
        hint="delimiter=';'",
    )


def packing_of(start: bytes) -> Packing | None:
    """Return how a file that begins so is packed."""
    return next((packing for magic, packing in _MAGIC if start.startswith(magic)), None)


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding that a byte order mark identifies, None where a text begins without one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


def format_of(start: str) -> Format:
    """Return the format of a text that begins so."""
    if start.lstrip()[:1] in ("[", "{"):
        return "json"
    return "tsv" if delimiter_of(start) == "\t" else "csv"


def separator_line(start: str) -> tuple[int, str] | None:
    """Return the length and the delimiter of the line ``sep=;`` that a text begins with, None where it has none."""
    found = _SEPARATOR_LINE.match(start)
    return None if found is None else (found.end(), found["delimiter"])


def delimiter_of(start: str) -> str:
    """Return the delimiter of a text that begins so: the most frequent of , ; tab | outside of quotes, in a line."""
    bare = _QUOTED.sub("", start).lstrip("\r\n")
    return max(_DELIMITERS, key=_LINE_END.split(bare, 1)[0].count)
