"""Before migrations run: what they would do, in words and in SQL, and a backup of what was there."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deebase import Database, MigrationError
from deebase.migrations import Migrator, Step, files
from deebase.tools.backup import restore
from tests.support.migrations import can
from tests.support.own_server import programs_directory


@pytest.fixture(params=["sqlite-file", "postgres"])
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each database that can be tried in a scratch database, and backed up beside itself."""
    return str(request.param)


@pytest.fixture
def migrator(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Migrator:
    monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return Migrator(db, tmp_path / "migrations")


def add(migrator: Migrator, name: str, up: str, down: str = "SELECT 1;") -> None:
    files.make_directory(migrator.directory)
    text = f"-- upgrade\n{up}\n\n-- downgrade\n{down}\n"
    files.write(migrator.directory / f"{name}.sql", text, sealed=True)


FIRST = """
CREATE TABLE city (id integer PRIMARY KEY, name varchar NOT NULL, size integer, note varchar);
CREATE TABLE "old; one" (id integer PRIMARY KEY);
CREATE VIEW large AS SELECT id FROM city WHERE size > 3;
INSERT INTO city VALUES (1, 'Ulm', 2, NULL), (2, 'Bonn', 4, 'x');
"""
SECOND = """
DROP VIEW large;
ALTER TABLE city RENAME COLUMN name TO full_name;
ALTER TABLE city DROP COLUMN note;
ALTER TABLE city ADD COLUMN founded integer REFERENCES city (id);
CREATE INDEX "ix it's" ON city (size);
DROP TABLE "old; one";
CREATE TABLE person (id integer PRIMARY KEY);
UPDATE city SET size = 7;
"""


async def planned(migrator: Migrator) -> list[Step]:
    add(migrator, "0001-first", FIRST)
    await migrator.up()
    add(migrator, "0002-second", SECOND)
    return await migrator.up(plan=True)


async def test_a_plan_says_what_is_done_to_the_schema_with_which_sql(migrator: Migrator, db: Database) -> None:
    (step,) = await planned(migrator)
    (added,) = [operation for operation in step.operations if operation.startswith("adds column")]
    assert added.lower() == "adds column city.founded integer"
    assert [operation for operation in step.operations if operation is not added] == [
        "renames city.name to full_name",
        "creates table person",
        "drops column city.note",
        "adds foreign key city (founded) to city",
        "creates index ix it's of city",
        "drops view large",
        "drops table old; one",
        "changes rows",
    ]
    assert [sql.strip() for sql in step.statements] == [line.rstrip(";") for line in SECOND.strip().split("\n")]
    assert step.rows == {"city": 2, "old; one": 0}
    assert [hazard.rows for hazard in step.hazards if hazard.rule == "M102"] == [1]
    assert (step.note, step.seconds, step.backup) == ("", None, None)
    # Nothing of it was done.
    assert [status.state for status in await migrator.status()] == ["applied", "pending"]
    assert await db.q("SELECT name, size FROM city ORDER BY id") == [
        {"name": "Ulm", "size": 2},
        {"name": "Bonn", "size": 4},
    ]


async def test_what_is_not_renamed_goes_and_comes(migrator: Migrator) -> None:
    add(migrator, "0001-first", "CREATE TABLE city (id integer PRIMARY KEY, name integer);")
    await migrator.up()
    add(migrator, "0002-other", "ALTER TABLE city DROP COLUMN name; ALTER TABLE city ADD COLUMN size integer;")
    (step,) = await migrator.up(plan=True)
    assert [operation.lower() for operation in step.operations] == [
        "adds column city.size integer",
        "drops column city.name",
    ]


async def test_a_plan_of_what_fails_says_so_and_tells_what_the_text_does(migrator: Migrator) -> None:
    add(migrator, "0001-first", FIRST)
    await migrator.up()
    add(migrator, "0002-wrong", "DROP TABLE city; CREATE TABLE broken (;")
    add(migrator, "0003-more", "CREATE TABLE more (id integer);")
    wrong, more = await migrator.up(plan=True)
    assert "0002-wrong.sql failed" in wrong.note
    assert (wrong.operations, more.note) == ((), wrong.note)
    assert [(hazard.rule, hazard.rows) for hazard in wrong.hazards] == [("M101", 2)]


# -- backups -----------------------------------------------------------------------------------------


async def test_a_backup_holds_what_was_there_before(migrator: Migrator, db: Database, tmp_path: Path) -> None:
    await planned(migrator)
    (step,) = await migrator.up(allow_destructive=True, backup=True)
    assert step.backup is not None
    assert step.backup.resolve().parent == tmp_path
    await db.reflect()
    assert "person" in db.t
    if can(db).has_schemas:
        # pg_restore replaces what is in the archive, and goes no further.
        await db.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await db.reflect()
    await restore(db, step.backup, replace=True)
    await db.reflect()
    assert "person" not in db.t
    assert [row["name"] for row in await db.t["city"](order_by="id")] == ["Ulm", "Bonn"]
    assert [status.state for status in await migrator.status()] == ["applied", "pending"]


async def test_without_anything_to_apply_there_is_no_backup(migrator: Migrator, tmp_path: Path) -> None:
    add(migrator, "0001-first", FIRST)
    (step,) = await migrator.up(backup=tmp_path / "one.backup")
    assert step.backup == tmp_path / "one.backup"
    assert await migrator.up(backup=tmp_path / "two.backup") == []
    assert not (tmp_path / "two.backup").exists()


async def test_a_backup_that_fails_stops_the_run(migrator: Migrator, tmp_path: Path) -> None:
    add(migrator, "0001-first", FIRST)
    with pytest.raises(MigrationError, match="nothing was applied, because the backup failed"):
        await migrator.up(backup=tmp_path / "no directory" / "one.backup")
    assert [status.state for status in await migrator.status()] == ["pending"]


async def test_a_failure_names_the_backup(migrator: Migrator, tmp_path: Path) -> None:
    add(migrator, "0001-wrong", "CREATE TABLE broken (;")
    with pytest.raises(MigrationError, match="0001-wrong") as caught:
        await migrator.up(backup=tmp_path / "one.backup")
    assert f"the backup is {tmp_path / 'one.backup'}" in (caught.value.hint or "")
    assert (tmp_path / "one.backup").exists()


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_a_dated_backup_takes_the_place_of_no_other(migrator: Migrator, tmp_path: Path) -> None:
    add(migrator, "0001-first", FIRST)
    add(migrator, "0002-second", SECOND)
    (first,) = await migrator.up(1, backup=True)
    (second,) = await migrator.up(2, backup=True, allow_destructive=True)
    assert first.backup is not None
    assert second.backup is not None
    assert first.backup != second.backup
    with closing(sqlite3.connect(second.backup)) as copy:
        assert copy.execute("SELECT count(*) FROM city").fetchone() == (2,)
