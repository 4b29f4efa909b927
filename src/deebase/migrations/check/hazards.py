"""Lint: finds in the text of a migration what loses rows, fails on existing rows, or blocks other sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deebase._sqltext.capabilities import Capabilities
from deebase.migrations.check import comments
from deebase.migrations.check.hazards_python import Reader, is_transactional
from deebase.migrations.check.hazards_sql import SqlReader, writes
from deebase.migrations.check.rules import RULES, Hazard
from deebase.migrations.files import MigrationFile
from deebase.migrations.loading import sections
from deebase.migrations.target import Target

if TYPE_CHECKING:
    from deebase.database import Database


def hazards_of(
    file: MigrationFile, database: Capabilities, *, down: bool = False, bounded: bool = True, allowed: bool = False
) -> list[Hazard]:
    """Return the hazards of one direction of a migration, except those that a comment in it allows.

    Its text is read, nothing runs: what a helper in another module does is not found.

    Args:
        file: the migration.
        database: the database.
        down: read its downgrade.
        bounded: whether the database limits waits for a lock.
        allowed: include those that a comment allows.

    Raises:
        MigrationError: a file of SQL without its sections.
    """
    transactional = is_transactional(file)
    if file.suffix == ".sql":
        sql = SqlReader(database, transactional=transactional, bounded=bounded)
        found = list(sql.read(sections(file)["downgrade" if down else "upgrade"], None))
        created = sql.created
    else:
        reader = Reader(file, database, down=down, transactional=transactional, bounded=bounded)
        sql, found, created = reader.sql, list(reader.hazards()), reader.created
    found += sql.together()
    of_locks = {rule.id for rule in RULES if rule.concerns_locks}
    left_out = set[str]() if allowed else comments.allowed(file, database)
    return [
        hazard
        for hazard in found
        if (database.locks_tables or hazard.rule not in of_locks)
        and hazard.rule not in left_out
        and (hazard.table is None or hazard.table not in created)
    ]


def has_lock_limit(connect_args: Mapping[str, Any]) -> bool:
    """Whether connections limit waits for a lock."""
    settings: Mapping[str, Any] = connect_args.get("server_settings", {})
    return str(settings.get("lock_timeout", "0")) not in ("0", "0ms", "0s")


def writes_rows(file: MigrationFile, database: Capabilities) -> bool:
    """Whether the upgrade of a migration writes rows, as far as its text shows."""
    if file.suffix == ".sql":
        return writes(sections(file)["upgrade"], database)
    return Reader(file, database).writes_rows()


async def counted(target: Target, found: Iterable[Hazard]) -> list[Hazard]:
    """Return hazards, the destructive ones with the number of rows, or values, that this database would lose.

    A destructive one without any is left out.
    """
    hazards = list(found)
    if not any(hazard.destructive for hazard in hazards):
        return hazards
    own = await target.reflected()
    result: list[Hazard] = []
    for hazard in hazards:
        if not hazard.destructive or hazard.table is None:
            result.append(hazard)
        elif hazard.table in own.t and (rows := await _rows(own, hazard.table, hazard.column)):
            result.append(replace(hazard, rows=rows))
    return result


async def _rows(db: Database, name: str, column: str | None) -> int:
    table = db.t[name]
    if column is None:
        return await table.count()
    # A column that the migration itself adds does not exist yet.
    return await table.count(table.c[column].is_not(None)) if column in table.columns else 0
