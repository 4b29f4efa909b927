"""`baseline`: the first migration, written from a database that exists already."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.compare.schema import read
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.runner import log
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay
from deebase.migrations.write import whole_schema
from deebase.migrations.write.proposals import attempt, propose
from deebase.tools.access import tools_of

_HOW_TO_GO_ON = f"{either('check()', 'check')} tries it, {either('rerecord()', 'rerecord')} seals it again"


async def baseline(target: Target, directory: Path, title: str) -> str:
    """Write the first migration from a database, count it as applied there, and return its name.

    Raises:
        MigrationError: there are migrations already.
    """
    name = files.name_for(1, files.slug(title))
    path = directory / f"{name}.py"
    if await target.ledger.entries() or any(files.list_directory(directory)):
        raise MigrationError(
            "there are migrations already", hint=f"a baseline is the first one; {either('drift()', 'drift')} compares"
        )
    text = await _text(target, title, path)
    async with target.db.transaction():
        await target.ledger.make()
        file = MigrationFile(path, text, None)
        await target.ledger.add(name, file, started_at=datetime.now(UTC), seconds=0.0)
        files.write(path, text, sealed=True, new=True)
    return name


async def _text(target: Target, title: str, path: Path) -> str:
    """Return the text of the migration: of classes if they express everything, else of SQL."""
    schema = await read(target)
    notes = [f"not in this migration, and not compared: {text}" for text in schema.script.not_carried]
    text = whole_schema.source(title, schema, notes)
    async with target.scratch(bare=True) as empty:
        await replay(empty, [])
        if whole_schema.is_of_classes(schema, tools_of(target.db)):
            proposal = await propose(title, empty, target, {}, path, about=notes)
            if not proposal.notes:
                return proposal.text
    async with target.scratch(bare=True) as empty:
        await replay(empty, [])
        wrong = await attempt(MigrationFile(path, text, None), empty, await read(empty), schema)
    if wrong:
        # Written all the same: the database works, and the file says what a scratch database lacks.
        wrong = await whole_schema.failing(target, schema) or wrong
        wrong += ["correct this file until it runs in an empty database: " + _HOW_TO_GO_ON]
        text = whole_schema.source(title, schema, [*notes, *wrong])
        for note in wrong:
            log.warning("%s: %s", path, note)
    return text
