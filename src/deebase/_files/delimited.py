"""CSV and TSV: rows of texts, in batches, each with as many fields as the header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from itertools import chain, islice
from typing import Any, Literal

from deebase._files.file_errors import Fault
from deebase._files.formats import delimiter_of, separator_line
from deebase._files.inputs import Opened, lines_of

Ragged = Literal["error", "fill", "skip"]

#: Stands for an empty field in quotes, which is an empty text; without quotes it is NULL. No text that is decoded
#: strictly contains half of a surrogate pair.
QUOTED_EMPTY = "\udcff"
#: Rows of a batch, and characters after which a batch of long rows is full.
BATCH_ROWS = 1000
BATCH_CHARACTERS = 4 * 1024 * 1024
_FIRST_ROWS = 64
#: Characters of the longest field; a quote that is never closed would include the rest of the file.
LONGEST_FIELD = 16 * 1024 * 1024
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(rf"[^\r\n]*(?:{_LINE_ENDS.pattern})")


def _csv_module() -> Any:
    """Return a separate instance of the C module of ``csv``, with its own field size limit.

    The limit is state of the module: set on the shared one, it would change for all code of the process.
    """
    spec = find_spec("_csv")
    if spec is None or spec.loader is None:
        raise ImportError("this build of Python has no module _csv", name="_csv")
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.field_size_limit(LONGEST_FIELD)
    return module


_csv = _csv_module()
CsvError: type[Exception] = _csv.Error


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Args:
        delimiter: between fields; None to find it by the first rows.
        quote: around fields; None if quotes are characters like others.
        header: whether the first row names the columns; names for a file without a header.
        skip: lines before the header that are not part of the table.
        comment: what lines start with that are not part of the table; None for no such lines.
        ragged: what becomes of a row with fewer fields than columns, or more.
    """

    delimiter: str | None = None
    quote: str | None = '"'
    header: bool | Sequence[str] = True
    skip: int = 0
    comment: str | None = None
    ragged: Ragged = "error"


