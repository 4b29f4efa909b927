"""What a SQLite file has: the statements that ask, five however many tables, and what is made of the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from deebase._rows.model import ForeignKeyModel
from deebase._schema.facts import ColumnFacts, IndexFacts, TableFacts

# Shadow tables belong to virtual ones (sqlite.org/pragma.html#pragma_table_list); sqlite_% is SQLite's own.
LISTED = """
    SELECT m.name, m.type, m.sql, l.wr FROM sqlite_master m
    JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main'
    WHERE m.type IN ('table', 'view') AND l.type <> 'shadow' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY m.name
"""
# hidden: 1 of a virtual table, 2 and 3 computed (sqlite.org/pragma.html#pragma_table_xinfo).
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM sqlite_master m, pragma_table_xinfo(m.name) x WHERE m.type = '{kind}' AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
FOREIGN_KEYS = """
    SELECT m.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq
"""
INDEXES = """
    SELECT m.name, l.name, l."unique", l.partial, i.name, s.sql
    FROM sqlite_master m, pragma_index_list(m.name) l, pragma_index_xinfo(l.name) i
    LEFT JOIN sqlite_master s ON s.type = 'index' AND s.name = l.name
    WHERE m.type = 'table' AND i.key = 1 AND l.origin <> 'pk' ORDER BY m.name, l.name, i.seqno
"""
_COMPUTED = (2, 3)


def columns_of(kind: str, *, alone: bool = False) -> str:
    """Return the statement that lists the columns of all tables or views (or of one, by its name)."""
    statement = _COLUMNS.format(kind=kind)
    return statement.replace("WHERE", "WHERE m.name = ? AND") if alone else statement


def tables(
    listed: Iterable[Sequence[Any]],
    column_rows: Iterable[Sequence[Any]],
    foreign_key_rows: Iterable[Sequence[Any]],
    index_rows: Iterable[Sequence[Any]],
) -> list[TableFacts]:
    """Return all tables and views from the answers of the statements."""
    columns, foreign_keys, indexes = _grouped(column_rows), _grouped(foreign_key_rows), _grouped(index_rows)
    keys = {name: _pks(rows) for name, rows in columns.items()}
    return [
        TableFacts(
            name=name,
            schema=None,
            kind=kind,
            columns=_columns(columns[name], without_rowid=bool(without_rowid)),
            foreign_keys=_foreign_keys(foreign_keys.get(name, []), keys),
            indexes=_indexes(indexes.get(name, [])),
            sql=sql,
        )
        for name, kind, sql, without_rowid in listed
        if name in columns
    ]


def _grouped(rows: Iterable[Sequence[Any]]) -> dict[str, list[Sequence[Any]]]:
    """Return rows by their first column, without it."""
    result: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(row[1:])
    return dict(result)


def _pks(rows: Iterable[Sequence[Any]]) -> list[str]:
    return [row[0] for row in sorted(rows, key=lambda row: row[4]) if row[4]]


def _columns(rows: Sequence[Sequence[Any]], *, without_rowid: bool) -> tuple[ColumnFacts, ...]:
    alone = sum(1 for row in rows if row[4]) == 1
    result: list[ColumnFacts] = []
    for name, written, not_null, default, key, hidden in rows:
        # sqlite.org/lang_createtable.html#rowid: only a key that is called INTEGER is the rowid.
        generated = bool(key) and alone and written.upper() == "INTEGER" and not without_rowid
        result.append(
            ColumnFacts(
                name=name,
                type=written,
                not_null=bool(not_null) or generated,
                default=default,
                key=key,
                generated=generated,
                computed="" if hidden in _COMPUTED else None,
            )
        )
    return tuple(result)


def _foreign_keys(rows: Sequence[Sequence[Any]], keys: dict[str, list[str]]) -> tuple[ForeignKeyModel, ...]:
    by_number: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        by_number[row[0]].append(row[1:])
    known = {name.lower(): name for name in keys}
    result: list[ForeignKeyModel] = []
    # SQLite counts them from the last one.
    for _, parts in sorted(by_number.items(), reverse=True):
        table, _, _, on_update, on_delete = parts[0]
        name = str(known.get(str(table).lower(), table))
        # Without columns it is the key that is meant.
        targets: list[str] = [part[2] for part in parts if part[2] is not None] or keys.get(name, [])
        result.append(
            ForeignKeyModel(
                name=None,
                columns=tuple([part[1] for part in parts]),
                schema=None,
                table=name,
                targets=tuple(targets),
                on_delete=_action(on_delete),
                on_update=_action(on_update),
            )
        )
    return tuple(result)


def _action(written: str) -> str | None:
    return None if written == "NO ACTION" else written


def _indexes(rows: Sequence[Sequence[Any]]) -> tuple[IndexFacts, ...]:
    by_name: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        by_name[row[0]].append(row[1:])
    return tuple(
        [
            IndexFacts(
                name=name,
                columns=tuple([part[2] for part in parts]),
                unique=bool(parts[0][0]),
                partial=bool(parts[0][1]),
                sql=parts[0][3],
            )
            for name, parts in sorted(by_name.items())
        ]
    )
