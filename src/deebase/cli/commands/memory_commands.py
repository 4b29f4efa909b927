"""`deebase memory`: SQL over files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import click

from deebase.cli.commands.sql_commands import show_rows
from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import DEBUG, output_options, say
from deebase.cli.progress_bars import bar
from deebase.cli.reading_options import import_arguments, matching, reading_options
from deebase.cli.value_arguments import guessed, named

if TYPE_CHECKING:
    from deebase.database import Database

_STDIN = "-"


@click.command(cls=Command, example='deebase memory orders.csv "SELECT city, sum(price) FROM orders GROUP BY city"')
@click.argument("given", metavar="FILE... SQL", nargs=-1)
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter: :NAME in the SQL.")
@reading_options
@output_options
@DEBUG
def memory(given: Sequence[str], params: Sequence[str], **options: Any) -> None:
    """Run SQL over files, and show its rows.

    Each file becomes a table of a SQLite database in memory: CSV, TSV, JSON, NDJSON, Parquet or Excel, also
    compressed. A table has the name of its file; - is stdin, with the table stdin. The SQL can only read, and the
    files stay as they are.
    """
    if len(given) < 2:
        raise Refusal('Pass one or more files, then SQL: deebase memory people.csv "SELECT * FROM people".')
    *files, text = given
    if _STDIN in files and sys.stdin.isatty():
        raise Refusal("stdin is a terminal: pipe a file into it, or name the file.")
    values = {name: guessed(value) for name, value in named(params, "-p").items()}
    found = [name for file in files for name in matching(file)]
    asyncio.run(_run(found, text, values, import_arguments(options)))


async def _run(files: Sequence[str], text: str, values: dict[str, object], options: dict[str, Any]) -> None:
    from deebase.database import Database

    async with Database(":memory:") as db:
        for file in files:
            await _load(db, file, options)
        await show_rows(db, text, values)


async def _load(db: Database, file: str, options: dict[str, Any]) -> None:
    from deebase._files.formats import parse_name, table_name

    wanted = "stdin" if file == _STDIN else table_name(parse_name(file).stem)
    name = next(made for n in count(1) if (made := wanted if n == 1 else f"{wanted}_{n}") not in db.t)
    if name != wanted:
        say(f"{file} is the table {name}.")
    with bar(file) as advance:
        await db.import_file(file, name or None, progress=advance, **options)
