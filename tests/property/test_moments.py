"""Datetimes, dates and times in many text forms: SQLite answers as PostgreSQL does, which has types for them.

`DEEBASE_EXAMPLES=5000 pytest --long tests/property/test_moments.py` runs as many cases as one likes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deebase import Database, DeeBaseError, ForeignKey, NotFoundError, Table, UTCDateTime
from tests.support.moments import forms_of

CASES = int(os.environ.get("DEEBASE_EXAMPLES", "2000"))

Rows = Table[dict[str, Any]]


class Plain:
    id: int
    at: datetime | None
    n: int = 0


class Aware:
    id: int
    at: UTCDateTime | None
    n: int = 0


class Day:
    id: int
    at: date | None
    n: int = 0


class Clock:
    id: int
    at: time | None
    n: int = 0


class KeyPlain:
    at: datetime
    n: int = 0


class KeyAware:
    at: UTCDateTime
    n: int = 0


class KeyDay:
    at: date
    n: int = 0


class KeyClock:
    at: time
    n: int = 0


class ChildPlain:
    id: int
    at: ForeignKey[datetime, "key_plain.at"]


class ChildAware:
    id: int
    at: ForeignKey[UTCDateTime, "key_aware.at"]


class ChildDay:
    id: int
    at: ForeignKey[date, "key_day.at"]


class ChildClock:
    id: int
    at: ForeignKey[time, "key_clock.at"]


KINDS = ("plain", "aware", "day", "clock")
TABLES = (Plain, Aware, Day, Clock)
KEYED = (KeyPlain, KeyAware, KeyDay, KeyClock)
CHILDREN = (ChildPlain, ChildAware, ChildDay, ChildClock)
#: Tables of other programs: without an index, and with one.
FOREIGN = ("bare_", "indexed_")
#: How other programs declare such a column.
DECLARED = {"plain": "DATETIME", "aware": "DATETIME UTC TEXT", "day": "DATE", "clock": "TIME"}


class Undone(Exception):
    """Rolls a transaction back."""


@dataclass
class Side:
    """A database, and which of its tables are meant."""

    db: Database
    prefix: str
    sqlite: bool

    def table(self, kind: str) -> Rows:
        return self.db.t[f"{self.prefix}{kind}"]

    def keyed(self, kind: str) -> Rows:
        return self.db.t[f"{self.prefix}key_{kind}"]

    def children(self, kind: str) -> Rows:
        return self.db.t[f"{self.prefix}child_{kind}"]

    async def fill(self, table: Rows, values: Sequence[Any], forms: Sequence[Any]) -> None:
        """Insert rows: on SQLite as other programs write them, by SQL."""
        keyed = table.pks == ("at",)
        rows: list[dict[str, Any]] = [
            {"at": value} if keyed else {"id": n, "at": value} for n, value in enumerate(values, 1)
        ]
        if not self.sqlite:
            await table.insert_all(rows)
            return
        given = [{**row, "at": form} for row, form in zip(rows, forms, strict=True)]
        names = ", ".join(given[0])
        listed = ", ".join([f"({', '.join('?' * len(row))})" for row in given])
        await self.db.q(
            f'insert into "{table.name}" ({names}) values {listed}', [x for row in given for x in row.values()]
        )


class World:
    def __init__(self, runner: asyncio.Runner, sides: list[Side]) -> None:
        self.runner = runner
        self.sides = sides

    def each(self, case: Case, work: Callable[[Side], Coroutine[Any, Any, Any]]) -> None:
        """Do the same everywhere, and compare with PostgreSQL, which is the last."""
        sides = [side for side in self.sides if side.prefix in ("", case.prefix)]

        async def all_of_them() -> list[Any]:
            return [await work(side) for side in sides]

        *found, right = self.runner.run(all_of_them())
        for side, result in zip(sides, found, strict=False):
            for name, answer in right.items():
                assert result[name] == answer, f"{side.prefix}{name}: {result[name]} where {answer} is right"


async def opened(path: str, prefixes: Sequence[str]) -> list[Side]:
    db = Database(path, durability="normal", pool_size=2)
    indexed = {cls: {"indexes": ["at"]} for cls in TABLES}
    await db.create_all(*TABLES, options=indexed)
    await db.create_all(*KEYED, options={cls: {"pk": "at"} for cls in KEYED})
    await db.create_all(*CHILDREN, options={cls: {"indexes": ["at"]} for cls in CHILDREN})
    for prefix in prefixes:
        for kind, declared in DECLARED.items():
            await db.script(
                f"""
                CREATE TABLE {prefix}{kind} (id INTEGER PRIMARY KEY, at {declared}, n INTEGER DEFAULT 0);
                CREATE TABLE {prefix}key_{kind} (at {declared} NOT NULL PRIMARY KEY, n INTEGER DEFAULT 0);
                CREATE TABLE {prefix}child_{kind} (
                    id INTEGER PRIMARY KEY, at {declared} REFERENCES {prefix}key_{kind} (at)
                );
                """
                + (f"CREATE INDEX {prefix}{kind}_at ON {prefix}{kind} (at);" if prefix == "indexed_" else "")
            )
    await db.reflect()
    return [Side(db, prefix, sqlite=True) for prefix in ("", *prefixes)]


@pytest.fixture
def world(runner: asyncio.Runner, tmp_path: Path, postgres_url: str) -> Iterator[World]:
    async def prepare() -> list[Side]:
        sides = await opened(str(tmp_path / "test.db"), FOREIGN)
        (server,) = await opened(postgres_url, ())
        return [*sides, Side(server.db, "", sqlite=False)]

    made = World(runner, runner.run(prepare()))
    yield made

    async def close() -> None:
        for db in dict.fromkeys([side.db for side in made.sides]):
            await db.close()

    runner.run(close())


# -- the cases -----------------------------------------------------------------------------------------

#: Near to each other, so that rows tie, days turn, and offsets cross them.
_DATETIMES = st.one_of(
    st.sampled_from(
        [
            datetime(2024, 1, 1),
            datetime(2024, 1, 1, 0, 0, 0, 1),
            datetime(2023, 12, 31, 23, 59, 59, 999999),
            datetime(2024, 1, 1, 12, 30),
            datetime(2024, 1, 1, 12, 30, 15, 250000),
            datetime(2024, 1, 2),
            datetime(2023, 12, 31, 22),
        ]
    ),
    st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1)),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "plain": _DATETIMES,
    "aware": _DATETIMES.map(lambda value: value.replace(tzinfo=UTC)),
    "day": st.one_of(
        st.sampled_from([date(2024, 1, 1), date(2023, 12, 31), date(2024, 1, 2)]),
        st.dates(date(1600, 1, 1), date(2200, 1, 1)),
    ),
    "clock": st.one_of(
        st.sampled_from([time(), time(10), time(10, 30, 0, 1), time(23, 59, 59, 999999), time(10, 0, 0, 500000)]),
        st.times(),
    ),
}


@dataclass
class Case:
    """Rows with their forms, and values to ask for."""

    kind: str
    values: list[Any]
    forms: list[Any]
    asked: Any
    other: Any
    #: Which table of another program.
    prefix: str


@st.composite
def cases(draw: st.DrawFn, *, unique: bool = False) -> Case:
    kind = draw(st.sampled_from(KINDS))
    strategy = VALUES[kind]
    pool = draw(st.lists(strategy, min_size=1, max_size=4, unique=True))
    values = pool if unique else draw(st.lists(st.sampled_from([*pool, None]), min_size=1, max_size=9))
    forms = [None if value is None else draw(st.sampled_from(forms_of(value))) for value in values]
    asked, other = (draw(st.one_of(st.sampled_from(pool), strategy)) for _ in range(2))
    return Case(kind, values, forms, asked, other, draw(st.sampled_from(FOREIGN)))


async def in_order(rows: Any) -> list[int]:
    return [row["id"] for row in await rows]


async def ids(rows: Any) -> list[int]:
    return sorted(await in_order(rows))


async def pages(table: Rows, order: Any) -> list[Any]:
    """Walk all pages, and back again."""
    walked: list[Any] = []
    page = await table.page(size=2, order_by=order)
    walked.append([row["id"] for row in page.rows])
    while page.next is not None:
        assert len(walked) < 20, "the same page for ever"
        page = await table.page(size=2, order_by=order, after=page.next)
        walked.append([row["id"] for row in page.rows])
    while page.previous is not None:
        assert len(walked) < 40, "the same page for ever"
        page = await table.page(size=2, order_by=order, after=page.previous)
        walked.append([row["id"] for row in page.rows])
    return walked


async def undone(side: Side, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a piece of work returns, and roll it back."""
    result: Any = None
    try:
        async with side.db.transaction():
            result = await work()
            raise Undone
    except Undone:
        return result


