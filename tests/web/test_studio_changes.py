"""Changes of rows in the studio: every input, conflicts, what goes with a deletion, several rows; on each backend."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest

from deebase import Database, Digits, ForeignKey, MaxLength, References, Text
from deebase.web import Access, studio
from deebase.web._studio.addresses import encoded
from tests.support.browser import BASE, HOSTILE, Browser, Page, browsing
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file", "postgres")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Person:
    id: int | None
    name: Text


@dataclass
class Thing:
    id: int | None
    title: Text
    note: str | None
    code: Annotated[str, MaxLength(5)] | None
    owner_id: Annotated[int, References("person", on_delete="cascade")] | None
    price: Annotated[Decimal, Digits(8, 2)] | None
    weight: float | None
    on_sale: bool
    liked: bool | None
    day: dt.date | None
    at: dt.datetime | None
    clock: dt.time | None
    meta: dict[str, Any] | None
    tags: list[str] | None
    color: Color | None
    size: Literal["S", "M"]
    picture: bytes | None
    ref: uuid.UUID | None
    amount: int = 5


@dataclass
class Remark:
    id: int | None
    thing_id: Annotated[int, References("thing", on_delete="cascade")]
    text: Text


@dataclass
class Loan:
    id: int | None
    person_id: Annotated[int, References("person", on_delete="set null")] | None
    guard_id: ForeignKey[int, "person"] | None


FULL: dict[str, Any] = {
    "title": "first\r\nsecond & <b>",
    "note": "",
    "code": "abc",
    "owner_id": 1,
    "price": Decimal("12.50"),
    "weight": 1.5,
    "on_sale": True,
    "liked": False,
    "day": dt.date(2024, 2, 29),
    "at": dt.datetime(2024, 2, 29, 12, 30, 1),
    "clock": dt.time(7, 5, 9),
    "meta": {"a": [1, None, "x"]},
    "tags": ["one", "two"],
    "color": Color.RED,
    "size": "M",
    "picture": b"\x00\xff",
    "ref": uuid.UUID(int=7),
    "amount": 3,
}


@pytest.fixture
async def shop(db: Database) -> Database:
    people = await db.create(Person)
    things = await db.create(Thing)
    await db.create(Remark)
    await db.create(Loan)
    await people.insert_all([{"name": "Ada"}, {"name": "Bob"}, {"name": "Cy"}])
    await things.insert_all([FULL, dict.fromkeys(FULL) | {"title": "bare", "on_sale": False, "size": "S", "amount": 1}])
    return db


@pytest.fixture
async def browser(shop: Database) -> AsyncIterator[Browser]:
    async with browsing(studio(shop, write=True), shop) as browser:
        yield browser


EDIT = "/table/thing/row/{}/edit"


async def stored(db: Database, key: int = 1, table: str = "thing") -> dict[str, Any]:
    row: dict[str, Any] = await db.t[table].rows_as(dict)[key]
    return row


#: What is typed for each column, and what is stored.
TYPED: dict[str, tuple[str | None, Any]] = {
    "title": ("a\nb", "a\r\nb"),
    "note": ("x", "x"),
    "code": ("abcde", "abcde"),
    "owner_id": ("2", 2),
    "price": ("0.05", Decimal("0.05")),
    "weight": ("-2e3", -2000.0),
    "on_sale": (None, False),
    "liked": ("=true", True),
    "day": ("1999-12-31", dt.date(1999, 12, 31)),
    "at": ("1999-12-31T23:59", dt.datetime(1999, 12, 31, 23, 59)),
    "clock": ("23:59", dt.time(23, 59)),
    "meta": ('{"b": {"c": 1.5}}', {"b": {"c": 1.5}}),
    "tags": ('["three"]', ["three"]),
    "color": ("=blue", Color.BLUE),
    "size": ("=S", "S"),
    "ref": (str(uuid.UUID(int=9)), uuid.UUID(int=9)),
    "amount": ("-7", -7),
}
CONTROLS = {
    "title": "textarea",
    "note": "text",
    "owner_id": "text",
    "price": "number",
    "on_sale": "checkbox",
    "liked": "select",
    "day": "date",
    "at": "datetime-local",
    "clock": "time",
    "meta": "textarea",
    "color": "select",
    "picture": "file",
    "amount": "number",
}


async def test_each_input_shows_its_value_and_stores_what_is_typed(browser: Browser, shop: Database) -> None:
    page = await browser.get(EDIT.format(1))
    for name, control in CONTROLS.items():
        assert page.form.controls[f"v.{name}"] == control, name
    # A form that is sent as it was changes nothing, whatever a browser does with the ends of lines.
    assert "Nothing is changed." in (await browser.send(page)).text
    for name, (typed, value) in TYPED.items():
        before = await stored(shop)
        review = await browser.send(page, {f"v.{name}": typed})
        assert await stored(shop) == before, name
        assert review.text.count("UPDATE") == 1
        done = await browser.send(review, step="apply")
        assert "The change is saved." in done.text
        assert await stored(shop) == before | {name: value}, name
        page = await browser.get(EDIT.format(1))


async def test_null_and_an_empty_text_are_told_apart(browser: Browser, shop: Database) -> None:
    page = await browser.get(EDIT.format(1))
    cleared = [name for name in TYPED if name not in ("title", "note", "code", "on_sale", "size", "amount")]
    empty = {f"v.{name}": "null" if name in ("liked", "color") else "" for name in cleared}
    empty |= {"as.note": "null", "v.code": "", "as.picture": "null"}
    review = await browser.send(page, empty)
    await browser.send(review, step="apply")
    expected = FULL | dict.fromkeys(cleared) | {"id": 1, "note": None, "code": "", "picture": None}
    assert await stored(shop) == expected
    # Who types a value does not have to choose that it is one; who does both is asked.
    page = await browser.get(EDIT.format(2))
    assert page.form.value("as.note") == "null"
    await browser.send(await browser.send(page, {"v.note": "typed", "as.code": "value"}), step="apply")
    assert (await stored(shop, 2))["note"] == "typed"
    assert (await stored(shop, 2))["code"] == ""
    page = await browser.get(EDIT.format(2))
    assert "choose one of them" in (await browser.send(page, {"v.note": "other", "as.note": "null"}, status=400)).text


async def test_an_error_is_beside_its_field_and_keeps_what_was_typed(browser: Browser, shop: Database) -> None:
    before = await stored(shop)
    cases = {
        "code": ("toolong", "at most 5 characters"),
        "price": ("1.234", "2 digits after the point"),
        "amount": ("", "needs a value"),
        "weight": ("nan", "NaN cannot be stored"),
        "day": ("yesterday", "takes a date"),
        "meta": ('{"a": ', "is not JSON"),
        "tags": ("[" * 12_000, "nested too deeply"),
        "owner_id": ("99", "person has no such row"),
        "size": ("=XL", "takes one of S, M"),
        "ref": (HOSTILE, "takes a UUID"),
    }
    for name, (typed, said) in cases.items():
        page = await browser.get(f"{EDIT.format(1)}?column={name}")
        again = await browser.send(page, {f"v.{name}": typed}, status=400)
        assert said in again.text, name
        assert 'aria-invalid="true"' in again.response.text, name
        if again.form.controls[f"v.{name}"] != "select":
            assert again.form.value(f"v.{name}") == typed, name
    assert await stored(shop) == before


async def test_what_the_database_refuses_is_beside_its_field(browser: Browser, shop: Database) -> None:
    await shop.t.person.create_index("name", unique=True)
    page = await browser.get("/table/person/row/1/edit")
    review = await browser.send(page, {"v.name": "Bob"})
    again = await browser.send(review, step="apply", status=400)
    assert again.form.value("v.name") == "Bob"
    assert 'aria-describedby="f1-note f1-error"' in again.response.text
    assert (await stored(shop, table="person"))["name"] == "Ada"
    # The transaction that failed left nothing behind: the next try works.
    done = await browser.send(await browser.send(again, {"v.name": "Eve"}), step="apply")
    assert "Eve" in done.text
    assert "/table/person/row/1?done=changed" in str(done.response.url)


async def test_nobody_overwrites_the_change_of_another(browser: Browser, shop: Database) -> None:
    things = shop.t.thing
    page = await browser.get(EDIT.format(1))
    await things.update(pk=1, note="theirs", amount=9)
    again = await browser.send(page, {"v.note": "mine"}, status=409)
    assert "Another user changed this row" in again.text
    assert "theirs" in again.text
    # What was typed stays, and what was not touched is as it is now.
    assert (again.form.value("v.note"), again.form.value("v.amount")) == ("mine", "9")
    review = await browser.send(again)
    assert "note theirs mine" in review.text
    assert "amount" not in review.text.partition("<h2>SQL</h2>")[0]
    # Between the two pages, too; even a column that the form does not have counts.
    await things.update(pk=1, weight=77.0)
    late = await browser.send(review, step="apply", status=409)
    assert (await stored(shop))["note"] == "theirs"
    await browser.send(await browser.send(late), step="apply")
    row = await stored(shop)
    assert (row["note"], row["amount"], row["weight"]) == ("mine", 9, 77.0)
    page = await browser.get(EDIT.format(2))
    await things.delete(2)
    await browser.send(page, {"v.note": "gone"}, status=404)


async def test_of_changes_at_the_same_time_one_is_stored(browser: Browser, shop: Database, db_url: str) -> None:
    page = await browser.get(f"{EDIT.format(1)}?column=amount")
    reviews = [await browser.send(page, {"v.amount": str(n)}) for n in (11, 12, 13)]
    address = str(page.response.url)
    # Another program changes the row, too, on a connection of its own.
    async with Database(db_url) as other:
        await other.reflect()
        answers = await asyncio.gather(
            *[
                browser.client.post(address, data=dict(review.form.pairs) | {"step": "apply"}, headers={"origin": BASE})
                for review in reviews
            ],
            other.t.thing.update_where({"amount": other.sql(other.t.thing.c.amount + 100)}, id=1),
        )
    codes = [answer.status_code for answer in answers[:3]]
    amount = (await stored(shop))["amount"]
    assert set(codes) <= {303, 409}
    stored_ones = [n for n, code in zip((11, 12, 13), codes, strict=True) if code == 303]
    assert len(stored_ones) <= 1
    # Whichever came first, the other program's change is in the row.
    assert amount == (stored_ones[0] if stored_ones else 3) + 100


async def test_rows_are_added_and_copied(browser: Browser, shop: Database) -> None:
    page = await browser.get("/table/thing/add")
    assert 'placeholder="5"' in page.response.text
    assert "v.id" not in page.form.controls
    missing = await browser.send(page, {"v.title": "new"}, status=400)
    assert "needs a value" in missing.text
    review = await browser.send(missing, {"v.size": "=S"})
    assert "INSERT INTO thing (title, on_sale, size)" in review.text
    assert await shop.t.thing.count() == 2
    done = await browser.send(review, step="apply")
    assert str(done.response.url).endswith("/table/thing/row/3?done=added")
    row = await stored(shop, 3)
    assert row == dict.fromkeys(FULL) | {"id": 3, "title": "new", "on_sale": False, "size": "S", "amount": 5}
    copy = await browser.get("/table/thing/add?like=1")
    await browser.send(await browser.send(copy), step="apply")
    assert await stored(shop, 4) == FULL | {"id": 4}


async def test_defaults_of_the_database_are_named_and_can_be_replaced_by_null(db: Database) -> None:
    await db.q("CREATE TABLE visit (code varchar(9) NOT NULL PRIMARY KEY, day date DEFAULT CURRENT_DATE, note text)")
    await db.q("CREATE TABLE ticket (id integer PRIMARY KEY, visit_code varchar(9) NOT NULL REFERENCES visit (code))")
    await db.reflect()
    async with browsing(studio(db, write=True), db) as browser:
        page = await browser.get("/table/visit/add")
        assert page.form.value("as.day") == "default"
        assert page.response.text.count('placeholder="default"') == 1
        # A key is no empty text, and neither is a reference.
        again = await browser.send(page, status=400)
        assert again.text.count("needs a value") == 1
        assert "v.note" in again.form.controls
        await browser.send(await browser.send(again, {"v.code": "a"}), step="apply")
        await browser.send(await browser.send(page, {"v.code": "b", "as.day": "null"}), step="apply")
        days = {row["code"]: row["day"] for row in await db.t.visit()}
        assert days["a"] is not None
        assert days["b"] is None
        page = await browser.get("/table/ticket/add")
        assert "required, refers to visit" in page.text
        assert "needs a value" in (await browser.send(page, status=400)).text


async def test_files_are_stored_and_bounded(browser: Browser, shop: Database) -> None:
    await shop.t.thing.update(pk=1, note="long " * 20_000)
    page = await browser.get(EDIT.format(1))
    assert page.form.controls["v.note"] == "file"
    assert "98 KB stored" in page.text
    files = {"v.picture": bytes(range(256)), "v.note": "ünï\n".encode()}
    review = await browser.send(page, files=files)
    assert await shop.t.thing.count("note LIKE ?", ["long%"]) == 1
    await browser.send(review, step="apply")
    row = await stored(shop)
    assert (row["picture"], row["note"]) == (bytes(range(256)), "ünï\n")
    page = await browser.get(f"{EDIT.format(1)}?column=picture")
    assert "larger than 1 MiB" in (await browser.send(page, files={"v.picture": b"x" * (2**20 + 1)}, status=400)).text
    assert "form is larger" in (await browser.send(page, files={"v.picture": b"x" * (5 * 2**20)}, status=400)).text


async def test_what_goes_with_a_deletion_is_counted(browser: Browser, shop: Database) -> None:
    await shop.t.remark.insert_all([{"thing_id": 1, "text": str(n)} for n in range(7)])
    await shop.t.loan.insert_all([{"person_id": 1, "guard_id": 2}, {"person_id": 1}, {"person_id": 2}])
    page = await browser.get("/table/person/row/1/delete")
    assert "1 row of thing (by owner_id) will also be deleted." in page.text
    assert "7 rows of remark (by thing_id) will also be deleted." in page.text
    assert "2 rows of loan (by person_id) will stay" in page.text
    # Meanwhile another row would go with it, which nobody has seen.
    await shop.t.remark.insert({"thing_id": 1, "text": "late"})
    again = await browser.send(page, step="apply", status=409)
    assert "8 rows of remark" in again.text
    assert await shop.t.person.count() == 3
    done = await browser.send(again, step="apply")
    assert "Deleted." in done.text
    assert [await shop.t[name].count() for name in ("person", "thing", "remark", "loan")] == [2, 1, 0, 3]
    refused = await browser.get("/table/person/row/2/delete")
    assert "1 row of loan (by guard_id) must be changed or deleted first." in refused.text
    assert 'role="alert"' in (await browser.send(refused, step="apply", status=409)).response.text
    assert await shop.t.person.count() == 2


async def test_several_rows_change_at_once(browser: Browser, shop: Database) -> None:
    table = await browser.get("/table/thing")
    assert table.response.text.count('form="chosen" name="key"') == 2
    page = await browser.get("/table/thing/several?key=1&key=2&column=note")
    review = await browser.send(page, {"v.note": "both"})
    assert "UPDATE thing SET note = 'both' WHERE id IN (1, 2);" in review.text
    assert "2 rows of thing" in review.text
    await shop.t.thing.update(pk=2, title="other")
    again = await browser.send(review, step="apply", status=409)
    assert await shop.t.thing.count(note="both") == 0
    await browser.send(again, step="apply")
    assert await shop.t.thing.count(note="both") == 2
    page = await browser.get("/table/thing/several?key=1&key=2&column=code")
    assert "at most 5" in (await browser.send(page, {"v.code": "toolong"}, status=400)).text
    page = await browser.get("/table/thing/several?key=1&key=2&action=delete")
    assert "Delete 2 rows?" in page.text
    await browser.send(page, step="apply")
    assert await shop.t.thing.count() == 0
    await browser.get("/table/thing/several", 400)
    await browser.get("/table/thing/several?key=1&key=99", 404)


async def test_the_sql_that_is_shown_does_what_is_done(browser: Browser, shop: Database) -> None:
    page = await browser.get(EDIT.format(1))
    review = await browser.send(page, {f"v.{name}": typed for name, (typed, _) in TYPED.items()})
    (shown,) = [review.response.text.partition("data-copy>")[2].partition("</pre>")[0]]
    import html

    statement = html.unescape(shown).removeprefix("BEGIN;\n").removesuffix("\nCOMMIT;").replace(":", "\\:")
    async with shop.transaction() as transaction:
        await shop.q(html.unescape(shown).removeprefix("BEGIN;\n").removesuffix("\nCOMMIT;"))
        by_hand = await stored(shop)
        await transaction.rollback()
    assert statement
    await browser.send(review, step="apply")
    assert await stored(shop) == by_hand == FULL | {"id": 1} | {name: value for name, (_, value) in TYPED.items()}


async def test_foreign_keys_are_suggested_by_the_server(browser: Browser, shop: Database) -> None:
    await shop.t.person.insert_all([{"name": f"{HOSTILE} {n}"} for n in range(40)])
    page = await browser.get(EDIT.format(1))
    assert 'data-suggest="/table/thing/suggest/owner_id"' in page.response.text
    found = (await browser.client.get("/table/thing/suggest/owner_id?q=BO")).json()
    assert found == [{"value": "2", "label": "Bob"}]
    assert (await browser.client.get("/table/thing/suggest/owner_id?q=3")).json()[0]["value"] in ("3", "33")
    assert len((await browser.client.get("/table/thing/suggest/owner_id?q=script")).json()) == 12
    assert (await browser.client.get("/table/thing/suggest/owner_id?q=zzz")).json() == []
    for name in ("title", "none"):
        assert (await browser.client.get(f"/table/thing/suggest/{name}")).status_code == 404


async def test_keys_of_several_columns_and_tables_without_one(browser: Browser, shop: Database) -> None:
    await shop.script("CREATE TABLE pair (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (a, b)); CREATE TABLE loose (a TEXT)")
    await shop.create_view("seen", "SELECT title FROM thing")
    await shop.reflect()
    await shop.t.pair.insert_all([{"a": "x.y", "b": n, "v": "v"} for n in (1, 2)])
    place = f"/table/pair/row/{encoded('x.y')}.1"
    page = await browser.get(f"{place}/edit")
    done = await browser.send(await browser.send(page, {"v.v": "new", "v.b": "7"}), step="apply")
    assert str(done.response.url).partition("?")[0].endswith(".7")
    rows = {(row["a"], row["b"], row["v"]) for row in await shop.t.pair.rows_as(dict)()}
    assert rows == {("x.y", 7, "new"), ("x.y", 2, "v")}
    several = f"/table/pair/several?key={encoded('x.y')}.7&key={encoded('x.y')}.2"
    await browser.send(await browser.send(await browser.get(f"{several}&column=v"), {"v.v": "w"}), step="apply")
    await browser.send(await browser.get(f"{several}&action=delete"), step="apply")
    assert await shop.t.pair.count() == 0
    await browser.send(await browser.send(await browser.get("/table/loose/add"), {"v.a": "q"}), step="apply")
    assert await shop.t.loose.count(a="q") == 1
    view = await browser.get("/table/seen")
    assert "The rows of a view cannot be changed here." in view.text
    for path in ("add", "several?key=1"):
        await browser.get(f"/table/seen/{path}", 400)


async def test_a_studio_that_reads_has_no_way_to_write(shop: Database) -> None:
    async with browsing(studio(shop), shop) as browser:
        seen = await browser.crawl("/", 40)
        assert not [address for address in seen if "/edit" in address or "/add" in address or "/delete" in address]
        for path in ("row/1/edit", "row/1/delete", "add", "several?key=1", "suggest/owner_id"):
            assert (await browser.client.get(f"/table/thing/{path}")).status_code == 404
            answer = await browser.client.post(f"/table/thing/{path}", headers={"origin": BASE}, data={"step": "apply"})
            assert answer.status_code in (404, 405), path
        answer = await browser.client.post("/table/thing/row/1", headers={"origin": BASE}, data={"v.title": "x"})
        assert answer.status_code in (404, 405)
    assert await stored(shop) == FULL | {"id": 1}


async def test_forms_need_the_token_of_their_browser_and_their_own_site(browser: Browser, shop: Database) -> None:
    page = await browser.get(EDIT.format(1))
    pairs = dict(page.form.filled({"v.note": "x"})) | {"step": "apply"}
    for path in ("row/1/edit", "row/1/delete", "add", "several?key=1"):
        address = f"/table/thing/{path}"
        for data, origin in ((pairs | {"csrf": "no"}, BASE), (pairs, "http://evil.example"), ({}, BASE)):
            answer = await browser.client.post(address, data=data, headers={"origin": origin})
            assert answer.status_code in (400, 403), path
    assert await stored(shop) == FULL | {"id": 1}
    assert await shop.t.thing.count() == 2


async def test_hostile_names_and_values_are_text_in_forms(browser: Browser, shop: Database) -> None:
    name = HOSTILE[:40]
    quoted = '"' + name.replace('"', '""') + '"'
    await shop.q(f'CREATE TABLE {quoted} (id INTEGER PRIMARY KEY, {quoted} TEXT UNIQUE, "a b.c" TEXT)')
    await shop.reflect()
    await shop.t[name].insert_all([{"id": 1, name: HOSTILE}, {"id": 2, name: "</textarea><script>"}])
    place = f"/table/{encoded(name)}"
    page = await browser.get(f"{place}/row/2/edit")
    review = await browser.send(page, {f"v.{encoded(name)}": HOSTILE, f"v.{encoded('a b.c')}": "</textarea>"})
    again = await browser.send(review, step="apply", status=400)
    assert again.form.value(f"v.{encoded(name)}") == HOSTILE
    for path in ("add", "add?like=1", "row/1/delete", "several?key=1&key=2", f"several?key=1&column={encoded('x')}"):
        assert not (await browser.get(f"{place}/{path}")).problems


@dataclass
class Team:
    id: int | None
    tenant: int
    name: Text


@dataclass
class Task:
    id: int | None
    tenant: int
    title: str | None
    secret: str | None
    team_id: Annotated[int, References("team", on_delete="cascade")] | None


@pytest.fixture
async def tenants(db: Database) -> Database:
    await db.create_all([Team, Task])
    await db.t.team.insert_all([{"tenant": n, "name": f"team{n}"} for n in (1, 2)])
    await db.t.task.insert_all(
        [{"tenant": n, "title": f"title{n}", "secret": f"secret{n}", "team_id": n} for n in (1, 2)]
    )
    return db


async def test_scopes_hold_on_each_way_to_write(tenants: Database) -> None:
    told: list[Any] = []
    mine = {"tenant": 1}
    tables = {
        "task": Access(read=["id", "title", "team_id"], write=["title", "team_id"], scope=mine, delete=True),
        "team": Access(write=["name"], scope=mine, delete=True),
    }
    app = studio(tenants, tables=tables, audit=told.append)
    before = await tenants.t.task.rows_as(dict)()
    async with browsing(app, tenants) as browser:
        page = await browser.get("/table/task/row/1/edit")
        assert "secret" not in page.response.text
        assert "tenant" not in page.form.controls
        # Rows of others do not exist, in any form.
        for path in ("row/2/edit", "row/2/delete", "several?key=1&key=2&column=title", "add?like=2"):
            await browser.get(f"/table/task/{path}", 404)
            found = await browser.client.post(
                f"/table/task/{path}",
                data=dict(page.form.pairs)
                | {"step": "apply", "v.title": "x", "key": "2", "like": "2", "column": "title"},
                headers={"origin": BASE},
            )
            assert found.status_code in (400, 404), path
            assert "secret" not in found.text
        assert "no such row" in (await browser.send(page, {"v.team_id": "2"}, status=400)).text
        assert (await browser.client.get("/table/task/suggest/team_id?q=team")).json() == [
            {"value": "1", "label": "team1"}
        ]
        # Columns that are not granted are no inputs, whoever sends them.
        review = await browser.send(page, {"v.title": "mine", "v.secret": "x", "v.tenant": "2", "v.id": "9"})
        assert "tenant" not in review.text
        await browser.send(review, step="apply")
        rows = await tenants.t.task.rows_as(dict)()
        assert sorted(rows, key=lambda row: row["id"]) == [before[0] | {"title": "mine"}, before[1]]
        assert [(one.action, one.key, one.before["title"], one.after["title"]) for one in told] == [
            ("update", {"id": 1}, "title1", "mine")
        ]
        assert "secret" not in told[0].after
        added = await browser.send(
            await browser.send(await browser.get("/table/task/add"), {"v.title": "n"}), step="apply"
        )
        assert "The row is added." in added.text
        assert await tenants.t.task.count(tenant=1) == 2
        # What goes with a deletion is told, too.
        told.clear()
        gone = await browser.get("/table/team/row/1/delete")
        assert "Other rows, which are not counted here," in gone.text
        await browser.send(gone, step="apply")
        assert {(one.table, one.action) for one in told} == {("team", "delete"), ("task", "delete")}
        assert await tenants.t.task.count(tenant=2) == 1


async def test_an_audit_that_fails_undoes_the_change(tenants: Database) -> None:
    def refuse(change: Any) -> None:
        raise RuntimeError("the log is full")

    async with browsing(studio(tenants, write=True, audit=refuse), tenants) as browser:
        pages: list[Page] = [
            await browser.send(await browser.get("/table/task/row/1/edit"), {"v.title": "x"}),
            await browser.send(await browser.get("/table/task/add"), {"v.tenant": "1"}),
            await browser.get("/table/team/row/1/delete"),
            await browser.send(await browser.get("/table/task/several?key=1&column=title"), {"v.title": "y"}),
        ]
        for page in pages:
            assert "log is full" not in (await browser.send(page, step="apply", status=500)).text
    assert await tenants.t.task.count() == 2
    assert await tenants.t.team.count() == 2
    assert await tenants.t.task.count(title="title1") == 1
