"""Many records with the same columns, stored by column."""

from __future__ import annotations

# Values of users may have any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Any

from deebase._rows.records import PLAIN, FieldReader, is_expression, reader_of
from deebase.types import Unset


class ColumnBatch:
    """Records whose values are stored by column; ``insert_all`` accepts them without creating each record.

    Args:
        names: the columns.
        columns: their values.
        length: the number of records.
        first: the first record, if it exists.
        absent: classes of the values that stand for none.

    Attributes:
        columns: the values by column.
    """

    __slots__ = ("_absent", "_first", "_kinds", "_length", "columns")

    def __init__(
        self,
        names: Sequence[str],
        columns: Sequence[Sequence[Any]],
        length: int,
        *,
        first: Any = None,
        absent: Collection[type] = (),
    ) -> None:
        self.columns: dict[str, Sequence[Any]] = dict(zip(names, columns, strict=True))
        self._length = length
        self._first = first
        self._absent = {Unset, *absent}
        self._kinds: dict[str, set[type]] = {}

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        names = list(self.columns)
        return (dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True))

    @property
    def first(self) -> Any:
        """The first record."""
        return next(iter(self)) if self._first is None else self._first

    def kinds(self, name: str) -> set[type]:
        """Return the classes of the values of a column."""
        found = self._kinds.get(name)
        if found is None:
            found = self._kinds[name] = set(map(type, self.columns[name]))
        return found

    def resembles_first(self, taken: Collection[str], required: Collection[str]) -> bool:
        """Return whether all records have values for the columns that the first one has values for.

        Args:
            taken: the columns that were taken from the first record, and are not UNSET, for example.
            required: the columns of these that must not have None.
        """
        for name, values in self.columns.items():
            kinds = self.kinds(name)
            if name not in taken:
                if len(kinds) > 1:
                    return False
            elif not kinds.isdisjoint(self._absent) or (name in required and type(None) in kinds):
                return False
            if not kinds <= PLAIN and any(map(is_expression, values)):
                return False
        return True


def by_column(records: Sequence[Any], operation: str) -> ColumnBatch | None:
    """Return records by column; None if they are not all of one class with the same fields.

    Raises:
        ValidationError: they are no records.
    """
    first = records[0]
    if len(set(map(type, records))) > 1:
        return None
    reader = reader_of(first, operation)
    absent: tuple[type, ...] = ()
    if isinstance(reader, FieldReader):
        given, names, values_of, absent = records, reader.columns, reader.values_of, (type(reader.absent),)
    else:
        given = records if type(first) is dict else list(map(reader, records))
        names = tuple(given[0])
        if not names or set(map(len, given)) != {len(names)}:
            return None
        values_of = list(map(itemgetter, names))
    if len(set(names)) < len(names):
        return None
    try:
        columns = [list(map(value_of, given)) for value_of in values_of]
    except (KeyError, AttributeError):
        return None
    return ColumnBatch(names, columns, len(given), first=first, absent=absent)
