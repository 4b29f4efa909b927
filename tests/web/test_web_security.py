"""What protects the pages of the studio: headers, names of hosts, the token, and pages for what went wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from deebase import Database, DatabaseError
from deebase.migrations import Migrator
from deebase.web import Access, rest, studio
from deebase.web._studio.app import protected_app
from deebase.web._studio.site import Limits, Site
from deebase.web.security import Protection, host_name
from tests.support.browser import BASE, HOSTILE, browsing

TOKEN = "correct-horse"
#: What a client may send in the place of a form: its content type, and the body.
BODIES = [
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=x", b"y"),
    ("application/x-www-form-urlencoded", b"a=" + b"a" * 5 * 2**20),
    ("application/x-www-form-urlencoded", b"a&" * 5000),
    ("application/json", b"{}"),
]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A browser of a studio that asks for a token."""
    async with Database(":memory:") as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        app = studio(db, token=TOKEN)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
            yield client


async def test_nothing_is_shown_without_the_token(client: httpx.AsyncClient) -> None:
    for address in ("/", "/table/t", "/static/studio.css", "/diagram", "/?token=wrong", "/?token=%ff", "/?token="):
        answer = await client.get(address)
        assert answer.status_code == 403, address
        assert "set-cookie" not in answer.headers
        assert "CREATE" not in answer.text
    client.cookies.set("deebase_8000", TOKEN)
    assert (await client.get("/")).status_code == 403


async def test_the_token_moves_from_the_address_to_a_cookie(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/table/t?sort=id&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/table/t?sort=id"
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert (await client.get("/table/t")).status_code == 200
    # Two slashes would be the address of another site.
    answer = await client.get(f"{BASE}//evil.example/?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.", "[::2]", "127.0.0.1@x"])
async def test_other_names_of_this_machine_are_refused(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/", headers={"host": host})).status_code == 421


@pytest.mark.parametrize("host", ["LOCALHOST:1", "127.0.0.1", "[::1]:80"])
async def test_its_own_names_are_served(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get(f"/?token={TOKEN}", headers={"host": host})).status_code == 303
    assert host_name(host) in ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": BASE}, 404),
        ({"sec-fetch-site": "same-origin"}, 404),
    ],
)
async def test_only_its_own_pages_may_send_forms(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    await client.get(f"/?token={TOKEN}")
    assert (await client.post("/nowhere", headers=headers)).status_code == status


async def test_every_answer_has_the_headers(client: httpx.AsyncClient) -> None:
    refused = await client.get("/")
    await client.get(f"/?token={TOKEN}")
    answers = [refused, *[await client.get(path) for path in ("/", "/nowhere", "/static/studio.css", "/table/none")]]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
    assert answers[1].headers["cache-control"] == "no-store"


def test_a_form_needs_the_token_of_its_browser() -> None:
    protection = Protection(secret="s")

    def request(cookie: str) -> Request:
        return Request({"type": "http", "headers": [(b"cookie", f"deebase_0={cookie}".encode())]})

    mine = protection.csrf_token(request("mine"))
    assert protection.has_csrf_token(request("mine"), mine)
    assert not protection.has_csrf_token(request("other"), mine)
    for wrong in (None, "", mine + "x", "\ud800", 1):
        assert not protection.has_csrf_token(request("mine"), wrong)
    assert mine not in repr(protection)
    assert "s'" not in repr(protection)


async def test_what_goes_wrong_is_a_page_in_words(caplog: pytest.LogCaptureFixture) -> None:
    async with Database(":memory:") as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        site = Site(db, title="x", protection=Protection(), limits=Limits(seconds=0))

        async def fails(_: Request) -> Response:
            raise RuntimeError(f"secret of the code {HOSTILE}")

        async def is_refused(_: Request) -> Response:
            raise DatabaseError(f"the server says {HOSTILE}", hint=HOSTILE)

        async def waits(_: Request) -> Response:
            await asyncio.Event().wait()
            raise AssertionError

        app = studio(db)
        app.router.add_route("/fails", site.page(lambda _: fails, seconds=30))
        app.router.add_route("/refused", site.page(lambda _: is_refused, seconds=30))
        app.router.add_route("/waits", site.page(lambda _: waits))
        async with browsing(app, db) as browser:
            with caplog.at_level(logging.CRITICAL, logger="deebase.web"):
                page = await browser.get("/fails", 500)
            assert "secret" not in page.text
            assert "Traceback" not in page.text
            page = await browser.get("/refused", 500)
            assert page.text.count("<script>alert(1)</script>") == 2
            assert "longer than 0 seconds" in (await browser.get("/waits", 504)).text


async def test_what_is_no_form_is_refused_and_not_logged_as_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database(":memory:") as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        app = studio(db, write=True, queries=tmp_path / "q.json", migrations=Migrator(db, tmp_path / "migrations"))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"origin": BASE}) as client:
            for address, (kind, body) in product(("/sql", "/migrations", "/table/t/add"), BODIES):
                answer = await client.post(address, content=body, headers={"content-type": kind})
                assert answer.status_code == 400, (address, kind, body[:20])
    assert not [record for record in caplog.records if record.name.startswith("deebase")]


async def test_the_log_has_one_line_of_each_request(caplog: pytest.LogCaptureFixture) -> None:
    async with Database(":memory:") as db:

        def fails(user: object) -> dict[str, object]:
            raise RuntimeError

        tables = {"t": Access(scope=fails)}
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        await db.reflect()
        for app in (studio(db, user=lambda _: 1, tables=tables), rest(db, tables, user=lambda _: 1)):
            caplog.clear()
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
                for address in ("/t/a%0d%0aERROR%20forged", "/table/t/row/a%0d%0aERROR%20forged"):
                    await client.get(address)
            assert len(caplog.messages) == 1
            assert caplog.messages[0].splitlines() == caplog.messages


async def test_a_file_is_not_larger_than_the_memory_for_it() -> None:
    async with Database(":memory:") as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
        await db.reflect()
        await db.t.t.insert_all({"body": "x" * 1000} for _ in range(30))
        site = Site(db, title="x", protection=Protection(), limits=Limits(export_bytes=20_000))
        transport = httpx.ASGITransport(app=protected_app(site))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            for form in ("csv", "json", "ndjson"):
                answer = await client.get(f"/table/t/export.{form}")
                assert answer.status_code == 400
                assert "larger than" in answer.text
                some = await client.get(f"/table/t/export.{form}?to.id=10")
                assert some.status_code == 200
                assert len(some.content) > 10_000
