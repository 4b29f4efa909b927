"""The flight data with all its columns through DeeBase, and ten questions that plain sqlite3 answers as well.

`flights_full` asks them of all the flights, the tests of the extract that comes with the package.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from deebase import Database, ForeignKey, Table, UTCDateTime

Texts = Mapping[str, str | None]
#: Returns the rows of airlines, airports, planes or flights as strings; "NA" and None both mean unknown.
Source = Callable[[str], Iterable[Texts]]
Answer = list[tuple[Any, ...]]


class Airline:
    """`airlines.csv`."""

    carrier: str
    name: str


class Airport:
    """`airports.csv`."""

    faa: str
    name: str
    lat: float
    lon: float
    alt: int
    tz: int
    dst: str
    tzone: str | None


class Plane:
    """`planes.csv`."""

    tailnum: str
    year: int | None
    type: str
    manufacturer: str
    model: str
    engines: int
    seats: int
    speed: int | None
    engine: str


class Flight:
    """`flights.csv`, with a generated key."""

    id: int
    year: int
    month: int
    day: int
    dep_time: int | None
    sched_dep_time: int
    dep_delay: int | None
    arr_time: int | None
    sched_arr_time: int
    arr_delay: int | None
    carrier: ForeignKey[str, "airline.carrier"]
    flight: int
    tailnum: ForeignKey[str, "plane.tailnum"] | None
    origin: ForeignKey[str, "airport.faa"]
    dest: ForeignKey[str, "airport.faa"] | None
    air_time: int | None
    distance: int
    hour: int
    minute: int
    time_hour: UTCDateTime


@dataclass(frozen=True)
class Tables:
    """The tables of one database, loaded."""

    db: Database
    airlines: Table[dict[str, Any]]
    airports: Table[dict[str, Any]]
    planes: Table[dict[str, Any]]
    flights: Table[dict[str, Any]]


_TEXT = {"carrier", "name", "faa", "dst", "tzone", "tailnum", "type", "manufacturer", "model", "engine"} | {
    "origin",
    "dest",
}
_CONVERTERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(_TEXT, str),
    "lat": float,
    "lon": float,
    "time_hour": datetime.fromisoformat,
}


def _converted(row: Texts) -> dict[str, Any]:
    return {
        name: None if text is None or text == "NA" else _CONVERTERS.get(name, int)(text) for name, text in row.items()
    }


def _flight_rows(source: Source) -> Iterator[dict[str, Any]]:
    planes = {row["tailnum"] for row in source("planes")}
    airports = {row["faa"] for row in source("airports")}
    for row in map(_converted, source("flights")):
        row["tailnum"] = row["tailnum"] if row["tailnum"] in planes else None
        row["dest"] = row["dest"] if row["dest"] in airports else None
        yield row


async def load(db: Database, source: Source) -> Tables:
    """Create the four tables with their foreign keys and insert all rows of a source.

    Args:
        db: An empty database.
        source: Where the rows come from.
    """
    tables = Tables(
        db,
        await db.create(Airline, pk="carrier"),
        await db.create(Airport, pk="faa"),
        await db.create(Plane, pk="tailnum"),
        await db.create(Flight, indexes=["tailnum", ("year", "month", "day")]),
    )
    await tables.airlines.insert_all(map(_converted, source("airlines")))
    await tables.airports.insert_all(map(_converted, source("airports")))
    await tables.planes.insert_all(map(_converted, source("planes")))
    await tables.flights.insert_all(_flight_rows(source))
    return tables


_REFERENCE_TABLES = {
    "airlines": "airline (carrier TEXT PRIMARY KEY, name TEXT)",
    "airports": "airport (faa TEXT PRIMARY KEY, name TEXT, lat REAL, lon REAL, alt INTEGER, tz INTEGER, dst TEXT, "
    "tzone TEXT)",
    "planes": "plane (tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, "
    "engines INTEGER, seats INTEGER, speed INTEGER, engine TEXT)",
    "flights": "flight (id INTEGER PRIMARY KEY, year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, "
    "sched_dep_time INTEGER, dep_delay INTEGER, arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, "
    "carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT, dest TEXT, air_time INTEGER, distance INTEGER, "
    "hour INTEGER, minute INTEGER, time_hour TEXT)",
}


def load_reference(connection: sqlite3.Connection, source: Source) -> None:
    """Load the same rows without DeeBase: the texts of the files, converted by the columns' affinity.

    Args:
        connection: An empty database.
        source: Where the rows come from.
    """
    for name, definition in _REFERENCE_TABLES.items():
        connection.execute(f"CREATE TABLE {definition}")
        rows = iter(source(name))
        first = next(rows)
        columns, marks = ", ".join(first), ", ".join("?" * len(first))
        insert = f"INSERT INTO {definition.split()[0]} ({columns}) VALUES ({marks})"
        for batch in ([first], rows):
            connection.executemany(insert, (tuple(None if x == "NA" else x for x in row.values()) for row in batch))
    connection.execute("UPDATE flight SET tailnum = NULL WHERE tailnum NOT IN (SELECT tailnum FROM plane)")
    connection.execute("UPDATE flight SET dest = NULL WHERE dest NOT IN (SELECT faa FROM airport)")
    connection.commit()


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: What is asked.
        ask: Asks through DeeBase.
        sql: Asks plain sqlite3.
    """

    name: str
    ask: Callable[[Tables], Awaitable[Answer]]
    sql: str


def _tuples(rows: Iterable[Mapping[str, Any]]) -> Answer:
    return [tuple(row.values()) for row in rows]


