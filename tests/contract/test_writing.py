"""Writing one row at a time: insert, update, upsert, get_or_create, delete, and what they refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    UNSET,
    CheckViolationError,
    Database,
    DeeBaseError,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    IntegrityError,
    InvalidOperationError,
    NotFoundError,
    NotNullViolationError,
    SchemaError,
    Table,
    Text,
    UniqueViolationError,
    ValidationError,
)

Rows = Table[dict[str, Any]]


class User:
    id: int
    name: str
    email: str
    status: str = "active"
    bio: Text | None
    visits: int = 0


class Visit:
    day: int
    place: str
    note: str | None


class Settings:
    id: int
    theme: str = "dark"
    size: int = 12
    note: str | None


@pytest.fixture
async def users(db: Database) -> Rows:
    return await db.create(User, indexes=[Index("ux_user_email", "email", unique=True)])


async def sent_nothing(users: Rows, call: Callable[[], Any], kind: type[DeeBaseError], **details: Any) -> None:
    """Check that a call raises, says what to do and changes nothing."""
    before = await users()
    with pytest.raises(kind) as caught:
        await call()
    assert {name: getattr(caught.value, name) for name in details} == details
    assert caught.value.hint
    assert await users() == before


# -- insert ------------------------------------------------------------------------------------


async def test_insert_returns_the_stored_row_with_key_and_defaults(users: Rows) -> None:
    row = await users.insert({"name": "Ada", "email": "a@x"})
    assert row == {"id": 1, "name": "Ada", "email": "a@x", "status": "active", "bio": None, "visits": 0}
    assert await users[1] == row
    assert (await users.insert(name="Bob", email="b@x", bio="hi", visits=3))["bio"] == "hi"
    assert (await users.insert({"name": "Cid", "email": "x"}, email="c@x"))["email"] == "c@x"


async def test_unset_takes_the_default_and_none_is_null(users: Rows) -> None:
    row = await users.insert(name="Ada", email="a@x", status=UNSET, bio=None, id=None, visits=UNSET)
    assert (row["id"], row["status"], row["bio"], row["visits"]) == (1, "active", None, 0)
    with pytest.raises(NotNullViolationError) as caught:
        await users.insert(name="Bob", email="b@x", status=None)
    assert caught.value.columns == ("status",)
    changed = await users.update({"id": 1, "name": UNSET, "bio": "text", "visits": UNSET})
    assert (changed["name"], changed["bio"]) == ("Ada", "text")
    assert (await users.update({"id": 1, "name": UNSET, "bio": None}))["bio"] is None


async def test_an_explicit_key_never_collides_with_a_generated_one(users: Rows) -> None:
    def given(n: int, **more: Any) -> dict[str, Any]:
        return {"name": str(n), "email": f"{n}@x", **more}

    assert (await users.insert(given(10, id=10)))["id"] == 10
    assert (await users.insert(given(11)))["id"] == 11
    await users.insert(given(3, id=3))
    assert (await users.insert(given(12)))["id"] == 12
    await users.insert_all([given(40, id=40), given(20, id=20)])
    assert (await users.insert(given(41)))["id"] == 41
    await users.insert_all([given(60, id=60)], returning=True)
    assert (await users.insert(given(61)))["id"] == 61
    await users.upsert(given(5000, id=5000))
    assert (await users.insert(given(5001)))["id"] == 5001
    await users.upsert(given(7000, id=3))
    await users.insert_all([given(8000, id=8000)], on_conflict="ignore")
    await users.insert_all([given(9000, id=9000)], on_conflict="update")
    assert (await users.get_or_create(given(9500, id=9500)))[1]
    assert (await users.insert(given(9501)))["id"] == 9501


async def test_explicit_and_generated_keys_of_many_tasks_never_collide(users: Rows) -> None:
    async def explicit(n: int) -> None:
        await users.insert(id=1000 * n, name="x", email=f"explicit{n}@x")

    async def generated(n: int) -> None:
        await users.insert(name="x", email=f"generated{n}@x")

    await asyncio.gather(*(explicit(n) for n in range(1, 6)))
    await asyncio.gather(*(generated(n) for n in range(30)))
    assert await users.count() == 35


async def test_an_empty_record_is_refused_unless_all_columns_have_defaults(db: Database, users: Rows) -> None:
    for record in (None, {}, {"id": None}, {"id": UNSET}):
        await sent_nothing(users, lambda record=record: users.insert(record), ValidationError)
    settings = await db.create(Settings)
    assert await settings.insert({}) == {"id": 1, "theme": "dark", "size": 12, "note": None}
    assert (await settings.insert({"id": None}))["id"] == 2
    await sent_nothing(settings, lambda: settings.insert(None), ValidationError)
    await sent_nothing(settings, lambda: settings.insert(), ValidationError)


async def test_an_unknown_column_is_a_schema_error_with_the_nearest_name(users: Rows) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: users.insert(name="Ada", emial="a@x"),
        lambda: users.update({"id": 1, "emial": "x"}),
        lambda: users.upsert({"id": 1, "name": "x", "emial": "a@x"}),
        lambda: users.update_where({"emial": "x"}, id=1),
        lambda: users.get_or_create(emial="a@x"),
        lambda: users.upsert({"id": 1, "name": "x", "email": "x"}, on="emial"),
        lambda: users.upsert({"id": 1, "name": "x", "email": "x"}, update=["emial"]),
        lambda: users.delete_where(emial="x"),
        lambda: users.count(emial="x"),
    ]
    for call in calls:
        with pytest.raises(SchemaError, match="'email'") as caught:
            await call()
        assert (caught.value.table_name, caught.value.column_name) == ("user", "emial")


async def test_a_value_that_does_not_fit_is_refused_before_anything_is_sent(db: Database, users: Rows) -> None:
    await users.insert(name="Ada", email="a@x")
    async with db.transaction():
        bad = {"visits": "3"}
        for call in (
            lambda: users.insert(name="Bob", email="b@x", **bad),
            lambda: users.update({"id": 1, **bad}),
            lambda: users.upsert({"id": 1, "name": "Bob", "email": "b@x", **bad}),
            lambda: users.update_where(bad, id=1),
            lambda: users.insert_all([{"name": "Bob", "email": "b@x", **bad}]),
            lambda: users.get_or_create({"email": "b@x"}, defaults={"name": "Bob", **bad}),
            lambda: users.delete_where(visits="3"),
            lambda: users(visits="3"),
        ):
            await sent_nothing(users, call, ValidationError, field="visits")
        for call in (lambda: users.get("1"), lambda: users.delete("1"), lambda: users.update(pk="1", name="x")):
            await sent_nothing(users, call, ValidationError, field="id")


@pytest.mark.parametrize("expression", [sa.func.now(), sa.text("1"), sa.literal(1), sa.column("x"), sa.null()])
async def test_a_sql_expression_is_never_taken_for_a_value(expression: Any) -> None:
    async with Database(":memory:") as db:
        users = await db.create(User, indexes=[Index("ux_user_email", "email", unique=True)])
        await users.insert(name="Ada", email="a@x")
        for value in (expression, db.sql(sa.literal(1))):
            record = {"name": "Bob", "email": "b@x", "visits": value}
            calls: list[Callable[[], Any]] = [
                lambda record=record: users.insert(record),
                lambda record=record: users.upsert({"id": 1, **record}),
                lambda record=record: users.insert_all([record]),
                lambda record=record: users.insert_all([record], returning=True),
                lambda record=record: users.get_or_create({"email": "b@x"}, defaults=record),
                lambda value=value: users.get_or_create({"email": value}),
                lambda value=value: users(visits=value),
                lambda value=value: users(visits=[1, value]),
                lambda value=value: users.delete_where(visits=value),
                lambda value=value: users.delete(value),
                lambda value=value: users.update(pk=value, name="x"),
            ]
            for call in calls:
                await sent_nothing(users, call, ValidationError)
        await sent_nothing(users, lambda: users.update({"id": 1, "visits": expression}), ValidationError)
        await sent_nothing(users, lambda: users.update_where({"visits": expression}, id=1), ValidationError)


# -- update ------------------------------------------------------------------------------------


async def test_update_changes_only_what_is_given(users: Rows) -> None:
    await users.insert(name="Ada", email="a@x", visits=5)
    assert await users.update({"id": 1, "name": "Grace"}) == {
        "id": 1,
        "name": "Grace",
        "email": "a@x",
        "status": "active",
        "bio": None,
        "visits": 5,
    }
    assert (await users.update({"name": "Eve"}, pk=1))["name"] == "Eve"
    assert (await users.update(pk=1, name="Joy"))["name"] == "Joy"
    assert (await users.update({"id": 7, "name": "Kay"}, pk=1))["id"] == 7
    assert (await users[7])["name"] == "Kay"


async def test_a_row_that_was_read_and_changed_is_written_back(db: Database) -> None:
    class Note:
        id: int
        meta: dict

    notes = await db.create(Note)
    await notes.insert(meta={"views": 0, "tags": ["a"]})
    row = await notes[1]
    row["meta"]["views"] = 1
    row["meta"]["tags"].append("b")
    assert await notes.update(row) == row
    assert (await notes[1])["meta"] == {"views": 1, "tags": ["a", "b"]}


async def test_update_refuses_nothing_to_change_no_key_and_no_row(users: Rows) -> None:
    await users.insert(name="Ada", email="a@x")
    for call in (
        lambda: users.update({"id": 1}),
        lambda: users.update({"id": 1, "name": UNSET}),
        lambda: users.update({}, pk=1),
        lambda: users.update(None),
        lambda: users.update_where({}, id=1),
        lambda: users.update_where({"name": UNSET}, id=1),
    ):
        await sent_nothing(users, call, ValidationError)
    for record in ({"name": "x"}, {"id": None, "name": "x"}, {"id": UNSET, "name": "x"}):
        await sent_nothing(users, lambda record=record: users.update(record), ValidationError, field="id")
    await sent_nothing(users, lambda: users.update({"name": "x"}, pk=None), ValidationError, field="id")
    with pytest.raises(NotFoundError) as caught:
        await users.update({"id": 99, "name": "x"})
    assert (caught.value.table_name, caught.value.filters) == ("user", {"id": 99})
    with pytest.raises(LookupError):
        await users.delete(99)


async def test_an_expression_is_taken_inside_sql_alone(db: Database, users: Rows) -> None:
    await users.insert(name="Ada", email="a@x", visits=1)
    assert (await users.update(pk=1, visits=db.sql(users.c.visits + 1)))["visits"] == 2
    assert (await users.update({"id": 1, "visits": db.sql("visits * 10")}))["visits"] == 20
    assert await users.update_where({"visits": db.sql(users.c.visits - 5), "name": "Bea"}, id=1) == 1
    assert (await users[1])["visits"] == 15
    assert (await users.update(pk=1, visits=7))["visits"] == 7
    for other in (3, None, object()):
        with pytest.raises(ValidationError):
            db.sql(other)


async def test_update_where_counts_and_wants_a_condition(users: Rows) -> None:
    await users.insert_all({"name": str(n), "email": f"{n}@x", "visits": n} for n in range(10))
    assert await users.update_where({"status": "old"}, users.c.visits > 6) == 3
    assert await users.update_where({"status": "new"}, "visits < ?", [2], status="active") == 2
    assert await users.update_where({"status": "gone"}, visits=[3, 4, None]) == 2
    assert await users.update_where({"bio": None}, visits=99) == 0
    await sent_nothing(users, lambda: users.update_where({"status": "x"}), ValidationError)
    assert await users.update_where({"status": "all"}, all=True) == 10


# -- delete ------------------------------------------------------------------------------------


async def test_delete_by_key_and_by_condition(users: Rows) -> None:
    await users.insert_all({"name": str(n), "email": f"{n}@x", "visits": n} for n in range(10))
    await users.delete(1)
    assert await users.get(1, default=None) is None
    with pytest.raises(NotFoundError):
        await users.delete(1)
    assert await users.delete_where(users.c.visits > 6) == 3
    assert await users.delete_where("visits = ?", [6]) == 1
    assert await users.delete_where(name=["5", "4"]) == 2
    assert await users.delete_where(name="none") == 0
    await sent_nothing(users, lambda: users.delete_where(), ValidationError)
    assert await users.delete_where(all=True) == 3
    await sent_nothing(users, lambda: users.delete(None), ValidationError, field="id")


# -- composite keys ----------------------------------------------------------------------------


async def test_composite_keys(db: Database) -> None:
    visits = await db.create(Visit, pk=["day", "place"])
    assert visits.pks == ("day", "place")
    row = await visits.insert(day=1, place="Rome", note="sun")
    assert await visits[1, "Rome"] == row == await visits.get((1, "Rome"))
    assert (await visits.update({"day": 1, "place": "Rome", "note": "rain"}))["note"] == "rain"
    assert (await visits.update({"note": None}, pk=(1, "Rome")))["note"] is None
    assert (await visits.upsert({"day": 1, "place": "Rome", "note": "fog"}))["note"] == "fog"
    await visits.upsert({"day": 1, "place": "Bonn", "note": "fog"})
    assert await visits.exists((1, "Bonn"))
    assert not await visits.exists((2, "Bonn"))
    await visits.delete((1, "Rome"))
    assert [row["place"] for row in await visits()] == ["Bonn"]
    assert [key for key, _ in await visits(with_pk=True)] == [(1, "Bonn")]
    with pytest.raises(NotFoundError) as caught:
        await visits.delete((1, "Rome"))
    assert caught.value.filters == {"day": 1, "place": "Rome"}
    for key in (1, (1,), (1, "Rome", 2), (1, None), ("Rome", 1)):
        await sent_nothing(visits, lambda key=key: visits.get(key), ValidationError)
        await sent_nothing(visits, lambda key=key: visits.delete(key), ValidationError)
        await sent_nothing(visits, lambda key=key: visits.update(pk=key, note="x"), ValidationError)
    await sent_nothing(visits, lambda: visits.update({"day": 1, "note": "x"}), ValidationError, field="place")
    await sent_nothing(visits, lambda: visits.upsert({"day": 1, "note": "x"}), ValidationError, field="place")
    with pytest.raises(UniqueViolationError) as violated:
        await visits.insert(day=1, place="Bonn")
    assert (violated.value.constraint, violated.value.columns) == ("primary_key", ("day", "place"))


# -- upsert ------------------------------------------------------------------------------------


async def test_upsert_inserts_or_changes_the_given_columns(users: Rows) -> None:
    row = await users.upsert({"id": 1, "name": "Ada", "email": "a@x", "visits": 3})
    assert (row["id"], row["status"]) == (1, "active")
    assert await users.upsert({"id": 1, "name": "Grace", "email": "a@x"}) == {**row, "name": "Grace"}
    row = await users.upsert({"name": "Eve", "email": "a@x", "visits": 9}, on="email", update=["name"])
    assert (row["id"], row["name"], row["visits"]) == (1, "Eve", 3)
    assert (await users.upsert(name="Kay", email="k@x", on=["email"]))["name"] == "Kay"
    unchanged = await users.upsert({"name": "Nobody", "email": "a@x"}, on="email", update=[])
    assert unchanged["name"] == "Eve"
    assert await users.count() == 2


async def test_upsert_leaves_what_was_not_given_alone(db: Database) -> None:
    made = iter(range(100))

    @dataclass
    class Doc:
        id: int
        title: str
        serial: int = field(default_factory=lambda: next(made))
        state: str = "draft"

    docs = await db.create(Doc)
    first = await docs.upsert({"id": 1, "title": "a"})
    await docs.update({"id": 1, "state": "final"})
    again = await docs.upsert({"id": 1, "title": "b"})
    assert (again.title, again.serial, again.state) == ("b", first.serial, "final")
    await docs.insert_all([{"id": 1, "title": "c"}], on_conflict="update")
    last = await docs[1]
    assert (last.title, last.serial, last.state) == ("c", first.serial, "final")


async def test_upsert_refuses_what_cannot_tell_whether_the_row_is_there(users: Rows) -> None:
    record = {"name": "Ada", "email": "a@x"}
    await sent_nothing(users, lambda: users.upsert(record), ValidationError, field="id")
    await sent_nothing(users, lambda: users.upsert({**record, "id": None}), ValidationError, field="id")
    await sent_nothing(users, lambda: users.upsert({"id": 1, "name": "x"}, on="email"), ValidationError, field="email")
    await sent_nothing(users, lambda: users.upsert({**record, "id": 1}, update=["bio"]), ValidationError, field="bio")
    with pytest.raises(DeeBaseError):
        await users.upsert(record, on="name")
    await users.insert(record)
    with pytest.raises(UniqueViolationError) as caught:
        await users.upsert({**record, "id": 99})
    assert (caught.value.table_name, caught.value.columns) == ("user", ("email",))


async def test_fifty_tasks_upserting_one_key_leave_one_row(users: Rows) -> None:
    async def worker(n: int) -> None:
        for turn in range(20):
            row = await users.upsert({"name": f"{n}", "email": "one@x", "visits": turn}, on="email")
            assert (row["name"], row["visits"]) == (f"{n}", turn)

    await asyncio.gather(*(worker(n) for n in range(50)))
    assert await users.count() == 1


# -- get_or_create -----------------------------------------------------------------------------


async def test_get_or_create_makes_a_row_once(users: Rows) -> None:
    row, made = await users.get_or_create({"email": "a@x"}, defaults={"name": "Ada"})
    assert made
    assert (row["name"], row["status"]) == ("Ada", "active")
    assert await users.get_or_create(email="a@x", defaults={"name": "Other"}) == (row, False)
    assert await users.get_or_create({"id": 1}, defaults={"name": "x", "email": "y"}) == (row, False)
    with pytest.raises(InvalidOperationError, match="unique"):
        await users.get_or_create(name="Ada")
    with pytest.raises(UniqueViolationError):
        await users.get_or_create({"email": "a@x", "name": "Not Ada"})


async def test_fifty_tasks_asking_for_one_row_make_it_once(users: Rows) -> None:
    async def worker(n: int) -> list[bool]:
        made = []
        for turn in range(20):
            row, new = await users.get_or_create(email=f"{turn}@x", defaults={"name": str(n)})
            assert row["email"] == f"{turn}@x"
            made.append(new)
        return made

    results = await asyncio.gather(*(worker(n) for n in range(50)))
    assert sum(map(sum, results)) == 20
    assert await users.count() == 20


# -- constraints -------------------------------------------------------------------------------


async def test_violations_tell_class_constraint_table_and_columns_on_every_database(db: Database) -> None:
    class Kind:
        id: int
        level: int

    class Item:
        id: int
        code: str
        kind_id: ForeignKey[int, "kind"]
        part: str
        lot: int = 0

    kinds = await db.create(Kind)
    unique = [Index("ux_item_code", "code", unique=True), Index("ux_item_lot", "part", "lot", unique=True)]
    items = await db.create(Item, indexes=unique)
    await kinds.insert(level=1)
    good = {"id": 1, "code": "a", "kind_id": 1, "part": "p"}
    await items.insert(good)
    cases: list[tuple[Callable[[], Any], type[IntegrityError], str, tuple[str, ...]]] = [
        (lambda: items.insert({**good, "code": "b", "lot": 1}), UniqueViolationError, "primary_key", ("id",)),
        (lambda: items.insert({**good, "id": 2, "lot": 1}), UniqueViolationError, "unique", ("code",)),
        (lambda: items.insert({**good, "id": 2, "code": "b"}), UniqueViolationError, "unique", ("part", "lot")),
        (lambda: items.insert(id=2, kind_id=1, part="q"), NotNullViolationError, "not_null", ("code",)),
        (lambda: items.update(pk=1, part=None), NotNullViolationError, "not_null", ("part",)),
    ]
    for call, kind, constraint, columns in cases:
        with pytest.raises(kind) as caught:
            await call()
        error = caught.value
        assert (error.constraint, error.table_name, error.columns) == (constraint, "item", columns)
        assert error.hint
        assert error.__cause__ is not None
    for call in (
        lambda: items.insert({**good, "id": 3, "code": "c", "lot": 3, "kind_id": 99}),
        lambda: items.update(pk=1, kind_id=99),
        lambda: kinds.delete(1),
    ):
        with pytest.raises(ForeignKeyViolationError) as violated:
            await call()
        assert violated.value.constraint == "foreign_key"
    assert await items() == [{**good, "lot": 0}]


async def test_a_check_that_refuses_says_so(db: Database) -> None:
    class Level:
        id: int
        n: int

    levels = await db.create(Level)
    await db.q("DROP TABLE level")
    await db.q("CREATE TABLE level (id INTEGER PRIMARY KEY, n BIGINT CONSTRAINT positive CHECK (n > 0))")
    with pytest.raises(CheckViolationError) as caught:
        await levels.insert(id=1, n=-987654)
    assert (caught.value.constraint, caught.value.constraint_name) == ("check", "positive")
    assert "987654" not in str(caught.value)


async def test_key_operations_take_every_kind_of_key(db: Database) -> None:
    class Word:
        word: str
        n: int = 0

    words = await db.create(Word, pk="word")
    for key in ("a", "", "it's", "é\n", "x" * 500, "%s", ":a", "?"):
        await words.insert(word=key)
        assert (await words[key])["word"] == key
        assert await words.exists(key)
        assert (await words.update(pk=key, n=1))["n"] == 1
        await words.delete(key)
    assert await words.count() == 0
