"""The JSON API as an ASGI application: which table a path leads to, who asks, and the limits of each request."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from deebase import ConfigurationError, ConnectionError, Database, DeeBaseError, QueryTimeoutError, TableNotFoundError
from deebase.web._rest.api_limits import Limits
from deebase.web._rest.exposed_table import Call, ExposedTable
from deebase.web._rest.json_forms import written
from deebase.web._rest.openapi_document import document
from deebase.web._rest.problem_details import PROTECTION, Problem, Reply, not_found, problem_of
from deebase.web._rest.visible_parents import Parents
from deebase.web.access_rules import Source, is_known, scope_for
from deebase.web.foreign_key_columns import keys_in
from deebase.web.served_tables import Served, ServedTables

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOG: Final = logging.getLogger("deebase")
#: Parameters of the longest query.
_MOST_PARAMETERS: Final = 200
_DOCUMENT: Final = "openapi.json"
#: Names that are no addresses of tables; a database that is served as a whole may have such tables.
_NO_TABLES: Final = ("", _DOCUMENT)


class _Place(NamedTuple):
    """Where a path leads: the part of it that belongs to the server, and the parts after it, decoded."""

    prefix: str
    parts: tuple[str, ...]


def _place_of(scope: Scope) -> _Place:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    route = path[len(root) :] if root and path.startswith(root) else path
    # A slash inside of a key is %2F, which only the raw path tells from others. Litestar adds a slash at the end.
    raw = scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
    if route in ("", "/"):
        return _Place(raw.rstrip("/") if raw else quote(root), ("",))
    at = len(raw)
    while at > 0:
        at = raw.rfind("/", 0, at)
        if at >= 0 and unquote(raw[at:]) in (route, route.removesuffix("/")):
            return _Place(raw[:at], tuple(map(unquote, raw[at + 1 :].split("/"))))
    return _Place(quote(root), tuple(route.removeprefix("/").split("/")))


async def respond(scope: Scope, send: Send, reply: Reply) -> None:
    """Send a response."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*reply.headers, *PROTECTION)]
    if reply.status not in (204, 304):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


