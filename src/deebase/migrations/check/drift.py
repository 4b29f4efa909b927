"""`drift`: how a database differs from what its applied migrations make."""

from __future__ import annotations

from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations.compare.changes import Difference
from deebase.migrations.compare.diff import compare
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay


async def drift(target: Target, directory: Path) -> list[Difference]:
    """Return the differences between a database and what its ledger records.

    Raises:
        MigrationError: a migration is half done, or no longer runs.
    """
    applied = [entry for entry in (await target.ledger.entries()).values() if entry.name != DRAFT]
    unfinished = next((entry.name for entry in applied if entry.finished_at is None), None)
    if unfinished is not None:
        raise MigrationError(f"{unfinished} is half done", hint=f"{either('status()', 'status')} says how to go on")
    # As they were applied, in that order, whatever happened to the files since.
    sources = [MigrationFile(directory / f"{entry.name}{entry.suffix}", entry.source, None) for entry in applied]
    async with target.scratch() as made:
        await replay(made, sources)
        return list((await compare(target, made)).differences())
