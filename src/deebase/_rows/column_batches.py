"""Many records with the same columns, stored by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


class ColumnBatch:
    """Records whose values are stored by column; ``insert_all`` accepts them without creating each record."""

    __slots__ = ("_columns", "_length")

    def __init__(self, names: Sequence[str], columns: Sequence[Sequence[Any]], length: int) -> None:
        self._columns = dict(zip(names, columns, strict=True))
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> Sequence[Any]:
        return self._columns[name]

    def first(self) -> dict[str, Any]:
        """Return the first record."""
        return {name: values[0] for name, values in self._columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = list(self._columns)
        return (dict(zip(names, row, strict=True)) for row in zip(*self._columns.values(), strict=True))
