"""Writes the figures of a run into the documentation, so that no figure is typed by hand.

`python -m benchmarks.all --json FILE` measures and writes the page; `python -m benchmarks.page FILE` only writes it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import aims, tables
from benchmarks.chart import chart
from benchmarks.figures import Figures
from benchmarks.services.service import ServiceFigures
from benchmarks.tables import Lines

ROOT = Path(__file__).parent.parent
PAGE = Path("docs") / "performance.md"
CHART = Path("docs") / "assets" / "performance.svg"
AIMS = Path("benchmarks") / "README.md"

#: The saved figures of `benchmarks.all`: the JSON value of each part by its name.
Saved = Mapping[str, Any]


def _figures(saved: Saved, part: str) -> list[Figures]:
    return [Figures(**one) for one in saved.get(part, {}).get("figures", [])]


def _services(saved: Saved) -> list[ServiceFigures]:
    return [ServiceFigures(**one) for one in saved["services"]["figures"]]


def _runs(saved: Saved) -> Sequence[aims.Run]:
    parts = [part for part in ("calls", "full", "scenarios", "arrow") if part in saved]
    return [aims.Run(saved[part]["settings"]["durability"], _figures(saved, part)) for part in parts]


def conditions(saved: Saved) -> str:
    """Return the line below the title of the chart."""
    settings, machine = saved["services"]["settings"], saved["services"]["machine"]
    return (
        f"Starlette under uvicorn, one process, {settings['connections']} connections, no fsync per commit; "
        f"{machine['processor']}, {machine['cores']} cores"
    )


def blocks(saved: Saved) -> dict[str, Lines]:
    """Return the text of each block that the page marks by name."""
    calls = _figures(saved, "calls")
    machine = textwrap.wrap(tables.machine(saved["services"]), 120)
    return {
        "summary": tables.summary(_services(saved)),
        "services": tables.services(_services(saved)),
        "calls": tables.calls(calls, "wall"),
        "cpu": tables.calls(calls, "cpu"),
        "server": tables.calls(calls, "server"),
        "scenarios": tables.two_sides(_figures(saved, "scenarios")),
        "arrow": tables.two_sides(_figures(saved, "arrow")),
        "stalls": tables.stalls(saved.get("stalls", [])),
        "machine": machine,
        "aims": tables.aims(aims.verdicts(_runs(saved))),
    }


def filled(text: str, found: Mapping[str, Lines]) -> str:
    """Return a page with its blocks replaced; a block is what is between two comments with its name."""
    for name, lines in found.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin in text:
            head, _, rest = text.partition(begin)
            body = "\n".join(["", *lines]).rstrip()
            text = f"{head}{begin}\n{body}\n\n{end}{rest.partition(end)[2]}"
    return text


def write(saved: Saved, root: Path) -> None:
    """Write the chart, the page and the table of aims into a project's directory."""
    (root / CHART).parent.mkdir(parents=True, exist_ok=True)
    (root / CHART).write_text(chart(_services(saved), conditions(saved)), encoding="utf-8")
    found = blocks(saved)
    for page in (root / PAGE, root / AIMS):
        page.write_text(filled(page.read_text(encoding="utf-8"), found), encoding="utf-8")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=ROOT, help="The project's directory.")
def main(file: Path, root: Path) -> None:
    """Write the figures of FILE into the chart, docs/performance.md and benchmarks/README.md."""
    write(json.loads(file.read_text(encoding="utf-8")), root)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.page")
