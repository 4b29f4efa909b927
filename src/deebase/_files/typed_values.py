"""Values that a file holds with their types: what a column of them is, and how they become values of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy.types import TypeEngine

from deebase._files.converting import Reader
from deebase._files.field_texts import must_have_key, read_or_fault
from deebase._types.documents import JSON
from deebase._types.registry import column_type, json_value, named, text_of

#: Types of which one holds the values of both.
_WIDER: dict[frozenset[Any], Any] = {
    frozenset((int, float)): float,
    frozenset((int, Decimal)): Decimal,
    frozenset((float, Decimal)): Decimal,
    frozenset((int, float, Decimal)): Decimal,
    frozenset((date, datetime)): datetime,
}
#: Values of JSON that ``of_json`` takes with their digits.
_OF_JSON = (bool, int, float, Decimal)


class TypedGuess:
    """The type of a column whose values have types, in one file or several.

    Attributes:
        kinds: the annotations of its values; ``Any`` for values that only JSON holds.
        note: what else to say of its values.
    """

    def __init__(self) -> None:
        self.kinds: set[Any] = set()
        self.has_null = False
        self.note = ""

    @property
    def is_nullable(self) -> bool:
        """Whether the column has a value that becomes NULL."""
        return self.has_null

    @property
    def type(self) -> Any:
        """The type of the column as an annotation."""
        if len(self.kinds) < 2:
            return next(iter(self.kinds), str)
        return Any if Any in self.kinds else _WIDER.get(frozenset(self.kinds), str)

    @property
    def reason(self) -> str:
        """Why the column has its type."""
        names = sorted("JSON" if kind is Any else named(kind) for kind in self.kinds)
        if not names:
            return "there is no value"
        said = f"the values are {' and '.join(names)}" if len(names) > 1 else f"the file says {names[0]}"
        return f"{said}; {self.note}" if self.note else said


class TypedReader(Protocol):
    """Reads rows of values with types.

    Attributes:
        columns: the names of the columns in the file.
        count: rows that were returned.
    """

    columns: list[str]
    count: int

    def guess(self, guesses: Sequence[TypedGuess]) -> Iterator[None]:
        """Take in the types of all values, in steps."""
        ...

    def read(self) -> list[Sequence[Any]]:
        """Return the next rows, an empty list at the end."""
        ...

    def starts(self) -> Iterator[int]:
        """Yield the number of each row in the file, from 1."""
        ...


class Cells:
    """Turns the values of a column into those of a table.

    Args:
        name: of the column.
        sa_type: its type.
        required: whether NULL is refused.
    """

    def __init__(self, name: str, sa_type: TypeEngine[Any], *, required: bool = False) -> None:
        kind = column_type(sa_type)
        self.name = name
        self._required = required
        self._classes = kind.classes
        self._reader = Reader(_converter(kind), kind.wanted, kind.example)

    def read(self, values: Sequence[Any], first: int) -> list[Any]:
        """Return the values of some rows; ``first`` is the number of the first one."""
        if not self._required and all(value is None or type(value) in self._classes for value in values):
            return list(values)
        return [self._one(value, row) for row, value in enumerate(values, first)]

    def _one(self, value: Any, row: int) -> Any:
        if value is None:
            if self._required:
                must_have_key(value, self.name, row)
            return None
        return value if type(value) in self._classes else read_or_fault(self._reader, value, self.name, row)


def _converter(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of a column of a value of another type."""
    if isinstance(kind, JSON):
        return lambda value: kind.of_json(json_value(value))
    if str in kind.classes:
        return text_of

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            return kind.parse(value)
        return kind.of_json(value if type(value) in _OF_JSON else text_of(value))

    return convert
