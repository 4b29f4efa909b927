"""Rows as multisets, and values in a form in which equal values of two databases are equal."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d*?)0*)?)?(Z|[+-]\d\d(?::?\d\d)?)?")


@dataclass(frozen=True)
class Rows:
    """The rows of a table.

    Attributes:
        columns: the names of the columns, sorted.
        counts: how often each row occurs.
    """

    columns: tuple[str, ...]
    counts: Counter[tuple[Any, ...]]

    def differences(self, other: Rows) -> list[str]:
        """Return how another table differs, in a few words."""
        if self.columns != other.columns:
            return [f"columns {sorted(set(self.columns) ^ set(other.columns))}"]
        lost, new = self.counts - other.counts, other.counts - self.counts
        if not lost and not new:
            return []
        notes = [f"{lost.total()} rows lost, {new.total()} rows new"]
        # Where the numbers agree, the columns that differ say more.
        if lost and lost.total() == new.total():
            one, two = min(lost, key=repr), min(new, key=repr)
            changed = [
                f"{name}: {_short(a)} became {_short(b)}"
                for name, a, b in zip(self.columns, one, two, strict=True)
                if a != b
            ]
            notes += changed[:3]
        return notes


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def loosely(value: object) -> object:
    """Return a value so that it equals the same value in another form: 2 and 2.00, JSON with other blanks."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, int | float):
        return _number(repr(value))
    if not isinstance(value, str):
        return value
    number = _number(value)
    if number is not value:
        return number
    moment = _MOMENT.fullmatch(value)
    if moment:
        day, time, fraction, offset = moment.groups(default="")
        if time and len(time) == 5:
            time += ":00"
        utc = {"Z": "+00:00", "+00": "+00:00", "+0000": "+00:00"}.get(offset, offset)
        return f"{day} {time or '00:00:00'}.{fraction}{utc}"
    return _structured(value) if value[:1] in ("{", "[") else value


def _structured(text: str) -> str:
    """Return JSON, or an array as PostgreSQL writes it, in one form."""
    try:
        value = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except ValueError:
        if not text.endswith("}") or text.count("{") > 1:
            return text
        items = next(csv.reader([text[1:-1]], escapechar="\\"))
        value = [None if item == "NULL" else item for item in items]
    if isinstance(value, list):
        value = [loosely(item) for item in value]
    # An empty array of PostgreSQL looks like an empty object.
    return json.dumps(value or [], sort_keys=True, default=str)


def _number(text: str) -> object:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number.normalize() if number.is_finite() else text.lower()


def compared(before: dict[str, Rows], after: dict[str, Rows]) -> list[str]:
    """Return the differences between the tables of two databases, by the name of the table."""
    found: list[str] = []
    for table, rows in before.items():
        # A table of another schema may come back under its full name, or under its own.
        names = (table, f"public.{table}", table.rpartition(".")[2])
        other = next((after[name] for name in names if name in after), None)
        if other is None:
            found.append(f"table {table} is missing, with {rows.counts.total()} rows")
        else:
            found += [f"table {table}: {note}" for note in rows.differences(other)]
    return found


def catalog_differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what a second catalog lacks, adds or has differently, by kind and name."""
    found = [f"{name} is missing" for name in before if name not in after]
    found += [f"{name} is new" for name in after if name not in before]
    for name, text in before.items():
        if name in after and after[name] != text:
            found.append(f"{name} differs: {_apart(text, after[name])}")
    return found


def _apart(one: str, other: str) -> str:
    """Return the part in which two texts differ."""
    start = next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
    start = max(0, start - 15)
    return f"...{one[start : start + 50]!r} became ...{other[start : start + 50]!r}"


def unnamed(differences: Sequence[str], said: str) -> list[str]:
    """Return the differences whose object is not named in what DeeBase said.

    Args:
        differences: as ``compared`` and ``catalog_differences`` return them.
        said: messages, a report, comments of generated code: a line that holds the names of the object and of its
            table names a difference.
    """
    lines = said.splitlines()
    return [note for note in differences if not any(_names(line, note) for line in lines)]


def _names(line: str, difference: str) -> bool:
    subject = re.split(r" is missing| is new| differs|: ", difference)[0]
    words = [word for word in re.split(r"[\s.,()]+", subject) if word][1:]
    words = [word for word in words if not word.isdigit()] or words
    return bool(words) and all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line) for word in words[-2:])
