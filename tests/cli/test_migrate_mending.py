"""`deebase migrate` when something is wrong: each message names the command that mends it, and that command does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deebase.migrations import files
from tests.support.commands import Commands

FIRST = "-- upgrade\nCREATE TABLE first (id integer PRIMARY KEY);\n-- downgrade\nDROP TABLE first;\n"
SECOND = "-- upgrade\nCREATE TABLE second (id integer PRIMARY KEY);\n-- downgrade\nDROP TABLE second;\n"

Write = Callable[..., Path]

#: What is about files and the ledger, which are the same everywhere.
on_one = pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)


@pytest.fixture
def write(directory: Path) -> Write:
    """Write a migration of the directory that commands run in."""

    def migration(name: str, text: str, *, sealed: bool = True) -> Path:
        files.make_directory(directory / "migrations")
        return files.write(directory / "migrations" / name, text, sealed=sealed).path

    return migration


def states(cli: Commands, code: int = 0) -> dict[str, str]:
    result = cli.run("migrate", "status")
    assert result.exit_code == code, result.output
    return {row["name"]: row["state"] for row in json.loads(result.stdout)}


def up(cli: Commands) -> list[str]:
    return [row["name"] for row in cli.ok("migrate", "up")]


def told(cli: Commands, command: str, *arguments: str, code: int = 1) -> None:
    """Run what does not work, and then the command that its message names."""
    result = cli.run("migrate", *arguments)
    assert result.exit_code == code, result.output
    assert f"deebase migrate {command}" in result.output
    named = command.split()
    mended = cli.run("migrate", *named)
    assert mended.exit_code == 0, mended.output


# -- what the messages name --------------------------------------------------------------------------


@on_one
def test_an_applied_file_that_was_edited(cli: Commands, write: Write) -> None:
    path = write("0001-first.sql", FIRST)
    up(cli)
    path.write_text(path.read_text(encoding="utf-8") + "-- more\n", encoding="utf-8")
    assert states(cli, 4) == {"0001-first": "edited"}
    assert "+-- more" in cli.run("migrate", "up").stderr
    told(cli, "rerecord", "up")
    assert states(cli) == {"0001-first": "applied"}


@on_one
def test_a_sealed_file_that_was_edited(cli: Commands, write: Write) -> None:
    path = write("0001-first.sql", FIRST)
    path.write_text(path.read_text(encoding="utf-8") + "-- more\n", encoding="utf-8")
    assert states(cli, 4) == {"0001-first": "edited"}
    told(cli, "rerecord", "up")
    assert up(cli) == ["0001-first"]


@on_one
def test_a_file_that_is_missing(cli: Commands, write: Write) -> None:
    path = write("0001-first.sql", FIRST)
    up(cli)
    path.unlink()
    assert states(cli, 4) == {"0001-first": "missing"}
    told(cli, "repair", "status", code=4)
    assert path.exists()
    assert states(cli) == {"0001-first": "applied"}


@on_one
def test_two_of_one_number(cli: Commands, write: Write) -> None:
    write("0001-first.sql", FIRST)
    up(cli)
    write("0001-second.sql", SECOND)
    assert states(cli, 4) == {"0001-first": "refused", "0001-second": "refused"}
    told(cli, "renumber", "up")
    assert up(cli) == ["0002-second"]


@on_one
def test_one_that_comes_late(cli: Commands, write: Write) -> None:
    write("0002-second.sql", SECOND)
    up(cli)
    write("0001-first.sql", FIRST)
    first, _ = json.loads(cli.run("migrate", "status").stdout)
    assert (first["name"], first["state"], first["late"]) == ("0001-first", "pending", True)
    (step,) = cli.ok("migrate", "up")
    assert (step["name"], step["late"]) == ("0001-first", True)
    assert states(cli) == {"0001-first": "applied", "0002-second": "applied"}


@on_one
def test_one_that_was_renamed(cli: Commands, write: Write) -> None:
    path = write("0001-first.sql", FIRST)
    up(cli)
    path.rename(path.with_name("0003-other.sql"))
    assert states(cli, 4) == {"0001-first": "missing", "0003-other": "refused"}
    told(cli, "rerecord", "up")
    assert states(cli) == {"0003-other": "applied"}


@on_one
def test_one_that_is_not_sealed(cli: Commands, write: Write) -> None:
    write("0001-first.sql", FIRST, sealed=False)
    assert states(cli, 4) == {"0001-first": "refused"}
    told(cli, "seal 0001-first", "up")
    assert up(cli) == ["0001-first"]


@on_one
def test_a_draft_that_is_open(cli: Commands, write: Write) -> None:
    write("draft-first.sql", FIRST, sealed=False)
    told(cli, "seal", "new", "more", "--empty")
    assert up(cli) == ["0001-first"]


@on_one
def test_a_draft_of_which_a_part_was_run(cli: Commands, write: Write, directory: Path) -> None:
    (directory / "deebase.toml").write_text("", encoding="utf-8")
    write("draft.sql", "-- upgrade\n-- downgrade\n", sealed=False)
    cli.ok("table", "create", "first", "id:int")
    path = directory / "migrations" / "draft.sql"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("-- downgrade", "SELECT 1;\n-- downgrade"), encoding="utf-8")
    told(cli, "seal first-tables --applied", "seal", "first tables")
    assert states(cli) == {"0001-first-tables": "applied"}


@pytest.mark.parametrize(("flag", "state", "code"), [("--applied", "applied", 0), ("--not-applied", "pending", 3)])
def test_one_that_is_half_done_outside_of_a_transaction(
    cli: Commands, write: Write, flag: str, state: str, code: int
) -> None:
    half = "-- upgrade\nSELECT 1;\nSELECT nothing FROM nowhere;\n-- downgrade\nSELECT 1;\n"
    write("0001-half.sql", f"-- not transactional\n{half}")
    assert "it may be half done" in cli.fails("migrate", "up")
    assert states(cli, 4) == {"0001-half": "failed"}
    told(cli, f"repair 0001-half {flag}", "up")
    assert states(cli, code) == {"0001-half": state}


def test_what_loses_rows(cli: Commands, write: Write) -> None:
    write("0001-first.sql", FIRST.replace("PRIMARY KEY);", "PRIMARY KEY);\nINSERT INTO first VALUES (1);"))
    up(cli)
    write("0002-gone.sql", "-- upgrade\nDROP TABLE first;\n-- downgrade\n-- irreversible: gone\n")
    assert "deebase migrate up --allow-destructive --backup" in cli.fails("migrate", "up")
    cli.ok("migrate", "up", "--allow-destructive")
    assert states(cli) == {"0001-first": "applied", "0002-gone": "applied"}


@on_one
def test_numbers_and_names_that_are_not_there(cli: Commands, write: Write) -> None:
    write("0001-first.sql", FIRST)
    assert "there are 0001-first" in cli.fails("migrate", "up", "--to", "7")
    assert "deebase migrate new 'add age'" in cli.fails("migrate", "seal")
    assert "deebase migrate new" in cli.fails("migrate", "status", "--directory", "elsewhere")


# -- programs that are ended -------------------------------------------------------------------------

#: Stops where it is told to by a file beside it, and tells by another one that it is there.
STOPPED = """
import asyncio
from pathlib import Path

