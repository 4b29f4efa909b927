"""Migrations tried in scratch databases: check, drift, baseline, squash; and the guard against losing rows."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, ForeignKey, MigrationError
from deebase.migrations import Migrator, files
from tests.support.capabilities import can
from tests.support.migrations import compare, scratch
from tests.support.worlds import only_on

Add = Callable[..., files.MigrationFile]


class City:
    id: int
    name: str


class Person:
    id: int
    name: str = "it's"
    city_id: ForeignKey[int, "city"] | None


async def models(db: Database) -> None:
    await db.create(City)
    await db.create(Person, indexes=["name"])


#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")


#: What is about files and the ledger, which are the same everywhere.
on_one = pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)


@pytest.fixture
def migrator(db: Database, tmp_path: Path) -> Migrator:
    return Migrator(db, tmp_path / "migrations", models=models)


@pytest.fixture
def add(migrator: Migrator) -> Add:
    def write(name: str, up: str, down: str) -> files.MigrationFile:
        files.make_directory(migrator.directory)
        text = f"-- upgrade\n{up}\n\n-- downgrade\n{down}\n"
        return files.write(migrator.directory / f"{name}.sql", text, sealed=True)

    return write


async def written(migrator: Migrator) -> None:
    """Write, seal and apply the migration that makes the models."""
    await migrator.new("models")
    await migrator.seal()
    await migrator.up()


async def states(migrator: Migrator) -> dict[str, str]:
    return {status.name: status.state for status in await migrator.status()}


# -- check -------------------------------------------------------------------------------------------


@pytest.mark.on_a_file
async def test_what_is_in_order_is_found_to_be(migrator: Migrator) -> None:
    await migrator.new("models")
    assert await migrator.check() == []
    await migrator.seal()
    assert await migrator.check() == []
    assert await states(migrator) == {"0001-models": "pending"}


@pytest.mark.on_a_file
async def test_all_that_is_wrong_is_told(migrator: Migrator, add: Add) -> None:
    add("0001-a", "CREATE TABLE city (id integer PRIMARY KEY);", "DROP TABLE city;")
    add("0002-b", "CREATE TABLE more (id integer PRIMARY KEY);", "SELECT 1;")
    found = [str(finding) for finding in await migrator.check()]
    assert "0002-b: after its downgrade more: is a table that is not wanted (correct it)" in found
    assert [text for text in found if "something else than the models: person: is a table that is missing" in text]
    assert [text for text in found if "something else than the models: city.name: is missing" in text]
    # What the model has as VARCHAR NOT NULL is there under the names of the database.
    add("0002-c", "SELECT 1;", "SELECT 1;")
    assert {finding.kind for finding in await migrator.check()} == {"files"}


@on_one
async def test_one_that_does_not_run_is_told(migrator: Migrator, add: Add) -> None:
    add("0001-a", "CREATE TABLE city (id integer PRIMARY KEY); SELECT nothing FROM nowhere;", "SELECT 1;")
    (finding,) = await migrator.check()
    assert finding.kind == "failed"
    assert "0001-a.sql failed at statement 2" in finding.text


@on_one
async def test_one_that_cannot_be_undone_ends_the_way_back(migrator: Migrator, add: Add) -> None:
    own = Migrator(migrator._workspace.target.db, migrator.directory)
    add("0001-a", "CREATE TABLE a (id integer);", "SELECT 'not undone';")
    add("0002-b", "CREATE TABLE b (id integer);", "-- irreversible: it is so")
    add("0003-c", "CREATE TABLE c (id integer);", "DROP TABLE c;")
    assert await own.check() == []


# -- drift -------------------------------------------------------------------------------------------


@pytest.mark.on_a_file
async def test_what_was_done_by_hand_is_told_and_left(migrator: Migrator, db: Database) -> None:
    await written(migrator)
    assert await migrator.drift() == []
    await db.script(
        'ALTER TABLE person ADD COLUMN "by hand" integer; CREATE TABLE other (id integer); DROP INDEX ix_person_name'
    )
    found = [str(difference) for difference in await migrator.drift()]
    assert found == [
        "other: is a table that is not wanted",
        "person.by hand: is not wanted",
        "person: lacks the index ix_person_name",
    ]
    assert await db.q("SELECT * FROM other") == []


@on_one
async def test_drift_goes_by_what_was_applied(migrator: Migrator, add: Add) -> None:
    await written(migrator)
    add("0002-later", "CREATE TABLE later (id integer);", "DROP TABLE later;")
    next(migrator.directory.glob("0001*")).unlink()
    assert await migrator.drift() == []


# -- baseline ----------------------------------------------------------------------------------------


@pytest.mark.on_a_file
async def test_an_existing_database_gets_a_first_migration(migrator: Migrator, db: Database) -> None:
    await models(db)
    await db.q('CREATE TABLE "by hand" (id integer PRIMARY KEY, n integer CHECK (n > 3) UNIQUE)')
    await db.create_view("v", "SELECT id FROM city")
    assert await migrator.baseline() == "0001-baseline"
    assert await states(migrator) == {"0001-baseline": "applied"}
    assert await migrator.drift() == []
    assert await migrator.up() == []
    async with scratch(db) as other:
        await Migrator(other, migrator.directory).up()
        assert not await compare(other, db)
    with pytest.raises(MigrationError, match="there are migrations already"):
        await migrator.baseline()


# -- squash ------------------------------------------------------------------------------------------


@pytest.fixture
def four(add: Add) -> None:
    add("0001-a", "CREATE TABLE a (id integer PRIMARY KEY);", "DROP TABLE a;")
    add("0002-b", "CREATE TABLE b (id integer PRIMARY KEY);", "DROP TABLE b;")
    add("0003-c", "ALTER TABLE b ADD COLUMN n integer;", "ALTER TABLE b DROP COLUMN n;")
    add("0004-d", "CREATE TABLE d (id integer PRIMARY KEY);", "DROP TABLE d;")


@pytest.mark.usefixtures("four")
@pytest.mark.on_a_file
async def test_several_become_one_for_every_database(migrator: Migrator, db: Database) -> None:
    async with scratch(db) as part, scratch(db) as none:
        await migrator.up(3)
        await Migrator(part, migrator.directory).up(2)
        assert await migrator.squash(2, 3, "all of b") == "0003-all-of-b"
        assert await states(migrator) == {"0001-a": "applied", "0003-all-of-b": "applied", "0004-d": "pending"}
        assert await migrator.drift() == []
        assert len(await Migrator(none, migrator.directory).up()) == 3
        with pytest.raises(MigrationError, match="replaces 0002-b, 0003-c, and the database lacks 0003-c"):
            await Migrator(part, migrator.directory).up()
    assert [step.name for step in await migrator.up()] == ["0004-d"]
    assert [step.name for step in await migrator.down(1)] == ["0004-d", "0003-all-of-b"]
    assert [row["name"] for row in await db.q("SELECT name FROM _deebase_migrations")] == ["0001-a"]


@on_one
@pytest.mark.usefixtures("four")
async def test_one_that_has_the_old_ones_takes_the_new_one_for_applied(migrator: Migrator, db: Database) -> None:
    async with scratch(db) as other:
        here = Migrator(other, migrator.directory)
        await here.up()
        await migrator.squash(1, 4, "all")
        await here.require_current()
        assert await here.up() == []
        assert [row["name"] for row in await other.q("SELECT name FROM _deebase_migrations")] == ["0004-all"]
        assert [step.name for step in await here.down()] == ["0004-all"]


@on_one
@pytest.mark.usefixtures("four")
async def test_what_cannot_be_squashed_is_refused(migrator: Migrator, add: Add) -> None:
    await migrator.up(2)
    for numbers, message in (((2, 3), "others are not"), ((2, 2), "no two migrations"), ((2, 9), "no two migrations")):
        with pytest.raises(MigrationError, match=message):
            await migrator.squash(*numbers, "x")
    await migrator.up()
    with pytest.raises(MigrationError, match="one of them is called 0003-c"):
        await migrator.squash(2, 3, "c")
    add("0005-rows", "INSERT INTO a VALUES (1);", "DELETE FROM a WHERE id = 1;")
    await migrator.up()
    with pytest.raises(MigrationError, match="0005-rows changes rows"):
        await migrator.squash(4, 5, "x")


# -- rows that would be lost -------------------------------------------------------------------------


async def test_rows_are_lost_only_on_purpose(migrator: Migrator, add: Add, db: Database) -> None:
    add("0001-a", "CREATE TABLE a (id integer, n integer); CREATE TABLE b (id integer);", "SELECT 1;")
    add("0002-b", "DROP TABLE b;", "CREATE TABLE b (id integer);")
    # There is nothing in it, so that nothing is lost.
    await migrator.up()
    await db.script("INSERT INTO a VALUES (1, NULL), (2, 3), (3, 4)")
    add("0003-c", "ALTER TABLE a DROP COLUMN n;", "ALTER TABLE a ADD COLUMN n integer;")
    add("0004-d", "DROP TABLE a;", "CREATE TABLE a (id integer);")
    steps = await migrator.up(plan=True)
    assert [[(hazard.rule, hazard.rows) for hazard in step.hazards] for step in steps] == [[("M102", 2)], [("M101", 3)]]
    with pytest.raises(
        MigrationError, match=r"0003-c would lose what the database holds: column a\.n with 2 values"
    ) as caught:
        await migrator.up()
    assert "allow_destructive" in (caught.value.hint or "")
    assert len(await migrator.up(allow_destructive=True)) == 2


@on_one
async def test_what_an_earlier_one_wrote_is_not_lost_unnoticed(migrator: Migrator, add: Add) -> None:
    add("0001-a", "CREATE TABLE a (id integer); INSERT INTO a VALUES (1);", "DROP TABLE a;")
    add("0002-b", "DROP TABLE a;", "CREATE TABLE a (id integer);")
    with pytest.raises(MigrationError, match="0002-b would lose what the database holds"):
        await migrator.up()
    assert await states(migrator) == {"0001-a": "applied", "0002-b": "pending"}


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_scratch_database_needs_the_right_to_make_one(db: Database, migrator: Migrator, add: Add) -> None:
    add("0001-t", "CREATE TABLE t (id integer);", "DROP TABLE t;")
    await db.q("CREATE ROLE without_rights LOGIN")
    try:
        url: Any = db.engine.url.set(drivername="postgresql", username="without_rights")
        async with Database(url.render_as_string(hide_password=False)) as other:
            with pytest.raises(MigrationError, match="cannot be created") as caught:
                await Migrator(other, migrator.directory, models=models).new("x")
            (step,) = await Migrator(other, migrator.directory).up(plan=True)
        assert "CREATEDB" in (caught.value.hint or "")
        # A plan is of use without.
        assert (step.name, step.operations) == ("0001-t", ())
        assert "cannot be created" in step.note
    finally:
        await db.q("DROP ROLE without_rights")


# -- SQL by hand -------------------------------------------------------------------------------------


@pytest.mark.on_a_file
async def test_the_script_does_what_up_does(migrator: Migrator, db: Database, add: Add) -> None:
    await written(migrator)

    async def fewer(db: Database) -> None:
        class Person:
            id: int
            size: float
            city_id: ForeignKey[int, "city"] | None

        await db.create(City)
        await db.create(Person)

    await Migrator(db, migrator.directory, models=fewer).new("it's changed")
    await migrator.seal()
    add("0003-view", "CREATE VIEW v AS SELECT id FROM city;", "DROP VIEW v;")
    script = await migrator.script()
    assert "-- 0002-it-s-changed\nBEGIN;" in script
    assert await migrator.script(1) == ""
    async with scratch(db) as other:
        await Migrator(other, migrator.directory).up(1)
        for part in script.split("BEGIN;"):
            await run_by_hand(other, part.partition("COMMIT;")[0])
        await Migrator(other, migrator.directory).require_current()
        await migrator.up()
        assert not await compare(other, db)
        for part in (await migrator.script(1, down=True)).split("BEGIN;"):
            await run_by_hand(other, part.partition("COMMIT;")[0])
        assert list(await states(Migrator(other, migrator.directory))) == list(await states(migrator))
        await migrator.down(1)
        assert not await compare(other, db)
        assert await states(Migrator(other, migrator.directory)) == await states(migrator)
    assert await migrator.script(1) == ""


async def run_by_hand(db: Database, part: str) -> None:
    """Run SQL as a program of the database does, which knows nothing of DeeBase."""
    if not can(db).is_one_file:
        await db.script(part)
        return
    path = db._core.settings.path
    assert path is not None
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(part)


# -- leaving -----------------------------------------------------------------------------------------


@pytest.mark.on_a_file
async def test_what_is_ejected_needs_alembic_alone(migrator: Migrator, db: Database, tmp_path: Path) -> None:
    async def more(db: Database) -> None:
        await models(db)
        await db.create_view("v", "SELECT id FROM city WHERE name <> 'a:b % c'")

    await Migrator(db, migrator.directory, models=more).new("all")
    await migrator.seal()
    await migrator.up()
    path = await migrator.eject(tmp_path / "out" / "alembic")
    assert "deebase" not in path.read_text(encoding="utf-8")
    with pytest.raises(MigrationError, match="exists"):
        await migrator.eject(tmp_path / "out" / "alembic")
    async with scratch(db) as other:
        url = other._core.settings.sa_url.set(drivername=db.engine.url.drivername).render_as_string(hide_password=False)
        url = url.replace("%", "%%")
        ini = tmp_path / "out" / "alembic.ini"
        ini.write_text(re.sub("(?m)^sqlalchemy.url = .*$", lambda _: f"sqlalchemy.url = {url}", ini.read_text()))
        await alembic(ini, "upgrade", "head")
        await other.q("DROP TABLE alembic_version")
        assert not await compare(other, db)
        await other.script(
            "CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('0001')"
        )
        await alembic(ini, "downgrade", "base")
        assert await other.q("SELECT * FROM alembic_version") == []
        await other.reflect()
        assert [table.name for table in other.t] == ["alembic_version"]


async def alembic(ini: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alembic", "-c", str(ini), *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
