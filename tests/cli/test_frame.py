"""What all commands keep: a fast start, the right database, errors of one line, a question before they destroy."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from deebase import Database
from tests.support.commands import PROGRAM, Commands, all_commands, parse
from tests.support.rights import let_others_in

COMMANDS = dict(all_commands())
LEAVES = {name: command for name, command in COMMANDS.items() if not isinstance(command, click.Group)}


def seconds(command: list[str]) -> float:
    """The least time of several runs."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        return time.perf_counter() - start

    return min(once() for _ in range(2))


def test_the_help_takes_less_than_four_tenths_of_importing_sqlalchemy_and_alembic() -> None:
    both = seconds([sys.executable, "-c", "import sqlalchemy, alembic"])
    assert seconds([*PROGRAM, "--help"]) < 0.4 * both


@pytest.mark.parametrize("arguments", [["--help"], ["table", "create", "--help"]])
def test_what_asks_no_database_loads_no_sqlalchemy(arguments: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('|'.join(sys.modules), file=sys.stderr))\n"
        f"from deebase.cli import main; main({arguments!r})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    loaded = {name.partition(".")[0] for name in result.stderr.strip().splitlines()[-1].split("|")}
    assert not loaded & {"sqlalchemy", "alembic", "rich", "asyncpg", "aiosqlite"}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["tabel", "list"], "Error: No such command 'tabel'. Did you mean 'table'?"),
        (["migrate", "stats"], "Error: No such command 'stats'. Did you mean 'status'?"),
        (["zzz"], "Error: No such command 'zzz'."),
        (["table", "list", "--ulr", "x"], "Error: No such option"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_nearest(typed: list[str], said: str) -> None:
    result = Commands(None).run(*typed)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(said)


def test_the_list_of_commands_says_what_they_say_themselves() -> None:
    from deebase.cli import _COMMANDS

    for name, (_, short) in _COMMANDS.items():
        assert COMMANDS[f"deebase {name}"].get_short_help_str(limit=200) == short


def test_the_help_of_each_command_opens_with_an_example(nowhere: Commands) -> None:
    for name in COMMANDS:
        lines = nowhere.run(*name.split()[1:], "--help").stdout.splitlines()
        assert lines[0].startswith(f"Usage: {name}")
        assert lines[2] == "Example:"
        assert "deebase" in lines[3]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_can_be_typed(name: str) -> None:
    command = COMMANDS[name]
    for line in command.example.splitlines():  # type: ignore[attr-defined]
        found = re.search(r"deebase ([^>)]*(?:> ?:[^>)]*)*)", line) if name == "deebase completion" else None
        parse(shlex.split(found[1] if found else line.removeprefix("deebase ")))


# -- which database ------------------------------------------------------------------------------


def named_by(commands: Commands, *arguments: str) -> str:
    """The name of the database file that a command uses."""
    return Path(commands.ok("db", "info", "--json", *arguments)["database"]).name


def make(*names: str) -> None:
    for name in names:
        Commands(name).ok("sql", "--write", "PRAGMA user_version = 1")


def test_the_option_counts_more_than_the_environment_that_more_than_env_and_that_more_than_the_settings(
    directory: Path, nowhere: Commands
) -> None:
    make("option.db", "variable.db", "env.db", "toml.db", "pyproject.db")
    (directory / "pyproject.toml").write_text('[tool.deebase]\nurl = "pyproject.db"\n')
    assert named_by(nowhere) == "pyproject.db"
    (directory / "deebase.toml").write_text('url = "sqlite:///toml.db"\n')
    assert named_by(nowhere) == "toml.db"
    (directory / ".env").write_text("# a comment\n\nexport DATABASE_URL='env.db'\nOTHER=x # y\n")
    assert named_by(nowhere) == "env.db"
    assert named_by(Commands("variable.db")) == "variable.db"
    assert named_by(Commands("variable.db"), "--url", "option.db") == "option.db"


@pytest.mark.parametrize(
    "text", ['url = "data.db"', 'url = "sqlite:///data.db"', 'url = "sqlite+aiosqlite:///data.db"']
)
def test_settings_are_found_upwards_and_their_path_is_one_from_there(
    directory: Path, nowhere: Commands, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    make("data.db")
    (directory / "deebase.toml").write_text(text)
    (directory / "deep" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(directory / "deep" / "deeper")
    assert named_by(nowhere) == "data.db"


def test_an_env_file_above_the_project_is_somebody_elses(
    directory: Path, nowhere: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ".env").write_text("DATABASE_URL=other.db\n")
    (directory / "project").mkdir()
    (directory / "project" / "pyproject.toml").write_text("[project]\n")
    monkeypatch.chdir(directory / "project")
    assert nowhere.fails("table", "list", code=2).startswith("No database is named: pass --url app.db")


def test_without_a_database_the_error_says_how_to_name_one(nowhere: Commands) -> None:
    message = nowhere.fails("table", "list", code=2)
    assert all(word in message for word in ("--url", "DATABASE_URL", "deebase.toml"))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("deebase.toml", "url = secret", "is not valid TOML at line 1, column"),
        ("deebase.toml", "url = 5", "url in"),
        ("pyproject.toml", "[tool.deebase\nsecret", "is not valid TOML"),
        (".env", "DATABASE_URL=ok.db\nsecret without a sign\n", "line 2 of"),
        (".env", b"\xff\xfe\x00", "is not UTF-8"),
        ("deebase.toml", b"\xff", "is not UTF-8"),
    ],
)
def test_a_broken_file_is_named_and_not_quoted(
    directory: Path, nowhere: Commands, file: str, text: str | bytes, said: str
) -> None:
    (directory / file).write_bytes(text.encode() if isinstance(text, str) else text)
    message = nowhere.fails("table", "list")
    assert file in message
    assert said in message
    assert "secret" not in message


def test_a_file_that_is_not_there_is_not_made_by_looking_at_it(directory: Path) -> None:
    assert "the database file missing.db does not exist" in Commands("missing.db").fails("table", "list")
    assert list(directory.iterdir()) == []


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_debug_adds_the_traceback(users: Commands) -> None:
    result = users.run("table", "show", "usr", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: table 'usr' does not exist (did you mean 'user'?")


def test_a_missing_server_is_one_line(nowhere: Commands) -> None:
    message = nowhere.fails("table", "list", "--url", "postgresql://me:s3cret@127.0.0.1:9/app")
    assert "s3cret" not in message
    assert "127.0.0.1" in message


def test_a_directory_is_no_database(directory: Path) -> None:
    (directory / "app.db").mkdir()
    assert (
        Commands("app.db").fails("table", "list")
        == "app.db is a directory, not a database (pass the path of a file in it)"
    )


def test_a_read_only_file_is_one_line(directory: Path) -> None:
    make("app.db")
    let_others_in(directory)
    (directory / "app.db").chmod(0o444)
    arguments = ["table", "create", "user", "id:int", "--url", str(directory / "app.db")]
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert "is not writable" in done.stderr
    assert len(done.stderr.splitlines()) == 1


#: Root may write to a file whatever its mode says. What is imported is read before the rights to read it are given up.
AS_ANOTHER = """
import os, sys
from deebase.cli import main

arguments = sys.argv[1:]
if os.geteuid() == 0:
    sys.argv = ["deebase", *arguments, "--dry-run"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, end.code
    os.seteuid(65534)
sys.argv = ["deebase", *arguments]
main()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "list", "postgresql://me:s3cret@127.0.0.1:9/app"],
        ["postgresql://me:s3cret@127.0.0.1:9/app"],
        ["table", "list", "--url", "postgresql://me:s3cret@127.0.0.1:9/app", "--debug"],
        ["table", "list", "--url", "postgresql://127.0.0.1:9/app?user=me&password=s3cret", "--debug"],
        ["table", "list", "--url", "postgres//me:s3cret@127.0.0.1/app"],
        ["table", "list", "--url", "postgresql:me:s3cret@127.0.0.1/app"],
        ["shell", "--url", "postgresql://me:s3cret@127.0.0.1:9/app", "--debug"],
    ],
)
def test_a_password_is_never_shown(nowhere: Commands, arguments: list[str]) -> None:
    result = nowhere.run(*arguments)
    assert result.exit_code in (1, 2)
    assert "s3cret" not in result.output


def test_an_unknown_option_is_a_usage_error(nowhere: Commands) -> None:
    result = nowhere.run("table", "list", "--nonsense")
    assert result.exit_code == 2
    assert "--nonsense" in result.stderr


# -- asking, and only showing --------------------------------------------------------------------

DESTROYING = [
    ["data", "delete", "user", "--where", "id > 2"],
    ["data", "delete", "user", "1"],
    ["index", "drop", "ix_post_title"],
    ["table", "drop-column", "user", "age"],
    ["table", "transform", "post", "--drop", "body"],
    ["view", "drop", "adult"],
    ["table", "drop", "post"],
]


def test_what_destroys_asks_for_yes_where_there_is_no_terminal(users: Commands) -> None:
    users.ok("view", "create", "adult", "--sql", 'SELECT id, name FROM "user" WHERE id < 3')
    before = everything(users)
    for arguments in DESTROYING:
        assert "confirm with --yes" in users.fails(*arguments, code=2)
        shown = users.run(*arguments, "--dry-run")
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.rstrip().endswith(";")
    assert everything(users) == before
    for arguments in DESTROYING:
        users.ok(*arguments, "--yes")
        after = everything(users)
        assert after != before, arguments
        before = after


def everything(commands: Commands) -> object:
    """The schema and the rows."""

    async def look() -> list[object]:
        async with Database(str(commands.url)) as db:
            await db.reflect()
            tables = [(table.schema, table.indexes, await table(order_by="id")) for table in db.t]
            return [*tables, [view.name for view in db.v]]

    return asyncio.run(look())


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_on_a_terminal_the_answer_counts(users: Commands) -> None:
    code, shown = users.on_terminal("table", "drop", "user", answer="n")
    assert code == 1
    assert "Drop table user with 3 rows? [y/N]: n" in shown
    assert "Nothing was changed." in shown
    code, shown = users.on_terminal("table", "drop", "user", answer="y")
    assert code == 0, shown
    assert "Dropped table user." in shown
    assert "user" not in [row["name"] for row in users.ok("table", "list")]


CHANGING = [
    ["table", "create", "city", "id:int", "name:str"],
    ["table", "rename", "post", "article"],
    ["table", "add-column", "user", "city:str:nullable"],
    ["table", "rename-column", "user", "name", "full_name"],
    ["table", "transform", "user", "--default", "age=1"],
    ["index", "create", "user", "name,age", "--unique"],
    ["view", "create", "names", "--sql", 'SELECT name FROM "user"'],
    ["data", "insert", "user", "-f", "name=Dee", "-f", "email=d@x"],
    ["data", "update", "user", "1", "-f", "name=Dee"],
    ["data", "upsert", "user", "--on", "email", "-f", "email=a@x", "-f", "name=Dee"],
]


def test_a_change_that_is_only_shown_changes_nothing(users: Commands) -> None:
    before = everything(users)
    for arguments in CHANGING:
        result = users.run(*arguments, "--dry-run")
        assert result.exit_code == 0, arguments
        # Of rows it is said how they would be, besides the SQL.
        said = r"1 row would be \w+ (into|of) user: {.*\"Dee\".*}\n" if arguments[0] == "data" else ""
        assert re.fullmatch(said, result.stderr), result.stderr
        assert re.match(r"(CREATE|ALTER|INSERT|UPDATE|DROP|WITH)\b.*;\n\Z", result.stdout, re.DOTALL), result.stdout
    assert everything(users) == before


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_change_that_would_be_refused_is_refused_when_it_is_only_shown(users: Commands) -> None:
    assert "email" in users.fails("data", "insert", "user", "-f", "name=x", "-f", "email=a@x", "--dry-run")
    assert "table user already exists" in users.fails("table", "create", "user", "id:int", "--dry-run")


def test_showing_a_change_makes_no_database(directory: Path) -> None:
    shown = Commands("new.db").ok("table", "create", "user", "id:int", "--dry-run")
    assert shown.startswith("CREATE TABLE user")
    assert list(directory.iterdir()) == []


def test_all_commands_that_change_something_can_only_show_it() -> None:
    reading = {"codegen", "completion", "help", "init", "shell", "tour", "diagram", "show", "list", "get", "schema"}
    reading |= {"info", "export", "adopt", "memory", "studio", "serve", "mcp", "overview", "tables"}
    # What becomes of migrations is planned, and a database as a whole copied, in ways of their own.
    for name, command in LEAVES.items():
        if name.startswith(("deebase migrate", "deebase db")):
            continue
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--dry-run" in options) != (name.split()[-1] in reading), name


# -- ends ----------------------------------------------------------------------------------------

SLOW = {
    "sqlite-file": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 99999999) SELECT x FROM n",
    "postgres": "SELECT 1 FROM pg_sleep(60)",
}


def test_an_interrupt_ends_a_command_with_130_and_leaves_nothing_half_done(cli: Commands, backend_name: str) -> None:
    cli.ok("table", "create", "big", "id:int")
    process = cli.process("sql", "--write", f"INSERT INTO big {SLOW[backend_name]}")
    try:
        wait_until_it_works(cli, backend_name)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=100)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said) == (130, "Interrupted.\n")
    assert cli.ok("sql", "SELECT count(*) AS n FROM big") == [{"n": 0}]


def wait_until_it_works(cli: Commands, backend_name: str) -> None:
    """Return when the statement runs: it has written something, or is seen in the list of those that run."""
    if backend_name != "postgres":
        cli.wait_for_writing()
        return
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        active = "SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE 'INSERT INTO big%' AND state = 'active'"
        if cli.ok("sql", active)[0]["n"]:
            return
        time.sleep(0.02)
    raise AssertionError("the statement never ran")


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_pipe_that_is_closed_early_is_no_error(users: Commands) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = users.process("data", "list", "user", stdout=writer)
    os.close(writer)
    _, said = process.communicate(timeout=100)
    assert "Traceback" not in said


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_json_is_one_document_and_messages_are_apart(users: Commands) -> None:
    result = users.run("data", "insert", "user", "--json", stdin='{"name": "Dee", "email": "d@x"}')
    assert json.loads(result.stdout) == {"inserted": 1}
    assert result.stderr == "1 row inserted into user.\n"
