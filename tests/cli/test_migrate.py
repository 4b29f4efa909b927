"""`deebase migrate`: each command on a project in a directory, on both databases."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deebase.cli import main
from tests.support.commands import Commands
from tests.support.own_server import programs_directory
from tests.support.worlds import only_on

MODELS = """
class User:
    id: int
    name: str


class Post:
    id: int
    title: str
"""

Run = Callable[..., Result]


backend_name = only_on("sqlite-file", "postgres")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose models are `models_<name of the directory>`, so that each test imports its own."""
    place = tmp_path / "project"
    place.mkdir()
    monkeypatch.chdir(place)
    module = f"models_{re.sub('[^a-z0-9]', '_', tmp_path.name)}"
    (place / f"{module}.py").write_text(MODELS, encoding="utf-8")
    (place / "deebase.toml").write_text(f'migrations = "steps"\nmodels = "{module}"\n', encoding="utf-8")
    return place


@pytest.fixture
def run(project: Path, db_url: str) -> Run:
    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["migrate", *arguments], env={"DATABASE_URL": db_url}, prog_name="deebase")
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def applied(run: Run) -> Run:
    run("new", "first models")
    run("seal")
    run("up")
    return run


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def sql(project: Path, name: str, up: str, down: str) -> None:
    (project / "steps" / f"draft-{name}.sql").write_text(f"-- upgrade\n{up}\n-- downgrade\n{down}\n", encoding="utf-8")


@pytest.mark.each_case
def test_from_models_to_a_database_and_back(run: Run, project: Path) -> None:
    wrote = run("new", "first models")
    assert "Wrote steps/draft-first-models.py" in wrote.stderr
    assert rows(run("status"))[0]["state"] == "draft"
    assert run("seal").stderr == "Sealed 0001-first-models.\n"
    assert rows(run("status", code=3))[0]["state"] == "pending"
    (planned,) = rows(run("up", "--plan"))
    assert list(planned) == ["name", "late", "operations", "sql", "rows", "look_at"]
    assert planned["operations"] == ["creates table post", "creates table user"]
    assert sorted(sql.replace('"', "").split(" (")[0] for sql in planned["sql"]) == [
        "CREATE TABLE post",
        "CREATE TABLE user",
    ]
    assert (planned["rows"], planned["look_at"]) == ({}, None)
    (done,) = rows(run("up"))
    assert (done["name"], done["late"], done["seconds"] > 0) == ("0001-first-models", False, True)
    assert run("up").stderr == "Nothing is pending.\n"
    (status,) = rows(run("status", "--json"))
    assert list(status) == ["name", "state", "late", "applied_at", "seconds", "note", "hint"]
    assert (status["state"], status["late"], status["note"]) == ("applied", False, None)
    assert rows(run("check")) == rows(run("drift")) == []
    assert "--yes" in run("down", code=2).stderr
    assert "DROP TABLE" in run("down", "--dry-run").stdout
    assert rows(run("status"))[0]["state"] == "applied"
    assert run("down", "--yes").stderr == "Undid 0001-first-models.\n"
    assert rows(run("status", code=3))[0]["state"] == "pending"


def test_sql_is_printed_and_not_run(run: Run) -> None:
    run("new", "first models")
    run("seal")
    script = run("up", "--sql").stdout
    assert re.sub("version.*", "", run("up", "--dry-run").stdout) == re.sub("version.*", "", script)
    assert "CREATE TABLE post" in script
    assert "INSERT INTO _deebase_migrations" in script
    run("status", code=3)


@pytest.mark.on_a_file
def test_a_plan_is_read_on_a_terminal(applied: Run, project: Path, db_url: str) -> None:
    sql(project, "more", "ALTER TABLE post ADD COLUMN tag integer;", "ALTER TABLE post DROP COLUMN tag;")
    applied("seal")
    code, shown = Commands(db_url).on_terminal("migrate", "up", "--plan", "--directory", "steps")
    assert code == 0
    assert shown.lower().splitlines() == [
        "0002-more",
        "  adds column post.tag integer",
        "  0 rows in post",
        "    alter table post add column tag integer;",
        "",
    ]


