"""The tables that the statements of a SQLite connection write to, as SQLite reports them at compile time."""

from __future__ import annotations

import sqlite3

_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_CREATIONS = frozenset({sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_VTABLE})
_DROPS = frozenset({sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_VTABLE})


class WriteWatch:
    """Records the tables that statements write to, including those of triggers and foreign key actions.

    While it is installed, no statement can end the transaction: only the code that began it can.

    Attributes:
        written: (schema, table) of each table that rows are inserted into, changed in or deleted from.
        deleted: the part of these that rows are deleted from.
        dropped: (schema, table) of each table that is dropped.
        created: (schema, table) of each table that is created.
        altered: (schema, table) of each table that is renamed or has renamed columns.
        columns_dropped: whether a column is dropped.
        schema_written: whether statements may write directly to the schema table.
    """

    def __init__(self) -> None:
        self.written: set[tuple[str, str]] = set()
        self.deleted: set[tuple[str, str]] = set()
        self.dropped: set[tuple[str, str]] = set()
        self.created: set[tuple[str, str]] = set()
        self.altered: set[tuple[str, str]] = set()
        self.columns_dropped: bool = False
        self.schema_written: bool = False

    def __call__(self, action: int, first: str | None, second: str | None, schema: str | None, *_: object) -> int:
        """Record one action of a statement (sqlite.org/c3ref/c_alter_table.html)."""
        if action == sqlite3.SQLITE_TRANSACTION and first != "BEGIN":
            return sqlite3.SQLITE_DENY
        table = (str(schema), str(first))
        if action in _CHANGES:
            self.written.add(table)
        if action == sqlite3.SQLITE_DELETE:
            self.deleted.add(table)
        if action in _DROPS:
            self.dropped.add(table)
        if action in _CREATIONS:
            self.created.add(table)
        if action == sqlite3.SQLITE_PRAGMA and str(first).lower() == "writable_schema":
            self.schema_written = True
        if action == sqlite3.SQLITE_ALTER_TABLE:
            # The arguments are schema and table; a third name is a dropped column (alter.c).
            self.altered.add((str(first), str(second)))
            if schema is not None:
                self.columns_dropped = True
                self.written.add((str(first), str(second)))
        return sqlite3.SQLITE_OK

    def install(self, raw: sqlite3.Connection) -> None:
        """Start recording; the connection compiles its cached statements again."""
        raw.set_authorizer(self)

    @staticmethod
    def uninstall(raw: sqlite3.Connection) -> None:
        """Stop recording."""
        raw.set_authorizer(None)
