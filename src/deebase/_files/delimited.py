"""CSV and TSV: rows of texts, in batches, each with as many fields as the header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec, module_from_spec
from itertools import islice
from typing import Any

from deebase._files.file_errors import Fault
from deebase._files.formats import delimiter_of, separator_line
from deebase._files.inputs import Opened, lines_of

#: Stands for an empty field in quotes, which is an empty text; without quotes it is NULL. No text that is decoded
#: strictly contains half of a surrogate pair.
QUOTED_EMPTY = "\udcff"
#: Rows of a batch, and characters after which a batch of long rows is full.
BATCH_ROWS = 1000
BATCH_CHARACTERS = 4 * 1024 * 1024
_FIRST_ROWS = 64
#: Characters of the longest field; a quote that is never closed would include the rest of the file.
LONGEST_FIELD = 16 * 1024 * 1024


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


class DelimitedReader:
    """Reads the rows of a delimited text.

    Args:
        opened: the file.
        delimiter: between fields; None for the most frequent of , ; tab | in the first line.
        header: whether the first row names the columns; names for a file without a header.
    """

    def __init__(self, opened: Opened, delimiter: str | None, header: bool | Sequence[str]) -> None:
        self._characters = 0
        self._quoted = False
        #: Lines before the header.
        self._skipped = 0
        self._delimiter = self._found_delimiter(opened, delimiter)
        self._pieces = opened.pieces()
        first = next(self._pieces, "")
        if not first:
            raise Fault("is empty: it has not even a header", "is it the right file?")
        mark = re.escape(self._delimiter)
        self._empty = re.compile(rf'(?:^|(?<=[{mark}\r]))""(?=[{mark}\r\n]|$)', re.MULTILINE)
        self._reader: Any = _csv.reader(lines_of(self._marked(first)), delimiter=self._delimiter, strict=True)
        #: Rows of data that were returned.
        self.count = 0
        self._batch = _FIRST_ROWS
        self._waiting: list[list[str]] = []
        self.columns = self._columns(header)

    def _found_delimiter(self, opened: Opened, given: str | None) -> str:
        """Return the delimiter; skip a line that only names it."""
        named = separator_line(opened.start())
        if named is None or given not in (None, named[1]):
            return given or delimiter_of(opened.start())
        opened.skip(named[0])
        self._skipped = 1
        return named[1]

    def _columns(self, header: bool | Sequence[str]) -> list[str]:
        if not isinstance(header, bool):
            return list(header)
        first = self._next_rows(1)
        row = first[0] if first else []
        if header:
            return _named([name.strip() for name in self._restored(row, "")])
        self._waiting = first
        return _named([""] * len(row))

    def _marked(self, first: str) -> Iterator[str]:
        """Yield the pieces; a mark replaces an empty field in quotes.

        Inside of a quoted field, the mark replaces two quotes that mean one: see ``_restored``.
        """
        mark = self._empty.sub
        piece: str | None = first
        while piece is not None:
            if '""' in piece:
                piece = mark(QUOTED_EMPTY, piece)
                self._quoted = True
            self._characters += len(piece)
            yield piece
            piece = next(self._pieces, None)

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
        rows, self._waiting = self._waiting, []
        if not rows:
            self._characters = 0
            rows = self._next_rows(self._batch)
            if self._characters > BATCH_CHARACTERS:
                self._batch = max(1, self._batch // 4)
            elif self._characters < BATCH_CHARACTERS // 4:
                self._batch = min(self._batch * 4, BATCH_ROWS)
        width = len(self.columns)
        if set(map(len, rows)) - {width}:
            rows = self._level(rows, width)
        if self._quoted:
            rows = [self._restored(row, QUOTED_EMPTY) for row in rows]
        self.count += len(rows)
        return rows

    def _level(self, rows: list[list[str]], width: int) -> list[list[str]]:
        if width == 1:
            rows = [row or [""] for row in rows]
        for number, row in enumerate(rows, self.count):
            if len(row) != width:
                raise Fault(
                    f"{len(row)} fields, and there are {width} columns",
                    f"correct the line; a field that holds {self._delimiter!r} is put in quotes. "
                    "Another delimiter? delimiter=';'",
                    row=number,
                )
        return rows

    @staticmethod
    def _restored(row: list[str], empty: str) -> list[str]:
        return [
            (empty if field == QUOTED_EMPTY else field.replace(QUOTED_EMPTY, '"')) if QUOTED_EMPTY in field else field
            for field in row
        ]

    def starts(self) -> Iterator[int]:
        """Yield the first line of each row of data, and of a row that cannot be read."""
        line = self._reader.line_num + self._skipped
        if self._waiting:
            yield 1 + self._skipped
        try:
            for row in self._reader:
                if row or self._one_column:
                    yield line + 1
                line = self._reader.line_num + self._skipped
        except CsvError:
            yield line + 1


def _fault(error: Exception) -> Fault:
    text = str(error)
    if "field limit" in text or "unexpected end" in text:
        return Fault("a quote is opened here and never closed", 'close it; a quote inside of a field is doubled: ""')
    return Fault(
        "a quote inside of a quoted field is not doubled", 'write it "", or take the quotes around the field away'
    )


def _named(names: Iterable[str]) -> list[str]:
    """Return the names of the columns; one without a name gets its number."""
    return [name or f"column_{place}" for place, name in enumerate(names, 1)]
