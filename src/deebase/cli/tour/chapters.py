"""The steps of the tour, in order: what is printed is the docstring, the body and what the body returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from deebase._tables.table import Table
from deebase.cli.tour.flights import (
    Airline,
    Airport,
    Flight,
    Plane,
    Row,
    airline_rows,
    airport_rows,
    flight_rows,
    plane_rows,
)
from deebase.database import Database
from deebase.errors import IntegrityError, UniqueViolationError

Rows = Table[Row]


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: Heading above it, or None to go on below the last one.
        run: The code; its parameters are `db` and the tables by their variable names.
        shows: Class whose source is printed before the code.
        keeps: Variable that the result is kept in for later steps.
        raises: The error that the code is meant to end with.
    """

    title: str | None
    run: Callable[..., Awaitable[object]]
    shows: type[Any] | None = None
    keeps: str | None = None
    raises: type[IntegrityError] | None = None


STEPS: list[Step] = []

_Function = Callable[..., Awaitable[object]]


def _step(
    title: str | None = None,
    *,
    shows: type[Any] | None = None,
    keeps: str | None = None,
    raises: type[IntegrityError] | None = None,
) -> Callable[[_Function], _Function]:
    def register(function: _Function) -> _Function:
        STEPS.append(Step(title, function, shows, keeps, raises))
        return function

    return register


@_step("Tables from classes", shows=Airline, keeps="airlines")
async def create_airlines(db: Database) -> Rows:
    """A class becomes a table; its annotations become the columns."""
    airlines = await db.create(Airline, pk="carrier")
    return airlines


@_step(keeps="airports")
async def create_airports(db: Database) -> Rows:
    """Airports and planes likewise."""
    airports = await db.create(Airport, pk="faa")
    return airports


@_step(keeps="planes")
async def create_planes(db: Database) -> Rows:
    planes = await db.create(Plane, pk="tailnum")
    return planes


@_step(shows=Flight, keeps="flights")
async def create_flights(db: Database) -> Rows:
    """Flights refer to all three. `| None` makes a column nullable."""
    flights = await db.create(Flight, indexes=["day", ("carrier", "day")])
    return flights


@_step("Rows in")
async def load(airlines: Rows, airports: Rows, planes: Rows, flights: Rows) -> object:
    """Any iterable of records will do; each call is one transaction."""
    return {
        "airlines": await airlines.insert_all(airline_rows()),
        "airports": await airports.insert_all(airport_rows()),
        "planes": await planes.insert_all(plane_rows()),
        "flights": await flights.insert_all(flight_rows()),
    }


@_step("Rows out")
async def by_key(planes: Rows) -> object:
    """By key:"""
    return await planes["N14228"]


@_step()
async def count(flights: Rows) -> object:
    """Counted:"""
    return await flights.count(origin="JFK", dest=["SFO", "LAX"])


@_step()
async def query(flights: Rows) -> object:
    """By condition; columns are SQLAlchemy's, keywords mean equality:"""
    return await flights(
        flights.c.dep_delay > 180,
        origin="JFK",
        order_by=["-dep_delay", "id"],
        limit=5,
        select=["day", "carrier", "number", "dest", "dep_delay"],
    )


@_step()
async def fragment(flights: Rows) -> object:
    """By a piece of SQL, its values always bound:"""
    return await flights("dep_delay IS NULL AND carrier = ?", ["B6"]).count()


@_step()
async def raw_sql(db: Database) -> object:
    """And in SQL, the same text on SQLite and PostgreSQL:"""
    return await db.q(
        """
        SELECT airline.name, count(*) AS flights,
               sum(CASE WHEN dep_delay IS NULL THEN 1 ELSE 0 END) AS cancelled
        FROM flight JOIN airline ON airline.carrier = flight.carrier
        GROUP BY airline.name HAVING count(*) >= ?
        ORDER BY cancelled DESC, airline.name LIMIT 5
        """,
        [100],
    )


@_step()
async def stream(flights: Rows) -> object:
    """Row by row, in constant memory:"""
    miles = 0
    async for flight in flights(order_by="id"):
        miles += flight["distance"]
    return miles


@_step("Rows changed")
async def insert(flights: Rows) -> object:
    """Each write is one statement, and gives the row as it is stored:"""
    first = await flights[1]
    return await flights.insert({**first, "id": None, "number": 9999})


@_step()
async def update(airlines: Rows) -> object:
    """Only what is given changes:"""
    return await airlines.update({"carrier": "US", "name": "US Airways"})


@_step()
async def upsert(airlines: Rows) -> object:
    """Inserted if it is new, updated if it is not:"""
    await airlines.upsert({"carrier": "ZZ", "name": "Zeppelin"})
    await airlines.upsert({"carrier": "ZZ", "name": "Zeppelin Airways"})
    return await airlines["ZZ"]


@_step("All or nothing")
async def roll_back(db: Database, flights: Rows) -> object:
    """An exception undoes the block, and so does `tx.rollback()`:"""
    counts = {"before": await flights.count()}
    async with db.transaction() as tx:
        await flights.delete_where(flights.c.carrier == "UA")
        counts["inside"] = await flights.count()
        await tx.rollback()
    counts["afterwards"] = await flights.count()
    return counts


@_step("Errors that say what is wrong", raises=UniqueViolationError)
async def violate(airlines: Rows) -> object:
    """A class to catch, and what it is about; the same on both databases:"""
    return await airlines.insert({"carrier": "AA", "name": "Another Airline"})
