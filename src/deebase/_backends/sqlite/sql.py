"""The SQL of statements on rows, as SQLite takes it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from deebase._rows.model import ColumnModel, TableModel
from deebase._sql.compiled import Parameters
from deebase._sql.reread import hidden_rowid
from deebase._sql.rules import Key


class SqliteRules:
    """Writes the SQL of SQLite."""

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that has ON CONFLICT."""
        return sqlite.insert(table)

    def returned(
        self, model: TableModel, dialect: Dialect, written: Collection[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return all columns, and the rowid of a table without a key."""
        columns: list[Any] = list(model.sa_table.c)
        if _is_real(columns[0], dialect):
            # RETURNING makes floats of all numbers of such a table (seen in 3.40), but not of a function's.
            columns[1:] = [sa.func.ifnull(column, sa.null(), type_=column.type) for column in columns[1:]]
        rowid = hidden_rowid(model)
        return columns, [] if rowid is None else [rowid]

    def advance_sequence(self, model: TableModel, dialect: Dialect, key: Any) -> None:
        """Return None: a rowid follows the highest one by itself."""
        return None

    def key_lists(self, keys: Sequence[Key], columns: Sequence[ColumnModel]) -> Mapping[str, Any] | None:
        """Return the keys as one JSON array; JSON has no bytes, and not every float."""
        if any(type(value) not in (int, str) for key in keys for value in key):
            return None
        return {"keys": json.dumps([key if len(key) > 1 else next(iter(key)) for key in keys], ensure_ascii=False)}

    def listed_keys(self, columns: Sequence[ColumnModel], parameters: Parameters) -> tuple[Any, list[Any]]:
        """Return the number and the values of each key in the JSON array."""
        given = parameters.add("keys", sa.String(), None)
        keys = sa.func.json_each(given).table_valued("key", "value", name="keys")
        if len(columns) == 1:
            return keys.c.key, [keys.c.value]
        places: list[Any] = [sa.literal_column(f"'$[{n}]'") for n in range(len(columns))]
        return keys.c.key, [sa.func.json_extract(keys.c.value, place) for place in places]

    def table_exists(self, table: sa.Table, dialect: Dialect) -> Any:
        """Return a SELECT of one row if a table or view exists."""
        listed = sa.table("sqlite_master", sa.column("name", sa.String()), sa.column("type", sa.String()))
        return sa.select(listed.c.name).where(
            sa.func.lower(listed.c.name) == table.name.lower(), listed.c.type.in_(["table", "view"])
        )

    def explain(self, sql: str) -> str:
        """Return the statement whose last column is the plan of another."""
        return f"EXPLAIN QUERY PLAN {sql}"


def _is_real(column: sa.Column[Any], dialect: Dialect) -> bool:
    written = column.type.compile(dialect=dialect).upper()
    return any(part in written for part in ("REAL", "FLOA", "DOUB"))
