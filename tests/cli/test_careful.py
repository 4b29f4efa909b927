"""Commands that look, and those that change more than one row: nothing happens that was not asked for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.support.commands import Commands


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file that somebody else made, without WAL."""
    path = tmp_path / "club.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("""
        CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE booking (id INTEGER PRIMARY KEY, member INTEGER NOT NULL REFERENCES member, hour INTEGER,
            CONSTRAINT opening CHECK (hour > 7));
        INSERT INTO member VALUES (1, 'Ada'), (2, 'Bob');
        INSERT INTO booking VALUES (1, 1, 9);
    """)
    connection.close()
    return path


def test_a_file_that_is_looked_at_stays_as_it_is(foreign: Path) -> None:
    before = foreign.read_bytes()
    commands = Commands(str(foreign))
    for arguments in (
        ("table", "list"),
        ("table", "show", "booking"),
        ("table", "schema", "booking"),
        ("data", "list", "booking"),
        ("data", "export", "member"),
        ("sql", "SELECT count(*) FROM booking"),
        ("db", "info"),
        ("db", "doctor"),
        ("diagram",),
        ("codegen",),
    ):
        commands.ok(*arguments)
        assert foreign.read_bytes() == before, arguments
    assert list(foreign.parent.glob("club.sqlite*")) == [foreign]


def test_what_is_refused_is_named(foreign: Path) -> None:
    commands = Commands(str(foreign))
    assert "rows of booking (member) still refer to this one" in commands.fails(
        "data", "delete", "member", "1", "--yes"
    )
    refused = commands.fails("data", "insert", "booking", "-f", "member=1", "-f", "hour=3")
    assert refused.startswith("booking: a check refuses the row (constraint opening)")


def test_a_change_of_all_rows_is_asked_for(foreign: Path) -> None:
    commands = Commands(str(foreign))
    asked = commands.fails("data", "update", "member", "--all", "-f", "name=x", code=2)
    assert asked.startswith("Change 2 rows of member?")
    assert commands.ok("data", "update", "member", "--all", "-f", "name=x", "--yes", "--json") == {"updated": 2}