def body_reader(scope: Scope, receive: Receive) -> Callable[[int], Awaitable[bytes]]:
    """Return what reads the body of a request, up to a limit."""

    async def read(limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the client closed the connection", "disconnected")
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise Problem(413, f"the body has more than {limit} bytes", "body")
            pieces.append(piece)
            more = message.get("more_body", False)
        return b"".join(pieces)

    return read


def query_of(scope: Scope, limits: Limits) -> list[tuple[str, str]]:
    """Return the parameters of a URL.

    Raises:
        Problem: the URL is longer than allowed, or is not UTF-8.
    """
    raw: bytes = scope.get("query_string", b"")
    if len(raw) + len(scope["path"]) > limits.url:
        raise Problem(414, f"the address has more than {limits.url} bytes", "url")
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise Problem(422, "the query of the address cannot be read", "invalid") from None


async def guarded(answer: Callable[[], Awaitable[Reply]], limits: Limits, what: str) -> Reply:
    """Return the response to a request, whatever becomes of it: no error leaves, and no more time passes."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await answer()
    except Problem as problem:
        if problem.status >= 500:
            _LOG.error("%s failed", what, exc_info=problem)
        return problem.reply()
    except TimeoutError:
        return Problem(504, f"the request took longer than {limits.seconds:g} seconds", "timeout").reply()
    except DeeBaseError as error:
        # From a function of the program; the table answers those of its own calls.
        _LOG.error("%s failed", what, exc_info=error)
        is_passing = error.retryable or isinstance(error, (ConnectionError, QueryTimeoutError))
        return (problem_of(error, ()) if is_passing else _failed()).reply()
    except Exception as error:
        status: Any = getattr(error, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            # The HTTPException of a framework, from the function that finds the user.
            headers: Any = getattr(error, "headers", None) or {}
            detail = getattr(error, "detail", "")
            named = tuple([(str(name).lower(), str(value)) for name, value in dict(headers).items()])
            return Problem(status, detail if isinstance(detail, str) else "refused", "refused", headers=named).reply()
        _LOG.error("%s failed", what, exc_info=error)
        return _failed().reply()


def _failed() -> Problem:
    return Problem(500, "the server failed", "error")


class RestApp:
    """An ASGI application with the JSON API of some tables; ``rest`` makes it."""

    def __init__(
        self,
        db: Database,
        tables: Served,
        user: Callable[[Any], Any] | None,
        title: str,
        limits: Limits,
    ) -> None:
        self._db = db
        self._served = ServedTables(db, tables)
        self._user = user
        self._title = title
        self._limits = limits
        self._exposed: dict[str, ExposedTable] = {}
        for name, access in self._served.access.items():
            if name in _NO_TABLES and not callable(tables):
                raise ConfigurationError(f"a table cannot be called {_DOCUMENT!r} here", hint="leave it out")
            if callable(access.scope) and user is None:
                raise ConfigurationError(
                    f"the scope of {name} depends on the user, and user= is missing",
                    hint="rest(db, user=current_user, tables=...)",
                )
            if name in db.t or name in db.v:
                self._expose(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _no_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            what = f"{scope['method']} {quote(scope['path'])}"
            reply = await guarded(lambda: self._answer(scope, receive), self._limits, what)
            await respond(scope, send, reply)

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        place = _place_of(scope)
        query = query_of(scope, self._limits)
        user = await self._who(scope)
        first, *rest = place.parts
        if not rest and first in _NO_TABLES:
            return await self._about(scope, place, query, user)
        if first not in self._served.access and not (await self._served.look_again() and first in self._served.access):
            raise not_found()
        exposed = await self._table(first)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        base = f"{place.prefix}/{quote(first, safe='')}"
        parents: Parents = await self._parents(exposed, user) if scope["method"] in ("POST", "PATCH") else {}
        call = Call(scope["method"], tuple(rest), query, headers, body_reader(scope, receive), base, parents)
        return await exposed.answer(call, user)

    async def _parents(self, exposed: ExposedTable, user: Any) -> Parents:
        """Return the tables that a table refers to and that have a scope for a user."""
        found: dict[str, Any] = {}
        for name in {key.table for key in keys_in(exposed.source)} & self._served.access.keys():
            held = await scope_for(self._served.access[name], user)
            if held is None:
                found[name] = None
            elif held:
                found[name] = (await self._table(name)).within(held)
        return found

    async def _who(self, scope: Scope) -> Any:
        if self._user is None:
            return None
        from starlette.requests import Request

        found = self._user(Request(scope))
        if inspect.isawaitable(found):
            found = await found
        if not is_known(found):
            raise Problem(401, "log in first", "unauthenticated", headers=(("www-authenticate", "Bearer"),))
        return found

    async def _about(self, scope: Scope, place: _Place, query: list[tuple[str, str]], user: Any) -> Reply:
        if scope["method"] not in ("GET", "HEAD"):
            raise Problem(405, f"{scope['method']} is not allowed here", "method", headers=(("allow", "GET, HEAD"),))
        if query:
            raise Problem(422, "this address takes no parameters", "invalid")
        await self._served.look_again()
        shown = {name: access for name, access in self._served.access.items() if name not in _NO_TABLES}
        scopes = {name: await scope_for(access, user) for name, access in shown.items()}
        if place.parts == (_DOCUMENT,):
            exposed = {name: (await self._table(name), held) for name, held in scopes.items() if held is not None}
            made = document(self._title, place.prefix or "/", exposed, has_users=self._user is not None)
            return Reply(200, written(made), (("content-type", "application/json"),))
        names = [name for name, held in scopes.items() if held is not None]
        tables = {name: f"{place.prefix}/{quote(name, safe='')}" for name in names}
        body = written({"tables": tables, "openapi": f"{place.prefix}/{_DOCUMENT}"})
        return Reply(200, body, (("content-type", "application/json"),))

    async def _table(self, name: str) -> ExposedTable:
        """Return a table of the API, as it is now."""
        if name not in self._db.t and name not in self._db.v:
            await self._db.reflect()
        known = self._exposed.get(name)
        if known is None or not known.is_current(self._source(name)):
            known = self._expose(name)
        return known

    def _source(self, name: str) -> Source:
        return self._db.t[name] if name in self._db.t else self._db.v[name]

    def _expose(self, name: str) -> ExposedTable:
        try:
            made = ExposedTable(self._source(name), self._served.access[name], self._limits)
        except TableNotFoundError as error:
            raise ConfigurationError(
                f"the table {name} of the API, or one that it refers to, does not exist", hint="await db.reflect()"
            ) from error
        self._exposed[name] = made
        return made


async def _no_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def rest(
    db: Database,
    tables: Served,
    *,
    user: Callable[[Any], Any] | None = None,
    title: str = "API",
    limits: Limits | None = None,
) -> RestApp:
    """Return the JSON API of some tables as an ASGI application, to be mounted in an app of any framework.

    Args:
        db: the database. Tables that it does not know yet are reflected at the first request.
        tables: what can be done with each table or view, by its name. Other tables do not exist for the API. A function
            of the Database that returns it is called again when an address leads to no table, after a search for
            tables that were created since.
        user: a function of the request (Starlette's) that returns the user for the scopes, or None for a request
            that is answered with 401; it may be async, and may raise the HTTPException of the framework. Without it,
            everybody may do what ``tables`` allows.
        title: of the OpenAPI document.
        limits: what one request may ask for.

    Raises:
        ConfigurationError: an Access names a column that does not exist, or a scope needs a user and there is none.

    Example:
        ```python
        from deebase.web import Access, rest

        app.mount("/api", rest(db, {"post": Access(read=["id", "title"], write=["title"])}))
        ```
    """
    return RestApp(db, tables, user, title, Limits() if limits is None else limits)
