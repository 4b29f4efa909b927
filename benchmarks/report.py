"""The figures as a table and as JSON."""

from __future__ import annotations

import importlib.metadata
import platform
import sqlite3
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.peers import BASELINES, ENTRIES
from benchmarks.runner import Result
from benchmarks.target import Backend, Durability
from benchmarks.targets import TARGETS


def baseline_of(results: Sequence[Result], result: Result) -> Result | None:
    """Return the result of the plain driver, if it was measured."""
    name = BASELINES[result.backend]
    same = (one for one in results if one.backend == result.backend and one.operation == result.operation)
    return next((one for one in same if one.peer == name), None)


def ratio_of(results: Sequence[Result], result: Result) -> float | None:
    """Return the ratio of a peer to the plain driver; None if one of them has no figure.

    The two are compared within each round, because the load of the machine changes from round to round,
    and the median of these ratios is taken.
    """
    baseline = baseline_of(results, result)
    if baseline is None or baseline.median is None or result.median is None:
        return None
    pairs = zip(result.microseconds, baseline.microseconds, strict=False)  # a slow import has fewer rounds
    return statistics.median(own / other for own, other in pairs)


def table(backend: Backend, results: Sequence[Result]) -> Table:
    """Return the table of one backend: microseconds per call, and the ratio to the plain driver below."""
    mine = [result for result in results if result.backend == backend]
    peers = list(dict.fromkeys(result.peer for result in mine))
    shown = Table()
    shown.add_column("operation", no_wrap=True)
    for peer in peers:
        shown.add_column(peer, justify="right", no_wrap=True)
    for operation in dict.fromkeys(result.operation for result in mine):
        by_peer = {result.peer: result for result in mine if result.operation == operation}
        shown.add_row(operation.label, *(_cell(results, by_peer[peer]) for peer in peers))
    return shown


def _cell(results: Sequence[Result], result: Result) -> str:
    if result.error is not None:
        return "failed"
    if result.median is None:
        return "-"
    ratio = ratio_of(results, result)
    figure = f"{result.median:,.1f}" if result.median < 100 else f"{result.median:,.0f}"
    return figure if ratio is None else f"{figure}\n{ratio:.2f}x"


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the tables and the failures."""
    backends: dict[Backend, None] = dict.fromkeys(result.backend for result in results)
    for backend in backends:
        unit = "microseconds per operation, per row for many rows"
        console.print(f"{backend}: {unit}; below it, how many times {BASELINES[backend]}", highlight=False)
        console.print(table(backend, results))
    for result in results:
        if result.error is not None:
            console.print(
                f"{result.backend} {result.operation.label} {result.peer} failed: {result.error}",
                markup=False,
                highlight=False,
            )


def missed(results: Sequence[Result], durability: Durability) -> list[str]:
    """Return a line for each aim that was measured and missed."""
    lines: list[str] = []
    for target in TARGETS:
        for result in results:
            measured = (result.backend, result.operation.name, result.operation.tasks)
            ratio = ratio_of(results, result) if result.peer == "deebase" and measured == target.measured else None
            if ratio is not None and ratio > target.most and durability == target.durability:
                lines.append(f"missed: {target.title} on {target.backend}: {ratio:.2f}, aimed at {target.most:.2f}")
    return lines


def versions() -> dict[str, str]:
    """Return the versions of the measured libraries."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for distribution in sorted({name for entry in ENTRIES for name in entry.distributions}):
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def as_json(results: Sequence[Result], settings: dict[str, object]) -> dict[str, object]:
    """Return all figures and their settings as a JSON value."""
    return {
        "settings": settings,
        "versions": versions(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "results": [
            {
                "backend": result.backend,
                "operation": result.operation.name,
                "tasks": result.operation.tasks,
                "peer": result.peer,
                "microseconds": None if result.median is None else round(result.median, 2),
                "ratio": None if (ratio := ratio_of(results, result)) is None else round(ratio, 3),
                "baseline": BASELINES[result.backend],
                "rounds": [round(figure, 2) for figure in result.microseconds],
                "calls": result.calls,
                "error": result.error,
            }
            for result in results
        ],
    }
