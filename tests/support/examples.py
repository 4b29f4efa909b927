"""The world of the examples in docstrings: the tables, rows and names that they take for granted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import deebase
from deebase import Database, ForeignKey
from deebase.migrations import Migrator, irreversible


class User:
    id: int
    name: str
    email: str | None
    age: int | None
    status: str = "active"
    visits: int = 0


@dataclass
class Post:
    id: int | None
    author_id: ForeignKey[int, "user"]
    title: str
    slug: str | None = None
    views: int = 0
    created_at: datetime | None = None
    meta: dict[str, Any] | None = None


class Note:
    id: int
    owner_id: int
    text: str


class Doc:
    id: int
    tenant: int
    title: str


class Account:
    id: int
    balance: int


class Session:
    id: int


class Team:
    id: int
    name: str


class Membership:
    user_id: ForeignKey[int, "user"]
    team_id: ForeignKey[int, "team"]


class Line:
    order_no: int
    number: int


MIGRATION = """
async def upgrade(db):
    await db.q("CREATE TABLE step (n int)")


async def downgrade(db):
    await db.q("DROP TABLE step")
"""

#: Examples that take for granted that users have a city.
CITIES = {
    *("Table.drop_column", "SchemaEditor.drop_column", "Table.transform_sql", "SchemaEditor.transform_sql"),
    *("Table.transform_plan", "SchemaEditor.transform_plan", "TransformPlan", "TransformPlan.apply"),
}

#: Examples that take for granted that posts have a body and a search.
SEARCHED = {
    *("Table.search", "Table.enable_search", "SchemaEditor.enable_search", "Hit"),
    *("SearchQuery", "SearchQuery.count", "SearchQuery.explain"),
}

#: Examples that begin with an empty database.
EMPTY = {"Database", "Database.create", "Database.create_all", "Database.script", "Table"}


@asynccontextmanager
async def world(db: Database, name: str) -> AsyncIterator[dict[str, Any]]:
    """Give the names that the example of a member may use.

    Args:
        db: an empty database.
        name: of the member: ``Table.insert``.
    """
    names: dict[str, Any] = {
        "db": db,
        "asyncio": asyncio,
        "aclosing": aclosing,
        "User": User,
        "Doc": Doc,
        "Post": Post,
        "irreversible": irreversible,
        "Migrator": Migrator,
        "Path": Path,
    }
    names |= {public: getattr(deebase, public) for public in deebase.__all__}
    if name.startswith("Migrator") or name == "Database.migrate":
        names["migrator"] = await _migrator(db, name)
    elif name == "Index":
        await db.create(User)
    elif name not in EMPTY:
        names |= await _tables(db, name)
    yield names


async def _tables(db: Database, name: str) -> dict[str, Any]:
    users = await db.create(User, indexes=[deebase.Index("ix_user_email", "email", unique=True)])
    if name in CITIES:
        users = await users.add_column("city", str | None)
    posts = await db.create(Post)
    if name in SEARCHED:
        posts = await posts.add_column("body", str, default="full text of sqlite")
        await posts.enable_search("title", "body")
    notes, accounts, sessions = await db.create_all(Note, Account, Session)
    lines = await db.create(Line, pk=["order_no", "number"])
    await users.insert_all({"name": f"u{n}", "email": f"u{n}@example.com", "age": 30 + n} for n in range(3))
    if name in ("Query.one", "Readable.lookup"):
        await users.insert(name="Ada", email="ada@example.com", age=36)
    await accounts.insert_all([{"balance": 10}, {"balance": 0}])
    await lines.insert(order_no=1, number=2)
    post = await posts.insert(author_id=1, title="First", views=100)
    made = {"users": users, "posts": posts, "notes": notes, "accounts": accounts, "sessions": sessions, "lines": lines}
    made |= {"post": post, "rows": [post], "user": await users[1], "order": 1, "number": 2, "names": ["Bob", "Cy"]}
    if name.startswith("View.") or name == "Database.reflect_view":
        made["popular"] = await db.create_view("popular", "SELECT * FROM post WHERE views >= 100")
    if name == "View.refresh":
        made["totals"] = await db.create_view("totals", "SELECT 1 AS id", key="id", materialized=True)
    if name in ("Database.import_file", "Table.import_file"):
        Path("people.csv").write_text("email,name\na@example.com,Ada\n", encoding="utf-8")
    if name.endswith(".create_index"):
        await users.drop_index("ix_user_email")
    if name == "Table.with_related":
        await db.create(Team)
        await db.create(Membership, pk=["user_id", "team_id"])
    if name in ("Table.delete", "Table.delete_all"):
        await posts.truncate()

    async def transfer() -> None:
        await accounts.update({"id": 1, "balance": 5})

    return {**made, "transfer": transfer}


async def _migrator(db: Database, name: str) -> Migrator:
    migrator = Migrator(db, "migrations")
    if name == "Migrator.baseline":
        await db.create(User)
    if name in ("Migrator.new", "Migrator.record", "Migrator.baseline"):
        return migrator
    titles = [f"step {number}" for number in range(1, 7)] if name in ("Migrator.rerecord", "Migrator.squash") else []
    for title in [*titles, "add age"]:
        path = await migrator.new(title)
        path.write_text(MIGRATION.replace("step", title.replace(" ", "_")), encoding="utf-8")
        if name != "Migrator.seal":
            await migrator.seal()
    if name not in ("Migrator", "Migrator.up", "Migrator.seal"):
        await migrator.up()
    return migrator