async def conditions(side: Side, case: Case) -> dict[str, Any]:
    """Return the rows that each condition finds."""
    table = side.table(case.kind)
    at, one, two = table.c.at, case.asked, case.other
    low, high = sorted([one, two])
    found = {
        "=": at == one,
        "!=": at != one,
        "<": at < one,
        "<=": at <= one,
        ">": at > one,
        ">=": at >= one,
        "between": at.between(low, high),
        "not between": ~at.between(low, high),
        "in": at.in_([one, two]),
        "not in": at.not_in([one, two]),
        "not =": ~(at == one),
        "not <": ~(at < one),
        "or": (at == one) | (at > two),
        "and": (at >= low) & (at <= high) & (table.c.n == 0),
        "is distinct from": at.is_distinct_from(one),
        "is null": at.is_(None),
        "itself": at == at,
    }
    answers: dict[str, Any] = {name: await ids(table(condition)) for name, condition in found.items()}
    answers["keyword"] = await ids(table(at=one))
    answers["keywords"] = await ids(table(at=[one, two, None]))
    answers["counts"] = [await table.count(at=one), await table.count(at < one), await table.count(at=[one, two])]
    answers["exists"] = [await table.exists(at=one), await table(at > one).exists()]
    row = await table(at=one, order_by="id").first()
    answers["first"] = row
    try:
        answers["lookup"] = await table.lookup(at=one)
    except NotFoundError:
        answers["lookup"] = None
    return answers


