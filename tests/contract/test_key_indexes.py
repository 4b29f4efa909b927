"""A foreign key gets an index, unless one serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deebase import Database, ForeignKey, Index, Table, create_mod_from_tables
from deebase.migrations import Migrator
from tests.support.migrations import compare


class User:
    id: int
    name: str


class Post:
    id: int
    author_id: ForeignKey[int, "user"]
    editor_id: ForeignKey[int, "user"] | None
    slug: str


def names(table: Table[Any]) -> list[str]:
    return [str(index["name"]) for index in table.indexes]


async def test_each_foreign_key_gets_an_index(db: Database) -> None:
    _, posts = await db.create_all(User, Post)
    assert posts.indexes == [
        {"name": "ix_post_author_id_fk", "columns": ["author_id"], "unique": False},
        {"name": "ix_post_editor_id_fk", "columns": ["editor_id"], "unique": False},
    ]
    await db.reflect()
    assert names(db.t.post) == ["ix_post_author_id_fk", "ix_post_editor_id_fk"]


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        ({"indexes": ["author_id", ("editor_id", "slug")]}, ["ix_post_author_id", "ix_post_editor_id_slug"]),
        ({"indexes": [Index("ux", "author_id", "slug", unique=True)]}, ["ix_post_editor_id_fk", "ux"]),
        ({"pk": ["author_id", "id"]}, ["ix_post_editor_id_fk"]),
        (
            {"indexes": [Index("some", "author_id", where="slug = 'a'")], "index_foreign_keys": True},
            ["ix_post_author_id_fk", "ix_post_editor_id_fk", "some"],
        ),
        ({"index_foreign_keys": False}, []),
    ],
)
async def test_there_is_none_where_another_serves(db: Database, options: dict[str, Any], indexes: list[str]) -> None:
    await db.create(User)
    assert names(await db.create(Post, **options)) == indexes
    again = await db.create_all(Post, options={Post: options}, if_not_exists=True)
    assert names(again[0]) == indexes


async def test_a_composite_key_is_indexed_by_its_columns(db: Database) -> None:
    await db.create(type("Area", (), {"__annotations__": {"x": int, "y": int}}), pk=["x", "y"])
    spot = type("Spot", (), {"__annotations__": {"id": int, "x": int, "y": int}})
    table = await db.create(spot, foreign_keys={("x", "y"): ForeignKey("area", columns=("x", "y"))})
    assert names(table) == ["ix_spot_x_y_fk"]


async def test_new_columns_and_keys_are_indexed_and_dropped_again(db: Database) -> None:
    users = await db.create(User)
    posts = await users.duplicate("post")
    posts = await posts.add_column("author_id", ForeignKey[int, "user"] | None)
    posts = await posts.add_column("other_id", int | None, fk=ForeignKey("user.id"), index_foreign_keys=False)
    assert names(posts) == ["ix_post_author_id_fk"]
    posts = await posts.add_column("editor_id", int | None)
    posts = await posts.transform(add_foreign_keys={"editor_id": "user.id"}, rename={"editor_id": "judge_id"})
    assert names(posts) == ["ix_post_author_id_fk", "ix_post_judge_id_fk"]
    posts = await posts.drop_column("judge_id")
    posts = await posts.transform(drop=["author_id", "other_id"])
    assert names(posts) == []


async def test_a_dropped_key_takes_its_index_along(db: Database) -> None:
    _, posts = await db.create_all(User, Post)
    posts = await posts.transform(drop_foreign_keys="editor_id")
    assert names(posts) == ["ix_post_author_id_fk"]
    posts = await posts.drop_column("editor_id")
    posts = await posts.transform(
        drop_foreign_keys="author_id", add_foreign_keys={"author_id": ForeignKey("user.id", on_delete="cascade")}
    )
    assert names(posts) == ["ix_post_author_id_fk"]


async def test_a_key_with_another_action_keeps_its_index(db: Database) -> None:
    await db.create_all(User, Post)
    actions = ForeignKey("user.id", on_delete="cascade")
    posts = await db.create(Post, transform=True, foreign_keys={"author_id": actions})
    assert {"column": "author_id", "references": "user.id", "on_delete": "cascade"} in posts.foreign_keys
    assert names(posts) == ["ix_post_author_id_fk", "ix_post_editor_id_fk"]


async def test_a_key_whose_column_was_renamed_is_dropped_with_its_index(db: Database) -> None:
    _, posts = await db.create_all(User, Post)
    posts = await posts.rename_column("editor_id", "judge_id")
    posts = await posts.drop_column("judge_id")
    assert names(posts) == ["ix_post_author_id_fk"]


async def test_a_renamed_table_leaves_its_long_names_to_a_new_one(db: Database) -> None:
    old, new = "x" * 58, "y" * 58
    await db.create(User)
    posts = await (await db.create(Post, name=old, indexes=["slug"])).rename(new)
    again = await db.create(Post, name=old, indexes=["slug"])
    assert len(posts.indexes) == len(again.indexes) == 3
    assert all("_fk" in name or name.startswith(f"ix_{'y' * 40}") for name in names(posts))
    await posts.transform(drop_foreign_keys=["author_id", "editor_id"])
    assert len(names(db.t[new])) == 1


async def test_a_class_brings_the_index_to_a_table_that_exists(db: Database) -> None:
    await db.create_all(User, Post, options={Post: {"index_foreign_keys": False}})
    posts = await db.create(Post, transform=True)
    assert names(posts) == ["ix_post_author_id_fk", "ix_post_editor_id_fk"]
    assert names(await db.create(Post, transform=True)) == names(posts)


@pytest.mark.on_a_file
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
@pytest.mark.parametrize("indexed", [True, False])
async def test_migrations_see_no_difference(db: Database, tmp_path: Path, indexed: bool) -> None:
    options = {Post: {"index_foreign_keys": indexed}}
    await db.create_all(User, Post, options=options)
    migrator = Migrator(db, tmp_path / "migrations")
    await migrator.baseline()
    assert await migrator.drift() == []
    text = next((tmp_path / "migrations").glob("*.py")).read_text()
    assert ("index_foreign_keys=False" in text) is not indexed
    assert "_fk" not in text
    async with Database(":memory:") as other, Database(":memory:") as another:
        await other.create_all(User, Post)
        await another.create_all(User, Post, options=options)
        assert not list((await compare(other, another)).differences())


async def test_generated_code_does_not_repeat_it(db: Database, tmp_path: Path) -> None:
    await db.create_all(User, Post)
    path = tmp_path / "models.py"
    await db.reflect()
    create_mod_from_tables(path, db.t.user, db.t.post)
    text = path.read_text()
    assert "_fk" not in text
    assert "index_foreign_keys" not in text
