"""A terminal gets no character that it would obey; a pipe and a file get every text as it is."""

from __future__ import annotations

import ast
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from deebase.cli import main
from deebase.cli.terminal import printable, printable_json
from tests.support.commands import Commands
from tests.support.tree import ROOT

#: ESC, BEL, backspace, carriage return, DEL, CSI and OSC of C1, direction of text, line separator, a hidden tag.
HOSTILE = "\x1b]0;x\x07 \x08 \r \x7f \x9b31m \x9d \u202e \u2066 \u200f \u2028 \U000e0041"
OBEYED = set(HOSTILE) - set(" ]0;x31m")
TABLE = f"t{HOSTILE}"
FORMATS = ["table", "json", "ndjson", "csv", "tsv", "md"]


class TerminalOutput(io.StringIO):
    """What a terminal is sent."""

    def isatty(self) -> bool:
        return True


def obeyed(shown: str) -> set[str]:
    """The characters in an output that a terminal obeys; the end of a line may be two."""
    return OBEYED & set(shown.replace("\r\n", "\n"))


def shown_here(commands: Commands, *arguments: str, stdin: str = "") -> str:
    """Run a command in this process, as if on a terminal, and return all that it showed."""
    output = TerminalOutput()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        patch.setenv("DATABASE_URL", str(commands.url))
        patch.setenv("COLUMNS", "400")
        patch.setenv("TERM", "dumb")
        patch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit):
            main(list(arguments), prog_name="deebase")
    return output.getvalue()


@pytest.fixture
def hostile(cli: Commands) -> Commands:
    """A table whose name, column and value hold all of these characters."""
    cli.ok("sql", "--write", f'CREATE TABLE "{TABLE}" (id int PRIMARY KEY, "c{HOSTILE}" text)')
    cli.ok("sql", "--write", f"INSERT INTO \"{TABLE}\" VALUES (1, 'v{HOSTILE}')")
    return cli


@pytest.mark.parametrize("form", FORMATS)
def test_rows_on_a_terminal_are_escaped_in_every_format(hostile: Commands, form: str) -> None:
    shown = shown_here(hostile, "data", "list", TABLE, "-o", form)
    assert obeyed(shown) == set()
    assert ("\\u001b" if form in ("json", "ndjson") else "\\x1b") in shown
    if form == "json":
        assert json.loads(shown) == [{"id": 1, f"c{HOSTILE}": f"v{HOSTILE}"}]


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "table"])
def test_rows_in_a_pipe_are_as_they_are(hostile: Commands, form: str) -> None:
    result = hostile.run("data", "list", TABLE, "-o", form)
    assert result.exit_code == 0
    kept = OBEYED - set("\x1b\x07\x08\r") if form in ("json", "ndjson") else OBEYED
    if form == "md":
        # A row of Markdown is one line.
        kept = kept - set("\r\u2028")
    assert kept <= set(result.stdout)


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_terminal_of_the_system_and_a_question_on_it(hostile: Commands) -> None:
    code, shown = hostile.on_terminal("data", "list", TABLE, "-o", "csv")
    assert (code, obeyed(shown)) == (0, set())
    assert "\\x1b" in shown
    code, shown = hostile.on_terminal("table", "drop", TABLE, answer="n")
    assert (code, obeyed(shown)) == (1, set())
    assert "[y/N]" in shown
    assert "\\u202e" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "get", TABLE, "1"),
        ("data", "get", TABLE, "2"),
        ("data", "export", TABLE),
        ("data", "export", TABLE, "--format", "json"),
        ("data", "list", f"{TABLE}x"),
        ("data", "insert", TABLE, "-f", "id=1"),
        ("data", "update", TABLE, "1", "-f", "nope=1"),
        ("table", "list"),
        ("table", "show", TABLE),
        ("table", "schema", TABLE),
        ("table", "rename", TABLE, TABLE),
        ("table", "drop", TABLE),
        ("index", "list", TABLE),
        ("codegen",),
        ("diagram",),
        ("db", "info"),
        ("db", "doctor"),
        ("sql", f'SELECT * FROM "{TABLE}"'),
        ("sql", f'SELECT "{TABLE}" FROM nowhere'),
        ("sql", "--write", "--dry-run", f'DROP TABLE "{TABLE}"'),
        ("data", "list", f"{TABLE}x", "--debug"),
    ],
)
@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_whatever_a_command_shows_is_escaped(hostile: Commands, arguments: tuple[str, ...]) -> None:
    shown = shown_here(hostile, *arguments)
    assert shown
    assert obeyed(shown) == set()


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_bars_migrations_and_the_shell_are_escaped(hostile: Commands, directory: Path) -> None:
    file = HOSTILE.replace("\r", "") + ".csv"
    (directory / file).write_text("id\n1\n")
    # Rich moves the cursor by itself, and does nothing else.
    shown = shown_here(hostile, "data", "import", file, "--table", "new")
    assert obeyed(shown) <= {"\x1b", "\r"}
    assert "\x1b]0" not in shown
    for command in ("baseline", "status", "drift"):
        assert obeyed(shown_here(hostile, "migrate", command, "--directory", "steps")) == set()
    shown = shown_here(hostile, "shell", stdin="db.t\n")
    assert obeyed(shown) == set()
    assert "\\u202e" in shown


@pytest.mark.parametrize("text", ["plain", "\u4e2d\u6587", "a\nb", "\U0001f468\u200d\U0001f469", "\xa0", "e\u0301"])
def test_text_that_no_terminal_obeys_stays(text: str) -> None:
    assert printable(text) == text
    assert printable_json(text) == text


def test_what_is_escaped_in_json_is_the_same_value() -> None:
    text = json.dumps(HOSTILE, ensure_ascii=False)
    assert obeyed(printable_json(text)) == set()
    assert json.loads(printable_json(text)) == HOSTILE


def test_commands_write_through_one_module() -> None:
    writers = {"click.echo", "click.secho", "click.confirm", "click.prompt", "print"}
    found = {
        path.name
        for path in (ROOT / "src/deebase/cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in writers
    }
    assert found == {"terminal.py"}
