"""The JSON API: what each request returns and stores."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest

from deebase import Check, ConfigurationError, Database, Digits, ForeignKey, Index, MaxLength, Text, UTCDateTime
from deebase.web import Access, Limits, rest
from tests.support.api import client_of, places
from tests.support.worlds import case


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Author:
    id: int | None
    name: str


@dataclass
class Post:
    id: int | None
    author_id: ForeignKey[int, "author"] | None
    title: Annotated[str, MaxLength(20)]
    slug: str | None = None
    views: Annotated[int, Check("views >= 0")] = 0
    secret: str = "hidden"


@dataclass
class Kinds:
    id: int | None
    number: int | None = None
    ratio: float | None = None
    price: Annotated[Decimal | None, Digits(10, 2)] = None
    exact: Decimal | None = None
    body: Text | None = None
    done: bool | None = None
    color: Color | None = None
    level: Literal[1, 2] | None = None
    meta: dict[str, Any] | None = None
    tags: list[str] | None = None
    day: date | None = None
    clock: time | None = None
    at: datetime | None = None
    seen: UTCDateTime | None = None
    took: timedelta | None = None
    data: bytes | None = None
    code: UUID | None = None


async def blog(db: Database, **given: Any) -> httpx.AsyncClient:
    authors, posts = await db.create_all(
        Author, Post, options={Post: {"indexes": [Index("ux_slug", "slug", unique=True)]}}
    )
    await authors.insert_all([{"name": "Ada"}, {"name": "Bob"}])
    await posts.insert_all({"title": f"Post {n}", "author_id": n % 3 or None, "views": n % 5} for n in range(1, 13))
    access = Access(
        read=["id", "author_id", "title", "slug", "views", "author_id.name"],
        write=["author_id", "title", "slug", "views"],
        delete=True,
    )
    return client_of(rest(db, {"post": access, **given.pop("more", {})}, **given))


#: A column, its JSON value, and what is stored.
VALUES: list[tuple[str, Any, Any]] = [
    ("number", 2**53 - 1, 2**53 - 1),
    ("number", str(2**53), 2**53),
    ("number", str(-(2**63)), -(2**63)),
    ("ratio", 0.1, 0.1),
    ("ratio", -2.0, -2.0),
    ("ratio", "inf", float("inf")),
    ("price", "12.50", Decimal("12.50")),
    ("exact", "0.1000000000000000000000001", Decimal("0.1000000000000000000000001")),
    ("body", 'Grüße 🎈\n"quoted"', 'Grüße 🎈\n"quoted"'),
    ("done", True, True),
    ("color", "blue", Color.BLUE),
    ("level", 2, 2),
    ("meta", {"a": [1, 2.5, None, {"b": "c"}]}, {"a": [1, 2.5, None, {"b": "c"}]}),
    ("tags", ["x", "y"], ["x", "y"]),
    ("day", "2024-02-29", date(2024, 2, 29)),
    ("clock", "12:30:00.000001", time(12, 30, 0, 1)),
    ("at", "2024-02-29T12:30:00", datetime(2024, 2, 29, 12, 30)),
    ("seen", "2024-02-29T12:30:00+00:00", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    ("took", 90.5, timedelta(seconds=90.5)),
    ("data", "AAEC/w==", b"\x00\x01\x02\xff"),
    ("code", "00000000-0000-0000-0000-000000000007", UUID(int=7)),
]
#: Values that have another form in JSON than the one in which they are given.
OTHER_FORMS: list[tuple[str, Any, Any]] = [
    ("number", 2**60, str(2**60)),
    ("number", "7", 7),
    ("price", 0.30000000000000004, "0.30"),
    ("price", 12, "12.00"),
    ("seen", "2024-02-29T14:30:00+02:00", "2024-02-29T12:30:00+00:00"),
    ("seen", "2024-02-29t12:30:00z", "2024-02-29T12:30:00+00:00"),
]
REFUSED: list[tuple[str, Any]] = [
    *[("number", value) for value in (1.5, "1.0", True, 2**63, [], " 1")],
    *[("ratio", value) for value in ("1.5", True, "nan")],
    *[("price", value) for value in ("12.505", "100000000", "x", True, "NaN")],
    *[("exact", value) for value in ("1e999999999", "Infinity", {})],
    *[("body", value) for value in (1, "a\0b", ["x"])],
    *[("done", value) for value in (1, "true")],
    *[("color", value) for value in ("green", 1)],
    *[("level", value) for value in (3, "x", True)],
    *[("meta", value) for value in ([1], "{}", {"a": "\0"})],
    *[("tags", value) for value in ({}, [1])],
    *[("day", value) for value in ("2023-02-29", 5)],
    *[("at", value) for value in ("2024-02-29T12:30:00Z", "2024-02-29", "now")],
    *[("seen", value) for value in ("2024-02-29T12:30:00", "now")],
    *[("took", value) for value in ("90", True, 10**12)],
    *[("data", value) for value in ("A", "%%%%", 1)],
    *[("code", value) for value in ("7", 7)],
]


async def test_a_value_of_each_type_is_written_and_read(db: Database) -> None:
    kinds = await db.create(Kinds)
    async with client_of(rest(db, {"kinds": Access(write=True)})) as client:
        for column, given, stored in VALUES:
            with case((column, given)):
                made = await client.post("/kinds", json={column: given})
                assert (made.status_code, made.json().get(column)) == (201, given), made.text
                assert getattr(await kinds[made.json()["id"]], column) == stored
                again = await client.get(made.headers["location"])
                assert again.json() == made.json()
                assert again.headers["etag"] == made.headers["etag"]
                if column not in ("meta", "tags"):
                    text = json.dumps(given) if isinstance(given, (bool, float)) else str(given)
                    found = await client.get("/kinds", params={column: text, "select": "id"})
                    assert {"id": made.json()["id"]} in found.json()["rows"]
        for column, given, shown in OTHER_FORMS:
            with case((column, given)):
                assert (await client.post("/kinds", json={column: given})).json()[column] == shown
        number = await kinds.count()
        for column, given in REFUSED:
            with case((column, given)):
                refused = await client.post("/kinds", json={column: given})
                assert refused.status_code == 422
                assert list(places(refused)) == [f"/{column}"]
        assert await kinds.count() == number


async def test_every_row_of_an_update_keeps_what_it_does_not_name(db: Database) -> None:
    async with await blog(db) as client:
        read = await client.get("/post/1")
        assert (await client.patch("/post/1", json={"title": "New"})).status_code == 428
        changed = await client.patch("/post/1", json={"title": "New"}, headers={"if-match": read.headers["etag"]})
        assert changed.json() == {**read.json(), "title": "New"}
        late = await client.patch("/post/1", json={"views": 9}, headers={"if-match": read.headers["etag"]})
        assert late.status_code == 412
        assert (await client.get("/post/1")).json() == changed.json()
        listed = f'"other", {changed.headers["etag"]}'
        assert (await client.patch("/post/1", json={"slug": None}, headers={"if-match": listed})).status_code == 200
        assert (await client.patch("/post/99", json={"views": 1}, headers={"if-match": "*"})).status_code == 404
        assert (await client.patch("/post/1", json={}, headers={"if-match": "*"})).status_code == 422

        tag = {"if-none-match": f"W/{changed.headers['etag']}"}
        same = await client.get("/post/1", headers=tag)
        assert (same.status_code, same.content) == (304, b"")
        assert (await client.delete("/post/1", headers={"if-match": read.headers["etag"]})).status_code == 412
        assert (await client.delete("/post/1", headers={"if-match": changed.headers["etag"]})).status_code == 204
        assert (await client.delete("/post/1")).status_code == 404
        # A change of the row that is shown by a path is a change of what the client has read.
        second = await client.get("/post/4")
        await db.t.author.update({"id": 1, "name": "Ada L."})
        late = await client.patch("/post/4", json={"views": 9}, headers={"if-match": second.headers["etag"]})
        assert late.status_code == 412


#: A query, and the ids of the rows that it finds.
QUERIES: dict[str, list[int]] = {
    "views=2": [2, 7, 12],
    "views__eq=2": [],
    "views=2&author_id=1": [7],
    "views=1&views=2": [1, 2, 6, 7, 11, 12],
    "views__in=1,2": [1, 2, 6, 7, 11, 12],
    "views__gt=2&views__lte=3": [3, 8],
    "views__gte=4": [4, 9],
    "views__lt=1": [5, 10],
    "views__ne=0&views__lt=2": [1, 6, 11],
    "author_id__null=true": [3, 6, 9, 12],
    "author_id__null=false&views=0": [5, 10],
    "title__contains=T 1": [1, 10, 11, 12],
    "title__contains=%25": [],
    "title__startswith=Post 2": [2],
    "author_id.name=Bob": [2, 5, 8, 11],
    "author_id.name__startswith=A&views=4": [4],
    "order=-views,id&limit=2": [4, 9],
    "order=-author_id.name,-id&limit=2&author_id__null=false": [11, 8],
    "slug=x": [],
}
BAD_QUERIES: dict[str, str] = {
    "nothing=1": "nothing",
    "secret=hidden": "secret",
    "secret__startswith=h": "secret__startswith",
    "author_id.id=1": "author_id.id",
    "views__like=1": "views__like",
    "views=x": "views",
    "views__gt=1&views__gt=2": "views__gt",
    "author_id__null=maybe": "author_id__null",
    "order=secret": "order",
    "order=title;drop": "order",
    "select=secret": "select",
    "select=": "select",
    "limit=0": "limit",
    "limit=501": "limit",
    "limit=-1": "limit",
    "limit=1&limit=2": "limit",
    "offset=1": "offset",
    "title=%00": "title",
    "where=1": "where",
    "views__in=" + ",".join(["1"] * 101): "views__in",
}


async def test_what_a_query_finds_and_what_it_cannot_ask(db: Database) -> None:
    async with await blog(db) as client:
        for query, ids in QUERIES.items():
            with case(query):
                found = await client.get(f"/post?{query}")
                if query == "views__eq=2":
                    # Only a column whose name is a parameter itself has this form.
                    assert list(places(found)) == ["views__eq"]
                    continue
                assert [row["id"] for row in found.json()["rows"]] == ids
        for query, parameter in BAD_QUERIES.items():
            with case(query):
                refused = await client.get(f"/post?{query}")
                assert (refused.status_code, list(places(refused))) == (422, [parameter])
        few = await client.get("/post?select=title,author_id.name&limit=1")
        assert few.json()["rows"] == [{"title": "Post 1", "author_id.name": "Ada"}]
        assert (await client.get("/post/2?select=title")).json() == {"title": "Post 2"}
        assert (await client.get("/post/2?views=1")).status_code == 422
        assert (await client.head("/post/2")).headers["etag"] == (await client.get("/post/2")).headers["etag"]
        assert (await client.get("/post?after=broken")).status_code == 404


async def test_rows_are_counted_and_found_by_words(db: Database) -> None:
    async with await blog(db, limits=Limits(count=5)) as client:
        posts = db.t.post
        page = (await client.get("/post?count=true&limit=2")).json()
        assert (page["count"], page["count_is_exact"], len(page["rows"])) == (5, False, 2)
        assert "count=true" in page["next"]
        few = (await client.get("/post?count=true&author_id.name=Bob")).json()
        assert (few["count"], few["count_is_exact"]) == (4, True)
        assert "count" not in (await client.get("/post?count=false")).json()
        refused = {"count=1": "count", "search=post": "search", "offset=1": "offset"}
        for query, parameter in refused.items():
            assert list(places(await client.get(f"/post?{query}"))) == [parameter]

        await posts.enable_search("title", "slug")
        await posts.update({"id": 7, "slug": "post post"})
        found = (await client.get("/post?search=post&limit=3&select=title,author_id.name&count=true")).json()
        assert found["rows"][0] == {"title": "Post 7", "author_id.name": "Ada"}
        assert (found["count"], found["count_is_exact"], found["previous"]) == (5, False, None)
        seen = [row["title"] for row in found["rows"]]
        while found["next"]:
            found = (await client.get(found["next"])).json()
            seen += [row["title"] for row in found["rows"]]
        assert sorted(seen) == sorted([f"Post {n}" for n in range(1, 13)])
        assert (await client.get(found["previous"])).status_code == 200
        one = (await client.get("/post?search=post -7&author_id=1&views=4&count=true")).json()
        assert ([row["id"] for row in one["rows"]], one["count"], one["count_is_exact"]) == ([4], 1, True)
        assert (await client.get('/post?search="*')).json()["rows"] == []
        assert list(places(await client.get("/post?search=post&search=b"))) == ["search"]
        # The order is that of the hits, and the place of a page is its offset.
        sorted_otherwise = (await client.get("/post?search=post&order=id&limit=1&after=x")).json()
        assert sorted_otherwise["rows"][0]["id"] == 7
        named = {
            one["name"] for one in (await client.get("/openapi.json")).json()["paths"]["/post"]["get"]["parameters"]
        }
        assert {"search", "count", "offset", "after"} <= named

        # Words of a column that is hidden would tell what it holds.
        await posts.disable_search()
        await posts.enable_search("title", "secret")
        assert list(places(await client.get("/post?search=hidden"))) == ["search"]


async def test_links_lead_over_all_rows_and_back(db: Database) -> None:
    class Limit:
        limit: str
        order: int
        select: float

    marks = await db.create(Limit, pk=["limit", "order"])
    await marks.insert_all({"limit": f"a/{n % 4} ä", "order": n, "select": n / 2} for n in range(10))
    await db.create_view("half", 'SELECT "order" AS n FROM "limit" WHERE "order" < 5')
    async with client_of(rest(db, {"limit": Access(write=True, delete=True), "half": Access()})) as client:
        seen: list[Any] = []
        url: str | None = "/limit?limit=3&order=-select&limit__startswith=a"
        last = ""
        while url is not None:
            page = await client.get(url)
            seen += [row["order"] for row in page.json()["rows"]]
            if page.json()["next"]:
                assert page.links["next"]["url"] == page.json()["next"]
            last, url = url, page.json()["next"]
        assert seen == list(range(9, -1, -1))
        before = (await client.get(last)).json()["previous"]
        assert [row["order"] for row in (await client.get(before)).json()["rows"]] == [3, 2, 1]
        assert [row["order"] for row in (await client.get("/limit?limit__eq=a/1 ä")).json()["rows"]] == [1, 5, 9]
        # A key of several columns is as many parts of the path, each of them encoded.
        one = await client.get("/limit/a%2F1%20%C3%A4/5")
        assert one.json() == {"limit": "a/1 ä", "order": 5, "select": 2.5}
        moved = await client.patch(
            "/limit/a%2F1%20%C3%A4/5", json={"order": 50}, headers={"if-match": one.headers["etag"]}
        )
        assert moved.headers["content-location"] == "/limit/a%2F1%20%C3%A4/50"
        assert (await client.get(moved.headers["content-location"])).headers["etag"] == moved.headers["etag"]
        assert (await client.delete("/limit/a%2F1%20%C3%A4/50")).status_code == 204
        assert (await client.get("/limit/a%2F1%20%C3%A4")).status_code == 404
        # Rows without a key are counted from the beginning.
        view = await client.get("/half?limit=2&order=n")
        assert [row["n"] for row in view.json()["rows"]] == [0, 1]
        third = (await client.get((await client.get(view.json()["next"])).json()["next"])).json()
        assert ([row["n"] for row in third["rows"]], third["next"]) == ([4], None)
        assert (await client.post("/half", json={})).status_code == 405
        assert (await client.get("/half/1")).status_code == 404


async def test_rows_are_added_one_by_one_and_many_at_once(db: Database) -> None:
    async with await blog(db, limits=Limits(bulk=3)) as client:
        posts = db.t.post
        made = await client.post("/post", json={"title": "One", "author_id": 2})
        assert (made.status_code, made.headers["location"]) == (201, "/post/13")
        assert made.json() == {
            **{"id": 13, "author_id": 2, "title": "One", "slug": None, "views": 0},
            "author_id.name": "Bob",
        }
        many = await client.post("/post", json=[{"title": "a", "author_id": 2}, {"title": "b", "views": 3}])
        assert [(row["title"], row["author_id.name"]) for row in many.json()["rows"]] == [("a", "Bob"), ("b", None)]
        few = await client.post("/post", json=[{"title": "c"}], headers={"prefer": "return=minimal"})
        assert few.json() == {"inserted": 1}
        number = await posts.count()
        refused = await client.post("/post", json=[{"title": "d"}, {"views": "x", "secret": "y", "zz": 1}])
        assert places(refused) == {
            "/1/views": "is not a whole number of 64 bits",
            "/1/secret": "is not a column",
            "/1/zz": "is not a column",
            "/1/title": "is missing",
        }
        for body in ([], [{"title": "x"}] * 4, 5, [[]], {"id": 99, "title": "x"}, {"title": None}):
            with case(body):
                assert (await client.post("/post", json=body)).status_code == 422
        conflict = await client.post("/post", json=[{"title": "e", "slug": "s"}, {"title": "f", "slug": "s"}])
        assert (conflict.status_code, conflict.json()["code"]) == (409, "unique")
        assert list(places(conflict)) == ["/1/slug"]
        missing = await client.post("/post", json={"title": "g", "author_id": 99})
        assert (missing.status_code, missing.json()["code"]) == (409, "foreign_key")
        assert list(places(missing)) == ["/author_id"]
        missing = await client.post("/post", json=[{"title": "g", "author_id": 1}, {"title": "h", "author_id": 99}])
        assert list(places(missing)) == ["/1/author_id"]
        check = await client.post("/post", json={"title": "g", "views": -1})
        assert (check.status_code, check.json()["code"]) == (422, "check")
        check = await client.post("/post", json=[{"title": "g"}, {"title": "g"}, {"title": "g", "views": -1}])
        assert list(places(check)) == ["/2"]
        assert await posts.count() == number


async def test_limits_and_forms_of_a_request(db: Database) -> None:
    async with await blog(db, limits=Limits(body=200, url=300)) as client:
        json_type = {"content-type": "application/json"}
        bodies: dict[bytes, int] = {
            b"": 400,
            b"{": 400,
            b'{"title": NaN}': 400,
            b'{"title": "a", "title": "b"}': 400,
            b"\xff": 400,
            b"[" * 199: 400,
            b'{"title": "' + b"x" * 200 + b'"}': 413,
            b'{"title": "fits"}': 201,
        }
        for body, status in bodies.items():
            with case(body):
                assert (await client.post("/post", content=body, headers=json_type)).status_code == status
        assert (await client.post("/post", data={"title": "form"})).status_code == 415
        compressed = {**json_type, "content-encoding": "gzip"}
        assert (await client.post("/post", content=b"{}", headers=compressed)).status_code == 415
        assert (await client.get(f"/post?title={'x' * 300}")).status_code == 414
        assert (await client.get("/post?title=%ff")).status_code == 422
        assert (await client.post("/post?x=1", json={"title": "a"})).status_code == 422
        put = await client.put("/post/1", json={})
        assert (put.status_code, put.headers["allow"]) == (405, "GET, HEAD, PATCH, DELETE, OPTIONS")
        assert (await client.options("/post")).headers["allow"] == "GET, HEAD, POST, OPTIONS"
        for path in (
            "/author",
            "/author/1",
            "/post/1/2",
            "/post/",
            "/post/x",
            f"/post/{2**70}",
            "/nothing",
            "/post/%00",
        ):
            with case(path):
                assert (await client.get(path)).json()["code"] == "not_found"


async def test_nothing_is_written_unless_it_is_named(db: Database) -> None:
    more = {"author": Access(read=["id"], write=["name"], insert=False)}
    async with await blog(db, more=more) as client:
        assert (await client.post("/author", json={"name": "Cy"})).status_code == 405
        assert (await client.delete("/author/1")).status_code == 405
        changed = await client.patch("/author/1", json={"name": "Cy"}, headers={"if-match": "*"})
        assert changed.json() == {"id": 1}
        assert (await db.t.author[1]).name == "Cy"
        refused = await client.patch("/author/1", json={"id": 5}, headers={"if-match": "*"})
        assert places(refused) == {"/id": "cannot be written"}
    async with client_of(rest(db, {"post": Access()})) as client:
        assert (await client.post("/post", json={"title": "x"})).status_code == 405
        assert (await client.patch("/post/1", json={"title": "x"}, headers={"if-match": "*"})).status_code == 405
        assert (await client.delete("/post/1")).status_code == 405
    for access in (
        Access(read=["id", "nothing"]),
        Access(read=["id", "author_id.nothing"]),
        Access(read=["title"]),
        Access(write=["nothing"]),
        Access(scope=lambda user: {"id": user}),
    ):
        with case(access), pytest.raises(ConfigurationError):
            rest(db, {"post": access})


async def test_a_request_that_waits_too_long_is_given_up(db: Database) -> None:
    async with await blog(db, limits=Limits(seconds=0.3)) as client:
        locked, done = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                await db.t.post.update({"id": 1, "views": 1})
                locked.set()
                await done.wait()

        holding = asyncio.create_task(hold())
        await locked.wait()
        late = await client.patch("/post/1", json={"views": 5}, headers={"if-match": "*"})
        assert (late.status_code, late.json()["code"]) == (504, "timeout")
        done.set()
        await holding
        assert (await client.get("/post/1")).json()["views"] == 1


async def test_a_change_of_the_table_is_seen(db: Database) -> None:
    async with await blog(db, more={"author": Access()}) as client:
        await db.t.author.add_column("city", str | None)
        assert (await client.get("/author/1")).json() == {"id": 1, "name": "Ada", "city": None}
        document = (await client.get("/openapi.json")).json()
        assert list(document["components"]["schemas"]["author"]["properties"]) == ["id", "name", "city"]


async def test_the_document_says_what_each_address_takes(db: Database) -> None:
    await db.create(Kinds)
    async with await blog(db, more={"kinds": Access(write=True)}) as client:
        document = (await client.get("/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        assert list(document["paths"]) == ["/post", "/post/{id}", "/kinds", "/kinds/{id}"]
        assert list(document["paths"]["/post/{id}"]) == ["parameters", "get", "patch", "delete"]
        schemas = document["components"]["schemas"]
        new = schemas["post.new"]
        assert (new["required"], new["additionalProperties"]) == (["title"], False)
        assert new["properties"]["title"]["maxLength"] == 20
        assert new["properties"]["views"]["default"] == 0
        assert schemas["kinds.new"]["properties"]["color"]["enum"] == ["red", "blue", None]
        assert schemas["kinds"]["properties"]["seen"] == {"type": ["string", "null"], "format": "date-time"}
        assert "secret" not in json.dumps(document)
        names = [parameter["name"] for parameter in document["paths"]["/post"]["get"]["parameters"]]
        assert {"title__contains", "views__gte", "author_id.name", "limit", "after"} <= set(names)
        assert (await client.get("/")).json()["openapi"] == "/openapi.json"
