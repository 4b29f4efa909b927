"""Converts the texts of a delimited file to values, column by column, and reports the texts that do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy.types import TypeEngine

from deebase._files.converting import MISREAD, Reader, text_reader
from deebase._files.delimited import QUOTED_EMPTY, DelimitedReader
from deebase._files.file_errors import Fault
from deebase._files.notations import Notation
from deebase._rows.column_batches import ColumnBatch
from deebase._types.registry import column_type


class MissingKey(ValueError):
    """A key is NULL."""


#: Values of a column that are kept by their texts.
_KEPT_VALUES = 50_000


class Values(Protocol):
    """Makes the values of a column of what a file holds."""

    name: str

    def read(self, given: Any, first: int) -> list[Any]:
        """Return the values of some rows; ``first`` is the number of the first one."""
        ...


def by_column(rows: Sequence[Sequence[Any]], columns: Sequence[Values], first: int) -> ColumnBatch:
    """Return the values of some rows; ``first`` is the number of the first one."""
    values = [column.read(texts, first) for column, texts in zip(columns, zip(*rows, strict=True), strict=True)]
    return ColumnBatch([column.name for column in columns], values, len(rows))


class Texts(dict[str, Any]):
    """The values of the texts of a column, each read when it comes first.

    Args:
        name: of the column.
        sa_type: its type.
        null: texts that mean NULL.
        notation: of numbers and dates.
        required: whether NULL is refused.
    """

    def __init__(
        self, name: str, sa_type: TypeEngine[Any], null: frozenset[str], notation: Notation, *, required: bool = False
    ) -> None:
        self.name = name
        self._required = required
        self._reader = text_reader(sa_type, notation)
        # An empty field in quotes is a text, and NULL where a column has no empty text.
        self._null = null if _reads(self._reader, "") else null | {QUOTED_EMPTY}
        super().__init__({} if required else dict.fromkeys(self._null))
        # A value that can be changed belongs to one row alone.
        self._keeps = not column_type(sa_type).takes_collections
        #: Tells whether a text may be read at all.
        self.accepts: Callable[[str], bool] | None = None

    def __missing__(self, text: str) -> Any:
        if text in self._null:
            # Not found, so refused.
            raise MissingKey
        bare = "" if text == QUOTED_EMPTY else text
        if self.accepts is not None and not self.accepts(bare):
            raise ValueError
        value = self._reader.read(bare)
        if self._keeps:
            self[text] = value
        return value

    def misreads(self, text: str) -> bool:
        """Return whether a text is not a value of the column."""
        try:
            self[text]
        except (*MISREAD, RecursionError):
            return True
        return False

    def read(self, given: Sequence[str], first: int) -> list[Any]:
        """Return the values of some rows; ``first`` is the number of the first one."""
        if len(self) > _KEPT_VALUES:
            self.clear()
            self.update({} if self._required else dict.fromkeys(self._null))
        try:
            return list(map(self.__getitem__, given))
        except (*MISREAD, RecursionError):
            for row, text in enumerate(given, first):
                if text in self._null:
                    must_have_key(None if self._required else text, self.name, row)
                else:
                    text = "" if text == QUOTED_EMPTY else text
                    read_or_fault(self._reader, text, self.name, row)
            # No text of the type that the file begins with.
            raise Fault(
                f"is not {self._reader.wanted} as those before it", "give its type: types=", column=self.name
            ) from None


def _reads(reader: Reader, text: str) -> bool:
    """Whether a text is a value."""
    try:
        reader.read(text)
    except (*MISREAD, RecursionError):
        return False
    return True


def misread(made: DelimitedReader, columns: Sequence[Texts]) -> Iterator[tuple[int, str]]:
    """Yield row and column of each text that is not a value of its column, up to a malformed row."""
    try:
        while batch := made.read():
            first = made.count - len(batch)
            try:
                by_column(batch, columns, first)
            except Fault:
                for number, row in enumerate(batch, first):
                    wrong = [column for column, text in zip(columns, row, strict=True) if column.misreads(text)]
                    yield from ((number, column.name) for column in wrong)
    except Fault:
        return


def must_have_key(value: Any, name: str, row: int) -> None:
    """Refuse NULL as the key of a row."""
    if value is None:
        hint = "give each row a value; pk= names another key"
        raise Fault("is NULL, and the column is the key of the table", hint, row=row, column=name)


def read_or_fault(reader: Reader, value: Any, name: str, row: int) -> Any:
    """Return the value that is read, or raise the fault that names its place."""
    try:
        return reader.read(value)
    except RecursionError:
        raise Fault("the JSON is nested too deeply", "is it the right file?", row=row, column=name) from None
    except MISREAD as error:
        example = f"such as {reader.example}" if reader.example else "correct it"
        hint = f"{example}; what means NULL is named by null="
        raise Fault(f"is not {reader.wanted}", hint, row=row, column=name) from error
