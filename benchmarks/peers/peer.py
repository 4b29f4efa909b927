"""The Protocol of a compared library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from benchmarks.flights import Flight
from benchmarks.target import Target
from benchmarks.workload import FIELDS, Person, Values

#: A row as the library returns it: a dict or an object with all six columns.
Row = object


def as_dict(row: Row) -> dict[str, object]:
    """Return a peer's row as a dict."""
    if isinstance(row, dict):
        return dict(cast("dict[str, object]", row))
    return {name: getattr(row, name) for name in FIELDS}


class Peer(Protocol):
    """One library at work on one database; every write except the delete returns the stored row."""

    async def setup(self, target: Target) -> None:
        """Connect; the tables already exist."""

    async def get(self, key: int) -> Row:
        """Read the row with a key."""

    async def insert(self, values: Values) -> Row:
        """Store a row under a generated key."""

    async def update(self, key: int, score: float) -> Row:
        """Change one column of the row with a key."""

    async def upsert(self, row: Person) -> Row:
        """Insert a row, or replace the row with its key."""

    async def delete(self, key: int) -> None:
        """Remove the row with a key."""

    async def select_100(self, after: int) -> Sequence[Row]:
        """Read the hundred rows whose keys follow a key."""
        ...

    async def where_20(self, age: int) -> Sequence[Row]:
        """Read the first twenty rows of one age, by an index, in the order of their keys."""
        ...

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change one column of two rows, both or neither."""

    # A library that does not support one of the next three omits it.

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows under new keys, all or none."""

    async def insert_many_returning(self, rows: Sequence[Values]) -> object:
        """Store many rows and read back what is stored, in input order."""

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Insert many rows, or replace the rows with their keys, all or none."""

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows, all or none."""

    async def close(self) -> None:
        """Close all connections."""
