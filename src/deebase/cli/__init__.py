"""The command line: `deebase`. A command's module is loaded when the command is run, or its own help is asked for."""

from __future__ import annotations

import click

from deebase.cli.frame import RootGroup

#: Command -> where it is, and what the list of commands says of it. No module imports SQLAlchemy before it must.
_COMMANDS = {
    "codegen": ("deebase.cli.commands.codegen_commands:codegen", "Write models from the database."),
    "completion": (
        "deebase.cli.commands.completion_commands:completion",
        "Print what a shell needs to complete commands.",
    ),
    "data": ("deebase.cli.commands.data_commands:data", "Read and write rows."),
    "db": ("deebase.cli.commands.db_commands:db", "Look at a database as a whole."),
    "diagram": ("deebase.cli.commands.diagram_commands:diagram", "Draw the tables and their foreign keys."),
    "help": ("deebase.cli.commands.help_commands:show_help", "Explain a command or an error."),
    "index": ("deebase.cli.commands.index_commands:index", "Create, list and drop indexes."),
    "init": ("deebase.cli.commands.init_commands:init", "Make the files of a project."),
    "migrate": ("deebase.cli.commands.migrate_commands:migrate", "Write, apply and undo migrations."),
    "shell": ("deebase.cli.commands.shell_commands:shell", "Open a Python prompt with the database at hand."),
    "sql": ("deebase.cli.commands.sql_commands:sql", "Run SQL and show its rows."),
    "table": ("deebase.cli.commands.table_commands:table", "Create, show and change tables."),
    "tour": ("deebase.cli.commands.tour_commands:tour", "Show what DeeBase does, on real data."),
    "view": ("deebase.cli.commands.view_commands:view", "Create, show and refresh views."),
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
