"""What secures the rows of a table is part of its schema: migrations, generated code, copies and backups carry it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from deebase import Database
from deebase._sqltext.capabilities import Capabilities
from deebase.migrations import Migrator
from deebase.tools.backup import backup, restore
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.copying import copy_database
from tests.support.migrations import compare
from tests.support.modules import imported
from tests.support.own_server import programs_directory
from tests.support.tenants import Doc, Folder
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file", "postgres")

BOTH = {Folder: {"secure": "tenant"}, Doc: {"secure": ["tenant"]}}


async def test_migrations_secure_rows_and_take_it_back(db: Database, tmp_path: Path) -> None:
    secured: dict[Any, Any] = {}

    async def models(target: Database) -> None:
        await target.create_all(Folder, Doc, options=secured)

    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.new("first")
    await migrator.seal()
    await migrator.up()
    await db.reflect()
    assert db.t.doc.secure == ()
    secured.update(BOTH)
    await migrator.new("secure the rows")
    written = "".join([path.read_text() for path in (tmp_path / "migrations").glob("*secure*")])
    assert 'db.t["doc"].transform(secure="tenant")' in written or 'db.t.doc.transform(secure="tenant")' in written
    assert "POLICY" not in written
    await migrator.seal()
    await migrator.up()
    await db.reflect()
    assert db.t.doc.secure == db.t.folder.secure == ("tenant",)
    await migrator.down()
    await db.reflect()
    assert db.t.doc.secure == ()


async def test_a_secured_table_is_created_by_the_migration_that_makes_it(db: Database, tmp_path: Path) -> None:
    async def models(target: Database) -> None:
        await target.create_all(Folder, Doc, options=BOTH)

    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.new("first")
    await migrator.seal()
    await migrator.up()
    await db.reflect()
    assert db.t.doc.secure == ("tenant",)
    written = "".join([path.read_text() for path in (tmp_path / "migrations").glob("*first*")])
    assert "POLICY" not in written
    assert "secure" in written


async def test_generated_code_secures_the_rows(db: Database, second: Database, tmp_path: Path) -> None:
    await db.create_all(Folder, Doc, options=BOTH)
    path = tmp_path / "made_secured.py"
    await create_mod_from_database(path, db)
    assert 'secure="tenant"' in path.read_text()
    assert "POLICY" not in path.read_text()
    with imported(path) as made:
        await made.create_tables(second)
    await second.reflect()
    assert second.t.doc.secure == ("tenant",)
    assert not list((await compare(db, second)).differences())


@pytest.fixture
def programs(capabilities: Capabilities, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's version on PATH."""
    if not capabilities.is_one_file:
        monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("programs")
async def test_copies_and_backups_stay_secured(db: Database, second: Database, tmp_path: Path) -> None:
    await db.create_all(Folder, Doc, options=BOTH)
    await db.q("INSERT INTO folder (id, tenant, name) VALUES (1, 7, 'mine'), (2, 8, 'theirs')")
    report = await copy_database(db, second)
    assert not report.left_out
    assert second.t.folder.secure == ("tenant",)
    assert await second.item("SELECT count(*) FROM folder") == 2
    async with Database(tmp_path / "other.db") as other:
        report = await copy_database(db, other)
        assert not [text for text in report.left_out if "secur" in text or "polic" in text]
        await other.reflect()
        assert other.t.folder.secure == ("tenant",)
        assert await other.item("SELECT count(*) FROM folder") == 2
    file = await backup(db, tmp_path / "backup")
    await restore(second, file, replace=True)
    await second.reflect()
    assert second.t.folder.secure == ("tenant",)
