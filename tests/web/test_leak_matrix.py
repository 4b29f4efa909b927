"""The leak matrix: every route of the studio and of the JSON API, asked by one tenant, shows nothing of another one.

The rows of the other tenant, hidden columns and hidden tables hold marks that no request holds. A route without a case
fails the test.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import BytesIO
from itertools import cycle, islice, product
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from deebase import Database, Digits, ForeignKey, Search, Text, Unique
from deebase.web import Access, rest, studio
from deebase.web._studio.addresses import encoded
from tests.support.api import client_of
from tests.support.worlds import case

#: What no answer to the tenant 1 may hold: values of tenant 2, of hidden columns, and names of these.
MARKS = ("theirs", "their-", "987654", "1999", "covert", "clandestine", "tenant_id", r"\bowner\b")
LEAK = re.compile("|".join(MARKS), re.IGNORECASE)


@dataclass
class Company:
    id: int | None
    owner: int
    name: Text


@dataclass
class Author:
    id: int | None
    tenant_id: int
    name: Text
    covert_mail: Text


@dataclass
class Book:
    id: int | None
    tenant_id: int
    title: Text
    author_id: ForeignKey[int, "author"]
    company_id: ForeignKey[int, "company"] | None
    vault_id: ForeignKey[int, "clandestine"] | None
    price: Annotated[Decimal, Digits(10, 2)]
    day: date
    code: Annotated[str, Unique()]
    covert_note: Text
    meta: dict[str, Any] | None = None


@dataclass
class Review:
    id: int | None
    tenant_id: int
    book_id: ForeignKey[int, "book"]
    body: Text
    covert_by: ForeignKey[int, "book"] | None = None


@dataclass
class Clandestine:
    id: int | None
    name: Text
    book: int | None = None


def tenant(request: Request) -> int | None:
    given = request.headers.get("x-tenant")
    return None if given is None else int(given)


def scope(user: int) -> dict[str, Any]:
    return {"tenant_id": user}


TABLES = {
    "company": Access(read=["id", "name"], write=["name"], scope=lambda user: {"owner": user}, delete=True),
    "author": Access(read=["id", "name"], write=["name"], scope=scope, delete=True),
    "book": Access(
        read=["id", "title", "author_id", "company_id", "vault_id", "price", "day", "code", "meta"],
        write=["title", "author_id", "company_id", "price", "day", "code", "meta"],
        insert=False,
        delete=True,
        scope=scope,
    ),
    "review": Access(read=["id", "book_id", "body"], write=["book_id", "body"], scope=scope, delete=True),
    "shelf": Access(read=["title", "price"], scope=scope),
}
ALL = ("company", "author", "book", "review", "clandestine", "shelf")
WRITABLE = ("company", "author", "review")


@asynccontextmanager
async def world(db: Database) -> AsyncIterator[tuple[Starlette, dict[str, Any]]]:
    """Make the rows of two tenants: the ids 1 and 2 are of the tenant 1, 3 and 4 of the tenant 2.

    Each row of tenant 1 refers to one of tenant 2, too, as another program may have written it.
    """
    options = {Book: {"search": Search("title")}, Author: {"search": Search("name", "covert_mail")}}
    classes = (Company, Author, Clandestine, Book, Review)
    companies, authors, vault, books, reviews = await db.create_all(*classes, options=options)
    words = ("mine", "mine", "theirs", "theirs")
    await companies.insert_all({"owner": 1 + n // 2, "name": f"{words[n]} {n}"} for n in range(4))
    await vault.insert_all({"name": f"clandestine {n}"} for n in range(2))
    await authors.insert_all(
        {"tenant_id": 1 + n // 2, "name": f"{words[n]} {n}", "covert_mail": f"covert {words[n]}"} for n in range(4)
    )
    await books.insert_all(
        {
            "tenant_id": 1 + n // 2,
            "title": f"{words[n]} {n}",
            "author_id": (1, 3, 3, 4)[n],
            "company_id": (1, 3, 3, 4)[n],
            "vault_id": 1,
            "price": Decimal(n) if n < 2 else Decimal("987654.32"),
            "day": date(2020, 1, 1 + n) if n < 2 else date(1999, 9, 9),
            "code": f"{'my' if n < 2 else 'their'}-{n}",
            "covert_note": f"covert {n}",
            "meta": {"a": words[n]},
        }
        for n in range(4)
    )
    await reviews.insert_all(
        {"tenant_id": 1 + n // 2, "book_id": (1, 3, 1, 3)[n], "body": f"{words[n]} {n}", "covert_by": 1}
        for n in range(4)
    )
    await db.create_view("shelf", "SELECT tenant_id, title, price, covert_note FROM book")
    await db.reflect()
    pages = studio(db, user=tenant, tables=TABLES, title="Books", login="/login")
    api = rest(db, TABLES, user=tenant, title="Books")
    yield Starlette(routes=[Mount("/admin", pages), Mount("/api", api)]), {"pages": pages, "api": api}


def table_queries() -> Iterator[tuple[str, str]]:
    """Yield tables with queries of their pages: each filter of each column, orders, panels, facets and searches."""
    columns = {
        "company": ["id", "name", "owner"],
        "author": ["id", "name", "tenant_id", "covert_mail"],
        "book": [*Book.__annotations__],
        "review": [*Review.__annotations__],
        "shelf": ["title", "price", "tenant_id", "covert_note"],
        "clandestine": ["id", "name"],
    }
    for table, names in columns.items():
        yield table, ""
        yield table, "count=1"
        yield table, "q=heirs"
        yield table, "q=cov*&count=1"
        yield table, urlencode([("show", name) for name in names])
        codes = cycle({"is": "3", "has": "heir", "not": "1", "from": "2", "in": "2,3,4", "to": "9"}.items())
        for number, name in enumerate(names):
            for code, text in islice(codes, 2):
                yield table, urlencode({f"{code}.{name}": text, "count": "1", "sort": name})
            yield table, urlencode({f"filled.{name}": "1", "desc": name, "column": name, "facet": name})
            yield table, urlencode(({"show": name}, {"facet": name}, {"column": name}, {"sort": name})[number % 4])


def row_places() -> Iterator[str]:
    for table in ALL:
        for key in (1, 2, 3, 9):
            yield f"/table/{table}/row/{key}"


def value_places() -> Iterator[str]:
    for table, names in {"author": ("name", "covert_mail"), "book": ("title", "meta", "covert_note", "no")}.items():
        for key, name in product((1, 3), (*names, "tenant_id")):
            yield f"/table/{table}/row/{key}/value/{encoded(name)}"


def export_places() -> Iterator[str]:
    for table, query in islice(table_queries(), 0, None, 3):
        yield f"/table/{table}/export.csv?{query}"
    for table in ("book", "author", "shelf", "clandestine"):
        for form in ("json", "ndjson", "parquet", "exe"):
            yield f"/table/{table}/export.{form}"


def action_places(action: str) -> Iterator[str]:
    for place in row_places():
        yield f"{place}/{action}"


def changes() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield requests that change rows: to the rows of both tenants, with columns and keys that do not exist for one."""
    values = {"title": "x", "name": "x", "body": "x", "author_id": "3", "company_id": "3", "book_id": "3"}
    hidden = {"tenant_id": "2", "owner": "2", "covert_note": "x", "covert_mail": "x", "covert_by": "3", "id": "9"}
    forms = [values, values | hidden, {"title": "x", "name": "x", "body": "x", "code": "their-2"}, {}]
    for table in ALL:
        for step, form in [("review", forms[0]), ("form", forms[1]), *[("apply", form) for form in forms]]:
            sent = [("step", step), *[(f"v.{encoded(name)}", text) for name, text in form.items()]]
            yield f"/table/{table}/add", [*sent, ("like", "3" if form else "1")]
            for key in ("1", "3"):
                yield f"/table/{table}/row/{key}/edit", sent
            yield f"/table/{table}/several", [*sent, ("key", "3"), ("column", next(iter(form), "covert_note"))]
        for step, key in (("review", "3"), ("apply", "3"), ("apply", "2")):
            yield f"/table/{table}/row/{key}/delete", [("step", step)]
            yield f"/table/{table}/several", [("step", step), ("action", "delete"), ("key", key), ("key", "1")]


