"""What fields and classes say of their table: Unique, Default, Computed, UpdatedAt, __pk__ and the like."""

from __future__ import annotations

import re
import warnings
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar
from uuid import UUID

import annotated_types
import msgspec
import pydantic
import pytest
import sqlalchemy as sa

from deebase import (
    Check,
    CheckViolationError,
    ColumnNotFoundError,
    Computed,
    Database,
    DeeBaseError,
    Default,
    Digits,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    Indexed,
    MaxLength,
    MigrationError,
    PrimaryKey,
    References,
    SchemaError,
    Unique,
    UniqueViolationError,
    UnsupportedTypeError,
    UpdatedAt,
    UTCDateTime,
    ValidationError,
    now,
    uuid4,
    uuid7,
)
from deebase._engine.core import core_of
from deebase.migrations import Migrator
from deebase.testing import temporary_database
from tests.support.capabilities import can


class Company:
    id: int
    name: Annotated[str, Unique]


class Person:
    __tablename__ = "people"
    __indexes__: ClassVar[Any] = [("name", "age"), Index("ix_people_born", "born")]
    __checks__ = "age < 200"

    email: Annotated[str, PrimaryKey]
    name: Annotated[str, MaxLength(9), Indexed]
    nick: Annotated[str | None, Unique(ignore_case=True)]
    age: Annotated[int, Check("age >= 0")] = 0
    born: date | None
    company_id: ForeignKey[int, Company] | None
    boss: Annotated[str | None, References("people", on_delete="set null")]


async def test_a_class_says_all_of_its_table(db: Database) -> None:
    companies, people = await db.create_all(Company, Person)
    assert (people.name, people.pks) == ("people", ("email",))
    indexes = {index["name"]: (index["columns"], index["unique"]) for index in people.indexes}
    assert indexes == {
        "ix_people_name": (["name"], False),
        "ix_people_name_age": (["name", "age"], False),
        "ix_people_born": (["born"], False),
        "ix_people_nick": ([None], True),
        "ix_people_company_id_fk": (["company_id"], False),
        "ix_people_boss_fk": (["boss"], False),
    }
    await companies.insert(name="Acme")
    ada = await people.insert(email="a", name="Ada", nick="Countess", company_id=1)
    await people.insert(email="b", name="Bob", boss="a")
    for wrong, error in (
        ({"name": "x", "email": "c", "nick": "COUNTESS"}, UniqueViolationError),
        ({"name": "x", "email": "c", "age": -1}, CheckViolationError),
        ({"name": "x", "email": "c", "age": 200}, CheckViolationError),
        ({"name": "0123456789", "email": "c"}, ValidationError),
        ({"name": "x", "email": "c", "company_id": 9}, ForeignKeyViolationError),
    ):
        with pytest.raises(error):
            await people.insert(wrong)
    with pytest.raises(UniqueViolationError):
        await companies.insert(name="Acme")
    await people.delete("a")
    assert ada["nick"] == "Countess"
    assert (await people["b"])["boss"] is None


async def test_a_second_create_finds_nothing_to_change(db: Database) -> None:
    await db.create_all(Company, Person, Stamped)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await db.create_all(Company, Person, Stamped, if_not_exists=True)
    with core_of(db).recording() as recorded:
        await db.create_all(Company, Person, Stamped, transform=True)
    changing = [text for text in recorded if re.search(r"\b(ALTER|DROP INDEX|INSERT|RENAME)\b", text)]
    assert not changing


async def test_a_table_grows_by_what_its_class_says(db: Database) -> None:
    class People:
        __tablename__ = "people"
        email: Annotated[str, PrimaryKey]
        name: str

    people = await db.create(People)
    await people.insert(email="a", name="Ada")
    _, people = await db.create_all(Company, Person, transform=True)
    assert await people["a"] == {
        **{"email": "a", "name": "Ada", "nick": None, "age": 0, "born": None, "company_id": None, "boss": None}
    }
    assert len(people.indexes) == 6
    with pytest.raises(CheckViolationError):
        await people.update(email="a", age=-1)


