"""Everything runs under uvloop's event loop too, where it is installed; nothing depends on it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.tree import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or (importlib.util.find_spec("uvloop") is None and "CI" not in os.environ),
    reason="uvloop is not installed",
)

PROGRAM = """
    import asyncio, logging, sys
    from dataclasses import dataclass

    import uvloop
    from deebase import Database, NotFoundError, UniqueViolationError

    @dataclass
    class Item:
        id: int
        name: str

    async def insert_and_get(db, items):
        rows = await asyncio.gather(*(items.insert(name=f"item {n}") for n in range(32)))
        assert sorted(row.id for row in rows) == list(range(1, 33))
        for _ in range(3):
            assert await asyncio.gather(*(items[row.id] for row in rows)) == rows
        assert await items.insert_all({"name": f"item {n}"} for n in range(32, 3000)) == 2968
        for error, call in ((NotFoundError, items.get(99999)), (UniqueViolationError, items.insert(id=1, name=""))):
            try:
                await call
            except error:
                continue
            raise AssertionError(error)

    async def transactions(db, items):
        async with db.transaction() as tx:
            await items.update(id=1, name="changed")
            async with db.transaction() as inner:
                await items.delete(2)
                await inner.rollback()
            await asyncio.gather(*(items.update(id=n, name="changed") for n in range(3, 10)))
        assert tx.outcome == "committed"
        try:
            async with db.transaction():
                await items.delete(1)
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert await items.count(name="changed") == 8
        assert await items.exists(2)

    async def streams(db, items):
        assert [row.id async for row in items(order_by="id")] == list(range(1, 3001))
        async for row in items(order_by="id"):
            if row.id == 5:
                break

    async def cancels(db, items):
        slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1e12) SELECT count(*) FROM c"
        task = asyncio.create_task(db.q(slow))
        await asyncio.wait([task], timeout=0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        for turns in range(20):
            tasks = [asyncio.create_task(items.update(id=n, name=f"turn {turns}")) for n in range(1, 17)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert await items.count(name=f"turn {turns}") >= 8
        async with asyncio.timeout(5):
            assert (await items.update(id=1, name="last")).name == "last"

    # In development mode asyncio complains of slow callbacks, the first import of a module included.
    logging.getLogger("asyncio").addFilter(lambda record: not record.msg.startswith("Executing"))

    async def main():
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with Database(sys.argv[1]) as db:
            items = await db.create(Item)
            for part in (insert_and_get, transactions, streams, cancels):
                await part(db, items)
        print("done")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
"""


@pytest.mark.on_a_file
def test_a_program_under_uvloop_runs_to_its_end_and_leaves_nothing(db_url: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(program), db_url],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
