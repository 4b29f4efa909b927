"""From a class to a table: names, types, defaults, indexes, foreign keys, and what is there already."""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, ClassVar, Literal, Optional
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import (
    CheckViolationError,
    Database,
    DeeBaseError,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    Indexed,
    InvalidOperationError,
    NotNullViolationError,
    QueryError,
    SchemaError,
    TableExistsError,
    Text,
    UniqueViolationError,
    UnsupportedTypeError,
    UTCDateTime,
    ValidationError,
)
from tests.support.capabilities import can


class Color(Enum):
    RED = "red"
    BLUE = "it's blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class User:
    id: int
    name: str


class Author:
    id: int
    name: str
    favourite_id: ForeignKey[int, "book"] | None


class Book:
    id: int
    title: str
    author_id: ForeignKey[int, "author"] | None


async def table_names(db: Database) -> set[str]:
    async with db.engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


async def columns_of(db: Database, table: str) -> dict[str, str]:
    if not can(db).checks_types:
        return {row["name"]: row["type"] for row in await db.q("SELECT name, type FROM pragma_table_info(?)", [table])}
    async with db.engine.connect() as connection:
        found = await connection.run_sync(lambda sync: sa.inspect(sync).get_columns(table))
    return {column["name"]: str(column["type"]) for column in found}


# -- names, keys and types ---------------------------------------------------------------------


async def test_the_name_is_snake_case_of_the_class_or_given(db: Database) -> None:
    class BlogPost:
        id: int

    class HTTPServer2Log:
        id: int

    assert (await db.create(BlogPost)).name == "blog_post"
    assert (await db.create(HTTPServer2Log)).name == "http_server2_log"
    assert (await db.create(BlogPost, name="My Posts")).name == "My Posts"
    assert await table_names(db) == {"blog_post", "http_server2_log", "My Posts"}
    with pytest.raises(ValidationError) as caught:
        await db.create(BlogPost, name="")
    assert caught.value.field == "name"


async def test_every_type_has_the_column_type_of_the_contract(db: Database) -> None:
    class All:
        id: int
        n: int
        f: float
        s: str
        t: Text
        b: bool
        y: bytes
        d: dict
        li: list[int]
        at: datetime
        utc: UTCDateTime
        day: date
        clock: time
        span: timedelta
        price: Decimal
        key: UUID
        color: Color
        kind: Literal["a", "b"]

    await db.create(All)
    found = await columns_of(db, "all")
    if not can(db).checks_types:
        assert found == {
            **{"id": "INTEGER", "n": "INTEGER", "f": "REAL", "s": "VARCHAR", "t": "TEXT", "b": "BOOLEAN", "y": "BLOB"},
            **{"d": "JSON", "li": "JSON", "at": "DATETIME", "utc": "DATETIME UTC TEXT", "day": "DATE", "clock": "TIME"},
            **{
                "span": "DURATION REAL",
                "price": "DECIMAL TEXT",
                "key": "UUID CHAR(32)",
                "color": "VARCHAR",
                "kind": "VARCHAR",
            },
        }
    else:
        assert found == {
            **{"id": "BIGINT", "n": "BIGINT", "f": "DOUBLE PRECISION", "s": "VARCHAR", "t": "TEXT", "b": "BOOLEAN"},
            **{"y": "BYTEA", "d": "JSONB", "li": "JSONB", "at": "TIMESTAMP", "utc": "TIMESTAMP", "day": "DATE"},
            **{"clock": "TIME", "span": "INTERVAL", "price": "NUMERIC", "key": "UUID", "color": "VARCHAR"},
            **{"kind": "VARCHAR"},
        }


