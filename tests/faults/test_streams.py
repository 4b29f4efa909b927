"""Streams hold a lane while they are iterated, and no longer; memory stays flat."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from deebase import Database, QueryError
from tests.support.worlds import series

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)
Eventually = Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]


def numbers(db: Database, count: int) -> AsyncIterator[dict[str, Any]]:
    return db.stream(series(db, count))


async def test_a_stream_that_is_left_early_frees_its_lane(t: Database, eventually: Eventually) -> None:
    for _ in range(15):
        async for row in numbers(t, 100_000):
            if row["n"] == 3:
                break
    await eventually(lambda: t._core.executor.lanes_in_use == 0)
    async with aclosing(numbers(t, 100_000)) as rows:  # type: ignore[type-var]
        assert await anext(rows) == {"n": 1}
        assert t._core.executor.lanes_in_use == 1
    assert t._core.executor.lanes_in_use == 0
    await t.q("INSERT INTO t (id, n) VALUES (1, 1)")


async def test_an_exception_in_the_loop_frees_the_lane(t: Database, eventually: Eventually) -> None:
    for _ in range(15):
        with pytest.raises(ZeroDivisionError):
            async for _ in numbers(t, 100_000):
                raise ZeroDivisionError
    await eventually(lambda: t._core.executor.lanes_in_use == 0)


async def test_a_stream_that_was_never_begun_holds_nothing(t: Database) -> None:
    rows = numbers(t, 10)
    assert t._core.executor.lanes_in_use == 0
    await rows.aclose()  # type: ignore[attr-defined]


async def test_an_error_within_a_stream_is_ours_and_frees_the_lane(t: Database) -> None:
    with pytest.raises(QueryError):
        async for _ in t.stream("SELECT no_such_column FROM t"):
            pass
    assert t._core.executor.lanes_in_use == 0


async def test_streams_of_many_tasks_share_the_lanes(t: Database) -> None:
    async def work() -> int:
        return sum([row["n"] async for row in numbers(t, 2000)])

    assert set(await asyncio.gather(*(work() for _ in range(20)))) == {2000 * 2001 // 2}
    assert t._core.executor.lanes_in_use == 0


async def test_a_stream_inside_a_transaction_sees_it_and_leaves_it_usable(t: Database) -> None:
    async with t.transaction():
        await t.q("INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (3, 3)")
        async for row in t.stream("SELECT id FROM t ORDER BY id"):
            await t.q("UPDATE t SET n = 0 WHERE id = ?", [row["id"]])
            break
        await t.q("INSERT INTO t (id, n) VALUES (4, 4)")
    assert await t.item("SELECT sum(n) FROM t") == 9


async def through(rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for row in rows:
        yield row


@pytest.mark.parametrize("size", [3, 1000, 2500])
@pytest.mark.parametrize("leaving", ["end", "break", "break of a generator around it", "error"])
async def test_a_table_can_be_changed_in_the_transaction_once_its_stream_is_left(
    t: Database, leaving: str, size: int
) -> None:
    await t.q(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) "
        "INSERT INTO t (id, n) SELECT n, n FROM c",
        [size],
    )
    table = await t.reflect_table("t")
    async with t.transaction():
        # Nothing may refer to the stream behind its loop: it could go on.
        for stream in (lambda: aiter(table()), lambda: t.stream("SELECT * FROM t")):
            with contextlib.suppress(ZeroDivisionError):
                async for _ in through(stream()) if "generator" in leaving else stream():
                    if leaving.startswith("break"):
                        break
                    if leaving == "error":
                        raise ZeroDivisionError
        await t.q("ALTER TABLE t ADD COLUMN more integer")
        await t.q("DROP TABLE t")
    assert t._core.executor.lanes_in_use == 0


async def test_memory_is_flat_however_long_the_result(t: Database, long_run: bool) -> None:
    count = 500_000 if long_run else 60_000
    async for _ in numbers(t, 5000):
        pass
    tracemalloc.start()
    try:
        seen = 0
        async for _ in numbers(t, count):
            seen += 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == count
    assert peak < 4_000_000
