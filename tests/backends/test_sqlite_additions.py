"""Functions and collations that the triggers, views and indexes of a file need, and extensions."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import ConfigurationError, Database, MigrationError, QueryError
from deebase.migrations import Migrator
from deebase.tools.access import tools_of
from deebase.tools.backup import backup
from deebase.tools.doctor import examine

#: In the style of a library of books, whose application registers functions in Python.
BOOKS = """
    CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT 'Unknown' COLLATE NOCASE,
        sort TEXT COLLATE NOCASE, uuid TEXT);
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE PYTHON_NOCASE, UNIQUE (name));
    CREATE TABLE books_authors_link (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, author INTEGER NOT NULL,
        UNIQUE (book, author));
    CREATE INDEX authors_by_name ON authors (name COLLATE PYTHON_NOCASE);
    CREATE TRIGGER books_insert_trg AFTER INSERT ON books BEGIN
        UPDATE books SET sort = title_sort(NEW.title), uuid = uuid4() WHERE id = NEW.id;
    END;
    CREATE VIEW meta AS SELECT id, title, (SELECT sortconcat(bal.id, name) FROM books_authors_link AS bal
        JOIN authors ON author = authors.id WHERE book = books.id) AS authors FROM books;
"""


def title_sort(title: str) -> str:
    return title.removeprefix("The ") + (", The" if title.startswith("The ") else "")


def nocase(one: str, other: str) -> int:
    return (one.lower() > other.lower()) - (one.lower() < other.lower())


class SortConcat:
    """Texts in the order of their numbers."""

    def __init__(self) -> None:
        self.found: dict[int, str] = {}

    def step(self, number: int, text: str) -> None:
        self.found[number] = text

    def finalize(self) -> str | None:
        return " & ".join(self.found[number] for number in sorted(self.found)) or None


ADDED: dict[str, Any] = {
    "functions": {
        "title_sort": title_sort,
        "uuid4": (lambda: "a-uuid", {"deterministic": False}),
        "sortconcat": SortConcat,
    },
    "collations": {"PYTHON_NOCASE": nocase},
}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    path = tmp_path / "metadata.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.create_collation("PYTHON_NOCASE", nocase)
        raw.executescript(BOOKS)
        raw.execute("INSERT INTO authors VALUES (1, 'Ann'), (2, 'bob')")
    return path


async def test_triggers_views_and_indexes_find_what_they_call(books: Path) -> None:
    async with Database(books, **ADDED) as db:
        await db.reflect()
        await db.t.books.insert(title="The Sea")
        await db.t.books_authors_link.insert_all([{"book": 1, "author": 2}, {"book": 1, "author": 1}])
        assert await db.t.books(select=["sort", "uuid"]) == [{"sort": "Sea, The", "uuid": "a-uuid"}]
        assert await db.v.meta() == [{"id": 1, "title": "The Sea", "authors": "bob & Ann"}]
        assert await db.t.authors(name="ANN") == [{"id": 1, "name": "Ann"}]
        assert await db.q("SELECT name FROM authors ORDER BY name DESC") == [{"name": "bob"}, {"name": "Ann"}]


async def test_every_connection_has_them(books: Path, tmp_path: Path) -> None:
    async with Database(books, **ADDED) as db:
        await db.reflect()
        async with db.transaction(read_only=True):
            assert await db.v.meta() == []
        async with db.engine.connect() as connection:
            assert (await connection.execute(sa.text("SELECT title_sort('The A')"))).scalar_one() == "A, The"
        async for row in db.stream("SELECT title_sort('The A') AS t"):
            assert row == {"t": "A, The"}
        assert await examine(db) == []
        await backup(db, tmp_path / "backup.db")
    async with Database(f"file:{books}?mode=ro", **ADDED) as db:
        await db.reflect()
        assert await db.v.meta() == []
    async with Database(tmp_path / "backup.db", **ADDED) as db:
        await db.reflect()
        assert await db.t.books.insert(title="The B") == {
            "id": 1,
            "title": "The B",
            "sort": "B, The",
            "uuid": "a-uuid",
        }


async def test_a_file_whose_functions_are_missing_is_read(books: Path, tmp_path: Path) -> None:
    async with Database(books) as db:
        with pytest.warns(UserWarning, match="view meta is left out: SQLite: no such function: sortconcat"):
            await db.reflect()
        assert await db.t.authors() == [{"id": 1, "name": "Ann"}, {"id": 2, "name": "bob"}]
        assert "meta" not in db.v
        assert {item.name for item in (await tools_of(db).schema_script()).objects} >= {"meta", "books_insert_trg"}
        await backup(db, tmp_path / "backup.db")
        with pytest.raises(QueryError, match="no such function: title_sort") as caught:
            await db.t.books.insert(title="The Sea")
        assert "functions={...}" in str(caught.value)
        with pytest.raises(QueryError, match="PYTHON_NOCASE") as caught:
            await db.t.authors.insert(name="x")
        assert "collations={...}" in str(caught.value)


def bound(blob: bytes, number: int) -> float:
    return float(struct.unpack_from("<4d", blob, 8)[number])


async def test_the_triggers_of_a_geopackage(tmp_path: Path) -> None:
    names = ("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")
    path = tmp_path / "map.gpkg"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(f"""
            CREATE TABLE place (fid INTEGER PRIMARY KEY, geom POINT, name TEXT);
            CREATE VIRTUAL TABLE rtree_place_geom USING rtree(id, minx, maxx, miny, maxy);
            CREATE TRIGGER rtree_place_geom_insert AFTER INSERT ON place
            WHEN (new.geom NOT NULL AND NOT ST_IsEmpty(NEW.geom)) BEGIN
                INSERT OR REPLACE INTO rtree_place_geom
                VALUES (NEW.fid, {", ".join(f"{name}(NEW.geom)" for name in names)});
            END;
        """)
    functions: dict[str, Any] = {
        name: (lambda blob, place=place: bound(blob, place), {"arguments": 1}) for place, name in enumerate(names)
    }
    point = b"GP\x00\x03\xe6\x10\x00\x00" + struct.pack("<4d", 1.5, 1.5, 2.5, 2.5)
    async with Database(path, functions={**functions, "ST_IsEmpty": lambda blob: not blob}) as db:
        await db.reflect()
        await db.t.place.insert(geom=point, name="a")
        assert await db.q("SELECT id, minx, maxy FROM rtree_place_geom") == [{"id": 1, "minx": 1.5, "maxy": 2.5}]


async def test_functions_of_one_name_differ_in_their_arguments(tmp_path: Path) -> None:
    several = [lambda a: f"one {a}", (lambda a, b: f"two {a} {b}", {"deterministic": False}), lambda *a: f"{len(a)}"]
    async with Database(":memory:", functions={"many": several, "upper": lambda text: f"<{text}>"}) as db:
        assert await db.q("SELECT many(1) AS a, many(1, 2) AS b, many(1, 2, 3) AS c, upper('x') AS d") == [
            {"a": "one 1", "b": "two 1 2", "c": "3", "d": "<x>"}
        ]
        await db.q("CREATE TABLE t (a, b AS (many(a)))")
        with pytest.raises(QueryError, match="non-deterministic"):
            await db.q("CREATE TABLE u (a, b AS (many(a, a)))")


class Total:
    """An aggregate that a window can use."""

    def __init__(self) -> None:
        self.sum = 0

    def step(self, value: int) -> None:
        self.sum += value

    def inverse(self, value: int) -> None:
        self.sum -= value

    def value(self) -> int:
        return self.sum

    def finalize(self) -> int:
        return self.sum


async def test_an_aggregate_is_used_in_a_window() -> None:
    async with Database(":memory:", functions={"my_total": Total}) as db:
        rows = await db.q(
            "SELECT my_total(value) OVER (ORDER BY value ROWS 1 PRECEDING) AS t FROM json_each('[1, 2, 3]')"
        )
        assert [row["t"] for row in rows] == [1, 3, 5]


def fails(*_: Any) -> Any:
    raise ValueError("a secret value")


class FailsLate(SortConcat):
    finalize = fails


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT broken('x')", "the function broken raised ValueError"),
        ("INSERT INTO t (a) VALUES (broken(1))", "the function broken raised ValueError"),
        ("SELECT late(1, 'x')", "the aggregate function late raised ValueError"),
        ("SELECT 'b' AS a UNION ALL SELECT 'a' ORDER BY 1 COLLATE odd", "the collation odd raised ValueError"),
    ],
)
async def test_one_that_fails_is_named(sql: str, what: str) -> None:
    added: dict[str, Any] = {"functions": {"broken": fails, "late": FailsLate}, "collations": {"odd": fails}}
    async with Database(":memory:", **added) as db:
        await db.q("CREATE TABLE t (a)")
        with pytest.raises(QueryError, match=what) as caught:
            await db.q(sql)
        assert "test_sqlite_additions.py, line" in str(caught.value)
        assert "secret" not in str(caught.value)
        # The connection goes on.
        assert await db.q("SELECT count(*) AS n FROM t") == [{"n": 0}]


async def test_a_row_that_a_collation_could_not_place_is_not_stored() -> None:
    async with Database(":memory:", collations={"odd": fails}) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE odd UNIQUE)")
        await db.reflect()
        await db.t.t.insert(a="x")
        with pytest.raises(QueryError, match="the collation odd raised ValueError"):
            await db.t.t.insert(a="y")
        with pytest.raises(QueryError, match="the collation odd raised ValueError"):
            await db.q("INSERT INTO t (a) VALUES ('z')")
        assert await db.t.t.count() == 1


async def test_a_schema_that_calls_dangerous_functions_is_not_trusted_for_others(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "bad.db")) as raw:
        raw.execute("CREATE VIEW v AS SELECT fts3_tokenizer('simple'), title_sort('x')")
    async with Database(tmp_path / "bad.db", **ADDED) as db:
        with pytest.raises(QueryError, match="allowed only in a trusted schema"):
            await db.q("SELECT * FROM v")


async def test_an_extension_is_named_with_its_path(tmp_path: Path) -> None:
    async with Database(":memory:", extensions=[tmp_path / "missing.so"]) as db:
        with pytest.raises(ConfigurationError, match=r"cannot (be loaded|load extensions)"):
            await db.q("SELECT 1")
    async with Database(":memory:", functions={"f": len}) as db:
        with pytest.raises(QueryError):
            await db.q("SELECT load_extension('missing')")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"functions": {"f": 1}}, "function f is not a callable"),
        ({"functions": {"f": (len, {"arity": 1})}}, "unknown options"),
        ({"functions": {"f": (len, {"arguments": 200})}}, "wrong number of arguments"),
        ({"functions": [len]}, "functions is a mapping"),
        ({"functions": {"": len}}, "'' is not a name"),
        ({"collations": {"c": "x"}}, "collation c is not a function"),
        ({"extensions": "mod.so"}, "extensions is a list"),
        ({"extensions": [""]}, "is empty"),
    ],
)
def test_options_of_a_wrong_form_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Database(":memory:", **options)


@pytest.mark.parametrize("option", [{"functions": {"f": len}}, {"collations": {"c": nocase}}, {"extensions": ["x"]}])
def test_postgresql_has_its_own(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(option))} is an option for SQLite"):
        Database("postgresql://localhost/app", **option)


async def test_a_file_whose_collation_is_missing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "collection.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.create_collation("unicase", nocase)
        raw.executescript("""
            CREATE TABLE tags (tag TEXT NOT NULL PRIMARY KEY COLLATE unicase, usn INTEGER) WITHOUT ROWID;
            CREATE TABLE decks (id INTEGER PRIMARY KEY, name TEXT COLLATE "unicase");
            CREATE UNIQUE INDEX by_name ON decks (name);
            INSERT INTO tags VALUES ('b', 1), ('A', 2);
            INSERT INTO decks VALUES (1, 'b'), (2, 'A');
        """)
    async with Database(path) as db:
        await db.reflect()
        assert await db.t.tags(select=["tag"]) == [{"tag": "A"}, {"tag": "b"}]
        assert await db.t.decks.count() == 2
        for statement in (
            "SELECT * FROM tags WHERE tag = 'a'",
            "SELECT name FROM decks ORDER BY name LIMIT 1 OFFSET 1",
        ):
            with pytest.raises(QueryError, match="collation unicase of the file, which is not defined") as caught:
                await db.q(statement.replace("ORDER BY name", "ORDER BY +name COLLATE unicase"))
            assert "collations={'unicase': f}" in str(caught.value)
        with pytest.raises(QueryError, match="unicase"):
            await db.t.decks.insert(name="c")
    async with Database(path, collations={"unicase": nocase}) as db:
        await db.reflect()
        assert await db.t.tags.get("a") == {"tag": "A", "usn": 2}
        assert (await db.t.decks.insert(name="c"))["id"] == 3


async def test_a_baseline_is_written_without_the_functions_of_the_file(books: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(books)) as raw:
        raw.create_function("shout", 1, str.upper, deterministic=True)
        raw.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT CHECK (shout(body) <> ''))")
        raw.execute("CREATE INDEX by_shout ON notes (shout(body))")
    directory = tmp_path / "migrations"
    async with Database(books) as db:
        with pytest.warns(UserWarning, match="view meta is left out: SQLite: no such function: sortconcat"):
            await Migrator(db, directory).baseline()
    async with Database(tmp_path / "new.db") as db:
        with pytest.raises(MigrationError, match=r"no such (function: shout|collation sequence: PYTHON_NOCASE)"):
            await Migrator(db, directory).up()
    added: dict[str, Any] = {**ADDED, "functions": {**ADDED["functions"], "shout": str.upper}}
    async with Database(tmp_path / "other.db", **added) as db:
        await Migrator(db, directory).up()
        await db.reflect()
        assert (await db.t.notes.insert(body="x"))["id"] == 1
