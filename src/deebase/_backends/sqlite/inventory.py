"""What a SQLite file has: the statements that ask, five however many tables, and what is made of the answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase._types.moment_sql import OTHER_FORMS

#: The names in lower case that are meant, as a JSON array; NULL for all.
_WANTED = "(?1 IS NULL OR lower(m.name) IN (SELECT value FROM json_each(?1)))"
# Shadow tables belong to virtual ones (sqlite.org/pragma.html#pragma_table_list); sqlite_% is SQLite's own.
LISTED = f"""
    SELECT m.name, m.type, m.sql, m.rootpage FROM sqlite_master m
    JOIN pragma_table_list l ON l.name = m.name AND l.schema = 'main'
    WHERE m.type IN ('table', 'view') AND l.type <> 'shadow' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND {_WANTED} ORDER BY m.name
"""
# hidden: 1 of a virtual table, 2 and 3 computed (sqlite.org/pragma.html#pragma_table_xinfo).
_COLUMNS = """
    SELECT m.name, x.name, x.type, x."notnull", x.dflt_value, x.pk, x.hidden
    FROM sqlite_master m, pragma_table_xinfo(m.name, 'main') x
    WHERE {which} AND {wanted} AND m.type IN ('table', 'view') AND x.hidden <> 1 ORDER BY m.name, x.cid
"""
#: Views and virtual tables have no pages of their own, and may need what is not there.
COLUMNS_OF_TABLES = _COLUMNS.format(which="m.rootpage > 0", wanted=_WANTED)
COLUMNS_OF_OTHERS = _COLUMNS.format(which="m.rootpage = 0", wanted=_WANTED)
COLUMNS_OF_ONE = _COLUMNS.format(which="m.rootpage = 0", wanted="m.name = ?1")
FOREIGN_KEYS = f"""
    SELECT m.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete
    FROM sqlite_master m, pragma_foreign_key_list(m.name, 'main') f
    WHERE m.rootpage > 0 AND m.type = 'table' AND {_WANTED} ORDER BY m.name, f.id, f.seq
"""
INDEXES = f"""
    SELECT m.name, l.name, l."unique", l.partial, i.name, s.sql, l.origin = 'pk'
    FROM sqlite_master m, pragma_index_list(m.name, 'main') l, pragma_index_xinfo(l.name, 'main') i
    LEFT JOIN sqlite_master s ON s.type = 'index' AND s.name = l.name
    WHERE m.rootpage > 0 AND m.type = 'table' AND i.key = 1 AND {_WANTED} ORDER BY m.name, l.name, i.seqno
"""
_COMPUTED = (2, 3)


def tables(
    listed: Iterable[Sequence[Any]],
    column_rows: Iterable[Sequence[Any]],
    foreign_key_rows: Iterable[Sequence[Any]],
    index_rows: Iterable[Sequence[Any]],
) -> list[TableInfo]:
    """Return all tables and views from the answers of the statements."""
    columns, foreign_keys, indexes = _grouped(column_rows), _grouped(foreign_key_rows), _grouped(index_rows)
    names = _Names(columns)
    found = {name: _indexes([row for row in rows if not row[-1]]) for name, rows in indexes.items()}
    return [
        TableInfo(
            name=name,
            schema=None,
            kind=kind,
            columns=_columns(columns[name], key_is_index=any(row[-1] for row in indexes.get(name, []))),
            foreign_keys=tuple([names.foreign_key(name, rows) for rows in _by_number(foreign_keys.get(name, []))]),
            indexes=tuple([index for index in found.get(name, ()) if not index.name.startswith(OTHER_FORMS)]),
            sql=sql,
            other_forms=tuple([index for index in found.get(name, ()) if index.name.startswith(OTHER_FORMS)]),
        )
        for name, kind, sql, _ in listed
        if name in columns
    ]


def _grouped(rows: Iterable[Sequence[Any]]) -> dict[str, list[Sequence[Any]]]:
    """Return rows by their first column, without it."""
    result: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(row[1:])
    return dict(result)


def _columns(rows: Sequence[Sequence[Any]], *, key_is_index: bool) -> tuple[ColumnInfo, ...]:
    alone = sum(1 for row in rows if row[4]) == 1
    result: list[ColumnInfo] = []
    for name, written, not_null, default, key, hidden in rows:
        # sqlite.org/lang_createtable.html#rowid: only a key that is called INTEGER is the rowid, which has no index.
        generated = bool(key) and alone and written.upper() == "INTEGER" and not key_is_index
        result.append(
            ColumnInfo(
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


def _by_number(rows: Sequence[Sequence[Any]]) -> list[list[Sequence[Any]]]:
    """Return the rows of each foreign key without their number; SQLite counts them from the last one."""
    result: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        result[row[0]].append(row[1:])
    return [parts for _, parts in sorted(result.items(), reverse=True)]


class _Names:
    """The names of tables and columns as they were declared: foreign keys may write them in other capitals."""

    def __init__(self, columns: dict[str, list[Sequence[Any]]]) -> None:
        self._tables = {name.lower(): name for name in columns}
        self._columns = {name: {str(row[0]).lower(): str(row[0]) for row in rows} for name, rows in columns.items()}
        keys = {name: sorted([row for row in rows if row[4]], key=lambda row: row[4]) for name, rows in columns.items()}
        self._keys = {name: [str(row[0]) for row in rows] for name, rows in keys.items()}

    def foreign_key(self, table: str, rows: Sequence[Sequence[Any]]) -> ForeignKeyModel:
        """Return a foreign key of a table from the rows of its columns."""
        target = str(rows[0][0])
        target = self._tables.get(target.lower(), target)
        # Without columns it is the key that is meant.
        targets = [str(row[2]) for row in rows if row[2] is not None] or self._keys.get(target, [])
        return ForeignKeyModel(
            name=None,
            columns=self._declared(table, [str(row[1]) for row in rows]),
            schema=None,
            table=target,
            targets=self._declared(target, targets),
            on_delete=_action(rows[0][4]),
            on_update=_action(rows[0][3]),
        )

    def _declared(self, table: str, columns: list[str]) -> tuple[str, ...]:
        known = self._columns.get(table, {})
        return tuple([known.get(column.lower(), column) for column in columns])


def _action(written: str) -> str | None:
    return None if written == "NO ACTION" else written


def _indexes(rows: Sequence[Sequence[Any]]) -> tuple[IndexInfo, ...]:
    by_name: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        by_name[row[0]].append(row[1:])
    return tuple(
        [
            IndexInfo(
                name=name,
                columns=tuple([part[2] for part in parts]),
                unique=bool(parts[0][0]),
                partial=bool(parts[0][1]),
                sql=parts[0][3],
            )
            for name, parts in sorted(by_name.items())
        ]
    )
