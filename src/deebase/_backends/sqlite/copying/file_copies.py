"""Copies a SQLite file, or some of its tables, into another one: by its pages, or by its SQL and stored values."""

from __future__ import annotations

import asyncio
import hashlib
import marshal
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deebase._backends.database_tools import Access, StoredRows
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._backends.sqlite.copying.backup_files import copy_in, copy_out, opened, require_sound
from deebase._backends.sqlite.script import read_script
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import folded, mentions
from deebase.errors import IntegrityError, SchemaError

T = TypeVar("T")

#: The name of the attached snapshot.
_SNAPSHOT = "deebase_snapshot"
_LISTED = """
    SELECT l.name, l.type, l.wr FROM pragma_table_list l JOIN {schema}.sqlite_master m USING (name)
    WHERE l.schema = '{schema}' AND m.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY m.rowid
"""
_COLUMNS = "SELECT name, type, pk FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid"
_KEY_INDEXES = "SELECT count(*) FROM pragma_index_list(?, ?) WHERE origin = 'pk'"
_FOREIGN_KEYS = 'SELECT DISTINCT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f'
#: The names of the rowid, unless a column has one of them (sqlite.org/rowidtable.html).
_ROWID = ("rowid", "_rowid_", "oid")
#: Rows that are read at once.
_PIECE = 1000


class SqliteFileCopies:
    """``FileCopies`` for SQLite."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def write(self, path: Path) -> None:
        def run(raw: sqlite3.Connection) -> None:
            copy_out(raw, str(path))
            require_sound(path, self._access.additions)

        await self._access.with_connection(run, False)

    async def keep(self, path: Path, tables: Sequence[str]) -> list[str]:
        return await self._of_snapshot(path, lambda raw: _Pruning(raw, {folded(name) for name in tables}).run())

    async def objects(self, path: Path) -> SchemaScript:
        return await self._of_snapshot(path, _script)

    async def names(self) -> list[str]:
        return [str(name) for (name,) in await self._access.read("SELECT name FROM sqlite_master", [])]

    async def rows(self, table: str, path: Path | None = None) -> StoredRows:
        if path is not None:
            return await self._of_snapshot(path, lambda raw: _stored(raw, "main", table))
        found: list[StoredRows] = []
        await self._access.with_connection(lambda raw: found.append(_stored(raw, "main", table)), False)
        return found[0]

    async def _of_snapshot(self, path: Path, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function of a connection to the snapshot, in the thread of a connection to the database."""
        found: list[T] = []

        def run(_raw: sqlite3.Connection) -> None:
            with closing(opened(path, self._access.additions)) as raw:
                found.append(function(raw))

        await self._access.with_connection(run, False)
        return found[0]

    async def take(self, path: Path) -> list[str]:
        found: list[str] = []
        # A file can only become another one while no other connection uses it.
        await self._access.reconnect()
        await self._access.with_connection(lambda raw: found.extend(self._take(raw, path)), True)
        await self._access.reconnect()
        return found

    def _take(self, raw: sqlite3.Connection, path: Path) -> list[str]:
        if not _has_objects(raw):
            copy_in(raw, path, self._access.additions)
            return []
        with closing(opened(path, self._access.additions)) as snapshot:
            script = _script(snapshot)
        _require_absent(raw, script.objects)
        with _attached(raw, path):
            _fill(raw, script)
        numbers = [item for item in script.objects if item.kind == "pragma"]
        return [*script.not_carried, *[f"{item.label}: the target keeps its own" for item in numbers]]


def _script(raw: sqlite3.Connection) -> SchemaScript:
    async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return raw.execute(sql, args).fetchall()

    # In a thread without an event loop.
    return asyncio.run(read_script(read))


def _listed(raw: sqlite3.Connection, schema: str) -> list[tuple[str, str, bool]]:
    """Return name, kind and whether it has no rowid, of each table."""
    return [(str(name), str(kind), bool(wr)) for name, kind, wr in raw.execute(_LISTED.format(schema=schema))]


