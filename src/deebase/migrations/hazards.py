"""Lint: what in a migration loses rows, fails on rows that are there, or keeps others waiting, told from its text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from deebase.migrations.files import MigrationFile
from deebase.migrations.hazards_python import Reader
from deebase.migrations.hazards_sql import created_by, of_sql, writes
from deebase.migrations.loading import sections
from deebase.migrations.rules import RULES, Hazard
from deebase.migrations.runner import separate

if TYPE_CHECKING:
    from deebase.database import Database


def hazards_of(file: MigrationFile, dialect: str, *, down: bool = False) -> list[Hazard]:
    """Return what is to be looked at in one direction of a migration.

    Its text is read, nothing is run: what a helper of another module does is not seen.

    Args:
        file: the migration.
        dialect: "sqlite" or "postgresql".
        down: read its downgrade.

    Raises:
        MigrationError: a file of SQL without its sections.
    """
    if file.suffix == ".sql":
        text = sections(file)["downgrade" if down else "upgrade"]
        found = list(of_sql(text, dialect, None))
        created = set(created_by(text, dialect))
    else:
        reader = Reader(file, dialect, down=down)
        found, created = list(reader.hazards()), reader.created
    known = {rule.id: rule for rule in RULES}
    return [
        hazard
        for hazard in found
        if known[hazard.rule].dialect in ("", dialect) and (hazard.table is None or hazard.table not in created)
    ]


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
    own = separate(db, db._executor)  # pyright: ignore[reportPrivateUsage]
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
