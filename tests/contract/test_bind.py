"""``db.bind`` and ``db.t[Class]``: classes for existing tables."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import pytest

from deebase import (
    Computed,
    Database,
    Default,
    ForeignKey,
    PrimaryKey,
    SchemaError,
    TableNotFoundError,
    Unique,
    UpdatedAt,
    ValidationError,
)
from deebase.fields import now, uuid4


class Status(Enum):
    DRAFT = "draft"
    PUBLIC = "public"


@dataclass
class Author:
    id: int
    name: Annotated[str, Unique] = ""


@dataclass
class Post:
    id: int
    author_id: ForeignKey[int, Author]
    changed: Annotated[datetime | None, UpdatedAt] = None
    status: Status = Status.DRAFT
    tags: list[str] = field(default_factory=lambda: ["new"])


async def created(url: str) -> None:
    async with Database(url) as db:
        await db.create_all(Author, Post)


FILE_AND_SERVER = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)


@FILE_AND_SERVER
async def test_a_bound_table_is_as_a_created_one(db_url: str) -> None:
    await created(db_url)
    async with Database(db_url) as db:
        await db.reflect()
        posts = db.bind(Post)
        author = await db.t[Author].insert(name="Ada")
        assert isinstance(author, Author)
        post = await posts.insert({"author_id": author.id})
        assert (post.status, post.tags) == (Status.DRAFT, ["new"])
        changed = await posts.update(id=post.id, status=Status.PUBLIC)
        assert changed.changed is not None
        assert post.changed is not None
        assert changed.changed >= post.changed
        assert [found.status for found in await posts(status=Status.PUBLIC)] == [Status.PUBLIC]
        assert db.t[Post] is db.t.post


@FILE_AND_SERVER
async def test_what_differs_is_one_error_or_one_warning(db_url: str) -> None:
    await created(db_url)

    class Other:
        __tablename__ = "author"
        id: int
        name: str | None
        born: int

    class Another:
        __tablename__ = "post"
        id: int
        author_id: int
        changed: datetime | None
        status: Annotated[Status, Unique]
        tags: ForeignKey[int, Author]

    async with Database(db_url) as db:
        await db.reflect()
        with pytest.raises(SchemaError) as caught:
            db.bind(Other, Another)
        for text in ("author: born is missing", "author: name is NOT NULL", "(status) is not unique"):
            assert text in caught.value.message
        assert "tags does not refer to author" in caught.value.message
        assert isinstance(await db.t.author.insert(name="Ada"), dict)
        with pytest.warns(UserWarning, match="born is missing") as warned:
            tables = db.bind([Other], {Another: {}}, check="warn")
        assert [table.name for table in tables] == ["author", "post"]
        assert len(warned) == 1
        assert warned[0].filename == __file__
        with pytest.raises(SchemaError):
            db.t[type("Author", (), {"__annotations__": {"id": int, "more": int}})]


async def test_wrong_calls_of_bind(db: Database) -> None:
    class Missing:
        id: int

    class Line:
        id: Annotated[int, PrimaryKey]
        n: int

    class Computing(Line):
        __tablename__: ClassVar[Any] = "line"
        n: Annotated[int, Computed("id * 2")]

    await db.create(Line)
    with pytest.raises(TableNotFoundError, match="missing"):
        db.bind(Missing)
    with pytest.raises(TableNotFoundError):
        db.t[Missing]
    with pytest.raises(ValidationError, match="check"):
        db.bind(Line, check="no")  # type: ignore[call-overload]
    with pytest.raises(ValidationError):
        db.bind("line")  # type: ignore[call-overload]
    with pytest.raises(SchemaError, match="n is not computed"):
        db.bind(Computing)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert db.bind(Line) is db.t.line


#: Expressions and defaults that a database may write in another form.
COMPUTED = {
    "text": ["upper(name)", "name || '-' || name", "coalesce(name, 'none')", "replace(name, 'a', 'b')"],
    "int": [
        "n * 2 + 1",
        "(n+m)*-1",
        "n - m",
        "m - n",
        "CASE WHEN n > 3 THEN m ELSE 0 END",
        "CASE WHEN n BETWEEN 1 AND 5 THEN 1 WHEN n IN (7, 8) THEN 2 WHEN n <> 9 THEN 3 END",
        "abs(n)",
        "length(name)",
        "CAST(n AS INTEGER) % 7",
    ],
}
DEFAULTS: list[tuple[Any, Any, Any]] = [
    (int, 5, 6),
    (int, -1, 1),
    (str, "it's", "its"),
    (str, "", "x"),
    (bool, True, False),
    (float, 1.5, 2.5),
    (float, -0.25, 0.25),
    (Decimal, Decimal("1.10"), Decimal("2")),
    (date, date(2024, 1, 2), date(2024, 1, 3)),
    (datetime, datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 2)),
    (datetime, now(), datetime(2024, 1, 2)),
    (UUID, uuid4(), UUID(int=1)),
    (Status, Status.DRAFT, Status.PUBLIC),
    (dict[str, Any], {"a": [1, "it's"]}, {"a": 1}),
    (timedelta, timedelta(seconds=90), timedelta(days=2)),
    (bytes, b"a'\x00", b"b"),
]


def made(computed: dict[str, tuple[Any, str]], defaults: dict[str, tuple[Any, Any]]) -> type[Any]:
    columns: dict[str, Any] = {"id": int, "n": int, "m": int, "name": str}
    columns |= {name: Annotated[kind | None, Computed(sql)] for name, (kind, sql) in computed.items()}
    columns |= {name: Annotated[kind | None, Default(value)] for name, (kind, value) in defaults.items()}
    return type("Thing", (), {"__annotations__": columns})


async def test_changed_expressions_and_defaults_are_noticed(db: Database) -> None:
    kinds: dict[str, Any] = {"text": str, "int": int}
    computed = {f"c_{kind}_{i}": (kinds[kind], sql) for kind, all_ in COMPUTED.items() for i, sql in enumerate(all_)}
    defaults = {f"d_{i}": (kind, value) for i, (kind, value, _) in enumerate(DEFAULTS)}
    await db.create(made(computed, defaults))
    await db.reflect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        db.bind(made(computed, defaults))
        await db.create(made(computed, defaults), if_not_exists=True)
    for name, (kind, _) in computed.items():
        other = {**computed, name: (kind, "upper(name || '!')" if kind is str else "n * m * 11")}
        with pytest.raises(SchemaError, match=f"thing: {name} is computed as .*, the class says [^;]*$"):
            db.bind(made(other, defaults))
    for place, (kind, _, value) in enumerate(DEFAULTS):
        with pytest.raises(SchemaError, match=f"thing: d_{place} has the default .*, the class says [^;]*$"):
            db.bind(made(computed, {**defaults, f"d_{place}": (kind, value)}))
    with pytest.warns(UserWarning, match="c_int_2 is computed as .*, the class says m - n"):
        await db.create(made({**computed, "c_int_2": (int, "m - n")}, defaults), if_not_exists=True)
    with pytest.warns(UserWarning, match="name has no default, the class says"):
        db.bind(made(computed, {**defaults, "name": (str, "x")}), check="warn")


async def test_a_matching_table_computes_what_its_class_says(db: Database) -> None:
    await db.create(made({"c": (int, "n * 2")}, {}))
    await db.t.thing.insert(n=3, m=4, name="a")
    table = await db.create(made({"c": (int, "n * m")}, {}), transform=True)
    assert (await table[1])["c"] == 12
    same = await db.create(made({"c": (int, "n*m")}, {}), transform=True)
    assert (await same[1])["c"] == 12
