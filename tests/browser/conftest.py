"""One Chromium for all tests, and a library to look at."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import in_ci
from tests.support.library import make_library

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.windows import Served, Window
    from tests.support.postgres import PostgresTestServer

#: Of the studios that tests open.
TOKEN = "a-token-of-the-tests"


def chromium_program() -> str | None:
    """Return the browser of the system."""
    return shutil.which("chromium")


@pytest.fixture(scope="session")
def chromium(postgres_server: PostgresTestServer) -> Iterator[Browser]:
    """A browser without a screen. Where there is none, tests are skipped; in CI they fail.

    The server starts before it: Playwright's own event loop runs in this thread from then on.
    """
    program = chromium_program()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        if in_ci():
            raise
        pytest.skip("Playwright is not installed: pip install -e '.[browser]'")
    if program is None:
        if in_ci():
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresTestServer) -> Iterator[str]:
    """URL of an empty database, which is made and emptied in a thread without an event loop."""
    database = postgres_server.fresh_database()
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(database.__enter__).result()
        # The server of the test is closed by now: it was started with this URL.
        thread.submit(database.__exit__, None, None, None).result()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The studio of a library; its tests only look."""
    from tests.browser.windows import Served

    path = tmp_path_factory.mktemp("library") / "library.db"
    served = Served(str(path), make_library)
    yield served
    served.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Window]]:
    """Opens windows, in which nothing went wrong at the end: `opened(served, color_scheme="dark")`."""
    from tests.browser.windows import window

    with ExitStack() as stack:

        def opens(served: Served, **options: Any) -> Window:
            entered: AbstractContextManager[Window] = window(chromium, served.origin, **options)
            shown = stack.enter_context(entered)
            shown.enter()
            return shown

        yield opens


@pytest.fixture
def look(opened: Callable[..., Window], served: Served) -> Window:
    """A window of the studio of the library."""
    return opened(served)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serves databases of a test's own: `serve(fill, url=None, app=None, **options)`."""
    from tests.browser.windows import Served

    with ExitStack() as stack:

        def serves(fill: Any, *, url: str | None = None, **options: Any) -> Served:
            served = Served(url or str(tmp_path / "own.db"), fill, **options)
            stack.callback(served.close)
            return served

        yield serves
