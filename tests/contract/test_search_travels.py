"""A search goes with its table: into copies, backups, modules of code and migrations, and back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, Search, Table, create_mod_from_database
from deebase._sqltext.capabilities import Capabilities
from deebase.migrations import Migrator
from deebase.tools.backup import backup, restore
from deebase.tools.copying import copy_database
from tests.support.migrations import compare, scratch
from tests.support.modules import imported
from tests.support.own_server import programs_directory
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file", "postgres")


@dataclass
class Article:
    id: int | None
    title: str
    body: str | None


@dataclass
class Note:
    slug: str
    text: str


WANTED = Search("title", "body", weights={"title": 4}, language="english", prefix=True)


async def fill(db: Database) -> None:
    articles = await db.create(Article, search=WANTED)
    await articles.insert_all([{"title": f"title {n}", "body": f"Running word{n}"} for n in range(5)])
    notes = await db.create(Note, pk="slug", search=["text"])
    await notes.insert_all([{"slug": f"s{n}", "text": f"running word{n}"} for n in range(5)])
    parts = await db.create(Note, name="part", pk="slug", search=Search("text", tokenize="trigram"))
    await parts.insert({"slug": "a", "text": "needles"})


async def works(db: Database) -> None:
    """Check that all tables are searchable, and stay so."""
    await db.reflect()
    assert sorted(table.name for table in db.t) == ["article", "note", "part"]
    found = {name: db._core.catalog.facts(name).search.search for name in ("article", "note", "part")}  # type: ignore[union-attr]
    assert found == {"article": WANTED, "note": Search("text"), "part": Search("text", tokenize="trigram")}
    articles: Table[Any] = db.t.article
    hits = [hit.row["id"] for hit in await articles.rows_as(dict).search("runs word3")]
    assert hits == [4]
    async with db.transaction():
        await articles.update({"id": 4, "body": "other"})
        assert await articles.search("word3").count() == 0
        await db.t.note.insert({"slug": "new", "text": "word9"})
        assert [await db.t.note.search(text).count() for text in ("running", "word*", "word9")] == [5, 6, 1]
        await articles.update({"id": 4, "body": "Running word3"})
        await db.t.note.delete("new")
    assert [row["slug"] for row in await db.t.part.rows_as(dict).search("eedl", rows=True)] == ["a"]


@pytest.fixture
def programs(capabilities: Capabilities, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's version on PATH."""
    if not capabilities.is_one_file:
        monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
async def other_kind(postgres_url: str, tmp_path: Path, capabilities: Capabilities) -> AsyncIterator[Database]:
    """A database of the other kind."""
    async with Database(postgres_url if capabilities.is_one_file else str(tmp_path / "other.db")) as database:
        yield database


@pytest.mark.usefixtures("programs")
async def test_copies_and_backups(db: Database, second: Database, other_kind: Database, tmp_path: Path) -> None:
    await fill(db)
    await works(db)
    report = await copy_database(db, second)
    assert report.left_out == ()
    await works(second)
    report = await copy_database(db, other_kind)
    assert sorted(table.name for table in report.tables) == ["article", "note", "part"]
    assert report.left_out == ()
    await works(other_kind)
    path = await backup(db, tmp_path / "saved")
    await db.t.article.truncate()
    await db.t.note.drop()
    await restore(db, path, replace=True)
    await works(db)


async def test_code(db: Database, second: Database, tmp_path: Path) -> None:
    await fill(db)
    await create_mod_from_database(tmp_path / "models.py", db)
    source = "".join((tmp_path / "models.py").read_text(encoding="utf-8").split())
    assert 'Search("title","body",weights={"title":4},language="english",prefix=True' in source
    assert "deebase_search" not in source
    assert "article_search" not in source
    with imported(tmp_path / "models.py") as module:
        await module.create_tables(second)
    assert [str(difference) for difference in (await compare(db, second)).differences()] == []
    assert await second.t.article.search("x").count() == 0


@pytest.mark.on_a_file
async def test_migrations(db: Database, tmp_path: Path) -> None:
    async def wanted(made: Database) -> None:
        await made.create(Article, search=WANTED)
        await made.create(Note, pk="slug")

    async def changed(made: Database) -> None:
        await made.create(Article, search=["body"])
        await made.create(Note, pk="slug", search=["text"])

    async def step(models: Any) -> str:
        path = await Migrator(db, tmp_path / "migrations", models=models).new("step")
        text = "".join(path.read_text(encoding="utf-8").split())
        await Migrator(db, tmp_path / "migrations").seal()
        await Migrator(db, tmp_path / "migrations").up(allow_destructive=True)
        async with scratch(db) as made:
            await models(made)
            assert [str(difference) for difference in (await compare(db, made)).differences()] == []
        return text

    assert 'Search("title","body",weights={"title":4}' in await step(wanted)
    await db.reflect()
    await db.t.article.insert({"title": "needle", "body": "hay"})
    text = await step(changed)
    assert '.enable_search("text")' in text
    assert 'enable_search("title","body",weights={"title":4},language="english",prefix=True' in text
    await db.reflect()
    assert [await db.t.article.search(word).count() for word in ("needle", "hay")] == [0, 1]
    await Migrator(db, tmp_path / "migrations").down(allow_destructive=True)
    await db.reflect()
    assert await db.t.article.search("needle").count() == 1
    assert await db.t.article.search("title:needle").count() == 0
    await Migrator(db, tmp_path / "migrations").down(allow_destructive=True)
