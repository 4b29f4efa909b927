"""Running `deebase` as a user would: in this process, in one of its own, or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from deebase.cli import main
from deebase.cli.word_order import in_order

#: Seconds after which a process hangs, on a machine that is busy with other things.
HANGS = 100

PROGRAM = [sys.executable, "-c", "from deebase.cli import main; main(prog_name='deebase')"]


class Commands:
    """Runs commands on one database.

    Args:
        url: the database, as DATABASE_URL; None for none.
    """

    def __init__(self, url: str | None) -> None:
        self.url = url

    @property
    def environment(self) -> dict[str, str | None]:
        """What differs from the variables of this process."""
        return {"DATABASE_URL": self.url}

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(main, arguments, input=stdin, env=self.environment, prog_name="deebase")

    def ok(self, *arguments: str, stdin: str | None = None) -> Any:
        """Return what a command that works gives out: parsed where it is JSON, else text."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        try:
            return json.loads(result.stdout)
        except ValueError:
            return result.stdout

    def fails(self, *arguments: str, code: int = 1, stdin: str | None = None) -> str:
        """Return the one line that a command writes which does not work."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        return lines[0].removeprefix("Error: ")

    def fails_last(self, *arguments: str, code: int = 1) -> str:
        """Return the last line of a command that does not work, and may warn before."""
        result = self.run(*arguments)
        assert result.exit_code == code, result.output
        return result.stderr.splitlines()[-1]

    def process(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([*PROGRAM, *arguments], text=True, **{"env": self.variables(), **pipes})

    def wait_for_writing(self) -> None:
        """Return when another process has written a megabyte to the SQLite file, which is not committed yet."""
        log = Path(f"{self.url}-wal")
        deadline = time.monotonic() + HANGS
        while time.monotonic() < deadline:
            if log.exists() and log.stat().st_size > 1_000_000:
                return
            time.sleep(0.02)
        raise AssertionError("nothing was written")

    def on_terminal(self, *arguments: str, answer: str = "", columns: int = 100) -> tuple[int, str]:
        """Run a command on a terminal of its own; return its exit code and all that it showed.

        Args:
            *arguments: of the command.
            answer: what is typed when something was asked, without the end of the line.
            columns: the width of the terminal.
        """
        ours, theirs = pty.openpty()
        variables = {**self.variables(), "TERM": "dumb", "COLUMNS": str(columns)}
        try:
            process = subprocess.Popen(
                [*PROGRAM, *arguments],
                env=variables,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
            os.close(theirs)
            shown = self._talk(ours, answer)
            return process.wait(timeout=HANGS), shown.replace("\r\n", "\n")
        finally:
            os.close(ours)

    @staticmethod
    def _talk(terminal: int, answer: str) -> str:
        shown, asked, deadline = "", False, time.monotonic() + HANGS
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 4096).decode()
            except OSError:  # the other end was closed: the process has ended
                return shown
            if not piece:
                return shown
            shown += piece
            if answer and not asked and "[y/N]" in shown:
                asked = True
                os.write(terminal, f"{answer}\n".encode())
        raise AssertionError(f"no end in time: {shown}")

    def variables(self) -> dict[str, str]:
        """Return the variables of a process that runs commands."""
        variables = {**os.environ, "PYTHONIOENCODING": "utf-8"}
        variables.pop("DATABASE_URL", None)
        return variables if self.url is None else {**variables, "DATABASE_URL": self.url}


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, "deebase table create", groups included."""
    yield from _commands("deebase", main)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name)
        for part in command.list_commands(context):
            found = command.get_command(context, part)
            assert found is not None
            yield from _commands(f"{name} {part}", found)


def parse(arguments: list[str]) -> None:
    """Check that a command line is one that can be typed; nothing is run.

    Raises:
        click.UsageError: an option or argument that the command does not take.
    """
    command: click.Command = main
    parent = click.Context(command, info_name="deebase")
    arguments = in_order(main, parent, arguments, "overview")
    while isinstance(command, click.Group):
        part, *arguments = arguments
        found = command.get_command(parent, part)
        assert found is not None, part
        command = found
        if isinstance(command, click.Group):
            parent = click.Context(command, parent, info_name=part)
    command.make_context(command.name, arguments, parent=parent)