class DelimitedReader:
    """Reads the rows of a delimited text.

    Args:
        opened: the file.
        dialect: how it is written.
    """

    def __init__(self, opened: Opened, dialect: Dialect) -> None:
        self._characters = 0
        self._quoted = False
        self._dialect = dialect
        #: Lines that are not part of the table, as far as they were read.
        self._skipped = 0
        #: Rows that were left out or changed because of the number of their fields, by what was done.
        self.uneven: dict[str, int] = {}
        self._skip_preamble(opened)
        self.delimiter = self._found_delimiter(opened)
        self._pieces = opened.pieces()
        first = next(self._pieces, "")
        if not first:
            raise Fault("is empty: it has not even a header", "is it the right file?")
        quote = dialect.quote
        mark, doubled = re.escape(self.delimiter), re.escape((quote or "") * 2)
        self._empty = re.compile(rf"(?:^|(?<=[{mark}\r])){doubled}(?=[{mark}\r\n]|$)", re.MULTILINE)
        lines = lines_of(self._marked(first)) if quote else lines_of(chain([first], self._pieces))
        self._reader: Any = _csv.reader(
            lines if dialect.comment is None else self._uncommented(lines, dialect.comment),
            delimiter=self.delimiter,
            strict=True,
            **({"quotechar": quote} if quote else {"quoting": _csv.QUOTE_NONE, "quotechar": None}),
        )
        #: Rows of data that were returned.
        self.count = 0
        self._batch = _FIRST_ROWS
        self._waiting: list[list[str]] = []
        self.columns = self._columns(dialect.header)

    def _skip_preamble(self, opened: Opened) -> None:
        start = opened.start()
        place = 0
        for _ in range(self._dialect.skip):
            found = _LINE.match(start, place)
            if found is None:
                raise Fault(f"has no {self._dialect.skip} lines to skip", "skip= counts the lines before the header")
            place = found.end()
        opened.skip(place)
        self._skipped = self._dialect.skip

    def _found_delimiter(self, opened: Opened) -> str:
        """Return the delimiter; skip a line that only names it."""
        given = self._dialect.delimiter
        named = separator_line(opened.start())
        if named is None or given not in (None, named[1]):
            return given or delimiter_of(opened.start(), self._dialect.quote, self._dialect.comment)
        opened.skip(named[0])
        self._skipped += 1
        return named[1]

    def _uncommented(self, lines: Iterable[str], comment: str) -> Iterator[str]:
        """Yield the lines without comments; a line inside of a quoted field is not one."""
        inside = False
        for line in lines:
            if not inside and line.startswith(comment):
                self._skipped += 1
                continue
            if self._dialect.quote and line.count(self._dialect.quote) % 2:
                inside = not inside
            yield line

    def _columns(self, header: bool | Sequence[str]) -> list[str]:
        if not isinstance(header, bool):
            return list(header)
        first = self._next_rows(1)
        row = first[0] if first else []
        if header:
            return [name.strip() for name in self._restored(row, "")]
        self._waiting = first
        return [""] * len(row)

    def _marked(self, first: str) -> Iterator[str]:
        """Yield the pieces; a mark replaces an empty field in quotes.

        Inside of a quoted field, the mark replaces two quotes that mean one: see ``_restored``.
        """
        mark, doubled = self._empty.sub, (self._dialect.quote or "") * 2
        for piece in chain([first], self._pieces):
            if doubled in piece:
                piece = mark(QUOTED_EMPTY, piece)
                self._quoted = True
            self._characters += len(piece)
            yield piece

    def _next_rows(self, most: int) -> list[list[str]]:
        """Return the next rows, without empty lines; an empty list at the end."""
        rows: list[list[str]] = []
        try:
            while not rows:
                taken: list[list[str]] = list(islice(self._reader, most))
                if not taken:
                    break
                rows = taken if self._one_column else [row for row in taken if row]
        except CsvError as error:
            raise _fault(error) from error
        return rows

    @property
    def _one_column(self) -> bool:
        """Whether an empty line is a row: NULL in the only column."""
        return len(getattr(self, "columns", ())) == 1

    def read(self) -> list[list[str]]:
        """Return the next rows, an empty list at the end.

        Raises:
            Fault: a row has more or fewer fields than columns, or a quote is not closed.
        """
        width = len(self.columns)
        rows: list[list[str]] = []
        while not rows:
            rows, self._waiting = self._waiting, []
            if not rows:
                rows = self._next_batch()
            if not rows:
                break
            if set(map(len, rows)) - {width}:
                rows = self._level(rows, width)
        if self._quoted:
            rows = [self._restored(row, QUOTED_EMPTY) for row in rows]
        self.count += len(rows)
        return rows

    def _next_batch(self) -> list[list[str]]:
        self._characters = 0
        rows = self._next_rows(self._batch)
        if self._characters > BATCH_CHARACTERS:
            self._batch = max(1, self._batch // 4)
        elif self._characters < BATCH_CHARACTERS // 4:
            self._batch = min(self._batch * 4, BATCH_ROWS)
        return rows

    def _level(self, rows: list[list[str]], width: int) -> list[list[str]]:
        """Return rows with as many fields as there are columns."""
        level: list[list[str]] = []
        for row in rows:
            made = self._even(row, width)
            if made is not None:
                level.append(made)
            elif self._dialect.ragged == "error":
                mark = self.delimiter
                raise Fault(
                    f"{len(row)} fields, and there are {width} columns",
                    f"correct the line; a field that holds {mark!r} is put in quotes. Another delimiter? "
                    "delimiter=';'. Lines before the header? skip=1. "
                    "ragged='fill' puts NULL into missing fields, ragged='skip' leaves such rows out",
                    row=self.count + len(level),
                )
            else:
                self._uneven("rows left out, with another number of fields than columns")
        return level

    def _even(self, row: list[str], width: int) -> list[str] | None:
        """Return a row with the right number of fields, None where that would change its values."""
        if len(row) == width:
            return row
        if width == 1 and not row:
            return [""]
        if len(row) > width and not any(row[width:]):
            self._uneven("rows with empty fields after the last column")
            return row[:width]
        if len(row) < width and self._dialect.ragged == "fill":
            self._uneven("rows with fewer fields than columns, filled with NULL")
            return row + [""] * (width - len(row))
        return None

    def _uneven(self, what: str) -> None:
        self.uneven[what] = self.uneven.get(what, 0) + 1

    def _restored(self, row: list[str], empty: str) -> list[str]:
        quote = self._dialect.quote or ""
        return [
            (empty if field == QUOTED_EMPTY else field.replace(QUOTED_EMPTY, quote)) if QUOTED_EMPTY in field else field
            for field in row
        ]

    def starts(self) -> Iterator[int]:
        """Yield the first line of each row of data, and of a row that cannot be read."""
        line = self._reader.line_num + self._skipped
        if self._waiting:
            yield 1 + self._skipped
        width = len(self.columns)
        try:
            for row in self._reader:
                # A comment before the row is not the row.
                first = self._reader.line_num + self._skipped - self._lines_of(row)
                line = first if self._dialect.comment is not None else line
                left_out = self._dialect.ragged == "skip" and self._even(row, width) is None
                if (row or self._one_column) and not left_out:
                    yield line + 1
                line = self._reader.line_num + self._skipped
        except CsvError:
            yield line + 1

    @staticmethod
    def _lines_of(row: list[str]) -> int:
        """Return the number of lines of a row that was read."""
        return 1 + sum(len(_LINE_ENDS.findall(field)) for field in row)


def _fault(error: Exception) -> Fault:
    text = str(error)
    plain = "; in a file without quotes: quote=None"
    if "field limit" in text or "unexpected end" in text:
        return Fault(
            "a quote is opened here and never closed", f'close it; a quote inside of a field is doubled: ""{plain}'
        )
    return Fault(
        "a quote inside of a quoted field is not doubled",
        f'write it "", or take the quotes around the field away{plain}',
    )
