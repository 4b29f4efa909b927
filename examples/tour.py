"""Show the main calls on a few thousand real flights: four days of 2013 from New York City.

``python examples/tour.py`` prints title, text and result of each step, on SQLite in memory or on ``DATABASE_URL``;
``deebase tour`` prints the code, too. What it shows of a step is its docstring, its body and its result.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import inspect
import io
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from deebase import Database, IntegrityError, References, Table, UniqueViolationError, UTCDateTime

Row = dict[str, Any]
Rows = Table[Row]

DATA = Path(__file__).parent / "flights"

# -- tables ------------------------------------------------------------------------------------


class Airline:
    carrier: str
    name: str


class Airport:
    faa: str
    name: str
    lat: float
    lon: float
    alt: int
    tzone: str | None


class Plane:
    tailnum: str
    year: int | None
    manufacturer: str
    model: str
    engines: int
    seats: int


class Flight:
    id: int
    day: date
    carrier: Annotated[str, References("airline.carrier")]
    number: int
    tailnum: Annotated[str | None, References("plane.tailnum")]
    origin: Annotated[str, References("airport.faa")]
    dest: Annotated[str | None, References("airport.faa")]
    departs: UTCDateTime
    dep_delay: int | None
    arr_delay: int | None
    distance: int


# -- rows --------------------------------------------------------------------------------------


def read_csv(name: str) -> Iterator[dict[str, str | None]]:
    """Yield the rows of a file, airlines, airports, planes or flights, as texts by column; NA is None."""
    packed = (DATA / f"{name}.csv.gz").read_bytes()
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline="")):
        yield {column: None if text == "NA" else text for column, text in row.items()}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def airline_rows() -> Iterator[Row]:
    """Yield the 16 airlines."""
    yield from read_csv("airlines")


def airport_rows() -> Iterator[Row]:
    """Yield the airports that the flights use."""
    for row in read_csv("airports"):
        yield {
            "faa": row["faa"],
            "name": row["name"],
            "lat": float(row["lat"] or ""),
            "lon": float(row["lon"] or ""),
            "alt": _number(row["alt"]),
            "tzone": row["tzone"],
        }


def plane_rows() -> Iterator[Row]:
    """Yield the planes of the flights, as far as they are known."""
    for row in read_csv("planes"):
        yield {
            "tailnum": row["tailnum"],
            "year": _number(row["year"]),
            "manufacturer": row["manufacturer"],
            "model": row["model"],
            "engines": _number(row["engines"]),
            "seats": _number(row["seats"]),
        }


def flight_rows() -> Iterator[Row]:
    """Yield the flights; a plane or destination that the other files lack is None."""
    planes = {row["tailnum"] for row in read_csv("planes")}
    airports = {row["faa"] for row in read_csv("airports")}
    for row in read_csv("flights"):
        # time_hour is the scheduled hour in UTC, minute the scheduled minute.
        hour = datetime.fromisoformat(row["time_hour"] or "")
        yield {
            "day": date(int(row["year"] or ""), int(row["month"] or ""), int(row["day"] or "")),
            "carrier": row["carrier"],
            "number": _number(row["flight"]),
            "tailnum": row["tailnum"] if row["tailnum"] in planes else None,
            "origin": row["origin"],
            "dest": row["dest"] if row["dest"] in airports else None,
            "departs": hour + timedelta(minutes=int(row["minute"] or "")),
            "dep_delay": _number(row["dep_delay"]),
            "arr_delay": _number(row["arr_delay"]),
            "distance": _number(row["distance"]),
        }


# -- steps -------------------------------------------------------------------------------------

StepFunction = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        title: the heading above it; None continues the step before.
        run: the code; its parameters are ``db`` and the tables by their variable names.
        shows: a class whose source is printed before the code.
        creates: the variable of the table that it creates, for later steps.
        raises: the error that the code is meant to raise.
    """

    title: str | None
    run: StepFunction
    shows: type[Any] | None = None
    creates: str | None = None
    raises: type[IntegrityError] | None = None


STEPS: list[Step] = []


def step(title: str | None = None, **details: Any) -> Callable[[StepFunction], StepFunction]:
    """Add the decorated function to the steps; the arguments are the attributes of ``Step``."""

    def register(function: StepFunction) -> StepFunction:
        STEPS.append(Step(title, function, **details))
        return function

    return register


@step("Tables from classes", shows=Airline, creates="airlines")
async def create_airlines(db: Database) -> Rows:
    """A class becomes a table; its annotations become the columns."""
    airlines = await db.create(Airline, pk="carrier")
    return airlines


@step(creates="airports")
async def create_airports(db: Database) -> Rows:
    """Airports and planes likewise."""
    airports = await db.create(Airport, pk="faa")
    return airports


