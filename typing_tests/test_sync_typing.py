"""The types of the calls without await; mypy and pyright check this file, and it never runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from deebase import Database as AsyncDatabase
from deebase import Page
from deebase.sync import Database, Query, Table, Transaction


@dataclass
class User:
    id: int | None
    name: str


class Plain:
    id: int


def calls(db: Database, plain: Table[dict[str, Any]]) -> None:
    users = db.create(User)
    assert_type(users, Table[User])
    assert_type(db.create(Plain), Table[dict[str, Any]])
    assert_type(db.t[User], Table[User])
    assert_type(users.insert(name="Ada"), User)
    assert_type(users[1], User)
    assert_type(users(order_by="name"), Query[User])
    assert_type(users()[0], User)
    assert_type(users().first(), User | None)
    assert_type(users(select={"n": "name"}), Query[dict[str, Any]])
    assert_type(users.page(size=3), Page[User])
    assert_type(plain.count(), int)
    assert_type(db.retry(lambda: 1), int)
    with db.transaction() as tx:
        assert_type(tx, Transaction)
    with db.read_only() as ro:
        assert_type(ro, Database)
    for user in users:
        assert_type(user, User)
    for row in db.stream("SELECT 1"):
        print(row)


def of_an_application(db: AsyncDatabase) -> None:
    assert_type(db.sync, Database)
