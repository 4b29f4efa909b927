"""A mixed load of 32 tasks: nine reads by key to a write."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable

from benchmarks.scenarios.bench import AUTHORS, Bench

TASKS = 32

Call = Callable[[int], Awaitable[object]]


async def mixed_load(bench: Bench) -> None:
    """Measure the load as a whole, and the latencies of its calls."""
    posts, raw = bench.posts, bench.raw
    select = "SELECT id, author_id, rank, title FROM post WHERE id = $1"
    update = "UPDATE post SET rank = $1 WHERE id = $2 RETURNING id, author_id, rank, title"
    sides: dict[str, tuple[Call, Call]] = {
        "deebase": (posts.get, lambda key: posts.update({"id": key, "rank": key})),
        "driver": (lambda key: raw.all(select, key), lambda key: raw.all(update, key, key)),
    }
    work = f"{bench.plan.operations:,} operations by {TASKS} tasks, a tenth of them writes"
    for _ in range(bench.plan.rounds):
        for name, (read, write) in sides.items():
            latencies: list[float] = []
            await bench.measure(work, name, lambda: _load(read, write, bench.plan.operations, latencies))  # noqa: B023
            latencies.sort()
            for percent in (50, 99):
                place = min(len(latencies) - 1, math.ceil(len(latencies) * percent / 100))
                bench.of(f"p{percent} of one of them", name).wall.append(latencies[place])


async def _load(read: Call, write: Call, operations: int, latencies: list[float]) -> None:
    dice = random.Random(3)
    calls = iter([(dice.random() < 0.1, dice.randrange(1, AUTHORS)) for _ in range(operations)])

    async def work() -> None:
        for writes, key in calls:
            start = time.perf_counter()
            await (write(key) if writes else read(key))
            latencies.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(work())
