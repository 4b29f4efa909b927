"""Parts of JSON documents in every call, merges, and indexes over paths."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database, DataError, ForeignKey, Index, IntegrityError, InvalidOperationError, ValidationError
from deebase.queries import avg, count, max_, merge, sum_
from deebase.tools.codegen import create_mod_from_tables
from deebase.types import JsonPath
from tests.support.capabilities import can
from tests.support.migrations import compare, scratch
from tests.support.modules import imported
from tests.support.worlds import case


class Team:
    id: int
    rules: dict[str, Any] | None


@dataclass
class Look:
    color: str


class Task:
    __indexes__ = (
        Index("ix_task_views", JsonPath("meta", "stats", "views", as_=int)),
        Index("ux_task_ref", "team_id", JsonPath("meta", "refs", -1, "it's", as_=str), unique=True),
    )
    id: int
    team_id: ForeignKey[int, "team"] | None
    meta: dict[str, Any] | None
    tags: list[str] | None = None
    look: Look | None = None


METAS: list[dict[str, Any] | None] = [
    {"state": "open", "stats": {"views": 11, "size": 1.5}, "labels": ["bug", {"by": "Ann"}], "draft": True},
    {"state": "done", "stats": {"views": 3, "size": 2}, "labels": "bug", "draft": False},
    {"state": None, "stats": {"views": "many"}, "labels": []},
    {},
    None,
]


async def tasks_of(db: Database) -> Any:
    teams, tasks = await db.create_all(Team, Task)
    await teams.insert_all([{"rules": {"limit": 5}}, {"rules": None}])
    await tasks.insert_all([{"team_id": n % 2 + 1, "meta": meta} for n, meta in enumerate(METAS)])
    return tasks.rows_as(dict)


async def test_parts_are_taken_wherever_an_expression_is(db: Database) -> None:
    tasks = await tasks_of(db)
    views, state = tasks.json("meta", "stats", "views", as_=int), tasks.json("meta", "state", as_=str)
    labels = tasks.json("meta", "labels")

    async def ids(*where: Any, **options: Any) -> list[int]:
        return [row["id"] for row in await tasks(*where, **{"order_by": "id", **options})]

    assert await ids(views > 3) == [1]
    assert await ids(views.in_([3, 11]), order_by=views) == [2, 1]
    assert await ids(views.is_not(None), order_by=[views.desc(), "id"]) == [1, 2]
    assert await ids(state.like("o%") | labels.contains("bug")) == [1, 2]
    assert await ids(labels.contains([{"by": "Ann"}])) == [1]
    assert await ids(labels[1]["by"] == "Ann") == [1]
    assert await ids(tasks.json("meta").contains({"stats": {"views": 3.0}}), team_id=2) == [2]
    assert await ids(tasks.json("meta").has_key("state"), ~tasks.json("meta", "state").is_null()) == [1, 2]
    assert await ids(tasks.json("meta", "draft", as_=bool)) == [1]
    assert await ids(tasks.json("team_id.rules", "limit", as_=int) == 5) == [1, 3, 5]
    rows = await tasks(select=["id", views, labels], where="id < ?", params=[3], order_by="id")
    assert rows == [
        {"id": 1, "meta.stats.views": 11, "meta.labels": ["bug", {"by": "Ann"}]},
        {"id": 2, "meta.stats.views": 3, "meta.labels": "bug"},
    ]
    assert (await tasks.sum(views), await tasks.avg(views), await tasks.max(views)) == (14, 7.0, 11)
    assert await tasks.sum(tasks.json("meta", "stats", "size", as_=Decimal)) == Decimal("3.5")
    groups = await tasks.group("team_id", state, n=count(), total=sum_(views), order_by=["-n", "team_id"], limit=1)
    assert groups == [{"team_id": 1, "meta.state": None, "n": 2, "total": None}]
    mean, last = await tasks.group(m=avg(views), having=count() > 1), await tasks.group(x=max_(state))
    assert (mean, last) == ([{"m": 7.0}], [{"x": "open"}])
    assert await tasks.values(state) == ["done", "open", None]
    assert await tasks.count(distinct=views) == 2
    assert await tasks.update_where({"tags": ["new"]}, views > 3) == 1
    assert await tasks.delete_where(tasks.json("tags").contains("new")) == 1


async def test_pages_are_sorted_by_parts(db: Database) -> None:
    tasks = await tasks_of(db)
    for name, kind in (("views", int), ("size", float), ("size", Decimal)):
        for descending in (False, True):
            part = tasks.json("meta", "stats", name, as_=kind)
            order = [part.desc() if descending else part]
            wanted = [row["id"] for row in await tasks(order_by=[*order, "-id" if descending else "id"])]
            found, page = list[int](), await tasks.page(order_by=order, size=2)
            for _ in METAS:
                found += [row["id"] for row in page.rows]
                if page.next is None:
                    break
                page = await tasks.page(order_by=order, size=2, after=page.next)
            assert found == wanted


async def test_what_has_no_meaning_is_refused_in_words(db: Database) -> None:
    tasks = await tasks_of(db)
    meta = tasks.json("meta")
    refused: dict[str, tuple[Callable[[], Any], str]] = {
        "contains of a column": (lambda: tasks.c.tags.contains("bug"), r"tags holds JSON"),
        "like of a column": (lambda: tasks.c.tags.like("%bug%"), r"tags holds JSON"),
        "order of a column": (lambda: tasks.c.tags > ["a"], r"tags holds JSON"),
        "order": (lambda: meta["a"] > 3, r"meta: JSON values of any kind have no order"),
        "an expression": (lambda: meta == tasks.c.tags, r"meta: JSON is compared with a value"),
        "another column": (lambda: tasks.json("id", "a"), r"task\.id does not hold JSON"),
        "another type": (lambda: tasks.json("meta", as_=list), r"as_ is str, int"),
        "a NUL": (lambda: tasks.json("meta", "a\0"), "a path into JSON consists of"),
        "True as an index": (lambda: tasks.json("meta", True), "a path into JSON consists of"),
        "half a pair": (lambda: tasks.json("meta", "\ud800"), "a path into JSON consists of"),
        "a class": (lambda: meta.contains(object()), "meta: takes None, True"),
        "NaN": (lambda: meta == float("nan"), "meta: NaN"),
        "many values": (lambda: meta.contains([0] * 201), "has 200 values at most"),
        "no list": (lambda: meta.in_("abc"), "in_ takes a list"),
        "no key": (lambda: meta.has_key(3), "has_key takes a text"),
        "no type": (lambda: Index("ix", JsonPath("meta")), "needs the type"),
    }
    for name, (call, message) in refused.items():
        with case(name), pytest.raises(ValidationError, match=message):
            call()
    with pytest.raises(ValidationError, match="have no order"):
        await tasks(order_by=meta["state"].desc())
    with pytest.raises(ValidationError, match="cannot be compared"):
        await tasks.group(meta["state"], n=count())


async def test_merges_are_changes_of_existing_rows(db: Database) -> None:
    tasks = await tasks_of(db)
    change = merge({"stats": {"views": 12}, "draft": None, "seen": True})
    row = await tasks.update({"id": 1, "meta": change})
    assert row["meta"] == {
        "state": "open",
        "stats": {"views": 12, "size": 1.5},
        "labels": ["bug", {"by": "Ann"}],
        "seen": True,
    }
    assert await tasks.update_where({"meta": change}, tasks.json("meta", "state").is_null()) == 1
    assert (await tasks[3])["meta"]["stats"] == {"views": 12}
    await asyncio.gather(*(tasks.update({"id": 2, "meta": merge({str(n): n})}) for n in range(8)))
    assert (await tasks[2])["meta"] == {**(METAS[1] or {}), **{str(n): n for n in range(8)}}
    calls = {
        "insert": lambda: tasks.insert(meta=change),
        "upsert": lambda: tasks.upsert({"id": 1, "meta": change}),
        "insert_all": lambda: tasks.insert_all([{"meta": change}]),
        "update_all": lambda: tasks.update_all([{"id": 1, "meta": change}]),
        "upsert_all": lambda: tasks.upsert_all([{"id": 1, "meta": change}]),
        "number": lambda: tasks.update({"id": 1, "team_id": change}),
        "list": lambda: tasks.update({"id": 1, "tags": change}),
        "class": lambda: tasks.update({"id": 1, "look": merge({"color": "red"})}),
        "no JSON": lambda: tasks.update({"id": 1, "meta": merge({"at": object()})}),
        "no dict": lambda: tasks.update({"id": 1, "meta": merge([1])}),  # type: ignore[arg-type]
    }
    before = await tasks(order_by="id")
    for name, call in calls.items():
        with case(name), pytest.raises(ValidationError):
            await call()
    assert await tasks(order_by="id") == before


async def test_an_index_over_a_path_serves_its_conditions_and_order(db: Database) -> None:
    tasks = await tasks_of(db)
    await tasks.insert_all([{"meta": {"stats": {"views": n}, "refs": [{"it's": f"r{n}"}]}} for n in range(2000)])
    views = tasks.json("meta", "stats", "views", as_=int)
    if can(db).has_arrays:
        await db.q("ANALYZE task")
    for query in (tasks(views == 7), tasks(views.in_([7, 8])), tasks(views > 1990), tasks(order_by=views, limit=3)):
        assert "ix_task_views" in await query.explain()
    ref = tasks.json("meta", "refs", -1, "it's", as_=str)
    assert "ux_task_ref" in await tasks(ref == "r7", team_id=1).explain()
    await tasks.insert(team_id=1, meta={"refs": [{"it's": "same"}]})
    with pytest.raises(IntegrityError):
        await tasks.insert(team_id=1, meta={"refs": [0, {"it's": "same"}]})
    await tasks.create_index(JsonPath("meta", "draft", as_=bool), name="ix_draft")
    await tasks.create_index(tasks.json("meta", "stats", "size", as_=float).desc(), name="ix_size")
    if can(db).is_one_file:
        for path in (JsonPath("meta", "größe", as_=int), JsonPath("meta", "a", as_=Decimal)):
            with pytest.raises(ValidationError, match="SQLite has no index over JsonPath"):
                await tasks.create_index(path, name="ix_no")
    with pytest.raises(ValidationError, match=r"task\.id does not hold JSON"):
        await tasks.create_index(JsonPath("id", "a", as_=int), name="ix_no")


async def test_indexes_over_paths_travel(db: Database, tmp_path: Path) -> None:
    await db.create_all(Team, Task)
    await db.reflect()
    create_mod_from_tables(tmp_path / "tables.py", db.t.team, db.t.task)
    async with scratch(db) as other:
        with imported(tmp_path / "tables.py") as module:
            await module.create_tables(other)
        assert not [*(await compare(db, other)).differences()]
        await other.t.task.transform(types={"tags": dict})
        await other.t.task.transform(types={"tags": list[str]})
        names = [entry["name"] for entry in other.t.task.indexes]
        assert {"ix_task_views", "ux_task_ref"} <= set(names)
        await other.t.task.drop_index("ix_task_views")
        await other.t.task.create_index(JsonPath("meta", "stats", "size", as_=int), name="ix_task_views")
        assert "ix_task_views" in str([*map(str, (await compare(other, db)).differences())])
        # The path of an index of the class is that of the class again.
        await other.create_all(Team, Task, transform=True)
        assert not [each for each in map(str, (await compare(other, db)).differences()) if "ix_task_views" in each]


async def test_documents_that_others_wrote(db: Database) -> None:
    declared = "JSON" if can(db).is_one_file else "json"
    document = r'{"gr\u00f6\u00dfe": {"a\/b": [1.50, 123456789012345678901234567890]}}'
    await db.script(f"CREATE TABLE t (id INTEGER PRIMARY KEY, d {declared}); INSERT INTO t VALUES (2, NULL)")
    await db.script(f"INSERT INTO t VALUES (1, '{document}')")
    await db.reflect()
    t = db.t.t
    numbers = t.json("d", "größe", "a/b")
    assert await t.count(numbers.contains(1.5)) == await t.count(numbers[0] == 1.5) == 1
    assert await t(order_by="id").scalars(t.json("d", "größe", "a/b", 1, as_=Decimal)) == [
        Decimal(123456789012345678901234567890),
        None,
    ]
    assert await t(order_by="id").scalars(t.json("d", "größe", "a/b", 1, as_=int)) == [None, None]
    assert (await t.update({"id": 2, "d": merge({"a": {"b": 1}})}))["d"] == {"a": {"b": 1}}
    assert await t.exists(sa.and_(t.json("d", "a") == {"b": 1}, t.c.id == 2))
    if can(db).is_one_file:
        await db.q("INSERT INTO t VALUES (3, 'no {json')")
        with pytest.raises(DataError, match="JSON"):
            await t(t.json("d", "a", as_=int) == 1)


async def test_a_scope_holds_for_merges_and_conditions(db: Database) -> None:
    tasks = await tasks_of(db)
    mine = tasks.xtra(team_id=1)
    assert await mine.count(tasks.json("meta", "labels").exists()) == 2
    assert await mine.update_where({"meta": merge({"x": 1})}, all=True) == 3
    assert await tasks.count(tasks.json("meta").has_key("x")) == 3
    with pytest.raises(InvalidOperationError):
        await mine.create_index(JsonPath("meta", "x", as_=int), name="ix")
