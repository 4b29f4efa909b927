"""What every page of a web app of DeeBase is protected by: headers, Host and Origin, users or a token, CSRF."""

from __future__ import annotations

# What a function of a program raises may have any attributes, and pyright calls these unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import asyncio
import hmac
import inspect
import ipaddress
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deebase.web.access_rules import is_known

#: No script and no style inside of a page, and nothing of another origin.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    # With no-referrer, browsers send "Origin: null" with a form, which says nothing about where it comes from.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: The names by which a server on this machine is reached. A page of another site may let its own name lead here.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: The parameter and the cookie of the token, and the field and the header of the CSRF token.
TOKEN, CSRF_FIELD, CSRF_HEADER = "token", "csrf", "x-csrf-token"
#: Where a request holds its user, and the value of the browser's cookie.
_USER, _BROWSER = "deebase.user", "deebase.browser"
#: Headers of proxies: the client of the connection is not the one who asks.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
#: Seconds in which the program has to find the user of a request.
_USER_SECONDS = 10.0
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{20,64}")
logger: logging.Logger = logging.getLogger("deebase.web")


@dataclass(frozen=True)
class Protection:
    """How an app is protected.

    Args:
        token: what a browser has to show once, in the URL; None if everything on this machine may look.
        hosts: names in the Host header that are served, without the port; None for all.
        secret: of the CSRF tokens; the same in each process of one app.
        user: a function of the request that returns its user, or None; without it, clients of this machine alone are
            served.
        login: the address of a page that logs users in; None to answer 401.
    """

    token: str | None = None
    hosts: frozenset[str] | None = None
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    user: Callable[[Request], Any] | None = None
    login: str | None = None

    def csrf_token(self, request: Request) -> str:
        """Return what the forms of this browser hold."""
        value = request.scope.get(_BROWSER) or request.cookies.get(_cookie(request.scope), "")
        return _signed(self.secret, "csrf", value)

    def has_csrf_token(self, request: Request, given: Any) -> bool:
        """Whether a form, or a header, holds the token of this browser."""
        return isinstance(given, str) and same(given, self.csrf_token(request))


