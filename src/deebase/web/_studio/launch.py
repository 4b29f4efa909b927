"""``deebase studio``: the studio on a free port of this machine."""

from __future__ import annotations

import asyncio
import secrets
import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from deebase import Database, InvalidOperationError
from deebase.migrations import Migrator
from deebase.web._studio.app import studio
from deebase.web._studio.sql_pages.saved_queries import queries_file


async def serve(
    db: Database,
    *,
    title: str,
    host: str,
    port: int,
    opens: bool,
    announce: Callable[[str], None],
    token: str | None = None,
    write: bool = False,
    place: str | None = None,
    migrations: Migrator | None = None,
) -> None:
    """Serve the studio of a database until the process is interrupted.

    Args:
        db: the database.
        title: what the pages call it.
        host: a loopback address.
        port: of this machine; 0 for a free one.
        opens: open the address in a browser.
        announce: is called with the address, once the server answers there.
        token: of the address; a new one by default.
        write: whether rows can be added, changed and deleted, and migrations applied.
        place: the path or URL of the database, by which the queries that the user saves are kept; None to keep none.
        migrations: the migrations of the database, if it has any.

    Raises:
        InvalidOperationError: the port is in use.
    """
    token = token or secrets.token_urlsafe(24)
    listening = listening_on(host, port)
    # Without a log of requests: the first one holds the token.
    queries = None if place is None else queries_file(place)
    app = studio(db, title=title, token=token, write=write, queries=queries, migrations=migrations)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    server = uvicorn.Server(config)
    address = f"{address_of(listening)}/?token={token}"
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    announce(address)
    if opens:
        # A browser that is not running yet may take seconds. The socket listens already.
        await asyncio.to_thread(webbrowser.open, address)
    await serving


def address_of(listening: socket.socket) -> str:
    """Return the address of what a socket serves."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listening_on(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine; 0 is a free one.

    Raises:
        InvalidOperationError: the port is in use, or the machine has no such address.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InvalidOperationError(
            f"port {port} cannot be used: {error.strerror}", operation="studio", hint="leave out --port for a free one"
        ) from error
    listening.listen(128)
    return listening
