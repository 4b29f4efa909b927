"""Command line of the benchmarks."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console

from benchmarks import report
from benchmarks.flights import flights
from benchmarks.peers import ENTRIES, Entry
from benchmarks.runner import Contestant, Plan, Result, check, compare, selected
from benchmarks.server import Server, running_server
from benchmarks.store import store_for
from benchmarks.target import Backend, Durability, Target
from benchmarks.workload import OPERATION_NAMES

BACKENDS: tuple[Backend, ...] = ("sqlite", "postgres")


@dataclass
class Run:
    """One run, from empty databases to the figures."""

    console: Console
    directory: Path
    server: Server | None
    entries: Sequence[Entry]
    only: Sequence[str]
    durability: Durability
    plan: Plan

    async def backend(self, backend: Backend) -> list[Result]:
        """Measure all peers that work on a backend."""
        results: list[Result] = []
        async with AsyncExitStack() as stack:
            contestants: list[Contestant] = []
            for entry in self.entries:
                if backend in entry.backends:
                    contestant = await self._joined(stack, entry, backend)
                    contestants += [contestant] if contestant else []
            operations = selected(self.only)
            results = await compare(
                backend, contestants, operations, self.plan, lambda: flights(self.plan.flights), self._say
            )
        return results

    async def _joined(self, stack: AsyncExitStack, entry: Entry, backend: Backend) -> Contestant | None:
        try:
            peer = entry.load()()
        except ImportError as error:
            self._say(f"{backend}: {entry.name} is not installed ({error})")
            return None
        target = await self._target(entry.name, backend)
        store = store_for(target)
        await store.create()
        stack.push_async_callback(store.close)
        contestant = Contestant(entry.name, peer, store)
        try:
            await peer.setup(target)
            stack.push_async_callback(peer.close)
            await check(contestant)
        except Exception as error:  # one library that does not work must not take the others along
            self._say(f"{backend}: {entry.name} is left out, it failed the check: {type(error).__name__}: {error}")
            return None
        return contestant

    async def _target(self, name: str, backend: Backend) -> Target:
        if backend == "sqlite":
            return Target(backend, self.directory / f"{name}.db", "", 0, self.durability)
        if self.server is None:
            raise RuntimeError("no server was started")
        await self.server.execute(f"CREATE DATABASE bench_{name}")
        return Target(backend, self.server.directory, f"bench_{name}", self.server.port, self.durability)

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)


def _chosen(text: str, names: Sequence[str], what: str) -> list[str]:
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise click.BadParameter(f"no such {what}: {', '.join(unknown)}; there are {', '.join(names)}")
    return chosen


def _console(file: TextIO) -> Console:
    # In a file, a table is not cut at 80 columns.
    return Console(file=file, width=None if file.isatty() else 140)


def _execute(run: Run, backends: Sequence[Backend], uvloop: bool) -> list[Result]:
    factory = None
    if uvloop:
        import uvloop as uv

        factory = uv.new_event_loop

    async def work() -> list[Result]:
        if run.server is not None:
            await run.server.configure(run.durability)
        return [result for backend in backends for result in await run.backend(backend)]

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
@click.option("--check", "checks", is_flag=True, help="Exit with 1 when an aim of benchmarks/targets.py is missed.")
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
    backends: list[Backend] = [name for name in BACKENDS if backend in (name, "all")]
    names = _chosen(peers, [entry.name for entry in ENTRIES], "library")
    plan = Plan(
        seconds=seconds or (0.05 if quick else 0.1),
        repeat=repeat,
        rounds=rounds or (3 if quick else 11),
        flights=flight_count or (10_000 if quick else 100_000),
        import_rounds=min(rounds or 3, 1 if quick else 3),
    )
    console = _console(sys.stdout)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbbench-")))
        server = stack.enter_context(running_server()) if "postgres" in backends else None
        entries = [entry for entry in ENTRIES if not names or entry.name in names]
        chosen = _chosen(only, OPERATION_NAMES, "operation")
        run = Run(_console(sys.stderr), directory, server, entries, chosen, durability, plan)
        results = _execute(run, backends, uvloop)
    report.show(console, results)
    missed = report.missed(results, durability)
    for line in missed:
        console.print(line, markup=False, highlight=False)
    if json_file:
        settings: dict[str, object] = {"durability": durability, "uvloop": uvloop, **vars(plan)}
        json_file.write_text(json.dumps(report.as_json(results, settings), indent=2) + "\n", encoding="utf-8")
    if checks and missed:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