#: For each route of the studio, by its methods and path, the addresses that are tried.
PAGES: dict[str, list[str]] = {
    "GET /": ["/", "/?q=", "/?q=the", "/?q=and"],
    "GET /diagram": ["/diagram"],
    "GET /diagram.css": ["/diagram.css"],
    "GET /table/{table}": [f"/table/{table}?{query}" for table, query in table_queries()],
    "GET /table/{table}/row/{key}": [*row_places()],
    "GET /table/{table}/row/{key}/value/{column}": [*value_places()],
    "GET /table/{table}/export.{format}": [*export_places()],
    "GET /table/{table}/schema": ["/table/book/schema", "/table/clandestine/schema"],
    "GET /schema": ["/schema", "/schema?part=2"],
    "GET /schema.sql": ["/schema.sql"],
    "GET /doctor": ["/doctor"],
    "GET /migrations": ["/migrations", "/migrations?confirm=1"],
    "GET /sql": ["/sql", "/sql?sql=SELECT+*+FROM+book", "/sql?sql=SELECT+*+FROM+clandestine&explain=1"],
    "GET /sql/names.json": ["/sql/names.json"],
    "GET /sql/export.{format}": [f"/sql/export.{name}?sql=SELECT+*+FROM+book" for name in ("csv", "json", "parquet")],
    "GET /table/{table}/row/{key}/edit": [*action_places("edit"), *action_places("edit?column=covert_note")],
    "GET /table/{table}/row/{key}/delete": [*action_places("delete")],
    "GET /table/{table}/add": [f"/table/{table}/add{like}" for table in ALL for like in ("", "?like=1", "?like=3")],
    "GET /table/{table}/several": [
        f"/table/{table}/several?{query}"
        for table in ALL
        for query in (
            "key=1&key=2",
            "key=3&key=4",
            "key=1&key=3&column=title",
            "key=1&column=covert_note",
            "key=1&action=delete",
            "",
        )
    ],
    "GET /table/{table}/suggest/{column}": [
        f"/table/{table}/suggest/{column}?q={text}"
        for table, column in (
            ("book", "author_id"),
            ("book", "company_id"),
            ("book", "vault_id"),
            ("review", "book_id"),
            ("review", "covert_by"),
        )
        for text in ("", "3", "heir", "clan")
    ],
    "GET /static": ["/static/studio.css", "/static/studio.js", "/static/../app.py"],
}


