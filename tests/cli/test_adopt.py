"""`deebase adopt`: what it says of a database, and the files that it writes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.worlds import capabilities_at

TABLES = """
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE book (isbn VARCHAR(20) PRIMARY KEY, author INTEGER REFERENCES author (id));
    CREATE TABLE log (line TEXT);
    CREATE VIEW titles AS SELECT isbn FROM book;
    INSERT INTO author VALUES (1, 'Ada'), (2, 'Bob');
"""
DJANGO = "CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app TEXT, name TEXT, applied TEXT)"


def made(cli: Commands, sql: str) -> Commands:
    for statement in filter(str.strip, sql.split(";")):
        cli.ok("sql", "--write", statement)
    return cli


def test_a_page_tells_what_a_database_holds(cli: Commands) -> None:
    page = made(cli, TABLES).ok("adopt")
    assert "3 tables, 2 rows, 1 view" in page
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in page.splitlines() if line.strip()}
    assert lines["author"] == "2 id"
    assert lines["book"] == "0 isbn"
    assert lines["log"] == "0 none no get, update or upsert by key"
    assert "titles" in lines
    assert "\x1b" not in page
    assert "deebase migrate baseline" in page


def test_everything_that_was_found_is_there_as_json(cli: Commands) -> None:
    found = made(cli, TABLES).ok("adopt", "--json")
    assert found["kind"] == capabilities_at(str(cli.url)).name
    assert [(table["name"], table["rows"], table["key"]) for table in found["tables"]] == [
        ("author", 2, ["id"]),
        ("book", 0, ["isbn"]),
        ("log", 0, []),
    ]
    assert [view["name"] for view in found["views"]] == ["titles"]


def test_the_owner_of_migrations_is_recognised_and_kept(cli: Commands) -> None:
    page = made(cli, f"{TABLES}; {DJANGO}").ok("adopt")
    assert "Made by Django" in page
    assert "python manage.py migrate" in page
    assert "belongs to Django" in page
    # Where another program runs the migrations, the page does not offer a first one.
    assert "deebase migrate baseline   " not in page


def test_nothing_is_written_without_being_asked(cli: Commands, directory: Path, db_url: str) -> None:
    made(cli, TABLES)
    file = Path(db_url)
    before = hashlib.sha256(file.read_bytes()).digest() if file.is_file() else cli.ok("adopt", "--json")
    cli.ok("adopt", "--write", "out")
    after = hashlib.sha256(file.read_bytes()).digest() if file.is_file() else cli.ok("adopt", "--json")
    assert after == before
    assert [path.name for path in directory.iterdir()] == ["out"]
    assert sorted(path.name for path in (directory / "out").iterdir()) == [
        "deebase.toml",
        "models.py",
        "test_models.py",
    ]


@pytest.mark.parametrize(
    "backend_name", ["sqlite-file", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
def test_the_written_test_passes_and_the_models_match(cli: Commands, directory: Path, db_url: str) -> None:
    made(cli, TABLES).ok("adopt", "--write", "out")
    place = directory / "out"
    is_file = capabilities_at(db_url).is_one_file
    server = [] if is_file else [f"--deebase-url={db_url}"]
    # On a server, the tables may need what SQLite does not have.
    assert ("`pytest` uses a SQLite file" in (place / "test_models.py").read_text()) == is_file
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *server, "test_models.py"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_files_are_never_replaced(cli: Commands, directory: Path) -> None:
    made(cli, TABLES)
    (directory / "models.py").write_text("mine")
    assert cli.run("adopt", "--write", ".").stderr == "Error: models.py already exists (choose another directory)\n"
    assert (directory / "models.py").read_text() == "mine"
    assert not (directory / "deebase.toml").exists()


def test_an_address_may_be_the_argument(nowhere: Commands, cli: Commands, db_url: str) -> None:
    made(cli, TABLES)
    assert "3 tables" in nowhere.ok("adopt", db_url)


@pytest.mark.parametrize(
    ("owner", "table"),
    [
        ("Alembic", "alembic_version (version_num VARCHAR(32) PRIMARY KEY)"),
        ("Rails", "schema_migrations (version VARCHAR(255) PRIMARY KEY)"),
        ("Ecto", "schema_migrations (version BIGINT PRIMARY KEY, inserted_at TIMESTAMP)"),
        ("Prisma", "_prisma_migrations (id VARCHAR(36) PRIMARY KEY, migration_name VARCHAR(255))"),
        ("Flyway", "flyway_schema_history (installed_rank INTEGER PRIMARY KEY)"),
    ],
)
def test_programs_are_recognised_by_their_records(cli: Commands, owner: str, table: str) -> None:
    found = made(cli, f"CREATE TABLE {table}").ok("adopt", "--json")
    assert [one["name"] for one in found["owners"]] == [owner]
    assert found["tables"][0]["owner"] == owner


def test_no_owner_is_made_up(cli: Commands) -> None:
    found = made(cli, "CREATE TABLE migrations (id INTEGER PRIMARY KEY, place TEXT)").ok("adopt", "--json")
    assert found["owners"] == []