async def test_nullable_is_what_allows_none(db: Database) -> None:
    class Form:
        id: int
        must: str
        may: str | None
        old: Optional[str]  # noqa: UP045
        text: Text | None
        link: ForeignKey[int, "user"] | None

    await db.create(User)
    forms = await db.create(Form)
    row = await forms.insert(must="x")
    assert row == {"id": 1, "must": "x", "may": None, "old": None, "text": None, "link": None}
    with pytest.raises(NotNullViolationError) as caught:
        await forms.insert(may="x")
    assert caught.value.columns == ("must",)


async def test_a_key_the_class_lacks_is_added_and_other_keys_are_taken(db: Database) -> None:
    @dataclass
    class Plain:
        name: str

    class Coded:
        code: str
        n: int

    class Keyed:
        key: UUID
        n: int = 0

    plain = await db.create(Plain)
    assert list(plain.c.keys()) == ["id", "name"]
    assert await plain.rows_as(dict).insert(name="a") == {"id": 1, "name": "a"}
    assert await plain[1] == Plain("a")
    coded = await db.create(Coded, pk="code")
    assert await coded.insert(code="x", n=1) == await coded["x"]
    numbered = await db.create(Coded, name="numbered", pk="n")
    assert (await numbered.insert(code="a"))["n"] == 1
    keyed = await db.create(Keyed, pk="key")
    assert (await keyed.insert(key=UUID(int=5)))["key"] == UUID(int=5)
    pair = await db.create(Coded, name="pair", pk=["code", "n"])
    for record in ({"code": "a"}, {"code": "a", "n": None}, {"n": 1}):
        with pytest.raises(ValidationError) as missing:
            await pair.insert(record)
        assert missing.value.field == ("code" if record.get("n") else "n")
    for pk in ("", [], [""], [5]):
        with pytest.raises(ValidationError) as caught:
            await db.create(Coded, name="other", pk=pk)  # type: ignore[arg-type]
        assert caught.value.field == "pk"


async def test_the_check_of_an_enum_or_literal_refuses_other_text(db: Database) -> None:
    class Paint:
        id: int
        color: Color
        kind: Literal["a", "b"] = "a"

    paints = await db.create(Paint)
    assert await paints.insert(color="it's blue") == {"id": 1, "color": Color.BLUE, "kind": "a"}
    for column in ("color", "kind"):
        with pytest.raises(CheckViolationError):
            await db.q(f"UPDATE paint SET {column} = 'other'")
    with pytest.raises(ValidationError) as caught:
        await paints.insert(color="green")
    assert caught.value.field == "color"


async def test_an_annotation_without_a_column_type_names_class_field_and_what_is_accepted(db: Database) -> None:
    class Odd:
        id: int
        shape: complex

    class Both:
        id: int
        value: int | str

    class Unknown:
        id: int
        value: "Nowhere"

    class Tuples:
        id: int
        value: tuple[int, int]

    class Objects:
        id: int
        value: object

    for cls, column in ((Odd, "shape"), (Both, "value"), (Unknown, "value"), (Tuples, "value"), (Objects, "value")):
        with pytest.raises(UnsupportedTypeError, match=rf"{cls.__name__}\.{column}") as caught:
            await db.create(cls)
        assert caught.value.column_name == column
        assert caught.value.hint
    assert await table_names(db) == set()


# -- defaults ----------------------------------------------------------------------------------

HOSTILE = "it's \"x\" '); DROP TABLE user; -- \\ \n\t :name ? % %s $1 {} \U0001f600"


