"""A dictionary, a SQLite file, SQLite in memory and PostgreSQL, driven in lock step: after each step they agree.

`DEEBASE_EXAMPLES=2000 pytest --long tests/property/test_three_databases.py` runs as many examples as one likes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from deebase import Database, DeeBaseError, ForeignKey, Index, IntegrityError, Table
from tests.support.children_rules import ChildrenRules
from tests.support.dict_model import EXTRA, FOLDERS, Model, Record, Refused
from tests.support.json_rules import JsonRules, metas
from tests.support.query_rules import QueryRules, bodies


class Folder:
    id: int
    owner: int
    name: str
    rank: int | None
    parent_id: ForeignKey[int, "folder"] | None


class Note:
    id: int
    owner: int = 1
    title: str
    n: int = 0
    folder_id: ForeignKey[int, "folder"] | None
    other_id: ForeignKey[int, "folder"] | None
    body: str = ""
    meta: dict[str, Any] | None = None


class Left(Exception):
    """Leaves a transaction by an exception."""


#: Class and, of refused constraints, nothing more: which of several a database meets first is its own affair.
Outcome = tuple[str, Any]


def named(error: BaseException) -> Outcome:
    return "error", "IntegrityError" if isinstance(error, IntegrityError) else type(error).__name__


class Side:
    """One of the databases."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.db = Database(target, durability="normal", pool_size=2)
        self.open: list[Any] = []

    def notes(self, scope: int | None) -> Table[Any]:
        table = self.db.t["note"]
        return table if scope is None else table.xtra(owner=scope)

    async def prepare(self) -> None:
        """Create the tables again."""
        indexes = [Index("ux_title", "title", unique=True)]
        options = {Note: {"indexes": indexes, "search": ["title", "body"]}}
        await self.db.create_all(Folder, Note, options=options)
        await self.db.t["folder"].insert_all(FOLDERS.values())

    async def empty(self) -> None:
        while self.open:
            await self.open.pop().__aexit__(Left, Left(), None)
        for name in ("note", "folder"):
            await self.db.t[name].drop()

    async def reopen(self) -> None:
        await self.db.close()
        self.db = Database(self.target, durability="normal", pool_size=2)
        await self.db.reflect()


