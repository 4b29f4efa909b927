"""The SQL of a change: shown without being kept, or recorded in the open draft migration of the project."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Generator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deebase.cli.invocation import invocation
from deebase.config import find_project

if TYPE_CHECKING:
    from deebase.database import Database
    from deebase.migrations import Migrator

T = TypeVar("T")


class _Recorder(logging.Handler):
    """Keeps the statements that the library logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.statements: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.statements.append(record.getMessage())


@contextmanager
def _listening() -> Generator[_Recorder]:
    """Keep what is sent to the database in the block."""
    logger, recorder = logging.getLogger("deebase.sql"), _Recorder()
    level = logger.level
    logger.addHandler(recorder)
    logger.setLevel(logging.DEBUG)
    try:
        yield recorder
    finally:
        logger.setLevel(level)
        logger.removeHandler(recorder)


def _changes(recorder: _Recorder, db: Database) -> list[str]:
    """Return the statements that were more than questions."""
    from deebase._sqltext.capabilities import capabilities_of
    from deebase._sqltext.kinds import StatementKind, classify

    rules = capabilities_of(db.engine.dialect).tokens
    return [sql for sql in recorder.statements if classify(sql, rules) is not StatementKind.READ]


async def rehearsed(db: Database, work: Awaitable[T]) -> tuple[list[str], T]:
    """Return the SQL of a change and what it gave; the transaction is rolled back.

    What would be refused is refused.
    """
    with _listening() as recorder:
        async with db.transaction() as transaction:
            result = await work
            await transaction.rollback()
    # A statement that is run for many rows is shown once.
    return [sql for sql, _ in groupby(_changes(recorder, db))], result


def recording_migrator(db: Database) -> Migrator | None:
    """Return the migrations in which changes of the schema are recorded.

    Those of the project, if it has a settings file and a directory of migrations, and its database is the one that is
    changed; None where --no-record or --url was given.
    """
    project = None if invocation().no_record or invocation().url is not None else find_project()
    if project is None:
        return None
    directory = project.directory / (project.text("migrations") or "migrations")
    return db.migrate if directory.is_dir() else None


async def recorded(db: Database, migrator: Migrator, work: Awaitable[Any], undo: Sequence[str]) -> str | None:
    """Change the schema and add the statements to the open draft, in one transaction.

    Returns:
        What there is to say of that; None where nothing had to be changed.
    """
    path: Path | None = None
    async with db.transaction():
        with _listening() as recorder:
            await work
        statements = _changes(recorder, db)
        if any(sql.startswith("UPDATE sqlite_master ") for sql in statements):
            return "Warning: SQLite made the table anew, which no SQL says: write the step into the draft migration."
        undone: Sequence[str | None] = undo if len(undo) == len(statements) else [None] * len(statements)
        for sql, back in zip(statements, undone, strict=True):
            path = await migrator.record(sql.strip(), back)
    return None if path is None else f"Recorded in {_shown(path)}."


def _shown(path: Path) -> str:
    return os.path.relpath(path)
