"""Reads the rows of a page: the shown columns, the key of each row, and the labels of what it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from deebase import DeeBaseError
from deebase.web._studio.addresses import encoded_key
from deebase.web._studio.labels import Reference, references_of
from deebase.web._studio.rendering import Cell, cell, shortened
from deebase.web._studio.site import Site
from deebase.web._studio.state import FURTHEST, TableState
from deebase.web._studio.table_fields import Fields, Kind

#: Characters of all cells of a page, and of one cell.
CHARACTERS, LONGEST, SHORTEST = 16_000, 160, 24
#: Bytes of a binary value that are shown.
BYTES = 12


@dataclass(frozen=True)
class ShownRow:
    """A row of a page.

    Attributes:
        key: where the row is, after the address of the table; None if it has no key that a URL can hold.
        cells: the values, and beside each the label of the row that it refers to.
    """

    key: str | None
    cells: list[tuple[Cell, Cell | None]]


def heading_kinds(rows: Sequence[ShownRow], names: Sequence[str], kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Return the class of the heading of each column, which is aligned as the cells below it are.

    A view or an untyped column may hold numbers only, and a foreign key that is a number shows a label.

    Args:
        rows: of the page.
        names: of the columns.
        kinds: of the columns, for those without a value on the page.
    """
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        cells = [row.cells[place] for row in rows]
        below = {"text" if label else shown.kind for shown, label in cells if shown.kind != "null"}
        found[name] = (below.pop() if len(below) == 1 else "text") if below else kinds[name]
    return found


@dataclass(frozen=True)
class ShownRows:
    """The rows of a page, and the addresses of its neighbours.

    Attributes:
        rows: in the order of the page.
        next: the query of the address of the next page; None if there is none.
        previous: the same of the previous one.
        is_all: whether no other row matches.
    """

    rows: list[ShownRow]
    next: str | None
    previous: str | None
    is_all: bool


