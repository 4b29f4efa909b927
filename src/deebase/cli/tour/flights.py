"""The flights of the tour: four days of 2013 from New York City, as classes and as rows."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from importlib.resources import files
from typing import Any

from deebase.types import ForeignKey, UTCDateTime

Row = dict[str, Any]

NAMES = ("airline", "airport", "plane", "flight")


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
    carrier: ForeignKey[str, "airline.carrier"]
    number: int
    tailnum: ForeignKey[str, "plane.tailnum"] | None
    origin: ForeignKey[str, "airport.faa"]
    dest: ForeignKey[str, "airport.faa"] | None
    departs: UTCDateTime
    dep_delay: int | None
    arr_delay: int | None
    distance: int


def read_csv(name: str) -> Iterator[dict[str, str | None]]:
    """Give the rows of one of the packaged files: airlines, airports, planes or flights.

    Args:
        name: Name of the file without its suffixes.

    Yields:
        Texts by column, NA as None; nothing else is changed.
    """
    packed = files("deebase.cli.tour").joinpath("data", f"{name}.csv.gz").read_bytes()
    for row in csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"), newline="")):
        yield {column: None if text == "NA" else text for column, text in row.items()}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def airline_rows() -> Iterator[Row]:
    """Give the 16 airlines."""
    yield from read_csv("airlines")


def airport_rows() -> Iterator[Row]:
    """Give the airports that the flights use."""
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
    """Give the planes that made the flights, as far as they are known."""
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
    """Give the flights; a plane or a destination that the other files lack is None."""
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
