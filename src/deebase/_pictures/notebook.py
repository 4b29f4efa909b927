"""Tables, rows and queries as HTML, for notebooks."""

from __future__ import annotations

# Rows may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.engine import Dialect

from deebase._pictures.boxes import boxes_of, visible
from deebase._rows.model import TableModel

T = TypeVar("T")

#: More rows than these, and longer values, are not shown.
SHOWN_ROWS, SHOWN_CHARACTERS = 50, 200
_NULL = '<span style="opacity:.5">NULL</span>'
#: Inherited colours: a notebook may be light or dark.
_CELL = "text-align:left;vertical-align:top;white-space:pre-wrap"


class Rows(list[T]):
    """What a query returns: a list, which a notebook shows as a table.

    Attributes:
        truncated: rows are missing at the end, because a limit of ``read_only`` was reached.

    Example:
        ```python
        rows = await db.q("SELECT * FROM post")
        assert not rows.truncated
        ```
    """

    truncated: bool = False

    def _repr_html_(self) -> str:
        return rows_html(self)


Rows.__module__ = "deebase"


def rows_html(rows: Sequence[Any]) -> str:
    """Return rows as a table; anything else (a tuple, a number) is one value per line."""
    shown = [_fields(row) for row in rows[:SHOWN_ROWS]]
    names = list(dict.fromkeys(name for row in shown for name in row))
    body = [[_value(row[name]) if name in row else "" for name in names] for row in shown]
    left = len(rows) - len(shown)
    note = f"{len(rows):,} rows" if len(rows) != 1 else "1 row"
    return _table([html.escape(visible(name)) for name in names], body) + _note(
        f"{note}, {left:,} of them not shown" if left else note
    )


def _fields(row: Any) -> dict[str, Any]:
    if isinstance(row, Mapping):
        return {str(name): value for name, value in row.items()}
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if isinstance(row, tuple):
        return {str(place): value for place, value in enumerate(row)}
    return {"value": row}


def _value(value: Any) -> str:
    if value is None:
        return _NULL
    text = value if isinstance(value, str) else repr(value) if isinstance(value, bytes) else str(value)
    cut = f"{text[:SHOWN_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}" if len(text) > SHOWN_CHARACTERS else text
    return html.escape("\n".join(visible(line) for line in cut.split("\n")))


def table_html(model: TableModel, dialect: Dialect, indexes: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return the columns, keys and indexes of a table or view."""
    (box,) = boxes_of([model], dialect)
    refers: dict[str, list[str]] = {name: [] for name in model.columns}
    for key in model.foreign_keys:
        for name, target in zip(key.columns, key.targets, strict=False):
            refers[name].append(f"{key.target}.{target}")
    body = [
        [
            html.escape(visible(line.name)),
            html.escape(visible(line.type)),
            "" if line.nullable else "NOT NULL",
            "PK" if line.key else "",
            html.escape(visible(", ".join(refers[line.name]))),
        ]
        for line in box.lines
    ]
    parts = [_heading(model.name), _table(["column", "type", "", "key", "refers to"], body)]
    listed = [
        f"{index['name']} ({', '.join([name or 'expression' for name in index['columns']])})"
        f"{' unique' if index['unique'] else ''}"
        for index in indexes
    ]
    if listed:
        parts.append(_note(html.escape(visible(f"indexes: {', '.join(listed)}"))))
    return "".join(parts)


def database_html(display: str, tables: Iterable[TableModel], views: Iterable[TableModel]) -> str:
    """Return the tables and views of a catalog."""
    body = [
        [html.escape(visible(model.name)), kind, html.escape(visible(", ".join(model.columns)))]
        for kind, models in (("table", tables), ("view", views))
        for model in models
    ]
    if not body:
        return _heading(display) + _note("no tables; await db.reflect() reads the existing ones")
    return _heading(display) + _table(["name", "", "columns"], body)


def query_html(table: str, sql: str) -> str:
    """Return the statement of a query that was not awaited."""
    return (
        _note(f"a query of <b>{html.escape(visible(table))}</b>, not run yet: await it for its rows")
        + f'<pre style="white-space:pre-wrap">{html.escape(sql)}</pre>'
    )


def _heading(text: str) -> str:
    return f"<div><b>{html.escape(visible(text))}</b></div>"


def _note(text: str) -> str:
    return f'<div style="opacity:.7">{text}</div>'


def _table(names: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    head = "".join([f'<th style="{_CELL}">{name}</th>' for name in names])
    rows = "".join(["<tr>" + "".join([f'<td style="{_CELL}">{cell}</td>' for cell in row]) + "</tr>" for row in body])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
