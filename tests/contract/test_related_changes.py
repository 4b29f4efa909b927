"""What a change of one table does to what is known of others, and a table that differs from its class."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import pytest

from deebase import Database, ForeignKey, Index, InvalidOperationError, Table, TableExistsError, TableNotFoundError
from tests.support.capabilities import can


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class User:
    id: int
    email: str
    level: Level = Level.LOW


class Post:
    id: int
    author_id: ForeignKey[int, "user"]
    slug: str


POST: dict[str, Any] = {"indexes": [Index("ux_slug", "slug", unique=True), "author_id"], "checks": ["slug <> ''"]}


# -- a table that differs from its class ---------------------------------------------------------------


@pytest.fixture
async def newer(db: Database, db_url: str) -> Database:
    """A database whose tables have columns that the classes do not know yet."""
    await db.create(User)
    await db.create(Post, **POST)
    await db.q("ALTER TABLE post ADD COLUMN subtitle TEXT")
    await db.q('ALTER TABLE "user" ADD COLUMN nick TEXT')
    for name in ("user", "post"):
        db._core.catalog.forget(name)
    return db


async def _taken_as_it_is(db: Database) -> tuple[Table[Any], Table[Any]]:
    with pytest.warns(UserWarning, match="subtitle is not in the class"):
        users, posts = await db.create_all(User, Post, options={Post: POST}, if_not_exists=True)
    return users, posts


@pytest.mark.filterwarnings("ignore:table user exists and differs")
async def test_a_table_with_more_columns_keeps_keys_and_indexes(newer: Database) -> None:
    users, posts = await _taken_as_it_is(newer)
    assert posts.columns == ("id", "author_id", "slug", "subtitle")
    assert posts.foreign_keys == [{"column": "author_id", "references": "user.id"}]
    assert [index["name"] for index in posts.indexes] == ["ix_post_author_id", "ux_slug"]
    ada = await users.insert(email="ada@example.com", level=Level.HIGH)
    assert ada["level"] is Level.HIGH
    post = await posts.insert(author_id=ada["id"], slug="a")
    assert await posts.fk.author_id(post) == ada
    assert await posts.with_parents(posts(), "author_id") == [(post, ada)]
    assert await users.get_children(ada, "post") == [post]
    assert await users.with_children(users(), posts) == [(ada, [post])]
    assert await posts.get_or_create({"slug": "a"}, defaults={"author_id": ada["id"]}) == (post, False)
    row = await posts.upsert({"author_id": ada["id"], "slug": "a", "subtitle": "s"}, on="slug")
    assert row["subtitle"] == "s"
    assert "author_id" in str(newer.diagram())
    assert "FOREIGN KEY" in posts.schema


@pytest.mark.filterwarnings("ignore:table user exists and differs")
async def test_a_dataclass_keeps_its_factories_and_rows(db: Database) -> None:
    @dataclass
    class Note:
        id: int | None
        text: str
        tag: str = field(default_factory=lambda: "made")

    await db.create(Note)
    await db.q("ALTER TABLE note ADD COLUMN more TEXT")
    db._core.catalog.forget("note")
    with pytest.warns(UserWarning, match="more is not in the class"):
        notes = await db.create(Note, if_not_exists=True)
    made = await notes.insert(Note(None, "a"))
    assert isinstance(made, Note)
    assert made.tag == "made"


async def test_create_again_keeps_the_handle(db: Database) -> None:
    users = await db.create(User)
    again = await db.create(User, if_not_exists=True)
    assert again.sa_table is users.sa_table
    assert db.t.user.sa_table is users.sa_table


async def test_a_class_is_not_created_where_a_view_has_its_name(db: Database) -> None:
    await db.create(User)
    await db.create_view("post", "SELECT id FROM user" if can(db).is_one_file else 'SELECT id FROM "user"')
    for options in ({}, {"if_not_exists": True}, {"replace": True}):
        with pytest.raises(TableExistsError, match="post is a view"):
            await db.create(Post, **options)


# -- what refers to a changed table ---------------------------------------------------------------------


@pytest.fixture
async def related(db: Database) -> Database:
    users, posts = await db.create_all(User, Post, options={User: {"indexes": ["email"]}, Post: POST})
    ada = await users.insert(email="ada@example.com")
    await posts.insert(author_id=ada["id"], slug="a")
    quote = db.engine.dialect.identifier_preparer.quote
    await db.create_view("mail", f"SELECT id, email FROM {quote('user')}")
    await db.create_view("more_mail", "SELECT email AS address FROM mail")
    return db


async def _navigate(db: Database, posts: Table[Any], parents: str, key: str) -> None:
    """Go from a post to its author and back, by handles that may be older than the change."""
    post = (await posts())[0]
    parent = await posts.fk.author_id(post)
    assert parent["email"] == "ada@example.com"
    assert posts.foreign_keys == [{"column": "author_id", "references": f"{parents}.{key}"}]
    assert await posts.with_parents([post], "author_id") == [(post, parent)]
    for child in ("post", posts):
        assert await db.t[parents].get_children(parent, child) == [post]
        assert await db.t[parents].with_children([parent], child) == [(parent, [post])]


async def test_keys_follow_a_renamed_key(related: Database) -> None:
    posts = related.t.post
    await related.t.user.rename_column("id", "number")
    await _navigate(related, posts, "user", "number")
    await _navigate(related, related.t.post, "user", "number")
    assert related.t.post.sa_table.c.author_id.references(related.t.user.sa_table.c.number)


async def test_keys_follow_a_renamed_table(related: Database) -> None:
    posts = related.t.post
    await related.t.user.rename("people")
    await _navigate(related, posts, "people", "id")
    await _navigate(related, related.t.post, "people", "id")
    assert "user" not in related.t


async def test_keys_follow_a_transformed_table(related: Database) -> None:
    posts = related.t.post
    await related.t.user.transform(rename={"id": "number"}, not_null={"email": False}, defaults={"email": "none"})
    await _navigate(related, posts, "user", "number")


async def test_views_keep_their_columns_when_one_of_a_table_is_renamed(related: Database) -> None:
    mail = related.v.mail
    await related.t.user.rename_column("email", "address")
    assert related.v.mail.columns == mail.columns == ("id", "email")
    assert await related.v.mail() == await mail() == [{"id": 1, "email": "ada@example.com"}]
    assert await related.v.more_mail() == [{"address": "ada@example.com"}]
    await related.t.user.rename_column("address", "email")
    await related.t.user.transform(rename={"email": "post_box"}, not_null={"level": False})
    assert await related.v.mail() == [{"id": 1, "email": "ada@example.com"}]
    await related.reflect()
    assert related.v.mail.columns == ("id", "email")


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
async def test_a_view_of_all_columns_follows_its_table(db: Database) -> None:
    users = await db.create(User)
    await db.create_view("all_users", "SELECT * FROM user")
    users = await users.add_column("nick", str | None)
    assert db.v.all_users.columns == ("id", "email", "level", "nick")
    users = await users.rename_column("nick", "name")
    assert db.v.all_users.columns == ("id", "email", "level", "name")
    await users.drop_column("name")
    assert await db.v.all_users() == []


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
async def test_triggers_of_a_view_stay_when_a_column_is_renamed(db: Database) -> None:
    users = await db.create(User)
    await db.create_view("mail", "SELECT id, email FROM user")
    await db.q(
        "CREATE TRIGGER into_mail INSTEAD OF INSERT ON mail BEGIN INSERT INTO user (email) VALUES (new.email); END"
    )
    await users.rename_column("email", "address")
    await db.q("INSERT INTO mail (email) VALUES ('a')")
    assert [row["email"] for row in await db.v.mail()] == ["a"]


async def test_a_dropped_table_is_forgotten(related: Database) -> None:
    await related.t.post.drop()
    assert "post" not in related.t
    with pytest.raises(TableNotFoundError, match="post"):
        await related.t.user.get_children({"id": 1}, "post")


async def test_a_table_made_again_is_referred_to(db: Database) -> None:
    users, posts = await db.create_all(User, Post)
    replaced = await db.create(User, replace=True)
    ada = await replaced.insert(email="ada@example.com")
    post = await posts.insert(author_id=ada["id"], slug="a")
    assert await posts.fk.author_id(post) == ada
    assert await db.t.post.fk.author_id(post) == ada
    assert db.t.post.foreign_keys == [{"column": "author_id", "references": "user.id"}]
    with pytest.raises(InvalidOperationError):
        await users.drop()


async def test_a_new_table_takes_the_name_of_a_renamed_one(db: Database) -> None:
    options: dict[str, Any] = {"indexes": ["email", Index("mine", "level"), ("email", "level")]}
    users = await db.create(User, **options)
    people = await users.rename("people")
    assert [index["name"] for index in people.indexes] == ["ix_people_email", "ix_people_email_level", "mine"]
    options["indexes"] = ["email", ("email", "level")]
    again = await db.create(User, **options)
    assert [index["name"] for index in again.indexes] == ["ix_user_email", "ix_user_email_level"]
    await people.insert(email="a")
    assert await people.count(email="a") == 1
    if can(db).is_one_file:
        assert await db.item("PRAGMA integrity_check") == "ok"


async def test_an_index_whose_new_name_is_taken_keeps_its_own(db: Database) -> None:
    users = await db.create(User, indexes=["email"])
    await db.create(Post, indexes=[Index("ix_people_email", "slug")])
    people = await users.rename("people")
    assert [index["name"] for index in people.indexes] == ["ix_user_email"]


async def test_a_copy_has_handles_of_its_own(related: Database) -> None:
    copy = await related.t.post.duplicate("draft")
    assert copy.foreign_keys == [{"column": "author_id", "references": "user.id"}]
    assert await copy.fk.author_id((await copy())[0]) == await related.t.user[1]
    assert await related.t.user.get_children({"id": 1}, "draft") == await copy()


async def test_the_types_of_a_class_stay_with_a_renamed_column(related: Database) -> None:
    users = await related.t.user.rename_column("level", "rank")
    assert (await users[1])["rank"] is Level.LOW
    await related.t.post.add_column("more", str | None)
    assert (await related.t.user[1])["rank"] is Level.LOW


# -- names that are too long ----------------------------------------------------------------------------


async def test_a_long_name_of_an_index_ends_in_a_hash(db: Database) -> None:
    wide = type("Wide", (), {"__annotations__": {"id": int, "a" * 40: str, "b" * 40: str, "ü" * 30: str}})
    table = await db.create(wide, indexes=[("a" * 40, "b" * 40), "ü" * 30])
    names = [index["name"] for index in table.indexes]
    await table.create_index(["b" * 40, "a" * 40])
    names = [index["name"] for index in table.indexes]
    assert len(set(names)) == 3
    assert all(len(name.encode()) <= 63 for name in names)
    await table.create_index(["b" * 40, "a" * 40], if_not_exists=True)
    renamed = await table.rename("w" * 60)
    assert all(len(index["name"].encode()) <= 63 for index in renamed.indexes)
    copy = await renamed.duplicate("v" * 60)
    assert len(copy.indexes) == 3
    await db.create(wide, indexes=[("a" * 40, "b" * 40), "ü" * 30])
