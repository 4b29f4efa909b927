"""The tour runs on every database, says the same, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deebase import Database
from deebase.cli import main
from deebase.cli.commands.tour_commands import class_source, code_of
from examples.tour import STEPS


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def body(result: Result) -> str:
    """What the tour prints below the line with the URL."""
    assert result.exit_code == 0, result.output
    return result.output.partition("\n")[2]


def ask(url: str, sql: str) -> list[dict[str, object]]:
    async def work() -> list[dict[str, object]]:
        async with Database(url) as db:
            return await db.q(sql)

    return asyncio.run(work())


def test_the_tour_says_the_same_on_both_databases(postgres_url: str) -> None:
    on_sqlite, on_postgres = run("tour"), run("tour", "--url", postgres_url)
    assert body(on_sqlite) == body(on_postgres)
    assert on_sqlite.output.startswith("Database: a temporary SQLite file")
    assert on_postgres.output.startswith("Database: <Database postgresql")


def test_the_tour_keeps_its_tables_in_a_new_file(tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    assert f"deebase studio {kept}" in run("tour", "--keep", str(kept)).output
    assert ask(str(kept), "SELECT count(*) AS n FROM flight") == [{"n": 3144}]
    again = run("tour", "--keep", str(kept))
    assert again.exit_code == 2
    assert "exists already" in again.output
    assert run("tour", "--keep", str(tmp_path / "x.db"), "--url", "y.db").exit_code == 2


def test_the_tour_drops_its_tables_and_can_be_run_again(tmp_path: Path) -> None:
    url = str(tmp_path / "mine.db")
    assert body(run("tour", "--url", url)) == body(run("tour", "--url", url))
    assert ask(url, "SELECT name FROM sqlite_master") == []


def test_the_tour_drops_its_tables_on_postgres(postgres_url: str) -> None:
    body(run("tour", "--url", postgres_url))
    assert ask(postgres_url, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'") == []


def test_the_tour_leaves_a_table_alone_that_it_did_not_make(tmp_path: Path) -> None:
    url = str(tmp_path / "mine.db")
    ask(url, "CREATE TABLE plane (precious INTEGER)")
    ask(url, "INSERT INTO plane VALUES (1)")
    result = run("tour", "--url", url)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "plane" in result.stderr
    assert "database that has none of them" in result.stderr
    assert ask(url, "SELECT * FROM plane") == [{"precious": 1}]
    assert ask(url, "SELECT name FROM sqlite_master") == [{"name": "plane"}]


@pytest.mark.parametrize("url", ["oracle://host/name", "no/such/directory/app.db"])
def test_an_error_is_one_line_on_stderr(url: str) -> None:
    result = run("tour", "--url", url)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output


def test_the_password_is_not_printed(postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", "postgres:s3cret@", 1)
    assert "s3cret" in url
    assert "s3cret" not in run("tour", "--url", url).output


def test_the_tour_fits_into_80_columns_without_colour() -> None:
    output = run("tour").output
    assert max(map(len, output.splitlines())) <= 80
    assert "\x1b" not in output
    assert output.isascii()


def test_the_code_that_is_shown_is_the_code_that_runs() -> None:
    output = run("tour").output
    for step in STEPS:
        for line in code_of(step.run).splitlines():
            assert line in output
        if step.shows is not None:
            assert class_source(step.shows).splitlines()[1] in output


def test_a_step_asks_only_for_what_earlier_steps_made() -> None:
    known = {"db"}
    for step in STEPS:
        assert set(inspect.signature(step.run).parameters) <= known, step.run.__name__
        known |= {step.creates} if step.creates else set()


def test_no_result_depends_on_the_machine_or_the_moment() -> None:
    output = run("tour").output
    assert not re.search(r"/(?:tmp|home|root|var)/|0x[0-9a-f]{6}", output)


def test_the_tour_takes_less_than_five_seconds() -> None:
    start = time.monotonic()
    process = [sys.executable, "-c", "from deebase.cli import main; main()", "tour"]
    result = subprocess.run(process, capture_output=True, text=True, timeout=100, check=True)
    assert time.monotonic() - start < 5
    assert "What next" in result.stdout
    assert result.stderr == ""


def test_version_and_help() -> None:
    assert run("--version").output == f"deebase {version('deebase')}\n"
    helped = run("--help").output
    assert "tour" in helped
    assert "--version" in helped


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("nonsense").exit_code == 2
