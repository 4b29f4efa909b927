"""Rows: what goes in as a record, and the type in which rows come out."""

from __future__ import annotations

import dataclasses
import types
from collections import OrderedDict, UserDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from deebase import UNSET, ColumnNotFoundError, Database, Table, ValidationError


class Note:
    id: int
    title: str
    stars: int = 3
    meta: dict | None


@dataclass
class NoteData:
    id: int | None
    title: str
    stars: Any = UNSET
    meta: dict[str, Any] | None = None


@dataclass(kw_only=True, slots=True, frozen=True)
class NoteKeywords:
    title: str
    id: Any = UNSET
    stars: Any = UNSET
    meta: Any = UNSET


class NoteModel(pydantic.BaseModel):
    id: int | None = None
    title: str
    stars: int = 3
    meta: dict[str, Any] | None = None


@attrs.define
class NoteAttrs:
    title: str
    id: int | None = None
    stars: int = 3
    meta: dict[str, Any] | None = None


class NoteStruct(msgspec.Struct):
    title: str
    id: int | None = None
    stars: int | msgspec.UnsetType = msgspec.UNSET
    meta: dict[str, Any] | None = None


class NotePlain:
    kind = "class attributes are no fields"

    def __init__(self, title: str) -> None:
        self.title = title
        self._cache = "private"


KINDS: dict[str, Callable[[str], Any]] = {
    "dict": lambda title: {"title": title},
    "ordered dict": lambda title: OrderedDict(title=title),
    "user dict": lambda title: UserDict(title=title),
    "mapping proxy": lambda title: types.MappingProxyType({"title": title}),
    "dataclass": lambda title: NoteData(None, title),
    "frozen dataclass with slots": lambda title: NoteKeywords(title=title),
    "pydantic": lambda title: NoteModel(title=title),
    "attrs": lambda title: NoteAttrs(title),
    "msgspec": lambda title: NoteStruct(title),
    "plain object": NotePlain,
    "namespace": lambda title: types.SimpleNamespace(title=title),
}


@pytest.fixture
async def notes(db: Database) -> Table[dict[str, Any]]:
    return await db.create(Note)


async def test_records_of_every_kind_go_in_everywhere(notes: Table[dict[str, Any]]) -> None:
    for n, (kind, make) in enumerate(KINDS.items(), start=1):
        row = await notes.insert(make(kind))
        assert row == {"id": n, "title": kind, "stars": 3, "meta": None}, kind
        changed = await notes.update(make("changed"), pk=n) if not hasattr(make(""), "id") else None
        assert changed is None or changed["title"] == "changed"
        assert (await notes.upsert(make("upserted"), id=n, stars=5))["stars"] == 5, kind
        found, made = await notes.get_or_create({"id": n}, defaults={"title": "x"})
        assert (found["title"], made) == ("upserted", False)
    assert await notes.insert_all(make(kind) for kind, make in KINDS.items()) == len(KINDS)
    assert (await notes.insert(title="keywords"))["title"] == "keywords"
    assert await notes.count() == 2 * len(KINDS) + 1


async def test_a_record_with_its_key_updates_its_row(notes: Table[dict[str, Any]]) -> None:
    await notes.insert(title="first", meta={"a": 1})
    assert (await notes.update(NoteData(1, "dataclass", UNSET, {"a": 2})))["meta"] == {"a": 2}
    assert (await notes.update(NoteKeywords(id=1, title="keywords")))["meta"] == {"a": 2}
    assert (await notes.update(NoteStruct("struct", 1, meta={"a": 3})))["stars"] == 3
    assert (await notes.update(NoteModel(id=1, title="model", stars=9)))["meta"] is None
    plain = NotePlain("plain")
    plain.id = 1  # type: ignore[attr-defined]
    assert (await notes.update(plain))["title"] == "plain"


async def test_what_is_no_record_is_refused(notes: Table[dict[str, Any]]) -> None:
    for record in (
        "title",
        b"title",
        5,
        1.5,
        ["title"],
        ("title", "x"),
        {"title"},
        NoteData,
        object(),
        [("title", "x")],
    ):
        with pytest.raises(ValidationError) as caught:
            await notes.insert(record)
        assert caught.value.hint
    assert await notes.count() == 0


async def test_a_field_that_is_no_column_is_named(notes: Table[dict[str, Any]]) -> None:
    for record in (
        {"title": "x", "star": 1},
        types.SimpleNamespace(title="x", star=1),
        {"title": "x", 5: 1},
    ):
        with pytest.raises(ColumnNotFoundError) as caught:
            await notes.insert(record)
        assert caught.value.column_name in ("star", "5")


