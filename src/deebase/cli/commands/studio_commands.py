"""`deebase studio`: look at a database in the browser."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deebase.cli.commands.migrate_commands import migrations_of
from deebase.cli.exposure import loopback_option
from deebase.cli.frame import Command
from deebase.cli.invocation import database_options, invocation, say
from deebase.cli.session import Session, session


@click.command(cls=Command, example="deebase studio app.db")
@click.argument("database", metavar="[FILE|URL]", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port to listen on; a free one by default.")
@loopback_option
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option("--write", is_flag=True, help="Allow rows to be added, changed and deleted.")
@click.option(
    "--migrations",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The directory of the migrations; by default that of the settings, else ./migrations.",
)
@database_options
def studio(database: str | None, port: int, host: str, no_open: bool, write: bool, directory: Path | None) -> None:
    """Look at a database in the browser.

    Prints an address with a token, and serves it on this machine until you press Ctrl+C. The pages are read-only
    unless you give --write.
    """
    from deebase.web import require_extra

    require_extra()
    from deebase.web._studio.launch import serve

    if database is not None:
        invocation().url = database
    with session(read_only=not write) as s:
        title = repr(s.db).removeprefix("<Database ").removesuffix(">")

        def announce(address: str) -> None:
            mode = "with changes allowed" if write else "read-only; --write allows changes"
            say(f"Studio of {title} ({mode}). Press Ctrl+C to stop it.")
            say(f"  {address}")

        server = serve(
            s.db,
            title=title,
            host=host,
            port=port,
            opens=not no_open,
            announce=announce,
            write=write,
            place=_place(s),
            migrations=migrations_of(s.db, directory),
        )
        s.run(server)


def _place(s: Session) -> str | None:
    """Return what tells the database from others; None for one in memory."""
    from deebase._sqltext.capabilities import capabilities_of

    if not capabilities_of(s.dialect).is_one_file:
        return s.url.render_as_string(hide_password=True)
    return os.path.abspath(s.url.database) if s.url.database and os.path.exists(s.url.database) else None
