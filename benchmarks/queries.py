"""A group, a search and a path of two joins over 500,000 rows, against the same in SQL by hand, with the plans of both.

Run it with `python -m benchmarks.queries`. Both sides return dicts. On PostgreSQL, the ratio of CPU time that counts is
that of this process and the server together: a call waits for the server most of the time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.clock import Clock
from benchmarks.figures import Figures, ratio
from benchmarks.report import as_json, compared
from benchmarks.server import running_server
from benchmarks.target import Backend
from deebase import Database, ForeignKey
from deebase.queries import count, sum_

ROWS = 500_000
#: The largest ratio to the SQL by hand, by wall time and by CPU time.
AIM = 1.3
_CUSTOMERS, _CITIES = 5_000, 100
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "jetty"]


class City:
    """Where customers live."""

    id: int
    name: str


class Customer:
    """Who buys."""

    id: int
    name: str
    city_id: ForeignKey[int, "city"]


class Sale:
    """What is grouped, searched and joined."""

    id: int
    customer_id: ForeignKey[int, "customer"]
    quantity: int
    remark: str


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes:
        own: What DeeBase does.
        sqlite: The SQL by hand.
        postgres: The same.
        values: Of the parameters of the SQL by hand.
        calls: In one round.
    """

    own: Callable[[Database], Awaitable[Sequence[Any]]]
    sqlite: str
    postgres: str
    values: tuple[Any, ...] = ()
    calls: int = 1


_GROUP = "SELECT customer_id, count(*), sum(quantity) FROM sale GROUP BY customer_id"
_JOINS = "FROM sale JOIN customer ON customer.id = sale.customer_id JOIN city ON city.id = customer.city_id"
_PATH = f'SELECT sale.id, customer.name AS "customer_id.name", city.name AS "city_id.name" {_JOINS} WHERE city.name = '
_COLUMNS = "sale.id, sale.customer_id, sale.quantity, sale.remark"
_RANK = "ts_rank(sale.deebase_search, to_tsquery('simple', $1))"

WORKS = {
    "a group over an indexed foreign key": Work(
        lambda db: db.t.sale.group("customer_id", n=count(), total=sum_("quantity")), _GROUP, _GROUP
    ),
    "a search with a limit of 20": Work(
        lambda db: db.t.sale.search("amber fjord", limit=20),
        f"SELECT {_COLUMNS}, -rank FROM sale_search JOIN sale ON sale.id = sale_search.rowid "
        "WHERE sale_search MATCH ? ORDER BY rank LIMIT 20",
        f"SELECT {_COLUMNS}, {_RANK} AS score FROM sale WHERE sale.deebase_search @@ to_tsquery('simple', $1) "
        "ORDER BY score DESC, sale.id LIMIT 20",
    ),
    "a path of two joins": Work(
        lambda db: db.t.sale(
            select=["id", "customer_id.name", "customer_id.city_id.name"],
            where={"customer_id.city_id.name": "city 7"},
        ),
        f"{_PATH}?",
        f"{_PATH}$1",
        ("city 7",),
        calls=3,
    ),
}


def _values(backend: Backend, name: str) -> tuple[Any, ...]:
    if "search" in name:
        return ("amber AND fjord" if backend == "sqlite" else "amber & fjord",)
    return WORKS[name].values


async def _fill(db: Database, rows: int) -> None:
    cities, customers, sales = await db.create_all(
        City, Customer, Sale, options={Sale: {"search": ["remark"], "indexes": ["customer_id"]}}
    )
    await cities.insert_all({"id": n, "name": f"city {n}"} for n in range(1, _CITIES + 1))
    await customers.insert_all(
        {"id": n, "name": f"customer {n}", "city_id": n % _CITIES + 1} for n in range(1, _CUSTOMERS + 1)
    )
    await sales.insert_all(
        {
            "id": n,
            "customer_id": n * 7919 % _CUSTOMERS + 1,
            "quantity": n % 13,
            # One of 100 remarks has both words that are searched for.
            "remark": f"{_WORDS[n % 10]} {_WORDS[n // 10 % 10]} number {n}",
        }
        for n in range(1, rows + 1)
    )
    await db.q("ANALYZE")


