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

    async def where_20(self, age: int) -> Sequence[Row]:
        """Read twenty rows of an age, by an index."""
        ...

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change one column of two rows, both or neither."""

    # A library that cannot do one of the next three leaves it out.

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows under new keys, all or none."""

    async def insert_many_returning(self, rows: Sequence[Values]) -> object:
        """Store many rows and read back what is stored, in input order."""

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys, whether they are there or not, all or none."""

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows, all or none."""

    async def close(self) -> None:
        """Close all connections."""
