"""`deebase serve`: the API and the studio of a file, in a process of their own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from deebase import Database
from tests.support.commands import Commands
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file", "postgres")

TOKEN = "a-token-of-the-test"


@asynccontextmanager
async def served(place: Path | str, *options: str) -> AsyncIterator[str]:
    """Serve a database, and return the address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deebase", "serve", str(place), *options),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "DEEBASE_TOKEN": TOKEN},
    )
    assert process.stderr is not None
    try:
        said = (await process.stderr.readuntil(b"openapi.json\n")).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found is not None, said
        yield found[0]
    finally:
        process.terminate()
        await process.communicate()


async def test_a_file_is_served_to_those_who_show_the_token(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    async with Database(path) as db:
        await db.q('CREATE TABLE "order details" (id INTEGER PRIMARY KEY, item TEXT NOT NULL, n INTEGER)')
        await db.q("CREATE TABLE secret (id INTEGER PRIMARY KEY)")
    options = ("--write", "order details", "--table", "order details")
    async with served(path, *options) as address, httpx.AsyncClient(base_url=address) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        assert (await client.get("/api/")).json()["tables"] == {"order details": "/api/order%20details"}
        made = await client.post("/api/order%20details", json={"item": "nail", "n": 3})
        assert made.headers["location"] == "/api/order%20details/1"
        assert (await client.get(made.headers["location"])).json() == {"id": 1, "item": "nail", "n": 3}
        assert (await client.get("/api/secret")).status_code == 404

        for token in ("", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xe4"):
            refused = await client.get("/api/", headers={"authorization": token.encode("latin-1")})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        rebound = await client.get("/api/", headers={"host": "attacker.example"})
        assert rebound.status_code == 421
        page = await client.get("/", params={"token": TOKEN}, follow_redirects=True)
        assert page.status_code == 200
        assert "order details" in page.text
        # The studio shows the same tables.
        assert "secret" not in page.text
        assert (await client.get("/table/secret")).status_code == 404
        client.cookies.clear()
        assert (await client.get("/")).status_code == 403


def test_a_server_for_other_machines_is_refused(users: Commands) -> None:
    for command in ("serve", "studio"):
        for host in ("0.0.0.0", "::", "192.168.0.5", "example.org", ""):
            said = " ".join(users.fails(command, "--host", host, code=2).split())
            assert "mount studio(db, user=...) in an app" in said


async def test_any_database_is_served_for_reading_at_once(db_url: str) -> None:
    async with Database(db_url) as db:
        await db.q("CREATE TABLE word (id INTEGER PRIMARY KEY, text VARCHAR(20))")
        await db.q("INSERT INTO word VALUES (1, 'ada')")
    async with (
        served(db_url, "--read-only", "--host", "localhost") as address,
        httpx.AsyncClient(base_url=address, follow_redirects=True) as client,
    ):
        assert "word" in (await client.get("/", params={"token": TOKEN})).text
        for path in ("/table/word", "/table/word/row/1", "/table/word/export.csv"):
            assert "ada" in (await client.get(path)).text
        assert (await client.get("/diagram")).status_code == 200
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/api/word", headers=headers)).json()["rows"] == [{"id": 1, "text": "ada"}]
        for method in ("POST", "PATCH", "DELETE"):
            path = "/api/word" if method == "POST" else "/api/word/1"
            assert (await client.request(method, path, headers=headers, json={"text": "x"})).status_code == 405


async def test_tables_are_served_as_soon_as_they_exist(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    async with Database(path) as db:
        await db.q("CREATE TABLE first (id INTEGER PRIMARY KEY)")
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with served(path) as address, httpx.AsyncClient(base_url=address, headers=headers) as client:
            assert list((await client.get("/api/")).json()["tables"]) == ["first"]
            await db.q("CREATE TABLE second (id INTEGER PRIMARY KEY)")
            # It does not look for tables all the time.
            while (await client.get("/api/second")).status_code == 404:
                pass
            assert list((await client.get("/api/")).json()["tables"]) == ["first", "second"]
            assert (await client.post("/api/second", json={})).status_code == 405
            await db.q("DROP TABLE second")
            while "second" in (await client.get("/api/")).json()["tables"]:
                pass
            assert (await client.get("/api/second")).status_code == 404


def test_nothing_is_written_unless_it_is_named(users: Commands) -> None:
    both = users.fails("serve", "--read-only", "--write", "user", code=2)
    assert "--read-only and --write exclude each other" in both
    assert "nothing" in users.fails("serve", "--write", "nothing")
