"""Measures everything that the documentation shows, and writes it there: `python -m benchmarks.all --json FILE`.

Each part runs in a process of its own. With --quick, the figures are only good to see that everything works.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.page import ROOT, write

#: The arguments of each part: for real, and with --quick.
PARTS: dict[str, tuple[str, str]] = {
    "services": ("benchmarks.services --seconds 1", "benchmarks.services --seconds 1 --rounds 1"),
    "calls": ("benchmarks --rounds 5 --flights 50000", "benchmarks --repeat 2 --rounds 1 --flights 100"),
    "full": (
        "benchmarks --durability full --only insert --peers deebase,aiosqlite,asyncpg --rounds 7",
        "benchmarks --durability full --only insert --peers deebase,aiosqlite,asyncpg --repeat 2 --rounds 1",
    ),
    "scenarios": ("benchmarks.scenarios", "benchmarks.scenarios --quick"),
    "arrow": ("benchmarks.arrow", "benchmarks.arrow --quick"),
    "stalls": ("benchmarks.stalls", "benchmarks.stalls --quick"),
}


def measured(part: str, arguments: str) -> object:
    """Run a part in a process of its own, and return what it saved."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / f"{part}.json"
        command = [sys.executable, "-m", *arguments.split(), "--json", str(file)]
        subprocess.run(command, check=True, cwd=ROOT)
        return json.loads(file.read_text(encoding="utf-8"))


@click.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file.")
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="Measure only this part; may be repeated.")
@click.option("--quick", is_flag=True, help="Measure as little as possible.")
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=ROOT, help="Where the pages are.")
def main(json_file: Path, only: tuple[str, ...], quick: bool, root: Path) -> None:
    """Measure all parts, save the figures in one file, and write the pages and the chart.

    Parts that are not measured keep the figures that the file holds.
    """
    saved = json.loads(json_file.read_text(encoding="utf-8")) if only and json_file.exists() else {}
    failed: list[str] = []
    for part, arguments in PARTS.items():
        if not only or part in only:
            start = time.monotonic()
            try:
                saved[part] = measured(part, arguments[quick])
            except subprocess.CalledProcessError:
                failed.append(part)
            json_file.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
            click.echo(f"{part}: {time.monotonic() - start:.0f} s", err=True)
    if failed:
        again = " ".join(f"--only {part}" for part in failed)
        raise click.ClickException(
            f"{', '.join(failed)} failed, and no page was written; the rest is saved: add {again}"
        )
    write(saved, root)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.all")
