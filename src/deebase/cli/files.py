"""The commands of `deebase data` that read and write files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import database_options, say
from deebase.cli.session import session

_FORMATS = click.Choice(("csv", "tsv", "json", "ndjson"))
_FORMAT = click.option("--format", "form", type=_FORMATS, help="The format, where the name of the file does not tell.")

#: What the API calls with the rows so far, and the bytes of how many.
Progress = Callable[[int, int, int | None], None]


@click.command("import", cls=Command, example="deebase data import people.csv --pk id")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--table", help="The table; named after the file by default.")
@click.option("--pk", metavar="COLUMN", help="The key of a table that is made; id by default, where there is one.")
@click.option(
    "--upsert", is_flag=True, help="Change the rows whose key is there already, instead of refusing the file."
)
@_FORMAT
@database_options
def import_files(files: Sequence[str], table: str | None, pk: str | None, upsert: bool, form: str | None) -> None:
    """Import files: CSV, TSV, JSON or NDJSON, also packed with gzip or zip; - is stdin.

    A table that is not there is made, with types that fit the values. Each file is taken whole or not at all.
    """
    if "-" in files and table is None:
        raise Refusal("What comes from stdin has no name: give --table.")
    options: dict[str, Any] = {"pk": pk, "on_conflict": "update" if upsert else None, "format": form}
    given = {name: value for name, value in options.items() if value is not None}
    with session(creates=True) as s:
        # Of any type: what a call takes is told by its documentation.
        db: Any = s.db
        for file in files:
            source: Any = sys.stdin.buffer if file == "-" else file
            with _progress(file) as progress:
                item = s.run(db.import_file(source, table, **given, **progress))
            say(f"Imported {file} into {item.name}.")


@click.command("export", cls=Command, example="deebase data export user users.csv")
@click.argument("table")
@click.argument("file", default="-")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@_FORMAT
@database_options
def export_file(table: str, file: str, overwrite: bool, form: str | None) -> None:
    """Export a table or view to a file: CSV, TSV, JSON or NDJSON, also .gz and .zip; to stdout without one."""
    given: dict[str, Any] = {"overwrite": True} if overwrite else {}
    if form is not None or file == "-":
        given["format"] = form or "csv"
    with session() as s:
        item: Any = s.readable(table)
        target: Any = sys.stdout.buffer if file == "-" else file
        with _progress(table) as progress:
            s.run(item.export_file(target, **given, **progress))
        if file != "-":
            say(f"Exported {table} to {file}.")


@contextmanager
def _progress(what: str) -> Generator[dict[str, Progress]]:
    """Show how far it is, with rows per second, on a terminal; yield what the call takes for that."""
    if not sys.stderr.isatty():
        yield {}
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rows="")

        def advance(rows: int, done: int = 0, total: int | None = None) -> None:
            seconds = bar.tasks[0].elapsed or 0
            speed = f", {rows / seconds:,.0f} a second" if seconds else ""
            bar.update(task, completed=done, total=total, rows=f"{rows:,} rows{speed}")

        yield {"progress": advance}


COMMANDS = (import_files, export_file)
