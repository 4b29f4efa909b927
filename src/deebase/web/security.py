"""What every page of a web app of DeeBase is protected by: headers, Host and Origin, a token, CSRF."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


@dataclass(frozen=True)
class Protection:
    """How an app is protected.

    Args:
        token: what a browser has to show once, in the URL; None if the app that this one is mounted in knows its users.
        hosts: names in the Host header that are served, without the port; None for all.
        secret: of the CSRF tokens; the same in each process of one app.
    """

    token: str | None = None
    hosts: frozenset[str] | None = None
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def csrf_token(self, request: Request) -> str:
        """Return what the forms of this browser hold."""
        return _signed(self.secret, "csrf", request.cookies.get(_cookie(request.scope), ""))

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

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self._entrance(scope) or self._app
        await answer(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that another site may have caused."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        hosts = self._protection.hosts
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


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without the port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a request that may change something was sent by a page of this server."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == host.strip().lower() != ""
    # Browsers that do not send the origin say at least this.
    return headers.get("sec-fetch-site") in ("same-origin", "none")


def _signed(secret: str, purpose: str, value: str) -> str:
    return hmac.new(secret.encode(), f"{purpose}:{value}".encode("utf-8", "surrogatepass"), sha256).hexdigest()


def _cookie(scope: Scope) -> str:
    # Cookies are shared by all ports of a host.
    server = scope.get("server") or ("", 0)
    return f"deebase_{server[1] or 0}"


def _entered(request: Request, session: str) -> Response:
    """Move the token from the URL to a cookie, so that it is in no history, bookmark or referrer."""
    left = [(name, value) for name, value in parse_qsl(request.url.query, True) if name != TOKEN]
    path = "/" + request.url.path.lstrip("/")
    response = RedirectResponse(f"{path}?{urlencode(left)}" if left else path, status_code=303)
    response.set_cookie(
        _cookie(request.scope),
        session,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=request.scope.get("root_path", "") or "/",
    )
    return response


def _refused(message: str, status: int) -> Response:
    return PlainTextResponse(f"{message}\n", status_code=status)


def served_hosts(names: Iterable[str]) -> frozenset[str]:
    """Return the names of hosts as ``Protection`` compares them."""
    return frozenset(host_name(name) for name in names)