def routes_of(app: Starlette) -> set[str]:
    """Return the methods and paths of all routes."""

    def found(routes: list[BaseRoute]) -> Iterator[str]:
        for route in routes:
            if isinstance(route, Route):
                yield from [f"{method} {route.path}" for method in route.methods or () if method != "HEAD"]
            else:
                assert isinstance(route, Mount)
                yield f"GET {route.path}"

    return set(found(app.routes))


def text_of(answer: httpx.Response) -> str:
    """Return all of an answer as text: headers, and the values of a Parquet file."""
    head = " ".join([f"{name}: {value}" for name, value in answer.headers.items()])
    if answer.content[:4] == b"PAR1":
        import pyarrow.parquet

        return f"{head} {pyarrow.parquet.read_table(BytesIO(answer.content)).to_pydict()}"
    return f"{head} {answer.text}"


async def test_no_page_of_the_studio_shows_what_is_of_another_tenant(db: Database) -> None:
    async with world(db) as (app, parts):
        reading = {route for route in routes_of(parts["pages"]) if route.startswith("GET ")}
        assert set(PAGES) == reading, "each route of the studio needs a case"
        async with client_of(app, **{"x-tenant": "1"}) as mine, client_of(app, **{"x-tenant": "2"}) as theirs:
            seen_by_them: set[str] = set()
            for route, addresses in PAGES.items():
                for address in addresses:
                    with case((route, address)):
                        answer = await mine.get(f"/admin{address}")
                        assert answer.status_code in (200, 303, 400, 404), answer.status_code
                        found = LEAK.search(text_of(answer))
                        assert found is None, text_of(answer)[max(0, found.start() - 200) : found.end() + 200]
                # The marks are there: the other tenant sees some of them.
                for address in addresses:
                    if LEAK.search(text_of(await theirs.get(f"/admin{address}"))):
                        seen_by_them.add(route)
                        break
            assert seen_by_them == {
                route for route in PAGES if route.startswith("GET /table/") and not route.endswith("/schema")
            }


