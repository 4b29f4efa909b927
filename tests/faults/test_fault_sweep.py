"""Any call of the driver may fail, anywhere: twelve operations, with the Nth call failing for every N there is.

By default every other call is hit by one kind of error, before it is made or after it; with --long each call by all of
them, both ways.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from itertools import count
from typing import Any

import pytest

from deebase import Database, DeeBaseError, NotFoundError, Table, UniqueViolationError
from tests.support.driver_faults import KINDS, Fault, faulty_options

#: Rows that are there from the start, and that only reads touch.
SEED = 6
#: Times the event loop is entered again after an interrupt that stopped it.
PATIENCE = 5


class Row:
    id: int
    n: int


class Run:
    """One run of the scenario, with what was acknowledged, and what became of the transactions."""

    t: Table[Any]

    def __init__(self, db: Database) -> None:
        self.db = db
        #: Keys by operation: those that must be there, and those that must be there together or not at all.
        self.acknowledged: set[int] = set()
        self.gone: set[int] = set()
        self.together: list[tuple[int, ...]] = []
        self.outcomes: list[tuple[str | None, tuple[int, ...]]] = []
        self.errors: list[tuple[int, BaseException]] = []

    async def all(self) -> None:
        """Run every operation, whatever became of those before."""
        for number, operation in enumerate(OPERATIONS):
            try:
                await operation(self)
            except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
                self.errors.append((number, error))
                if operation is Run.open:
                    await self.open()

    # -- the twelve operations ---------------------------------------------------------------------

    async def open(self) -> None:
        self.t = await self.db.create(Row, if_not_exists=True)
        await self.t.insert_all(({"id": n, "n": n} for n in range(1, SEED + 1)), on_conflict="ignore")

    async def read(self) -> None:
        assert await self.db.item('SELECT count(*) FROM "row" WHERE id < 10') == SEED
        assert (await self.t[1])["n"] == 1

    async def read_again(self) -> None:
        # On SQLite the last of them run in the thread of the event loop, if it may.
        for n in range(5):
            assert (await self.t[n % SEED + 1])["id"] == n % SEED + 1
            assert len(await self.t(order_by="id", limit=2)) == 2

    async def get_many_at_once(self) -> None:
        found = await asyncio.gather(*(self.t.get(n) for n in range(1, SEED + 1)), return_exceptions=True)
        failed = [error for error in found if isinstance(error, BaseException)]
        assert [row["id"] for row in found if not isinstance(row, BaseException)] or failed
        if failed:
            raise failed[0]

    async def insert(self) -> None:
        await self._note((100,), self.t.insert(id=100, n=1))

    async def insert_several_at_once(self) -> None:
        keys = range(110, 116)
        done = await asyncio.gather(*(self.t.insert(id=key, n=1) for key in keys), return_exceptions=True)
        failed = [error for error in done if isinstance(error, BaseException)]
        self.acknowledged |= {key for key, row in zip(keys, done, strict=True) if not isinstance(row, BaseException)}
        if failed:
            raise failed[0]

    async def insert_all(self) -> None:
        keys = tuple(range(120, 130))
        await self._note(keys, self.t.insert_all([{"id": key, "n": 1} for key in keys], returning=True))

    async def copy(self) -> None:
        keys = tuple(range(130, 140))
        await self._note(keys, self.t.insert_all({"id": key, "n": 1} for key in keys))

    async def upsert_and_delete(self) -> None:
        await self._note((140,), self.t.upsert({"id": 140, "n": 2}))
        self.acknowledged.discard(140)
        await self.t.delete(140)
        self.gone.add(140)

    async def transaction(self) -> None:
        keys = (150, 151)
        await self._transaction(keys, lambda: self._write(*keys))

    async def savepoints(self) -> None:
        async def work() -> None:
            await self._write(160)
            async with self.db.transaction():
                await self._write(161)
            try:
                async with self.db.transaction():
                    await self._write(169)
                    await self._write(1)
            except UniqueViolationError:
                await self._write(162)

        await self._transaction((160, 161, 162), work)
        self.gone.add(169)

    async def rolled_back(self) -> None:
        async def work() -> None:
            await self._write(170)
            await self.t.get(10**6)

        with pytest.raises(NotFoundError):
            await self._transaction((170,), work)
        self.gone.add(170)

    async def stream(self) -> None:
        keys = [row["id"] async for row in self.t(self.t.c.id < 10, order_by="id")]
        assert keys == list(range(1, SEED + 1))

    # -- what they share ---------------------------------------------------------------------------

    async def _write(self, *keys: int) -> None:
        for key in keys:
            await self.t.insert(id=key, n=1)

    async def _note(self, keys: tuple[int, ...], call: Awaitable[Any]) -> None:
        self.together.append(keys)
        await call
        self.acknowledged |= set(keys)

    async def _transaction(self, keys: tuple[int, ...], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.together.append(keys)
        tx = self.db.transaction()
        try:
            async with tx:
                await work()
            self.acknowledged |= set(keys)
        finally:
            self.outcomes.append((tx.outcome, keys))

    def check(self, present: set[int]) -> None:
        """Compare what is stored with what was acknowledged."""
        assert self.acknowledged <= present, "acknowledged and lost"
        assert self.gone.isdisjoint(present), "undone and there"
        for keys in self.together:
            assert len(present & set(keys)) in (0, len(keys)), f"half written: {keys}"
        for outcome, keys in self.outcomes:
            if outcome == "committed":
                assert set(keys) <= present
            elif outcome in ("rolled back", None):
                assert present.isdisjoint(keys), f"{outcome} and there"


OPERATIONS = [
    Run.open,
    Run.read,
    Run.read_again,
    Run.get_many_at_once,
    Run.insert,
    Run.insert_several_at_once,
    Run.insert_all,
    Run.copy,
    Run.upsert_and_delete,
    Run.transaction,
    Run.savepoints,
    Run.rolled_back,
    Run.stream,
]


class Sweep:
    """Runs of the scenario, each on an empty database and with a fault of its own."""

    def __init__(self, backend_name: str, url: str, in_loop: float | None) -> None:
        self.backend = "postgres" if backend_name == "postgres" else "sqlite"
        self.memory = backend_name == "sqlite-memory"
        self.url = url
        self.in_loop = in_loop

    def once(self, fault: Fault) -> Run:
        """Run the scenario in an event loop of its own, and check what it left."""
        told: list[dict[str, Any]] = []
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, context: told.append(context))
            run = patiently(loop, self._scenario(fault))
            if not self.memory:
                run.check(runner.run(self._stored()))
        # An interrupt that met a task of ours is raised by the loop and told again by the task.
        assert [context for context in told if not isinstance(context.get("exception"), KeyboardInterrupt)] == []
        return run

    async def _scenario(self, fault: Fault) -> Run:
        options = faulty_options(self.backend, fault)
        common: dict[str, Any] = {"durability": "normal", "in_loop": self.in_loop, "engine_options": options}
        async with Database(self.url, pool_size=2, **common) as db:
            run = Run(db)
            await run.all()
            fault.number = 0
            assert db._core.executor.lanes_in_use == 0
            run.check(set(await run.t(order_by="id").scalars("id")))
        return run

    async def _stored(self) -> set[int]:
        """Read what is stored through connections that do not fail, and remove it."""
        async with Database(self.url, pool_size=1, durability="normal") as db:
            table = await db.reflect_table("row")
            keys = set(await table(order_by="id").scalars("id"))
            await table.drop()
        return keys


def patiently(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Run]) -> Run:
    """Run work to its end, entering the loop again when an interrupt has stopped it."""
    task = loop.create_task(work)
    for _ in range(PATIENCE):
        try:
            return loop.run_until_complete(task)
        except KeyboardInterrupt:
            if task.done():
                raise
    raise AssertionError("interrupted again and again by one fault")


def allowed(error: BaseException, injected: BaseException) -> bool:
    """Whether an error may leave DeeBase: ours with its cause, or what is not the database's to translate."""
    if isinstance(injected, KeyboardInterrupt):
        # Those who waited for the interrupted work are cancelled.
        return isinstance(error, (KeyboardInterrupt, asyncio.CancelledError, DeeBaseError))
    if isinstance(injected, asyncio.CancelledError):
        return isinstance(error, (asyncio.CancelledError, DeeBaseError))
    return isinstance(error, DeeBaseError)


