"""What the schema of a SQLite file may call: JSON, full-text and R-Tree tables in files that are in use elsewhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database, DeeBaseError, QueryError, ValidationError
from deebase._backends.sqlite.schema_calls.trust import refuses_its_own
from deebase.tools.backup import backup, restore

SCHEMA = """
CREATE TABLE document (id INTEGER PRIMARY KEY, body TEXT CHECK (json_valid(body)), title AS (body ->> '$.title'));
CREATE INDEX by_title ON document (json_extract(body, '$.title'));
CREATE TABLE page (id INTEGER PRIMARY KEY, text TEXT);
CREATE VIRTUAL TABLE found USING fts5 (text);
CREATE VIRTUAL TABLE found4 USING fts4 (text);
CREATE VIRTUAL TABLE place USING rtree (id, low, high);
CREATE TRIGGER page_found AFTER INSERT ON page BEGIN
    INSERT INTO found (rowid, text) VALUES (new.id, new.text);
    INSERT INTO found4 (docid, text) VALUES (new.id, new.text);
    INSERT INTO place VALUES (new.id, 1, 2);
END;
CREATE VIEW matching AS SELECT rowid, text FROM found WHERE found MATCH 'hello';
"""


def made(path: Path, schema: str) -> Path:
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(schema)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made(tmp_path / "theirs.db", SCHEMA)


async def _used(db: Database) -> None:
    await db.reflect()
    assert (await db.t.document.insert(body='{"title": "a"}'))["title"] == "a"
    with pytest.raises(DeeBaseError):
        await db.t.document.insert(body="no json")
    await db.t.page.insert_all([{"text": "hello world"}, {"text": "other"}])
    assert [row["text"] for row in await db.v.matching()] == ["hello world"]
    assert await db.item("SELECT count(*) FROM place WHERE low <= 1.5") == 2


async def test_files_of_others_are_read_and_written(path: Path) -> None:
    async with Database(path) as db:
        await _used(db)
        async with db.transaction() as transaction:
            await transaction.connection.execute(sa.text("INSERT INTO page (text) VALUES ('hello again')"))
        assert await db.v.matching.count() == 2


async def test_a_table_that_calls_json_is_transformed(path: Path) -> None:
    async with Database(path) as db:
        await _used(db)
        documents = await db.t.document.transform(not_null="body")
        with pytest.raises(DeeBaseError):
            await documents.insert(body="no json")
        assert (await documents.insert(body='{"title": "b"}'))["title"] == "b"


async def test_a_file_that_calls_json_is_backed_up_and_restored(path: Path, tmp_path: Path) -> None:
    async with Database(path) as db:
        await _used(db)
        saved = await backup(db, tmp_path / "saved.db")
    async with Database(tmp_path / "new.db") as db:
        await restore(db, saved)
        assert [row["title"] for row in await db.t.document()] == ["a"]
        assert await db.v.matching.count() == 1
        assert (await db.t.document.insert(body='{"title": "b"}'))["title"] == "b"


@pytest.mark.parametrize("target", [":memory:", "new.db"])
async def test_a_new_database_takes_such_a_schema(tmp_path: Path, target: str) -> None:
    async with Database(target if target == ":memory:" else tmp_path / target) as db:
        await db.script(SCHEMA)
        await _used(db)
        table: Any = await db.create(
            type("Checked", (), {"__annotations__": {"id": int, "body": str}}), checks=["json_valid(body)"]
        )
        assert await table.insert(body="[]") == {"id": 1, "body": "[]"}


HOSTILE = {
    "a function of ours": "CREATE VIEW v AS SELECT deebase_fits('x', 1), json('1')",
    "in quotes": "CREATE VIEW v AS SELECT \"deebase_fits\"('x', 1), json('1')",
    "in brackets": "CREATE VIEW v AS SELECT [DEEBASE_STORED] ('x', 1), json('1')",
    "a tokenizer": "CREATE VIEW v AS SELECT fts3_tokenizer('simple'), json('1')",
    "an extension": "CREATE VIEW v AS SELECT load_extension('evil'), json('1')",
    "pragmas": "CREATE VIEW v AS SELECT *, json('1') FROM pragma_database_list",
    "pages": "CREATE VIEW v AS SELECT *, json('1') FROM dbstat",
}


@pytest.mark.skipif(not refuses_its_own(), reason="this library never has to be trusted")
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_schema_that_calls_more_is_not_trusted(tmp_path: Path, hostile: str) -> None:
    path = made(tmp_path / "hostile.db", hostile)
    async with Database(path) as db:
        with pytest.raises(QueryError, match="allowed only in a trusted schema") as caught:
            await db.q("SELECT * FROM v")
        assert "trusted_schema" in (caught.value.hint or "")
        assert await db.item("PRAGMA trusted_schema") == 0
        with pytest.raises(QueryError, match="allowed only in a trusted schema"):
            await db.q("CREATE TABLE t (a CHECK (json_valid(a)))")


@pytest.mark.skipif(not refuses_its_own(), reason="this library never has to be trusted")
async def test_what_needs_no_trust_gets_none(tmp_path: Path, path: Path) -> None:
    async with Database(made(tmp_path / "plain.db", "CREATE TABLE t (a)")) as db:
        await db.q("INSERT INTO t VALUES (1)")
        assert await db.item("PRAGMA trusted_schema") == 0
    async with Database(path, pragmas={"trusted_schema": "OFF"}) as db:
        with pytest.raises(QueryError, match="allowed only in a trusted schema"):
            await db.q("INSERT INTO document (body) VALUES ('1')")
        assert await db.item("PRAGMA trusted_schema") == 0


async def test_a_file_that_is_attached_has_to_be_harmless_too(tmp_path: Path, path: Path) -> None:
    hostile = made(tmp_path / "hostile.db", "CREATE VIEW v AS SELECT deebase_fits('x', 1) AS fits")
    async with Database(path) as db:
        await _used(db)
        await db.q("ATTACH ? AS other", [str(hostile)])
        with pytest.raises(DeeBaseError):
            await db.q("SELECT * FROM other.v")


async def test_a_file_is_trusted_by_a_pragma(tmp_path: Path) -> None:
    path = made(tmp_path / "mine.db", "CREATE VIEW v AS SELECT deebase_fits('x', 1) AS fits")
    async with Database(path, pragmas={"trusted_schema": "ON"}) as db:
        assert len(await db.q("SELECT * FROM v")) == 1


async def test_a_value_is_never_taken_for_a_refusal(path: Path) -> None:
    async with Database(path) as db:
        with pytest.raises(ValidationError):
            await db.q("SELECT ?", "unsafe use of")
