"""Conditions over the rows that refer to a row, their number, and rows that a table between links."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    Database,
    DeeBaseError,
    ForeignKey,
    SchemaError,
    ScopeError,
    Table,
    ValidationError,
)
from deebase.queries import count, sum_


class Team:
    id: int
    name: str
    tenant_id: int = 1


class User:
    id: int
    name: str
    boss_id: ForeignKey[int, "user"] | None
    tenant_id: int = 1


class Membership:
    user_id: ForeignKey[int, "user"]
    team_id: ForeignKey[int, "team"]
    role: str = "member"


class Post:
    id: int
    title: str
    author_id: ForeignKey[int, "user"]
    editor_id: ForeignKey[int, "user"] | None
    views: int = 0
    tenant_id: int = 1


class Comment:
    id: int
    post_id: ForeignKey[int, "post"]
    text: str


@dataclass
class World:
    users: Table[Any]
    teams: Table[Any]
    members: Table[Any]
    posts: Table[Any]
    comments: Table[Any]


@pytest.fixture
async def world(db: Database) -> World:
    users, teams, posts, comments = await db.create_all(User, Team, Post, Comment)
    members = await db.create(Membership, pk=["user_id", "team_id"])
    await users.insert_all(
        [
            {"name": "Ada", "boss_id": None},
            {"name": "Bob", "boss_id": 1},
            {"name": "Cy", "boss_id": 1, "tenant_id": 2},
            {"name": "Dee", "boss_id": 3},
        ]
    )
    await teams.insert_all([{"name": "red"}, {"name": "blue"}, {"name": "green", "tenant_id": 2}])
    await members.insert_all(
        [
            {"user_id": 1, "team_id": 1, "role": "lead"},
            {"user_id": 1, "team_id": 2},
            {"user_id": 2, "team_id": 1},
            {"user_id": 2, "team_id": 3, "role": "guest"},
        ]
    )
    await posts.insert_all(
        [
            {"title": "a", "author_id": 1, "editor_id": 2, "views": 5},
            {"title": "b", "author_id": 1, "views": 200, "tenant_id": 2},
            {"title": "c", "author_id": 2, "editor_id": 1, "views": 50},
            {"title": "d", "author_id": 3, "views": 0, "tenant_id": 2},
        ]
    )
    await comments.insert_all([{"post_id": 1, "text": "x"}, {"post_id": 1, "text": "y"}, {"post_id": 4, "text": "x"}])
    return World(users, teams, members, posts, comments)


async def names(query: Any) -> list[str]:
    return [row["name"] for row in await query]


async def test_any_none_and_count(world: World) -> None:
    users, posts = world.users, world.posts
    written = users.children("post", "author_id")
    cases: list[tuple[Any, list[str]]] = [
        (written.any(), ["Ada", "Bob", "Cy"]),
        (written.none(), ["Dee"]),
        (written.any(posts.c.views > 100), ["Ada"]),
        (written.none(posts.c.views > 100), ["Bob", "Cy", "Dee"]),
        (written.any(views=[0, 50]), ["Bob", "Cy"]),
        (written.any("views > ? AND title <> ?", [10, "b"]), ["Bob"]),
        (written.any(where={"editor_id.name": "Ada"}), ["Bob"]),
        (written.any(posts.c.views > 100) | written.any(title="d"), ["Ada", "Cy"]),
        (~written.any(), ["Dee"]),
        (written.count == 2, ["Ada"]),
        (written.count < users.c.id, ["Bob", "Cy", "Dee"]),
        (users.children(posts, "author_id", posts.c.views > 10).count >= 1, ["Ada", "Bob"]),
        (users.children(posts, "author_id", views=0).any(title="d"), ["Cy"]),
        (users.children("user").any(name="Dee"), ["Cy"]),
        (users.children("user").none(), ["Bob", "Dee"]),
        (written.any(posts.children("comment").any(text="y")), ["Ada"]),
        (written.any(posts.children("comment").count == 0), ["Ada", "Bob"]),
        (users.children("membership").any(where={"team_id.name": "green"}), ["Bob"]),
    ]
    for condition, expected in cases:
        assert await names(users(condition, order_by="id")) == expected, str(condition)
        assert await users.count(condition) == len(expected)
        assert await users.exists(condition) == bool(expected)
        assert await names(users(where=[condition, users.c.id > 0], order_by="name")) == expected
        page = await users.page(condition, size=10, order_by="id")
        assert [row["name"] for row in page.rows] == expected


async def test_the_number_of_children_is_a_column(world: World) -> None:
    users, posts = world.users, world.posts
    number = users.children("post", "author_id").count
    popular = users.children(posts, "author_id", posts.c.views > 10).count
    rows = await users(select={"name": "name", "n": number, "popular": popular}, order_by=[number.desc(), "id"])
    assert [tuple(row.values()) for row in rows] == [("Ada", 2, 1), ("Bob", 1, 1), ("Cy", 1, 0), ("Dee", 0, 0)]
    assert await names(users(order_by=[-number, users.c.name.desc()], limit=2)) == ["Ada", "Cy"]
    assert await users(select={"n": number, "k": "name"}, order_by=["-n", "k"], limit=1) == [{"n": 2, "k": "Ada"}]
    assert await users.sum(number) == 4
    assert await users.max(number) == 2
    by_number = await users.group(number.label("posts"), users=count(), order_by="-posts")
    assert by_number == [{"posts": 2, "users": 1}, {"posts": 1, "users": 2}, {"posts": 0, "users": 1}]
    by_team = await users.group("boss_id.name", posts=sum_(number), order_by="-posts")
    assert by_team[0] == {"boss_id.name": "Ada" if by_team[0]["boss_id.name"] else None, "posts": 2}
    assert await posts(select={"n": posts.children("comment").count}, order_by="id").scalars() == [2, 0, 0, 1]


async def test_writes_by_conditions_over_children(world: World) -> None:
    users = world.users
    written = users.children("post", "author_id")
    assert await users.update_where({"name": "silent"}, written.none()) == 1
    assert (await users[4])["name"] == "silent"
    assert await users.delete_where(written.none(), users.children("user").none()) == 1
    assert await names(users(order_by="id")) == ["Ada", "Bob", "Cy"]


async def test_scopes_hold_within(world: World) -> None:
    """Children outside of the scope count for nothing, however the condition was made."""
    users, posts = world.users, world.posts
    mine = users.xtra(tenant_id=1)
    assert await names(mine(mine.children("post", "author_id").any(), order_by="id")) == ["Ada", "Bob"]
    for handle in (users, mine):
        written = handle.children("post", "author_id")
        assert await names(mine(written.any("views >= 100"))) == []
        assert await mine.count(written.count > 1) == 0
        assert await mine(select={"n": written.count}, order_by="id").scalars() == [1, 1, 0]
        assert await mine.sum(written.count) == 2
        assert await mine.group(n=sum_(written.count)) == [{"n": 2}]
        assert await names(mine(written.none("views >= 100"), order_by="id")) == ["Ada", "Bob", "Dee"]
    other = users.xtra(tenant_id=2)
    with pytest.raises(ScopeError):
        await mine(other.children("post", "author_id").any())
    # Comments have no tenant: those of posts within the scope count.
    theirs = posts.xtra(tenant_id=2)
    assert await theirs(select={"n": posts.children("comment").count}, order_by="id").scalars() == [0, 1]
    narrow = users.children(posts.xtra(tenant_id=2), "author_id")
    assert await names(users(narrow.any(), order_by="id")) == ["Ada", "Cy"]


async def test_a_condition_is_kept_and_its_values_are_read_at_each_run(world: World) -> None:
    users, posts = world.users, world.posts
    for least, expected in ((0, ["Ada", "Bob", "Cy"]), (10, ["Ada", "Bob"]), (100, ["Ada"]), (1000, [])):
        for condition in (
            users.children("post", "author_id").any(posts.c.views >= least),
            users.children("post", "author_id").any("views >= ?", [least]),
        ):
            assert await names(users(condition, order_by="id")) == expected
        number = users.children(posts, "author_id", posts.c.views >= least).count
        assert await users.sum(number) == await posts.count(posts.c.views >= least)


async def test_wrong_children_are_refused(world: World) -> None:
    users, posts = world.users, world.posts
    refusals: list[tuple[Any, type[DeeBaseError], str]] = [
        (lambda: users.children("post"), SchemaError, "several foreign keys to user"),
        (lambda: users.children("comment"), SchemaError, "no foreign key to user"),
        (lambda: users.children("nothing"), DeeBaseError, "nothing"),
        (lambda: users.children(5), ValidationError, "a table or the name of one"),
        (lambda: users.children("post", "title"), SchemaError, "not a foreign key"),
        (lambda: users.children("post", "author_id").any(nothing=1), SchemaError, "nothing"),
        (lambda: users.children("post", "author_id").any(users.c.name == "Ada"), ValidationError, "a column of user"),
        (lambda: users.children("post", "author_id", views=1).any(views=2), ValidationError, "views is given"),
        (lambda: posts(users.children("post", "author_id").any()), ValidationError, "id is a column of user"),
    ]
    for call, kind, message in refusals:
        with pytest.raises(kind) as caught:
            await call()
        assert message in str(caught.value)
    with pytest.raises(TypeError, match=r"children\.any"):
        bool(users.children("post", "author_id"))


async def test_two_levels(world: World, caplog: pytest.LogCaptureFixture) -> None:
    users, posts, comments = world.users, world.posts, world.comments
    caplog.set_level(logging.DEBUG, logger="deebase.sql")

    def sent() -> int:
        number = len(caplog.records)
        caplog.clear()
        return number

    sent()
    rows = await comments.with_parents(comments(order_by="id"), "post_id.author_id")
    assert sent() == 3
    assert [(row["text"], post["title"], user["name"]) for row, (post, user) in rows] == [
        ("x", "a", "Ada"),
        ("y", "a", "Ada"),
        ("x", "d", "Cy"),
    ]
    edited = await posts.with_parents(posts(order_by="id"), "editor_id.boss_id")
    assert [(editor and editor["name"], boss and boss["name"]) for _, (editor, boss) in edited] == [
        ("Bob", "Ada"),
        (None, None),
        ("Ada", None),
        (None, None),
    ]
    sent()
    for path, column in (
        (["post", "comment"], ["author_id"]),
        ([posts, comments], ["author_id", "post_id"]),
        ("post.comment", ["author_id", None]),
    ):
        nested = await users.with_children(
            users(order_by="id"), path, column, order_by={"post": "-title", "comment": "-text"}
        )
        assert sent() == 3
        assert [
            (user["name"], [(post["title"], [each["text"] for each in found]) for post, found in written])
            for user, written in nested
        ] == [
            ("Ada", [("b", []), ("a", ["y", "x"])]),
            ("Bob", [("c", [])]),
            ("Cy", [("d", ["x"])]),
            ("Dee", []),
        ]
    mine = users.xtra(tenant_id=1)
    nested = await mine.with_children(mine(order_by="id"), ["post", "comment"], ["author_id"], order_by={"post": "id"})
    assert [[post["title"] for post, _ in written] for _, written in nested] == [["a"], ["c"], []]
    for wrong in (
        lambda: users.with_children(users(), ["post", "comment"], ["author_id"], order_by="id"),
        lambda: users.with_children(users(), ["post", "comment"], ["author_id"], order_by={"user": "id"}),
        lambda: users.with_children(users(), ["post"], ["author_id", "post_id"]),
        lambda: users.with_children(users(), []),
        lambda: posts.with_parents(posts(), "author_id.name"),
    ):
        with pytest.raises((ValidationError, SchemaError)):
            await wrong()


async def test_children_in_the_order_of_related_rows(world: World) -> None:
    users, posts = world.users, world.posts
    groups = await users.with_children(users(id=1), posts, "author_id", order_by=["editor_id.name", "-title"])
    assert sorted(post["title"] for _, written in groups for post in written) == ["a", "b"]
    bosses = await users.with_children(users(order_by="id"), "user", order_by=["-boss_id.name", "-name"])
    assert [[row["name"] for row in found] for _, found in bosses] == [["Cy", "Bob"], [], ["Dee"], []]
    by_views = await users.with_children(users(id=1), posts, "author_id", order_by=posts.c.views.desc())
    assert [post["title"] for _, written in by_views for post in written] == ["b", "a"]


async def test_rows_that_a_table_between_links(world: World, caplog: pytest.LogCaptureFixture) -> None:
    users, teams, members = world.users, world.teams, world.members
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    for through, to in (("membership", "team"), (members, teams)):
        caplog.clear()
        found = await users.with_related(users(order_by="id"), through=through, to=to, order_by="name")
        assert len(caplog.records) == 3
        assert [(user["name"], [team["name"] for team in linked]) for user, linked in found] == [
            ("Ada", ["blue", "red"]),
            ("Bob", ["green", "red"]),
            ("Cy", []),
            ("Dee", []),
        ]
    ((_, linked),) = await users.with_related(
        users(id=2), through="membership", to="team", order_by=["-role", "-name"], links=True
    )
    assert [(link["role"], team["name"]) for link, team in linked] == [("member", "red"), ("guest", "green")]
    back = await teams.with_related(await teams(order_by="id"), through="membership", to="user", order_by="-name")
    assert [[user["name"] for user in found] for _, found in back] == [["Bob", "Ada"], ["Ada"], ["Bob"]]
    mine = users.xtra(tenant_id=1)
    scoped = await mine.with_related(mine(order_by="id"), through="membership", to="team", order_by="name")
    assert [[team["name"] for team in found] for _, found in scoped] == [["blue", "red"], ["red"], []]
    for wrong in (
        lambda: users.with_related(users(), through="post", to="team"),
        lambda: users.with_related(users(), through="membership", to="post"),
        lambda: users.with_related(users(), through="membership", to="team", order_by="nothing"),
        lambda: users.with_related(users(), through="membership", to="team", columns="user_id"),
        lambda: users.with_related(users(), through="membership", to="team", links="yes"),
        lambda: users.with_related(users(), through="membership", to="user", columns=("user_id", "user_id")),
    ):
        with pytest.raises((ValidationError, SchemaError)) as caught:
            await wrong()
        assert caught.value.hint


async def test_a_scope_holds_beyond_a_table_without_its_column(db: Database) -> None:
    class House:
        id: int
        owner: int

    class Room:
        id: int
        house_id: ForeignKey[int, "house"]

    class Lamp:
        id: int
        room_id: ForeignKey[int, "room"]
        owner: int

    houses, rooms, lamps = await db.create_all(House, Room, Lamp)
    await houses.insert_all([{"owner": 1}, {"owner": 2}])
    await rooms.insert_all([{"house_id": 1}, {"house_id": 2}])
    await lamps.insert_all([{"room_id": room, "owner": owner} for room in (1, 2) for owner in (1, 2)])
    mine = houses.xtra(owner=1)
    nested = await mine.with_children(houses(order_by="id"), ["room", "lamp"])
    assert [[[lamp["owner"] for lamp in found] for _, found in inner] for _, inner in nested] == [[[1]], []]
    light = lamps.xtra(owner=1)
    up = await light.with_parents(lamps(order_by="id"), "room_id.house_id")
    assert [house and house["owner"] for _, (_, house) in up] == [1, 1, None, None]
    through = rooms.children("lamp")
    assert await mine.count(mine.children("room").any(through.any(owner=2))) == 0
    assert await mine.count(houses.children("room").any(through.any(owner=1))) == 1


async def test_a_table_may_link_a_table_with_itself(db: Database) -> None:
    class Person:
        id: int
        name: str

    class Friendship:
        one: ForeignKey[int, "person"]
        other: ForeignKey[int, "person"]

    people = await db.create(Person)
    friends = await db.create(Friendship, pk=["one", "other"])
    await people.insert_all({"name": name} for name in "abc")
    await friends.insert_all([{"one": 1, "other": 2}, {"one": 1, "other": 3}, {"one": 3, "other": 1}])
    for columns in (("one", "other"), ("one", None)):
        found = await people.with_related(
            people(order_by="id"), through="friendship", to="person", columns=columns, order_by="-name"
        )
        assert [[row["name"] for row in each] for _, each in found] == [["c", "b"], [], ["a"]]
    with pytest.raises(SchemaError, match="several foreign keys"):
        await people.with_related(people(), through="friendship", to="person")


async def test_foreign_keys_of_several_columns_and_odd_names(db: Database) -> None:
    await db.script(
        """
        CREATE TABLE "the ""o"" ne" ("a.b" INTEGER, "select" TEXT, PRIMARY KEY ("a.b", "select"));
        CREATE TABLE "deebase_children" ("id" INTEGER PRIMARY KEY, "x" INTEGER, "y" TEXT,
            FOREIGN KEY ("x", "y") REFERENCES "the ""o"" ne" ("a.b", "select"));
        INSERT INTO "the ""o"" ne" VALUES (1, 'p'), (1, 'q'), (2, 'p');
        INSERT INTO "deebase_children" VALUES (1, 1, 'p'), (2, 1, 'p'), (3, 2, 'p'), (4, NULL, 'q');
        """
    )
    await db.reflect()
    parents, children = db.t['the "o" ne'], db.t["deebase_children"]
    linked = parents.children(children)
    rows = await parents(select={"k": "select", "n": linked.count}, order_by=["a.b", "select"])
    assert [(row["k"], row["n"]) for row in rows] == [("p", 2), ("q", 0), ("p", 1)]
    assert await parents.count(linked.any(children.c.id > 2)) == 1
    assert await parents.count(linked.none("id > ?", [1])) == 1
    assert await parents.count(sa.not_(linked.any())) == 1
