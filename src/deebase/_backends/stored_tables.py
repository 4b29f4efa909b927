"""The tables of a database before and after a migration, and measures of their contents."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class StoredColumn:
    """A column that stores values.

    Attributes:
        key: identifies the column while it exists.
        name: its name.
        type: its type, as the database writes it.
        family: the kind of type: "texts", "numbers", "moments", or the name of the type.
    """

    key: Hashable
    name: str
    type: str
    family: str


@dataclass(frozen=True)
class StoredTable:
    """A table at one moment.

    Attributes:
        key: identifies the table while it exists.
        name: its name in messages, with its schema unless that is the default one.
        source: the table in a FROM clause.
        columns: the columns that store values.
        storage: pairs of a part and its storage, which differ after a change that may have replaced the rows.
        parts: the keys of its partitions.
        placing: the columns that determine the partition of a row.
    """

    key: Hashable
    name: str
    source: str
    columns: tuple[StoredColumn, ...]
    storage: tuple[tuple[Hashable, Hashable], ...]
    parts: frozenset[Hashable] = frozenset()
    placing: frozenset[str] = frozenset()

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether it has one of these names, with or without its schema."""
        return any(name in (self.name, self.name.rpartition(".")[2]) for name in names)


@dataclass(frozen=True)
class Profile:
    """Measures of the values of one column.

    Attributes:
        present: number of values that are not NULL.
        filled: number of values that are neither NULL nor empty.
        single: whether all values are equal.
        digest: numbers that depend on the values and not on their order; the first is the total length of their texts.
    """

    present: int
    filled: int
    single: bool
    digest: tuple[float, ...]


@dataclass(frozen=True)
class Contents:
    """Measures of a table: the number of its rows, and its columns by name."""

    rows: int
    columns: Mapping[str, Profile]


@dataclass(frozen=True)
class Fate:
    """The changes of a table during a migration.

    Attributes:
        before: the table before the migration.
        after: the same table now, perhaps renamed; None if it no longer exists.
        detached: tables that were its partitions.
        changed: whether its rows may have changed, other than by added rows.
        deleted: whether rows were deleted, even if others were inserted later.
        moved: whether the deleted rows may have moved to another partition.
        grown: number of rows added, if the table was rewritten; None if it cannot have been emptied as a whole.
    """

    before: StoredTable
    after: StoredTable | None
    detached: tuple[StoredTable, ...] = ()
    changed: bool = True
    deleted: bool = False
    moved: bool = False
    grown: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The changes of a transaction: the fate of each table, and the new tables."""

    fates: Sequence[Fate]
    created: Sequence[StoredTable]


class UnreadableSchemaError(Exception):
    """The database can no longer read its own schema."""


class Census(Protocol):
    """Reads the tables of a database inside the transaction of this task.

    Attributes:
        alone: whether no other session can write before the transaction ends.
    """

    alone: bool

    async def begin(self) -> Sequence[StoredTable]:
        """Return all tables with rows of the user, and start to record writes."""
        ...

    async def hold(self, tables: Sequence[StoredTable]) -> None:
        """Keep other sessions from writing to tables until the transaction ends."""
        ...

    async def measure(self, table: StoredTable) -> Contents:
        """Return the measures of a table."""
        ...

    async def end(self) -> Outcome:
        """Return the changes of the tables since ``begin``.

        Raises:
            UnreadableSchemaError: the schema table was changed directly, and is damaged.
        """
        ...

    async def close(self) -> None:
        """Stop recording; may be called twice."""
        ...


#: Columns that one statement measures: a result has a limited number of columns.
_BATCH = 100


def batches(columns: Sequence[StoredColumn]) -> Iterable[Sequence[StoredColumn]]:
    """Yield columns in groups that one statement can measure; one empty group if the table has no columns."""
    for start in range(0, max(len(columns), 1), _BATCH):
        yield columns[start : start + _BATCH]
