"""What `up` or `down` would do: operations, SQL and losses of each migration, from a run in a scratch database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.errors import DeeBaseError
from deebase.migrations.check.hazards import hazards_of, writes_rows
from deebase.migrations.check.operations import operations, touched
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.schema import read
from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Step, separate
from deebase.migrations.scripts import Rehearsal, rehearsal

if TYPE_CHECKING:
    from deebase.database import Database


async def planned(
    db: Database, applied: Sequence[MigrationFile], steps: Sequence[Step], *, down: bool = False
) -> list[Step]:
    """Return steps with what they do to the schema, and with which SQL.

    What cannot be tried, as where no scratch database can be made, is a note of the steps, not an error: what their
    text tells is known all the same.

    Args:
        db: the database that they are for, which is only read.
        applied: what it has.
        steps: what is pending, or to be undone, in the order in which that happens.
        down: they are undone.
    """
    found: list[Step] = []
    try:
        async with rehearsal(db, applied) as tried:
            for step in steps:
                found.append(await _tried(db, tried, step, down=down))
    except DeeBaseError as error:
        note = f"its SQL is not known: {error.message}"
        found += [replace(step, note=note) for step in steps[len(found) :]]
    return found


async def _tried(db: Database, tried: Rehearsal, step: Step, *, down: bool) -> Step:
    dialect = core_of(db).settings.name
    before = await read(tried.db)
    statements = await (tried.undo(step.file) if down else tried.apply(step.file))
    back = await compare(tried.db, before)
    # The hazards of a text are those of its way up.
    done = operations(back, [] if down else hazards_of(step.file, dialect))
    if not down and writes_rows(step.file, dialect):
        done.append("changes rows")
    return replace(step, operations=tuple(done), statements=tuple(statements), rows=await _counted(db, touched(back)))


async def _counted(db: Database, names: Iterable[str]) -> dict[str, int]:
    """Return how many rows tables have, of those that are there already."""
    own = separate(db)
    await own.reflect()
    return {name: await own.t[name].count() for name in names if name in own.t}
