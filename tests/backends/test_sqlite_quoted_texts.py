"""Texts in double quotes, which other programs write into views, triggers and CHECKs of their files."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest

from deebase import Database, QueryError
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.copying import copy_database
from tests.support.modules import imported


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.db"
    raw = sqlite3.connect(path)
    if sys.version_info >= (3, 12):
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, True)
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, True)
    raw.executescript(
        '''
        CREATE TABLE task (id INTEGER PRIMARY KEY, state TEXT DEFAULT "open", kind TEXT CHECK (kind <> "no ""kind"""));
        CREATE INDEX ix_open ON task (kind) WHERE state = "open";
        CREATE VIEW done AS SELECT id, "it is done" AS told FROM task WHERE state = "done";
        CREATE TRIGGER closed AFTER INSERT ON task WHEN NEW.kind = "short"
            BEGIN UPDATE task SET state = "done" WHERE id = NEW.id; END;
        '''
    )
    raw.close()
    return path


async def used(db: Database) -> None:
    await db.reflect()
    await db.t["task"].insert({"id": 1, "kind": "short"})
    await db.t["task"].insert({"id": 2, "kind": "long"})
    assert await db.v["done"].count() == 1
    assert await db.q("SELECT * FROM done") == [{"id": 1, "told": "it is done"}]
    assert await db.q("SELECT state FROM task ORDER BY id") == [{"state": "done"}, {"state": "open"}]


async def test_a_file_with_texts_in_double_quotes_is_used_as_it_is(path: Path) -> None:
    async with Database(path) as db:
        await used(db)
        async with db.transaction():
            assert await db.q("SELECT told FROM done") == [{"told": "it is done"}]


async def test_its_copy_and_its_generated_module_are_used_alike(path: Path, tmp_path: Path) -> None:
    async with Database(path) as source, Database(tmp_path / "whole.db") as target:
        await copy_database(source, target)
        await create_mod_from_database(tmp_path / "models.py", source)
        await used(target)
    with imported(tmp_path / "models.py") as models:
        async with Database(tmp_path / "made.db") as db:
            await models.create_tables(db)
            await used(db)


async def test_a_misspelt_column_of_a_statement_is_an_error_where_python_can_have_one(path: Path) -> None:
    async with Database(path) as db:
        if sys.version_info < (3, 12):
            assert await db.q('SELECT DISTINCT "stat" AS found FROM task') == []
            return
        with pytest.raises(QueryError, match="stat"):
            await db.q('SELECT "stat" FROM task')