async def orders(side: Side, case: Case) -> dict[str, Any]:
    """Return the rows in their orders."""
    table = side.table(case.kind)
    answers: dict[str, Any] = {}
    # NULLs stand elsewhere: first on SQLite.
    present = table.c.at.is_not(None)
    for order in (["at", "id"], ["-at", "id"], ["at", "-id"], ["n", "-at", "-id"]):
        answers[f"order {order}"] = await in_order(table(present, order_by=order))
        answers[f"first {order}"] = await in_order(table(present, order_by=order, limit=3, offset=1))
    by_expression = [table.c.at.desc(), table.c.id.desc()]
    answers["order by expressions"] = await in_order(table(present, order_by=by_expression, limit=4))
    if None not in case.values:
        for order in ("at", "-at", ["at", "-n"], ["n", "-at"]):
            answers[f"pages {order}"] = await pages(table, order)
    scoped = table.xtra(at=case.asked)
    answers["scope"] = [await ids(scoped()), await scoped.count(), await pages(scoped, "-n")]
    function = {"plain": "deebase_datetime", "aware": "deebase_datetime", "day": "deebase_date"}.get(
        case.kind, "deebase_time"
    )
    column = f"{function}(at)" if side.sqlite else "at"
    rows = await side.db.q(f'select count(*) as n from "{table.name}" group by {column} order by 1')
    answers["groups"] = [row["n"] for row in rows]
    rows = await side.db.q(f'select count(distinct {column}) as n from "{table.name}"')
    answers["distinct"] = rows[0]["n"]
    return answers


async def changes(side: Side, case: Case) -> dict[str, Any]:
    """Return what changes do, each of which is rolled back."""
    table = side.table(case.kind)
    at, one, two = table.c.at, case.asked, case.other

    async def updated(condition: Any) -> Any:
        return await table.update_where({"n": 7}, condition), await ids(table(n=7))

    async def moved() -> Any:
        return await table.update_where({"at": two}, at == one), await ids(table(at=two)), await ids(table(at=one))

    async def deleted(condition: Any) -> Any:
        return await table.delete_where(condition), await ids(table())

    async def written_back() -> Any:
        rows = await table()
        for row in rows:
            assert await table.update(row) == row
        assert await table.update_all(rows) == len(rows)
        return sorted([row["id"] for row in rows])

    async def scoped() -> Any:
        scope = table.xtra(at=one)
        row = await scope.insert({"n": 3})
        return row["n"], row["at"] == one, await scope.count(), await scope.delete_where(all=True)

    answers: dict[str, Any] = {}
    for name, condition in (("=", at == one), ("<", at < one), (">=", at >= one), ("in", at.in_([one, two]))):
        answers[f"update {name}"] = await undone(side, lambda condition=condition: updated(condition))  # type: ignore[misc]
        answers[f"delete {name}"] = await undone(side, lambda condition=condition: deleted(condition))  # type: ignore[misc]
    answers["set"] = await undone(side, moved)
    before = await stored(side, table)
    answers["write back"] = await written_back()
    assert await stored(side, table) == before, "a row that was read and written back has changed"
    answers["write in scope"] = await undone(side, scoped)
    return answers


