"""`deebase db`: backups, copies, the doctor."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.own_server import programs_directory


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's version."""
    monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")


def test_a_backup_and_the_way_back(users: Commands, directory: Path) -> None:
    users.ok("db", "backup", "--output", "all.backup")
    assert (directory / "all.backup").stat().st_size > 0
    assert "exists" in users.fails("db", "backup", "--output", "all.backup")
    users.ok("data", "delete", "user", "1", "--yes")
    assert "not empty" in users.fails("db", "restore", "all.backup")
    users.ok("db", "restore", "all.backup", "--replace", "--yes")
    assert len(users.ok("data", "list", "user")) == 3


def test_a_copy_to_another_file(users: Commands, db_url: str) -> None:
    copied = users.ok("db", "copy", db_url, "copy.db")
    assert {(table["name"], table["rows"]) for table in copied} == {("user", 3), ("post", 0)}
    assert "already exists in the target" in users.fails("db", "copy", db_url, "copy.db")


def test_values_that_a_copy_cannot_convert_are_listed(postgres_url: str, directory: Path) -> None:
    with closing(sqlite3.connect("old.db")) as file:
        file.executescript(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, n INT); INSERT INTO item VALUES (1, 'one'), (2, 2)"
        )
    commands = Commands(postgres_url)
    failed = commands.fails("db", "copy", "old.db", postgres_url, "--report", "bad.csv")
    assert "1 value cannot be converted: item.n of id=1: not an integer" in failed
    assert "item,id=1,n,'one',not an integer" in (directory / "bad.csv").read_text(encoding="utf-8")
    done = commands.run("db", "copy", "old.db", postgres_url, "--on-error", "skip")
    assert "Not converted: 1 value." in done.stderr
    assert commands.ok("data", "list", "item") == [{"id": 2, "n": 2}]


def test_the_doctor(users: Commands) -> None:
    users.ok("index", "drop", "ix_post_author_id_fk", "--yes")
    found = users.ok("db", "doctor")
    assert ("foreign-key-without-index", "post") in {(finding["rule"], finding["table"]) for finding in found}


def test_vacuum_and_analyze_say_what_they_did(users: Commands) -> None:
    for command in (("vacuum",), ("vacuum", "--full"), ("analyze",)):
        result = users.run("db", *command)
        assert result.exit_code == 0, result.output
        assert " bytes before, " in result.stderr
        done = users.ok("db", *command)
        assert done["statement"].startswith(command[0].upper())
        assert done["size_bytes_before"] - done["size_bytes_after"] == done["freed_bytes"]
        assert users.ok("db", *command, "--dry-run").strip() == f"{done['statement']};"
    assert len(users.ok("data", "list", "user")) == 3
