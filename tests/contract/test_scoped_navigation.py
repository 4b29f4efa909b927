"""Navigation from a scoped handle: which columns of the scope another table is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from deebase import Database, ForeignKey, Table
from deebase.types import ForeignKeyMark
from tests.support.scopes import KINDS, THEIRS, Kind


class Usr:
    id: int
    name: str


class Pst:
    id: int
    usr_id: ForeignKey[int, "usr"]
    title: str


async def keyed(db: Database) -> tuple[Table[Any], Table[Any]]:
    """Two users with two posts each, whose own keys are others than those of the users."""
    users, posts = await db.create_all(Usr, Pst)
    await users.insert_all([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    await posts.insert_all([{"id": 10 + n, "usr_id": 1 + n % 2, "title": f"t{n}"} for n in range(4)])
    return users, posts


async def test_the_key_of_a_table_is_not_carried_to_the_key_of_another(db: Database) -> None:
    users, posts = await keyed(db)
    second = users.xtra(id=2)
    user = await second[2]
    assert [post["id"] for post in await second.get_children(user, "pst", order_by="id")] == [11, 13]
    assert [post["id"] for post in await second.get_children(user, posts, order_by="id")] == [11, 13]
    assert await second.get_children(user, "pst").count() == 2
    groups = await second.with_children(second(), "pst", order_by="id")
    assert [(found["id"], [post["id"] for post in kids]) for found, kids in groups] == [(2, [11, 13])]
    post = posts.xtra(id=11)
    assert (await post.fk.usr_id(await post[11]))["id"] == 2
    assert (await post.get_parent(await post[11], "usr_id"))["id"] == 2
    assert [(row["id"], parent["id"]) for row, parent in await post.with_parents(post(), "usr_id")] == [(11, 2)]


async def test_a_table_that_refers_to_itself(db: Database) -> None:
    class Node:
        id: int
        parent_id: ForeignKey[int, "node"] | None
        owner: str

    nodes = await db.create(Node)
    await nodes.insert_all(
        [
            {"id": 1, "parent_id": None, "owner": "a"},
            {"id": 2, "parent_id": 1, "owner": "a"},
            {"id": 3, "parent_id": 1, "owner": "b"},
        ]
    )
    root = nodes.xtra(id=1)
    assert [node["id"] for node in await root.get_children(await root[1], "node", order_by="id")] == [2, 3]
    mine = nodes.xtra(owner="a")
    assert [node["id"] for node in await mine.get_children(await mine[1], "node")] == [2]
    assert (await nodes.xtra(id=2).fk.parent_id(await nodes[2]))["id"] == 1


async def test_the_tenant_in_a_composite_key_is_carried_and_the_number_is_not(db: Database) -> None:
    class Orders:
        tenant: str
        id: int
        name: str

    class Lines:
        tenant: str
        id: int
        order_id: int

    key = {("tenant", "order_id"): ForeignKeyMark("orders")}
    orders, lines = await db.create_all(
        Orders, Lines, options={Orders: {"pk": ["tenant", "id"]}, Lines: {"pk": ["tenant", "id"], "foreign_keys": key}}
    )
    for tenant in ("a", "b"):
        await orders.insert(tenant=tenant, id=1, name=f"{tenant}1")
        await lines.insert_all([{"tenant": tenant, "id": n, "order_id": 1} for n in (5, 6)])
    mine = orders.xtra(tenant="a")
    assert [(row["tenant"], row["id"]) for row in await mine.get_children(await mine["a", 1], "lines")] == [
        ("a", 5),
        ("a", 6),
    ]
    assert await mine.get_children(await orders["b", 1], "lines") == []
    one = orders.xtra(tenant="a", id=1)
    assert await one.get_children(await one["a", 1], "lines").count() == 2
    line = lines.xtra(tenant="a", id=5)
    assert (await line.fk["tenant", "order_id"](await line["a", 5]))["name"] == "a1"
    assert await line.fk["tenant", "order_id"](await lines["b", 5]) is None


async def test_a_value_that_the_other_column_cannot_hold_is_not_carried(db: Database) -> None:
    class Team:
        id: int
        code: str

    class Member:
        id: int
        team_id: ForeignKey[int, "team"]
        code: int

    class Badge:
        id: int
        team_id: ForeignKey[int, "team"]
        code: UUID

    teams, members, _ = await db.create_all(Team, Member, Badge)
    team = await teams.insert(code="x")
    await members.insert_all([{"team_id": team["id"], "code": n} for n in (1, 2)])
    mine = teams.xtra(code="x")
    assert len(await mine.get_children(team, "member")) == 2
    assert len(await mine.get_children(team, members)) == 2
    assert await mine.get_children(team, "badge") == []
    assert [len(kids) for _, kids in await mine.with_children(mine(), "member")] == [2]
    assert await members.xtra(code=1).fk.team_id(await members.lookup(code=1)) == team


@dataclass
class Forum:
    """Threads of two owners, and comments that say nothing of an owner."""

    threads: Table[Any]
    comments: Table[Any]
    mine: Table[Any]


async def forum(db: Database, kind: Kind) -> Forum:
    thread: Any = type("Thread", (), {"__annotations__": {"id": int, "owner": kind.annotation}})
    comment: Any = type("Comment", (), {"__annotations__": {"id": int, "th": ForeignKey[int, "thread"], "body": str}})
    threads, comments = await db.create_all(thread, comment)
    await threads.insert_all([{"id": 1, "owner": kind.mine}, {"id": 2, "owner": kind.theirs}])
    await comments.insert_all([{"th": 1, "body": "mine"}, {"th": 1, "body": "mine"}, {"th": 2, "body": THEIRS}])
    return Forum(threads, comments, threads.xtra(owner=kind.mine))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_children_without_the_column_are_those_of_rows_within_the_scope(db: Database, kind: Kind) -> None:
    f = await forum(db, kind)
    ours, theirs = await f.threads[1], await f.threads[2]
    for children in ("comment", f.comments):
        assert [row["body"] for row in await f.mine.get_children(ours, children)] == ["mine", "mine"]
        for forged in (theirs, {"id": 2}, {"id": 2, "owner": kind.mine}):
            assert await f.mine.get_children(forged, children) == []
            assert await f.mine.get_children(forged, children, "th", "1 = 1 OR 1 = 1").count() == 0
            assert await f.mine.with_children([forged], children) == [(forged, [])]
        groups = await f.mine.with_children(await f.threads(order_by="id"), children)
        assert [len(found) for _, found in groups] == [2, 0]
    # The statement of one scope is not kept for another.
    other = f.threads.xtra(owner=kind.theirs)
    assert [row["body"] for row in await other.get_children(theirs, "comment")] == [THEIRS]
    assert [len(found) for _, found in await other.with_children(await f.threads(order_by="id"), "comment")] == [0, 1]
    assert [len(found) for _, found in await f.threads.with_children(f.threads(order_by="id"), "comment")] == [2, 1]
