"""``db.bind`` and ``db.t[Class]``: classes for existing tables."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, ClassVar

import pytest

from deebase import (
    Computed,
    Database,
    ForeignKey,
    PrimaryKey,
    SchemaError,
    TableNotFoundError,
    Unique,
    UpdatedAt,
    ValidationError,
)


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
