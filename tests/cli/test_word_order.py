"""The database may come first or last, and the shared options before the command."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import Commands

BOOKS = [{"id": 1, "title": "A"}]
TABLES = [{"name": "book", "columns": 2, "key": ["id"]}]


@pytest.fixture
def library(directory: Path, nowhere: Commands) -> Commands:
    """A file that no setting names."""
    nowhere.ok("table", "create", "book", "id:int", "title:str", "--url", "app.db")
    nowhere.ok("data", "insert", "book", "-f", "title=A", "--url", "app.db")
    return nowhere


@pytest.mark.parametrize(
    "typed",
    [
        "app.db table list",
        "app.db tables",
        "tables app.db",
        "table list app.db",
        "--url app.db table list",
        "--url=app.db tables --json",
        "table --url app.db list",
        "--json --url app.db --debug table -o json list",
        "tables --json app.db",
        "sqlite:///app.db tables",
        "tables sqlite:///app.db",
        "--trust-schema app.db tables",
        "app.db --json tables",
    ],
)
def test_the_database_is_found_in_any_place(library: Commands, typed: str) -> None:
    assert library.ok(*typed.split()) == TABLES


def test_other_words_stay_what_they_are(library: Commands, directory: Path) -> None:
    assert library.ok("sql", "SELECT * FROM book", "app.db") == BOOKS
    assert library.ok("app.db", "sql", "SELECT * FROM book WHERE title = :t", "-p", "t=A") == BOOKS
    assert library.ok("data", "list", "book", "app.db", "--limit", "1") == BOOKS
    assert library.ok("index", "list", "app.db") == []
    (directory / "plain").write_bytes((directory / "app.db").read_bytes())
    assert library.ok("plain", "tables") == TABLES
    # A key, a table and a file of a command are no database.
    library.ok("table", "create", "x.db", "name:str", "--pk", "name", "--url", "app.db")
    library.ok("data", "insert", "x.db", "-f", "name=x.db", "--url", "app.db")
    assert library.ok("app.db", "data", "get", "x.db", "x.db") == {"name": "x.db"}
    assert library.ok("app.db", "data", "export", "x.db", "--format", "ndjson") == {"name": "x.db"}
    assert library.ok("data", "list", "x.db", "--where", "name = 'x.db'", "app.db") == [{"name": "x.db"}]
    assert library.ok("data", "list", "x.db", "--column", "name", "--url", "app.db") == [{"name": "x.db"}]
    assert library.fails("data", "list", "x.db", code=2).startswith("No database is named")
    assert library.fails("data", "get", "book", "app.db", code=2).startswith("No database is named")


def test_mistakes_are_reported_as_before(library: Commands) -> None:
    for typed, said in {
        "app.db tabel list": "No such command 'tabel'. Did you mean 'table'?",
        "app.db table lits": "No such command 'lits'. Did you mean 'list'?",
        "--url": "No such option '--url'.",
        "--url app.db tabel": "No such command 'tabel'. Did you mean 'table'?",
        "missing.db": "the database file missing.db does not exist",
        "tables missing.db": "the database file missing.db does not exist",
        "tables a.db b.db": "Got unexpected extra argument",
        "app.db help": "No such option '--url'",
    }.items():
        result = library.run(*typed.split())
        assert result.exit_code in (1, 2)
        assert said in result.stderr.splitlines()[-1]


def test_a_database_alone_is_an_overview(library: Commands) -> None:
    library.ok("index", "create", "book", "title", "--url", "app.db")
    line = {"name": "book", "columns": ["id", "title"], "rows": 1, "exact": True, "size_bytes": None, "indexes": 1}
    result = library.run("app.db")
    assert (result.exit_code, library.ok("app.db")) == (0, [line])
    assert "1 table, 0 views" in result.stderr
    assert "deebase studio app.db" in result.stderr
    assert library.ok("app.db", "--json") == [line]
    assert library.ok("--json", "app.db") == [line]
    assert library.ok("--url", "app.db") == [line]


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
def test_the_overview_and_the_schema_of_each_database(users: Commands, db_url: str, tmp_path: Path) -> None:
    found = {line["name"]: line for line in users.ok("overview")}
    assert [(name, line["rows"], line["indexes"]) for name, line in found.items()] == [("post", 0, 2), ("user", 3, 1)]
    assert users.run(db_url).stdout == users.run("overview").stdout
    # What opens the studio is shown without a password.
    assert db_url not in users.run("overview", "--url", db_url).stderr or "@" not in db_url
    whole, one = users.ok("schema"), users.ok("schema", "post")
    for text in ("CREATE TABLE", "ix_post_title", "ux_user_email"):
        assert text in whole
    assert "ix_post_title" in one
    assert "ux_user_email" not in one
    assert "does not exist" in users.fails("schema", "pots")


def test_the_printed_schema_creates_the_database(library: Commands, directory: Path) -> None:
    trigger = "CREATE TRIGGER kept BEFORE DELETE ON book BEGIN SELECT raise(ABORT, 'kept'); END"
    library.ok("sql", "--write", trigger, "app.db")
    library.ok("index", "create", "book", "title", "--where", "id > 1", "--url", "app.db")
    for typed in (["schema", "app.db"], ["app.db", "schema", "book"]):
        script = library.ok(*typed)
        with closing(sqlite3.connect(":memory:")) as db:
            db.executescript(script)
            names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        assert names == ["book", "ix_book_title", "kept"]