def _columns(raw: sqlite3.Connection, schema: str, table: str) -> tuple[list[str], str | None]:
    """Return the stored columns of a table, and the name of its rowid unless a column has it."""
    found = raw.execute(_COLUMNS, [table, schema]).fetchall()
    names = [str(name) for name, _, _ in found]
    keys = [str(kind).upper() for _, kind, pk in found if pk]
    ((indexes,),) = raw.execute(_KEY_INDEXES, [table, schema])
    # sqlite.org/lang_createtable.html#rowid: such a key is the rowid.
    if keys == ["INTEGER"] and not indexes:
        return names, None
    taken = set(map(folded, names))
    return names, next((name for name in _ROWID if name not in taken), None)


def _stored_columns(raw: sqlite3.Connection, schema: str, table: str) -> list[str]:
    """Return what is read and written of each row, as SQL."""
    without_rowid = any(wr for name, _, wr in _listed(raw, schema) if folded(name) == folded(table))
    names, rowid = _columns(raw, schema, table)
    return [*([] if rowid is None or without_rowid else [rowid]), *map(identifier, names)]


def _stored(raw: sqlite3.Connection, schema: str, table: str) -> StoredRows:
    """Return the number of rows of a table and a digest of their stored values; a virtual table has them elsewhere."""
    shadows = _shadows(raw, schema, table)
    rows, digest = 0, hashlib.blake2b(digest_size=16)
    for name in [table] if shadows is None else shadows:
        columns = _stored_columns(raw, schema, name)
        # Not by an index, which has another order.
        listed = ", ".join([f"{column}, typeof({column})" for column in columns])
        found = f"SELECT {listed} FROM {schema}.{identifier(name)} NOT INDEXED"
        for piece in _pieces(raw, found):
            rows += len(piece)
            digest.update(marshal.dumps(piece, 2))
    return StoredRows(rows, digest.hexdigest())


def _shadows(raw: sqlite3.Connection, schema: str, table: str) -> list[str] | None:
    """Return the tables that hold the contents of a virtual table; None for a table of another kind."""
    listed = _listed(raw, schema)
    if (folded(table), "virtual") not in {(folded(name), kind) for name, kind, _ in listed}:
        return None
    virtual = [folded(name) for name, kind, _ in listed if kind == "virtual"]
    # The longest name is meant: "a" and "a_b" may both be virtual tables.
    owners = {
        name: max([one for one in virtual if folded(name).startswith(f"{one}_")], key=len, default=None)
        for name, kind, _ in listed
        if kind == "shadow"
    }
    return [name for name, owner in owners.items() if owner == folded(table)]


def _pieces(raw: sqlite3.Connection, sql: str) -> Iterator[list[Any]]:
    """Yield rows in pieces, each text as its bytes: it may be no valid UTF-8."""
    usual, raw.text_factory = raw.text_factory, bytes
    try:
        with closing(raw.execute(sql)) as cursor:
            while piece := cursor.fetchmany(_PIECE):
                yield piece
    finally:
        raw.text_factory = usual


def _has_objects(raw: sqlite3.Connection) -> bool:
    return (
        raw.execute("SELECT 1 FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'").fetchone() is not None
    )


def _require_absent(raw: sqlite3.Connection, objects: Collection[SchemaObject]) -> None:
    taken = {folded(str(name)) for (name,) in raw.execute("SELECT name FROM sqlite_master")}
    for item in objects:
        if item.kind != "pragma" and folded(item.name) in taken:
            raise SchemaError(
                f"{item.label} already exists in the target",
                table_name=item.table or item.name,
                hint="drop it, name other tables, or copy its rows with insert_all",
            )


@contextmanager
def _attached(raw: sqlite3.Connection, path: Path) -> Generator[None]:
    """Attach a file in one transaction, in which nothing is enforced: the rows are those of another database."""
    keys, checks = [
        raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("foreign_keys", "ignore_check_constraints")
    ]
    raw.execute(f"ATTACH ? AS {_SNAPSHOT}", [str(path)])
    try:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("BEGIN IMMEDIATE")
        yield
        raw.execute("COMMIT")
    finally:
        if raw.in_transaction:
            raw.rollback()
        raw.execute(f"DETACH {_SNAPSHOT}")
        raw.execute(f"PRAGMA foreign_keys = {keys}")
        raw.execute(f"PRAGMA ignore_check_constraints = {checks}")


