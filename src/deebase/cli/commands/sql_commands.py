"""`deebase sql`: run SQL."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deebase._sql.read_only import OPERATION
from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import changing, invocation, output_options, say
from deebase.cli.output import show, show_stream
from deebase.cli.session import Session, session
from deebase.cli.value_arguments import guessed, named
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from deebase.database import Database


@click.command(cls=Command, example='deebase sql "SELECT * FROM user WHERE age > :age" -p age=30')
@click.argument("statement", metavar="SQL", required=False)
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter: :NAME in the SQL.")
@click.option("-f", "--file", "file", type=click.Path(dir_okay=False), help="Read the SQL from a file.")
@click.option("--write", is_flag=True, help="Allow changes.")
@click.option("--explain", is_flag=True, help="Show the query plan instead of running the SQL.")
@output_options
@changing
def sql(statement: str | None, params: Sequence[str], file: str | None, write: bool, explain: bool) -> None:
    """Run SQL and show its rows.

    A - reads the SQL from stdin. It runs in a read-only transaction unless --write is given. Several statements need
    --write and run in one transaction. A parameter that looks like a number, true, false or null is one, and a text
    otherwise; '"30"' is always a text.
    """
    text = _text(statement, file)
    values = {name: guessed(value) for name, value in named(params, "-p").items()}
    with session(creates=write) as s:
        if write and not explain:
            _write(s, text, values)
        else:
            s.run(_read(s.db, f"{s.tools.explain} {text}" if explain else text, values))


def _text(statement: str | None, file: str | None) -> str:
    if (statement is None) == (file is None):
        raise Refusal('Pass either SQL or -f FILE: deebase sql "SELECT 1".')
    if statement is not None:
        return sys.stdin.read() if statement == "-" else statement
    try:
        return Path(file or "").read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refusal(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"{file} is not UTF-8.") from error


async def show_rows(db: Database, text: str, values: dict[str, object]) -> None:
    """Run a statement that only reads, and show its rows."""
    # Without limits: who types the statement can end it.
    async with db.read_only(seconds=None, rows=None, size=None) as ro:
        await show_stream(ro.stream(text, values or None))


async def _read(db: Database, text: str, values: dict[str, object]) -> None:
    try:
        await show_rows(db, text, values)
    except InvalidOperationError as error:
        if error.operation == OPERATION:
            raise InvalidOperationError(error.message, hint=f"--write allows it; {error.hint}") from error
        if "read-only" in error.message:
            raise InvalidOperationError(error.message, hint="--write allows changes") from error
        raise


def _write(s: Session, text: str, values: dict[str, object]) -> None:
    from deebase._sqltext.capabilities import capabilities_of
    from deebase._sqltext.splitting import split_script

    if len(split_script(text, capabilities_of(s.dialect).tokens)) > 1:
        if values:
            raise Refusal("Several statements take no parameters: run them one by one, or omit -p.")
        s.change(s.db.script(text), "Done.")
        return
    rows = s.change(s.db.q(text, values or None))
    if invocation().dry_run:
        return
    if rows:
        show(rows)
    else:
        say("Done.")
