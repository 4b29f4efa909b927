"""Mending: files and ledger are brought together again; nothing of a migration is run."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.check.hazards import writes_rows
from deebase.migrations.files import COMMENTS, MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.ledger import Ledger, LedgerEntry
from deebase.migrations.states import REPAIR_FILE, Status, first_problem


async def repair(
    ledger: Ledger, directory: Path, found: list[Status], applied: bool | None, *, named: bool
) -> list[str]:
    """Settle what is half done, and write files that are missing; return what was done.

    Args:
        ledger: of the database.
        directory: where the files are.
        found: the migrations to look at.
        applied: what is not settled yet counts as.
        named: whether it was asked for by name; only then one that is pending is taken for applied.
    """
    done: list[str] = []
    for status in found:
        entry = status.entry
        if entry is None:
            if applied and named and status.state == "pending" and status.file is not None:
                await ledger.make()
                await ledger.add(status.name, status.file, started_at=datetime.now(UTC), seconds=0.0)
                done.append(f"{status.name} counts as applied")
            continue
        # What is in chunks goes on by itself, unless something else is wanted.
        resumable = entry.progress is not None
        if entry.finished_at is None and not (resumable and applied is None):
            done.append(await _settle(ledger, status, entry, applied))
        if (status.state == "missing" and status.hint == REPAIR_FILE) or (resumable and status.file is None):
            done.append(_restore(directory, entry))
    return done


async def _settle(ledger: Ledger, status: Status, entry: LedgerEntry, applied: bool | None) -> str:
    if applied is None:
        raise status.error()
    if applied:
        await ledger.make()
        await ledger.change(entry.name, finished_at=datetime.now(UTC), seconds=entry.seconds or 0.0, progress=None)
        return f"{entry.name} counts as applied"
    await ledger.remove(entry.name)
    return f"{entry.name} counts as not applied"


def _restore(directory: Path, entry: LedgerEntry) -> str:
    # What comes from a database names no file outside of the directory.
    if not files.is_numbered(entry.name) or entry.suffix not in COMMENTS:
        raise MigrationError(
            "the ledger has a migration whose name is none", hint="look at the table _deebase_migrations"
        )
    path = directory / f"{entry.name}{entry.suffix}"
    files.write(path, entry.source, sealed=True, new=True)
    return f"{path} was written as it was applied"


async def rerecord(ledger: Ledger, found: list[Status], name: str | None) -> list[str]:
    """Take edited and renamed files, or the one of a name, for what they are now; return their names."""
    gone = {status.entry.checksum: status.name for status in found if status.state == "missing" and status.entry}
    taken: list[str] = []
    for status in found:
        file = status.file
        if file is None or name not in (None, status.name):
            continue
        if status.state == "edited":
            await _take(ledger, status, file)
        elif status.state == "refused" and status.entry is None and file.checksum in gone:
            await ledger.rename(gone[file.checksum], status.name)
        else:
            continue
        taken.append(status.name)
    return taken


async def _take(ledger: Ledger, status: Status, file: MigrationFile) -> None:
    files.write(file.path, file.text, sealed=True)
    if status.entry is not None:
        await ledger.change(status.entry.name, checksum=file.checksum, source=file.text, suffix=file.suffix)


async def renumber(ledger: Ledger, found: list[Status]) -> list[tuple[str, str]]:
    """Give all but one of the files that share a number another one; return the old names and the new."""
    numbered = [status for status in found if status.file is not None and status.number is not None]
    fresh = itertools.count(max((status.number or 0 for status in found), default=0) + 1)
    moved: list[tuple[str, str]] = []
    for _, group in itertools.groupby(numbered, key=lambda status: status.number):
        # What is applied comes first, in the order in which that happened.
        sharing = sorted(group, key=_seniority)
        for status in sharing[1:]:
            if status.file is None:
                continue
            new = files.name_for(next(fresh), status.file.title)
            if status.entry is not None:
                await ledger.rename(status.entry.name, new)
            files.rename(status.file.path, new)
            moved.append((status.name, new))
    return moved


def _seniority(status: Status) -> tuple[bool, int, str]:
    return status.entry is None, status.entry.position if status.entry is not None else 0, status.name


def to_squash(
    found: list[Status], first: int, last: int, dialect: str
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
    writing = [file.name for _, file in chosen if writes_rows(file, dialect)]
    if writing:
        raise MigrationError(
            f"{', '.join(writing)} changes rows, which one migration made of the schemas would not do",
            hint="squash those before and behind it",
        )
    return before, [file for _, file in chosen]