from deebase.migrations import chunked, irreversible

resumable = RESUMABLE
HERE = Path(__file__).parent


async def stop():
    if (HERE / "stop").exists():
        (HERE / "stopped").open("w").close()
        await asyncio.Event().wait()


async def upgrade(db):
    await db.reflect()
    BODY


downgrade = irreversible("of no use here")
"""
WHOLE = """await db.t["first"].update_where({"n": db.sql("n + 1")}, all=True)
    await stop()"""
CHUNKS = """async for rows in chunked(db.t["first"], size=2):
        await db.t["first"].update_all([{"id": row["id"], "n": row["n"] + 1} for row in rows])
        if rows[0]["id"] == 3:
            await stop()"""


def rows_of(cli: Commands) -> list[int]:
    found: list[dict[str, Any]] = cli.ok("data", "list", "first", "--order-by", "id")
    return [row["n"] for row in found]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long, id="interrupted"),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="killed"),
    ],
)
@pytest.mark.parametrize(
    ("resumable", "body", "left"),
    [(False, WHOLE, [0] * 5), (True, CHUNKS, [1, 1, 0, 0, 0])],
    ids=["one transaction", "in chunks"],
)
def test_a_signal_in_the_middle_leaves_nothing_half_done(
    cli: Commands, write: Write, number: int, code: int, resumable: bool, body: str, left: list[int]
) -> None:
    five = "".join([f"INSERT INTO first VALUES ({key}, 0);\n" for key in range(1, 6)])
    write("0001-first.sql", FIRST.replace("KEY);", f"KEY, n integer);\n{five}"))
    up(cli)
    path = write("0002-stopped.py", STOPPED.replace("RESUMABLE", str(resumable)).replace("BODY", body))
    (path.parent / "stop").touch()
    os.mkfifo(path.parent / "stopped")
    process = cli.process("migrate", "up")
    # Opened when the migration opens it, too.
    (path.parent / "stopped").read_text()
    process.send_signal(number)
    _, problems = process.communicate(timeout=100)
    assert (process.returncode, problems) == (code, "Interrupted.\n" if number == signal.SIGINT else "")
    assert rows_of(cli) == left
    assert states(cli, 3) == {"0001-first": "applied", "0002-stopped": "unfinished" if resumable else "pending"}
    (path.parent / "stop").unlink()
    # The server may take a moment to see that its client is gone.
    assert up(cli) == ["0002-stopped"]
    assert rows_of(cli) == [1] * 5


#: Eight programs with all of the library loaded, that begin when the last of them is there.
EIGHT = """
    import os, sys
    import aiosqlite, asyncpg
    import deebase.database, deebase.migrations, deebase._engine.connect
    import sqlalchemy.dialects.postgresql.asyncpg, sqlalchemy.dialects.sqlite.aiosqlite
    from deebase.cli import main

    def child(number):
        with open(f"{number}.out", "w") as out:
            os.dup2(out.fileno(), 1)
        os.close(begun)
        os.read(begins, 1)
        try:
            main(["migrate", "up"], prog_name="deebase")
        except SystemExit as end:
            sys.stdout.flush()
            return end.code
        return 99

    begins, begun = os.pipe()
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            code = 98
            try:
                code = child(number)
            finally:
                os._exit(code)
        children.append(pid)
    os.close(begun)
    print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""


