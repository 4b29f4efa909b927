"""The history of a schema: the files of a directory, run one after another in a scratch database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.migrations import states
from deebase.migrations.files import MigrationFile
from deebase.migrations.ledger import Ledger
from deebase.migrations.runner import Runner
from deebase.migrations.scratch import leave_out_extensions

if TYPE_CHECKING:
    from deebase.database import Database


def sealed_files(directory: Path) -> list[MigrationFile]:
    """Return the migrations of a directory in their order, without the draft.

    Raises:
        MigrationError: one of them has to be looked at first.
    """
    found = states.compare(directory, {})
    if problem := states.first_problem(found):
        raise problem
    return [status.file for status in found if status.file is not None and status.number is not None]


def runner_of(db: Database) -> Runner:
    """Return what runs migrations in a scratch database."""
    executor = core_of(db).executor
    return Runner(db, executor, Ledger(db, executor))


async def replay(db: Database, files: Iterable[MigrationFile]) -> None:
    """Run migrations in an empty database.

    Raises:
        MigrationError: one of them fails.
    """
    listed = list(files)
    await leave_out_extensions(db, listed)
    runner = runner_of(db)
    await Ledger(db, core_of(db).executor).make()
    for file in listed:
        await runner.apply(file, late=False)
