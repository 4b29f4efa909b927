"""Make two tables, fill them, ask them, and change them in a transaction.

``python examples/quickstart.py`` runs it on SQLite in memory, or on ``DATABASE_URL``.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from deebase import Database, References, UniqueViolationError


class Carrier:
    """A plain class: its rows are dicts."""

    code: str
    name: str


@dataclass
class Plane:
    """A dataclass: its rows are instances of it."""

    tail: str
    carrier: Annotated[str, References("carrier.code")]
    seats: int
    first_flight: date | None = None


async def main(url: str) -> None:
    """Walk through the main calls on the database at a URL."""
    async with Database(url) as db:
        carriers = await db.create(Carrier, pk="code", if_not_exists=True)
        planes = await db.create(Plane, pk="tail", if_not_exists=True)

        rows = [{"code": "UA", "name": "United"}, {"code": "DL", "name": "Delta"}]
        await carriers.insert_all(rows, on_conflict="ignore")
        await planes.upsert(Plane("N14228", "UA", 149, date(1999, 4, 2)))
        await planes.upsert(Plane("N668DN", "DL", 178))

        big = await planes(planes.c.seats > 150, order_by="-seats")
        print("more than 150 seats:", [plane.tail for plane in big])

        try:
            async with db.transaction():
                await carriers.update({"code": "UA", "name": "United Airlines"})
                await carriers.insert(code="UA", name="twice")
        except UniqueViolationError as error:
            print("rolled back, the row exists already:", error.table_name, error.columns)
        print("still:", (await carriers["UA"])["name"])

        seats = """
            SELECT c.name, sum(p.seats) AS seats FROM plane p JOIN carrier c ON c.code = p.carrier
            GROUP BY c.name ORDER BY c.name
        """
        for row in await db.q(seats):
            print(f"{row['name']}: {row['seats']} seats")


if __name__ == "__main__":
    asyncio.run(main(os.environ.get("DATABASE_URL", ":memory:")))
