"""The figures of the calls as tables for the terminal, and what is saved with every figure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from benchmarks.aims import Verdict
from benchmarks.figures import KINDS, Figures, grouped, ratio
from benchmarks.peers import BASELINES, ENTRIES
from benchmarks.target import Backend

#: Packages beyond those of the peers whose versions are saved.
_OTHERS = ("starlette", "uvicorn", "uvloop", "httptools", "pyarrow", "adbc-driver-manager")


def table(backend: Backend, figures: Sequence[Figures]) -> Table:
    """Return the table of one database: microseconds per call, and the ratios to the plain driver below."""
    works = grouped(one for one in figures if one.backend == backend)
    sides = list(dict.fromkeys(side for work in works.values() for side in work))
    shown = Table()
    shown.add_column("operation", no_wrap=True)
    for side in sides:
        shown.add_column(side, justify="right", no_wrap=True)
    for work, found in works.items():
        baseline = found.get(BASELINES[backend])
        shown.add_row(work, *(_cell(found[side], baseline) for side in sides))
    return shown


def _cell(own: Figures, baseline: Figures | None) -> str:
    if own.error is not None:
        return "failed"
    seconds = own.median()
    if seconds is None:
        return "-"
    ratios = [ratio(own, baseline, kind) if baseline else None for kind in ("wall", "cpu")]
    below = " ".join(f"{one:.2f}" for one in ratios if one is not None)
    return f"{microseconds(seconds)}\n{below}".rstrip()


def microseconds(seconds: float) -> str:
    """Return a time as microseconds with three digits or more."""
    return f"{seconds * 1e6:,.1f}" if seconds < 1e-4 else f"{seconds * 1e6:,.0f}"


def compared(own: Figures, other: Figures) -> str:
    """Return one line: the times of both sides, and their ratios."""
    times = ", ".join(f"{one.side} {_time(one.median())}" for one in (own, other))
    names = {"wall": "wall time", "cpu": "CPU time", "server": "CPU time of the server"}
    found = [(ratio(own, other, kind), names[kind]) for kind in KINDS]
    ratios = ", ".join(f"{value:.2f} by {name}" for value, name in found if value is not None)
    return f"{own.backend}, {own.work}: {times}; ratio {ratios}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.2f} ms"


def console(file: TextIO) -> Console:
    """Return a console whose tables are not cut at 80 columns in a file."""
    return Console(file=file, width=None if file.isatty() else 140)


def show(output: Console, figures: Sequence[Figures]) -> None:
    """Print the tables and the failures."""
    backends: dict[Backend, None] = dict.fromkeys(one.backend for one in figures)
    for backend in backends:
        unit = "microseconds per operation, per row for many rows"
        below = f"below, the ratios to {BASELINES[backend]} by wall time and by CPU time of the process"
        output.print(f"{backend}: {unit}; {below}", highlight=False)
        output.print(table(backend, figures))
    for one in figures:
        if one.error is not None:
            line = f"{one.backend} {one.work} {one.side} failed: {one.error}"
            output.print(line, markup=False, highlight=False)


def missed(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a line for each aim that was measured and missed."""
    return [
        f"missed by {' and '.join(verdict.missed)}: {verdict.aim.title} on {verdict.aim.backend}: "
        f"{_ratio(verdict.wall)} and {_ratio(verdict.cpu)}, aimed at {verdict.aim.most:.2f}"
        for verdict in verdicts
        if verdict.missed
    ]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def versions() -> dict[str, str]:
    """Return the versions of the measured libraries."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for distribution in sorted({name for entry in ENTRIES for name in entry.distributions}.union(_OTHERS)):
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor, the number of its cores and the system."""
    return {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()}


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def as_json(figures: Sequence[Any], settings: Mapping[str, object]) -> dict[str, Any]:
    """Return figures with the settings, the versions and the machine as a JSON value."""
    return {
        "settings": dict(settings),
        "versions": versions(),
        "machine": machine(),
        "figures": [one.as_json() for one in figures],
    }
