"""Which format a file has: told by its name, else by how it begins."""

from __future__ import annotations

import os
import re
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
#: How text of other encodings begins (Unicode standard, "Byte Order Mark"); the longer ones first.
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: Of delimiters that the first line has equally often, the first one.
_DELIMITERS = ",;\t|"


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
    """Return the encoding that the first bytes of a text name, if it is not UTF-8."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


def format_of(start: str) -> Format:
    """Return the format of a text that begins so."""
    if start.lstrip()[:1] in ("[", "{"):
        return "json"
    return "tsv" if delimiter_of(start.partition("\n")[0]) == "\t" else "csv"


def delimiter_of(line: str) -> str:
    """Return what delimits the fields of a first line: the most frequent of , ; tab | outside of quotes."""
    bare = re.sub(r'"(?:[^"]|"")*"?', "", line)
    return max(_DELIMITERS, key=bare.count)
