"""`repair`, `rerecord` and `renumber`: files and ledger agree again; no migration runs."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.files import COMMENTS, MigrationFile
from deebase.migrations.ledger import Ledger, LedgerEntry
from deebase.migrations.status import REPAIR_FILE, Status


async def repair(
    ledger: Ledger, directory: Path, found: list[Status], applied: bool | None, *, named: bool
) -> list[str]:
    """Settle half-done migrations, and write missing files; return a line for each.

    Args:
        ledger: the ledger of the database.
        directory: the directory of the files.
        found: the migrations to repair.
        applied: whether a half-done one counts as applied.
        named: whether it was given by name; only then a pending one is counted as applied.
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
        # A migration in chunks continues by itself, unless the caller decides otherwise.
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
    # A name from the database must not lead out of the directory.
    if not files.is_numbered(entry.name) or entry.suffix not in COMMENTS:
        raise MigrationError(
            "the ledger has a migration with an invalid name", hint="look at the table _deebase_migrations"
        )
    path = directory / f"{entry.name}{entry.suffix}"
    files.write(path, entry.source, sealed=True, new=True)
    return f"{path} was written as it was applied"


async def rerecord(ledger: Ledger, found: list[Status], name: str | None) -> list[str]:
    """Accept edited and renamed files, or the one of this name, as they are now; return their names."""
    gone = {status.entry.checksum: status.name for status in found if status.state == "missing" and status.entry}
    accepted: list[str] = []
    for status in found:
        file = status.file
        if file is None or name not in (None, status.name):
            continue
        if status.state == "edited":
            await _accept(ledger, status, file)
        elif status.state == "refused" and status.entry is None and file.checksum in gone:
            await ledger.rename(gone[file.checksum], status.name)
        else:
            continue
        accepted.append(status.name)
    return accepted


async def _accept(ledger: Ledger, status: Status, file: MigrationFile) -> None:
    files.write(file.path, file.text, sealed=True)
    if status.entry is not None:
        await ledger.change(status.entry.name, checksum=file.checksum, source=file.text, suffix=file.suffix)


async def renumber(ledger: Ledger, found: list[Status]) -> list[tuple[str, str]]:
    """Give new numbers to files that share one, except the first; return the old names and the new."""
    numbered = [status for status in found if status.file is not None and status.number is not None]
    fresh = itertools.count(max((status.number or 0 for status in found), default=0) + 1)
    moved: list[tuple[str, str]] = []
    for _, group in itertools.groupby(numbered, key=lambda status: status.number):
        # Applied ones keep their number, the earliest first.
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
