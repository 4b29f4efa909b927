"""Scopes of the JSON API: every route meets the rows of another tenant as it meets rows that do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar, asgi
from starlette.applications import Starlette
from starlette.authentication import SimpleUser, UnauthenticatedUser
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount

from deebase import Check, Database, ForeignKey, ForeignKeyViolationError, Index
from deebase.web import Access, AgentLimits, rest, router_of, studio
from deebase.web._agents.agent_tools import AgentTools
from tests.support.api import client_of
from tests.support.worlds import case

THEIRS = "their text"


@dataclass
class Folder:
    id: int | None
    tenant_id: int
    name: str


@dataclass
class Note:
    id: int | None
    tenant_id: int
    folder_id: ForeignKey[int, "folder"] | None
    text: str
    rank: Annotated[int, Check("rank >= 0")] = 0


async def tables(db: Database) -> None:
    """Make two folders and two notes of two tenants: 1 and 2 are of the tenant 1, 3 and 4 of the tenant 2."""
    options = {"indexes": [Index("ix_rank", "rank")], "search": ["text"]}
    folders, notes = await db.create_all(Folder, Note, options={Note: options})
    await folders.insert_all({"tenant_id": 1 + n // 2, "name": THEIRS if n > 1 else "mine"} for n in range(4))
    # A note of ours that another program put into a folder of theirs.
    await notes.insert_all(
        {"tenant_id": 1 + n // 2, "folder_id": (3, 2, 3, 4)[n], "text": THEIRS if n > 1 else "mine", "rank": n}
        for n in range(4)
    )


def tenant(request: Request) -> int | None:
    if request.headers.get("x-banned"):
        raise HTTPException(403, "banned")
    given = request.headers.get("x-tenant")
    return None if given is None else int(given)


ACCESS = Access(
    read=["id", "folder_id", "text", "rank", "folder_id.name", "tenant_id"],
    write=["tenant_id", "folder_id", "text", "rank"],
    delete=True,
    scope=lambda user: {"tenant_id": user},
)
ANY = {"if-match": "*"}
#: A method, an address with the id of a note (n) or a folder (f), and what is sent.
ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/note/{n}", {}),
    ("GET", "/note/{n}?select=text", {}),
    ("HEAD", "/note/{n}", {}),
    ("PATCH", "/note/{n}", {"json": {"text": "x"}, "headers": ANY}),
    ("PATCH", "/note/{n}", {"json": {"text": "x"}, "headers": {"if-match": '"0"'}}),
    ("PATCH", "/note/{n}", {"json": {"text": 5}, "headers": ANY}),
    ("PATCH", "/note/{n}", {"json": {"tenant_id": 1}, "headers": ANY}),
    ("PATCH", "/note/1", {"json": {"tenant_id": "{t}"}, "headers": ANY}),
    ("PATCH", "/note/2", {"json": {"folder_id": "{f}"}, "headers": ANY}),
    ("POST", "/note", {"json": {"text": "x", "folder_id": "{f}"}}),
    ("POST", "/note", {"json": {"text": "x", "tenant_id": "{t}"}}),
    ("POST", "/note", {"json": [{"text": "x"}, {"text": "y", "folder_id": "{f}"}]}),
    ("POST", "/note", {"json": [{"text": "x"}, {"text": "y", "tenant_id": "{t}"}]}),
    ("POST", "/note", {"json": [{"text": "x", "folder_id": "{f}"}, {"text": "y", "rank": -1}]}),
    ("POST", "/note", {"json": [{"text": "x", "folder_id": "{f}"}, {"text": "y", "folder_id": 99}]}),
    ("POST", "/note", {"json": {"text": "x", "folder_id": "{f}", "rank": -1}}),
    ("PATCH", "/note/2", {"json": {"folder_id": "{f}", "rank": -1}, "headers": ANY}),
    ("DELETE", "/note/{n}", {}),
    ("DELETE", "/note/{n}", {"headers": {"if-match": '"0"'}}),
    ("GET", "/note?id={n}", {}),
    ("GET", "/note?id__in={n}", {}),
    ("GET", "/note?tenant_id={t}", {}),
    ("GET", "/note?tenant_id__ne=1", {}),
    ("GET", "/note?folder_id={f}&tenant_id={t}", {}),
    ("GET", "/note?folder_id.name=their text", {}),
    ("GET", "/note?folder_id.name__null=false&id={n}", {}),
    ("GET", "/note?text__contains=their", {}),
    ("GET", "/note?order=-rank&limit=1&rank__gt=1", {}),
    ("GET", "/note?search=their", {}),
    ("GET", "/note?search=their&count=true&select=id", {}),
    ("GET", "/note?search=text&id={n}&folder_id.name__null=false", {}),
    ("GET", "/note?count=true&id={n}", {}),
    ("GET", "/note?count=true&text__contains=their", {}),
    ("OPTIONS", "/note/{n}", {}),
]


def filled(value: Any, **ids: int) -> Any:
    """Return a request with ids in the place of their names."""
    if isinstance(value, str) and value in ("{f}", "{t}"):
        return ids[value[1]]
    if isinstance(value, dict):
        return {name: filled(part, **ids) for name, part in value.items()}
    return [filled(part, **ids) for part in value] if isinstance(value, list) else value


def made_apps(db: Database) -> dict[str, tuple[Any, str]]:
    """Return applications of each framework, and where their API is."""
    access = {"note": ACCESS}
    fast = FastAPI()
    fast.mount("/api", rest(db, access, user=tenant))
    with_router = FastAPI()
    with_router.include_router(
        router_of(
            db.t.note,
            scope=lambda request: {"tenant_id": tenant(request)},
            read=ACCESS.read,
            write=ACCESS.write,
            delete=True,
        ),
        prefix="/v1",
    )
    return {
        "FastAPI": (fast, "/api"),
        "router": (with_router, "/v1"),
        "Starlette": (Starlette(routes=[Mount("/in/side", rest(db, access, user=tenant))]), "/in/side"),
        "Litestar": (
            Litestar(
                [asgi("/api", is_mount=True, copy_scope=True)(rest(db, access, user=tenant))], logging_config=None
            ),
            "/api",
        ),
        "alone": (rest(db, access, user=tenant), ""),
    }


async def test_no_route_shows_or_changes_a_row_of_another_tenant(db: Database) -> None:
    await tables(db)
    theirs = await db.t.note(tenant_id=2, order_by="id")
    for name, (app, prefix) in made_apps(db).items():
        async with client_of(app, **{"x-tenant": "1"}) as client:
            for method, path, sent in ROUTES:
                with case((name, method, path, sent)):
                    answers: list[httpx.Response] = []
                    for ids in ({"n": 3, "f": 3, "t": 2}, {"n": 98, "f": 98, "t": 98}):
                        address = f"{prefix}{path.format(**ids)}"
                        answers.append(await client.request(method, address, **filled(sent, **ids)))
                    assert THEIRS not in answers[0].text
                    assert await db.t.note(tenant_id=2, order_by="id") == theirs
                    assert await db.t.note.count() == 4
                    # As if the row did not exist: the same status, and the same text.
                    assert [(one.status_code, one.text) for one in answers[:1]] == [
                        (one.status_code, one.text) for one in answers[1:]
                    ]
            mine = await client.get(f"{prefix}/note?order=id&count=true")
            assert mine.json()["count"] == 2
            assert [(row["id"], row["folder_id.name"]) for row in mine.json()["rows"]] == [(1, None), (2, "mine")]
            # A cursor of the other tenant leads to no row of theirs.
            other = await client.get(f"{prefix}/note?limit=1&order=rank", headers={"x-tenant": "2"})
            after = other.json()["next"]
            assert [row["id"] for row in (await client.get(after)).json()["rows"]] == []


async def test_a_link_of_each_framework_leads_to_its_place(db: Database) -> None:
    await tables(db)
    for name, (app, prefix) in made_apps(db).items():
        async with client_of(app, **{"x-tenant": "1"}) as client:
            with case(name):
                made = await client.post(f"{prefix}/note", json={"text": "new", "folder_id": 1})
                assert made.json()["tenant_id"] == 1
                assert made.headers["location"].startswith(f"{prefix}/note/")
                assert (await client.get(made.headers["location"])).json() == made.json()
                page = (await client.get(f"{prefix}/note?limit=2")).json()
                assert len((await client.get(page["next"])).json()["rows"]) == 1
                assert (await client.delete(made.headers["location"])).status_code == 204


async def test_who_is_not_known_sees_nothing(db: Database) -> None:
    await tables(db)
    app = rest(db, {"note": ACCESS, "folder": Access(scope=lambda user: None if user > 1 else {})}, user=tenant)
    async with client_of(app) as client:
        for path in ("/note", "/note/1", "/", "/openapi.json", "/nothing"):
            with case(path):
                assert (await client.get(path)).status_code == 401
                assert (await client.get(path, headers={"x-tenant": "1", "x-banned": "1"})).status_code == 403
        # An empty scope allows all rows; None denies access to the table.
        assert len((await client.get("/folder", headers={"x-tenant": "1"})).json()["rows"]) == 4
        assert (await client.get("/folder", headers={"x-tenant": "2"})).status_code == 404
        assert list((await client.get("/", headers={"x-tenant": "2"})).json()["tables"]) == ["note"]


async def test_what_stands_for_nobody_is_no_user(db: Database) -> None:
    await tables(db)
    for nobody in (None, False, UnauthenticatedUser()):
        apps: list[tuple[Any, str]] = [
            (rest(db, {"note": Access()}, user=lambda _, found=nobody: found), "/note"),
            (studio(db, user=lambda _, found=nobody: found), "/table/note"),
        ]
        for app, address in apps:
            async with client_of(app) as client:
                assert (await client.get(address)).status_code == 401, (nobody, address)
    async with client_of(rest(db, {"note": Access()}, user=lambda _: SimpleUser("ada"))) as client:
        assert (await client.get("/note")).status_code == 200


async def test_no_cache_keeps_a_row_for_another_user(db: Database) -> None:
    await tables(db)
    for name, (app, prefix) in made_apps(db).items():
        async with client_of(app, **{"x-tenant": "1"}) as client:
            tag = (await client.get(f"{prefix}/note/1")).headers["etag"]
            for address, headers in (("1", {}), ("1", {"if-none-match": tag}), ("98", {}), ("1?x=1", {})):
                with case((name, address, headers)):
                    answer = await client.get(f"{prefix}/note/{address}", headers=headers)
                    assert answer.headers["cache-control"] == "private, no-cache"
                    assert answer.headers["x-content-type-options"] == "nosniff"
            # The row is as it was, and not one of the other tenant.
            other = {"if-none-match": tag, "x-tenant": "2"}
            assert (await client.get(f"{prefix}/note/1", headers=other)).status_code == 404


async def test_an_error_of_the_program_shows_nothing(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    await tables(db)

    def broken(user: Any) -> dict[str, Any]:
        raise RuntimeError(THEIRS)

    async with client_of(rest(db, {"note": Access(scope=broken)}, user=tenant), **{"x-tenant": "1"}) as client:
        failed = await client.get("/note/1")
        assert (failed.status_code, failed.json()["code"]) == (500, "error")
        assert THEIRS not in failed.text
        assert THEIRS in caplog.text


async def test_a_router_is_part_of_its_application(db: Database) -> None:
    await tables(db)
    asked: list[str] = []

    def checked(request: Request) -> None:
        asked.append(request.method)
        if request.headers.get("x-key") != "k":
            raise HTTPException(418, "no key")

    app = FastAPI()
    router = router_of(
        db.t.note,
        scope=lambda request: {"tenant_id": int(request.path_params["tenant"])},
        read=["id", "text", "folder_id.name"],
        write=["text", "rank"],
        delete=True,
        page=1,
        dependencies=[Depends(checked)],
        tags=["Notes"],
    )
    app.include_router(router, prefix="/of/{tenant}")
    async with client_of(app, **{"x-key": "k"}) as client:
        page = (await client.get("/of/1/note")).json()
        assert page["rows"] == [{"id": 1, "text": "mine", "folder_id.name": None}]
        assert page["next"].startswith("/of/1/note?after=")
        assert [row["id"] for row in (await client.get(page["next"])).json()["rows"]] == [2]
        assert (await client.get("/of/1/note/3")).status_code == 404
        assert (await client.get("/of/2/note/3")).json()["text"] == THEIRS
        made = await client.post("/of/1/note", json={"text": "new"})
        assert (await client.delete(made.headers["location"])).status_code == 204
        assert (await client.get("/of/1/note", headers={"x-key": ""})).status_code == 418
        assert asked[-3:] == ["POST", "DELETE", "GET"]

    document = app.openapi()
    listed = document["paths"]["/of/{tenant}/note"]["get"]
    assert listed["tags"] == ["Notes"]
    assert {"limit", "order", "text__contains", "count", "search"} <= {one["name"] for one in listed["parameters"]}
    schemas = document["components"]["schemas"]
    assert sorted(schemas) == ["ChangedNote", "InsertedNote", "Note", "NotePage"]
    assert listed["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/NotePage"
    }
    assert list(schemas["ChangedNote"]["properties"]) == ["id", "text", "folder_id.name"]
    assert "application/problem+json" in listed["responses"]["422"]["content"]


@dataclass
class Shop:
    id: int | None
    owner: int
    region: int
    name: str


@dataclass
class Offer:
    id: int | None
    tenant_id: int
    shop_id: ForeignKey[int, "shop"] | None
    shop: int | None
    region: int | None
    text: str


async def test_a_row_refers_only_to_rows_within_the_scope_of_their_own_table(db: Database) -> None:
    keys = {("shop", "region"): ForeignKey("shop", columns=("id", "region"))}
    options: dict[type[Any], dict[str, Any]] = {
        Shop: {"indexes": [Index("uq_shop", "id", "region", unique=True)]},
        Offer: {"foreign_keys": keys},
    }
    shops, offers = await db.create_all(Shop, Offer, options=options)
    await shops.insert_all({"owner": 1 + n, "region": 5, "name": THEIRS if n else "mine"} for n in range(2))
    await offers.insert_all([{"tenant_id": 1, "text": "a"}, {"tenant_id": 1, "text": "b"}])
    seen: list[tuple[str, Any]] = [("owner", lambda user: {"owner": user}), ("nobody", lambda user: None)]
    for (kind, of_shop), of_offer in product(seen, [lambda user: {"tenant_id": user}, lambda user: {}]):
        access = {
            "shop": Access(scope=of_shop),
            "offer": Access(
                read=["id", "text", "shop_id", "shop_id.name"],
                write=["tenant_id", "text", "shop_id", "shop", "region"],
                scope=of_offer,
            ),
        }
        async with client_of(rest(db, access, user=tenant), **{"x-tenant": "1"}) as client:
            for theirs, unknown in (
                ({"shop_id": 2}, {"shop_id": 99}),
                ({"shop": 2, "region": 5}, {"shop": 99, "region": 5}),
            ):
                with case((kind, theirs)):
                    answers: list[list[httpx.Response]] = []
                    for given in (theirs, unknown):
                        row = {"tenant_id": 1, "text": "x", **given}
                        answers.append(
                            [
                                await client.post("/offer", json=row),
                                await client.post("/offer", json=[{"tenant_id": 1, "text": "y"}, row]),
                                await client.patch("/offer/1", json=given, headers=ANY),
                            ]
                        )
                    assert [one.status_code for one in answers[0]] == [409, 409, 409]
                    assert [one.text for one in answers[0]] == [one.text for one in answers[1]]
            mine = await client.patch("/offer/1", json={"shop_id": 1, "shop": 1, "region": 5}, headers=ANY)
            assert mine.status_code == (200 if kind == "owner" else 409)
            assert THEIRS not in (await client.get("/offer")).text
        assert await offers.count() == 2


async def test_an_agent_refers_only_to_rows_within_the_scope_of_their_own_table(db: Database) -> None:
    shops, offers = await db.create_all(Shop, Offer)
    await shops.insert_all({"owner": 1 + n, "region": 5, "name": THEIRS if n else "mine"} for n in range(2))
    await offers.insert(tenant_id=1, text="a")
    tables = {"shop": Access(scope={"owner": 1}), "offer": Access(write=True, scope={"tenant_id": 1})}
    tools = AgentTools(db, tables, sql=False, limits=AgentLimits()).tools
    for given in (2, 99):
        with case(given), pytest.raises(ForeignKeyViolationError, match="does not exist"):
            await tools["insert_rows"].run({"table": "offer", "rows": [{"text": "x", "shop_id": given}]})
        with case(given), pytest.raises(ForeignKeyViolationError, match="does not exist"):
            await tools["update_rows"].run({"table": "offer", "keys": [1], "values": {"shop_id": given}})
    shown = await tools["update_rows"].run({"table": "offer", "keys": [1], "values": {"shop_id": 1}})
    assert shown["after"][0]["shop_id"] == 1
