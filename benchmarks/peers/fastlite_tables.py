"""fastlite as its users call it: synchronous, with dict rows, on the driver apsw."""

from __future__ import annotations

from collections.abc import Sequence

from fastlite import database  # type: ignore[import-untyped]

from benchmarks.flights import Flight
from benchmarks.target import Target
from benchmarks.workload import FIELDS, Person, Values


class FastliteTables:
    """It blocks the event loop while it works."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        self._db = database(target.place)
        for pragma in target.pragmas:
            self._db.q(pragma)
        self._people, self._flights = self._db.t.person, self._db.t.flight_row

    async def get(self, key: int) -> object:
        """Read the row with a key."""
        return self._people[key]

    async def insert(self, values: Values) -> object:
        """Store a row under a new key."""
        return self._people.insert(**values)

    async def update(self, key: int, score: float) -> object:
        """Change one column."""
        return self._people.update({"id": key, "score": score})

    async def upsert(self, row: Person) -> object:
        """Store a row under its key."""
        # Without not_null, it silently drops a new row that lacks a value of a NOT NULL column.
        return self._people.upsert(row, pk="id", not_null=FIELDS[1:])

    async def delete(self, key: int) -> None:
        """Remove a row."""
        self._people.delete(key)

    async def select_100(self, after: int) -> Sequence[object]:
        """Read a hundred rows."""
        rows: list[object] = self._people(where="id > ?", where_args=[after], order_by="id", limit=100)
        return rows

    async def where_20(self, age: int) -> Sequence[object]:
        """Read twenty rows."""
        rows: list[object] = self._people(where="age = ?", where_args=[age], order_by="id", limit=20)
        return rows

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        with self._db.conn:
            self._people.insert_all(rows)

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        with self._db.conn:
            self._people.upsert_all(rows, pk="id", not_null=FIELDS[1:])

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        with self._db.conn:
            self._people.update({"id": first, "score": score})
            self._people.update({"id": second, "score": score})

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        with self._db.conn:
            self._flights.insert_all(rows)

    async def close(self) -> None:
        """Close the connection."""
        self._db.close()


PEER = FastliteTables