@step(creates="planes")
async def create_planes(db: Database) -> Rows:
    planes = await db.create(Plane, pk="tailnum")
    return planes


@step(shows=Flight, creates="flights")
async def create_flights(db: Database) -> Rows:
    """Flights refer to all three. `| None` makes a column nullable."""
    flights = await db.create(Flight, indexes=["day", ("carrier", "day")])
    return flights


@step("Rows in")
async def load(airlines: Rows, airports: Rows, planes: Rows, flights: Rows) -> object:
    """Any iterable of records will do; each call is one transaction."""
    return {
        "airlines": await airlines.insert_all(airline_rows()),
        "airports": await airports.insert_all(airport_rows()),
        "planes": await planes.insert_all(plane_rows()),
        "flights": await flights.insert_all(flight_rows()),
    }


@step("Rows out")
async def by_key(planes: Rows) -> object:
    """By key:"""
    return await planes["N14228"]


@step()
async def count(flights: Rows) -> object:
    """Counted:"""
    return await flights.count(origin="JFK", dest=["SFO", "LAX"])


@step()
async def query(flights: Rows) -> object:
    """By condition; columns are SQLAlchemy's, keywords mean equality:"""
    return await flights(
        flights.c.dep_delay > 180,
        origin="JFK",
        order_by=["-dep_delay", "id"],
        limit=5,
        select=["day", "carrier", "number", "dest", "dep_delay"],
    )


@step()
async def fragment(flights: Rows) -> object:
    """By a piece of SQL, its values always bound:"""
    return await flights("dep_delay IS NULL AND carrier = ?", ["B6"]).count()


@step()
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


@step()
async def stream(flights: Rows) -> object:
    """Row by row, in constant memory:"""
    miles = 0
    async for flight in flights(order_by="id"):
        miles += flight["distance"]
    return miles


@step("Rows changed")
async def insert(flights: Rows) -> object:
    """Each write is one statement, and gives the row as it is stored:"""
    first = await flights[1]
    return await flights.insert({**first, "id": None, "number": 9999})


@step()
async def update(airlines: Rows) -> object:
    """Only what is given changes:"""
    return await airlines.update({"carrier": "US", "name": "US Airways"})


@step()
async def upsert(airlines: Rows) -> object:
    """Inserted if it is new, updated if it is not:"""
    await airlines.upsert({"carrier": "ZZ", "name": "Zeppelin"})
    await airlines.upsert({"carrier": "ZZ", "name": "Zeppelin Airways"})
    return await airlines["ZZ"]


@step("All or nothing")
async def roll_back(db: Database, flights: Rows) -> object:
    """An exception undoes the block, and so does `tx.rollback()`:"""
    counts = {"before": await flights.count()}
    async with db.transaction() as tx:
        await flights.delete_where(flights.c.carrier == "UA")
        counts["inside"] = await flights.count()
        await tx.rollback()
    counts["afterwards"] = await flights.count()
    return counts


@step("Errors that say what is wrong", raises=UniqueViolationError)
async def violate(airlines: Rows) -> object:
    """A class to catch, and what it is about; the same on both databases:"""
    return await airlines.insert({"carrier": "AA", "name": "Another Airline"})


# -- running them ------------------------------------------------------------------------------


async def walk(db: Database, show: Callable[[Step, object], None], *, keep: bool = False) -> None:
    """Run the steps, and drop their tables at the end.

    Args:
        db: the database; it must not have tables of these names.
        show: called with each step and its result, or the error that it is meant to raise.
        keep: leave the tables if all steps have run.
    """
    known: dict[str, Any] = {"db": db}
    try:
        for current in STEPS:
            result = await result_of(current, known)
            if current.creates is not None:
                known[current.creates] = result
            show(current, result)
        if keep:
            known.clear()
    finally:
        # Tables that refer to others are created last, and dropped first.
        for current in reversed(STEPS):
            if current.creates in known:
                await known[current.creates].drop()


async def result_of(current: Step, known: dict[str, Any]) -> object:
    """Return what a step returns, or the error that it is meant to raise."""
    arguments = {name: known[name] for name in inspect.signature(current.run).parameters}
    if current.raises is None:
        return await current.run(**arguments)
    try:
        await current.run(**arguments)
    except current.raises as error:
        return error
    raise AssertionError(f"{current.run.__name__} did not raise {current.raises.__name__}")


def show_plain(current: Step, result: object) -> None:
    """Print title, text and result of a step."""
    for text in (current.title and f"\n{current.title}\n", current.run.__doc__, result):
        if text is not None:
            print(text)


async def main(url: str) -> None:
    """Print the steps on the database at a URL."""
    async with Database(url) as db:
        await walk(db, show_plain)


if __name__ == "__main__":
    asyncio.run(main(os.environ.get("DATABASE_URL") or ":memory:"))
