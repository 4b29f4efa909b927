"""Lint: what in a migration loses rows, fails on rows that are there, or keeps others waiting, told from its text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deebase.migrations.check import comments
from deebase.migrations.check.hazards_python import Reader, is_transactional
from deebase.migrations.check.hazards_sql import SqlReader, writes
from deebase.migrations.check.rules import RULES, Hazard
from deebase.migrations.files import MigrationFile
from deebase.migrations.loading import sections
from deebase.migrations.runner import separate

if TYPE_CHECKING:
    from deebase.database import Database


def hazards_of(
    file: MigrationFile, dialect: str, *, down: bool = False, bounded: bool = True, allowed: bool = False
) -> list[Hazard]:
    """Return what is to be looked at in one direction of a migration, except what a comment in it allows.

    Its text is read, nothing is run: what a helper of another module does is not seen.

    Args:
        file: the migration.
        dialect: "sqlite" or "postgresql".
        down: read its downgrade.
        bounded: whether the database limits waits for a lock by itself.
        allowed: return what a comment allows, too.

    Raises:
        MigrationError: a file of SQL without its sections.
    """
    transactional = is_transactional(file)
    if file.suffix == ".sql":
        sql = SqlReader(dialect, transactional=transactional, bounded=bounded)
        found = list(sql.read(sections(file)["downgrade" if down else "upgrade"], None))
        created = sql.created
    else:
        reader = Reader(file, dialect, down=down, transactional=transactional, bounded=bounded)
        sql, found, created = reader.sql, list(reader.hazards()), reader.created
    found += sql.together()
    known = {rule.id: rule for rule in RULES}
    left_out = set[str]() if allowed else comments.allowed(file, dialect)
    return [
        hazard
        for hazard in found
        if known[hazard.rule].dialect in ("", dialect)
        and hazard.rule not in left_out
        and (hazard.table is None or hazard.table not in created)
    ]


def has_lock_limit(connect_args: Mapping[str, Any]) -> bool:
    """Whether connections limit waits for a lock by themselves."""
    settings: Mapping[str, Any] = connect_args.get("server_settings", {})
    return str(settings.get("lock_timeout", "0")) not in ("0", "0ms", "0s")


def writes_rows(file: MigrationFile, dialect: str) -> bool:
    """Whether the upgrade of a migration writes rows, as far as its text tells."""
    if file.suffix == ".sql":
        return writes(sections(file)["upgrade"], dialect)
    return Reader(file, dialect).writes_rows()


async def counted(db: Database, found: Iterable[Hazard]) -> list[Hazard]:
    """Return hazards of which those that lose something say how many rows, or values, this database has there.

    What it has nothing of, so that nothing can be lost, is left out.
    """
    hazards = list(found)
    if not any(hazard.destructive for hazard in hazards):
        return hazards
    own = separate(db)
    await own.reflect()
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
    # A column that is added by the migration itself is not there yet.
    return await table.count(table.c[column].is_not(None)) if column in table.columns else 0
