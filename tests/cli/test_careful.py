"""Commands that look, and those that change more than one row: nothing happens that was not asked for."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.commands import Commands


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A file that somebody else made, without WAL."""
    path = tmp_path / "club.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("""
        CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE booking (id INTEGER PRIMARY KEY, member INTEGER NOT NULL REFERENCES member, hour INTEGER,
            CONSTRAINT opening CHECK (hour > 7));
        INSERT INTO member VALUES (1, 'Ada'), (2, 'Bob');
        INSERT INTO booking VALUES (1, 1, 9);
    """)
    connection.close()
    return path


def test_a_file_that_is_looked_at_stays_as_it_is(foreign: Path) -> None:
    before = foreign.read_bytes()
    commands = Commands(str(foreign))
    for arguments in (
        ("table", "list"),
        ("table", "show", "booking"),
        ("table", "schema", "booking"),
        ("data", "list", "booking"),
        ("data", "export", "member"),
        ("sql", "SELECT count(*) FROM booking"),
        ("db", "info"),
        ("db", "doctor"),
        ("diagram",),
        ("codegen",),
    ):
        commands.ok(*arguments)
        assert foreign.read_bytes() == before, arguments
    assert list(foreign.parent.glob("club.sqlite*")) == [foreign]


def test_what_is_refused_is_named(foreign: Path) -> None:
    commands = Commands(str(foreign))
    assert "rows of booking (member) still refer to this one" in commands.fails(
        "data", "delete", "member", "1", "--yes"
    )
    refused = commands.fails("data", "insert", "booking", "-f", "member=1", "-f", "hour=3")
    assert refused.startswith("booking: the row violates a CHECK condition (constraint opening)")


def test_a_change_of_all_rows_is_asked_for(foreign: Path) -> None:
    commands = Commands(str(foreign))
    asked = commands.fails("data", "update", "member", "--all", "-f", "name=x", code=2)
    assert asked.startswith("Change 2 rows of member?")
    assert commands.ok("data", "update", "member", "--all", "-f", "name=x", "--yes", "--json") == {"updated": 2}


def test_a_change_that_is_only_shown_says_of_how_many_rows(foreign: Path) -> None:
    commands = Commands(str(foreign))
    for arguments, said in (
        (("update", "member", "--where", "id > 0", "-f", "name=x"), "2 rows would be updated of member."),
        (("delete", "booking", "--all"), "1 row would be deleted of booking."),
        (("delete", "booking", "1"), "1 row would be deleted of booking."),
    ):
        result = commands.run("data", *arguments, "--dry-run")
        assert result.stderr.splitlines() == [said]
        assert result.stdout.endswith(";\n")
    assert len(commands.ok("data", "list", "booking")) == 1


def test_hints_are_in_the_words_of_the_command(foreign: Path, directory: Path) -> None:
    commands = Commands(str(foreign))
    commands.ok("data", "export", "member", "member.csv")
    assert "(--overwrite replaces it)" in commands.fails("data", "export", "member", "member.csv")
    assert "give --on with unique columns" in commands.fails("data", "upsert", "member", "-f", "name=Ada")
    (directory / "bad.csv").write_text("member,hour\n1,noon\n1,night\n")
    bad = commands.fails("data", "import", "bad.csv", "--table", "booking")
    assert bad.startswith(
        "bad.csv, line 2, column 'hour': is not a whole number (such as 42; what means NULL is named by"
    )
    assert bad.rstrip().endswith("--null; the same goes for line 3 (hour))")
    commands.ok("db", "backup", "--output", "copy.backup")
    assert "(--overwrite replaces it)" in commands.fails("db", "backup", "--output", "copy.backup")
    assert "(--replace takes their place)" in commands.fails("db", "restore", "copy.backup")
    commands.ok("view", "create", "names", "--sql", "SELECT name FROM member")
    assert "(--replace replaces it)" in commands.fails("view", "create", "names", "--sql", "SELECT 1 AS x")


def test_what_cannot_be_restored_leaves_nothing_behind(foreign: Path, directory: Path) -> None:
    (directory / "notes.txt").write_text("no backup")
    assert "is not a SQLite database" in Commands("new.db").fails("db", "restore", "notes.txt")
    assert "cannot be read" in Commands("new.db").fails("db", "restore", "gone.backup")
    assert [path.name for path in directory.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("damaged", ["header", "schema", "pages"])
def test_a_damaged_file_is_a_finding(foreign: Path, damaged: str) -> None:
    content = bytearray(foreign.read_bytes())
    if damaged == "header":
        content[:16] = b"no such database"
    elif damaged == "schema":
        content[100:108] = b"\xff" * 8
    else:
        content[4096:4104] = b"\xff" * 8
    foreign.write_bytes(content)
    result = Commands(str(foreign)).run("db", "doctor", "--json")
    assert result.exit_code == 4, result.output
    assert {finding["rule"] for finding in json.loads(result.stdout)} >= {"damaged"}


def test_a_way_back_says_what_it_takes_away(directory: Path) -> None:
    commands = Commands("shop.db")
    (directory / "migrations").mkdir()
    draft = "-- upgrade\nCREATE TABLE tag (id INTEGER PRIMARY KEY, word TEXT);\n-- downgrade\nDROP TABLE tag;\n"
    (directory / "migrations" / "draft-tags.sql").write_text(draft)
    commands.ok("migrate", "seal")
    commands.ok("migrate", "up")
    assert "drops" not in commands.fails("migrate", "down", code=2)
    commands.ok("data", "insert", "tag", "-f", "word=x")
    (planned,) = commands.ok("migrate", "down", "--plan")
    assert (planned["operations"], planned["rows"]) == (["drops table tag"], {"tag": 1})
    refused = commands.run("migrate", "down")
    assert refused.exit_code == 2
    assert "0001-tags, undone, drops table tag; 1 row in tag" in refused.stderr
    done = commands.run("migrate", "down", "--yes", "--backup", "--allow-destructive").stderr
    assert "Wrote the backup" in done
    assert done.rstrip().endswith("Undid 0001-tags.")
    assert len(list(directory.glob("shop-*.db"))) == 1


def test_a_result_without_rows_says_so(foreign: Path) -> None:
    commands = Commands(str(foreign))
    for arguments in (("data", "list", "member", "--where", "id > 9"), ("sql", "SELECT 1 WHERE 1 = 0")):
        assert commands.run(*arguments, "-o", "table").stderr == "No rows.\n"
        assert (commands.run(*arguments).stdout, commands.run(*arguments).stderr) == ("[]\n", "")


def test_a_large_result_is_shown_in_several_tables(foreign: Path) -> None:
    commands = Commands(str(foreign))
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000) SELECT x FROM n"
    lines = commands.run("sql", numbers, "-o", "table").stdout.split()
    assert lines.count("x") == 2
    assert [line for line in lines if line.isdecimal()] == [str(n) for n in range(1, 1001)]


def test_a_table_for_a_terminal_ends_after_many_rows(foreign: Path) -> None:
    commands = Commands(str(foreign))
    numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1500) "
    commands.ok("sql", "--write", f"INSERT INTO member SELECT x, 'm' FROM ({numbers} SELECT x + 10 AS x FROM n)")
    shown = commands.run("data", "list", "member", "-o", "table")
    assert "Only the first 1,000 rows" in shown.stderr
    assert shown.stdout.count(" m ") == 998
    assert commands.run("data", "list", "member", "-o", "table", "--limit", "1200").stdout.count(" m ") == 1198
    assert len(commands.run("data", "list", "member", "-o", "csv").stdout.splitlines()) == 1503


def test_what_there_is_to_know_is_said(foreign: Path) -> None:
    commands = Commands(str(foreign))
    commands.ok("sql", "--write", "CREATE TABLE word (w TEXT)")
    assert "booking.member already refers to member" in commands.fails(
        "table", "transform", "booking", "--add-fk", "member=member", "--yes"
    )
    Path("tag.csv").write_text("id,word\n1,a\n")
    assert commands.run("data", "import", "tag.csv").stderr.startswith("tag (created): 1 row from tag.csv\n")
    content = bytearray(foreign.read_bytes())
    content[:16] = b"no such database"
    foreign.write_bytes(content)
    assert "deebase db doctor shows what is damaged" in commands.fails("table", "list")
