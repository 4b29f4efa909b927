"""`deebase sql`: SQL of the user's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import changing, invocation, output_options, say
from deebase.cli.output import show, show_stream
from deebase.cli.session import Session, session
from deebase.cli.values import guessed, named
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from deebase.database import Database


@click.command(cls=Command, example='deebase sql "SELECT * FROM user WHERE age > :age" -p age=30')
@click.argument("statement", metavar="SQL", required=False)
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A parameter: :NAME in the SQL.")
@click.option("-f", "--file", "file", type=click.Path(dir_okay=False), help="Read the SQL from a file.")
@click.option("--write", is_flag=True, help="Allow it to change something.")
@click.option("--explain", is_flag=True, help="Show the plan of the database instead of running it.")
@output_options
@changing
def sql(statement: str | None, params: Sequence[str], file: str | None, write: bool, explain: bool) -> None:
    """Run SQL and show its rows.

    In place of SQL, - reads it from stdin. It runs in a read-only transaction unless --write is given. Several
    statements, which need --write, are one transaction. The value of a parameter is a number, true, false or null where
    it looks like one, and a text otherwise; '"30"' is a text in any case.
    """
    text = _text(statement, file)
    values = {name: guessed(value) for name, value in named(params, "-p").items()}
    with session(creates=write) as s:
        if explain:
            show(s.run(_plan(s.db, text, values)))
        elif write:
            _write(s, text, values)
        else:
            if len(_statements(s, text)) > 1:
                raise Refusal("Several statements are one transaction that may change something: --write allows it.")
            s.run(_read(s.db, text, values))


def _text(statement: str | None, file: str | None) -> str:
    if (statement is None) == (file is None):
        raise Refusal('Give SQL or -f FILE, and not both: deebase sql "SELECT 1".')
    if statement is not None:
        return sys.stdin.read() if statement == "-" else statement
    try:
        return Path(file or "").read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Refusal(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"{file} is not UTF-8.") from error


async def _read(db: Database, text: str, values: dict[str, Any]) -> None:
    try:
        async with db.transaction(read_only=True):
            await show_stream(db.stream(text, values or None))
    except InvalidOperationError as error:
        raise InvalidOperationError(error.message, hint="--write allows it to change something") from error


async def _plan(db: Database, text: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    explain = "EXPLAIN QUERY PLAN" if db.engine.dialect.name == "sqlite" else "EXPLAIN"
    async with db.transaction(read_only=True):
        return await db.q(f"{explain} {text}", values or None)


def _statements(s: Session, text: str) -> list[str]:
    from deebase._sql.text import split_script

    return split_script(text, s.dialect.name)


def _write(s: Session, text: str, values: dict[str, Any]) -> None:
    if len(_statements(s, text)) > 1:
        if values:
            raise Refusal("Several statements take no parameters: run them one by one, or leave -p out.")
        s.change(s.db.script(text), "Done.")
        return
    rows = s.change(s.db.q(text, values or None))
    if invocation().dry_run:
        return
    if rows:
        show(rows)
    else:
        say("Done.")
