"""How the tour looks: headings, code, and results that fit into 80 columns with and without colour."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from deebase.errors import IntegrityError

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
