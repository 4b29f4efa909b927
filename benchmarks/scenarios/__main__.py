"""`python -m benchmarks.scenarios` measures DeeBase beside the plain driver, on both databases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from benchmarks.clock import Clock
from benchmarks.databases import BACKENDS, Databases, chosen_backends, databases
from benchmarks.figures import Figures, grouped, ratio
from benchmarks.report import as_json
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


def lines(figures: list[Figures]) -> list[str]:
    """Return a line for each scenario: both times, and the ratios by wall time and by CPU time."""
    result: list[str] = []
    for work, sides in grouped(figures).items():
        own, other = sides.values()
        times = ", ".join(f"{one.side} {1000 * (one.median() or 0):,.2f} ms" for one in (own, other))
        ratios = [ratio(own, other, kind) for kind in ("wall", "cpu")]
        result.append(f"{own.backend}: {work}: {times}, {' '.join(f'{one:.2f}' for one in ratios if one is not None)}")
    return result


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
            click.echo("\n".join(lines(measured)))
            found += measured
    if json_file:
        text = json.dumps(as_json(found, {"durability": "normal", **vars(plan)}), indent=2)
        json_file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.scenarios")
