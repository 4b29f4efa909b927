"""A small library of books: what the pages of the studio are tested with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from deebase import Database, Digits, ForeignKey, Search, Text

BOOKS = 130


@dataclass
class Author:
    id: int | None
    name: Text


@dataclass
class Book:
    id: int | None
    title: Text
    author_id: ForeignKey[int, "author"] | None
    price: Annotated[Decimal, Digits(8, 2)]
    on_sale: bool
    day: date | None
    meta: dict[str, Any] | None = None
    cover: bytes | None = None
    pages: int | None = None


async def make_library(db: Database) -> None:
    """Create two authors, and books of the first one."""
    authors = await db.create(Author)
    books = await db.create(Book, search=Search("title"))
    await authors.insert_all([{"name": "Ada"}, {"name": "Bob"}])
    await books.insert_all(
        {
            "title": f"book {n} {'even' if n % 2 == 0 else 'odd'}",
            "author_id": None if n % 10 == 0 else 1,
            "price": Decimal(n) / 4,
            "on_sale": n % 3 == 0,
            "day": date(2020, 1 + n % 12, 1),
            "meta": {"n": n, "long": "x" * 3000} if n == 1 else None,
            "pages": None if n % 2 else n % 50,
            "cover": bytes(range(256)) * 4 if n == 1 else None,
        }
        for n in range(1, BOOKS + 1)
    )
