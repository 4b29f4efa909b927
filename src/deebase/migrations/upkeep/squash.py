"""`squash`: one migration in place of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.check.hazards import writes_rows
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.status import Status, first_problem
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay
from deebase.migrations.write.proposals import propose


async def squash(target: Target, directory: Path, found: Sequence[Status], first: int, last: int, title: str) -> str:
    """Replace the files of several migrations by one, and return its name.

    Raises:
        MigrationError: one of them needs attention or changes rows; or only some of them are applied.
    """
    before, chosen = _chosen(target, found, first, last)
    new = files.name_for(last, files.slug(title))
    if new in [file.name for file in chosen]:
        raise MigrationError(f"one of them is called {new}", hint="choose another name")
    async with target.scratch() as start, target.scratch() as end:
        await replay(start, before)
        await replay(end, [*before, *chosen])
        proposal = await propose(title, start, end, {}, directory / f"{chosen[-1].name}.py")
    proposal.require_complete(chosen[-1].name)
    text = f"# replaces: {' '.join([file.name for file in chosen])}\n{proposal.text}"
    files.write(directory / f"{new}.py", text, sealed=True, new=True)
    for file in chosen:
        files.remove(file.path)
    return new


def _chosen(
    target: Target, found: Sequence[Status], first: int, last: int
) -> tuple[list[MigrationFile], list[MigrationFile]]:
    """Return the migrations before those that become one, and those."""
    if problem := first_problem(found):
        raise problem
    numbered = [(status.number, status, status.file) for status in found if status.number is not None and status.file]
    before = [file for number, _, file in numbered if number < first]
    chosen = [(status, file) for number, status, file in numbered if first <= number <= last]
    if len(chosen) < 2 or chosen[-1][0].number != last:
        raise MigrationError(
            f"from {first} to {last} there are no two migrations",
            hint=f"{either('squash(3, 7, name)', 'squash 3..7 NAME')} takes their numbers",
        )
    if len({status.state for status, _ in chosen}) > 1:
        raise MigrationError("some of them are applied here, and others are not", hint=f"{either('up()', 'up')} first")
    writing = [file.name for _, file in chosen if writes_rows(file, target.capabilities)]
    if writing:
        raise MigrationError(
            f"{', '.join(writing)} changes rows, which one migration made of the schemas would not do",
            hint="squash those before and after it",
        )
    return before, [file for _, file in chosen]
