"""Names and texts in the schema of a stranger: they stay names and texts in modules, in SQL and on a terminal."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from deebase import Database
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.copying import copy_database
from tests.support.commands import Commands
from tests.support.modules import imported

NAMES = [
    *("a\"b'c", 'x"""\nimport os; os.mkdir("run")\n"""', "# coding: utf-7", "*/ DROP TABLE victim; --"),
    *("$$; DROP TABLE victim; $$", "{0}{x!r}", "%s %(x)s %%", ":name ?1 $1 @x", "back\\slash\\N{BULLET}\\"),
    *("\x1b]0;title\x07\x1b[31m", "\u202etxt.exe", "\u2028line\u2029", "=cmd|'/C calc'!A1", "class", "__class__"),
    *("');import os;os.mkdir('run')#", "\ufeff", "a\tb\r\nc"),
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def schema() -> list[str]:
    """Return statements with each name as that of a table, column, constraint, index, view, trigger, and as a text."""
    statements = ["CREATE TABLE victim (id INTEGER PRIMARY KEY)"]
    for name in NAMES:
        text = name.replace("'", "''")
        table, column = quoted(name), quoted(f"{name} c")
        statements += [
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} TEXT DEFAULT '{text}', other INTEGER, "
            f"CONSTRAINT {quoted(f'{name} k')} CHECK ({column} <> '{text}x'))",
            f"CREATE INDEX {quoted(f'{name} i')} ON {table} ({column}) WHERE other > 0",
            f"CREATE VIEW {quoted(f'{name} v')} AS SELECT id AS {table}, '{text}' AS t FROM {table}",
            f"CREATE TRIGGER {quoted(f'{name} t')} AFTER DELETE ON {table} BEGIN SELECT '{text}'; END",
            f"INSERT INTO {table} (id) VALUES (1)",
        ]
    return statements


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.db"
    raw = sqlite3.connect(path)
    for sql in schema():
        raw.execute(sql)
    raw.commit()
    raw.close()
    return path


def objects(path: Path) -> list[tuple[str, str, str]]:
    raw = sqlite3.connect(path)
    found = raw.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()
    raw.close()
    return found


async def test_a_generated_module_makes_the_same_schema_and_runs_nothing_else(path: Path) -> None:
    async with Database(path) as db:
        await create_mod_from_database("models.py", db)
    with imported(Path("models.py")) as models:
        async with Database("made.db") as db:
            await models.create_tables(db)
    assert objects(Path("made.db")) == objects(path)
    assert not Path("run").exists()


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_copy_to_postgres_has_every_table_and_runs_nothing_else(path: Path, db: Database) -> None:
    async with Database(path) as source:
        report = await copy_database(source, db)
    assert sorted(table.name for table in report.tables) == sorted([*NAMES, "victim"])
    for name in NAMES:
        assert await db.q(f"SELECT {quoted(f'{name} c')} AS c FROM {quoted(name)}") == [{"c": name}]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_control_character_reaches_a_terminal(path: Path, options: list[str]) -> None:
    commands = Commands(str(path))
    code, shown = commands.on_terminal("adopt", *options)
    assert code == 0
    # Rich writes the styles of the titles.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert not {char for char in plain if not char.isprintable()} - {"\n", "\r", "\u00ad", "\u200d"}
    assert "title" in plain
    assert "\x1b[31m" not in shown


def test_json_of_the_page_has_every_name_as_it_is(path: Path) -> None:
    found = json.loads(Commands(str(path)).run("adopt", "--json").stdout)
    assert sorted(table["name"] for table in found["tables"]) == sorted([*NAMES, "victim"])
