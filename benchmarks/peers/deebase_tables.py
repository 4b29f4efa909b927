"""DeeBase with its defaults, except for the durability that all peers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.flights import Flight
from benchmarks.target import POOL_SIZE, Target
from benchmarks.workload import Person as PersonValues
from benchmarks.workload import Values
from deebase import Database

Row = dict[str, Any]


class Person:
    """The table of the workload."""

    id: int
    name: str
    email: str
    age: int
    score: float
    created: str


class FlightRow:
    """The table of the import."""

    id: int
    year: int | None
    month: int | None
    day: int | None
    dep_time: int | None
    sched_dep_time: int | None
    dep_delay: int | None
    arr_time: int | None
    sched_arr_time: int | None
    arr_delay: int | None
    carrier: str | None
    flight: int | None
    tailnum: str | None
    origin: str | None
    dest: str | None
    air_time: int | None
    distance: int | None
    hour: int | None
    minute: int | None
    time_hour: str | None


class DeebaseTables:
    """Two tables of one database."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        place = target.url if target.backend == "postgres" else str(target.place)
        self._db = Database(place, durability=target.durability, pool_size=POOL_SIZE)
        self._people = await self._db.create(Person, if_not_exists=True)
        self._flights = await self._db.create(FlightRow, if_not_exists=True)

    async def get(self, key: int) -> Row:
        """Read the row with a key."""
        return await self._people[key]

    async def insert(self, values: Values) -> Row:
        """Store a row under a new key."""
        return await self._people.insert(values)

    async def update(self, key: int, score: float) -> Row:
        """Change one column."""
        return await self._people.update({"id": key, "score": score})

    async def upsert(self, row: PersonValues) -> Row:
        """Store a row under its key."""
        return await self._people.upsert(row)

    async def delete(self, key: int) -> None:
        """Remove a row."""
        await self._people.delete(key)

    async def select_100(self, after: int) -> Sequence[Row]:
        """Read a hundred rows."""
        return await self._people(self._people.c.id > after, order_by="id", limit=100)

    async def where_20(self, age: int) -> Sequence[Row]:
        """Read twenty rows."""
        return await self._people(self._people.c.age == age, order_by="id", limit=20)

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        await self._people.insert_all(rows)

    async def insert_many_returning(self, rows: Sequence[Values]) -> Sequence[Row]:
        """Store many rows and return them."""
        return await self._people.insert_all(rows, returning=True)

    async def upsert_many(self, rows: Sequence[PersonValues]) -> None:
        """Store many rows under their keys."""
        await self._people.upsert_all(rows)

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        async with self._db.transaction():
            await self._people.update({"id": first, "score": score})
            await self._people.update({"id": second, "score": score})

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        await self._flights.insert_all(rows)

    async def close(self) -> None:
        """Close all connections."""
        await self._db.close()


PEER = DeebaseTables
