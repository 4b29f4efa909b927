"""`baseline`: the first migration, written from a database that exists already."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay
from deebase.migrations.write.proposals import propose


async def baseline(target: Target, directory: Path, title: str) -> str:
    """Write the first migration from a database, count it as applied there, and return its name.

    Raises:
        MigrationError: there are migrations already, or the database has parts that cannot be written.
    """
    name = files.name_for(1, files.slug(title))
    path = directory / f"{name}.py"
    if await target.ledger.entries() or any(files.list_directory(directory)):
        raise MigrationError(
            "there are migrations already", hint=f"a baseline is the first one; {either('drift()', 'drift')} compares"
        )
    async with target.scratch() as empty:
        await replay(empty, [])
        proposal = await propose(title, empty, target, {}, path)
    proposal.require_complete(name)
    async with target.db.transaction():
        await target.ledger.make()
        file = MigrationFile(path, proposal.text, None)
        await target.ledger.add(name, file, started_at=datetime.now(UTC), seconds=0.0)
        files.write(path, proposal.text, sealed=True, new=True)
    return name
