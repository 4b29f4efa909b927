"""A browser without a screen: it opens pages of an ASGI app, and checks each of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from deebase import Database
from deebase._engine.core import core_of
from tests.support.forms import Form, FormReader

BASE = "http://127.0.0.1:8000"
#: What a page may take.
STATEMENTS, BYTES = 6, 60 * 1024
#: A name and a value that a page must escape.
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>"
#: Pages about the whole database: their statements are many, and do not depend on its size.
_WHOLE = re.compile(r"/(?:doctor|schema|migrations)(?:\?|\Z)")
_ALLOWED_TAGS = re.compile(
    "html|head|meta|title|link|script|body|header|main|section|nav|aside|h1|h2|h3|p|a|ul|li|dl|dt|dd|div|span|pre|form|"
    "label|input|select|option|button|details|summary|table|thead|tbody|tr|th|td|meter|svg|g|path|rect|text|circle|"
    "textarea|datalist|strong|mark"
)


class Page(HTMLParser):
    """What a page holds: its links, its text, and what a content security policy would refuse."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.links: list[str] = []
        #: The previous and the next page.
        self.neighbours: dict[str, str] = {}
        self.problems: list[str] = []
        self._inside: list[str] = []
        self.words: list[str] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if _ALLOWED_TAGS.fullmatch(tag) is None:
            self.problems.append(f"element {tag}")
        self.problems += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "script" and not given.get("src"):
            self.problems.append("an inline script")
        for name in ("href", "src", "action"):
            address = given.get(name)
            if address is not None and (urlsplit(address).scheme or address.startswith("//")):
                self.problems.append(f"{tag} leads to {address[:80]}")
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
            if given.get("rel"):
                self.neighbours[str(given["rel"])] = str(given["href"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def forms(self) -> list[Form]:
        """The forms of the page."""
        return FormReader(self.response.text).forms

    @property
    def form(self) -> Form:
        """The form of the page that changes something."""
        return next(form for form in self.forms if form.method == "POST")

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


class Browser:
    """Opens pages of an app that shows a database.

    Args:
        client: sends requests.
        db: the database, whose statements are counted.
    """

    def __init__(self, client: httpx.AsyncClient, db: Database) -> None:
        self.client = client
        self._db = db

    async def get(self, address: str, status: int = 200) -> Page:
        """Open a page and check it."""
        with core_of(self._db).recording() as sent:
            response = await self.client.get(address, follow_redirects=True)
        return self._checked(address, response, sent, status)

    async def send(
        self,
        page: Page,
        changes: dict[str, str | None] | None = None,
        *,
        step: str = "review",
        files: dict[str, bytes] | None = None,
        status: int = 200,
    ) -> Page:
        """Click a button of the form of a page, and follow where it leads.

        Args:
            page: with the form.
            changes: the values of inputs that are changed, by name.
            step: the value of the button.
            files: what is chosen for inputs of files.
            status: of the answer.
        """
        form = page.form
        address = urljoin(str(page.response.url), form.action or "")
        assert ("step", step) in form.buttons, form.buttons
        pairs = [*form.filled(changes or {}), ("step", step)]
        with core_of(self._db).recording() as sent:
            if form.kind is None:
                assert not files
                body: dict[str, Any] = {
                    "content": urlencode(pairs),
                    "headers": {"content-type": "application/x-www-form-urlencoded", "origin": BASE},
                }
            else:
                parts: list[tuple[str, Any]] = [(name, (None, text)) for name, text in pairs]
                for name in form.files:
                    data = (files or {}).get(name)
                    parts.append((name, ("" if data is None else "file", data or b"", "application/octet-stream")))
                body = {"files": parts, "headers": {"origin": BASE}}
            response = await self.client.post(address, **body, follow_redirects=True)
        return self._checked(address, response, sent, status, has_files=bool(files))

    def _checked(
        self, address: str, response: httpx.Response, sent: list[str], status: int, *, has_files: bool = False
    ) -> Page:
        assert response.status_code == status, f"{address}: {response.status_code} {Page(response).text[-300:]}"
        page = Page(response)
        assert not page.problems, (address, page.problems)
        if "html" in response.headers["content-type"]:
            # A page that asks about a file holds it.
            assert len(response.content) <= BYTES or has_files, (address, len(response.content))
            # After a change, the page that it leads to is read, too.
            most = STATEMENTS * (1 + len(response.history))
            assert len(sent) <= most or _WHOLE.search(address), (address, sent)
        return page

    async def crawl(self, start: str, most: int, *, skips: Sequence[str] = ()) -> set[str]:
        """Open a page and those that it leads to, in turn; of each kind of address, some."""
        seen: set[str] = set()
        waiting = [start]
        kinds: dict[str, int] = {}
        while waiting and len(seen) < most:
            address = waiting.pop(0)
            kind = re.sub(r"=[^&]*", "", address)
            if address in seen or any(part in address for part in skips) or kinds.get(kind, 0) >= 3:
                continue
            seen.add(address)
            kinds[kind] = kinds.get(kind, 0) + 1
            if "/export." in address or "/value/" in address or address == "/schema.sql":
                response = await self.client.get(address)
                assert response.status_code == 200, (address, response.text[-300:])
                assert response.headers["content-disposition"].startswith("attachment;")
                continue
            page = await self.get(address)
            waiting += [urljoin(f"{BASE}{address}", link).removeprefix(BASE) for link in page.links if link[:1] != "#"]
        return seen


@asynccontextmanager
async def browsing(app: Any, db: Database) -> AsyncIterator[Browser]:
    """Yield a browser for an app."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
        yield Browser(client, db)