async def test_defaults_of_every_type_are_created_omitted_and_read_back(db: Database) -> None:
    class Base:
        id: int
        inherited: str = "base"

    class All(Base):
        n: int = -(2**63)
        f: float = 1.5e300
        inf: float = float("inf")
        s: str = HOSTILE
        empty: str = ""
        t: Text = ":a ? 100%"
        yes: bool = True
        no: bool = False
        y: bytes = b"\x00'\\\xff"
        d: dict = {"k": ["it's", None, 1.5, {"x": True}]}  # noqa: RUF012
        li: list = []  # noqa: RUF012
        at: datetime = datetime(1, 1, 1, 0, 0, 0, 1)
        utc: UTCDateTime = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
        day: date = date(2024, 2, 29)
        clock: time = time(23, 59, 59, 999999)
        span: timedelta = timedelta(days=-1, microseconds=1)
        price: Decimal = Decimal("-0.10")
        key: UUID = UUID(int=2**128 - 1)
        color: Color = Color.BLUE
        level: Level = Level.HIGH
        kind: Literal["a", "it's"] = "it's"
        maybe: int | None = 5
        nothing: int | None = None

    expected = {name: value for name, value in {**vars(Base), **vars(All)}.items() if not name.startswith("_")}
    table = await db.create(All)
    row = await table.insert({})
    assert row == {"id": 1, **expected}
    assert {name: type(value) for name, value in row.items()} == {
        "id": int,
        **{name: type(value) for name, value in expected.items()},
    }
    assert await table[1] == row
    await db.q('INSERT INTO "all" (id) VALUES (9)')
    assert await table[9] == {**row, "id": 9}


async def test_defaults_of_dataclasses_and_of_the_call(db: Database) -> None:
    @dataclass
    class Doc:
        id: int
        title: str
        state: str = field(default="new")
        tags: list[str] = field(default_factory=lambda: ["a"])
        version: ClassVar[int] = 3

    docs = await db.create(Doc, defaults={"title": "untitled", "state": "o'ld"})
    assert list(docs.c.keys()) == ["id", "title", "state", "tags"]
    assert await docs.insert({}) == Doc(1, "untitled", "o'ld", ["a"])
    assert await docs.insert(tags=["b"]) == Doc(2, "untitled", "o'ld", ["b"])
    with pytest.raises(ValidationError) as caught:
        await db.create(Doc, name="other", defaults={"title": 5})
    assert caught.value.field == "title"
    with pytest.raises(SchemaError) as unknown:
        await db.create(Doc, name="other", defaults={"titel": "x"})
    assert unknown.value.column_name == "titel"


async def test_a_default_that_does_not_fit_its_column_is_refused(db: Database) -> None:
    class Bad:
        id: int
        n: int = "five"  # type: ignore[assignment]

    with pytest.raises(ValidationError) as caught:
        await db.create(Bad)
    assert caught.value.field == "n"
    assert await table_names(db) == set()


# -- indexes -----------------------------------------------------------------------------------


async def test_indexes_are_named_unique_and_partial(db: Database) -> None:
    class Page:
        id: int
        slug: str
        site: str
        n: int = 0

    pages = await db.create(
        Page,
        indexes=[
            "slug",
            ("site", "n"),
            Index("ux_page", "site", "slug", unique=True),
            Index("ux_zero", "n", unique=True, where="n > 0"),
        ],
    )
    async with db.engine.connect() as connection:
        found = await connection.run_sync(lambda sync: sa.inspect(sync).get_indexes("page"))
    assert {(item["name"], tuple(item["column_names"]), bool(item["unique"])) for item in found} == {
        ("ix_page_slug", ("slug",), False),
        ("ix_page_site_n", ("site", "n"), False),
        ("ux_page", ("site", "slug"), True),
        ("ux_zero", ("n",), True),
    }
    await pages.insert_all([{"slug": "a", "site": "x"}, {"slug": "b", "site": "x"}, {"slug": "c", "site": "x", "n": 1}])
    for record, columns in (
        ({"slug": "a", "site": "x"}, ("site", "slug")),
        ({"slug": "d", "site": "x", "n": 1}, ("n",)),
    ):
        with pytest.raises(UniqueViolationError) as caught:
            await pages.insert(record)
        assert (caught.value.constraint, caught.value.columns) == ("unique", columns)
    with pytest.raises(SchemaError) as unknown:
        await db.create(Page, name="other", indexes=["slgu"])
    assert unknown.value.column_name == "slgu"
    assert await table_names(db) == {"page"}


