"""The format of a file, by its name or else by its first characters."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from deebase.errors import ValidationError

Format = Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"]
Packing = Literal["gzip", "zip", "bzip2", "xz"]

FORMATS: tuple[Format, ...] = ("csv", "tsv", "json", "ndjson", "parquet", "xlsx")
_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".geojson": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
_PACKING_BY_SUFFIX: dict[str, Packing] = {".gz": "gzip", ".zip": "zip", ".bz2": "bzip2", ".xz": "xz"}

#: The first bytes of packed files (RFC 1952; APPNOTE.TXT of PKWARE: an empty archive has only the end record).
_MAGIC: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zX", "xz"),
)
#: The first bytes of a Parquet file (parquet.apache.org/docs/file-format).
PARQUET = b"PAR1"
#: Delimiters; of those that occur equally often, the first one wins.
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*+"?')
_LINE_END = re.compile(r"[\r\n]")
#: Rows by which the delimiter is found, and characters after which the last of them may be cut off.
_SEEN_ROWS = 100
_SEEN_CHARACTERS = 128 * 1024
#: A first line with which spreadsheets name the delimiter; it is not part of the data.
_SEPARATOR_LINE = re.compile(r"sep=(?P<delimiter>[^\r\n\0\"])(?:\r\n|\r|\n)", re.IGNORECASE)


def field_writer(delimiter: str) -> Callable[[str], str]:
    """Return the function that writes a text as a field, in quotes where a reader could misread it."""
    needs_quotes = re.compile(rf'[{re.escape(delimiter)}"\r\n]|\A\s|\s\Z|\A\Z').search

    def write(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if needs_quotes(text) else text

    return write


#: What spreadsheets take for the beginning of a formula, which may start programs and send values to a server.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def inert(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula: an apostrophe precedes one that could be."""
    return f"'{text}" if text.startswith(_FORMULA) else text


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
        hint=f"one of {', '.join(map(repr, FORMATS))}; packed files are recognised by .gz, .zip, .bz2 and .xz",
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


def format_of(start: str) -> Format:
    """Return the format of a text with this start."""
    if start.lstrip()[:1] in ("[", "{"):
        return "json"
    return "tsv" if delimiter_of(start) == "\t" else "csv"


def separator_line(start: str) -> tuple[int, str] | None:
    """Return the length and the delimiter of a first line ``sep=;``, None without one."""
    found = _SEPARATOR_LINE.match(start)
    return None if found is None else (found.end(), found["delimiter"])


def delimiter_of(start: str, quote: str | None = '"', comment: str | None = None) -> str:
    """Return the delimiter of , ; tab | that gives the first rows the most fields, each row as many.

    If none does, it is the most frequent one in the first line.
    """
    lines = _LINE_END.split(_bare(start, quote))
    if len(start) >= _SEEN_CHARACTERS:
        # The last line may be cut off.
        lines.pop()
    rows = [line for line in lines if line and not (comment and line.startswith(comment))][:_SEEN_ROWS]
    if not rows:
        return _DELIMITERS[0]
    counts = {mark: set(map(str.count, rows, [mark] * len(rows))) for mark in _DELIMITERS}
    even = {mark: min(found) for mark, found in counts.items() if len(found) == 1 and min(found)}
    return max(even, key=even.__getitem__) if even else max(_DELIMITERS, key=rows[0].count)


def _bare(start: str, quote: str | None) -> str:
    """Return a text without what is in quotes, so that a line of it is a row."""
    if quote is None:
        return start
    quoted = _QUOTED if quote == '"' else re.compile(_QUOTED.pattern.replace('"', re.escape(quote)))
    return quoted.sub("", start)
