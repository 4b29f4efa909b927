"""Prints how DeeBase does on databases that others made: `python -m benchmarks.real_databases FILE...`."""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.real_databases.places import PostgresDatabases, SqliteFiles
from benchmarks.real_databases.postgres_catalog import PostgresTools
from benchmarks.real_databases.steps import STEPS, Outcome, Trial
from benchmarks.server import running_server

_MARKS = {"ok": "yes", "named": "named", "fail": "**no**", "skipped": "-"}


@dataclass
class Measured:
    """One database, and how each step went."""

    kind: str
    name: str
    outcomes: dict[str, Outcome]


@dataclass
class Run:
    """One run over all databases.

    Attributes:
        files: makes SQLite files.
        databases: makes PostgreSQL databases.
        directory: for the files of the trials.
        limit: seconds that one process of a step may take.
        only: titles of the steps; all if it is empty.
    """

    files: SqliteFiles
    databases: PostgresDatabases
    directory: Path
    limit: float
    only: Sequence[str]

    def measure(self, given: Path | str) -> Measured:
        """Take one database through all steps."""
        same, other = (self.databases, self.files) if _is_postgres(given) else (self.files, self.databases)
        name = given.rpartition("/")[2].split("?")[0] if isinstance(given, str) else given.name.split(".")[0]
        again: Callable[[], Any] = lambda: same.copy_of(given)  # type: ignore[arg-type] # noqa: E731
        trial_directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))
        try:
            source = again()
        except (RuntimeError, sqlite3.Error, OSError) as error:
            return Measured(same.name, name, {STEPS[0]: Outcome("fail", [f"cannot be loaded: {error}"])})
        trial = Trial(source, same, other, again, trial_directory, self.limit, self.only)
        outcomes = trial.run()
        trial.close()
        same.drop(source)
        return Measured(same.name, name, outcomes)


def _is_postgres(given: Path | str) -> bool:
    return isinstance(given, str) or given.name.endswith((".sql", ".sql.gz"))


def table(measured: Sequence[Measured]) -> str:
    """Return the figures as Markdown: the totals, then a line for each database."""
    kinds = sorted({item.kind for item in measured}, reverse=True)
    counts = {kind: [item for item in measured if item.kind == kind] for kind in kinds}
    lines = [
        f"| step | {' | '.join(f'{kind} ({len(counts[kind])})' for kind in kinds)} |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for step in STEPS:
        cells = []
        for kind in kinds:
            states = [item.outcomes[step].state for item in counts[kind] if step in item.outcomes]
            named = states.count("named")
            cells.append(f"{states.count('ok')}{f' + {named} named' if named else ''}")
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines += ["", f"| database | {' | '.join(STEPS)} |", "|---" * (len(STEPS) + 1) + "|"]
    for item in measured:
        marks = [_MARKS[item.outcomes[step].state] if step in item.outcomes else "" for step in STEPS]
        lines.append(f"| {item.kind} {item.name} | {' | '.join(marks)} |")
    return "\n".join(lines)


def remaining(measured: Sequence[Measured], most: int) -> str:
    """Return each remaining difference by the database and the step."""
    lines: list[str] = []
    for item in measured:
        for step, outcome in item.outcomes.items():
            if outcome.state in ("fail", "named"):
                lines.append(f"* {item.kind} {item.name}, {step} ({outcome.state}, {len(outcome.notes)}):")
                lines += [f"    * {note}" for note in outcome.notes[:most]]
                if len(outcome.notes) > most:
                    lines.append(f"    * and {len(outcome.notes) - most} more")
    return "\n".join(lines)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--pg", "urls", multiple=True, help="A PostgreSQL database; it is copied and not changed. Repeatable.")
@click.option("--only", "only", multiple=True, type=click.Choice(STEPS), help="A step; all by default.")
@click.option("--limit", type=float, default=180, help="Seconds that one process of a step may take.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, help="Databases at the same time.")
@click.option("--notes", type=int, default=12, help="Differences of each step that are shown.")
@click.option("--json", "saved", type=click.Path(path_type=Path), help="A file for the figures.")
def main(
    files: Sequence[Path],
    urls: Sequence[str],
    only: Sequence[str],
    limit: float,
    jobs: int,
    notes: int,
    saved: Path | None,
) -> None:
    """Take databases that others made through all steps, and print a table of what works.

    FILES are SQLite files, or SQL for psql (.sql, .sql.gz), which is loaded into PostgreSQL.
    """
    # The server is stopped, too, when this process is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    given: list[Path | str] = [*(path.resolve() for path in files), *urls]
    lock = threading.Lock()
    with running_server() as server, tempfile.TemporaryDirectory(prefix="dbreal-") as directory:
        files_directory = Path(directory) / "files"
        files_directory.mkdir()
        databases = PostgresDatabases(server, PostgresTools())
        run = Run(SqliteFiles(files_directory), databases, Path(directory), limit, only)

        def work(item: Path | str) -> Measured:
            measured = run.measure(item)
            with lock:
                states = ", ".join(
                    f"{step}: {outcome.state} ({outcome.seconds:.0f} s)" for step, outcome in measured.outcomes.items()
                )
                click.echo(f"{measured.kind} {measured.name}: {states}", err=True)
                click.echo(remaining([measured], notes), err=True)
            return measured

        with ThreadPoolExecutor(jobs) as pool:
            try:
                measured = list(pool.map(work, given))
            except BaseException:
                # Databases that have not begun do not begin any more.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    click.echo(table(measured))
    click.echo(f"\n{remaining(measured, notes)}")
    if saved is not None:
        saved.write_text(json.dumps([asdict(item) for item in measured], indent=1))


if __name__ == "__main__":
    main()
