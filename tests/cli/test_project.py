"""`deebase init`, `codegen`, `completion`, `help`, `db info` and `diagram`."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deebase import errors
from tests.support.commands import Commands
from tests.support.worlds import capabilities_at

USES_THE_MODELS = """
import asyncio, models
from deebase import Database

async def main():
    async with Database(":memory:") as db:
        print(await (await db.create(models.Note)).insert(text="x"))

asyncio.run(main())
"""


def files_in(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


def test_a_project_works_as_it_is_made(nowhere: Commands, directory: Path) -> None:
    nowhere.ok("init")
    assert files_in(directory) == {".env", ".gitignore", "deebase.toml", "migrations", "models.py"}
    assert stat.S_IMODE((directory / ".env").stat().st_mode) == 0o600
    assert (directory / ".gitignore").read_text() == ".env\nshop.db*\n"
    assert (directory / ".env").read_text() == "DATABASE_URL=sqlite:///shop.db\n"
    nowhere.ok("table", "create", "note", "id:int", "text:str")
    assert nowhere.ok("table", "list") == [{"name": "note", "columns": 2, "key": ["id"]}]
    run = subprocess.run(
        [sys.executable, "-c", USES_THE_MODELS], cwd=directory, capture_output=True, text=True, timeout=100
    )
    assert run.stdout == "Note(id=1, text='x')\n", run.stderr


def test_models_come_into_a_new_package(nowhere: Commands, directory: Path) -> None:
    nowhere.ok("init", "deep/shop", "--new-package", "my_shop")
    made = files_in(directory / "deep" / "shop")
    assert {"my_shop/__init__.py", "my_shop/models.py", "deebase.toml", "migrations"} <= made
    assert 'models = "my_shop.models"' in (directory / "deep/shop/deebase.toml").read_text()


@pytest.mark.parametrize("place", ["app", "src/app"])
def test_models_come_into_a_package_that_is_there(nowhere: Commands, directory: Path, place: str) -> None:
    (directory / place).mkdir(parents=True)
    (directory / place / "__init__.py").write_text("x = 1\n")
    nowhere.ok("init", "--package", "app", "--postgres")
    assert (directory / place / "models.py").exists()
    assert (directory / place / "__init__.py").read_text() == "x = 1\n"
    assert (directory / ".env").read_text().startswith("DATABASE_URL=postgresql://")


@pytest.mark.parametrize("name", ["deebase.toml", ".env", "models.py", "migrations/0001-x.py"])
def test_nothing_is_overwritten_and_nothing_made(nowhere: Commands, directory: Path, name: str) -> None:
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text("mine")
    before = files_in(directory)
    assert name.partition("/")[0] in nowhere.fails("init")
    assert files_in(directory) == before
    assert (directory / name).read_text() == "mine"


def test_a_link_is_not_followed(nowhere: Commands, directory: Path, tmp_path: Path) -> None:
    (directory / ".env").symlink_to(tmp_path / "elsewhere")
    assert ".env" in nowhere.fails("init")
    assert not (tmp_path / "elsewhere").exists()


def test_a_project_that_cannot_be_made_leaves_nothing(nowhere: Commands, directory: Path) -> None:
    (directory / "app").write_text("a file where a package should be")
    message = nowhere.fails("init", "--new-package", "app.sub")
    assert "cannot be created" in message
    assert files_in(directory) == {"app"}


@pytest.mark.parametrize("name", ["../x", "a-b", "class", "", "x/y", "a..b"])
def test_a_package_has_a_name_of_python(nowhere: Commands, directory: Path, name: str) -> None:
    assert "package" in nowhere.fails("init", "--new-package", name, code=2)
    assert files_in(directory) == set()


def test_git_ignores_the_password_once(nowhere: Commands, directory: Path) -> None:
    (directory / ".gitignore").write_text("*.pyc")
    nowhere.ok("init")
    assert (directory / ".gitignore").read_text() == "*.pyc\n.env\nshop.db*\n"


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_models_are_written_and_compared(users: Commands, directory: Path) -> None:
    whole = users.ok("codegen")
    assert "class User:" in whole
    assert "class Post:" in whole
    assert "class Post:" not in users.ok("codegen", "user")
    users.ok("codegen", "-o", "m.py")
    assert (directory / "m.py").read_text() == whole
    users.ok("codegen", "-o", "m.py", "--check")
    assert "--overwrite" in users.fails_last("codegen", "-o", "m.py")
    users.ok("table", "add-column", "post", "likes:int:default=0")
    result = users.run("codegen", "-o", "m.py", "--check")
    assert result.exit_code == 4
    assert "+    likes: int = 0" in result.stdout
    assert (directory / "m.py").read_text() == whole
    users.ok("codegen", "-o", "m.py", "--overwrite")
    users.ok("codegen", "-o", "m.py", "--check")
    assert users.run("codegen", "-o", "gone.py", "--check").exit_code == 4
    assert users.run("codegen", "--check").exit_code == 2


def test_the_info_says_which_database_it_is(users: Commands, db_url: str) -> None:
    info = users.ok("db", "info")
    assert list(info) == ["kind", "version", "database", "host", "size_bytes", "tables", "views"]
    assert info["kind"] == capabilities_at(db_url).name
    assert (info["tables"], info["views"]) == (2, 0)
    assert info["size_bytes"] > 1000


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_a_script(nowhere: Commands, shell: str) -> None:
    assert f"_DEEBASE_COMPLETE={shell}_complete" in nowhere.ok("completion", shell)


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("deebase t", {"table", "tables", "tour"}),
        ("deebase table c", {"create"}),
        ("deebase data list --wh", {"--where"}),
    ],
)
def test_commands_and_options_are_completed(nowhere: Commands, words: str, completed: set[str]) -> None:
    variables = {"_DEEBASE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    process = nowhere.process(env={**os.environ, **variables})
    said, _ = process.communicate(timeout=100)
    assert {line.partition(",")[2] for line in said.splitlines()} == completed


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_diagram_is_drawn(users: Commands, directory: Path) -> None:
    users.ok("view", "create", "adult", "--sql", 'SELECT id FROM "user"')
    assert users.ok("diagram").startswith("erDiagram")
    assert "adult" not in users.ok("diagram")
    assert "adult" in users.ok("diagram", "--views")
    for name in ("a.svg", "a.mmd", "a.dot"):
        users.ok("diagram", "-o", name)
        assert "user" in (directory / name).read_text()
    assert "--overwrite" in users.fails("diagram", "-o", "a.svg")
    users.ok("diagram", "-o", "a.svg", "--overwrite")
    assert users.fails("diagram", "-o", "a.png", code=2)


def test_help_explains_a_command_as_its_option_does(nowhere: Commands) -> None:
    assert nowhere.ok("help") == nowhere.ok("--help")
    assert nowhere.ok("help", "migrate", "up") == nowhere.ok("migrate", "up", "--help")


@pytest.mark.parametrize("name", errors.__all__)
def test_help_explains_every_error(nowhere: Commands, name: str) -> None:
    words = getattr(errors, name)("").reference.split()
    shown = nowhere.ok(*words[1:])
    assert shown.startswith(f"## {name}\n\n")
    assert len(shown.split()) > 4
    assert "](" not in shown


def test_help_for_an_unknown_topic_suggests_the_nearest(nowhere: Commands) -> None:
    assert "'NotFoundError'" in nowhere.fails("help", "NotFoundEror", code=2)
    assert "'up'" in nowhere.fails("help", "migrate", "upp", code=2)
    assert "deebase --help" in nowhere.fails("help", "qqqqq", code=2)


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deebase", "help", "NotFoundError"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout.startswith("## NotFoundError")


ADDITIONS = """
def title_sort(title):
    return title.removeprefix("The ")