def sweep(backend_name: str, url: str, kind: str, *, after: bool, step: int, first: int, in_loop: float | None) -> int:
    """Fail call ``first``, ``first + step``, ... until none is hit any more; return the number of runs."""
    swept = Sweep(backend_name, url, in_loop)
    for runs in count():
        fault = Fault(first + runs * step, lambda: KINDS[kind](swept.backend), after=after)
        run = swept.once(fault)
        where = f"{kind} {'after' if after else 'at'} call {first + runs * step}: {fault.hit}"
        injected = KINDS[kind](swept.backend)
        assert [e for _, e in run.errors if not allowed(e, injected)] == [], where
        # A fault is of one operation: those behind it find sound connections. Opening is tried again.
        assert len(run.errors) <= 1, (where, run.errors)
        if fault.hit is None:
            assert run.errors == []
            # A driver whose close() failed closes when nothing refers to it any more.
            gc.collect()
            return runs
    raise AssertionError


# In memory with --long alone, as a file meets nearly all of the same.
@pytest.mark.parametrize(
    ("backend_name", "in_loop"),
    [("sqlite-file", None), ("sqlite-file", 1), ("postgres", None)],
    indirect=["backend_name"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_of_the_driver_may_fail_anywhere(
    backend_name: str, db_url: str, after: bool, in_loop: float | None
) -> None:
    # The kinds take turns, and so do the two ways: every other call is hit by one kind in one way. On PostgreSQL, where
    # each run opens its own connections, every fourth.
    step = (8 if backend_name == "postgres" else 4) * len(KINDS)
    for place, kind in enumerate(KINDS):
        first = 1 + step // len(KINDS) * place + after
        assert sweep(backend_name, db_url, kind, after=after, step=step, first=first, in_loop=in_loop) >= 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("backend_name", "in_loop"),
    [("sqlite-memory", None), ("sqlite-file", None), ("sqlite-file", 1), ("postgres", None)],
    indirect=["backend_name"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_call_of_the_driver_may_fail_in_any_way(
    backend_name: str, db_url: str, kind: str, after: bool, in_loop: float | None
) -> None:
    assert sweep(backend_name, db_url, kind, after=after, step=1, first=1, in_loop=in_loop) >= 20