def _fill(raw: sqlite3.Connection, script: SchemaScript) -> None:
    """Create the objects of the attached file with their rows, and compare the rows."""
    objects = [item for item in script.objects if item.kind != "pragma"]
    _create(raw, [item for item in objects if not item.after_rows])
    virtual = [item.name for item in objects if item.kind == "virtual table"]
    shadows = [name for table in virtual for name in _shadows(raw, _SNAPSHOT, table) or ()]
    tables = [item.name for item in objects if item.kind == "table"]
    for name in [*tables, *shadows]:
        _insert(raw, name)
        if _stored(raw, "main", name) != _stored(raw, _SNAPSHOT, name):
            raise IntegrityError(
                f"{name}: SQLite stores the values of the copy in another form than those of the source",
                table_name=name,
                hint="copy into an empty file, which takes the pages of the source as they are",
            )
    _create(raw, script.after_rows())


def _create(raw: sqlite3.Connection, objects: Collection[SchemaObject]) -> None:
    for sql in [sql for item in objects for sql in item.create]:
        raw.execute(sql)


def _insert(raw: sqlite3.Connection, table: str) -> None:
    columns = ", ".join(_stored_columns(raw, _SNAPSHOT, table))
    quoted = identifier(table)
    # A virtual table has created its shadow tables with some rows.
    raw.execute(f"DELETE FROM main.{quoted}")
    raw.execute(f"INSERT INTO main.{quoted} ({columns}) SELECT {columns} FROM {_SNAPSHOT}.{quoted} NOT INDEXED")
    # SQLite creates this table with the first one that has AUTOINCREMENT.
    if all(_has_sequence(raw, schema) for schema in ("main", _SNAPSHOT)):
        raw.execute("DELETE FROM main.sqlite_sequence WHERE name = ?", [table])
        raw.execute(
            f"INSERT INTO main.sqlite_sequence SELECT name, seq FROM {_SNAPSHOT}.sqlite_sequence WHERE name = ?",
            [table],
        )


def _has_sequence(raw: sqlite3.Connection, schema: str) -> bool:
    found = raw.execute(f"SELECT 1 FROM {schema}.sqlite_master WHERE name = 'sqlite_sequence'")
    return found.fetchone() is not None


class _Pruning:
    """Drops what a copy of some tables does not need.

    Args:
        raw: a connection to the file.
        kept: the tables that stay, folded.
    """

    def __init__(self, raw: sqlite3.Connection, kept: Collection[str]) -> None:
        self._raw = raw
        self._kept = kept
        self._left: list[str] = []

    def run(self) -> list[str]:
        """Drop the other tables, the views, and the triggers that use them; return descriptions of those."""
        script = _script(self._raw)
        dropped = [item for item in script.objects if self._drops(item)]
        names = [item.name for item in dropped]
        for item in script.objects:
            if item.kind == "trigger" and folded(str(item.table)) in self._kept:
                used = [name for name in names if mentions(item.create[0], SQLITE, name)]
                if used:
                    self._left.append(f"{item.label}: it uses {', '.join(used)}, not copied")
                    dropped.append(item)
        found = self._raw.execute(_FOREIGN_KEYS).fetchall()
        self._left += [
            f"{table}: its foreign key refers to {target}, not copied"
            for table, target in found
            if folded(table) in self._kept and folded(target) in set(map(folded, names))
        ]
        for item in reversed(dropped):
            for sql in item.drop:
                self._raw.execute(sql)
        self._unknown()
        return self._left

    def _drops(self, item: SchemaObject) -> bool:
        return item.kind == "view" or (item.kind.endswith("table") and folded(item.name) not in self._kept)

    def _unknown(self) -> None:
        """Remove the virtual tables whose module is missing: DROP TABLE would need it."""
        gone = [
            name for name, kind, _ in _listed(self._raw, "main") if kind == "virtual" and folded(name) not in self._kept
        ]
        if gone:
            self._raw.execute("PRAGMA writable_schema = ON")
            for name in gone:
                self._raw.execute("DELETE FROM sqlite_master WHERE type = 'table' AND name = ?", [name])
            self._raw.execute("PRAGMA writable_schema = RESET")
