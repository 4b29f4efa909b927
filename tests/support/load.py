"""A load of reads, single writes and two-row transactions that notes what was acknowledged, to be compared."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from deebase import Database, DeeBaseError


@dataclass
class Load:
    """Writers that note an id after the call returned.

    Attributes:
        db: where they write.
        acknowledged: what must be there at the end.
        pairs: rows that must be there together or not at all.
        counted: errors by the name of their class.
        done: how many operations have ended, either way.
    """

    db: Database
    acknowledged: set[int] = field(default_factory=set)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    done: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _running: bool = True

    @classmethod
    async def prepare(cls, db: Database) -> Load:
        """Make the table and return a load that has not begun."""
        await db.q("CREATE TABLE IF NOT EXISTS load (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        return cls(db)

    @property
    def errors(self) -> set[str]:
        """The names of the classes of errors that were met."""
        return set(self.counted)

    def acknowledge(self, keys: tuple[int, int]) -> None:
        """Note that a pair must be there."""
        self.acknowledged |= set(keys)

    async def _put(self, key: int) -> None:
        await self.db.q("INSERT INTO load (id, n) VALUES (?, 0)", [key])

    async def write_one(self) -> None:
        """Store a row by a statement of its own."""
        key = next(self._numbers)
        await self._put(key)
        self.acknowledged.add(key)

    async def write_pair(self) -> tuple[int, int]:
        """Store two rows inside the transaction of the caller, who acknowledges them after its end."""
        keys = next(self._numbers), next(self._numbers)
        self.pairs.append(keys)
        for key in keys:
            await self._put(key)
        return keys

    async def read(self) -> None:
        """Count some rows."""
        await self.db.item("SELECT count(*) FROM load WHERE n > ?", [5])

    async def transaction(self) -> None:
        """Store two rows or none."""
        async with self.db.transaction():
            keys = await self.write_pair()
        self.acknowledge(keys)

    async def _work(self) -> None:
        operations = itertools.cycle([self.read, self.write_one, self.transaction, self.write_one])
        while self._running:
            try:
                await next(operations)()
            except DeeBaseError as error:
                self.counted[type(error).__name__] += 1
                # A server that is down refuses at once: let others have their turn.
                await asyncio.sleep(0)
            self.done += 1

    @asynccontextmanager
    async def running(self, tasks: int) -> AsyncIterator[None]:
        """Run tasks while the block runs; any error that is not a DeeBaseError fails it."""
        self._running = True
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(self._work())
            try:
                yield
            finally:
                self._running = False

    async def more(self, operations: int) -> None:
        """Wait until that many further operations have ended."""
        wanted = self.done + operations
        async with asyncio.timeout(20):
            while self.done < wanted:
                await asyncio.sleep(0.001)

    async def check(self, db: Database) -> None:
        """Compare what is stored with what was acknowledged."""
        rows = await db.q("SELECT id FROM load")
        present = {row["id"] for row in rows}
        assert len(rows) == len(present), "a row is there twice"
        assert self.acknowledged - present == set(), "acknowledged and lost"
        half = [pair for pair in self.pairs if len(present & set(pair)) == 1]
        assert half == [], "half written"
        assert db._core.executor.lanes_in_use == 0

    async def check_after_faults(self) -> None:
        """The same, and that the pool works as before once the faults have ended."""
        # What idles was cut meanwhile and is noticed by its next user at the latest.
        before = sum(self.counted.values())
        async with self.running(tasks=4):
            await self.more(40)
        assert sum(self.counted.values()) - before <= 5
        await asyncio.gather(*(self.write_one() for _ in range(20)))
        assert self.acknowledged, "nothing was acknowledged: the faults left no time for it"
        await self.check(self.db)
