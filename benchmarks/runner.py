"""Measures the peers: all run the same operation in turn, for several rounds."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.flights import Flight
from benchmarks.peers.peer import Peer, Row, as_dict
from benchmarks.store import Store
from benchmarks.target import Backend
from benchmarks.workload import BULK, OPERATIONS, Calls, Operation, person, values

#: The maximum number of calls of one measurement.
_MOST_CALLS = 10_000
_FEWEST_CALLS = 64
_WARM_UP_CALLS = 64
#: Seconds after which a measurement counts as failed.
_TIME_LIMIT = 180
#: Seconds of work after which a peer is not measured again in an operation.
_LONG = 5

Method = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Plan:
    """The amount of measuring.

    Attributes:
        seconds: Time that one measurement should take.
        repeat: Calls per measurement instead of a time; None to go by the time.
        rounds: Measurements per peer and operation; the median counts.
        flights: Rows of the import.
        import_rounds: Measurements of the import, which takes long.
    """

    seconds: float
    repeat: int | None
    rounds: int
    flights: int
    import_rounds: int


@dataclass
class Contestant:
    """One peer on one backend, connected."""

    name: str
    peer: Peer
    store: Store
    clock: Clock
    calls: Calls = field(default_factory=Calls)


async def check(contestant: Contestant) -> None:
    """Run each operation once and check its result.

    Raises:
        AssertionError: A row is not the full row that was asked for.
    """
    peer, store = contestant.peer, contestant.store
    await store.reset(deletable=0)
    _expect(await peer.get(7), person(7))
    inserted = as_dict(await peer.insert(values(3)))
    _expect(inserted, {**values(3), "id": inserted["id"]})
    _expect(await peer.update(8, 0.5), {**person(8), "score": 0.5})
    _expect(await peer.upsert(person(8)), person(8))
    _expect(await peer.upsert(person(20_000)), person(20_000))
    await peer.delete(20_000)
    rows = await peer.select_100(100)
    _expect(rows[0], person(101))
    _expect(rows[-1], person(200))
    found = await peer.where_20(25)
    if len(found) != 20 or {as_dict(row)["age"] for row in found} != {25}:
        raise AssertionError("not the 20 rows of that age")
    await peer.transaction(9, 10, 0.25)
    _expect(await peer.get(10), {**person(10), "score": 0.25})
    for key in (9, 10):
        await peer.upsert(person(key))


def _expect(row: Row, expected: object) -> None:
    if as_dict(row) != expected:
        raise AssertionError(f"got {row!r} instead of {expected!r}")


async def _timed(contestant: Contestant, name: str, calls: Sequence[tuple[object, ...]], tasks: int) -> Cost:
    """Return what all calls together cost when so many tasks make them."""
    method: Method = getattr(contestant.peer, name)
    pending = iter(calls)

    async def work() -> None:
        for arguments in pending:
            await method(*arguments)

    gc.collect()
    contestant.clock.start()
    if tasks == 1:
        await work()
    else:
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(work())
    return contestant.clock.stop()


async def _measure(contestant: Contestant, operation: Operation, count: int) -> Cost:
    """Return the cost of a call in one measurement."""
    await contestant.store.reset(deletable=count if operation.name == "delete" else 0)
    calls = contestant.calls.make(operation.name, count)
    return (await _timed(contestant, operation.name, calls, operation.tasks)).per(count)


async def _measure_bulk(contestant: Contestant, operation: Operation, rows: Sequence[object]) -> Cost:
    """Return the cost of a row in one call."""
    await contestant.store.reset(deletable=0)
    cost = await _timed(contestant, operation.name, [(rows,)], 1)
    imports = operation.name == "import_flights"
    stored = await contestant.store.count_flights() if imports else await contestant.store.count_added()
    # Every other row of an upsert existed before.
    expected = len(rows) // 2 if operation.name == "upsert_many" else len(rows)
    if stored != expected:
        raise AssertionError(f"{stored} rows stored instead of {expected}")
    return cost.per(len(rows))


async def _one_round(
    contestant: Contestant, operation: Operation, plan: Plan, figures: Figures, flights: Sequence[Flight]
) -> None:
    async with asyncio.timeout(_TIME_LIMIT):
        if operation.name in BULK:
            rows: Sequence[object] = flights or contestant.calls.bulk(operation.name)
            figures.calls = len(rows)
            figures.add(await _measure_bulk(contestant, operation, rows))
            return
        if not figures.wall:
            warm_up = await _measure(contestant, operation, min(plan.repeat or _WARM_UP_CALLS, _WARM_UP_CALLS))
            fitting = int(plan.seconds / warm_up.wall)
            figures.calls = plan.repeat or max(_FEWEST_CALLS, min(_MOST_CALLS, fitting))
        figures.add(await _measure(contestant, operation, figures.calls))


async def compare(
    backend: Backend,
    contestants: Sequence[Contestant],
    operations: Iterable[Operation],
    plan: Plan,
    flights: Callable[[], Sequence[Flight]],
    progress: Callable[[str], None],
) -> list[Figures]:
    """Measure all peers on one backend.

    The rounds are interleaved, and each begins with another peer, so that what the machine does meanwhile
    meets all of them. A peer that fails in an operation is left out of that operation.

    Args:
        backend: Where the contestants are connected.
        contestants: The peers.
        operations: What to measure.
        plan: How much to measure.
        flights: Gives the rows to import; asked late, because so many objects slow down every garbage collection.
        progress: Called with a line of text before each operation.

    Returns:
        The figures of each operation and peer.
    """
    # The garbage collection before each measurement skips the objects that the libraries have loaded.
    gc.freeze()
    results: list[Figures] = []
    for operation in operations:
        progress(f"{backend}: {operation.label}")
        rows = flights() if operation.name == "import_flights" else []
        current = [Figures(backend, operation.label, contestant.name) for contestant in contestants]
        for number in range(plan.import_rounds if operation.name == "import_flights" else plan.rounds):
            for place in range(len(contestants)):
                index = (place + number) % len(contestants)
                able = hasattr(contestants[index].peer, operation.name)
                if able and current[index].error is None and not _enough(current[index]):
                    await _tried(contestants[index], operation, plan, current[index], rows)
        results += current
    return results


def _enough(figures: Figures) -> bool:
    """Tell whether a peer takes so long that fewer rounds have to do."""
    return sum(figures.wall) * figures.calls > _LONG


async def _tried(
    contestant: Contestant, operation: Operation, plan: Plan, figures: Figures, flights: Sequence[Flight]
) -> None:
    try:
        await _one_round(contestant, operation, plan, figures, flights)
    except Exception as error:  # whatever a library raises is its result
        figures.error = _innermost(error)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return f"{type(error).__name__}: {error}"


def selected(names: Sequence[str]) -> list[Operation]:
    """Return the operations with the given names; all of them when there are none."""
    return [operation for operation in OPERATIONS if not names or operation.name in names]