class Joined:
    def __init__(self):
        self.found = []

    def step(self, text):
        self.found.append(text)

    def finalize(self):
        return "+".join(self.found)

FUNCTIONS = {"title_sort": title_sort, "joined": Joined, "asked": (lambda: 1, {"deterministic": False})}
COLLATIONS = {"PYTHON_NOCASE": lambda one, other: (one.lower() > other.lower()) - (one.lower() < other.lower())}
"""
NEEDS_THEM = """
    CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT COLLATE PYTHON_NOCASE, sort TEXT);
    CREATE INDEX by_title ON books (title, title_sort(title));
    CREATE TRIGGER sorts AFTER INSERT ON books BEGIN UPDATE books SET sort = title_sort(title); END;
    CREATE VIEW sorted AS SELECT joined(title_sort(title)) AS title FROM books;
"""


def test_a_project_names_the_functions_that_a_file_needs(nowhere: Commands, directory: Path) -> None:
    with closing(sqlite3.connect(directory / "books.db")) as raw:
        raw.create_collation("PYTHON_NOCASE", lambda one, other: (one > other) - (one < other))
        raw.create_function("title_sort", 1, str, deterministic=True)
        raw.executescript(NEEDS_THEM)
    (directory / "deebase.toml").write_text('url = "books.db"\nadditions = "additions_of_books"\n')
    assert "no module additions_of_books, which the setting additions names" in nowhere.fails("table", "list")
    (directory / "additions_of_books.py").write_text(ADDITIONS)
    nowhere.ok("data", "insert", "books", "-f", "title=The Sea")
    assert nowhere.ok("sql", "SELECT title, sort FROM books WHERE title = 'the sea'") == [
        {"title": "The Sea", "sort": "Sea"}
    ]
    assert nowhere.ok("sql", "SELECT * FROM sorted") == [{"title": "Sea"}]
    assert "asked is not among what only reads" in nowhere.fails("sql", "SELECT asked()")
    nowhere.ok("db", "copy", "books.db", "copied.db")
    assert nowhere.ok("sql", "SELECT * FROM sorted", "--url", "copied.db") == [{"title": "Sea"}]