async def _sizes(t: Tables) -> Answer:
    return [tuple([await table.count() for table in (t.airlines, t.airports, t.planes, t.flights)])]


async def _holes(t: Tables) -> Answer:
    return [(await t.flights.count(tailnum=None), await t.flights.count(dest=None, origin="JFK"))]


async def _plane(t: Tables) -> Answer:
    return _tuples([await t.planes["N14228"]])


async def _latest(t: Tables) -> Answer:
    columns = ["id", "carrier", "flight", "dest", "dep_delay", "arr_delay"]
    return _tuples(await t.flights(t.flights.c.dep_delay > 60, order_by=["-dep_delay", "id"], limit=25, select=columns))


async def _listed(t: Tables) -> Answer:
    return [(await t.flights.count(carrier=["AA", "DL", "UA"], origin="LGA", month=[2, 7]),)]


async def _fragment(t: Tables) -> Answer:
    # Without the I: LIKE is case-sensitive on PostgreSQL, but not on SQLite.
    return _tuples(await t.airports("alt > ? AND name LIKE ?", [100, "%ntl%"], order_by=["-alt", "faa"], limit=20))


async def _carriers(t: Tables) -> Answer:
    return _tuples(await t.db.q(_CARRIERS))


async def _routes(t: Tables) -> Answer:
    c = t.flights.c
    number = sa.func.count().label("n")
    routes = sa.select(c.origin, c.dest, number, sa.func.sum(c.distance)).where(c.dest.is_not(None))
    return _tuples(await t.db.q(routes.group_by(c.origin, c.dest).order_by(number.desc(), c.origin, c.dest).limit(20)))


async def _makers(t: Tables) -> Answer:
    return _tuples(await t.db.q(_MAKERS.format(seats=":seats"), {"seats": 100}))


async def _one_day(t: Tables) -> Answer:
    return _tuples([flight async for flight in t.flights(year=2013, month=2, day=8, order_by="id")])


_CARRIERS = """
    SELECT airline.name, count(*) AS n, count(dep_delay) AS flown, sum(arr_delay) AS late, max(dep_delay) AS worst
    FROM airline LEFT JOIN flight ON flight.carrier = airline.carrier
    GROUP BY airline.name ORDER BY n DESC, airline.name"""
_MAKERS = """
    SELECT manufacturer, count(DISTINCT plane.tailnum) AS planes, count(flight.id) AS flights
    FROM plane JOIN flight ON flight.tailnum = plane.tailnum
    WHERE seats > {seats} GROUP BY manufacturer ORDER BY flights DESC, manufacturer"""

QUESTIONS = (
    Question(
        "rows per table",
        _sizes,
        "SELECT (SELECT count(*) FROM airline), (SELECT count(*) FROM airport), (SELECT count(*) FROM plane), "
        "(SELECT count(*) FROM flight)",
    ),
    Question(
        "references that lead nowhere",
        _holes,
        "SELECT (SELECT count(*) FROM flight WHERE tailnum IS NULL), "
        "(SELECT count(*) FROM flight WHERE dest IS NULL AND origin = 'JFK')",
    ),
    Question("a plane by key", _plane, "SELECT * FROM plane WHERE tailnum = 'N14228'"),
    Question(
        "the latest departures",
        _latest,
        "SELECT id, carrier, flight, dest, dep_delay, arr_delay FROM flight WHERE dep_delay > 60 "
        "ORDER BY dep_delay DESC, id LIMIT 25",
    ),
    Question(
        "values in a list",
        _listed,
        "SELECT count(*) FROM flight WHERE carrier IN ('AA', 'DL', 'UA') AND origin = 'LGA' AND month IN (2, 7)",
    ),
    Question(
        "a condition in SQL",
        _fragment,
        "SELECT * FROM airport WHERE alt > 100 AND name LIKE '%ntl%' ORDER BY alt DESC, faa LIMIT 20",
    ),
    Question("flights and delays by airline", _carriers, _CARRIERS),
    Question(
        "the busiest routes",
        _routes,
        "SELECT origin, dest, count(*) AS n, sum(distance) FROM flight WHERE dest IS NOT NULL "
        "GROUP BY origin, dest ORDER BY n DESC, origin, dest LIMIT 20",
    ),
    Question("flights by maker of the plane", _makers, _MAKERS.format(seats="100")),
    Question(
        "one day, every column",
        _one_day,
        "SELECT * FROM flight WHERE year = 2013 AND month = 2 AND day = 8 ORDER BY id",
    ),
)


async def differing(tables: Tables, connection: sqlite3.Connection, question: Question) -> str | None:
    """Run one query on both and compare.

    Args:
        tables: The data in DeeBase.
        connection: The same data in plain sqlite3.
        question: What to ask.

    Returns:
        None if the answers are equal, else what differs first.
    """
    answer = await question.ask(tables)
    expected = [tuple(map(_as_read, row)) for row in connection.execute(question.sql)]
    if not expected:
        return f"{question.name}: no rows to compare"
    if len(answer) != len(expected):
        return f"{question.name}: {len(answer)} rows instead of {len(expected)}"
    unequal = (pair for pair in zip(answer, expected, strict=True) if pair[0] != pair[1])
    return next((f"{question.name}: {got} instead of {wanted}" for got, wanted in unequal), None)


def _as_read(value: Any) -> Any:
    """Return a value of the reference with the type that DeeBase gives it."""
    is_time = isinstance(value, str) and len(value) == 20 and value.endswith("Z") and value[10] == "T"
    return datetime.fromisoformat(value) if is_time else value
