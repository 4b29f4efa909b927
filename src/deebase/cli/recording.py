"""The SQL of a change: shown by a dry run, or recorded in the open draft migration of the project."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deebase.cli.invocation import invocation
from deebase.config import find_project

if TYPE_CHECKING:
    from deebase._engine.core import Core
    from deebase.database import Database
    from deebase.migrations import Migrator

T = TypeVar("T")

_UNREPEATABLE = (
    "Warning: SQLite rebuilt the table, which SQL alone cannot repeat: write the step into the draft migration."
)


def _changes(statements: Sequence[str], core: Core) -> list[str]:
    """Return the statements that do more than read."""
    from deebase._sqltext.capabilities import capabilities_of
    from deebase._sqltext.kinds import StatementKind, classify

    rules = capabilities_of(core.dialect).tokens
    return [sql for sql in statements if classify(sql, rules) is not StatementKind.READ]


async def rehearsed(db: Database, work: Awaitable[T]) -> tuple[list[str], T]:
    """Run a change in a transaction that is rolled back; return its SQL and its result.

    A change that would fail raises the same error.
    """
    from deebase._engine.core import core_of

    core = core_of(db)
    with core.recording() as statements:
        async with db.transaction() as transaction:
            result = await work
            await transaction.rollback()
    # A statement that runs for many rows is shown once.
    return [sql for sql, _ in groupby(_changes(statements, core))], result


def recording_migrator(db: Database) -> Migrator | None:
    """Return the migrations in which changes of the schema are recorded.

    These are the migrations of the project, if it has a settings file and a directory of migrations. None if
    --no-record or --url was given, since the database may not be that of the project.
    """
    project = None if invocation().no_record or invocation().url is not None else find_project()
    if project is None:
        return None
    directory = project.directory / (project.text("migrations") or "migrations")
    return db.migrate if directory.is_dir() else None


async def recorded(db: Database, migrator: Migrator, work: Awaitable[Any], undo: Sequence[str]) -> str | None:
    """Change the schema and add the statements to the open draft, in one transaction.

    Returns:
        The message for the user; None if nothing changed.
    """
    from deebase._engine.core import core_of

    path: Path | None = None
    core = core_of(db)
    async with db.transaction():
        with core.recording() as sent:
            await work
        statements = _changes(sent, core)
        if any(sql.startswith("UPDATE sqlite_master ") for sql in statements):
            return _UNREPEATABLE
        undone: Sequence[str | None] = undo if len(undo) == len(statements) else [None] * len(statements)
        for sql, back in zip(statements, undone, strict=True):
            path = await migrator.record(sql.strip(), back)
    return None if path is None else f"Recorded in {_shown(path)}."


def _shown(path: Path) -> str:
    return os.path.relpath(path)
