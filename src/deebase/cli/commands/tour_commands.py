"""`deebase tour`: the main operations on a few thousand real flights, code and result."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import click
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from deebase.cli.frame import Command, Refusal
from deebase.cli.resources import resource
from deebase.errors import IntegrityError, TableExistsError

_NEXT = """\
    Database("app.db")                         a SQLite file of your own
    Database("postgresql://user@host/name")    a PostgreSQL database
    deebase tour --url URL                     this tour on your database
    deebase --help                             all commands
    help(deebase.Table)                        all that a table can do"""


@click.command(cls=Command, example="deebase tour")
@click.option("--url", help="Path or URL of the database; a temporary SQLite file by default.")
@click.option(
    "--keep", type=click.Path(dir_okay=False, path_type=Path), help="Keep the tables in this new SQLite file."
)
def tour(url: str | None, keep: Path | None) -> None:
    """Show what DeeBase does, on real data.

    Creates four tables, loads 4,584 rows, reads and changes them, and drops the tables again.
    """
    page = Page(Console(highlight=False))
    if keep is not None:
        if url is not None:
            raise Refusal("Pass either --url or --keep: the tables of --keep are in a new file.")
        if keep.exists():
            raise Refusal(f"{keep} exists already: name a new file.")
        asyncio.run(_tour(page, keep, str(keep), keep=True))
        return
    if url is not None:
        asyncio.run(_tour(page, url, None))
        return
    with tempfile.TemporaryDirectory(prefix="deebase-tour-") as directory:
        asyncio.run(_tour(page, Path(directory) / "tour.db", "a temporary SQLite file, removed at the end"))


def load_tour() -> ModuleType:
    """Return the module ``examples/tour.py``, which holds the texts and steps."""
    path = resource("examples/tour.py")
    spec = spec_from_file_location("deebase_tour", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Annotations are resolved, and the source of classes is found, in the registered module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def _tour(page: Page, target: str | Path, shown: str | None, *, keep: bool = False) -> None:
    """Walk through the steps on one database.

    Args:
        page: prints them.
        target: path or URL of the database.
        shown: what the first line calls the database; None for its repr, which hides the password.
        keep: leave the tables at the end.
    """
    from deebase.database import Database

    tour = load_tour()
    async with Database(target) as db:
        page.line(f"Database: {shown or repr(db)}")
        try:
            await tour.walk(db, page.step, keep=keep)
        except TableExistsError as error:
            raise click.ClickException(
                f"{error.message}; the tour makes the tables airline, airport, plane and flight: "
                "give it a database that has none of them"
            ) from error
    page.heading("What next")
    page.line("")
    if keep:
        page.line(f"    deebase studio {target}")
    page.line(_NEXT)


# -- the page ----------------------------------------------------------------------------------

Row = Mapping[str, object]


class Page:
    """Prints the tour.

    Args:
        console: Where to; its width and colours are the terminal's.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str) -> None:
        """Print one line as it is, however long."""
        self._console.print(Text(text), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._console.print()
        self._console.print(Text(text, style="bold"), soft_wrap=True)

    def prose(self, text: str) -> None:
        """Print a sentence."""
        self._console.print()
        self._console.print(Text(text))

    def step(self, step: Any, result: object) -> None:
        """Print heading, text and code of a step, and what it returned or raised."""
        if step.title is not None:
            self.heading(step.title)
        if step.run.__doc__:
            self.prose(step.run.__doc__)
        self.line("")
        if step.shows is not None:
            self.code(f"{class_source(step.shows)}\n")
            self.line("")
        self.code(code_of(step.run))
        if isinstance(result, IntegrityError):
            self.error(result)
        else:
            self.result(result)

    def code(self, source: str) -> None:
        """Print Python code, indented."""
        highlighted = Syntax(source, "python", theme="ansi_dark").highlight(source)
        highlighted.rstrip()
        self._indented(highlighted.split("\n"), 4)

    def result(self, value: object) -> None:
        """Print what some code returned: rows as a table, one row as a list, anything else as it is."""
        if isinstance(value, Mapping):
            self._console.print(_one_row(cast("Row", value)))
        elif isinstance(value, list):
            self._console.print(_rows(cast("Sequence[Row]", value)))
        else:
            self._wrapped(Text(_shown(value)))

    def error(self, error: IntegrityError) -> None:
        """Print what an error says of itself.

        The message is left out: where the database gives a constraint's name, it holds that too.
        """
        self._indented([Text(type(error).__name__, style="bold red")], 2)
        columns = ", ".join(error.columns)
        self.result(
            {
                "table_name": error.table_name,
                "columns": columns,
                "constraint": error.constraint,
                "hint": error.hint,
            }
        )

    def _wrapped(self, text: Text) -> None:
        self._indented(text.wrap(self._console, self._console.width - 2), 2)

    def _indented(self, lines: Iterable[Text], columns: int) -> None:
        # Not rich's Padding, which fills every line with spaces.
        for line in lines:
            line.rstrip()
            self._console.print(Text(" " * columns).append(line) if line else line, soft_wrap=True)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _one_row(row: Row) -> Table:
    shown = Table.grid(padding=(0, 2))
    for name, value in row.items():
        shown.add_row(Text(f"  {name}", style="cyan"), Text(_cell(value)))
    return shown


def _rows(rows: Sequence[Row]) -> Padding:
    shown = Table(box=box.ASCII2, show_edge=False, header_style="cyan", pad_edge=False)
    for name, value in rows[0].items():
        shown.add_column(name, justify="right" if isinstance(value, int) else "left")
    for row in rows:
        shown.add_row(*(Text(_cell(value)) for value in row.values()))
    return Padding(shown, (0, 0, 0, 2), expand=False)


def _cell(value: object) -> str:
    return "None" if value is None else str(value)


def code_of(function: Any) -> str:
    """Return the body of a function as one would type it: no docstring, and `return x` as `x`.

    A last line that only returns the variable set above it is left out.
    """
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.AsyncFunctionDef)
    body = definition.body[1:] if ast.get_docstring(definition) is not None else definition.body
    lines = source.splitlines()[body[0].lineno - 1 :]
    last = body[-1]
    if isinstance(last, ast.Return):
        start = last.lineno - body[0].lineno
        if _returns_what_it_just_made(body):
            del lines[start:]
        else:
            lines[start] = lines[start].replace("return ", "", 1)
    return textwrap.dedent("\n".join(lines))


def _returns_what_it_just_made(body: Sequence[ast.stmt]) -> bool:
    match body[-2:]:
        case [ast.Assign(targets=[ast.Name(id=made)]), ast.Return(value=ast.Name(id=returned))]:
            return made == returned
        case _:
            return False


def class_source(cls: type[Any]) -> str:
    """Return the source of a class."""
    return textwrap.dedent(inspect.getsource(cls)).rstrip()
