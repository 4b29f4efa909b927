"""The studio in an app of a framework: its links, its users, and what protects their browsers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi import HTTPException as FastAPIError
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from deebase import ConfigurationError, Database, ForeignKey, Text
from deebase.web import Access, rest, studio
from deebase.web._studio.site import Limits, Site
from deebase.web.security import Protection
from tests.support.api import client_of
from tests.support.browser import BASE, Browser
from tests.support.worlds import case, only_on

backend_name = only_on("sqlite-memory")


@dataclass
class Author:
    id: int | None
    name: Text


@dataclass
class Post:
    id: int | None
    tenant_id: int
    title: Text
    author_id: ForeignKey[int, "author"]


SITE = "https://admin.example.org"
TABLES = {
    "post": Access(read=["id", "title", "author_id"], write=["title"], scope=lambda user: {"tenant_id": user}),
    "author": Access(),
}


@pytest.fixture
async def blog(db: Database) -> Database:
    """An author with posts of two tenants."""
    authors, posts = await db.create_all(Author, Post)
    await authors.insert(name="Ada")
    await posts.insert_all({"tenant_id": n % 2, "title": f"post {n}", "author_id": 1} for n in range(130))
    return db


def tenant(request: Request) -> int | None:
    return None if "x-tenant" not in request.headers else int(request.headers["x-tenant"])


def fastapi_app(pages: Any) -> Any:
    app = FastAPI()
    app.mount("/admin", pages)
    return app


def starlette_app(pages: Any) -> Any:
    return Starlette(routes=[Mount("/in", Starlette(routes=[Mount("/side~x", pages)]))])


def litestar_app(pages: Any) -> Any:
    return Litestar([asgi("/admin", is_mount=True, copy_scope=True)(pages)], logging_config=None)


@pytest.mark.parametrize(
    ("make", "root_path", "prefix"),
    [
        (fastapi_app, "", "/admin"),
        (fastapi_app, "/behind", "/behind/admin"),
        (starlette_app, "", "/in/side~x"),
        (litestar_app, "", "/admin"),
        (litestar_app, "/behind", "/behind/admin"),
        (lambda pages: pages, "", ""),
    ],
)
async def test_every_link_leads_to_a_page_below_the_prefix(
    blog: Database, make: Callable[[Any], Any], root_path: str, prefix: str
) -> None:
    app = make(studio(blog, user=tenant, tables=TABLES, title="Posts"))
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"x-tenant": "1"}) as client:
        page = await client.get(f"{prefix}/table/post")
        assert f"Path={prefix or '/'};" in page.headers["set-cookie"]
        assert f'href="{prefix}/static/studio.css"' in page.text
        assert (await client.get(f"{prefix}/static/studio.css")).status_code == 200
        seen = await Browser(client, blog).crawl(f"{prefix}/", 50)
        assert all(address.startswith(f"{prefix}/") for address in seen)
        for kind in ("/row/", "/export.", "sort=", "column="):
            assert any(kind in address for address in seen), kind


async def test_the_program_says_who_the_user_is(blog: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def later(request: Request) -> int | None:
        return tenant(request)

    def refuses(request: Request) -> int:
        raise FastAPIError(403, "banned", headers={"x-why": "spam"})

    def leads_away(request: Request) -> int:
        raise FastAPIError(307, headers={"location": "/enter"})

    def fails(request: Request) -> int:
        raise RuntimeError("secret of the program")

    cases: list[tuple[Any, dict[str, str], int, str]] = [
        (tenant, {"x-tenant": "1"}, 200, "Tables"),
        (later, {"x-tenant": "1"}, 200, "Tables"),
        (later, {}, 401, "Log in"),
        (refuses, {}, 403, "banned"),
        (leads_away, {}, 307, ""),
        (fails, {}, 500, "wrong"),
    ]
    for user, headers, status, text in cases:
        app = fastapi_app(studio(blog, user=user, tables=TABLES))
        async with client_of(app, **headers) as client:
            for path in ("/admin/", "/admin/table/post", "/admin/static/studio.css", "/admin/nothing"):
                with case((user, path)):
                    with caplog.at_level(logging.CRITICAL, logger="deebase.web"):
                        answer = await client.get(path)
                    assert answer.status_code == (404 if status == 200 and "nothing" in path else status)
                    assert "secret" not in answer.text
                    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert text in (await client.get("/admin/")).text


async def test_a_page_leads_to_the_login_and_a_form_does_not(blog: Database) -> None:
    app = fastapi_app(studio(blog, user=tenant, login="/login?from=admin"))
    async with client_of(app) as client:
        answer = await client.get("/admin//evil.example/?is.title=a%20b")
        assert answer.status_code == 303
        assert answer.headers["location"] == (
            "/login?from=admin&next=%2Fadmin%2F%2Fevil.example%2F%3Fis.title%3Da%2520b"
        )
        assert (await client.post("/admin/", headers={"origin": "http://test"})).status_code == 401


async def test_without_users_it_answers_this_machine_alone(blog: Database) -> None:
    app = studio(blog)

    async def status(client: Any, host: str = "127.0.0.1:8000", **headers: str) -> int:
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as browser:
            return (await browser.get("/", headers={"host": host, **headers})).status_code

    for address in ("127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"):
        assert await status((address, 1)) == 200
    for address in ("192.168.0.5", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "example.org", ""):
        assert await status((address, 1)) == 403
    assert await status(None) == 403
    assert await status(("127.0.0.1", 1), "example.org") == 421
    # A proxy of this machine passes on what others ask for.
    for name in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert await status(("127.0.0.1", 1), **{name: "127.0.0.1"}) == 403


async def test_users_are_served_under_the_names_that_are_given(blog: Database) -> None:
    for hosts, expected in ((None, 200), (["admin.example.org"], 421), (["test", "other"], 200), ([], 421)):
        app = fastapi_app(studio(blog, user=tenant, hosts=hosts))
        async with client_of(app, **{"x-tenant": "1"}) as client:
            assert (await client.get("/admin/")).status_code == expected


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"tables": {"post": Access(scope=lambda user: {})}}, "user= is missing"),
    ({"tables": {"post": Access(read=["id", "titel"])}, "user": tenant}, "titel"),
    ({"tables": {"post": Access(read=["title"])}, "user": tenant}, "key"),
    ({"tables": {"post": Access(write=["nothing"])}, "user": tenant}, "cannot be written"),
    ({"login": "/login"}, "login needs user="),
    ({"hosts": ["example.org"]}, "hosts needs user="),
    ({"hosts": "example.org", "user": tenant}, "list of names"),
    ({"user": 1}, "function"),
    ({"user": tenant, "token": "x"}, "token"),
    ({"tables": {"post": True}, "user": tenant}, "not an Access"),
    ({"tables": ["post"], "user": tenant}, "tables is a dict"),
    ({"audit": "log", "user": tenant}, "audit is a function"),
]


async def test_what_cannot_be_is_refused_at_the_start(blog: Database) -> None:
    for arguments, said in WRONG:
        with case(arguments), pytest.raises(ConfigurationError, match=said):
            studio(blog, **arguments)
    for given in (5, {"post": 5}):
        with pytest.raises(ConfigurationError, match=r"tables (is a dict|has int)"):
            rest(blog, given)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="db is a Database"):
        studio("app.db")  # type: ignore[arg-type]
    for read in (5, {"id": 1}, [1], "id"):
        with pytest.raises(ConfigurationError, match="read of Access is True or a list"):
            Access(read=read)  # type: ignore[arg-type]


async def test_tables_are_read_when_they_are_missing_and_a_wrong_name_is_logged(
    blog: Database, caplog: pytest.LogCaptureFixture
) -> None:
    app = fastapi_app(studio(blog, user=tenant, tables={"late": Access()}))
    async with client_of(app, **{"x-tenant": "1"}) as client:
        with caplog.at_level(logging.CRITICAL, logger="deebase.web"):
            assert (await client.get("/admin/table/late")).status_code == 500
        await blog.q("CREATE TABLE late (id INTEGER PRIMARY KEY, word TEXT)")
        assert "word" in (await client.get("/admin/table/late")).text
        assert (await client.get("/admin/table/post")).status_code == 404


async def test_forms_are_signed_for_one_browser(blog: Database) -> None:
    transport = httpx.ASGITransport(fastapi_app(studio(blog, user=tenant, secret="of both processes")))
    again = httpx.ASGITransport(fastapi_app(studio(blog, user=tenant, secret="of both processes")))
    protection = Protection(user=tenant, secret="of both processes")
    cookies: list[str] = []
    for each in (transport, again):
        async with httpx.AsyncClient(transport=each, base_url=SITE, headers={"x-tenant": "1"}) as client:
            given = (await client.get("/admin/")).headers["set-cookie"]
            assert {part.strip().lower() for part in given.split(";")[1:]} == {
                "httponly",
                "path=/admin",
                "samesite=lax",
                "secure",
            }
            # The same browser keeps its cookie, and a file has none.
            assert "set-cookie" not in (await client.get("/admin/table/post")).headers
            assert "set-cookie" not in (await client.get("/admin/static/studio.css")).headers
            cookies.append(given.partition(";")[0])

    def request(cookie: str) -> Request:
        # The name of the cookie holds the port of the server.
        scope = {"type": "http", "headers": [(b"cookie", cookie.encode())], "server": ("admin.example.org", None)}
        return Request(scope)

    mine, other = [protection.csrf_token(request(cookie)) for cookie in cookies]
    assert mine != other
    assert protection.has_csrf_token(request(cookies[0]), mine)
    assert not protection.has_csrf_token(request(cookies[1]), mine)
    async with httpx.AsyncClient(transport=transport, base_url=SITE, headers={"x-tenant": "1"}) as client:
        for headers in ({}, {"origin": "https://example.org"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}):
            assert (await client.post("/admin/", headers=headers)).status_code == 403
        assert (await client.post("/admin/", headers={"origin": SITE})).status_code == 404


async def test_the_audit_hears_who_has_changed_what(blog: Database) -> None:
    heard: list[Any] = []

    async def later(change: Any) -> None:
        heard.append(change)

    for audit in (heard.append, later):
        site = Site(blog, title="x", protection=Protection(), limits=Limits(), audit=audit)
        seen = await site.seen_by("ada")
        await seen.audit(seen.fields_of("post"), "update", key={"id": 1}, before={"title": "a"}, after={"title": "b"})
    assert heard[0] == heard[1]
    assert (heard[0].user, heard[0].action, heard[0].table, heard[0].key) == ("ada", "update", "post", {"id": 1})
    assert (heard[0].before, heard[0].after) == ({"title": "a"}, {"title": "b"})


async def test_sql_of_users_is_off_unless_the_program_wants_it(blog: Database) -> None:
    sql = "/admin/sql?sql=SELECT+count(*)+AS+n+FROM+post"
    for arguments, status in (({}, 404), ({"tables": TABLES}, 404), ({"tables": TABLES, "sql": True}, 200)):
        app = fastapi_app(studio(blog, user=tenant, **arguments))
        async with client_of(app, **{"x-tenant": "1"}) as client:
            with case(arguments):
                home = (await client.get("/admin/")).text
                assert ('href="/admin/sql"' in home) is (status == 200)
                # A part of the database is hidden where there are rules.
                assert ('href="/admin/schema"' in home) is (not arguments)
                page = await client.get(sql)
                assert page.status_code == status
                # No rule limits it: the rows of both tenants are counted.
                assert (">130<" in page.text) is (status == 200)


async def test_rules_for_all_known_tables_show_no_table_that_the_program_does_not_know(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as db:
        await db.create_all(Author, Post)
        await db.q("CREATE TABLE covert (id INTEGER PRIMARY KEY)")
    async with Database(tmp_path / "a.db") as db:
        await db.create_all(Author, Post, if_not_exists=True)
        assert dir(db.t) == ["author", "post"]
        app = fastapi_app(studio(db, user=tenant, tables={"author": Access(), "post": Access()}))
        async with client_of(app, **{"x-tenant": "1"}) as client:
            for address in ("schema", "schema.sql", "diagram", "doctor", "table/covert", "table/post/schema"):
                with case(address):
                    answer = await client.get(f"/admin/{address}")
                    assert answer.status_code == 404
                    assert "covert (" not in answer.text


async def test_a_scope_that_fits_no_column_is_logged_and_not_shown(
    blog: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for scope in (lambda user: {"secret_column": user}, lambda user: [user], lambda user: {"tenant_id": object()}):
        app = fastapi_app(studio(blog, user=tenant, tables={"post": Access(read=["id", "title"], scope=scope)}))
        async with client_of(app, **{"x-tenant": "1"}) as client:
            caplog.clear()
            answer = await client.get("/admin/table/post")
            assert answer.status_code == 500
            assert not any(word in answer.text for word in ("secret_column", "tenant_id", "object"))
            assert "Traceback" in caplog.text
