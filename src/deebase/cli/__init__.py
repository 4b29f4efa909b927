"""The command line: `deebase`. The module of a command is loaded when the command runs or shows its own help."""

from __future__ import annotations

import click

from deebase.cli.frame import RootGroup

#: Command -> where it is, and its line in the list of commands. No module imports SQLAlchemy at its top.
_COMMANDS = {
    "adopt": (
        "deebase.cli.commands.adopt_commands:adopt",
        "Show what a database holds, who made it, and what DeeBase can do with it.",
    ),
    "codegen": ("deebase.cli.commands.codegen_commands:codegen", "Write models from the database."),
    "completion": (
        "deebase.cli.commands.completion_commands:completion",
        "Print the script with which a shell completes commands.",
    ),
    "data": ("deebase.cli.commands.data_commands:data", "Read and write rows."),
    "db": ("deebase.cli.commands.db_commands:db", "Inspect, back up, copy and tidy a whole database."),
    "diagram": ("deebase.cli.commands.diagram_commands:diagram", "Draw the tables and their foreign keys."),
    "help": ("deebase.cli.commands.help_commands:show_help", "Explain a command or an error."),
    "index": ("deebase.cli.commands.index_commands:index", "Create, list and drop indexes."),
    "init": ("deebase.cli.commands.init_commands:init", "Create the files of a project."),
    "mcp": ("deebase.cli.commands.mcp_commands:mcp", "Let an agent use a database over the Model Context Protocol."),
    "memory": ("deebase.cli.commands.memory_commands:memory", "Run SQL over files, and show its rows."),
    "migrate": ("deebase.cli.commands.migrate_commands:migrate", "Write, apply and undo migrations."),
    "overview": (
        "deebase.cli.commands.overview_commands:overview",
        "Show the tables of a database with their columns, rows and sizes.",
    ),
    "schema": ("deebase.cli.commands.overview_commands:schema", "Print the SQL that creates the database, or a table."),
    "serve": (
        "deebase.cli.commands.serve_commands:serve",
        "Serve a database as a JSON API on this machine, with the studio.",
    ),
    "shell": ("deebase.cli.commands.shell_commands:shell", "Open a Python prompt with the database."),
    "sql": ("deebase.cli.commands.sql_commands:sql", "Run SQL and show its rows."),
    "studio": ("deebase.cli.commands.studio_commands:studio", "Look at a database in the browser."),
    "table": ("deebase.cli.commands.table_commands:table", "Create, show and change tables."),
    "tables": ("deebase.cli.commands.table_commands:list_tables", "List the tables."),
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
    alone="overview",
    example="deebase app.db\ndeebase tables app.db",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """DeeBase: async tables for SQLite and PostgreSQL."""
