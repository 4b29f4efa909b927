"""`deebase tour`: the main operations on a few thousand real flights, code and result."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deebase.cli.frame import Command

if TYPE_CHECKING:
    from deebase.cli.tour.chapters import Step
    from deebase.cli.tour.page import Page
    from deebase.database import Database

_NEXT = """\
    Database("app.db")                         a SQLite file of your own
    Database("postgresql://user@host/name")    a PostgreSQL database
    deebase tour --url URL                     this tour on your database
    deebase --help                             all commands
    help(deebase.Table)                        all that a table can do"""


@click.command(cls=Command, example="deebase tour")
@click.option("--url", help="Path or URL of the database; a temporary SQLite file by default.")
def tour(url: str | None) -> None:
    """Show what DeeBase does, on real data.

    Creates four tables, loads 4,584 rows, reads and changes them, and drops the tables again.
    """
    from rich.console import Console

    from deebase.cli.tour.page import Page

    page = Page(Console(highlight=False))
    if url is not None:
        asyncio.run(_tour(page, url, None))
        return
    with tempfile.TemporaryDirectory(prefix="deebase-tour-") as directory:
        asyncio.run(_tour(page, Path(directory) / "tour.db", "a temporary SQLite file, removed at the end"))


async def _tour(page: Page, target: str | Path, shown: str | None) -> None:
    """Walk through the steps on one database.

    Args:
        page: Where to print.
        target: Path or URL of the database.
        shown: What the first line says about it; None for its own repr, which hides the password.
    """
    from deebase.cli.tour.chapters import STEPS
    from deebase.cli.tour.flights import NAMES
    from deebase.database import Database
    from deebase.errors import TableExistsError

    async with Database(target) as db:
        page.line(f"Database: {shown or repr(db)}")
        kept: dict[str, Any] = {"db": db}
        try:
            for step in STEPS:
                await _walk(page, step, kept)
        except TableExistsError as error:
            names = f"{', '.join(NAMES[:-1])} and {NAMES[-1]}"
            raise click.ClickException(
                f"{error.message}; the tour makes the tables {names}: give it a database that has none of them"
            ) from error
        finally:
            await _drop(db, [kept[step.keeps].name for step in reversed(STEPS) if step.keeps in kept])
    page.heading("What next")
    page.line("")
    page.line(_NEXT)


async def _walk(page: Page, step: Step, kept: dict[str, Any]) -> None:
    """Print the code of a step, run it, print what it gave, and keep that if the step says so."""
    from deebase.cli.tour.page import class_source, code_of

    if step.title is not None:
        page.heading(step.title)
    if step.run.__doc__:
        page.prose(step.run.__doc__)
    page.line("")
    if step.shows is not None:
        page.code(f"{class_source(step.shows)}\n")
        page.line("")
    page.code(code_of(step.run))
    arguments = {name: kept[name] for name in inspect.signature(step.run).parameters}
    if step.raises is not None:
        try:
            await step.run(**arguments)
        except step.raises as error:
            page.error(error)
            return
        raise AssertionError(f"{step.run.__name__} should have ended with {step.raises.__name__}")
    result = await step.run(**arguments)
    if step.keeps is not None:
        kept[step.keeps] = result
    page.result(result)


async def _drop(db: Database, names: list[str]) -> None:
    """Drop the tables that this run has made, those that refer to others first."""
    if names:
        from deebase._sqltext.quoting import identifier

        await db.script("".join(f"DROP TABLE {identifier(name)};" for name in names))