@dataclass(frozen=True)
class RowReader:
    """Reads rows of a table as a page shows them.

    Args:
        site: whose table it is.
        fields: the columns of the table.
        shown: the names of the columns to show.
        references: the foreign keys among them.
        longest: characters of a cell.
    """

    site: Site
    fields: Fields
    shown: Sequence[str]
    references: Mapping[str, Reference]
    longest: int = LONGEST

    @classmethod
    def of(cls, site: Site, fields: Fields, shown: Sequence[str], rows: int) -> RowReader:
        """Return the reader of a page with so many rows."""
        longest = max(SHORTEST, min(LONGEST, CHARACTERS // max(1, rows * len(shown))))
        return cls(site, fields, shown, references_of(site, fields, shown), longest)

    def selection(self) -> dict[str, Any]:
        """Return what is selected: values that are not larger than what is shown of them."""
        columns: Any = self.fields.handle.c
        chosen: dict[str, Any] = {}
        for number, name in enumerate(self.shown):
            column, kind = columns[name], self.fields.kinds[name]
            if name in self.references or name in self.fields.handle.pks:
                kind = "any"
            if kind == "text":
                column = sa.func.substr(column, 1, self.longest + 1)
            elif kind == "binary":
                column = sa.func.substr(column, 1, BYTES + 1)
            chosen[f"c{number}"] = self.site.db.sql(column) if kind in ("text", "binary") else column
        return chosen | (self._keys() if self.fields.has_pages else self._related())

    def _keys(self) -> dict[str, Any]:
        columns: Any = self.fields.handle.c
        return {f"k{number}": columns[name] for number, name in enumerate(self.fields.handle.pks)}

    def _related(self) -> dict[str, Any]:
        """Return the labels of the rows that a row refers to, and whether these exist: columns of joins."""
        chosen: dict[str, Any] = {}
        for number, name in enumerate(self.shown):
            reference = self.references.get(name)
            if reference is not None:
                related = {f"l{number}": reference.label, f"e{number}": reference.found}
                chosen |= {title: column for title, column in related.items() if column is not None}
        return chosen

    async def _with_labels(self, rows: Sequence[dict[str, Any]]) -> list[ShownRow]:
        """Return rows as they are shown, with the labels of all of them, which one statement reads.

        Joins in the statement of the page would be made for each row of the table if the database has to sort it.
        """
        related, keys = self._related(), self._keys()
        if not related or not rows:
            return [self.row(row) for row in rows]
        if len(keys) == 1:
            same = next(iter(keys.values())).in_([row["k0"] for row in rows])
        else:
            same = sa.or_(*[sa.and_(*[column == row[title] for title, column in keys.items()]) for row in rows])
        found = {_identity(labels, keys): labels for labels in await self.fields.handle(same, select=keys | related)}
        nothing = dict.fromkeys(related)
        return [self.row(row | found.get(_identity(row, keys), nothing)) for row in rows]

    async def page(self, state: TableState, conditions: Sequence[Any]) -> ShownRows:
        """Return a page of rows."""
        size = state.size(self.fields)
        if state.search:
            return await self._found(state, conditions, size)
        if not self.fields.has_pages:
            return await self._first(state, conditions, size)
        page = await self.fields.handle.page(
            *conditions, select=self.selection(), order_by=state.order(), size=size, after=state.after
        )
        return ShownRows(
            await self._with_labels(page.rows),
            None if page.next is None else state.staying(after=page.next),
            None if page.previous is None else state.staying(after=page.previous),
            page.next is None and page.previous is None,
        )

    async def _first(self, state: TableState, conditions: Sequence[Any], size: int) -> ShownRows:
        """Return rows of what has no key: by their number, within bounds."""
        found = await self.fields.handle(
            *conditions, select=self.selection(), order_by=state.order(), limit=size + 1, offset=state.offset
        )
        return self._numbered(state, [self.row(row) for row in found], size)

    async def _found(self, state: TableState, conditions: Sequence[Any], size: int) -> ShownRows:
        """Return the best hits of a search.

        Raises:
            InvalidOperationError: the table has no search.
        """
        handle = self.fields.searched()
        hits = await handle.search(state.search, *conditions, limit=size + 1, offset=state.offset, rows=True)
        rows: list[dict[str, Any]] = []
        for hit in hits:
            row = {f"c{number}": hit[name] for number, name in enumerate(self.shown)}
            rows.append(row | {f"k{number}": hit[name] for number, name in enumerate(handle.pks)})
        return self._numbered(state, await self._with_labels(rows) if handle.pks else [*map(self.row, rows)], size)

    def _numbered(self, state: TableState, rows: list[ShownRow], size: int) -> ShownRows:
        has_more = len(rows) > size
        has_next = has_more and state.offset + size <= FURTHEST
        return ShownRows(
            rows[:size],
            state.staying(offset=state.offset + size) if has_next else None,
            state.staying(offset=max(0, state.offset - size)) if state.offset else None,
            not has_more and not state.offset,
        )

    def row(self, row: Mapping[str, Any]) -> ShownRow:
        """Return a row as it is shown."""
        handle = self.fields.handle
        key = None
        if self.fields.has_pages:
            key = self.fields.key_of([row[f"k{number}"] for number in range(len(handle.pks))])
        cells: list[tuple[Cell, Cell | None]] = []
        for number, name in enumerate(self.shown):
            value, label = row[f"c{number}"], row.get(f"l{number}")
            # A value may refer to a row that does not exist.
            exists = row.get(f"e{number}", value) is not None
            made = cell(value, self.longest, self.link_of(name, value) if exists else None)
            cells.append((made, None if label is None else Cell(shortened(str(label), 60)[0], "label", made.link)))
        return ShownRow(None if key is None else encoded_key(key), cells)

    def link_of(self, name: str, value: Any) -> str | None:
        """Return the address of the row that a value refers to, after that of the studio."""
        reference = self.references.get(name)
        if reference is None or value is None:
            return None
        return row_address(self.site, reference.table, reference.target, value, reference.leads_to_key)


def _identity(row: Mapping[str, Any], keys: Iterable[str]) -> str:
    # Values of a key, such as arrays, need not be hashable.
    return repr([row[title] for title in keys])


def row_address(site: Site, table: str, column: str, value: Any, leads_to_key: bool) -> str | None:
    """Return the address of a row by the value of a unique column; None if no address can hold it."""
    fields = site.fields_of(table)
    text = fields.text_of(column, value)
    if text is None:
        return None
    place = site.table_path(table)
    return f"{place}/row/{encoded_key([text])}" if leads_to_key else place + TableState().filtered("is", column, text)


async def rows_of(site: Site, fields: Fields, state: TableState) -> tuple[RowReader, ShownRows]:
    """Read the page of rows that a state describes, without labels if they cannot be read."""
    reader = RowReader.of(site, fields, state.shown(fields), state.size(fields))
    conditions = [item.condition(fields) for item in state.filters]
    try:
        return reader, await reader.page(state, conditions)
    except DeeBaseError:
        if not reader.references:
            raise
        plain = RowReader(site, fields, reader.shown, {}, reader.longest)
        return plain, await plain.page(state, conditions)