class Stamped:
    id: Annotated[UUID, PrimaryKey, Default(uuid7())]
    text4: Annotated[str, Default(uuid4())]
    text7: Annotated[str, Default(uuid7())]
    any: Annotated[UUID | None, Default(uuid4())]
    at: Annotated[datetime, Default(now())]
    aware: Annotated[UTCDateTime, Default(sa.func.now())]
    day: Annotated[date, Default(now())]
    clock: Annotated[time, Default(now())]
    word: Annotated[str, Default(sa.func.lower("ABC"))]
    plain: Annotated[str, Default("it's")]
    changed: Annotated[UTCDateTime, UpdatedAt]
    naive: Annotated[datetime, UpdatedAt(trigger=True)]


async def test_defaults_that_the_database_makes(db: Database) -> None:
    stamped = await db.create(Stamped)
    if can(db).has_schemas:
        await db.q("SET TIME ZONE 'Asia/Tokyo'")
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    rows = [await stamped.insert({}) for _ in range(3)]
    after = datetime.now(UTC)
    for row in rows:
        assert before <= row["aware"] <= after
        assert row["at"] == row["aware"].replace(tzinfo=None) == datetime.combine(row["day"], row["clock"])
        assert row["changed"] == row["aware"]
        assert (row["id"].version, row["any"].version) == (7, 4)
        assert (UUID(row["text4"]).version, UUID(row["text7"]).version) == (4, 7)
        assert {UUID(row["text4"]).variant, row["id"].variant, row["any"].variant} == {"specified in RFC 4122"}
        assert row["text4"] == str(UUID(row["text4"]))
        milliseconds = int(row["id"].hex[:12], 16)
        assert before.timestamp() * 1000 - 1 <= milliseconds <= after.timestamp() * 1000 + 1
        assert (row["word"], row["plain"]) == ("abc", "it's")
    assert len({row["text4"] for row in rows}) == len({row["id"] for row in rows}) == 3


async def test_each_update_sets_the_time_of_the_change(db: Database) -> None:
    stamped = await db.create(Stamped)
    old = datetime(2000, 1, 1, tzinfo=UTC)
    given = {"changed": old, "naive": old.replace(tzinfo=None)}
    key = (await stamped.insert(given))["id"]

    async def touched() -> bool:
        row = await stamped[key]
        assert (row["changed"] == old) == (row["naive"] == given["naive"])
        await stamped.update({"id": key, **given})
        return bool(row["changed"] > old)

    assert not await touched()
    # The value that the row has is that of a row that was read; another one is stored.
    assert await touched()
    for stored in (old, None):
        await stamped.update_where({**given, "plain": "the same value, then another"}, id=key)
        assert ((await stamped[key])["changed"] == old) == (stored is None)
    await stamped.update({"id": key, "plain": "new"})
    assert await touched()
    for write in (stamped.update, stamped.upsert):
        await write({**await stamped[key], "plain": "read and written back"})
        assert await touched()
    for write_all in (stamped.update_all, stamped.upsert_all):
        await write_all([{**await stamped[key], "plain": "read and written back by all"}])
        assert await touched()
    await stamped.update({"id": key, "plain": "new"})
    assert await touched()
    await stamped.update_all([{"id": key, "plain": "all"}])
    assert await touched()
    await stamped.update_where({"plain": "where"}, stamped.c.id == key)
    assert await touched()
    await stamped.upsert({"id": key, "plain": "upsert"})
    assert await touched()
    await stamped.upsert_all([{"id": key, "plain": "upsert_all"}])
    assert await touched()
    # The trigger is for those who write SQL.
    await db.q("UPDATE stamped SET plain = 'sql'")
    row = await stamped[key]
    assert (row["changed"], row["plain"]) == (old, "sql")
    assert timedelta() <= datetime.now(UTC).replace(tzinfo=None) - row["naive"] < timedelta(minutes=1)
    # A new handle of the table knows it, too, after a change of the table.
    stamped = await stamped.add_column("more", int | None)
    await stamped.update({"id": key, **given})
    await stamped.update({"id": key, "more": 1})
    assert await touched()


