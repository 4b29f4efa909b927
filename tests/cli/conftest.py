"""Commands in an empty directory, on a SQLite file and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.worlds import capabilities_at, only_on

#: Each database that outlives a command.
backend_name = only_on("sqlite-file", "postgres")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, in which the commands run."""
    place = tmp_path / "shop"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def cli(db_url: str) -> Commands:
    """Commands on a database of each kind."""
    commands = Commands(db_url)
    if capabilities_at(db_url).is_one_file:
        # A database is there, as one is on the server.
        commands.ok("sql", "--write", "PRAGMA user_version = 1")
    return commands


@pytest.fixture
def users(cli: Commands) -> Commands:
    """The same, with two tables and three rows."""
    cli.ok("table", "create", "user", "id:int", "name:str", "email:str:unique", "age:int:nullable:check=age >= 0")
    cli.ok(
        "table",
        "create",
        "post",
        "id:int",
        "author_id:int:fk=user",
        "title:str",
        "body:text:nullable",
        "--index",
        "title",
    )
    rows = (
        '[{"name": "Ada", "email": "a@x", "age": 36}, {"name": "Bob", "email": "b@x"}, {"name": "Cy", "email": "c@x"}]'
    )
    cli.ok("data", "insert", "user", stdin=rows)
    return cli


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands without a database."""
    return Commands(None)
