"""Differences between two SQLite schemas that only the text of CREATE TABLE shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deebase import Database
from deebase.migrations import Migrator

PARENT = "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT UNIQUE);"
CASES = {
    "deferrable": ("a INTEGER PRIMARY KEY REFERENCES p", "a INTEGER PRIMARY KEY REFERENCES p DEFERRABLE"),
    "never deferred": (
        "a INT PRIMARY KEY REFERENCES p DEFERRABLE INITIALLY DEFERRED",
        "a INT PRIMARY KEY REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED",
    ),
    "match": (
        "a TEXT PRIMARY KEY, FOREIGN KEY (a) REFERENCES p (n)",
        "a TEXT PRIMARY KEY, FOREIGN KEY (a) REFERENCES p (n) MATCH FULL",
    ),
    "an order of the key": ("a INT, b INT, PRIMARY KEY (a, b)", "a INT, b INT, PRIMARY KEY (a, b DESC)"),
    "a collation of the key": (
        "a INT, b TEXT, PRIMARY KEY (a, b)",
        "a INT, b TEXT, PRIMARY KEY (a, b COLLATE NOCASE)",
    ),
    "a string in double quotes": (
        'a INTEGER PRIMARY KEY, b TEXT CHECK (b <> "Yes")',
        'a INTEGER PRIMARY KEY, b TEXT CHECK (b <> "yes")',
    ),
}


@pytest.mark.parametrize(("one", "other"), CASES.values(), ids=CASES.keys())
async def test_a_difference_is_found_in_both_directions(tmp_path: Path, one: str, other: str) -> None:
    for number, (first, second) in enumerate([(one, other), (other, one)]):
        path, directory = tmp_path / f"{number}.db", tmp_path / f"migrations{number}"
        with closing(sqlite3.connect(path)) as raw:
            raw.executescript(f"{PARENT} CREATE TABLE t ({first});")
        async with Database(path) as db:
            await Migrator(db, directory).baseline()
            assert await Migrator(db, directory).drift() == []
        with closing(sqlite3.connect(path)) as raw:
            raw.executescript(f"DROP TABLE t; CREATE TABLE t ({second});")
        async with Database(path) as db:
            assert {str(found).partition(":")[0] for found in await Migrator(db, directory).drift()} == {"t"}