async def test_columns_that_the_database_computes(db: Database) -> None:
    class Line:
        id: int
        price: Annotated[Decimal, Digits(10, 2)]
        quantity: int = 1
        total: Annotated[Decimal, Digits(12, 2), Computed("price * quantity")]
        double: Annotated[int, Computed("quantity * 2")]

    lines = await db.create(Line)
    row = await lines.insert(price=Decimal("12.1"), quantity=3)
    assert str(row["price"]) == "12.10"
    assert (str(row["total"]), row["double"]) == ("36.30", 6)
    row = await lines.update({**row, "quantity": 4})
    assert (str(row["total"]), row["double"]) == ("48.40", 8)
    with pytest.raises(ValidationError):
        await lines.insert(price=Decimal("1.234"))
    with pytest.raises(ValidationError):
        await lines.insert(price=Decimal(10**8))
    assert await lines.count(lines.c.price < Decimal("12.1001")) == 1
    assert await lines.count(price=Decimal("12.104")) == 0

    class Wider(Line):
        half: Annotated[int, Computed("quantity / 2")]

    wider = await db.create(Wider, name="line", transform=True)
    assert (await wider[1])["half"] == 2


async def test_a_column_changes_its_type_before_another_is_computed_from_it(db: Database) -> None:
    class Narrow:
        __tablename__ = "line"
        id: int
        price: Annotated[Decimal, Digits(4, 1)]

    class Wide:
        __tablename__ = "line"
        id: int
        price: Annotated[Decimal, Digits(10, 2), Check("double < 1000")]
        double: Annotated[Decimal, Digits(12, 2), Computed("price * 2"), Indexed]

    await (await db.create(Narrow)).insert(price=Decimal("1.5"))
    lines = await db.create(Wide, transform=True)
    assert str((await lines.insert(price=Decimal("1.25")))["double"]) == "2.50"
    assert [str(row["double"]) for row in await lines(order_by="id")] == ["3.00", "2.50"]
    with pytest.raises(CheckViolationError):
        await lines.insert(price=Decimal(500))


@pytest.mark.on_a_file
async def test_migrations_make_what_the_fields_say(db: Database, tmp_path: Path) -> None:
    class Line:
        id: int
        price: Annotated[Decimal, Digits(10, 2), Check("price > 0")]
        total: Annotated[Decimal, Digits(12, 2), Computed("price * 2")]
        label: Annotated[str | None, Computed("'a:b ' || id")]

    models: dict[type[Any], dict[str, Any]] = {Company: {}, Person: {}, Stamped: {}, Line: {}}
    for wrong in (Company, 5, {Company: 5}):
        with pytest.raises(DeeBaseError):
            await Migrator(db, tmp_path / "wrong", models=wrong).new("first")  # type: ignore[arg-type]
    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.new("first")
    await migrator.seal()
    await migrator.up()
    with pytest.raises(MigrationError, match="nothing to do"):
        await migrator.new("second")
    assert await migrator.drift() == []
    await db.reflect()
    *_, stamped, lines = db.bind(*models)
    assert (await stamped.insert({}))["id"].version == 7
    assert str((await lines.insert(price=Decimal("1.5")))["total"]) == "3.00"


async def test_decimals_keep_their_digits_in_a_new_program(db_url: str) -> None:
    class Price:
        id: int
        amount: Annotated[Decimal, Digits(6, 3)]

    async with Database(db_url) as db:
        prices = await db.create(Price)
        assert str((await prices.insert(amount=Decimal(5)))["amount"]) == "5.000"
        db.t.price.dataclass()
        await db.reflect()
        with pytest.raises(ValidationError, match="3 digits after the point"):
            await db.t.price.insert(amount=Decimal("0.0001"))


async def test_a_key_of_several_marked_fields(db: Database) -> None:
    class Membership:
        user_id: Annotated[int, PrimaryKey]
        role: str = "member"
        team_id: Annotated[int, PrimaryKey]

    members = await db.create(Membership)
    assert members.pks == ("user_id", "team_id")
    await members.insert(user_id=1, team_id=2)
    assert (await members[1, 2])["role"] == "member"
    with pytest.raises(ValidationError, match="mark"):
        await db.create(Membership, name="other", pk="role")


async def test_modules_lists_and_dicts_of_classes(db_url: str) -> None:
    models = ModuleType("models")
    found: list[Any] = [type(cls.__name__, (), {**vars(cls), "__module__": __name__}) for cls in (Company, Person)]
    for cls in found:
        setattr(models, cls.__name__, cls)
    models.__name__ = __name__
    given: list[Any] = [models, found, {found[0]: {}, found[1]: {"indexes": ["age"]}}]
    for classes in given:
        async with Database(db_url) as db:
            tables = await db.create_all(classes, replace=True)
            assert sorted(table.name for table in tables) == ["company", "people"]
    async with temporary_database(":memory:", classes={Company: {"name": "firm"}}) as temporary:
        assert [table.name for table in temporary.t] == ["firm"]