async def test_no_change_in_the_studio_shows_or_takes_what_is_of_another_tenant(db: Database) -> None:
    async with world(db) as (app, parts), client_of(app, **{"x-tenant": "1", "origin": "http://test"}) as client:
        names = ("company", "author", "book", "review")
        before = {name: await db.t[name].rows_as(dict)(order_by="id") for name in names}
        page = (await client.get("/admin/table/author/add")).text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        tried: set[str] = set()
        for address, sent in changes():
            with case((address, sent)):
                # As the page of the row would have it, so that its change is not refused as an old one.
                opened = (
                    (await client.get(f"/admin{address}?{urlencode(sent)}")).text if ("step", "apply") in sent else ""
                )
                marks = [
                    (name, opened.partition(f'name="{name}" value="')[2].partition('"')[0]) for name in ("was", "mark")
                ]
                body = urlencode([("csrf", csrf), *marks, *sent])
                headers = {"content-type": "application/x-www-form-urlencoded"}
                answer = await client.post(f"/admin{address}", content=body, headers=headers)
                assert answer.status_code in (200, 303, 400, 404, 409), text_of(answer)
                # What was sent may be shown again.
                assert not LEAK.search(re.sub(r"covert_(note|mail|by)|their-2|tenant_id", "", text_of(answer)))
                tried.add(re.sub(r"/table/\w+", "POST /table/{table}", re.sub(r"/row/\w+", "/row/{key}", address)))
        for route in ("/sql", "/migrations"):
            form = {"csrf": csrf, "name": "mine", "sql": "SELECT 1", "names": "0001-first"}
            assert (await client.post(f"/admin{route}", data=form)).status_code == 404
            tried.add(f"POST {route}")
        assert tried == {route for route in routes_of(parts["pages"]) if route.startswith("POST ")}
        for name in names:
            owner = "owner" if name == "company" else "tenant_id"
            after = {row["id"]: row for row in await db.t[name].rows_as(dict)()}
            assert [after.get(row["id"]) for row in before[name] if row[owner] == 2] == [
                row for row in before[name] if row[owner] == 2
            ]
            # Nothing of this tenant refers to a row of another one that it did not refer to before.
            known = [{**row, "id": None} for row in before[name]]
            for row in after.values():
                for column in ("author_id", "company_id", "book_id"):
                    if row.get(column) == 3:
                        assert any(old[column] == 3 and old[owner] == row[owner] for old in known)


async def test_what_is_hidden_is_answered_like_what_does_not_exist(db: Database) -> None:
    pairs = [
        ("/table/clandestine", "/table/nothing"),
        ("/table/clandestine/row/1", "/table/nothing/row/1"),
        ("/table/book?sort=covert_note", "/table/book?sort=nothing"),
        ("/table/book?has.covert_note=x", "/table/book?has.nothing=x"),
        ("/table/book?facet=tenant_id", "/table/book?facet=nothing"),
        ("/table/book?show=covert_note", "/table/book?show=nothing"),
        ("/table/book/row/3", "/table/book/row/99"),
        ("/table/book/row/1/value/covert_note", "/table/book/row/1/value/nothing"),
        ("/table/book/export.csv?show=covert_note", "/table/book/export.csv?show=nothing"),
        ("/diagram", "/nothing"),
        ("/table/author?q=mine", "/table/company?q=mine"),
    ]
    async with world(db) as (app, _), client_of(app, **{"x-tenant": "1"}) as client:
        for hidden, missing in pairs:
            with case(hidden):
                answers = [await client.get(f"/admin{address}") for address in (hidden, missing)]
                assert answers[0].status_code == answers[1].status_code != 200
                words = [re.sub(r"<[^>]*>|author|company", "", answer.text) for answer in answers]
                assert words[0].lower() == words[1].lower()


async def test_a_scope_holds_for_children_labels_counts_and_neighbours(db: Database) -> None:
    async with world(db) as (app, _), client_of(app, **{"x-tenant": "1"}) as client:
        book = await client.get("/admin/table/book/row/1")
        assert "by book_id · 1" in re.sub(r"<[^>]*>|\s+", " ", book.text).replace("  ", " ")
        books = await client.get("/admin/table/book?count=1")
        assert "2 rows" in books.text
        # The author and the company of the first book are of the same tenant, and those of the second one are not.
        assert books.text.count("/admin/table/author/row/1") == 1
        assert "mine 0" in books.text
        assert "/admin/table/author/row/3" not in books.text
        assert "/admin/table/company/row/3" not in books.text
        # The cursor of another tenant leads to no row of theirs.
        theirs = await client.get("/admin/table/book?desc=price", headers={"x-tenant": "2"})
        assert "987654.32" in theirs.text


