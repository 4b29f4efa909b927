"""Command line of the services."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.databases import BACKENDS, Databases, chosen_backends, databases
from benchmarks.figures import Figures, grouped
from benchmarks.peers import ENTRIES, Entry, chosen_entries
from benchmarks.report import as_json, console
from benchmarks.services.service import (
    TITLES,
    RequestKind,
    Service,
    ServiceFigures,
    running_service,
    wrk_is_installed,
)
from benchmarks.target import Backend, Durability


@dataclass(frozen=True)
class Plan:
    """The amount of measuring.

    Attributes:
        seconds: Of one load.
        rounds: Loads of each kind per service; the median counts.
        connections: Of wrk.
    """

    seconds: int
    rounds: int
    connections: int


@dataclass
class Run:
    """One run, from empty databases to the figures."""

    console: Console
    databases: Databases
    entries: Sequence[Entry]
    plan: Plan

    async def backend(self, backend: Backend) -> list[ServiceFigures]:
        """Measure the services of all libraries that work on a backend."""
        async with AsyncExitStack() as stack:
            services: list[Service] = []
            for entry in self.entries:
                if backend in entry.backends:
                    service = await self._started(stack, entry, backend)
                    services += [service] if service else []
            return [figures for kind in TITLES for figures in await self._loaded(backend, kind, services)]

    async def _started(self, stack: AsyncExitStack, entry: Entry, backend: Backend) -> Service | None:
        try:
            entry.load()
        except ImportError as error:
            self._say(f"{backend}: {entry.name} is not installed ({error})")
            return None
        target, store = await self.databases.make(entry.name, backend)
        stack.push_async_callback(store.close)
        postmaster = self.databases.postmaster if backend == "postgres" else None
        try:
            service = await stack.enter_async_context(running_service(entry.name, target, store, postmaster))
            await service.check()
        except Exception as error:  # one library that does not work must not take the others along
            self._say(f"{backend}: {entry.name} is left out, it failed the check: {type(error).__name__}: {error}")
            return None
        return service

    async def _loaded(
        self, backend: Backend, kind: RequestKind, services: Sequence[Service]
    ) -> Sequence[ServiceFigures]:
        """Measure one kind of request; the rounds are interleaved, and each begins with another service."""
        self._say(f"{backend}: {TITLES[kind]}")
        found = {service.name: ServiceFigures(backend, TITLES[kind], service.name) for service in services}
        for number in range(self.plan.rounds):
            for place in range(len(services)):
                service = services[(place + number) % len(services)]
                figures = found[service.name]
                try:
                    figures.add_load(await service.load(kind, self.plan.seconds, self.plan.connections))
                except RuntimeError as error:
                    figures.error = str(error)
        return list(found.values())

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)


def table(figures: Sequence[ServiceFigures]) -> Table:
    """Return the table of one database: requests per second, p50 and p99, CPU time per request."""
    works = grouped(figures)
    shown = Table()
    shown.add_column("service", no_wrap=True)
    for work in works:
        shown.add_column(work, justify="right", no_wrap=True)
    for name in dict.fromkeys(one.side for one in figures):
        shown.add_row(name, *(_cell(sides.get(name)) for sides in works.values()))
    return shown


def _cell(one: Figures | None) -> str:
    if not isinstance(one, ServiceFigures) or one.requests is None:
        return "failed"
    p50, p99 = (1000 * statistics.median(values) for values in (one.p50, one.p99))
    return f"{one.requests:,.0f}/s\n{p50:.1f} {p99:.1f} ms\n{1e6 * (one.median('cpu') or 0):.0f} us CPU"


@click.command()
@click.option("--backend", type=click.Choice([*BACKENDS, "all"]), default="all", help="Database to measure on.")
@click.option("--peers", default="", help=f"Libraries, with commas: {', '.join(entry.name for entry in ENTRIES)}.")
@click.option("--seconds", type=click.IntRange(min=1), default=2, show_default=True, help="Of each load.")
@click.option(
    "--rounds", type=click.IntRange(min=0), default=3, show_default=True, help="Loads; 0 only checks answers."
)
@click.option("--connections", type=click.IntRange(min=1), default=32, show_default=True, help="Of wrk.")
@click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", help="Wait for the disk?")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(
    backend: str,
    peers: str,
    seconds: int,
    rounds: int,
    connections: int,
    durability: Durability,
    json_file: Path | None,
) -> None:
    """Load one service per library with wrk, on loopback."""
    if rounds and not wrk_is_installed():
        raise click.ClickException("the load generator wrk is not installed; on Debian: apt-get install wrk")
    backends, plan, output = chosen_backends(backend), Plan(seconds, rounds, connections), console(sys.stdout)
    found: list[ServiceFigures] = []
    with databases(backends, durability) as places:
        run = Run(console(sys.stderr), places, chosen_entries(peers), plan)
        for name in backends:
            figures = asyncio.run(run.backend(name))
            output.print(f"{name}: requests per second, p50 and p99, CPU time of the service per request")
            output.print(table(figures))
            found += figures
    if json_file:
        text = json.dumps(as_json(found, {"durability": durability, **vars(plan)}), indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.services")