async def stored(side: Side, table: Rows) -> list[Any]:
    text = "typeof(at) || ' ' || quote(at)" if side.sqlite else "at::text"
    return [dict(row) for row in await side.db.q(f'select {text} as at, n from "{table.name}" order by 1, 2')]


async def keys(side: Side, case: Case) -> dict[str, Any]:
    """Return what a table answers whose key is a moment, and one that refers to it."""
    table, children = side.keyed(case.kind), side.children(case.kind)
    one = case.asked
    there = [*case.values, one]
    answers: dict[str, Any] = {
        "get": [await table.get(value, default=None) for value in there],
        "gather": list(await asyncio.gather(*(table.get(value, default=None) for value in there))),
        "exists": [await table.exists(value) for value in there],
        "in key order": [row["at"] for row in await table(order_by="at")],
        "pages": [row["at"] for row in (await table.page(size=3)).rows],
    }
    rows = await children(order_by="id")
    answers["children"] = rows
    answers["parents"] = list(await asyncio.gather(*(children.fk.at(row) for row in rows)))
    answers["with parents"] = await children.with_parents(rows, "at")
    parents = await table(order_by="at")
    answers["with children"] = await table.with_children(parents, children, order_by="id")
    answers["get children"] = [await ids(table.get_children(row, children)) for row in parents]

    async def upserted() -> Any:
        return [await table.upsert(at=value, n=5) for value in there], await table.count(), await ids(children())

    async def created() -> Any:
        found = [await table.get_or_create(at=value, defaults={"n": 6}) for value in there]
        return found, await table.count()

    async def ignored() -> Any:
        return await table.insert_all([{"at": value} for value in there], on_conflict="ignore"), await table.count()

    async def refused() -> Any:
        try:
            async with side.db.transaction():
                await table.insert(at=case.values[0])
        except DeeBaseError as error:
            return type(error).__name__, await table.count()
        return None

    async def changed() -> Any:
        await children.delete_where(all=True)
        row = await table.update({"at": case.values[0], "n": 9})
        count = await table.update_all([{"at": value, "n": 8} for value in case.values])
        dropped = await table.delete_all(case.values[1:])
        await table.delete(case.values[0])
        return row, count, dropped, await table.count()

    async def moved() -> Any:
        await children.delete_where(all=True)
        row = await table.update({"at": one, "n": 4}, pk=case.values[0])
        return row, await table.count(at=one)

    for name, work in (("upsert", upserted), ("get_or_create", created), ("ignore", ignored), ("change", changed)):
        answers[name] = await undone(side, work)
    answers["refused"] = await undone(side, refused)

    async def onto_another() -> Any:
        await children.delete_where(all=True)
        try:
            async with side.db.transaction():
                await table.update({"at": case.values[-1]}, pk=case.values[0])
        except DeeBaseError as error:
            return type(error).__name__
        return await table.count()

    answers["onto another"] = await undone(side, onto_another)
    if one not in case.values:
        answers["move"] = await undone(side, moved)
    return answers


def run(world: World, cases_: st.SearchStrategy[Case], check: Callable[[Case], None], count: int) -> None:
    checked = settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)(
        given(cases_)(check)
    )
    checked()


def check_rows(world: World, count: int) -> None:
    """Compare what tables with a column of moments answer."""

    def check(case: Case) -> None:
        async def fill(side: Side) -> dict[str, Any]:
            await side.table(case.kind).delete_where(all=True)
            await side.fill(side.table(case.kind), case.values, case.forms)
            return {}

        world.each(case, fill)
        for part in (conditions, orders, changes):
            world.each(case, lambda side: part(side, case))  # noqa: B023 - called at once

    run(world, cases(), check, count)


def check_keys(world: World, count: int) -> None:
    """Compare what tables answer whose key is a moment."""

    def check(case: Case) -> None:
        async def fill(side: Side) -> dict[str, Any]:
            await side.children(case.kind).delete_where(all=True)
            await side.keyed(case.kind).delete_where(all=True)
            await side.fill(side.keyed(case.kind), case.values, case.forms)
            # A foreign key of SQLite compares text.
            await side.fill(side.children(case.kind), case.values, case.forms)
            return {}

        world.each(case, fill)
        world.each(case, lambda side: keys(side, case))

    run(world, cases(unique=True), check, count)


def test_columns_of_many_forms(world: World) -> None:
    check_rows(world, 20)


def test_keys_of_many_forms(world: World) -> None:
    check_keys(world, 15)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_columns_of_many_forms_long(world: World) -> None:
    check_rows(world, CASES)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_keys_of_many_forms_long(world: World) -> None:
    check_keys(world, CASES // 4)
