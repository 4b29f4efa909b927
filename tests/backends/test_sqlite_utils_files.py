"""Files that sqlite-utils made: tables without a key, full-text search with triggers, JSON in text."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_utils import Database as SqliteUtils

from deebase import Database
from deebase.tools.adopt import look_at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "content.db"
    made = SqliteUtils(path)
    made["docs"].insert_all([{"id": 1, "title": "One", "tags": ["a", "b"]}, {"id": 2, "title": "Two"}], pk="id")
    made["docs"].enable_fts(["title"], create_triggers=True)
    made["log"].insert({"line": "first", "size": 1.5})
    made.enable_counts()
    made.close()
    return path


async def test_a_file_of_sqlite_utils_is_recognised(file: Path) -> None:
    async with Database(file) as db:
        overview = await look_at(db)
    assert [owner.name for owner in overview.owners] == ["sqlite-utils or Datasette"]
    notes = {table.name: table.notes for table in overview.tables}
    assert notes["log"][0] == "no get, update or upsert by key"
    assert any("triggers" in note for note in notes["docs"])


async def test_search_finds_what_deebase_writes_and_a_key_can_be_added(file: Path) -> None:
    async with Database(file) as db:
        await db.reflect()
        await db.t.docs.insert(title="Three")
        found = await db.q("SELECT rowid FROM docs_fts WHERE docs_fts MATCH 'three'")
        assert [row["rowid"] for row in found] == [3]
        assert (await db.t.docs[1])["tags"] == '["a", "b"]'
        log = await db.t.log.transform(pk="line")
        assert (await log["first"])["size"] == 1.5
