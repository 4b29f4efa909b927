"""`deebase mcp`: let an agent read a database, and change what is named."""

from __future__ import annotations

import click

from deebase.cli.exposure import exposed
from deebase.cli.frame import Command
from deebase.cli.invocation import database_options, invocation
from deebase.cli.session import session


@click.command(cls=Command, example="deebase mcp app.db --table post --rows 200 --seconds 2")
@click.argument("database", metavar="[FILE|URL]", required=False)
@click.option("--table", "tables", multiple=True, help="A table or view to show; all by default.")
@click.option("--write", "writable", multiple=True, help="A table whose rows may be added, changed and deleted.")
@click.option("--sql", is_flag=True, help="Allow queries in SQL, which can read all tables.")
@click.option(
    "--rows", type=click.IntRange(1, 10_000), default=200, show_default=True, help="The most rows of a result."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 600, min_open=True),
    default=2.0,
    show_default=True,
    help="The most seconds of a statement.",
)
@database_options
def mcp(
    database: str | None, tables: tuple[str, ...], writable: tuple[str, ...], sql: bool, rows: int, seconds: float
) -> None:
    """Let an agent use a database over the Model Context Protocol.

    Speaks the protocol on standard input and output; the agent starts this command. It can only read, unless tables
    are named by --write. Each change is shown as a preview first, and stored when the agent confirms it.
    """
    from deebase.web._agents.mcp_server import require_mcp

    require_mcp()
    from deebase.web import AgentLimits, serve_agent

    if database is not None:
        invocation().url = database
    with session(read_only=not writable) as s:
        access = exposed(s, tables, writable)
        s.run(serve_agent(s.db, access, sql=sql, limits=AgentLimits(rows=rows, seconds=seconds)))
