"""What a library has to do to take part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchmarks.flights import Flight
from benchmarks.target import Target
from benchmarks.workload import Person, Values

#: A row as the library gives it: a dict or an object with all six columns.
Row = object


class Peer(Protocol):
    """One library at work on one database; every write but the delete gives the stored row back."""

    async def setup(self, target: Target) -> None:
        """Connect; the tables are there."""

    async def get(self, key: int) -> Row:
        """Read the row with a key."""

    async def insert(self, values: Values) -> Row:
        """Store a row under a key that the database makes."""

    async def update(self, key: int, score: float) -> Row:
        """Change one column of the row with a key."""

    async def upsert(self, row: Person) -> Row:
        """Store a row under its key, whether it is there or not."""

    async def delete(self, key: int) -> None:
        """Remove the row with a key."""

    async def select_100(self, after: int) -> Sequence[Row]:
        """Read the hundred rows whose keys follow a key."""
        ...

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change one column of two rows, both or neither."""

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows, all or none."""

    async def close(self) -> None:
        """Close all connections."""
