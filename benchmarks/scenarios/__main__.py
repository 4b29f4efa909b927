"""`python -m benchmarks.scenarios` measures DeeBase beside the plain driver, on both databases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from benchmarks.clock import Clock
from benchmarks.databases import BACKENDS, Databases, chosen_backends, databases
from benchmarks.figures import Figures, grouped
from benchmarks.report import as_json, compared
from benchmarks.scenarios.bench import FULL, QUICK, Plan, prepared
from benchmarks.scenarios.mixed import mixed_load
from benchmarks.scenarios.reads import large_table, pages, parents
from benchmarks.scenarios.stream import stream
from benchmarks.target import Backend


async def measure(backend: Backend, places: Databases, plan: Plan) -> list[Figures]:
    """Return the figures of one database."""
    target = await places.empty("scenarios", backend)
    clock = Clock(places.postmaster if backend == "postgres" else None)
    async with prepared(target, plan, clock) as bench:
        await parents(bench)
        await large_table(bench)
        await mixed_load(bench)
        await pages(bench)
        await stream(bench, target)
        return list(bench.figures.values())


@click.command()
@click.option("--backend", type=click.Choice([*BACKENDS, "all"]), default="all", help="Database to measure on.")
@click.option("--quick", is_flag=True, help="Measure less; the figures are rough.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(backend: str, quick: bool, json_file: Path | None) -> None:
    """Measure what takes more than one call."""
    backends, plan = chosen_backends(backend), QUICK if quick else FULL
    found: list[Figures] = []
    with databases(backends, "normal") as places:
        for name in backends:
            measured = asyncio.run(measure(name, places, plan))
            for sides in grouped(measured).values():
                click.echo(compared(*sides.values()))
            found += measured
    if json_file:
        text = json.dumps(as_json(found, {"durability": "normal", **vars(plan)}), indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.scenarios")
