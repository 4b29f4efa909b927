"""What a terminal shows of an error: the user's line, a few of ours, and the message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import ROOT

PROGRAM = """
import asyncio, sys
from deebase import Database

class User:
    id: int
    email: str

async def main():
    async with Database(sys.argv[1]) as db:
        users = await db.create(User, if_not_exists=True)
        await users.create_index("email", unique=True)
        await users.insert(email="ada@example.com")
        {work}  # the user's line

asyncio.run(main())
"""


def shown(tmp_path: Path, url: str, work: str, **environment: str) -> list[str]:
    """Return what a program prints that ends with an error."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(work=work), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program), url],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()


def frames(lines: list[str]) -> list[str]:
    """Return the lines that name a frame: the newest Python underlines more of the others."""
    return [line for line in lines if line.startswith('  File "')]


@pytest.mark.parametrize(
    ("work", "message"),
    [
        ("await users[5]", "deebase.errors.NotFoundError: user: no row with this id"),
        (
            'await users.insert(email="ada@example.com")',
            "deebase.errors.UniqueViolationError: user.email: a row with the same value already exists",
        ),
        ("await users(emial=1)", "deebase.errors.ColumnNotFoundError: table user has no column 'emial'"),
        ("await users.insert(email=5)", "deebase.errors.ValidationError: user.email: takes text, not int"),
    ],
)
@pytest.mark.parametrize(
    "backend_name", ["sqlite-file", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
@pytest.mark.on_a_file
def test_an_error_is_read_without_scrolling(tmp_path: Path, db_url: str, work: str, message: str) -> None:
    lines = shown(tmp_path, db_url, work)
    assert message in lines
    name = message.partition(":")[0].rpartition(".")[2]
    assert lines[-1] == f"'deebase help {name}' explains this error."
    assert any(line.endswith("# the user's line") for line in lines)
    assert len(frames(lines)) <= 3 + 2 + 6  # of asyncio.run, of the user, of ours
    assert not any("sqlalchemy" in line or "asyncpg/" in line for line in lines)


def test_a_missing_database_says_how_it_is_made(tmp_path: Path, postgres_url: str) -> None:
    missing = postgres_url.replace("/deebase_test_", "/missing_")
    lines = shown(tmp_path, missing, "pass")
    assert lines[-2].startswith("Hint: create it while connected to another database")
    assert len(frames(lines)) <= 3 + 2 + 7
    every = shown(tmp_path, missing, "pass", DEEBASE_FULL_TRACEBACKS="1")
    assert any("sqlalchemy" in line for line in every)
    assert len(frames(every)) > 2 * len(frames(lines))
