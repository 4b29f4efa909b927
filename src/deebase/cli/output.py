"""The output of commands on stdout: rows or one object, as a table, JSON, NDJSON, CSV, TSV or Markdown."""

from __future__ import annotations

# Values may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from deebase._files.formats import field_writer
from deebase.cli.invocation import invocation, say
from deebase.cli.terminal import echo, printable, printable_json
from deebase.cli.value_arguments import plain, text_of

Row = Mapping[str, Any]

#: The most rows of one table on a terminal, and the most rows that are shown there by default.
_GRID_ROWS, _SHOWN_ROWS = 500, 1_000


class _Writer(Protocol):
    """Writes rows one after another."""

    def row(self, row: Row) -> None:
        """Write a row."""
        ...

    def end(self, columns: Sequence[str]) -> None:
        """Finish; ``columns`` are the header of a result without rows."""
        ...


def show(rows: Iterable[Row], columns: Sequence[str] = ()) -> None:
    """Write rows.

    Args:
        rows: all with the same keys.
        columns: the keys, for the header of a result without rows.
    """
    writer = _writer()
    for row in rows:
        writer.row(row)
    writer.end(columns)


async def show_stream(rows: AsyncIterable[Row], columns: Sequence[str] = (), *, every: bool = False) -> None:
    """Write rows as they arrive, without holding them in memory where the format allows it.

    Args:
        rows: all with the same keys.
        columns: the keys, for the header of a result without rows.
        every: a table on a terminal shows all rows, not only the first.
    """
    writer, found = _writer(), 0
    most = None if every or output_format() != "table" else _SHOWN_ROWS
    # Closed here, not by the garbage collector: it holds a connection.
    async with aclosing(_generated(rows)) as given:
        async for row in given:
            if found == most:
                say(f"Only the first {most:,} rows: --limit of data list shows more, another format (-o csv) all.")
                break
            found += 1
            writer.row(row)
    writer.end(columns)
    if not found and output_format() in ("table", "md"):
        say("No rows.")


async def _generated(rows: AsyncIterable[Row]) -> AsyncGenerator[Row, None]:
    async for row in rows:
        yield row


def show_object(found: Row) -> None:
    """Write one object: as a JSON object, or as a table with a line for each key."""
    form = output_format()
    if form == "json":
        lines = [f"  {_dumped(name)}: {_nested(value)}" for name, value in found.items()]
        echo(",\n".join(lines).join(("{\n", "\n}")))
    elif form == "ndjson":
        echo(_dumped(found))
    elif form in ("csv", "tsv"):
        show([found])
    else:
        parts = {name: value for name, value in found.items() if _is_rows(value)}
        show({"": name, "value": value} for name, value in found.items() if name not in parts)
        for name, value in parts.items():
            echo(f"{name}:" if form == "table" else f"\n{name}:\n")
            show(value)


def _nested(value: Any) -> str:
    """Return the JSON of a value of an object; rows have a line each."""
    if not _is_rows(value):
        return _dumped(value)
    lines = [f"    {_dumped(row)}" for row in value]
    return ",\n".join(lines).join(("[\n", "\n  ]"))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def output_format() -> str:
    """Return the format of -o, or the one that suits the output."""
    return invocation().output or ("table" if sys.stdout.isatty() else "json")


def _writer() -> _Writer:
    form = output_format()
    if form in ("csv", "tsv"):
        return _Delimited("," if form == "csv" else "\t")
    kinds: dict[str, type[_Writer]] = {"json": _Json, "ndjson": _Lines, "md": _Markdown, "table": _Grid}
    return kinds[form]()


class _Json:
    """An array, one object on each line."""

    def __init__(self) -> None:
        self._before = "[\n  "

    def row(self, row: Row) -> None:
        echo(f"{self._before}{_dumped(row)}", nl=False)
        self._before = ",\n  "

    def end(self, columns: Sequence[str]) -> None:
        echo("[]" if self._before.startswith("[") else "\n]")


class _Lines:
    """An object on each line."""

    def row(self, row: Row) -> None:
        echo(_dumped(row))

    def end(self, columns: Sequence[str]) -> None:
        pass


class _Delimited:
    """CSV or TSV: a header, NULL as an empty field, an empty text in quotes."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._field = field_writer(delimiter)
        self._begun = False

    def row(self, row: Row) -> None:
        if not self._begun:
            self._begun = True
            self._line(list(row))
        self._line([None if value is None else text_of(value) for value in row.values()])

    def _line(self, fields: Sequence[str | None]) -> None:
        echo(self._delimiter.join(["" if field is None else self._field(field) for field in fields]))

    def end(self, columns: Sequence[str]) -> None:
        if not self._begun and columns:
            self._line(list(columns))


class _Markdown:
    """A table of Markdown."""

    def __init__(self) -> None:
        self._begun = False

    def row(self, row: Row) -> None:
        self._begin(list(row))
        self._line(["" if value is None else _marked(text_of(value)) for value in row.values()])

    def _begin(self, columns: Sequence[str]) -> None:
        if not self._begun:
            self._begun = True
            self._line([_marked(name) for name in columns])
            self._line(["---"] * len(columns))

    def _line(self, cells: Sequence[str]) -> None:
        echo(f"| {' | '.join(cells)} |")

    def end(self, columns: Sequence[str]) -> None:
        if columns:
            self._begin(columns)


class _Grid:
    """A table for a terminal. Its columns fit all of its rows, so that after many rows a new table begins."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._begun = False

    def row(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == _GRID_ROWS:
            self._print(())

    def end(self, columns: Sequence[str]) -> None:
        if self._rows or not self._begun:
            self._print(columns)

    def _print(self, columns: Sequence[str]) -> None:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        names = list(self._rows[0]) if self._rows else list(columns)
        if not names:
            return
        grid = Table(box=SIMPLE_HEAD, pad_edge=False)
        for name in names:
            values = [row[name] for row in self._rows if row[name] is not None]
            numbers = bool(values) and all(type(value) in (int, float) for value in values)
            grid.add_column(Text(printable(name)), justify="right" if numbers else "left", overflow="fold")
        for row in self._rows:
            grid.add_row(
                *[
                    Text("NULL", style="dim") if row[name] is None else Text(printable(text_of(row[name])))
                    for name in names
                ]
            )
        Console(highlight=False).print(grid)
        self._rows, self._begun = [], True


def _marked(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return "<br>".join(escaped.splitlines())


def counted(number: int, what: str) -> str:
    """Return a count with its noun: 1 row, 2 rows."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _dumped(value: Any) -> str:
    text = json.dumps(plain(value), ensure_ascii=False)
    return printable_json(text) if sys.stdout.isatty() else text