class World:
    """The databases of all examples, in one event loop, and therefore one context."""

    def __init__(self, runner: asyncio.Runner, targets: list[str]) -> None:
        self.runner = runner
        self.sides = [Side(target) for target in targets]

    def each(self, work: Callable[[Side], Coroutine[Any, Any, Any]]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            # One after the other in this very task: its context holds the open transactions.
            return [await self._outcome(work(side)) for side in self.sides]

        return self.runner.run(all_of_them())

    async def _outcome(self, work: Coroutine[Any, Any, Any]) -> Outcome:
        try:
            return "ok", await work
        except DeeBaseError as error:
            return named(error)


keys = st.integers(1, 8)
titles = st.sampled_from(["a", "b", "c", "d", "it's", '"', "%", "é"])
scopes = st.sampled_from([None, 1, 2])
numbers = st.integers(0, 3)
folders = st.sampled_from([None, None, 1, 2, 3, 3, 9])
records = st.fixed_dictionaries(
    {"id": keys, "title": titles},
    optional={
        **{"n": numbers, "owner": st.sampled_from([1, 2]), "folder_id": folders, "other_id": folders},
        **{"body": bodies, "meta": metas},
    },
)


class LockStep(QueryRules, JsonRules, ChildrenRules, RuleBasedStateMachine):
    """Does the same everywhere and compares what becomes of it."""

    world: World

    @initialize()
    def prepare(self) -> None:
        self.model = Model()
        for outcome in self.world.each(Side.prepare):
            assert outcome == ("ok", None)

    def same(
        self,
        expected: Callable[[], Any],
        work: Callable[[Side], Coroutine[Any, Any, Any]],
        *,
        contained: bool = False,
        block: bool = False,
    ) -> None:
        """Compare the outcomes of the databases with the model's, then what is stored."""
        try:
            wanted: Outcome = "ok", expected() if block else self.model.apply(expected, contained=contained)
        except Refused as refused:
            wanted = "error", "IntegrityError" if refused.name.endswith("ViolationError") else refused.name
        found = self.world.each(work)
        assert found == [wanted] * len(found), f"{found} where {wanted} is right"
        if not self.model.aborted:
            stored = self.world.each(lambda side: _all(side.db.t["note"]))
            right = self.model.seen(None)
            assert stored == [("ok", right)] * len(stored), f"{stored} where {right} is right"
        for side in self.world.sides:
            assert side.db._core.executor.lanes_in_use == (1 if self.model.blocks else 0)

    # -- one row -----------------------------------------------------------------------------------

    @rule(scope=scopes, record=records)
    def insert(self, scope: int | None, record: Record) -> None:
        self.same(lambda: self.model.insert(scope, record), lambda side: side.notes(scope).insert(record))

    @rule(scope=scopes, key=keys, values=records, data=st.data())
    def update(self, scope: int | None, key: int, values: Record, data: st.DataObject) -> None:
        names = data.draw(st.sets(st.sampled_from(sorted(values.keys() - {"id"})), min_size=1))
        chosen = {name: values[name] for name in sorted(names)}
        self.same(lambda: self.model.update(scope, key, chosen), lambda side: side.notes(scope).update(chosen, pk=key))

    @rule(scope=scopes, record=records)
    def upsert(self, scope: int | None, record: Record) -> None:
        self.same(lambda: self.model.upsert(scope, record), lambda side: side.notes(scope).upsert(record))

    @rule(scope=scopes, key=keys, title=titles)
    def get_or_create(self, scope: int | None, key: int, title: str) -> None:
        self.same(
            lambda: self.model.get_or_create(scope, key, title),
            lambda side: side.notes(scope).get_or_create({"title": title}, defaults={"id": key}),
        )

    @rule(scope=scopes, key=keys)
    def delete(self, scope: int | None, key: int) -> None:
        self.same(lambda: self.model.delete(scope, key), lambda side: side.notes(scope).delete(key))

    # -- many rows ---------------------------------------------------------------------------------

    @rule(scope=scopes, rows=st.lists(records, min_size=1, max_size=4), conflict=st.sampled_from([None, "ignore"]))
    def insert_all(self, scope: int | None, rows: list[Record], conflict: Any) -> None:
        if scope is not None:
            # Of a row that the scope refuses and one that the database refuses, either may be met first.
            rows = [{name: value for name, value in row.items() if name != "owner"} for row in rows]
        self.same(
            lambda: self.model.insert_all(scope, rows, conflict),
            lambda side: side.notes(scope).insert_all(rows, on_conflict=conflict),
            contained=True,
        )

    @rule(scope=scopes, least=numbers)
    def update_where(self, scope: int | None, least: int) -> None:
        async def work(side: Side) -> int:
            table = side.notes(scope)
            return await table.update_where({"n": side.db.sql(table.c.n + 1)}, table.c.n >= least)

        self.same(lambda: self.model.update_where(scope, lambda row: row["n"] >= least), work)

    @rule(scope=scopes, least=numbers)
    def delete_where(self, scope: int | None, least: int) -> None:
        self.same(
            lambda: self.model.delete_where(scope, lambda row: row["n"] >= least),
            lambda side: side.notes(scope).delete_where("n >= ?", [least]),
        )

    # -- reading -----------------------------------------------------------------------------------

    @rule(scope=scopes, key=keys, title=titles)
    def read_one(self, scope: int | None, key: int, title: str) -> None:
        self.same(lambda: self.model.get(scope, key), lambda side: side.notes(scope).get(key))
        self.same(lambda: self.model.lookup(scope, title), lambda side: side.notes(scope).lookup(title=title))

    @rule(scope=scopes, least=numbers, limit=st.integers(0, 4), backwards=st.booleans())
    def read_some(self, scope: int | None, least: int, limit: int, backwards: bool) -> None:
        def expected() -> tuple[list[Record], int]:
            rows = [row for row in self.model.seen(scope) if row["n"] >= least or row["title"] == "a"]
            return (rows[::-1] if backwards else rows)[:limit], len(rows)

        async def work(side: Side) -> tuple[list[Record], int]:
            table, order = side.notes(scope), "-id" if backwards else "id"
            rows = await table("n >= ? OR title = ?", [least, "a"], order_by=order, limit=limit)
            return rows, await table.count((table.c.n >= least) | (table.c.title == "a"))

        self.same(expected, work)

    @rule(scope=scopes)
    def follow_folders(self, scope: int | None) -> None:
        async def work(side: Side) -> list[Any]:
            table = side.notes(scope)
            return [parent for _, parent in await table.with_parents(table(order_by="id"), "folder_id")]

        self.same(lambda: [self.model.folder_of(scope, row) for row in self.model.seen(scope)], work)

    # -- transactions ------------------------------------------------------------------------------

    @rule()
    def begin(self) -> None:
        async def work(side: Side) -> None:
            tx = side.db.transaction()
            await tx.__aenter__()
            side.open.append(tx)

        self.same(lambda: self.model.begin(), work, block=True)

    @precondition(lambda self: self.model.aborted)
    @rule(failed=st.booleans())
    def leave_what_was_aborted(self, failed: bool) -> None:
        self.end(failed)

    @precondition(lambda self: self.model.blocks)
    @rule(failed=st.booleans())
    def end(self, failed: bool) -> None:
        columns = self.model.columns

        async def work(side: Side) -> None:
            error = Left() if failed else None
            try:
                await side.open.pop().__aexit__(type(error) if error else None, error, None)
            finally:
                # As documented: a change of a table that was rolled back asks for a reflection.
                if self.model.columns != columns:
                    await side.db.reflect()

        self.same(lambda: self.model.end(failed=failed), work, block=True)

    # -- the table and the database ----------------------------------------------------------------

    @precondition(lambda self: not self.model.aborted)
    @rule()
    def change_columns(self) -> None:
        if "extra" in self.model.columns:
            self.same(self.model.drop_column, lambda side: _nothing(side.db.t["note"].drop_column("extra")))
        else:
            self.same(
                self.model.add_column,
                lambda side: _nothing(side.db.t["note"].add_column("extra", int | None, default=EXTRA)),
            )

    @precondition(lambda self: not self.model.blocks)
    @rule(anew=st.booleans())
    def reflect(self, anew: bool) -> None:
        async def work(side: Side) -> None:
            if anew and side.target != ":memory:":
                await side.reopen()
            else:
                await side.db.reflect()

        self.same(lambda: None, work)

    def teardown(self) -> None:
        self.world.each(Side.empty)


async def _all(table: Table[Any]) -> list[Any]:
    return await table(order_by="id")


async def _nothing(work: Coroutine[Any, Any, Any]) -> None:
    await work


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(runner, [str(tmp_path / "file.db"), ":memory:", postgres_url])
        yield world
        for side in world.sides:
            runner.run(side.db.close())


def run(world: World, examples: int, steps: int, *phases: Phase) -> None:
    machine = type("Machine", (LockStep,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, *phases],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_databases_agree_with_each_other_and_with_a_dictionary(world: World) -> None:
    # Without the phase that looks for the shortest way to a failure, which takes minutes.
    run(world, 8, 20)


@pytest.mark.long
def test_the_databases_agree_over_many_examples(world: World) -> None:
    run(world, int(os.environ.get("DEEBASE_EXAMPLES", "100")), 30, Phase.shrink)
