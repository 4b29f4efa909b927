"""Programs that start at once and bring the same schema about: none of them fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deebase import Database, Table

#: Programs that start together, and how often.
PROGRAMS, ROUNDS = 4, 4


class Team:
    id: int
    name: str


Grown = type("Team", (), {"__annotations__": {"id": int, "name": str, "city": str | None}})
Member = type("Member", (), {"__annotations__": {"id": int, "name": str}})


async def _transform_all(db: Database) -> None:
    await db.create_all(Grown, Member, transform=True)


async def _transform(db: Database) -> None:
    await db.create(Grown, name="team", transform=True, indexes=["name", "city"], checks=["name <> ''"])


async def _view(db: Database) -> None:
    await db.create_view("named", "SELECT id, name FROM team", replace=True)


async def _other_view(db: Database) -> None:
    await db.create_view("named", "SELECT name, id AS number FROM team", replace=True)


async def _index(db: Database) -> None:
    team: Table[Any] = await db.reflect_table("team")
    await team.create_index("name", if_not_exists=True)


async def _new(db: Database) -> None:
    await db.create_all(Team, Member, if_not_exists=True)


@pytest.mark.filterwarnings("ignore:table team exists and differs")
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
@pytest.mark.parametrize("start", [_transform_all, _transform, _view, _other_view, _index, _new])
async def test_programs_that_start_at_once_all_start(db_url: str, start: Any) -> None:
    programs = [Database(db_url, pool_size=2) for _ in range(PROGRAMS)]
    try:
        for number in range(ROUNDS):
            await programs[0].script(
                "DROP VIEW IF EXISTS named; DROP TABLE IF EXISTS team; DROP TABLE IF EXISTS member"
            )
            await programs[0].q("CREATE TABLE team (id INTEGER PRIMARY KEY, name VARCHAR NOT NULL)")
            if number % 2:
                await programs[0].q("CREATE VIEW named AS SELECT id FROM team")
                if start in (_transform, _transform_all):
                    await programs[0].q("DROP VIEW named")
            await asyncio.gather(*(start(program) for program in programs))
    finally:
        for program in programs:
            await program.close()
