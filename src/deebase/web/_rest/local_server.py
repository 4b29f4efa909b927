"""``deebase serve``: the API and the studio of a database on a port of this machine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn

from deebase import Database
from deebase.web._rest.asgi_app import Receive, Scope, Send, respond, rest
from deebase.web._rest.problem_details import Problem
from deebase.web._studio.app import studio
from deebase.web._studio.launch import address_of, listening_on
from deebase.web.access_rules import Access
from deebase.web.security import LOOPBACK, host_name, same
from deebase.web.served_tables import Served

#: Where the API is; everything else is the studio.
PREFIX = "/api"


class LocalApp:
    """The API for programs that show the token, and the studio.

    A page of another site can neither reach the API by a name of its own, nor send the token, nor read an answer.

    Args:
        api: the API.
        pages: the studio, which protects itself.
        token: what programs send as ``Authorization: Bearer``.
    """

    def __init__(self, api: Any, pages: Any, token: str) -> None:
        self._api = api
        self._pages = pages
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
            await self._pages(scope, receive, send)
            return
        refusal = self._refusal({name: value.decode("latin-1") for name, value in scope["headers"]})
        if refusal is not None:
            await respond(scope, send, refusal.reply())
            return
        await self._api({**scope, "root_path": PREFIX}, receive, send)

    def _refusal(self, headers: Mapping[bytes, str]) -> Problem | None:
        if host_name(headers.get(b"host", "")) not in LOOPBACK:
            return Problem(421, "this server does not answer to that name", "host")
        kind, _, token = headers.get(b"authorization", "").partition(" ")
        if kind.lower() == "bearer" and same(token.strip(), self._token):
            return None
        challenge = (("www-authenticate", "Bearer"),)
        return Problem(401, "the token of the server is missing", "unauthenticated", headers=challenge)


async def serve_database(
    db: Database,
    tables: Served,
    *,
    pages: Mapping[str, Access] | None = None,
    title: str,
    host: str,
    port: int,
    announce: Callable[[str, str], None],
    token: str | None = None,
) -> None:
    """Serve the API and the studio of a database until the process is interrupted.

    Args:
        db: the database.
        tables: what the API can do with each table.
        pages: what the studio can do with each table; None for reading all of them.
        title: what the studio and the document of the API call the database.
        host: a loopback address.
        port: of this machine; 0 for a free one.
        announce: is called with the address of the server and the token, once it answers.
        token: of the server; a new one by default.

    Raises:
        InvalidOperationError: the port is in use.
    """
    token = token or secrets.token_urlsafe(24)
    listening = listening_on(host, port)
    app = LocalApp(rest(db, tables, title=title), studio(db, tables=pages, title=title, token=token), token)
    # Without a log of requests: the first one of the studio holds the token.
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    serving = asyncio.ensure_future(uvicorn.Server(config).serve(sockets=[listening]))
    announce(address_of(listening), token)
    await serving