class _Sent(logging.Handler):
    """Keeps the last statement that a Database logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.sql = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.sql = record.getMessage()


async def sent_by(call: Callable[[], Awaitable[Any]]) -> str:
    """Return the SQL of the last statement of a call."""
    logger, handler = logging.getLogger("deebase.sql"), _Sent()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        await call()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return handler.sql


class Hand:
    """A connection of the driver."""

    def __init__(self, backend: Backend, connection: Any) -> None:
        self._backend: Backend = backend
        self._connection = connection

    async def rows(self, sql: str, *values: Any) -> Sequence[dict[str, Any]]:
        """Return the rows of a statement as dicts."""
        if self._backend == "postgres":
            return [dict(record) for record in await self._connection.fetch(sql, *values)]
        async with self._connection.execute(sql, values) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def plan(self, sql: str) -> list[str]:
        """Return the lines of the plan, which is that for any value."""
        if self._backend == "sqlite":
            marks = len(re.findall(r"\?", sql))
            rows = await self.rows(f"EXPLAIN QUERY PLAN {sql}", *["amber"] * marks)
            return [row["detail"] for row in rows]
        marks = max([int(number) for number in re.findall(r"\$(\d+)", sql)], default=0)
        values = f"({', '.join(['NULL'] * marks)})" if marks else ""
        await self._connection.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE asked AS {sql}")
        lines = [row[0] for row in await self._connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE asked{values}")]
        await self._connection.execute("DEALLOCATE asked; RESET plan_cache_mode")
        return lines


async def connected(backend: Backend, url: str, stack: AsyncExitStack) -> Hand:
    """Open a connection of the driver."""
    if backend == "postgres":
        import asyncpg

        connection: Any = await asyncpg.connect(url)
        await stack.enter_async_context(aclosing(_Closed(connection)))
        return Hand(backend, connection)
    import aiosqlite

    return Hand(backend, await stack.enter_async_context(aiosqlite.connect(url)))


class _Closed:
    """A connection that `aclosing` closes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def aclose(self) -> None:
        await self._connection.close()


async def _measured(backend: Backend, url: str, postmaster: int | None, rows: int, rounds: int) -> list[Figures]:
    """Print the ratios and the plans of all works, and return the figures of both sides."""
    found: list[Figures] = []
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database(url))
        await _fill(db, rows)
        hand = await connected(backend, url, stack)
        for name, work in WORKS.items():
            sql = work.sqlite if backend == "sqlite" else work.postgres
            values = _values(backend, name)
            sides: dict[str, Callable[[], Awaitable[Sequence[Any]]]] = {
                "deebase": lambda work=work: work.own(db),
                "by hand": lambda sql=sql, values=values: hand.rows(sql, *values),
            }
            figures = {side: Figures(backend, name, side, calls=work.calls) for side in sides}
            sizes = {len(await call()) for call in sides.values()}
            assert len(sizes) == 1, f"{name}: both sides return the same rows"
            for number in range(rounds):
                # Each side is the first one in every other round.
                for side in list(sides)[:: 1 if number % 2 else -1]:
                    clock = Clock(postmaster)
                    clock.start()
                    for _ in range(work.calls):
                        await sides[side]()
                    figures[side].add(clock.stop().per(work.calls))
            own, other = figures.values()
            print(compared(own, other), flush=True)
            _print_verdict(own, other)
            for title, text in (("deebase", await sent_by(sides["deebase"])), ("by hand", sql)):
                print(f"  plan, {title}:")
                print("\n".join(f"    {line}" for line in await hand.plan(text)))
            found += figures.values()
    return found


def _print_verdict(own: Figures, other: Figures) -> None:
    wall = ratio(own, other) or 0.0
    cpu = statistics.median(mine / theirs for mine, theirs in zip(_cpu(own), _cpu(other), strict=True))
    verdict = "met" if max(wall, cpu) <= AIM else "missed"
    print(
        f"  {wall:.2f} by wall time, {cpu:.2f} by CPU time of both processes; the aim of {AIM} is {verdict}", flush=True
    )


def _cpu(figures: Figures) -> list[float]:
    """Return the CPU time of each round, with that of the server."""
    return [sum(both) for both in zip(figures.cpu, figures.server or [0.0] * len(figures.cpu), strict=True)]


@click.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Save the figures here.")
@click.option("--quick", is_flag=True, help="Measure as little as possible.")
@click.option("--rows", default=ROWS, show_default=True)
@click.option("--rounds", default=9, show_default=True)
def main(json_file: Path | None, quick: bool, rows: int, rounds: int) -> None:
    """Print the times of both sides, their ratios and their plans."""
    rows, rounds = (1_000, 1) if quick else (rows, rounds)
    figures: list[Figures] = []
    with tempfile.TemporaryDirectory() as directory, running_server() as server:
        targets: list[tuple[Backend, str, int | None]] = [
            ("sqlite", str(Path(directory) / "queries.db"), None),
            ("postgres", server.url, server.process),
        ]
        for backend, url, postmaster in targets:
            figures += asyncio.run(_measured(backend, url, postmaster, rows, rounds))
    if json_file is not None:
        saved = as_json(figures, {"rows": rows, "rounds": rounds})
        json_file.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.queries")
