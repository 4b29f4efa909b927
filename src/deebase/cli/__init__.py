"""The command line: `deebase`. A command's module is loaded when the command is run, or its own help is asked for."""

from __future__ import annotations

import click

from deebase.cli.frame import RootGroup

#: Command -> where it is, and what the list of commands says of it. No module imports SQLAlchemy before it must.
_COMMANDS = {
    "codegen": ("deebase.cli.codegen:codegen", "Write models from the database."),
    "completion": ("deebase.cli.completion:completion", "Print what a shell needs to complete commands."),
    "data": ("deebase.cli.data:data", "Read and write rows."),
    "db": ("deebase.cli.db:db", "Look at a database as a whole."),
    "diagram": ("deebase.cli.diagram:diagram", "Draw the tables and their foreign keys."),
    "help": ("deebase.cli.help:show_help", "Explain a command or an error."),
    "index": ("deebase.cli.index:index", "Create, list and drop indexes."),
    "init": ("deebase.cli.init:init", "Make the files of a project."),
    "migrate": ("deebase.cli.migrate:migrate", "Write, apply and undo migrations."),
    "shell": ("deebase.cli.shell:shell", "Open a Python prompt with the database at hand."),
    "sql": ("deebase.cli.sql:sql", "Run SQL and show its rows."),
    "table": ("deebase.cli.table:table", "Create, show and change tables."),
    "tour": ("deebase.cli.tour:tour", "Show what DeeBase does, on real data."),
    "view": ("deebase.cli.view:view", "Create, show and refresh views."),
}


def _print_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    from deebase import __version__
    from deebase.cli.terminal import echo

    echo(f"deebase {__version__}")
    ctx.exit()


@click.group(
    cls=RootGroup,
    commands_at=_COMMANDS,
    example="deebase table list --url app.db",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """DeeBase: async tables for SQLite and PostgreSQL."""
