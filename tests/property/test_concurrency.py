"""Tasks that append to lists and read them, in generated orders, some cancelled or cut off: one history explains all.

`DEEBASE_EXAMPLES=2000 pytest --long tests/property/test_concurrency.py` runs as many examples as one likes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deebase import CommitOutcomeUnknownError, Database, DeeBaseError, Table
from tests.support.capabilities import can

pytestmark = pytest.mark.in_memory

#: Seconds that a task which has its turn may take before the next one has it too: it waits for a lock.
TURN = 0.02
EXAMPLES = int(os.environ.get("DEEBASE_EXAMPLES", "300"))

Step = tuple[Literal["append", "read"], str]
#: Of each task its transactions, each a list of steps.
Programs = Sequence[Sequence[Sequence[Step]]]

steps = st.tuples(st.sampled_from(["append", "append", "read"]), st.sampled_from(["x", "y"]))
programs = st.lists(st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=3), min_size=3, max_size=5)
schedules = st.lists(st.integers(0, 4), min_size=10, max_size=40)
#: At which step of the schedule which task is cancelled, or which connection is cut off.
faults = st.dictionaries(
    st.integers(1, 39), st.tuples(st.sampled_from(["cancel", "cut"]), st.integers(0, 4)), max_size=2
)


@dataclass
class Done:
    """What a transaction did: values it appended, and lists it saw."""

    name: str
    appended: list[tuple[str, int]] = field(default_factory=list)
    seen: list[tuple[str, list[int]]] = field(default_factory=list)
    outcome: str | None = None


class Lists:
    """Runs programs on the lists of a database and notes what became of them."""

    def __init__(self, db: Database, lists: Table[Any]) -> None:
        self.db = db
        self.lists = lists
        self.history: list[Done] = []
        self.errors: list[BaseException] = []
        self._turns: list[asyncio.Queue[None]] = []
        self._rested: list[asyncio.Event] = []

    async def run(self, programs: Programs, schedule: Sequence[int], faults: dict[int, tuple[str, int]]) -> None:
        """Run each program in a task of its own, in the order of the schedule as far as locks let it."""
        self._turns = [asyncio.Queue() for _ in programs]
        self._rested = [asyncio.Event() for _ in programs]
        tasks = [asyncio.create_task(self._program(number, blocks)) for number, blocks in enumerate(programs)]
        for position, chosen in enumerate(schedule):
            number = chosen % len(tasks)
            self._rested[number].clear()
            self._turns[number].put_nowait(None)
            await self._rest(number, tasks[number])
            kind, victim = faults.get(position, ("", 0))
            if kind == "cancel":
                tasks[victim % len(tasks)].cancel()
            elif kind == "cut":
                self._cut(victim)
        for turns in self._turns:
            for _ in range(100):
                turns.put_nowait(None)
        await asyncio.wait(tasks)
        self.errors += [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]

    async def _rest(self, number: int, task: asyncio.Task[None]) -> None:
        try:
            async with asyncio.timeout(TURN):
                while not (task.done() or self._rested[number].is_set()):
                    await asyncio.sleep(0)
        except TimeoutError:
            pass  # it waits for another task

    def _cut(self, victim: int) -> None:
        """End the link of a connection that is in use; a SQLite file has none."""
        if not can(self.db).is_one_file:
            busy = sorted(self.db._core.executor.lanes()._pool.busy, key=id)
            if busy:
                busy[victim % len(busy)].driver.terminate()

    async def _turn(self, number: int) -> None:
        self._rested[number].set()
        await self._turns[number].get()
        self._rested[number].clear()

    async def _program(self, number: int, blocks: Sequence[Sequence[Step]]) -> None:
        for position, block in enumerate(blocks):
            done = Done(f"{number}.{position}")
            tx = self.db.transaction(isolation="serializable")
            try:
                await self._turn(number)
                async with tx:
                    for index, step in enumerate(block):
                        await self._turn(number)
                        await self._step(done, step, 1000 * number + 10 * position + index)
                    await self._turn(number)
            except CommitOutcomeUnknownError:
                assert tx.outcome == "unknown"
            except DeeBaseError:
                assert tx.outcome in ("rolled back", None)
            finally:
                done.outcome = tx.outcome
                self.history.append(done)

    async def _step(self, done: Done, step: Step, value: int) -> None:
        kind, key = step
        values: list[int] = (await self.lists[key])["items"]
        if kind == "read":
            done.seen.append((key, values))
        else:
            await self.lists.update({"items": [*values, value]}, pk=key)
            done.appended.append((key, value))


def check(history: list[Done], final: dict[str, list[int]]) -> None:
    """Look for a history that explains the final lists and what every committed transaction saw."""
    committed = [done for done in history if done.outcome == "committed"]
    writer = {entry: done.name for done in history for entry in done.appended}
    for key, values in final.items():
        assert len(values) == len(set(values)), "appended twice"
        for value in values:
            assert (key, value) in writer, "appended by nobody"
    for done in history:
        there = [value in final[key] for key, value in done.appended]
        if done.outcome == "committed":
            assert all(there), f"acknowledged and lost: {done}"
        elif done.outcome == "unknown":
            assert all(there) or not any(there), f"half written: {done}"
        else:
            assert not any(there), f"undone and there: {done}"
    after: dict[str, set[str]] = {}
    for done in committed:
        own = set(done.appended)
        for key, values in done.seen:
            before = [value for value in values if (key, value) not in own]
            assert values == final[key][: len(values)], f"no prefix: {done}"
            # After the task that appended the value it saw, before the task that appended next.
            after.setdefault(done.name, set()).update(writer[key, value] for value in before)
            following = [writer[key, value] for value in final[key][len(values) :] if (key, value) not in own]
            if following:
                after.setdefault(following[0], set()).add(done.name)
    for key, values in final.items():
        for one, other in itertools.pairwise(values):
            if writer[key, one] != writer[key, other]:
                after.setdefault(writer[key, other], set()).add(writer[key, one])
    # Raises CycleError when no order of the transactions explains it.
    list(TopologicalSorter(after).static_order())


class Entry:
    id: str
    items: list[int]


@pytest.fixture
async def lists(db_url: str) -> Any:
    options = {"connect_args": {"server_settings": {"deadlock_timeout": "50ms"}}} if "postgres" in db_url else {}
    async with Database(db_url, durability="normal", pool_size=5, engine_options=options) as db:
        yield db, await db.create(Entry)
        assert db._core.executor.lanes_in_use == 0


async def explain(lists: tuple[Database, Table[Any]], data: tuple[Any, Any, Any]) -> None:
    db, table = lists
    await table.delete_where(all=True)
    await table.insert_all([{"id": "x", "items": []}, {"id": "y", "items": []}])
    work = Lists(db, table)
    async with asyncio.timeout(20):
        await work.run(*data)
    assert work.errors == []
    check(work.history, {row["id"]: row["items"] for row in await table()})


cases = st.tuples(programs, schedules, faults)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases)
async def test_one_history_explains_what_all_tasks_saw(lists: Any, data: Any) -> None:
    await explain(lists, data)


@pytest.mark.long
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases)
async def test_one_history_explains_what_all_tasks_saw_in_many_examples(lists: Any, data: Any) -> None:
    await explain(lists, data)


def test_a_history_that_nothing_explains_is_noticed() -> None:
    lost = Done("0.0", [("x", 1)], outcome="committed")
    with pytest.raises(AssertionError, match="lost"):
        check([lost], {"x": [], "y": []})
    one = Done("0.0", [("x", 1)], [("y", [])], outcome="committed")
    other = Done("1.0", [("y", 2)], [("x", [])], outcome="committed")
    with pytest.raises(ValueError, match="cycle"):
        check([one, other], {"x": [1], "y": [2]})
