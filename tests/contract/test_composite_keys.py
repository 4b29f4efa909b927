"""Foreign keys of several columns that a class says: the answer for rows of tenants that refer to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deebase import (
    Database,
    ForeignKey,
    ForeignKeyViolationError,
    Index,
    InvalidOperationError,
    SchemaError,
    create_mod_from_tables,
)
from deebase.tools.copying import copy_database
from tests.support.modules import imported


@dataclass
class Company:
    id: int


@dataclass
class Project:
    id: int
    company_id: ForeignKey[int, "company"]


@dataclass
class Task:
    id: int
    company_id: int
    project_id: int | None = None


@dataclass
class Line:
    a: int
    b: int
    ra: int | None = None
    rb: int | None = None


OPTIONS: dict[type[Any], dict[str, Any]] = {
    # What it refers to is made unique by an index, which is there before the foreign key.
    Task: {
        "foreign_keys": {
            ("company_id", "project_id"): ForeignKey("project", on_delete="cascade", columns=("company_id", "id"))
        }
    },
    Project: {"indexes": [Index("ux_project", "company_id", "id", unique=True)]},
    Line: {"pk": ["a", "b"], "foreign_keys": {("ra", "rb"): ForeignKey("line")}},
}


async def make(db: Database) -> None:
    await db.create_all(Task, Line, Project, Company, options=OPTIONS)
    await db.t.company.insert_all([{"id": 1}, {"id": 2}])
    await db.t.project.insert(id=7, company_id=1)


async def test_a_row_of_another_tenant_is_no_parent(db: Database) -> None:
    await make(db)
    tasks = db.t[Task]
    task = await tasks.insert(company_id=1, project_id=7)
    await tasks.insert(company_id=2)
    with pytest.raises(ForeignKeyViolationError, match="refers to a row of project that does not exist"):
        await tasks.insert(company_id=2, project_id=7)
    assert await tasks.with_parents(tasks(id=1), ("company_id", "project_id")) == [(task, Project(7, 1))]
    await db.t.project.delete(7)
    assert await tasks.count() == 1


async def test_a_key_refers_to_the_key_of_its_target(db: Database) -> None:
    await make(db)
    await db.t.line.insert(a=1, b=1)
    await db.t.line.insert(a=1, b=2, ra=1, rb=1)
    with pytest.raises(ForeignKeyViolationError):
        await db.t.line.insert(a=1, b=3, ra=1, rb=9)
    assert db.t.line.foreign_keys == [{"column": ["ra", "rb"], "references": ["line.a", "line.b"]}]


async def test_it_is_reflected_written_and_copied(db: Database, tmp_path: Path) -> None:
    await make(db)
    await db.reflect()
    keys = db.t.task.foreign_keys
    assert keys == [
        {
            "column": ["company_id", "project_id"],
            "references": ["project.company_id", "project.id"],
            "on_delete": "cascade",
        }
    ]
    create_mod_from_tables(tmp_path / "tables.py", *db.t["company", "line", "project", "task"])
    async with Database(tmp_path / "again.db") as again:
        with imported(tmp_path / "tables.py") as module:
            await module.create_tables(again)
        assert again.t.task.foreign_keys == keys
    async with Database(tmp_path / "copy.db") as copy:
        report = await copy_database(db, copy)
        assert report.left_out == ()
        assert copy.t.task.foreign_keys == keys


@pytest.mark.parametrize(
    ("foreign_keys", "message"),
    [
        ({("company_id", "nope"): ForeignKey("project")}, "task has no column 'nope'"),
        ({("company_id", "project_id"): ForeignKey("project")}, "project has no key of 2 columns"),
        ({("company_id", "project_id"): ForeignKey("project", columns=("id",))}, "refers to 1 of project"),
        ({("company_id", "project_id"): ForeignKey("project", columns=("id", "x"))}, "refers to project.x"),
        ({("company_id", "project_id"): ForeignKey("gone")}, "refers to table 'gone'"),
    ],
)
async def test_what_it_cannot_refer_to_is_named(db: Database, foreign_keys: Any, message: str) -> None:
    await db.create_all(Company, Project)
    with pytest.raises(SchemaError) as caught:
        await db.create(Task, foreign_keys=foreign_keys)
    assert message in caught.value.message
    await db.reflect()
    assert "task" not in db.t


async def test_a_table_that_is_there_gets_none(db: Database) -> None:
    await make(db)
    await db.create(Task, transform=True, **OPTIONS[Task])
    with pytest.raises(InvalidOperationError, match="several columns can only be created with its table"):
        await db.create(Line, transform=True, pk=["a", "b"], foreign_keys={("rb", "ra"): ForeignKey("line")})