async def test_a_failing_index_leaves_no_table(db: Database) -> None:
    class Page:
        id: int
        slug: str

    with pytest.raises(QueryError):
        await db.create(Page, indexes=[Index("ux_page", "slug", where="nonsense(")])
    assert await table_names(db) == set()
    assert "page" not in db.t
    await db.create(Page)


# -- what is there already ---------------------------------------------------------------------


async def test_creating_twice_is_an_error_unless_it_is_meant(db: Database) -> None:
    users = await db.create(User)
    await users.insert(name="Ada")
    with pytest.raises(TableExistsError) as caught:
        await db.create(User)
    assert caught.value.table_name == "user"
    assert "if_not_exists" in str(caught.value.hint)
    again = await db.create(User, if_not_exists=True)
    assert await again() == [{"id": 1, "name": "Ada"}]
    assert (await again.insert(name="Bob"))["id"] == 2
    new = await db.create(User, replace=True)
    assert await new() == []
    assert (await new.insert(name="Cid"))["id"] == 1
    with pytest.raises(ValidationError):
        await db.create(User, if_not_exists=True, replace=True)


async def test_a_second_start_finds_the_tables_as_they_are(db_url: str, backend_name: str) -> None:
    if backend_name == "sqlite-memory":
        return
    for start in range(3):
        async with Database(db_url) as db:
            users = await db.create(User, if_not_exists=True, indexes=["name"])
            author, book = await db.create_all(Author, Book, if_not_exists=True)
            assert (await users.insert(name="Ada"))["id"] == start + 1
            made = await author.insert(name="Bob")
            assert (await book.insert(title="x", author_id=made["id"]))["id"] == start + 1
            with pytest.raises(TableExistsError):
                await db.create(User)


async def test_two_programs_may_start_at_once(db_url: str, backend_name: str) -> None:
    if backend_name == "sqlite-memory":
        return

    async def start() -> int:
        async with Database(db_url) as db:
            users = await db.create(User, if_not_exists=True)
            return int((await users.insert(name="x"))["id"])

    assert sorted(await asyncio.gather(*(start() for _ in range(4)))) == [1, 2, 3, 4]


async def test_a_table_that_differs_is_taken_with_a_warning_that_lists_how(db: Database) -> None:
    class Doc:
        id: int
        title: str
        n: int
        extra: str | None

    await db.q("CREATE TABLE doc (id INTEGER PRIMARY KEY, title VARCHAR, n VARCHAR NOT NULL, old INTEGER)")
    with pytest.warns(UserWarning, match="doc exists and differs from Doc") as caught:
        docs = await db.create(Doc, if_not_exists=True)
    message = str(caught[0].message)
    for difference in ("extra is missing", "old is not in the class", "title is nullable", "n is "):
        assert difference in message
    assert caught[0].filename == __file__
    assert list(docs.c.keys()) == ["id", "title", "n", "old"]
    assert await docs() == []


async def test_a_table_of_the_class_itself_gives_no_warning(db_url: str, backend_name: str) -> None:
    class All:
        id: int
        a: float
        b: str
        c: Text
        d: bool
        e: bytes | None
        f: dict
        g: datetime
        h: UTCDateTime
        i: date
        j: time
        k: timedelta
        l: Decimal  # noqa: E741
        m: UUID
        n: Color
        o: Literal["x"]

    async with Database(db_url) as db:
        await db.create(All)
        await db.create_all(Author, Book)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await db.create(All, if_not_exists=True)
            await db.create_all(Author, Book, if_not_exists=True)


