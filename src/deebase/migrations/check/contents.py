"""The tables of a database before a migration and after it, and what each holds."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Column:
    """A column that stores values.

    Attributes:
        key: what stays the same while it exists.
        name: its name.
        type: its type, as the database writes it.
        family: what kinds of types are told apart: "texts", "numbers", "moments", or the name of the type.
    """

    key: Hashable
    name: str
    type: str
    family: str


@dataclass(frozen=True)
class TableState:
    """A table at one moment.

    Attributes:
        key: what stays the same while it exists.
        name: for messages, with its schema where that is not the usual one.
        source: what stands in FROM.
        columns: those that store values.
        storage: another value after a change that may have replaced the rows.
        parts: the keys of its partitions.
        placing: the columns that tell in which partition a row is.
    """

    key: Hashable
    name: str
    source: str
    columns: tuple[Column, ...]
    storage: tuple[Any, ...]
    parts: frozenset[Hashable] = frozenset()
    placing: frozenset[str] = frozenset()

    def is_called(self, names: Iterable[str]) -> bool:
        """Whether it has one of these names, with its schema or without."""
        return any(name in (self.name, self.name.rpartition(".")[2]) for name in names)


@dataclass(frozen=True)
class Profile:
    """What one column holds.

    Attributes:
        present: how many values it has that are not NULL.
        filled: how many of them are not empty either.
        single: whether all of them are the same one.
        digest: the same numbers for the same values in whatever order; the first is the length of their texts.
    """

    present: int
    filled: int
    single: bool
    digest: tuple[float, ...]


@dataclass(frozen=True)
class Contents:
    """What a table holds: its rows, and its columns by name."""

    rows: int
    columns: Mapping[str, Profile]


@dataclass(frozen=True)
class Fate:
    """What became of a table.

    Attributes:
        before: the table as it was.
        after: the same table now, whatever it is called; None where it no longer exists.
        detached: tables that were its partitions.
        changed: whether its rows may have changed, other than by rows that were added.
        deleted: whether rows were deleted from it, whatever was inserted later.
        moved: whether these may be rows that went to another partition.
        grown: how many rows it has more than before, unless it was emptied as a whole; None where it cannot be that.
    """

    before: TableState
    after: TableState | None
    detached: tuple[TableState, ...] = ()
    changed: bool = True
    deleted: bool = False
    moved: bool = False
    grown: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a transaction did: what became of each table, and the tables that did not exist before."""

    fates: Sequence[Fate]
    created: Sequence[TableState]


class UnreadableError(Exception):
    """The database cannot read its own schema any more."""


class Census(Protocol):
    """Looks at the tables of a database, inside the transaction of this task.

    Attributes:
        alone: whether no other session can write before the transaction ends.
    """

    alone: bool

    async def begin(self) -> Sequence[TableState]:
        """Return all tables that hold rows of the user, and watch what is written from now on."""
        ...

    async def hold(self, tables: Sequence[TableState]) -> None:
        """Keep other sessions from writing to tables until the transaction ends."""
        ...

    async def measure(self, table: TableState) -> Contents:
        """Return what a table holds."""
        ...

    async def end(self) -> Outcome:
        """Return what became of the tables since ``begin``.

        Raises:
            UnreadableError: the schema was written to as a table, and is damaged.
        """
        ...

    async def close(self) -> None:
        """Stop watching; may be called twice."""
        ...


#: Columns that one statement measures; a result has room for a limited number of them.
BATCH = 100


def batches(columns: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Yield columns in groups that one statement can measure; one empty group where there are none."""
    for start in range(0, max(len(columns), 1), BATCH):
        yield columns[start : start + BATCH]