def test_eight_programs_that_start_together_apply_each_migration_once(
    cli: Commands, write: Write, directory: Path
) -> None:
    names = [f"000{number}-step" for number in range(1, 6)]
    for number, name in enumerate(names):
        text = f"""
import os, pathlib


async def upgrade(db):
    with pathlib.Path(__file__).with_suffix(".ran").open("a") as out:
        out.write(f"{{os.getpid()}}\\n")
    await db.q("CREATE TABLE step_{number} (id INTEGER PRIMARY KEY)")


async def downgrade(db):
    await db.q("DROP TABLE step_{number}")
"""
        write(f"{name}.py", text)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EIGHT)], env=cli.variables(), capture_output=True, text=True, timeout=100
    )
    said = set(done.stderr.splitlines())
    assert (done.returncode, done.stdout, said <= {"Nothing is pending."}) == (0, f"{[0] * 8}\n", True), done.stderr
    applied = [row["name"] for path in directory.glob("*.out") for row in json.loads(path.read_text(encoding="utf-8"))]
    assert sorted(applied) == names
    for name in names:
        assert len((directory / "migrations" / f"{name}.ran").read_text(encoding="utf-8").splitlines()) == 1
    assert set(states(cli).values()) == {"applied"}
    assert not list(directory.parent.rglob("*-migrating"))


# -- what somebody writes by mistake -----------------------------------------------------------------


@on_one
def test_a_call_without_await_is_an_error_and_nothing_is_kept(cli: Commands, write: Write) -> None:
    write("0001-first.sql", FIRST)
    text = (
        "async def upgrade(db):\n    await db.reflect()\n    await db.t.first.insert(id=1)\n"
        "    db.t.first.insert(id=2)\n\n\nasync def downgrade(db):\n    db.q('DELETE FROM first')\n"
    )
    write("0002-rows.py", text)
    up = cli.fails("migrate", "up")
    assert (
        "line 5: db.t.first.insert is called without await; line 9: db.q is called without await: nothing was run" in up
    )
    assert "db.t.first.insert is called without await" in json.loads(cli.run("migrate", "check").stdout)[0]["text"]
    assert states(cli, 3) == {"0001-first": "pending", "0002-rows": "pending"}


@on_one
def test_an_error_in_code_is_told_unless_it_may_hold_values(cli: Commands, write: Write) -> None:
    for error, said in (("nothing", "NameError: name 'nothing' is not defined"), ("{}['secret']", "KeyError;")):
        path = write("0001-a.py", f"async def upgrade(db):\n    {error}\n\n\nasync def downgrade(db):\n    pass\n")
        failed = cli.fails("migrate", "up")
        assert f"failed at line 3: {said}" in failed
        assert "secret" not in failed
        path.unlink()


@on_one
def test_drafts_of_two_branches_are_sealed_one_after_the_other(cli: Commands, write: Write) -> None:
    write("draft-city.sql", FIRST, sealed=False)
    write("draft-other.sql", SECOND, sealed=False)
    assert "deebase migrate seal" in cli.fails("migrate", "seal")
    cli.ok("migrate", "seal", "other")
    cli.ok("migrate", "seal")
    assert list(states(cli, 3)) == ["0001-other", "0002-city"]


@on_one
def test_an_applied_file_that_another_renumbered(cli: Commands, write: Write) -> None:
    path = write("0001-first.sql", FIRST)
    up(cli)
    path.rename(path.with_name("0002-first.sql"))
    rows = json.loads(cli.run("migrate", "status").stdout)
    assert [(row["name"], row["state"]) for row in rows] == [("0001-first", "missing"), ("0002-first", "refused")]
    assert all("deebase migrate rerecord" in row["hint"] for row in rows)
    assert "Nothing needs to be repaired" in cli.run("migrate", "repair").stderr
    told(cli, "rerecord", "up")
    assert states(cli) == {"0002-first": "applied"}


def test_a_database_that_has_the_tables_already(cli: Commands, write: Write) -> None:
    write("0001-first.py", CREATES)
    cli.ok("table", "create", "first", "id:int")
    told(cli, "repair 0001-first --applied", "up")
    assert states(cli) == {"0001-first": "applied"}
    assert up(cli) == []


CREATES = """from deebase import Database


class First:
    id: int


async def upgrade(db: Database) -> None:
    await db.create(First)


async def downgrade(db: Database) -> None:
    await db.reflect()
    await db.t.first.drop()
"""
