"""Diagrams, and what notebooks show of databases, tables, queries and rows."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from deebase import Database, ForeignKey, Table


@dataclass
class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    sequel_id: ForeignKey[int, "book"] | None
    title: str


@pytest.fixture
async def authors(db: Database) -> Table[Author]:
    authors = await db.create(Author)
    await db.create(Book, indexes=["title"])
    await db.create_view("name", "SELECT name FROM author")
    await authors.insert(name="Ada <b>")
    return authors


async def test_the_diagram_of_a_database(db: Database, authors: Table[Author]) -> None:
    diagram = db.diagram()
    assert "    author ||--o{ book" in str(diagram)
    assert "    book |o--o{ book" in diagram.mermaid
    assert "BIGINT id PK" in str(diagram) or "INTEGER id PK" in str(diagram)
    texts = "".join(ElementTree.fromstring(diagram.svg).itertext())
    assert "book.sequel_id refers to book" in texts
    assert "name" not in {line.strip() for line in str(diagram).splitlines()}
    assert diagram._repr_svg_() == diagram.svg
    assert "digraph" in diagram.dot
    assert "3 tables" in repr(db.diagram(views=True))
    await db.reflect()
    assert str(db.diagram()) == str(diagram)


async def test_a_database_that_knows_nothing(db: Database) -> None:
    assert str(db.diagram()) == "erDiagram\n"
    ElementTree.fromstring(db.diagram().svg)
    assert "await db.reflect()" in db._repr_html_()


async def test_what_a_notebook_shows(db: Database, authors: Table[Author]) -> None:
    assert all(name in db._repr_html_() for name in ("author", "book", "view", "sequel_id"))
    shown = db.t.book._repr_html_()
    assert all(text in shown for text in ("author.id", "book.id", "PK", "NOT NULL", "ix_book_title (title)"))
    assert "name" in db.v.name._repr_html_()
    query = authors(name="x")
    assert "not run yet" in query._repr_html_()
    assert "SELECT" in query._repr_html_()
    rows = await authors()
    assert "Ada &lt;b&gt;" in rows._repr_html_()  # type: ignore[attr-defined]
    assert "Ada &lt;b&gt;" in (await db.q("SELECT * FROM author"))._repr_html_()  # type: ignore[attr-defined]


async def test_rows_are_lists_in_every_way(db: Database, authors: Table[Author]) -> None:
    rows = await authors.rows_as(dict)()
    assert rows == [{"id": 1, "name": "Ada <b>"}]
    assert json.dumps(rows) == '[{"id": 1, "name": "Ada <b>"}]'
    assert pickle.loads(pickle.dumps(rows)) == rows
    assert rows[:1] == rows
