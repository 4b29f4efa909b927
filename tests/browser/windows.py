"""Chromium and what it opens: a studio that serves in a thread, and windows that note whatever a page should not do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

from deebase import Database
from deebase.web import studio
from deebase.web._studio.launch import listening_on
from tests.browser.conftest import TOKEN

T = TypeVar("T")
#: Seconds that a page may take.
PATIENCE = 10.0


class Served:
    """A database and its studio, in an event loop of their own: Playwright has one in the thread of the tests.

    Args:
        url: of the database.
        fill: makes its tables.
        app: makes the app; the studio with ``TOKEN`` by default.
        options: of the studio.
    """

    def __init__(
        self,
        url: str,
        fill: Callable[[Database], Awaitable[Any]],
        app: Callable[[Database], Any] | None = None,
        **options: Any,
    ) -> None:
        self._made = app or (lambda db: studio(db, token=TOKEN, **({"title": "Library"} | options)))
        self._listening = listening_on("127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.db = Database(url)
        self.run(_awaited(fill(self.db)))
        config = uvicorn.Config(self._made(self.db), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve(sockets=[self._listening]), self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns in the loop of the database."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def close(self) -> None:
        """Stop the server and the loop, and close the database."""
        self._server.should_exit = True
        self._serving.result(30)
        self.run(self.db.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


@dataclass
class Window:
    """A page of a browser, and what went wrong in it.

    Attributes:
        page: of Playwright.
        origin: of the studio.
        problems: dialogs, errors of scripts, what the content security policy refused, requests to other origins.
        requests: the addresses and the referrers of all requests.
    """

    page: Page
    origin: str
    problems: list[str] = field(default_factory=list[str])
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def watch(self) -> None:
        """Note what happens from now on."""
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error of a script: {error}"))
        self.page.on("popup", lambda popup: self.problems.append(f"opened {popup.url}"))
        self.page.context.on("request", self._request)

    def open(self, address: str, status: int | None = 200) -> Page:
        """Open a page of the studio, which answers with a status; None for any."""
        answer = self.page.goto(f"{self.origin}{address}")
        assert answer is not None
        assert status in (None, answer.status), (address, answer.status, self.page.inner_text("main")[:300])
        return self.page

    def follow(self, act: Callable[[], object]) -> None:
        """Do what leads to another page, and wait for that page."""
        with self.page.expect_navigation():
            act()

    def press(self, key: str) -> None:
        """Press a key that leads to another page."""
        self.follow(lambda: self.page.keyboard.press(key))

    def enter(self) -> Page:
        """Open the address with the token."""
        return self.open(f"/?token={TOKEN}")

    def downloaded(self, address: str) -> bytes:
        """Return a file, as the browser of this window gets it."""
        answer = self.page.request.get(f"{self.origin}{address}")
        assert answer.status == 200, (address, answer.status)
        return answer.body()

    def _dialog(self, dialog: Dialog) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium reports each answer of an error, as of a page that does not exist; tests ask for the status.
        if "the server responded with a status of" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        self.requests.append((request.url, request.headers.get("referer", "")))
        if not request.url.startswith(f"{self.origin}/"):
            self.problems.append(f"a request left: {request.url[:200]}")


@contextmanager
def window(chromium: Browser, origin: str, **options: Any) -> Iterator[Window]:
    """Yield a window with cookies of its own, whose pages have done nothing wrong at the end."""
    context: BrowserContext = chromium.new_context(**({"viewport": {"width": 1200, "height": 800}} | options))
    try:
        opened = Window(context.new_page(), origin)
        opened.watch()
        yield opened
        assert not opened.problems, opened.problems[:5]
    finally:
        context.close()
