"""Writes the figures of a run into the documentation, so that no figure is typed by hand.

python -m benchmarks --json normal.json
python -m benchmarks --durability full --only insert --json full.json
python -m benchmarks.scenarios --json scenarios.json
python -m benchmarks.page normal.json full.json scenarios.json
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

import click

from benchmarks.targets import TARGETS, Target

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Figures = dict[str, Any]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine(run: Figures) -> str:
    """Return a description of the machine and the versions."""
    versions = {name: version for name, version in run["versions"].items() if name != "deebase"}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}; {listed}."


def _label(result: Figures) -> str:
    return result["operation"] + (f" x{result['tasks']}" if result["tasks"] > 1 else "")


def table(run: Figures, backend: str) -> list[str]:
    """Return the table of one backend: microseconds, and the ratio to the plain driver."""
    results = [result for result in run["results"] if result["backend"] == backend]
    peers = list(dict.fromkeys(result["peer"] for result in results))
    lines = [f"| {backend} | {' | '.join(peers)} |", f"|---|{'---|' * len(peers)}"]
    for label in dict.fromkeys(map(_label, results)):
        by_peer = {result["peer"]: result for result in results if _label(result) == label}
        lines.append(f"| {label} | {' | '.join(_cell(by_peer.get(peer)) for peer in peers)} |")
    return lines


def _cell(result: Figures | None) -> str:
    if result is None or result["microseconds"] is None:
        return "-"
    figure = result["microseconds"]
    return f"{figure:,.1f} ({result['ratio']:.2f})" if figure < 100 else f"{figure:,.0f} ({result['ratio']:.2f})"


def _found(target: Target, runs: list[Figures]) -> float | None:
    for run in runs:
        if run["settings"]["durability"] != target.durability:
            continue
        for result in run["results"]:
            same = (result["backend"], result["operation"], result["tasks"]) == target.measured
            if same and result["peer"] == "deebase" and result["ratio"] is not None:
                return float(result["ratio"])
    return None


def aims(runs: list[Figures]) -> list[str]:
    """Return the table of aims and measured ratios."""
    lines = ["| operation | database | aim | measured | |", "|---|---|---|---|---|"]
    for target in TARGETS:
        ratio = _found(target, runs)
        if ratio is not None:
            verdict = "met" if ratio <= target.most else "missed"
            lines.append(f"| {target.title} | {target.backend} | {target.most:.2f} | {ratio:.2f} | {verdict} |")
    return lines


def scenarios(found: list[Figures]) -> list[str]:
    """Return the tables of the scenarios."""
    lines: list[str] = []
    for figures in found:
        lines += [f"| {figures['backend']} | DeeBase, ms | reference, ms | ratio |", "|---|---|---|---|"]
        for scenario, sides in figures["milliseconds"].items():
            (own, first), (other, second) = ((who, statistics.median(values)) for who, values in sides.items())
            names = "" if other == "driver" else f" ({own} against {other})"
            lines.append(f"| {scenario.strip()}{names} | {first:,.2f} | {second:,.2f} | {first / second:.2f} |")
        lines.append("")
    return lines


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    """Write the figures of these files into docs/performance.md."""
    loaded = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    runs = [figures for figures in loaded if isinstance(figures, dict)]
    lists = [figures for figures in loaded if isinstance(figures, list)]
    lines = [machine(runs[0]), "", *aims(runs), ""]
    for backend in ("sqlite", "postgres"):
        lines += [*table(runs[0], backend), ""]
    for found in lists:
        lines += scenarios(found)
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(f"{head}{BEGIN}\n\n{chr(10).join(lines).strip()}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.page")