class Protected:
    """An ASGI app that sends nothing to other sites, and refuses browsers without the token.

    Args:
        app: what is protected.
        protection: how.
    """

    def __init__(self, app: ASGIApp, protection: Protection) -> None:
        self._app = app
        self._protection = protection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # A lifespan belongs to the app; a web socket has no business here.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        scope = mounted(scope)
        cookie = self._new_cookie(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                if cookie is not None and message["status"] == 200 and "html" in headers.get("content-type", ""):
                    headers.append("set-cookie", cookie)
            await send(message)

        answer = self._refusal(scope) or self._entrance(scope) or await self._identified(scope) or self._app
        await answer(scope, receive, with_headers)

    def _new_cookie(self, scope: Scope) -> str | None:
        """Give a browser of a user a value that its CSRF token is made of; return the cookie if it is a new one."""
        if self._protection.user is None:
            return None
        name = _cookie(scope)
        value = Request(scope).cookies.get(name, "")
        is_new = _COOKIE_VALUE.fullmatch(value) is None
        scope[_BROWSER] = secrets.token_urlsafe(24) if is_new else value
        if not is_new:
            return None
        response = Response()
        _set_cookie(response, scope, scope[_BROWSER], samesite="lax")
        return response.headers["set-cookie"]

    async def _identified(self, scope: Scope) -> Response | None:
        """Find the user of a request; return the answer to one without a user."""
        find = self._protection.user
        if find is None:
            return None
        try:
            async with asyncio.timeout(_USER_SECONDS):
                found = find(Request(scope))
                user = await found if inspect.isawaitable(found) else found
        except Exception as error:
            return _refused_by_program(error)
        if is_known(user):
            scope[_USER] = user
            return None
        if self._protection.login is None or scope["method"] not in ("GET", "HEAD"):
            return _refused("Log in first.", 401)
        request = Request(scope)
        # Two slashes would be the address of another site.
        place = "/" + quote(request.url.path).lstrip("/") + (f"?{request.url.query}" if request.url.query else "")
        mark = "&" if "?" in self._protection.login else "?"
        return RedirectResponse(f"{self._protection.login}{mark}{urlencode({'next': place})}", status_code=303)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that another site may have caused."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        hosts = self._protection.hosts
        if self._protection.user is None and not _is_local(scope, headers):
            return _refused("This server answers programs of its own machine alone: user= is missing.", 403)
        if hosts is not None and host_name(host) not in hosts:
            return _refused("This server does not answer to that name.", 421)
        if scope["method"] not in SAFE_METHODS and not _is_same_origin(headers, host):
            return _refused("The request comes from another site.", 403)
        return None

    def _entrance(self, scope: Scope) -> Response | None:
        """Return the answer to a browser that shows the token, or that has not shown it yet."""
        token = self._protection.token
        if token is None:
            return None
        request = Request(scope)
        session = _signed(self._protection.secret, "session", token)
        given = request.query_params.get(TOKEN)
        if given is not None and scope["method"] in SAFE_METHODS and same(given, token):
            return _entered(request, session)
        if same(request.cookies.get(_cookie(scope), ""), session):
            return None
        return _refused("Open the address that the terminal shows: it holds the token of this studio.", 403)


def user_of(request: Request) -> Any:
    """Return the user of a request; None if the app has no users."""
    return request.scope.get(_USER)


def mounted(scope: Scope) -> Scope:
    """Return a scope whose path begins with ``root_path``, as Starlette has it.

    Litestar takes the prefix of a mounted app from the path, and adds a slash to its end.
    """
    raw = unquote(scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")).rstrip("/")
    path = scope["path"].rstrip("/")
    if raw == path or not raw.endswith(path):
        return dict(scope)
    root = raw[: len(raw) - len(path)]
    return {**scope, "root_path": root, "path": root + (path or "/")}


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without the port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from this machine, and no proxy passes it on."""
    client = scope.get("client")
    if not client or any(name in headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a request that may change something was sent by a page of this server."""
    origin = headers.get("origin")
    if origin is not None:
        try:
            return urlsplit(origin).netloc.lower() == host.strip().lower() != ""
        except ValueError:
            # Half of the brackets of an IPv6 address.
            return False
    # Browsers that do not send the origin say at least this.
    return headers.get("sec-fetch-site") in ("same-origin", "none")


def _signed(secret: str, purpose: str, value: str) -> str:
    return hmac.new(secret.encode(), f"{purpose}:{value}".encode("utf-8", "surrogatepass"), sha256).hexdigest()


def _cookie(scope: Scope) -> str:
    # Cookies are shared by all ports of a host.
    server = scope.get("server") or ("", 0)
    return f"deebase_{server[1] or 0}"


def _set_cookie(response: Response, scope: Scope, value: str, *, samesite: Literal["lax", "strict"]) -> None:
    response.set_cookie(
        _cookie(scope),
        value,
        httponly=True,
        samesite=samesite,
        secure=scope.get("scheme") == "https",
        path=scope.get("root_path", "") or "/",
    )


def _entered(request: Request, session: str) -> Response:
    """Move the token from the URL to a cookie, so that it is in no history, bookmark or referrer."""
    left = [(name, value) for name, value in parse_qsl(request.url.query, True) if name != TOKEN]
    path = "/" + request.url.path.lstrip("/")
    response = RedirectResponse(f"{path}?{urlencode(left)}" if left else path, status_code=303)
    _set_cookie(response, request.scope, session, samesite="strict")
    return response


def _refused(message: str, status: int) -> Response:
    return PlainTextResponse(f"{message}\n", status_code=status)


def _refused_by_program(error: Exception) -> Response:
    """Return the answer to a request whose user was not found: the HTTPException of a framework, or a failure."""
    status: Any = getattr(error, "status_code", None)
    if isinstance(status, int) and 300 <= status < 500:
        headers: Any = getattr(error, "headers", None) or {}
        detail: Any = getattr(error, "detail", "")
        text = detail if isinstance(detail, str) and detail else "refused"
        return PlainTextResponse(f"{text}\n", status_code=status, headers=dict(headers))
    logger.error("the function that finds the user failed", exc_info=error)
    return _refused("Something went wrong in the server. Its log says more.", 500)


def served_hosts(names: Iterable[str]) -> frozenset[str]:
    """Return the names of hosts as ``Protection`` compares them."""
    return frozenset(host_name(name) for name in names)
