"""Makes the extract of the flight data that comes with the tour: `python -m benchmarks.make_extract`.

Four days of the year, one of them the blizzard of 8 February, with the airlines, airports and planes
that they refer to. Rows are as they are in the source, with their NAs and their dangling references.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from pathlib import Path

from benchmarks.flights import read_csv

DAYS = {("1", "1"), ("2", "8"), ("7", "4"), ("11", "28")}
PLACE = Path(__file__).resolve().parents[1] / "examples" / "flights"

Row = dict[str, str]


def write(name: str, rows: Iterable[Row]) -> int:
    """Write rows into a gzipped CSV file, the same bytes each time; return their number."""
    kept = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(kept[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    packed = gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)
    (PLACE / f"{name}.csv.gz").write_bytes(packed)
    return len(kept)


def main() -> None:
    """Write the four files."""
    flights = [row for row in read_csv("flights") if (row["month"], row["day"]) in DAYS]
    airports = {row[end] for row in flights for end in ("origin", "dest")}
    planes = {row["tailnum"] for row in flights}
    PLACE.mkdir(exist_ok=True)
    counts = {
        "airlines": write("airlines", read_csv("airlines")),
        "airports": write("airports", (row for row in read_csv("airports") if row["faa"] in airports)),
        "planes": write("planes", (row for row in read_csv("planes") if row["tailnum"] in planes)),
        "flights": write("flights", flights),
    }
    size = sum(path.stat().st_size for path in PLACE.glob("*.csv.gz"))
    print(", ".join(f"{count} {name}" for name, count in counts.items()), f"in {size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
