"""Foreign keys: from a row to its parent and its children, one or many, on every backend."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from deebase import (
    Database,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    SchemaError,
    Table,
    TableNotFoundError,
    ValidationError,
)
from deebase.types import ForeignKeyMark


@dataclass
class User:
    id: int
    name: str
    email: str
    boss_id: ForeignKey[int, "user"] | None = None


class Post:
    id: int
    author_id: ForeignKey[int, "user"]
    editor_id: ForeignKey[int, "user"] | None
    email: ForeignKey[str, "user.email"] | None
    title: str


@dataclass
class World:
    users: Table[User]
    posts: Table[dict[str, Any]]


@pytest.fixture
async def world(db: Database) -> World:
    users = await db.create(User, indexes=[Index("ux_user_email", "email", unique=True)])
    posts = await db.create(Post)
    await users.insert_all(
        {"name": f"user {n}", "email": f"{n}@x", "boss_id": 1 if n > 1 else None} for n in range(1, 51)
    )
    await posts.insert_all(
        {
            "author_id": n % 50 + 1,
            "editor_id": n % 7 + 1 if n % 3 else None,
            "email": f"{n % 50 + 1}@x" if n % 2 else None,
            "title": f"post {n}",
        }
        for n in range(200)
    )
    return World(users, posts)


def statements(caplog: pytest.LogCaptureFixture) -> int:
    return len(caplog.records)


@pytest.fixture
def sent(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    return caplog


async def test_the_foreign_keys_are_listed(world: World) -> None:
    assert world.posts.foreign_keys == [
        {"column": "author_id", "references": "user.id"},
        {"column": "editor_id", "references": "user.id"},
        {"column": "email", "references": "user.email"},
    ]
    assert world.users.foreign_keys == [{"column": "boss_id", "references": "user.id"}]
    assert dir(world.posts.fk) == ["author_id", "editor_id", "email"]
    assert repr(world.posts.fk) == "<Foreign keys of post: author_id, editor_id, email>"


async def test_actions_are_listed_with_them(db: Database, world: World) -> None:
    class Like:
        id: int
        post_id: int

    likes = await db.create(Like, foreign_keys={"post_id": ForeignKeyMark("post.id", on_delete="cascade")})
    assert likes.foreign_keys == [{"column": "post_id", "references": "post.id", "on_delete": "cascade"}]


async def test_a_parent_comes_in_the_row_type_of_its_table(world: World) -> None:
    post = await world.posts[3]
    expected = await world.users[post["author_id"]]
    assert isinstance(expected, User)
    assert await world.posts.fk.author_id(post) == expected
    assert await world.posts.fk["author_id"](post) == expected
    assert await world.posts.get_parent(post, "author_id") == expected


async def test_a_parent_is_found_by_a_unique_column_that_is_not_the_key(world: World) -> None:
    post = await world.posts[2]
    assert (await world.posts.fk.email(post)).email == post["email"]


async def test_a_row_may_be_of_any_kind(world: World) -> None:
    @dataclass
    class Short:
        author_id: int

    row = (await world.posts.rows_as(Short)(limit=1, order_by="id"))[0]
    assert await world.posts.fk.author_id(row) == await world.users[row.author_id]


async def test_null_has_no_parent_and_sends_nothing(world: World, sent: pytest.LogCaptureFixture) -> None:
    post = await world.posts.lookup(editor_id=None)
    sent.clear()
    assert await world.posts.fk.editor_id(post) is None
    assert await world.posts.with_parents([post], "editor_id") == [(post, None)]
    assert statements(sent) == 0


async def test_a_dangling_reference_has_no_parent(world: World) -> None:
    post = {**await world.posts[1], "author_id": 10**9}
    assert await world.posts.fk.author_id(post) is None
    assert await world.posts.with_parents([post], "author_id") == [(post, None)]


async def test_parents_asked_for_together_are_one_statement(world: World, sent: pytest.LogCaptureFixture) -> None:
    rows = await world.posts(limit=100)
    sent.clear()
    parents = await asyncio.gather(*(world.posts.fk.author_id(row) for row in rows))
    assert statements(sent) == 1
    assert [parent.id for parent in parents] == [row["author_id"] for row in rows]
    sent.clear()
    assert await asyncio.gather(*(world.posts.get_parent(row, "author_id") for row in rows)) == parents
    assert statements(sent) == 1


async def test_different_foreign_keys_asked_for_together_are_not_mixed(world: World) -> None:
    rows = await world.posts(limit=50, order_by="id")
    found = await asyncio.gather(
        *(world.posts.fk.author_id(row) for row in rows),
        *(world.posts.fk.editor_id(row) for row in rows),
        *(world.posts.fk.email(row) for row in rows),
    )
    assert [parent.id for parent in found[:50]] == [row["author_id"] for row in rows]
    assert [parent and parent.id for parent in found[50:100]] == [row["editor_id"] for row in rows]
    assert [parent and parent.email for parent in found[100:]] == [row["email"] for row in rows]


async def test_with_parents_is_two_statements_for_any_number_of_rows(
    world: World, sent: pytest.LogCaptureFixture
) -> None:
    users = {user.id: user for user in await world.users()}
    for limit in (2, 100, 200):
        sent.clear()
        pairs = await world.posts.with_parents(world.posts(limit=limit, order_by="id"), "editor_id")
        assert statements(sent) == 2
        assert [(row["id"], parent) for row, parent in pairs] == [
            (n, users.get((await world.posts[n])["editor_id"])) for n in range(1, limit + 1)
        ]
    sent.clear()
    assert await world.posts.with_parents(world.posts(id=-1), "author_id") == []
    assert statements(sent) == 1


async def test_with_parents_takes_rows_that_were_read_before(world: World) -> None:
    rows = await world.posts(limit=5, order_by="id")
    pairs = await world.posts.with_parents(iter(rows), "email")
    assert [(row, parent and parent.email) for row, parent in pairs] == [(row, row["email"]) for row in rows]


async def test_with_children_is_two_statements_for_any_number_of_rows(
    world: World, sent: pytest.LogCaptureFixture
) -> None:
    for limit in (1, 50):
        sent.clear()
        groups = await world.users.with_children(
            world.users(limit=limit, order_by="id"), "post", "author_id", order_by="-id"
        )
        assert statements(sent) == 2
        assert [user.id for user, _ in groups] == list(range(1, limit + 1))
        for user, posts in groups:
            assert posts == await world.posts(author_id=user.id, order_by="-id")


async def test_with_children_by_a_column_that_is_not_the_key(world: World) -> None:
    groups = await world.users.with_children(world.users(limit=10), world.posts, "email")
    for user, posts in groups:
        assert {post["email"] for post in posts} <= {user.email}
        assert len(posts) == await world.posts.count(email=user.email)


async def test_children_are_a_query_with_conditions_order_and_limit(world: World) -> None:
    user = await world.users[3]
    assert await world.users.get_children(user, "post", "author_id") == await world.posts(author_id=3)
    kids = await world.users.get_children(
        user, world.posts, "author_id", "id > ?", [50], order_by="-id", limit=2, offset=1
    )
    assert kids == await world.posts("id > 50", author_id=3, order_by="-id", limit=2, offset=1)
    assert await world.users.get_children(user, "post", "author_id", title="post 2").count() == 1
    assert [post["id"] async for post in world.users.get_children(user, "post", "author_id", order_by="id")]


async def test_nothing_refers_to_null(world: World) -> None:
    assert await world.users.get_children({"id": None}, "post", "author_id") == []
    assert await world.users.with_children([{"id": None}], "post", "author_id") == [({"id": None}, [])]


async def test_a_table_may_refer_to_itself(world: World) -> None:
    boss, other = await world.users[1], await world.users[7]
    assert await world.users.fk.boss_id(other) == boss
    assert await world.users.fk.boss_id(boss) is None
    assert await world.users.get_children(boss, "user").count() == 49
    groups = await world.users.with_children([boss, other], world.users)
    assert [len(found) for _, found in groups] == [49, 0]


async def test_tables_may_refer_to_each_other(db: Database) -> None:
    class Team:
        id: int
        lead_id: ForeignKey[int, "member"] | None

    class Member:
        id: int
        team_id: ForeignKey[int, "team"]

    teams, members = await db.create_all(Team, Member)
    team = await teams.insert(lead_id=None)
    member = await members.insert(team_id=team["id"])
    team = await teams.update(pk=team["id"], lead_id=member["id"])
    assert await teams.fk.lead_id(team) == member
    assert await members.fk.team_id(member) == team
    assert await teams.with_children([team], "member") == [(team, [member])]


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (str, ["a", "A", "ä'\"", "", "[1]", '{"a":1}', "1"]),
        (bytes, [b"\x00\xff", b"", b"a", b"'"]),
        (float, [0.1, 1e300, -2.5, 1e-320, 3.0]),
        (UUID, [UUID(int=n) for n in (0, 1, 2**128 - 1)]),
        (int, [0, -1, 2**63 - 1, -(2**63)]),
    ],
)
async def test_keys_of_every_type_are_followed(db: Database, annotation: Any, values: list[Any]) -> None:
    parent: Any = type("Parent", (), {"__annotations__": {"key": annotation, "n": int}})
    child: Any = type("Child", (), {"__annotations__": {"id": int, "key": ForeignKey[annotation, "parent.key"]}})
    parents = await db.create(parent, pk="key")
    children = await db.create(child)
    await parents.insert_all({"key": value, "n": n} for n, value in enumerate(values))
    rows = await children.insert_all(({"key": value} for value in values), returning=True)
    assert [row["n"] for row in await asyncio.gather(*(children.fk.key(row) for row in rows))] == [*range(len(values))]
    assert [found["n"] for _, found in await children.with_parents(rows, "key")] == [*range(len(values))]
    groups = await parents.with_children(parents(order_by="n"), "child")
    assert [[row["id"] for row in found] for _, found in groups] == [[row["id"]] for row in rows]


async def test_a_column_that_is_no_foreign_key_is_refused_with_those_that_are(world: World) -> None:
    for call in (
        lambda: world.posts.fk.title,
        lambda: world.posts.get_parent({"title": "x"}, "title"),
        lambda: world.posts.with_parents([], "title"),
        lambda: world.users.get_children({"id": 1}, "post", "title"),
    ):
        with pytest.raises(SchemaError) as caught:
            made = call()
            await made
        assert caught.value.column_name == "title"
        assert "author_id; editor_id; email" in str(caught.value.hint)


async def test_a_table_without_foreign_keys_says_so(db: Database) -> None:
    class Plain:
        id: int

    plain = await db.create(Plain)
    with pytest.raises(SchemaError) as caught:
        plain.fk["id"]
    assert "no foreign keys" in str(caught.value.hint)


async def test_children_by_a_key_that_leads_elsewhere_are_refused(world: World, db: Database) -> None:
    with pytest.raises(SchemaError, match="several foreign keys"):
        world.users.get_children({"id": 1}, "post")
    with pytest.raises(SchemaError, match="no foreign key to post"):
        world.posts.get_children({"id": 1}, "user")
    with pytest.raises(SchemaError, match="refers to user, not to post"):
        world.posts.get_children({"id": 1}, "user", "boss_id")
    with pytest.raises(TableNotFoundError):
        world.users.get_children({"id": 1}, "absent")
    with pytest.raises(ValidationError):
        world.users.get_children({"id": 1}, 5)  # type: ignore[arg-type]


async def test_a_row_without_the_column_is_refused(world: World) -> None:
    rows = await world.posts(limit=1, select=["title"])
    with pytest.raises(ValidationError, match="'author_id'"):
        await world.posts.fk.author_id(rows[0])
    with pytest.raises(ValidationError, match="'author_id'"):
        await world.posts.with_parents(rows, "author_id")
    with pytest.raises(ValidationError):
        await world.posts.with_parents({"author_id": 1}, "author_id")


async def test_the_actions_of_a_foreign_key_are_the_databases(db: Database) -> None:
    class Owner:
        id: int

    class Pet:
        id: int
        owner_id: int | None

    for action, left in (("cascade", []), ("set null", [None])):
        mark = ForeignKeyMark("owner.id", on_delete=action)  # type: ignore[arg-type]
        owners = await db.create(Owner, replace=True) if action == "cascade" else db.t.owner
        pets = await db.create(Pet, foreign_keys={"owner_id": mark}, replace=action != "cascade")
        owner = await owners.insert({})
        await pets.insert(owner_id=owner["id"])
        await owners.delete(owner["id"])
        assert [row["owner_id"] for row in await pets()] == left
        await pets.delete_where(all=True)
    await db.create(Pet, foreign_keys={"owner_id": ForeignKeyMark("owner.id")}, replace=True)
    owner = await db.t.owner.insert({})
    await db.t.pet.insert(owner_id=owner["id"])
    with pytest.raises(ForeignKeyViolationError):
        await db.t.owner.delete(owner["id"])
