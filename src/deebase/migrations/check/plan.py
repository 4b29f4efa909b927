"""The plan of `up` or `down`: operations, SQL and affected rows of each migration, from a run in a scratch database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from deebase.errors import DeeBaseError
from deebase.migrations.check.hazards import hazards_of, writes_rows
from deebase.migrations.check.operations import operations, touched
from deebase.migrations.check.rehearsal import Rehearsal, rehearsal
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.schema import read
from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Step
from deebase.migrations.target import Target


async def planned(target: Target, applied: Sequence[MigrationFile], steps: Sequence[Step], *, down: bool) -> list[Step]:
    """Return steps with their changes of the schema and their SQL.

    A step that cannot be tried, for example because no scratch database can be made, gets a note instead: what its text
    shows is known all the same.

    Args:
        target: the database, which is only read.
        applied: its migrations.
        steps: the migrations that would be applied or undone, in that order.
        down: whether they would be undone.
    """
    found: list[Step] = []
    if not steps:
        return found
    try:
        async with rehearsal(target, applied) as tried:
            for step in steps:
                found.append(await _tried(target, tried, step, down=down))
    except DeeBaseError as error:
        note = f"its SQL is not known: {error.message}"
        found += [replace(step, note=note) for step in steps[len(found) :]]
    return found


async def _tried(target: Target, tried: Rehearsal, step: Step, *, down: bool) -> Step:
    before = await read(tried.target)
    statements = await tried.run(step.file, down=down)
    back = await compare(tried.target, before)
    # The text of a file shows the hazards of its upgrade.
    done = operations(back, [] if down else hazards_of(step.file, target.capabilities))
    if not down and writes_rows(step.file, target.capabilities):
        done.append("changes rows")
    rows = await _counted(target, touched(back))
    return replace(step, operations=tuple(done), statements=tuple(statements), rows=rows)


async def _counted(target: Target, names: Iterable[str]) -> dict[str, int]:
    """Return the number of rows of those tables that exist already."""
    own = await target.reflected()
    return {name: await own.t[name].count() for name in names if name in own.t}