async def test_replace_respects_the_rows_of_other_tables(db: Database) -> None:
    class Pet:
        id: int
        owner_id: ForeignKey[int, "user", {"on_delete": "cascade"}] | None

    users = await db.create(User)
    pets = await db.create(Pet)
    await users.insert(name="Ada")
    await pets.insert(owner_id=1)
    with pytest.raises(InvalidOperationError, match="pet") as caught:
        await db.create(User, replace=True)
    assert caught.value.target == "user"
    assert await pets.count() == await users.count() == 1
    await pets.update({"id": 1, "owner_id": None})
    new = await db.create(User, replace=True)
    assert (await new(), await pets.count()) == ([], 1)
    await db.create(Pet, replace=True)
    await db.create_all(User, Pet, replace=True)
    assert await table_names(db) == {"user", "pet"}


async def test_creation_takes_part_in_the_transaction(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            users = await db.create(User)
            await users.insert(name="Ada")
            raise ZeroDivisionError
    assert await table_names(db) == set()
    users = await db.create(User)
    assert await users.count() == 0


# -- foreign keys ------------------------------------------------------------------------------


async def test_foreign_keys_are_enforced_with_their_actions(db: Database) -> None:
    class Pet:
        id: int
        owner_id: ForeignKey[int, "user"]
        second_id: int | None
        friend: ForeignKey[str, "user.name"] | None

    users = await db.create(User, indexes=[Index("ux_user_name", "name", unique=True)])
    pets = await db.create(
        Pet, foreign_keys={"second_id": ForeignKey("user.id", on_delete="set null", on_update="cascade")}
    )
    await users.insert_all([{"name": "Ada"}, {"name": "Bob"}])
    await pets.insert(owner_id=1, second_id=2, friend="Ada")
    for record in ({"owner_id": 9}, {"owner_id": 1, "second_id": 9}, {"owner_id": 1, "friend": "Eve"}):
        with pytest.raises(ForeignKeyViolationError):
            await pets.insert(record)
    with pytest.raises(ForeignKeyViolationError):
        await users.delete(1)
    await users.update({"id": 22}, pk=2)
    assert (await pets[1])["second_id"] == 22
    await users.delete(22)
    assert (await pets[1])["second_id"] is None
    with pytest.raises(SchemaError) as caught:
        await db.create(Pet, name="other", foreign_keys={"ownr_id": ForeignKey("user")})
    assert caught.value.column_name == "ownr_id"


async def test_a_foreign_key_to_what_is_not_there_names_it(db: Database) -> None:
    class Lost:
        id: int
        user_id: ForeignKey[int, "user"]

    class Wrong:
        id: int
        user_id: ForeignKey[int, "user.nmae"]

    with pytest.raises(SchemaError, match="'user'") as caught:
        await db.create(Lost)
    assert (caught.value.table_name, caught.value.column_name) == ("lost", "user_id")
    assert "create_all" in str(caught.value.hint)
    await db.create(User)
    with pytest.raises(SchemaError, match=r"user\.nmae"):
        await db.create(Wrong)
    assert await table_names(db) == {"user"}
    assert await (await db.create(Lost)).count() == 0


async def test_a_target_that_was_never_read_is_found(db: Database) -> None:
    class Lost:
        id: int
        user_id: ForeignKey[int, "Other Table"]  # noqa: F722

    await db.q('CREATE TABLE "Other Table" (id INTEGER PRIMARY KEY)')
    await db.q('INSERT INTO "Other Table" VALUES (5)')
    lost = await db.create(Lost)
    assert (await lost.insert(user_id=5))["user_id"] == 5
    with pytest.raises(ForeignKeyViolationError):
        await lost.insert(user_id=6)


async def test_create_all_sorts_and_handles_cycles_and_self_references(db: Database) -> None:
    class Node:
        id: int
        parent_id: ForeignKey[int, "node"] | None

    class Leaf:
        id: int
        node_id: ForeignKey[int, "node"]

    leaves, authors, books, nodes = await db.create_all(Leaf, Author, Book, Node)
    assert [table.name for table in (leaves, authors, books, nodes)] == ["leaf", "author", "book", "node"]
    author = await authors.insert(name="Ada")
    book = await books.insert(title="x", author_id=author["id"])
    await authors.update({"id": 1, "favourite_id": book["id"]})
    root = await nodes.insert(parent_id=None)
    child = await nodes.insert(parent_id=root["id"])
    await leaves.insert(node_id=child["id"])
    for call in (
        lambda: authors.update({"id": 1, "favourite_id": 9}),
        lambda: books.insert(title="y", author_id=9),
        lambda: nodes.insert(parent_id=9),
        lambda: leaves.insert(node_id=9),
        lambda: nodes.delete(1),
    ):
        with pytest.raises(ForeignKeyViolationError):
            await call()
    with pytest.raises(ValidationError):
        await db.create_all(User, User)


async def test_create_all_makes_all_tables_or_none(db: Database) -> None:
    class Lost:
        id: int
        user_id: ForeignKey[int, "nowhere"]

    with pytest.raises(SchemaError, match="nowhere"):
        await db.create_all(User, Lost)
    await db.create(User)
    with pytest.raises(TableExistsError):
        await db.create_all(Author, Book, User)
    assert await table_names(db) == {"user"}


# -- annotations -------------------------------------------------------------------------------


async def test_forward_references_and_local_names_are_resolved(db: Database) -> None:
    Local = Annotated[str, Indexed]

    class Mood(Enum):
        GOOD = "good"

    @dataclass
    class Inner:
        x: int
        mood: Mood

    class Outer:
        id: int
        mood: "Mood"
        inner: Inner
        name: "Local | None"
        later: "Later"
        many: "list[Later] | None"

    @dataclass
    class Later:
        y: int

    outers = await db.create(Outer)
    given = {"mood": Mood.GOOD, "inner": Inner(1, Mood.GOOD), "name": None, "later": Later(2), "many": [Later(3)]}
    assert await outers.insert(given) == {"id": 1, **given} == await outers[1]
    tables = await db.create_all(Outer, replace=True)
    assert (await tables[0].insert(given))["later"] == Later(2)


async def test_creating_is_validated_before_the_database_is_opened(tmp_path: Any) -> None:
    class Odd:
        id: int
        shape: complex

    path = tmp_path / "never.db"
    calls: list[Callable[[Database], Any]] = [
        lambda db: db.create(Odd),
        lambda db: db.create(User, indexes=["nothing"]),
        lambda db: db.create(User, pk=[]),
        lambda db: db.create_all(User, Odd),
        lambda db: db.create(int),
    ]
    async with Database(path) as db:
        for call in calls:
            with pytest.raises((SchemaError, ValidationError)):
                await call(db)
    assert not path.exists()


async def test_a_table_of_many_columns_and_rows_of_all_kinds_of_classes(db: Database) -> None:
    kinds = {f"c{n}": int for n in range(150)}
    Wide = type("Wide", (), {"__annotations__": {"id": int, **kinds}, "__module__": __name__})
    wide = await db.create(Wide)
    row = {name: n for n, name in enumerate(kinds)}
    assert await wide.insert(row) == {"id": 1, **row}
    assert await wide.insert_all([row] * 3) == 3


async def test_a_strict_table_refuses_what_does_not_fit_whoever_writes_it(db: Database) -> None:
    class Sample:
        id: int
        n: int
        f: float
        s: str
        b: bool
        raw: bytes
        doc: dict
        at: datetime
        utc: UTCDateTime
        span: timedelta
        price: Decimal = Decimal("1.50")
        key: UUID | None = None
        color: Color = Color.RED

    table = await db.create(Sample, strict=True, indexes=["n"])
    values = {
        **{"n": 1, "f": 0.5, "s": "x", "b": True, "raw": b"\x00", "doc": {"a": 1}, "at": datetime(2024, 1, 1)},
        **{"utc": datetime(2024, 1, 1, tzinfo=UTC), "span": timedelta(seconds=1.5), "key": UUID(int=1)},
    }
    row = await table.insert(values)
    assert row == {"id": 1, **values, "price": Decimal("1.50"), "color": Color.RED}
    assert await table[1] == row
    with pytest.raises(DeeBaseError):
        await db.q("UPDATE sample SET n = 'text'")

    class Note:
        id: int
        sample_id: ForeignKey[int, "sample"]
        on: bool

    notes = await db.create(Note, strict=True)
    assert (await notes.insert(sample_id=1, on=True))["on"] is True
    with pytest.raises(ForeignKeyViolationError):
        await notes.insert(sample_id=2, on=True)
    assert await table[1] == row


class Stock:
    id: int
    pieces: int
    label: str


async def test_a_check_refuses_rows_whoever_writes_them(db: Database) -> None:
    stock = await db.create(Stock, checks=["pieces >= 0", "label <> '5%:x?'"])
    await stock.insert(pieces=0, label="a")
    with pytest.raises(
        CheckViolationError, match=r"^stock: the row violates a CHECK condition \(constraint "
    ) as caught:
        await stock.insert(pieces=-1, label="a")
    assert caught.value.table_name == "stock"
    with pytest.raises(CheckViolationError):
        await db.q("UPDATE stock SET label = '5%:x?'")
    assert await stock.count() == 1


async def test_checks_are_options_of_a_class_among_several(db: Database) -> None:
    _, stock = await db.create_all(User, Stock, options={Stock: {"checks": ["pieces < 5"]}})
    with pytest.raises(CheckViolationError):
        await stock.insert(pieces=5, label="a")


async def test_a_check_that_a_table_lacks_is_told_and_shown_by_neither_schema(db: Database) -> None:
    await db.create(Stock, checks="pieces >= 0")
    wanted = ["pieces>=0", "label <> ':x'", "nowhere > 1"]
    with pytest.warns(UserWarning, match="stock exists and differs from Stock") as told:
        stock = await db.create(Stock, checks=wanted, if_not_exists=True)
    message = str(told[0].message)
    assert "CHECK (label <> ':x') is missing; CHECK (nowhere > 1) is missing" in message
    assert ">=0" not in message
    assert "label <>" not in stock.schema
    await db.q("CREATE TABLE made_by_others (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0))")
    assert re.search(r"CHECK \(+n > 0\)", (await db.reflect_table("made_by_others")).schema)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await db.create(Stock, checks="pieces >= 0", if_not_exists=True)


async def test_checks_that_are_new_in_a_class_are_added_to_its_table(db: Database) -> None:
    stock = await db.create(Stock, checks="pieces >= 0")
    await stock.insert(pieces=4, label="a")
    for _ in range(2):
        stock = await db.create(Stock, checks=["pieces >= 0", "label <> '5%:x?'"], transform=True)
    with pytest.raises(CheckViolationError):
        await stock.insert(pieces=1, label="5%:x?")
    assert stock.schema.count("CHECK") == 2
    await db.reflect()
    assert db.t.stock.schema.count("CHECK") == 2
    with pytest.raises(CheckViolationError, match=r"stock: 1 row does not meet the check pieces > 9"):
        await db.create(Stock, checks="pieces > 9", transform=True)
    assert await stock() == [{"id": 1, "pieces": 4, "label": "a"}]


@pytest.mark.parametrize("checks", ["pieces > 0", [""], ["  "], [5], ["a\0b"]])
async def test_a_check_is_a_condition_in_sql(db: Database, checks: Any) -> None:
    if isinstance(checks, str):
        stock = await db.create(Stock, checks=checks)
        with pytest.raises(CheckViolationError):
            await stock.insert(pieces=0, label="a")
        return
    with pytest.raises(ValidationError) as caught:
        await db.create(Stock, checks=checks)
    assert caught.value.field == "checks"


async def test_a_check_that_is_no_condition_makes_no_table(db: Database) -> None:
    with pytest.raises(QueryError):
        await db.create(Stock, checks=["nonsense >"])
    assert await (await db.create(Stock)).count() == 0
