"""Conditions of partial indexes are the user's SQL, to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from deebase import Database, Index, InvalidOperationError, Table, UniqueViolationError


class Tag:
    id: int
    name: str
    kind: str


CONDITION = "kind <> 'a :b' AND kind <> '%s ?'"


async def must_hold(tags: Table[dict[str, Any]]) -> None:
    for kind in ("a :b", "%s ?"):
        await tags.insert_all({"name": "x", "kind": kind} for _ in range(2))
    await tags.insert(name="x", kind="other")
    with pytest.raises(UniqueViolationError):
        await tags.insert(name="x", kind="other still")


async def test_a_condition_with_colons_is_created_as_it_is(db: Database) -> None:
    await must_hold(await db.create(Tag, indexes=[Index("ux_tag", "name", unique=True, where=CONDITION)]))


async def test_a_condition_with_colons_is_added_as_it_is(db: Database) -> None:
    tags = await db.create(Tag)
    await tags.create_index("name", unique=True, where=CONDITION)
    await must_hold(tags)


async def test_an_index_over_part_of_the_rows_does_not_make_get_or_create_safe(db: Database) -> None:
    class Job:
        id: int
        name: str
        done: bool

    jobs = await db.create(Job, indexes=[Index("ux_open", "name", unique=True, where="NOT done")])
    for _ in range(2):
        with pytest.raises(InvalidOperationError, match="no unique columns among name"):
            await jobs.get_or_create({"name": "x"}, defaults={"done": True})
        await db.reflect()
        jobs = db.t.job