#: Requests to the JSON API, by method and path of its document.
API: dict[str, list[tuple[str, Any]]] = {
    **{
        f"GET /{table}": [
            (f"/{table}?{query}", None)
            for query in (
                "",
                "limit=1",
                "id=3",
                "id__gte=2",
                "order=-id",
                "nothing=1",
                "covert_note=1",
                "select=tenant_id",
            )
        ]
        for table in TABLES
    },
    **{f"GET /{table}/{{id}}": [(f"/{table}/{n}", None) for n in range(1, 6)] for table in TABLES if table != "shelf"},
    **{f"PATCH /{table}/{{id}}": [] for table in TABLES if table != "shelf"},
    **{f"DELETE /{table}/{{id}}": [(f"/{table}/{n}", None) for n in (3, 4, 9)] for table in TABLES if table != "shelf"},
    **{f"POST /{table}": [] for table in WRITABLE},
}
_ROW: dict[str, Any] = {"name": "x", "title": "x", "body": "x", "author_id": 3, "company_id": 3, "book_id": 3}
for _table in ("company", "author", "book", "review"):
    _values = {name: value for name, value in _ROW.items() if name in TABLES[_table].write}  # type: ignore[operator]
    _bad = {"tenant_id": 2, "owner": 2, "covert_note": "x"}
    API[f"PATCH /{_table}/{{id}}"] = [
        (f"/{_table}/{n}", sent) for n in (1, 2, 3, 4, 9) for sent in (_values, {"price": "x"}, _bad, {"code": "heir"})
    ]
    if _table in WRITABLE:
        API[f"POST /{_table}"] = [(f"/{_table}", sent) for sent in (_values, [_values, _values], _bad, {}, [])]


async def test_no_answer_of_the_json_api_holds_what_is_of_another_tenant(db: Database) -> None:
    async with world(db) as (app, _), client_of(app, **{"x-tenant": "1"}) as client:
        theirs = [await db.t[name].rows_as(dict)(order_by="id") for name in ("company", "author", "book", "review")]
        document = (await client.get("/api/openapi.json")).json()
        assert not LEAK.search(str(document))
        listed = {
            f"{method.upper()} {path}"
            for path, item in document["paths"].items()
            for method in item
            if method in ("get", "post", "patch", "delete", "put")
        }
        listed -= {"GET /", "GET /openapi.json"}
        assert set(API) == listed, "each route of the JSON API needs a case"
        assert not LEAK.search((await client.get("/api/")).text)
        for route, requests in API.items():
            method = route.partition(" ")[0]
            for address, body in requests:
                with case((route, address, body)):
                    headers = {"if-match": "*"}
                    answer = await client.request(method, f"/api{address}", json=body, headers=headers)
                    assert answer.status_code < 500
                    # Names of unknown members and parameters are those of the request.
                    echoed = re.sub(r'"(pointer|parameter)":"/?(covert_note|tenant_id|owner)"', "", text_of(answer))
                    assert not LEAK.search(echoed)
        for name, before in zip(("company", "author", "book", "review"), theirs, strict=True):
            after = {row["id"]: row for row in await db.t[name].rows_as(dict)(order_by="id")}
            owner = "owner" if name == "company" else "tenant_id"
            assert [after.get(row["id"]) for row in before if row[owner] == 2] == [r for r in before if r[owner] == 2]


@pytest.mark.parametrize("path", ["/admin/", "/admin/table/book", "/admin/table/book/export.csv"])
async def test_who_is_not_known_is_led_to_the_login(db: Database, path: str) -> None:
    async with world(db) as (app, _), client_of(app) as client:
        answer = await client.get(f"{path}?a=b%20c")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login?{urlencode({'next': f'{path}?a=b%20c'})}"
        assert (await client.post(path, headers={"origin": "http://test"})).status_code == 401