def test_a_backup_comes_first_where_there_is_something_to_do(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")
    run("new", "first models")
    run("seal")
    message = run("up", "--backup").stderr
    path = Path(message.removeprefix("Wrote the backup ").removesuffix(".\n"))
    assert path.stat().st_size > 0
    assert run("up", "--backup").stderr == "Nothing is pending.\n"


@pytest.mark.on_a_file
def test_what_loses_rows_needs_a_flag(applied: Run, project: Path, db_url: str) -> None:
    insert = CliRunner().invoke(
        main, ["sql", "--write", "INSERT INTO post (title) VALUES ('x')"], env={"DATABASE_URL": db_url}
    )
    assert insert.exit_code == 0, insert.output
    sql(project, "less", "DROP TABLE post;", "SELECT 1;")
    applied("seal")
    (step,) = rows(applied("up", "--plan"))
    assert step["look_at"] == "M101 post: drops a table with its rows, 1 here"
    assert "--allow-destructive" in applied("up", code=1).stderr
    assert len(rows(applied("up", "--allow-destructive"))) == 1
    assert [found["text"] for found in rows(applied("check", code=4)) if found["kind"] == "models"]


@pytest.mark.on_a_file
def test_a_rename_is_said(applied: Run, project: Path) -> None:
    assert "--rename takes" in applied("new", "x", "--rename", "user", code=2).stderr
    module = next(project.glob("models_*.py"))
    renamed = project / f"{module.stem}_2.py"
    renamed.write_text(MODELS.replace("name: str", "full_name: str"), encoding="utf-8")
    (project / "deebase.toml").write_text(f'migrations = "steps"\nmodels = "{renamed.stem}"\n', encoding="utf-8")
    applied("new", "full names", "--rename", "user.name:full_name")
    text = (project / "steps" / "draft-full-names.py").read_text(encoding="utf-8")
    assert 'rename_column("name", "full_name")' in text
    assert "drop" not in text


@pytest.mark.parametrize(
    "backend_name", ["sqlite-file", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
@pytest.mark.parametrize(("answer", "renames"), [("y", True), ("n", False)])
@pytest.mark.on_a_file
def test_on_a_terminal_a_rename_is_asked_for(
    applied: Run, project: Path, db_url: str, answer: str, renames: bool
) -> None:
    module = next(project.glob("models_*.py"))
    module.write_text(MODELS.replace("name: str", "full_name: str"), encoding="utf-8")
    code, shown = Commands(db_url).on_terminal("migrate", "new", "full names", answer=answer)
    assert (code, "Is user.name called full_name now? [y/N]" in shown) == (0, True), shown
    text = (project / "steps" / "draft-full-names.py").read_text(encoding="utf-8")
    assert ("rename_column" in text) is renames
    assert ('drop=["name"]' in text) is not renames


def test_what_needs_attention_is_told_and_mended(applied: Run, project: Path) -> None:
    path = project / "steps" / "0001-first-models.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "# more\n", encoding="utf-8")
    (status,) = rows(applied("status", code=4))
    assert status["state"] == "edited"
    assert "edited since it was applied" in applied("up", code=1).stderr
    assert applied("rerecord").stderr == "Accepted 0001-first-models.\n"
    path.unlink()
    assert rows(applied("status", code=4))[0]["state"] == "missing"
    assert "was written as it was applied" in applied("repair").stderr
    assert path.exists()
    assert applied("repair").stderr == "Nothing needs to be repaired.\n"
    assert applied("renumber").stderr == "No two share a number.\n"


def test_what_was_done_by_hand_is_shown(applied: Run, db_url: str) -> None:
    made = CliRunner().invoke(main, ["sql", "--write", "CREATE TABLE other (id int)"], env={"DATABASE_URL": db_url})
    assert made.exit_code == 0, made.output
    assert rows(applied("drift", code=4)) == [
        {"name": "other", "column": None, "text": "is a table that is not wanted"}
    ]


def test_a_database_that_is_there_gets_a_baseline(run: Run, db_url: str, project: Path) -> None:
    made = CliRunner().invoke(main, ["table", "create", "thing", "id:int", "name:str"], env={"DATABASE_URL": db_url})
    assert made.exit_code == 0, made.output
    assert "Wrote 0001-as-it-was" in run("baseline", "as it was").stderr
    assert rows(run("status"))[0]["state"] == "applied"
    assert "there are migrations already" in run("baseline", code=1).stderr
    run("eject", "out/alembic")
    assert (project / "out" / "alembic" / "versions" / "0001_schema.py").exists()


def test_several_become_one(applied: Run, project: Path) -> None:
    sql(project, "more", "CREATE TABLE more (id integer PRIMARY KEY);", "DROP TABLE more;")
    applied("seal")
    assert "3..7" in applied("squash", "1-2", "all", code=2).stderr
    applied("up")
    assert applied("squash", "1..2", "all").stderr == "Wrote 0002-all.\n"
    assert [(found["name"], found["state"]) for found in rows(applied("status"))] == [("0002-all", "applied")]


def test_the_directory_may_be_named(run: Run, project: Path) -> None:
    run("new", "first", "--empty", "--directory", "elsewhere")
    assert (project / "elsewhere" / "draft-first.py").exists()
    assert "does nothing" in run("seal", "--directory", "elsewhere", code=1).stderr
    assert "there is no directory" in run("status", code=1).stderr


@pytest.mark.parametrize("command", list(main.get_command(None, "migrate").commands))  # type: ignore[arg-type,union-attr]
def test_each_help_opens_with_an_example(command: str) -> None:
    result = CliRunner().invoke(main, ["migrate", command, "--help"], prog_name="deebase")
    assert result.exit_code == 0
    assert f"deebase migrate {command}" in result.stdout.partition("Options:")[0]
