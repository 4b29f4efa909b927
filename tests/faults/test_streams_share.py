"""A stream never starves the statements of its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import BusyError, Database, QueryError, Table
from deebase import ConnectionError as LostConnection


async def filled(db: Database, rows: int = 30) -> Table[dict[str, Any]]:
    await db.q("CREATE TABLE w (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
    table = await db.reflect_table("w")
    await table.insert_all({"id": n, "n": 0} for n in range(1, rows + 1))
    return table


@pytest.mark.parametrize("size", [2, 4, 10])
async def test_as_many_tasks_as_connections_read_and_write_inside_of_streams(db_url: str, size: int) -> None:
    async with Database(db_url, pool_size=size, timeout=20) as db:
        w = await filled(db)

        async def work(number: int) -> int:
            seen = 0
            async for row in w(order_by="id"):
                assert (await w.get(row["id"]))["id"] == row["id"]
                await w.update(pk=row["id"], n=db.sql(w.c.n + 1))
                async with db.transaction():
                    await w.update(pk=number + 1, n=db.sql(w.c.n + 1))
                seen += 1
            return seen

        async with asyncio.timeout(20):
            assert await asyncio.gather(*(work(n) for n in range(size))) == [30] * size
        assert sum(await w().scalars("n")) == 30 * size * 2
        assert db._core.executor.lanes_in_use == 0


async def test_streams_inside_of_streams_end_or_say_why_at_once(db_url: str) -> None:
    async with Database(db_url, pool_size=3, timeout=600) as db:
        w = await filled(db)

        async def work() -> bool:
            try:
                async for _ in w(limit=2):
                    async for _ in w(limit=2):
                        await w.count()
            except BusyError:
                return False
            return True

        async with asyncio.timeout(20):
            await asyncio.gather(*(work() for _ in range(6)))
            assert await work()
        assert db._core.executor.lanes_in_use == 0


async def test_a_task_that_waits_for_the_end_of_its_own_stream_is_told_so_at_once(db_url: str) -> None:
    async with Database(db_url, pool_size=1, timeout=600) as db:
        w = await filled(db)
        async with asyncio.timeout(20):
            with pytest.raises(BusyError, match="held by a stream of task") as caught:
                async for row in w():
                    await w.get(row["id"])
        assert "read the rows first" in str(caught.value)
        async for _ in w():
            break
        assert await w.get(1) == {"id": 1, "n": 0}


async def test_a_stream_that_waits_in_vain_is_called_a_stream(db_url: str) -> None:
    async with Database(db_url, pool_size=2, timeout=1) as db:
        w = await filled(db)
        async with aclosing(w().__aiter__()) as held:  # type: ignore[type-var]
            assert await anext(held)

            async def wait() -> None:
                async for _ in w():
                    pass

            with pytest.raises(BusyError, match=r"for a stream within 1 s \(1 of 2 may stream at once"):
                await asyncio.create_task(wait())
            assert await w.count() == 30


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_stream_whose_session_ended_frees_its_place(db_url: str) -> None:
    async with Database(db_url, pool_size=2, timeout=20) as db:
        w = await filled(db, 3000)
        rows: AsyncIterator[Any] = w(order_by="id").__aiter__()
        assert (await anext(rows))["id"] == 1
        await db.q(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(20):
            assert len([row async for row in w()]) == 3000
            with pytest.raises(LostConnection):
                async for _ in rows:
                    pass
            assert len([row async for row in w()]) == 3000
        assert db._core.executor.lanes_in_use == 0


async def test_a_table_can_be_changed_in_nested_blocks_once_the_loop_over_it_was_left(db: Database) -> None:
    w = await filled(db, 3000)
    async with asyncio.timeout(20), db.transaction():
        async for _ in w():
            break
        w = await w.add_column("more", int, default=1)
        async for _ in w():
            break
        w = await w.transform(rename={"more": "most"})
        async for _ in w():
            break
        async with db.transaction(), db.transaction():
            await w.drop_column("most")
    assert await db.t.w.get(1) == {"id": 1, "n": 0}


async def test_a_stream_that_a_task_of_its_own_read_from_is_closed_when_it_is_left(db_url: str) -> None:
    async with Database(db_url, pool_size=1, timeout=5) as db:
        w = await filled(db, 3)
        # A coroutine to asyncio, which makes it the code of the task.
        first: Any = db.stream("SELECT id FROM w ORDER BY id").__aiter__().__anext__()
        assert await asyncio.create_task(first) == {"id": 1}
        del first
        assert await w.count() == 3
        assert db._core.executor.lanes_in_use == 0


async def test_streams_that_wait_for_a_place_end_with_the_database(db_url: str) -> None:
    async with Database(db_url, pool_size=1, timeout=20) as db:
        w = await filled(db, 3000)

        async def read() -> None:
            async for _ in w():
                pass

        async with aclosing(w().__aiter__()) as held:  # type: ignore[type-var]
            assert await anext(held)
            waiting = [asyncio.create_task(read()) for _ in range(2)]
            await asyncio.sleep(0)
            await db.close(timeout=0.1)
            async with asyncio.timeout(10):
                for error in await asyncio.gather(*waiting, return_exceptions=True):
                    assert isinstance(error, LostConnection), error


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_left_stream_ends_beside_a_statement_on_the_connection_of_sqlalchemy(db: Database) -> None:
    w = await filled(db, 3000)
    met: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: met.append(context))
    async with asyncio.timeout(20), db.transaction() as tx:
        async for _ in w():
            break
        await tx.connection.execute(sa.text("SELECT pg_sleep(0.1)"))
        await w.drop()
    assert not met


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_table_that_a_stream_still_reads_is_refused_with_what_to_do(db: Database) -> None:
    await filled(db, 3)
    with pytest.raises(QueryError, match="active queries") as caught:
        async with db.transaction():
            async for _ in db.stream("SELECT * FROM w"):
                await db.q("ALTER TABLE w ADD COLUMN more integer")
    assert "leave the loop over the stream" in str(caught.value)
    assert not caught.value.retryable
