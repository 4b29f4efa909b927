"""The commands of `deebase data` that read and write files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import click

from deebase.cli import field_arguments as fields
from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import changing, database_options, invocation, say
from deebase.cli.output import counted
from deebase.cli.progress_bars import bar
from deebase.cli.session import session
from deebase.cli.terminal import Terminal
from deebase.cli.value_arguments import named
from deebase.errors import ValidationError

Format = Literal["csv", "tsv", "json", "ndjson"]

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "tsv", "json", "ndjson")),
    help="The format, where the name of the file does not tell.",
)
_DELIMITER = click.option("--delimiter", metavar="CHARACTER", help="Between fields of CSV; found out by default.")


@click.command("import", cls=Command, example="deebase data import people.csv --pk id --type zip=str")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--table", help="The table; named after the file by default.")
@click.option("--pk", metavar="COLUMN", multiple=True, help="The key of a table that is made; id by default.")
@click.option("--type", "types", metavar="COLUMN=TYPE", multiple=True, help="The type of a column of a new table.")
@click.option(
    "--upsert", is_flag=True, help="Change the rows whose key is there already, instead of refusing the file."
)
@click.option("--null", "nulls", metavar="TEXT", multiple=True, help="A text of CSV that means NULL, besides nothing.")
@click.option("--encoding", default="utf-8-sig", show_default=True, help="Of the text; a byte order mark decides.")
@_DELIMITER
@_FORMAT
@changing
def import_files(
    files: Sequence[str], table: str | None, pk: Sequence[str], types: Sequence[str], **given: Any
) -> None:
    """Import files: CSV, TSV, JSON or NDJSON, also packed by gzip or zip; - is stdin.

    A table that is not there is made, with types that fit the values. Each file is taken whole or not at all.
    """
    if "-" in files and table is None:
        raise Refusal("What comes from stdin has no name: give --table.")
    if "-" in files and sys.stdin.isatty():
        raise Refusal("There is nothing on stdin: pipe a file into it, or give its name.")
    annotations = {name: _type(name, kind) for name, kind in named(types, "--type").items()}
    with session(creates=True) as s:
        for file in files:
            with bar(file) as advance:
                work = s.db.import_file(
                    file,
                    table,
                    pk=list(pk) or None,
                    types=annotations or None,
                    on_conflict="update" if given["upsert"] else None,
                    null=["", *given["nulls"]],
                    encoding=given["encoding"],
                    delimiter=_tab(given["delimiter"]),
                    format=given["form"],
                    progress=advance,
                )
                there = {known.name for known in s.db.t}
                item = s.change(work)
            if not invocation().dry_run:
                if item.name not in there:
                    say(f"Made table {item.name}.")
                say(f"Imported {file} into {item.name}, which has {counted(s.run(item.count()), 'row')} now.")


def _type(name: str, kind: str) -> Any:
    spec = fields.parse(f"{fields.escaped(name)}:{kind}")
    if spec.digits is not None:
        raise ValidationError(
            f"--type {name}: decimal alone; it keeps any number of digits", field=name, hint="decimal"
        )
    # Values may be missing in any column of a file.
    return spec.annotation | None


def _tab(delimiter: str | None) -> str | None:
    return "\t" if delimiter in ("\\t", "tab") else delimiter


@click.command("export", cls=Command, example="deebase data export user users.csv")
@click.argument("table")
@click.argument("file", default="-")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@_DELIMITER
@_FORMAT
@database_options
def export_file(table: str, file: str, overwrite: bool, delimiter: str | None, form: Format | None) -> None:
    """Export a table or view to a file: CSV, TSV, JSON or NDJSON, also .gz and .zip; to stdout without one."""
    with session() as s:
        with bar(table) as advance:
            work = s.readable(table).export_file(
                # The terminal is no file: it would obey what a row may hold.
                Terminal(json=form in ("json", "ndjson")) if file == "-" and sys.stdout.isatty() else file,
                delimiter=_tab(delimiter),
                format=form or ("csv" if file == "-" else None),
                overwrite=overwrite,
                progress=advance,
            )
            count = s.run(work)
        if file != "-":
            say(f"Exported {counted(count, 'row')} of {table} to {file}.")


COMMANDS = (import_files, export_file)