async def test_the_callers_record_is_never_changed(db: Database, notes: Table[dict[str, Any]]) -> None:
    @dataclass
    class Tagged:
        id: int | None
        tags: list[str] = field(default_factory=list)

    record = {"id": None, "title": "x", "stars": UNSET, "meta": {"a": [1]}}
    before = dict(record)
    row = await notes.insert(record)
    assert record == before
    row["meta"]["a"].append(2)
    assert record == before
    assert (await notes[1])["meta"] == {"a": [1]}
    await notes.update(row)
    assert row["id"] == 1
    tagged = await db.create(Tagged)
    given = Tagged(None)
    stored = await tagged.insert(given)
    assert (given.id, stored.id) == (None, 1)
    assert stored.tags is not given.tags


async def test_rows_as_gives_another_row_type_and_leaves_the_first_handle(notes: Table[dict[str, Any]]) -> None:
    await notes.insert(title="x", meta={"a": 1})
    expected = {
        dict: {"id": 1, "title": "x", "stars": 3, "meta": {"a": 1}},
        NoteData: NoteData(1, "x", 3, {"a": 1}),
        NoteKeywords: NoteKeywords(id=1, title="x", stars=3, meta={"a": 1}),
        NoteModel: NoteModel(id=1, title="x", stars=3, meta={"a": 1}),
        NoteAttrs: NoteAttrs("x", 1, 3, {"a": 1}),
        NoteStruct: NoteStruct("x", 1, 3, {"a": 1}),
    }
    for kind, row in expected.items():
        handle = notes.rows_as(kind)
        assert await handle[1] == row
        assert type(await handle[1]) is kind
        assert await handle() == [row] == [item async for item in handle()]
        assert await handle.update({"id": 1, "title": "x"}) == row
        assert await handle.update(await handle[1]) == row
        assert await handle(with_pk=True) == [(1, row)]
        assert await notes[1] == expected[dict]
    for other in (int, str, NotePlain, 5):
        with pytest.raises(ValidationError):
            notes.rows_as(other)  # type: ignore[arg-type]


async def test_columns_a_row_type_does_not_know_are_left_out(notes: Table[dict[str, Any]]) -> None:
    @dataclass
    class Short:
        title: str
        more: str = "more"

    await notes.insert(title="x")
    assert await notes.rows_as(Short)[1] == Short("x", UNSET)  # type: ignore[arg-type]
    assert await notes.rows_as(NoteData)(select=["title"]) == [NoteData(UNSET, "x", UNSET, UNSET)]  # type: ignore[arg-type]
    assert await notes.rows_as(NoteModel)(select=["title"]) == [NoteModel(title="x")]


async def test_a_partly_read_row_written_back_leaves_the_rest_alone(notes: Table[dict[str, Any]]) -> None:
    table = notes.rows_as(NoteData)
    await table.insert(NoteData(None, "x", 5, {"a": 1}))
    row = (await table(select=["id", "title"]))[0]
    row.title = "y"
    assert await table.update(row) == NoteData(1, "y", 5, {"a": 1})


@pytest.mark.parametrize("kind", [NoteModel, NoteAttrs, NoteStruct])
async def test_tables_from_classes_of_other_libraries(kind: Any) -> None:
    class Struct(msgspec.Struct):
        title: str
        id: int | None = None
        stars: int = 3
        meta: dict[str, Any] | None = None

    cls = Struct if kind is NoteStruct else kind
    async with Database(":memory:") as db:
        table = await db.create(cls, name="note")
        await table.insert(cls(title="x"))
        assert await table.rows_as(dict).insert({"title": "y", "meta": {"a": 1}}) == {
            "id": 2,
            "title": "y",
            "stars": 3,
            "meta": {"a": 1},
        }
        assert await table.rows_as(cls)[1] == cls(title="x", id=1)


class Fruit:
    id: int
    name: str
    color: str = "green"


async def test_a_table_makes_a_dataclass_of_its_own_and_returns_it_from_then_on(db: Database) -> None:
    fruits = await db.create(Fruit)
    as_dicts = fruits.rows_as(dict)
    made = fruits.dataclass()
    assert fruits.dataclass() is made
    row = await fruits.insert(made(name="apple"))
    assert row == made(id=1, name="apple", color="green")
    assert await fruits.update(made(id=1, color="red")) == made(id=1, name="apple", color="red")
    assert await db.t.fruit() == [made(id=1, name="apple", color="red")]
    assert await as_dicts[1] == {"id": 1, "name": "apple", "color": "red"}


async def test_a_column_that_cannot_be_a_field_has_one_of_another_name(db: Database) -> None:
    names = {"id": int, "two words": str, "class": str | None, "two_words": str | None}
    odd = await db.create(type("Odd", (), {"__annotations__": names}))
    kind = odd.dataclass()
    assert [field.name for field in dataclasses.fields(kind)] == ["id", "two_words_2", "class_", "two_words"]
    row = await odd.insert(kind(two_words_2="a b", class_="c", two_words="d"))
    assert row == kind(1, "a b", "c", "d")
    assert await odd.rows_as(dict)[1] == {"id": 1, "two words": "a b", "class": "c", "two_words": "d"}
    assert await odd(select=["id", "class"]) == [kind(id=1, class_="c")]
