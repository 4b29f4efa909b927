"""The command line: `deebase`. A command's module is loaded when the command is run or listed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from deebase.errors import DeeBaseError

#: Command -> module and attribute. None of the modules imports SQLAlchemy before its command runs.
_COMMANDS = {"tour": ("deebase.cli.tour", "tour")}


class _Commands(click.Group):
    """Loads commands lazily, and ends with one line on stderr when DeeBase raises one of its errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DeeBaseError as error:
            click.echo(f"Error: {one_line(error)}", err=True)
            ctx.exit(1)


def one_line(error: DeeBaseError) -> str:
    """Return what an error says, with its hint in parentheses, as one line.

    Args:
        error: Any error of DeeBase; its messages hold no values and no passwords.
    """
    hint = f" ({error.hint})" if error.hint else ""
    return " ".join(f"{error.message}{hint}".split())


def _print_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    from deebase import __version__

    click.echo(f"deebase {__version__}")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """DeeBase: async tables for SQLite and PostgreSQL."""
