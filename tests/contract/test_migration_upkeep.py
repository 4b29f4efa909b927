"""Squash, eject, repair and small changes of migrations whose schema has policies, functions and triggers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from deebase import Database, MigrationError
from deebase.migrations import Migrator
from deebase.migrations.target import Target
from tests.support.migrations import compare, read, scratch
from tests.support.rich_schemas import NEW, OLD, catalog, rich
from tests.support.worlds import only_on

#: A migration reads the tables, of which some have columns without a counterpart in Python.
pytestmark = pytest.mark.filterwarnings("ignore:.* read and written as text")

#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")

#: For what only PostgreSQL has.
ON_POSTGRES = pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)


@pytest.fixture
async def migrator(db: Database, tmp_path: Path) -> Migrator:
    """Migrations that begin with a schema of another program."""
    await rich(db)
    made = Migrator(db, tmp_path / "migrations")
    await made.baseline()
    return made


@pytest.mark.on_a_file
async def test_a_missing_file_is_written_again_with_all_objects(migrator: Migrator, db: Database) -> None:
    (path,) = migrator.directory.glob("*.py")
    before = path.read_text(encoding="utf-8")
    path.unlink()
    await migrator.repair()
    assert path.read_text(encoding="utf-8") == before
    async with scratch(db) as other:
        await Migrator(other, migrator.directory).up()
        assert await catalog(other) == await catalog(db)


@pytest.mark.on_a_file
async def test_alembic_creates_and_drops_all_objects(migrator: Migrator, db: Database, tmp_path: Path) -> None:
    revision = _module(await migrator.eject(tmp_path / "out" / "alembic"))

    def run(connection: Any, step: str) -> None:
        with Operations.context(MigrationContext.configure(connection)):
            getattr(revision, step)()

    async with Target(db).scratch(bare=True) as other:
        await _through_connection(other, run, "upgrade")
        assert await catalog(other.db) == await catalog(db)
        await _through_connection(other, run, "downgrade")
        assert (await read(other.db)).script.objects == ()


async def _through_connection(target: Target, run: Callable[[Any, str], None], step: str) -> None:
    async with target.connect() as connection:
        await connection.run_sync(run, step)
        await connection.commit()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("revision", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- changes of PostgreSQL's objects -----------------------------------------------------------------


async def _changed(db: Database, directory: Path, wanted: str) -> Migrator:
    """Take a schema over, and apply the migration that makes another one of it."""

    async def models(made: Database) -> None:
        await made.script(wanted)

    await db.script(OLD)
    migrator = Migrator(db, directory, models=models)
    await migrator.baseline()
    text = (await migrator.new("objects")).read_text(encoding="utf-8")
    assert "not done here" not in text
    assert "in a scratch" not in text
    await migrator.seal()
    await migrator.up()
    return migrator


@ON_POSTGRES
@pytest.mark.parametrize(
    ("old", "new", "definition"),
    [
        ("s <> 'a'", "s <> 'b'", "SELECT qual FROM pg_policies"),
        ("new.s := 'old'", "new.s := 'new'", "SELECT prosrc FROM pg_proc WHERE proname = 'touched'"),
        ("BEFORE UPDATE", "BEFORE INSERT", "SELECT pg_get_triggerdef(oid) FROM pg_trigger"),
    ],
)
async def test_one_object_changes_and_changes_back(
    db: Database, tmp_path: Path, old: str, new: str, definition: str
) -> None:
    migrator = await _changed(db, tmp_path / "migrations", OLD.replace(old, new))
    assert new in await db.item(definition)
    assert await migrator.drift() == []
    await migrator.down(1)
    assert old in await db.item(definition)


@ON_POSTGRES
async def test_migrations_with_policies_and_functions_become_one(db: Database, tmp_path: Path) -> None:
    migrator = await _changed(db, tmp_path / "migrations", NEW)
    assert await migrator.squash(1, 2, "all") == "0002-all"
    assert await migrator.drift() == []
    async with scratch(db) as other, scratch(db) as empty:
        again = Migrator(other, migrator.directory)
        await again.up()
        assert await catalog(other) == await catalog(db)
        await again.down()
        assert [str(found) for found in (await compare(other, empty)).differences()] == []


@ON_POSTGRES
async def test_a_user_who_may_not_create_databases_is_told(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE TABLE t (id integer PRIMARY KEY); CREATE ROLE no_databases LOGIN")
    try:
        url: Any = db.engine.url.set(drivername="postgresql", username="no_databases")
        async with Database(url.render_as_string(hide_password=False)) as other:
            migrator = Migrator(other, tmp_path / "migrations")
            with pytest.raises(MigrationError, match=r"a scratch database .* cannot be created") as caught:
                await migrator.baseline()
        assert "CREATEDB" in (caught.value.hint or "")
        assert list(migrator.directory.glob("0*")) == []
    finally:
        await db.q("DROP ROLE no_databases")
