"""`deebase adopt`: a page about a database that others made, and the first files of a program that uses it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deebase.cli.frame import Command, hide_passwords
from deebase.cli.invocation import database_options, invocation, say
from deebase.cli.output import counted, show_object
from deebase.cli.session import session
from deebase.cli.terminal import echo, printable

if TYPE_CHECKING:
    from deebase.tools.adopt import Overview, TableOverview

#: The most lines of one part of the page; the tables are all listed.
_SHOWN = 12
#: The width of running text.
_WIDTH = 100
_PLURALS = {"index": "indexes", "policy": "policies", "statistics": "statistics", "row security": "row security"}


@click.command(cls=Command, example="deebase adopt shop.db\ndeebase adopt shop.db --write shop")
@click.argument("database", metavar="[URL]", required=False)
@click.option("--write", "directory", type=click.Path(file_okay=False, path_type=Path), help="Write files into DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
@database_options
def adopt(database: str | None, directory: Path | None, as_json: bool) -> None:
    """Show what a database holds, who made it, and what DeeBase can do with it.

    The database is only read. --write makes deebase.toml, models.py and test_models.py in a directory.
    """
    from deebase.tools.adopt import look_at, write_files

    if database is not None:
        invocation().url = database
    with session(reflects=False) as s:
        found = s.run(look_at(s.db))
        if as_json:
            invocation().output = "json"
            show_object(asdict(found))
        else:
            _print(found, hide_passwords(str(s.url.database)))
        if directory is None:
            return
        for path in s.run(write_files(s.db, directory)):
            say(f"Wrote {path}.")


def _print(found: Overview, place: str) -> None:
    """Print the page: on a terminal with styles, otherwise as plain text."""
    for title, lines in _parts(found, place):
        if not lines:
            continue
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.text import Text

            Console(highlight=False).print(Text(printable(title, keep=""), style="bold"))
            # A name with a line break must not look like a line of the page.
            lines = [printable(line, keep="") for line in lines]
        else:
            echo(title)
        for line in lines:
            echo(f"  {line}" if line else "")
        echo("")


def _parts(found: Overview, place: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the parts of the page, each with its title."""
    rows = sum(table.rows or 0 for table in found.tables)
    counts = [counted(len(found.tables), "table"), f"{rows:,} rows", counted(len(found.views), "view")]
    others = [f"{number:,} {kind if number == 1 else _plural(kind)}" for kind, number in found.objects.items()]
    first = [f"{found.kind} {found.version}, {found.size_bytes:,} bytes", ", ".join(counts)]
    first += [f"schemas: {', '.join(found.schemas)}"] if found.schemas else []
    first += [f"extensions: {', '.join(found.extensions)}"] if found.extensions else []
    first += [f"also: {', '.join(others)}"] if others else []
    yield place, first
    for owner in found.owners:
        tables = [f"Its own tables: {', '.join(owner.tables)}."] if owner.tables else []
        yield f"Made by {owner.name}", [*tables, *textwrap.wrap(owner.advice, _WIDTH)]
    yield "Tables", list(_table_lines(found.tables))
    texts = [f"{table.name}.{name}: {kind}" for table in found.tables for name, kind in table.text_columns.items()]
    yield "Read and written as text, because Python has no such type", _some(texts)
    yield "Views, which can be read", _some([view.name for view in found.views])
    yield "Not carried to another database or into a migration", _some(list(found.not_carried))
    yield "Cannot be read", _some(list(found.unreadable))
    yield "Next", _next(found)


def _table_lines(tables: Sequence[TableOverview]) -> Iterator[str]:
    from deebase.tools.adopt.overview import MOST_COUNTED

    if not tables:
        return
    cells = [("NAME", "ROWS", "KEY", "")]
    for table in tables:
        rows = "unreadable" if table.rows is None else f"{table.rows:,}{'+' if table.rows == MOST_COUNTED else ''}"
        owned = [f"belongs to {table.owner}"] if table.owner is not None else []
        cells.append((table.name, rows, ", ".join(table.key) or "none", "; ".join([*owned, *table.notes])))
    widths = [min(32, max(len(line[number]) for line in cells)) for number in range(3)]
    for name, rows, key, notes in cells:
        yield f"{name:{widths[0]}}  {rows:>{widths[1]}}  {key:{widths[2]}}  {notes}".rstrip()


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"and {more:,} more: --json lists all"] if more > 0 else [])]


def _plural(kind: str) -> str:
    return _PLURALS.get(kind, f"{kind}s")


def _next(found: Overview) -> list[str]:
    steps = ["deebase adopt --write DIR   deebase.toml, models.py with a class for each table, and test_models.py"]
    if not any(owner.tables for owner in found.owners):
        steps.append("deebase migrate baseline    the first migration; it is counted as applied in this database")
    return [*steps, "deebase db doctor           missing keys, indexes and settings that will matter later"]
