"""The history of a schema: the files of a directory, run one after another in a scratch database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Runner
from deebase.migrations.status import first_problem, read_statuses
from deebase.migrations.target import Target


def sealed_files(directory: Path) -> list[MigrationFile]:
    """Return the migrations of a directory in their order, without the draft.

    Raises:
        MigrationError: one of them needs attention.
    """
    found = read_statuses(directory, {})
    if problem := first_problem(found):
        raise problem
    return [status.file for status in found if status.file is not None and status.number is not None]


async def replay(scratch: Target, files: Iterable[MigrationFile]) -> None:
    """Run migrations in an empty database.

    Raises:
        MigrationError: one of them fails.
    """
    listed = list(files)
    await scratch.support.drop_extensions(scratch, [file.text for file in listed])
    await scratch.ledger.make()
    runner = Runner(scratch)
    for file in listed:
        await runner.apply(file)
