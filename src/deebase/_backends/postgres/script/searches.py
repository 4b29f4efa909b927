"""The searches of tables, each as one object: its column, its index with a comment, perhaps a trigger."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import NamedTuple

from deebase._backends.postgres.script.entries import USERS, Address, Entry, Target, label, make_entry
from deebase._backends.postgres.script.table_text import TableText
from deebase._backends.postgres.search.search_ddl import COLUMN, IS_SEARCH, disabled, enabled, found
from deebase._backends.schema_script import Read
from deebase._model.facts import TableInfo
from deebase._rows.model import SearchModel

_SEARCHES = f"""
    SELECT c.oid, c.relname::text, {label("c.relname")},
           CASE WHEN n.nspname <> current_schema() THEN n.nspname::text END,
           x.oid, x.relname::text, obj_description(x.oid, 'pg_class'),
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS u(n, place)
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n ORDER BY u.place),
           (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a
            ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = c.oid AND a.attname = '{COLUMN}'),
           ARRAY(SELECT g.oid FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = x.relname),
           ARRAY(SELECT g.tgfoid FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = x.relname)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS} AND {IS_SEARCH}
"""


class _Search(NamedTuple):
    """A row of the query."""

    table: int
    name: str
    label: str
    schema: str | None
    index_oid: int
    index_name: str
    comment: str
    columns: Sequence[str | None]
    computed: str | None
    triggers: Sequence[int]
    functions: Sequence[int]

    @property
    def info(self) -> SearchModel | None:
        """The search."""
        return found(self.index_name, self.comment, self.columns, self.computed)


class Searches:
    """The searches of a database.

    Args:
        rows: those of the query.
    """

    def __init__(self, rows: Sequence[Sequence[object]]) -> None:
        made = [_Search(*row) for row in rows]  # type: ignore[arg-type]
        self._found = {one.table: (one, info) for one in made if (info := one.info) is not None}
        #: The objects that a search consists of.
        self._parts: set[Address] = set()
        for one, info in self._found.values():
            self._parts.add(Address("pg_class", one.index_oid))
            if info.function is not None:
                self._parts |= {Address("pg_trigger", oid) for oid in one.triggers}
                self._parts |= {Address("pg_proc", oid) for oid in one.functions}

    @classmethod
    async def read(cls, read: Read) -> Searches:
        """Read the searches."""
        return cls(await read(_SEARCHES, []))

    def without_column(self, table: TableText) -> TableText:
        """Return a table without the column of its search."""
        if table.oid not in self._found:
            return table
        columns = [column for column in table.columns if column.name != COLUMN]
        return dataclasses.replace(table, columns=columns)

    def replaced(self, entries: Collection[Entry]) -> list[Entry]:
        """Return the entries with each search as one, instead of its parts."""
        return [*[one for one in entries if one.address not in self._parts], *self._entries()]

    def _entries(self) -> list[Entry]:
        return [_entry(one, info) for one, info in self._found.values()]


def _entry(one: _Search, info: SearchModel) -> Entry:
    facts = TableInfo(one.name, one.schema, "table", ())
    name = one.index_name if one.schema is None else f"{one.schema}.{one.index_name}"
    made = make_entry(
        # Not that of the index, whose comment is one of its parts.
        Address("search", one.index_oid),
        Target("", f"search {name}"),
        enabled(facts, info),
        table=one.label,
        after_rows=True,
        needs=(Address("pg_class", one.table),),
    )
    return dataclasses.replace(made, item=dataclasses.replace(made.item, drop=tuple(disabled(facts, info))))
