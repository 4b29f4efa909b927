"""Runs a mixed load for a while and checks the result: `python -m benchmarks.load --seconds 60`.

Four in five operations read, fifteen in a hundred write one row, five in a hundred move an amount from one account to
another in a transaction. Every row is noted when its call returned: at the end none may be missing, none there twice,
and the balance of each account is what its rows say. `--seconds 600` is the soak.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks.server import running_server
from deebase import Database, DeeBaseError, ForeignKey

ACCOUNTS = 200
BALANCE = 1_000


@dataclass
class Account:
    id: int
    balance: int


@dataclass
class Entry:
    id: int
    account_id: ForeignKey[int, "account"]
    amount: int
    note: str


@dataclass
class Resources:
    """The resources of the process: bytes of memory, descriptors, threads."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> Resources:
        """Return the current resources."""
        gc.collect()
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        return cls(pages * resource.getpagesize(), len(os.listdir("/proc/self/fd")), threading.active_count())

    def __str__(self) -> str:
        return f"{self.memory / 1e6:.1f} MB, {self.descriptors} descriptors, {self.threads} threads"


@dataclass
class Outcome:
    """The results of a run."""

    # Arrays, so that the samples use little of the measured memory.
    milliseconds: dict[str, array[float]] = field(default_factory=lambda: defaultdict(lambda: array("d")))
    errors: Counter[str] = field(default_factory=Counter[str])
    acknowledged: array[int] = field(default_factory=lambda: array("q"))
    lags: array[float] = field(default_factory=lambda: array("d"))
    samples: list[Resources] = field(default_factory=list[Resources])


class Load:
    """One run on one database."""

    def __init__(self, db: Database, seconds: float) -> None:
        self.db = db
        self.accounts = db.t[Account]
        self.entries = db.t[Entry]
        self.outcome = Outcome()
        self.seconds = seconds
        self.end = time.perf_counter() + seconds

    async def read(self, dice: random.Random) -> None:
        """Read a row by key, or the latest twenty of an account."""
        if dice.random() < 0.75:
            await self.accounts[dice.randrange(ACCOUNTS) + 1]
        else:
            await self.entries(account_id=dice.randrange(ACCOUNTS) + 1, order_by="-id", limit=20)

    async def write(self, dice: random.Random) -> None:
        """Insert a row, or change the note of an existing one."""
        if dice.random() < 0.7 or not self.outcome.acknowledged:
            entry = await self.entries.insert(account_id=dice.randrange(ACCOUNTS) + 1, amount=0, note="made")
            self.outcome.acknowledged.append(entry.id)
        else:
            await self.entries.update(id=dice.choice(self.outcome.acknowledged), note="changed")

    async def transfer(self, dice: random.Random) -> None:
        """Read two balances, write both and an entry of each, in one transaction."""
        first, second = sorted(dice.sample(range(1, ACCOUNTS + 1), 2))
        amount = dice.randrange(1, 10)

        async def work() -> list[int]:
            rows = [await self.accounts.get(key, for_update=True) for key in (first, second)]
            made: list[int] = []
            for row, change in zip(rows, (amount, -amount), strict=True):
                await self.accounts.update(id=row.id, balance=row.balance + change)
                made.append((await self.entries.insert(account_id=row.id, amount=change, note="moved")).id)
            return made

        self.outcome.acknowledged.extend(await self.db.retry(work))

    async def task(self, number: int) -> None:
        """Run one of the tasks until the time is over."""
        dice = random.Random(number)
        while time.perf_counter() < self.end:
            chance = dice.random()
            kind = self.read if chance < 0.8 else self.write if chance < 0.95 else self.transfer
            start = time.perf_counter()
            try:
                await kind(dice)
            except DeeBaseError as error:
                self.outcome.errors[type(error).__name__] += 1
            self.outcome.milliseconds[kind.__name__].append((time.perf_counter() - start) * 1000)

    async def watch(self) -> None:
        """Record the delay of the event loop, and ten samples of the resources."""
        pause, next_sample = 0.01, time.perf_counter()
        while time.perf_counter() < self.end:
            if time.perf_counter() >= next_sample:
                self.outcome.samples.append(Resources.now())
                next_sample += self.seconds / 10
            start = time.perf_counter()
            await asyncio.sleep(pause)
            self.outcome.lags.append((time.perf_counter() - start - pause) * 1000)


async def run(label: str, url: str, *, seconds: float, tasks: int) -> int:
    """Run the load on one database and print the result.

    Returns:
        The number of rows that are lost, there twice, or half written.
    """
    async with Database(url) as db:
        await db.create_all(Account, Entry, options={Entry: {"indexes": ["account_id"]}})
        await db.t[Account].insert_all({"balance": BALANCE} for _ in range(ACCOUNTS))
        before = Resources.now()
        load = Load(db, seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.watch())
            for number in range(tasks):
                group.create_task(load.task(number))
        stored = await db.t[Entry](order_by="id").scalars("id")
        total = sum(await db.t[Account]().scalars("balance"))
        # A transfer is half written if the entries of an account do not add up to its balance.
        torn = await db.q(
            "SELECT a.id FROM account a LEFT JOIN entry e ON e.account_id = a.id GROUP BY a.id, a.balance"
            f" HAVING a.balance - {BALANCE} <> coalesce(sum(e.amount), 0)"
        )
    outcome = load.outcome
    lost = set(outcome.acknowledged) - set(stored)
    twice = len(outcome.acknowledged) - len(set(outcome.acknowledged))
    wrong = len(lost) + twice + abs(total - ACCOUNTS * BALANCE)
    report(label, outcome, seconds, tasks)
    print(f"  acknowledged rows {len(outcome.acknowledged):,}, lost {len(lost)}, twice {twice}, stored {len(stored):,}")
    print(f"  balances {total:,} of {ACCOUNTS * BALANCE:,}, accounts with a half-written transfer {len(torn)}")
    print(f"  before {before}; under load {outcome.samples[1]} ... {outcome.samples[-1]}; after {Resources.now()}")
    return wrong + len(torn)


def report(label: str, outcome: Outcome, seconds: float, tasks: int) -> None:
    """Print throughput, latencies, errors and lateness."""
    count = sum(map(len, outcome.milliseconds.values()))
    print(f"{label}: {tasks} tasks, {seconds:.0f} s, {count:,} operations, {count / seconds:,.0f} per second")
    for kind, times in sorted(outcome.milliseconds.items()):
        ordered = sorted(times)
        p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
        print(f"  {kind:<9} {len(times):>9,}  p50 {p50:7.2f} ms  p99 {p99:7.2f} ms  max {ordered[-1]:8.2f} ms")
    lags = sorted(outcome.lags)
    print(f"  event loop late by p50 {lags[len(lags) // 2]:.2f} ms, p99 {lags[len(lags) * 99 // 100]:.2f} ms")
    print(f"  errors {dict(outcome.errors) or 'none'}")


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--tasks", default=200, show_default=True)
@click.option("--database", type=click.Choice(["sqlite", "postgres", "both"]), default="both", show_default=True)
def main(seconds: float, tasks: int, database: str) -> None:
    """Run the load; the exit status is 1 if a row is lost, duplicated or half written."""
    wrong = 0
    with ExitStack() as stack:
        if database in ("sqlite", "both"):
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "load.db"
            wrong += asyncio.run(run("sqlite", str(path), seconds=seconds, tasks=tasks))
        if database in ("postgres", "both"):
            url = stack.enter_context(running_server()).url
            wrong += asyncio.run(run("postgres", url, seconds=seconds, tasks=tasks))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
