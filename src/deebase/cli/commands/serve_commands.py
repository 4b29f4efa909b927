"""`deebase serve`: a JSON API from the tables of a database, with the studio."""

from __future__ import annotations

import click

from deebase.cli.exposure import exposed, loopback_option
from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import database_options, invocation, say
from deebase.cli.session import session


@click.command(cls=Command, example="deebase serve app.db --write post")
@click.argument("database", metavar="[FILE|URL]", required=False)
@click.option("--table", "tables", multiple=True, help="A table or view to serve; all by default.")
@click.option(
    "--write", "writable", multiple=True, help="Tables whose rows may be added, changed and deleted: post,author."
)
@click.option("--read-only", is_flag=True, help="Allow no changes, which is the default.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port to listen on; a free one by default.")
@loopback_option
@click.option("--token", envvar="DEEBASE_TOKEN", help="The token that clients send; a new one by default.")
@database_options
def serve(
    database: str | None,
    tables: tuple[str, ...],
    writable: tuple[str, ...],
    read_only: bool,
    port: int,
    host: str,
    token: str | None,
) -> None:
    """Serve a database as a JSON API on this machine, with the studio.

    Prints the addresses and a token, and serves them until you press Ctrl+C. Everything is read-only unless --write
    names tables.
    """
    named = [name for given in writable for name in given.split(",") if name]
    if read_only and named:
        raise Refusal("--read-only and --write exclude each other")
    from deebase.web import require_extra

    require_extra()
    from deebase.web._rest.local_server import PREFIX, serve_database

    if database is not None:
        invocation().url = database
    with session(read_only=not named) as s:
        title = repr(s.db).removeprefix("<Database ").removesuffix(">")

        def announce(address: str, used: str) -> None:
            say(f"Studio of {title}: {address}/?token={used}")
            say(f"API: {address}{PREFIX}")
            say(f'  curl -H "Authorization: Bearer {used}" {address}{PREFIX}/openapi.json')
            say("Press Ctrl+C to stop it.")

        access = exposed(s, tables, named)
        pages = None
        if tables or named:
            # The tables of now: the studio of an app with rules shows those that the rules name.
            pages = access(s.db) if callable(access) else access
        server = serve_database(
            s.db, access, pages=pages, title=title, host=host, port=port, announce=announce, token=token
        )
        s.run(server)