async def test_metadata_of_other_libraries_is_theirs() -> None:
    class Widget:
        """Says how a form shows a field."""

    async with Database(":memory:") as db:
        for mark in (Widget(), annotated_types.Gt(0), pydantic.Field(gt=0), msgspec.Meta(gt=0)):
            cls = type("Thing", (), {"__annotations__": {"id": int, "value": Annotated[int, mark]}})
            assert (await db.create(cls, replace=True)).columns == ("id", "value")


@pytest.mark.parametrize(
    ("mark", "hint"),
    [
        ("unique", "write Unique"),
        ("uniqe", "write Unique"),
        ("index", "write Indexed"),
        ("pk", "write PrimaryKey"),
        ("text", "value: Text"),
        ("primary_key", "write PrimaryKey"),
        ("a note", "one of Indexed"),
        (int, "one of Indexed"),
        (7, "one of Indexed"),
        (None, "one of Indexed"),
        (Check, r'write Check\("value >= 0"\)'),
        (Digits, r"write Digits\(10, 2\)"),
        (Default, "write Default"),
        (MaxLength, "write MaxLength"),
        (Index("ix", "value"), "Indexed"),
        (sa.ForeignKey("user.id"), "References"),
        (type("Unique", (), {})(), "write Unique"),
        (Digits(5, 2), "Decimal"),
        (MaxLength(5), "MaxLength"),
    ],
)
async def test_metadata_without_a_meaning_is_refused(mark: Any, hint: str) -> None:
    cls = type("Thing", (), {"__annotations__": {"id": int, "value": Annotated[int, mark]}})
    async with Database(":memory:") as db:
        with pytest.raises(UnsupportedTypeError, match=r"Thing\.value") as caught:
            await db.create(cls)
        assert re.search(hint, str(caught.value.hint))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"__indxes__": ["value"]}, "__indexes__"),
        ({"__primary_key__": "id"}, "__pk__"),
        ({"__table_args__": ()}, "__indexes__ and __checks__"),
        ({"__cheks__": []}, "__checks__"),
        ({"__tablenam__": "x"}, "__tablename__"),
        ({"__pk__": "valeu"}, "'value'"),
        ({"__indexes__": ["valeu"]}, "'value'"),
        ({"__indexes__": 5}, "indexes="),
        ({"__checks__": 5}, "checks="),
        ({"__foreign_keys__": 5}, "foreign_keys="),
        ({"__tablename__": 5}, "name="),
    ],
)
async def test_attributes_that_are_wrong_name_the_nearest(attributes: dict[str, Any], expected: str) -> None:
    cls = type("Thing", (), {"__annotations__": {"id": int, "value": int}, **attributes})
    async with Database(":memory:") as db:
        with pytest.raises((ValidationError, ColumnNotFoundError, SchemaError)) as caught:
            await db.create(cls)
    assert expected in str(caught.value.hint)


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[int, Default(now())],
        Annotated[int, Default(uuid4())],
        Annotated[date, Default(uuid7())],
        Annotated[int, Default("text")],
        Annotated[int, Default(sa.column("other"))],
        Annotated[str, UpdatedAt],
        Annotated[datetime, UpdatedAt, Computed("x")],
        Annotated[int, Unique(ignore_case=True)],
        Annotated[Decimal, Computed("id * 2")],
    ],
)
async def test_fields_that_contradict_themselves_are_refused(hint: Any) -> None:
    cls = type("Thing", (), {"__annotations__": {"id": int, "value": hint}})
    async with Database(":memory:") as db:
        with pytest.raises(ValidationError) as caught:
            await db.create(cls)
    assert "value" in str(caught.value)


def test_marks_check_their_arguments() -> None:
    wrong: list[Any] = [
        lambda: Digits(0),
        lambda: Digits(5, 6),
        lambda: Digits(5.0, 1),  # type: ignore[arg-type]
        lambda: Check(""),
        lambda: Check(5),  # type: ignore[arg-type]
        lambda: Computed(" "),
        lambda: Unique(ignore_case=1),  # type: ignore[arg-type]
        lambda: UpdatedAt(trigger=None),  # type: ignore[arg-type]
    ]
    for make in wrong:
        with pytest.raises(ValidationError):
            make()
