"""A guest book: a page that renders rows, and a form that adds one.

``python examples/web_page.py`` calls it once, on a temporary SQLite file or on ``DATABASE_URL``. To serve it:
``DATABASE_URL=guests.db uvicorn examples.web_page:app``.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qs, urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from deebase import Database, Text, UTCDateTime, ValidationError

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Guests</title>
<form method="post"><input name="name" required> <textarea name="words" required></textarea>
<button>Sign</button></form>
{entries}
{older}
</html>"""
ENTRY = "<article><h2>{name}</h2><p>{words}</p></article>"


@dataclass
class Entry:
    """What a guest wrote."""

    id: int | None
    name: str
    words: Text
    written: UTCDateTime


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the database for as long as the application runs."""
    async with Database(os.environ["DATABASE_URL"]) as db:
        app.state.entries = await db.create(Entry, indexes=[("written", "id")], if_not_exists=True)
        yield


async def show(request: Request) -> Response:
    """Render three entries, the newest first, and a link to the older ones."""
    page = await request.app.state.entries.page(size=3, order_by="-written", after=request.query_params.get("after"))
    entries = "\n".join(ENTRY.format(name=escape(row.name), words=escape(row.words)) for row in page.rows)
    older = f'<a href="?{urlencode({"after": page.next})}">older</a>' if page.next else ""
    return HTMLResponse(PAGE.format(entries=entries, older=older))


async def sign(request: Request) -> Response:
    """Store what was sent by the form."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    await request.app.state.entries.insert(name=form.get("name"), words=form.get("words"), written=datetime.now(UTC))
    return RedirectResponse("/", status_code=303)


async def refused(request: Request, error: Exception) -> Response:
    """Answer what no column takes, and cursors that are broken."""
    return HTMLResponse(f"<p>{escape(str(error))}</p>", status_code=422)


app = Starlette(
    lifespan=lifespan,
    routes=[Route("/", show), Route("/", sign, methods=["POST"])],
    exception_handlers={ValidationError: refused},
)


async def main() -> None:
    """Sign a few times, then read all pages, as a browser would."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", follow_redirects=True) as browser,
    ):
        for name in ("Ada", "Grace", "Edsger", "<script>", "Barbara"):
            answer = await browser.post("/", data={"name": name, "words": f"Hello from {name}"})
        page, _, link = answer.text.partition('<a href="')
        print(page)
        link = link.partition('"')[0]
        print((await browser.get(f"/{link}")).text.count("<article>"), "older")
        print("a broken link:", (await browser.get("/?after=x")).status_code)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.environ.setdefault("DATABASE_URL", f"{directory}/guests.db")
        asyncio.run(main())
