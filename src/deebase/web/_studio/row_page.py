"""The page of a row: all of its values, the rows that it refers to, and those that refer to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from deebase import DeeBaseError
from deebase.web._studio.addresses import decoded
from deebase.web._studio.exports import download_headers
from deebase.web._studio.labels import label_column, references_of
from deebase.web._studio.rendering import Cell, cell, written
from deebase.web._studio.row_identity import row_at
from deebase.web._studio.shown_rows import RowReader, ShownRow, heading_kinds, row_address
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields

#: Characters of all values of the page.
CHARACTERS, LONGEST = 24_000, 6_000
#: Tables whose first rows are shown, columns and rows of each, and rows that are counted.
CHILDREN, COLUMNS, ROWS, COUNTED = 3, 5, 5, 1000


@dataclass(frozen=True)
class ShownValue:
    """A column of a row.

    Attributes:
        name: of the column.
        cell: the value.
        label: of the row that it refers to.
        lines: the text where it has several lines or is long; it is folded then.
    """

    name: str
    cell: Cell
    label: Cell | None = None
    lines: str | None = None


@dataclass(frozen=True)
class Children:
    """The rows of another table that refer to a row.

    Attributes:
        table: its name.
        column: the foreign key there.
        count: the number of rows, at most one more than ``COUNTED``; None if they were not counted.
        address: of all of them.
        names: of the columns that are shown.
        rows: the first ones.
        headings: the class of the heading of each column.
        path: of the other table.
    """

    table: str
    column: str
    count: int | None
    address: str
    path: str
    names: list[str] = field(default_factory=list[str])
    rows: list[ShownRow] = field(default_factory=list[ShownRow])
    headings: Mapping[str, str] = field(default_factory=dict[str, str])


class RowPage:
    """Shows one row.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def values(self, request: Request) -> Response:
        """Show a row."""
        fields = self._site.fields(request)
        row = await row_at(fields, request.path_params["key"])
        label = label_column(fields)
        title = written(row[label])[1] if label is not None and row[label] is not None else None
        return self._site.render(
            request,
            "row.html",
            fields=fields,
            key=request.path_params["key"],
            title=cell(title or self._key_of(fields, row), 80).text,
            values=self._shown(fields, row, await self._labels(fields, row)),
            children=await self._children(fields, row),
            counted=COUNTED,
        )

    async def value(self, request: Request) -> Response:
        """Send a value of a row as a file."""
        fields = self._site.fields(request)
        name = decoded(request.path_params["column"])
        column = fields.column("" if name is None else name)
        value = (await row_at(fields, request.path_params["key"]))[column.name]
        if isinstance(value, bytes):
            body, suffix, media_type = value, "bin", "application/octet-stream"
        else:
            body, suffix, media_type = written(value)[1].encode("utf-8", "replace"), "txt", "text/plain; charset=utf-8"
        return Response(body, headers=download_headers(f"{column.name}.{suffix}", media_type))

    @staticmethod
    def _key_of(fields: Fields, row: dict[str, Any]) -> str:
        """Return the table and the key of a row, which stand for a row without a label."""
        key = ", ".join(written(row[name])[1] for name in fields.handle.pks)
        return f"{fields.handle.name} {key}".strip()

    # -- values and parents --------------------------------------------------------------------

    async def _labels(self, fields: Fields, row: dict[str, Any]) -> dict[str, Any]:
        """Return the labels of the rows that a row refers to, by column: one statement reads them all."""
        references = references_of(self._site, fields, fields.columns)
        chosen = {name: reference.label for name, reference in references.items() if reference.label is not None}
        if not chosen:
            return {}
        columns: Any = fields.handle.c
        titles = {f"l{number}": label for number, label in enumerate(chosen.values())}
        same = [columns[name] == row[name] for name in fields.handle.pks]
        try:
            found = await fields.handle(*same, select=titles, limit=1)
        except DeeBaseError:
            return {}
        labels = found[0].values() if found else ()
        return dict(zip(chosen, labels, strict=False))

    def _shown(self, fields: Fields, row: dict[str, Any], labels: dict[str, Any]) -> list[ShownValue]:
        longest = min(LONGEST, CHARACTERS // max(1, len(row)))
        reader = RowReader(
            self._site, fields, list(row), references_of(self._site, fields, fields.columns), longest=longest
        )
        return [self._value(reader, name, value, labels.get(name)) for name, value in row.items()]

    @staticmethod
    def _value(reader: RowReader, name: str, value: Any, label: Any) -> ShownValue:
        link = reader.link_of(name, value)
        shown = cell(value, reader.longest, link)
        lines = shown.text if len(shown.text) > 240 or "\n" in shown.text or shown.kind == "json" else None
        of_parent = None if label is None else Cell(cell(label, 80).text, "label", link)
        return ShownValue(name, shown, of_parent, lines)

    # -- children ------------------------------------------------------------------------------

    async def _children(self, fields: Fields, row: dict[str, Any]) -> list[Children]:
        """Return the tables whose rows refer to a row, with the first rows of some."""
        keys = self._keys_to(fields)
        if not keys:
            return []
        counts = await self._counts(keys, row)
        found: list[Children] = []
        shown = 0
        for (table, column, target), count in zip(keys, counts, strict=True):
            other = self._site.fields_of(table)
            text = other.text_of(column, row[target])
            address = row_address(self._site, table, column, row[target], leads_to_key=False)
            if text is None or address is None:
                continue
            children = Children(table, column, count, address, self._site.table_path(table))
            if count and shown < CHILDREN:
                shown += 1
                children = await self._with_rows(children, other, row[target])
            found.append(children)
        return found

    def _keys_to(self, fields: Fields) -> list[tuple[str, str, str]]:
        """Return (table, column, column here) for each foreign key of one column that leads to a table."""
        return [
            (name, column.name, column.references[1])
            for name in self._site.names()[0]
            if self._site.db.t[name].foreign_keys
            for column in self._site.fields_of(name).columns.values()
            if column.references is not None
            and column.references[0] == fields.handle.name
            and column.references[1] in fields.columns
        ]

    async def _counts(self, keys: Sequence[tuple[str, str, str]], row: dict[str, Any]) -> Sequence[int | None]:
        """Count the rows that refer to a row, in one statement for all tables, up to a limit."""
        counts: list[Any] = []
        for number, (table, column, target) in enumerate(keys):
            other = self._site.fields_of(table)
            columns: Any = other.handle.c
            some: Any = sa.select(columns[column]).where(columns[column] == row[target], *other.conditions())
            counts.append(
                sa.select(sa.func.count())
                .select_from(some.limit(COUNTED + 1).subquery())
                .scalar_subquery()
                .label(f"n{number}")
            )
        try:
            async with asyncio.timeout(self._site.limits.facet_seconds):
                (found,) = await self._site.db.q(sa.select(*counts))
        except (TimeoutError, DeeBaseError):
            return [None] * len(keys)
        return list(found.values())

    async def _with_rows(self, children: Children, other: Fields, value: Any) -> Children:
        names = [name for name in other.columns if name != children.column][:COLUMNS]
        reader = RowReader.of(self._site, other, names, ROWS * 4)
        columns: Any = other.handle.c
        try:
            rows = await other.handle(
                columns[children.column] == value,
                select=reader.selection(),
                order_by=list(other.handle.pks) or None,
                limit=ROWS,
            )
        except DeeBaseError:
            return children
        shown = [reader.row(row) for row in rows]
        return Children(
            children.table,
            children.column,
            children.count,
            children.address,
            children.path,
            names,
            shown,
            heading_kinds(shown, names, other.kinds),
        )
