"""Commands that change the schema of a project write what they did into its draft migration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from deebase import Database
from deebase.migrations import Migrator
from tests.support.commands import Commands
from tests.support.worlds import capabilities_at

T = TypeVar("T")


@pytest.fixture
def project(cli: Commands, directory: Path) -> Commands:
    (directory / "deebase.toml").write_text('migrations = "changes"\n')
    (directory / "changes").mkdir()
    return cli


def drafts(directory: Path) -> list[str]:
    return [path.read_text() for path in sorted((directory / "changes").glob("*.py"))]


def with_migrations(url: str, work: Callable[[Migrator], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Database(url) as db:
            return await work(Migrator(db, "changes"))

    return asyncio.run(run())


CHANGES = [
    ["table", "create", "user", "id:int", "name:str", "email:str:unique", "--index", "name"],
    ["table", "create", "post", "id:int", "author_id:int:fk=user", "title:str"],
    ["table", "add-column", "user", "a city:str:nullable:unique"],
    ["table", "rename-column", "post", "title", "headline"],
    ["table", "rename", "post", "article"],
    ["index", "create", "user", "name,email", "--name", "both"],
    ["index", "drop", "both", "--yes"],
    ["view", "create", "names", "--sql", 'SELECT name FROM "user"'],
]


def test_what_was_recorded_makes_the_same_database_and_undoes_it(
    project: Commands, directory: Path, tmp_path: Path, backend_name: str
) -> None:
    for arguments in CHANGES:
        result = project.run(*arguments)
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines()[-1].startswith("Recorded in changes/draft")
    asked = [["table", "show", "user"], ["table", "show", "article"], ["view", "show", "names"], ["index", "list"]]
    made = [project.ok(*arguments) for arguments in asked]

    async def sealed(migrator: Migrator) -> list[str]:
        await migrator.seal("first")
        return [status.state for status in await migrator.status()]

    assert with_migrations(str(project.url), sealed) == ["applied"]
    with_migrations(str(project.url), lambda migrator: migrator.down())
    assert project.ok("table", "list") == []
    with_migrations(str(project.url), lambda migrator: migrator.up())
    assert [project.ok(*arguments) for arguments in asked] == made


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_what_has_no_way_back_says_so(project: Commands, directory: Path) -> None:
    project.ok("table", "create", "user", "id:int", "name:str")
    project.ok("table", "drop", "user", "--yes")
    (draft,) = drafts(directory)
    assert "DROP TABLE" in draft
    assert "irreversible" in draft


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_nothing_is_recorded_that_is_not_meant_to_be(project: Commands, directory: Path) -> None:
    project.ok("table", "create", "a", "id:int", "--no-record")
    project.ok("table", "create", "b", "id:int", "--url", str(project.url))
    project.ok("table", "create", "c", "id:int", "--dry-run")
    project.ok("table", "create", "a", "id:int", "--if-not-exists")
    project.ok("data", "insert", "a", "-f", "id=1")
    assert project.fails("table", "create", "a", "id:int")
    assert drafts(directory) == []
    (directory / "deebase.toml").unlink()
    (directory / "changes").rename(directory / "migrations")
    project.ok("table", "create", "d", "id:int")
    assert list((directory / "migrations").iterdir()) == []


def test_a_table_that_is_made_anew_is_recorded_or_the_gap_is_told(
    project: Commands, directory: Path, db_url: str
) -> None:
    project.ok("table", "create", "user", "id:int", "age:int")
    result = project.run("table", "transform", "user", "--type", "age=float")
    assert result.exit_code == 0
    if not capabilities_at(db_url).alters_in_place:
        assert "write the step into the draft" in result.stderr
    else:
        assert "ALTER" in drafts(directory)[0]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_broken_settings_are_told_before_anything_is_changed(project: Commands, directory: Path) -> None:
    (directory / "deebase.toml").write_text("migrations = 5")
    assert "migrations in" in project.fails("table", "create", "user", "id:int")
    assert project.ok("table", "list") == []
