"""Command line of the benchmarks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from benchmarks import aims, report
from benchmarks.aims import verdicts
from benchmarks.clock import Clock
from benchmarks.databases import BACKENDS, Databases, chosen_backends, databases
from benchmarks.figures import Figures
from benchmarks.flights import flights
from benchmarks.peers import ENTRIES, Entry, chosen, chosen_entries
from benchmarks.runner import Contestant, Plan, check, compare, selected
from benchmarks.target import Backend, Durability
from benchmarks.workload import OPERATION_NAMES


@dataclass
class Run:
    """One run, from empty databases to the figures."""

    console: Console
    databases: Databases
    entries: Sequence[Entry]
    only: Sequence[str]
    plan: Plan

    async def backend(self, backend: Backend) -> list[Figures]:
        """Measure all peers that work on a backend."""
        async with AsyncExitStack() as stack:
            contestants: list[Contestant] = []
            for entry in self.entries:
                if backend in entry.backends:
                    contestant = await self._joined(stack, entry, backend)
                    contestants += [contestant] if contestant else []
            operations = selected(self.only)
            return await compare(
                backend, contestants, operations, self.plan, lambda: flights(self.plan.flights), self._say
            )

    async def _joined(self, stack: AsyncExitStack, entry: Entry, backend: Backend) -> Contestant | None:
        try:
            peer = entry.load()()
        except ImportError as error:
            self._say(f"{backend}: {entry.name} is not installed ({error})")
            return None
        target, store = await self.databases.make(entry.name, backend)
        stack.push_async_callback(store.close)
        clock = Clock(self.databases.postmaster if backend == "postgres" else None)
        contestant = Contestant(entry.name, peer, store, clock)
        try:
            await peer.setup(target)
            stack.push_async_callback(peer.close)
            await check(contestant)
        except Exception as error:  # one library that does not work must not take the others along
            self._say(f"{backend}: {entry.name} is left out, it failed the check: {type(error).__name__}: {error}")
            return None
        return contestant

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)


def _execute(run: Run, backends: Sequence[Backend], uvloop: bool) -> list[Figures]:
    factory = None
    if uvloop:
        import uvloop as uv

        factory = uv.new_event_loop

    async def work() -> list[Figures]:
        return [figures for backend in backends for figures in await run.backend(backend)]

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work())


@click.command()
@click.option("--backend", type=click.Choice([*BACKENDS, "all"]), default="all", help="Database to measure on.")
@click.option("--only", default="", help=f"Operations, with commas: {', '.join(OPERATION_NAMES)}.")
@click.option("--peers", default="", help=f"Libraries, with commas: {', '.join(entry.name for entry in ENTRIES)}.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
@click.option("--seconds", type=click.FloatRange(min=0.001), default=None, help="Per measurement; 0.1 by default.")
@click.option("--repeat", type=click.IntRange(min=1), help="Calls per measurement, instead of --seconds.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=None, help="Measurements of each operation; 11 by default."
)
@click.option("--flights", "flight_count", type=click.IntRange(min=1), default=None, help="Rows of the import.")
@click.option("--durability", type=click.Choice(["normal", "full"]), default="normal", help="Wait for the disk?")
@click.option("--uvloop", is_flag=True, help="Use the event loop of uvloop.")
@click.option("--check", "checks", is_flag=True, help="Exit with 1 when an aim of benchmarks/aims.py is missed.")
@click.option("--quick", is_flag=True, help="Measure less; the figures are rough.")
def main(
    backend: str,
    only: str,
    peers: str,
    json_file: Path | None,
    seconds: float | None,
    repeat: int | None,
    rounds: int | None,
    flight_count: int | None,
    durability: Durability,
    uvloop: bool,
    checks: bool,
    quick: bool,
) -> None:
    """Compare DeeBase with the drivers below it and with other libraries, on the same work."""
    backends = chosen_backends(backend)
    plan = Plan(
        seconds=seconds or (0.05 if quick else 0.1),
        repeat=repeat,
        rounds=rounds or (3 if quick else 11),
        flights=flight_count or (10_000 if quick else 100_000),
        import_rounds=min(rounds or 3, 1 if quick else 3),
    )
    console = report.console(sys.stdout)
    operations = chosen(only, OPERATION_NAMES, "operation")
    with databases(backends, durability) as places:
        run = Run(report.console(sys.stderr), places, chosen_entries(peers), operations, plan)
        figures = _execute(run, backends, uvloop)
    report.show(console, figures)
    missed = report.missed(verdicts([aims.Run(durability, figures)]))
    for line in missed:
        console.print(line, markup=False, highlight=False)
    if json_file:
        settings: dict[str, object] = {"durability": durability, "uvloop": uvloop, **vars(plan)}
        json_file.write_text(json.dumps(report.as_json(figures, settings), indent=2) + "\n", encoding="utf-8")
    if checks and missed:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
