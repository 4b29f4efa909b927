"""What is wrong with a database, or will be when it grows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from deebase._engine.core import core_of
from deebase._model.facts import TableInfo
from deebase._schema.reflect import inventory
from deebase.database import Database
from deebase.errors import DatabaseError

__all__ = ["Diagnosis", "examine"]

#: CORRUPT and NOTADB (sqlite.org/rescode.html).
_DAMAGED = (11, 26)

Severity = Literal["error", "warning", "advice"]


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was found.

    Attributes:
        rule: its name, stable.
        severity: an error is wrong now, a warning may become so, advice is for big tables.
        table: where, if it is about one.
        message: what was found.
        fix: what to do.
    """

    rule: str
    severity: Severity
    table: str | None
    message: str
    fix: str


async def examine(db: Database) -> list[Diagnosis]:
    """Look at settings, keys, indexes and the file itself; nothing is changed.

    Returns:
        What was found, errors first.

    Example:
        ```python
        for finding in await examine(db):
            print(finding.severity, finding.message)
        ```
    """
    sqlite = db.engine.dialect.name == "sqlite"
    damaged = await _damage(db) if sqlite else []
    if damaged:
        # What else could be read of such a file is not to be relied on.
        return damaged
    tables = await inventory(core_of(db).executor, None)
    found = [finding for table in tables if table.kind == "table" for finding in _of_table(table)]
    found += await (_of_sqlite(db) if sqlite else _of_postgresql(db))
    order = ("error", "warning", "advice")
    return sorted(found, key=lambda finding: (order.index(finding.severity), finding.rule, finding.table or ""))


def _of_table(table: TableInfo) -> Iterable[Diagnosis]:
    name = table.name
    if not table.pks:
        yield Diagnosis(
            "no-key",
            "warning",
            name,
            f"{name} has no primary key",
            "give it one: transform(pk=...); key operations need it",
        )
    indexed = [table.pks, *[index.columns for index in table.indexes if not index.partial]]
    for key in table.foreign_keys:
        if not any(columns[: len(key.columns)] == key.columns for columns in indexed):
            columns = ", ".join(key.columns)
            yield Diagnosis(
                "foreign-key-without-index",
                "advice",
                name,
                f"{name} ({columns}) refers to {key.target} without an index: deleting there looks at every row here",
                f"create_index({list(key.columns)!r})",
            )
    seen: dict[tuple[str | None, ...], str] = {}
    for index in table.indexes:
        if index.partial or None in index.columns:
            continue
        if index.columns in seen and not index.unique:
            yield Diagnosis(
                "duplicate-index",
                "advice",
                name,
                f"{index.name} is over the same columns as {seen[index.columns]}",
                f"drop_index({index.name!r})",
            )
        seen.setdefault(index.columns, index.name)


async def _damage(db: Database) -> list[Diagnosis]:
    """Return what SQLite finds wrong with the file."""
    try:
        rows = await db.q("PRAGMA integrity_check(10)")
    except DatabaseError as error:
        if error.sqlstate is None or int(error.sqlstate) & 0xFF not in _DAMAGED:
            raise
        texts = [error.message]
    else:
        texts = [text for row in rows if (text := str(next(iter(row.values())))) != "ok"]
    return [Diagnosis("damaged", "error", None, text, "restore a backup; look at the disk") for text in texts]


async def _of_sqlite(db: Database) -> list[Diagnosis]:
    found: list[Diagnosis] = []
    broken: dict[tuple[str, str], int] = {}
    for row in await db.q("PRAGMA foreign_key_check"):
        place = (str(row["table"]), str(row["parent"]))
        broken[place] = broken.get(place, 0) + 1
    found += [
        Diagnosis(
            "dangling-rows",
            "error",
            table,
            f"{count} rows of {table} refer to rows of {parent} that are not there",
            "add those rows, or set the columns to NULL",
        )
        for (table, parent), count in broken.items()
    ]
    if await db.item("PRAGMA journal_mode") not in ("wal", "memory"):
        found.append(Diagnosis("no-wal", "warning", None, "readers wait for the writer", "PRAGMA journal_mode = WAL"))
    if not await db.item("PRAGMA foreign_keys"):
        found.append(
            Diagnosis(
                "foreign-keys-off", "warning", None, "foreign keys are not enforced", "Database(foreign_keys=True)"
            )
        )
    return found


async def _of_postgresql(db: Database) -> list[Diagnosis]:
    found = [
        Diagnosis(
            "invalid-index",
            "error",
            str(row["table"]),
            f"index {row['index']} is not valid: a concurrent build did not end",
            f"drop_index({str(row['index'])!r}), and build it again",
        )
        for row in await db.q(
            "SELECT i.indexrelid::regclass::text AS index, i.indrelid::regclass::text AS table"
            " FROM pg_index i WHERE NOT i.indisvalid"
        )
    ]
    found += [
        Diagnosis(
            "unchecked-constraint",
            "warning",
            str(row["table"]),
            f"{row['name']} was not checked against the rows that were there (NOT VALID)",
            f"ALTER TABLE {row['table']} VALIDATE CONSTRAINT {row['name']}",
        )
        for row in await db.q(
            "SELECT quote_ident(conname) AS name, conrelid::regclass::text AS table"
            " FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0"
        )
    ]
    for setting in ("fsync", "full_page_writes"):
        if await db.item(f"SHOW {setting}") == "off":
            found.append(
                Diagnosis(
                    f"{setting}-off", "warning", None, f"{setting} is off: a crash may lose the database", "turn it on"
                )
            )
    return found
