"""The pages of the studio over 500,000 books of 50,000 authors: `python -m benchmarks.studio`.

For each page: bytes, statements, and the server's time at the median, from the request to the last byte, without the
network. A page may take 60 KiB, 6 statements and 50 ms; one that reads or ranks all rows has limits of time of its own.
With `--check`, the status is 1 if a page takes more.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import httpx

from benchmarks.databases import chosen_backends
from benchmarks.server import running_server
from benchmarks.target import Backend
from deebase import Database, ForeignKey, Search
from deebase._engine.core import core_of
from deebase.web import studio

BOOKS, AUTHORS = 500_000, 50_000
MOST_BYTES, MOST_STATEMENTS, MOST_MILLISECONDS = 60 * 1024, 6, 50.0
#: Pages that read or rank all rows end within their limits of time instead.
MOST_MILLISECONDS_OF_SCANS = 1100.0
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "jetty"]


class Author:
    """Who writes."""

    id: int
    name: str


class Book:
    """What is shown."""

    id: int
    title: str
    author_id: ForeignKey[int, "author"]
    genre: str
    price: float
    published: date
    pages: int | None


@dataclass(frozen=True)
class Shown:
    """What one page took.

    Attributes:
        name: of the page.
        bytes: of its body.
        statements: sent to the database.
        milliseconds: at the median.
        is_scan: whether it reads rows that no index leads to, or ranks or counts all of them.
    """

    name: str
    bytes: int
    statements: int
    milliseconds: float
    is_scan: bool

    @property
    def fits(self) -> bool:
        """Whether it takes no more than it may."""
        most = MOST_MILLISECONDS_OF_SCANS if self.is_scan else MOST_MILLISECONDS
        return self.bytes <= MOST_BYTES and self.statements <= MOST_STATEMENTS and self.milliseconds <= most


def _books(number: int) -> Iterator[dict[str, Any]]:
    chosen = random.Random(7)
    start = date(1950, 1, 1)
    for n in range(1, number + 1):
        yield {
            "id": n,
            "title": f"{chosen.choice(_WORDS)} {chosen.choice(_WORDS)} {n}",
            "author_id": chosen.randrange(1, max(2, number // 10) + 1),
            "genre": chosen.choice(_WORDS),
            "price": round(chosen.random() * 80, 2),
            "published": start + timedelta(days=chosen.randrange(27_000)),
            "pages": None if n % 9 == 0 else chosen.randrange(40, 1200),
        }


async def _filled(db: Database, books: int) -> None:
    await db.create(Author)
    await db.create(Book, search=Search("title"))
    await db.t.author.insert_all({"id": n, "name": f"Author {n}"} for n in range(1, max(2, books // 10) + 1))
    await db.t.book.insert_all(_books(books))
    for column in ("author_id", "title", "published"):
        await db.t.book.create_index(column)
    await db.q("ANALYZE")


def pages(books: int) -> dict[str, str]:
    """Return the addresses of the pages, by name, which begins with "scan" if they read or rank more than they show."""
    author = max(2, books // 10) // 2
    return {
        "tables": "/",
        "diagram": "/diagram",
        "list": "/table/book",
        "list by title": "/table/book?sort=title",
        "scan: list by price, no index": "/table/book?desc=price",
        "list of authors": "/table/author",
        "filter by author": f"/table/book?is.author_id={author}",
        "scan: filter by text": "/table/book?has.title=amber",
        "scan: search of a frequent word": "/table/book?q=amber",
        "row of a book": f"/table/book/row/{books // 2}",
        "row of an author": f"/table/author/row/{author}",
        "edit a book": f"/table/book/row/{books // 2}/edit",
        "edit an author": f"/table/author/row/{author}/edit",
        "add a book": "/table/book/add",
        "delete a book": f"/table/book/row/{books // 2}/delete",
        "change two books": f"/table/book/several?key=1&key={books // 2}&column=author_id",
        "authors by typing": "/table/book/suggest/author_id?q=Author",
        "scan: facet of genre": "/table/book?facet=genre",
        "scan: facet of author": "/table/book?facet=author_id",
        "scan: two facets": "/table/book?facet=genre&facet=pages",
        "scan: panel of price": "/table/book?column=price",
        "scan: panel of published": "/table/book?column=published",
        "scan: panel of author": "/table/book?column=author_id",
        "scan: rows counted": "/table/book?count=1",
    }


async def _measured(client: httpx.AsyncClient, db: Database, name: str, address: str, rounds: int) -> Shown | None:
    """Return what a page took; None where there is no such page."""
    with core_of(db).recording() as sent:
        answer = await client.get(address)
    if answer.status_code == 404:
        return None
    if answer.status_code != 200:
        raise click.ClickException(f"{address}: {answer.status_code} {re.sub('<[^>]*>', ' ', answer.text)[-300:]}")
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        await client.get(address)
        times.append((time.perf_counter() - start) * 1000)
    return Shown(name, len(answer.content), len(sent), statistics.median(times), name.startswith("scan"))


async def _deep(client: httpx.AsyncClient, address: str, deep: int) -> str:
    """Return the address of a page far behind the first."""
    path, _, query = address.partition("?")
    for _ in range(deep):
        found = re.search(r'rel="next" href="([^"]+)"', (await client.get(f"{path}?{query}")).text)
        if found is None:
            break
        query = found[1].replace("&amp;", "&").removeprefix("?")
    return f"{path}?{query}"


async def _run(db: Database, books: int, rounds: int) -> list[Shown]:
    app = studio(db, write=True)
    found: list[Shown] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        await client.get("/")
        for name, address in pages(books).items():
            found += [shown for shown in [await _measured(client, db, name, address, rounds)] if shown]
        for name, address in (("list, page 41", "/table/book"), ("by title, page 41", "/table/book?sort=title")):
            shown = await _measured(client, db, name, await _deep(client, address, 40), rounds)
            found += [shown] if shown else []
        last = f"/table/book?from.id={books - 20}"
        found += [shown for shown in [await _measured(client, db, "last rows", last, rounds)] if shown]
    return found


@asynccontextmanager
async def _database(backend: Backend, directory: Path) -> AsyncIterator[Database]:
    with _url(backend, directory) as url:
        async with Database(url) as db:
            yield db


@contextmanager
def _url(backend: Backend, directory: Path) -> Iterator[str]:
    if backend == "sqlite":
        yield str(directory / "books.db")
        return
    with running_server() as server:
        yield server.url


def _report(backend: Backend, found: list[Shown]) -> None:
    click.echo(f"\n{backend}: {'page':<26}{'bytes':>8}{'statements':>12}{'median ms':>11}")
    for shown in found:
        ending = "" if shown.fits else "  MISSED"
        click.echo(f"  {shown.name:<32}{shown.bytes:>8,}{shown.statements:>12}{shown.milliseconds:>11.1f}{ending}")


async def _all(backends: list[Backend], books: int, rounds: int) -> bool:
    met = True
    for backend in backends:
        with tempfile.TemporaryDirectory(prefix="dbstudio-") as directory:
            async with _database(backend, Path(directory)) as db:
                await _filled(db, books)
                found = await _run(db, books, rounds)
        _report(backend, found)
        met = met and all(shown.fits for shown in found)
    return met


@click.command()
@click.option("--backend", type=click.Choice(["sqlite", "postgres", "all"]), default="all")
@click.option("--books", type=int, default=BOOKS, show_default=True)
@click.option("--rounds", type=int, default=15, show_default=True, help="Requests of each page.")
@click.option("--check", is_flag=True, help="End with status 1 if a page takes more than it may.")
def main(backend: str, books: int, rounds: int, *, check: bool) -> None:
    """Print what the pages of the studio take."""
    met = asyncio.run(_all(chosen_backends(backend), books, rounds))
    if check and not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
