"""The state of each migration, from its file and the ledger, and how to fix what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.chunk_progress import ChunkProgress
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.hints import either, settling
from deebase.migrations.ledger import LedgerEntry

State = Literal["draft", "pending", "unfinished", "applied", "edited", "missing", "failed", "refused"]

#: States in which nothing may be applied or undone until a person has fixed them.
BLOCKING: tuple[State, ...] = ("edited", "failed", "refused")


@dataclass(frozen=True)
class Status:
    """The state of one migration.

    Attributes:
        name: its name without the suffix: ``0007-add-age``.
        state: "draft", "pending", "applied", "edited" (since it was sealed or applied), "missing" (applied, but without
            a file), "unfinished" (half done in chunks, so that ``up`` continues it), "failed" (half done,
            outside of a transaction) or "refused" (the file is not valid as a migration).
        late: whether it is pending with a lower number than an applied one.
        applied_at: when it was applied, in UTC.
        seconds: how long that took.
        version: the version of DeeBase that applied it.
        note: what is wrong, else empty.
        hint: how to fix it, else empty.
        file: the file as it is on disk.
        entry: its row of the ledger.
    """

    name: str
    state: State
    late: bool = False
    note: str = ""
    hint: str = ""
    file: MigrationFile | None = field(default=None, repr=False)
    entry: LedgerEntry | None = field(default=None, repr=False)

    @property
    def number(self) -> int | None:
        """Its number, None for a draft."""
        return files.number_of(self.name)

    @property
    def applied_at(self) -> datetime | None:
        """When it was applied, in UTC."""
        return None if self.entry is None or self.state == "draft" else self.entry.finished_at

    @property
    def seconds(self) -> float | None:
        """How long it took."""
        return None if self.entry is None or self.state == "draft" else self.entry.seconds

    @property
    def version(self) -> str | None:
        """The version of DeeBase that applied it."""
        return None if self.entry is None or self.state == "draft" else self.entry.version

    @property
    def half_undone(self) -> bool:
        """Whether ``down`` was cut off between chunks, so that it continues there."""
        return self.state == "failed" and self.file is not None and _progress(self.entry, "down") is not None

    @property
    def is_pending(self) -> bool:
        """Whether ``up`` applies it, or continues it."""
        return self.state in ("pending", "unfinished")

    def error(self) -> MigrationError:
        """Return the error for a state in which it cannot be applied or undone."""
        return MigrationError(self.note, hint=self.hint)


def read_statuses(directory: Path, entries: Mapping[str, LedgerEntry]) -> list[Status]:
    """Return the state of each migration, in the order of numbers, drafts last.

    Args:
        directory: the directory of the files.
        entries: the rows of the ledger.

    Raises:
        MigrationError: the directory or a file in it cannot be read.
    """
    paths, strange = files.list_directory(directory)
    found = [files.read(path) for path in paths]
    counts = Counter(file.number for file in found)
    statuses = [_of_file(file, entries) for file in found if file.number is None or counts[file.number] == 1]
    statuses += [
        _duplicate(file, found, entries) for file in found if file.number is not None and counts[file.number] > 1
    ]
    statuses += [_strange(path) for path in strange]
    by_name = {status.name for status in statuses if status.entry is not None}
    by_name |= {name for file in found for name in file.replaces}
    statuses += [_missing(entry) for name, entry in entries.items() if name not in by_name and name != DRAFT]
    statuses = _renamed(_drafts(statuses))
    last = max((files.number_of(name) or 0 for name in entries if name != DRAFT), default=0)
    statuses = [
        replace(status, late=True) if status.state == "pending" and (status.number or 0) < last else status
        for status in statuses
    ]
    return sorted(statuses, key=lambda status: (status.number is None, status.number or 0, status.name))


def _of_file(file: MigrationFile, entries: Mapping[str, LedgerEntry]) -> Status:
    if file.number is None:
        hint = f"{either('seal()', 'seal')} fixes it"
        return Status(file.name, "draft", hint=hint, file=file, entry=entries.get(DRAFT))
    entry = entries.get(file.name)
    if entry is None and DRAFT in entries and entries[DRAFT].checksum == file.checksum:
        # Its steps were recorded as they ran here, before it was sealed.
        entry = entries[DRAFT]
    if entry is None:
        return _squashed(file, entries) or _unapplied(file)
    status = Status(file.name, "applied", file=file, entry=entry)
    if entry.finished_at is None and (entry.progress is None or entry.checksum == file.checksum):
        return _half_done(status, entry)
    return status if entry.checksum == file.checksum else _edited(status, entry, file)


def _squashed(file: MigrationFile, entries: Mapping[str, LedgerEntry]) -> Status | None:
    """Return the state of a migration that replaces others; None if the database has none of them."""
    present = [entries[name] for name in file.replaces if name in entries]
    if not present:
        return None
    status = Status(file.name, "applied", file=file, entry=max(present, key=lambda entry: entry.position))
    if len(present) == len(file.replaces) and file.seal == file.checksum:
        return status
    names = ", ".join([name for name in file.replaces if name not in entries])
    return replace(
        status,
        state="refused",
        note=f"{file.name} replaces {', '.join(file.replaces)}, and the database lacks {names}",
        hint="apply those with the earlier files first",
    )


def _unapplied(file: MigrationFile) -> Status:
    if file.seal is None:
        return Status(
            file.name,
            "refused",
            file=file,
            note=f"{file.path} is not sealed: its contents are not fixed yet",
            hint=either(f"seal({file.name!r})", f"seal {file.name}"),
        )
    if file.seal != file.checksum:
        return Status(
            file.name,
            "edited",
            file=file,
            note=f"{file.path} was edited since it was sealed",
            hint=f"undo the change; or {either('rerecord()', 'rerecord')} seals it as it is now",
        )
    return Status(file.name, "pending", file=file)


def _progress(entry: LedgerEntry | None, direction: str) -> ChunkProgress | None:
    """Return the progress of a half-done migration in one direction; None if it does not run in chunks."""
    if entry is None or entry.progress is None:
        return None
    found = ChunkProgress.read(entry.progress)
    return found if found.direction == direction else None


def _half_done(status: Status, entry: LedgerEntry) -> Status:
    name = status.name
    if entry.progress is not None:
        return _in_chunks(status, entry, entry.progress)
    return replace(
        status,
        state="failed",
        note=f"{name} was started at {entry.started_at:%Y-%m-%d %H:%M:%S} UTC and has not finished: it runs outside of "
        "a transaction, so that it may be half done",
        hint=f"if it is not running now, look at the database; then {settling(name)}",
    )


def _in_chunks(status: Status, entry: LedgerEntry, progress: str) -> Status:
    found = ChunkProgress.read(progress)
    doing = f"half {'done' if found.direction == 'up' else 'undone'}"
    note = f"{status.name} is {doing}: it was started at {entry.started_at:%Y-%m-%d %H:%M:%S} UTC, with {found}"
    if status.file is None:
        return replace(status, state="failed", note=f"{note}; its file does not exist", hint=REPAIR_FILE)
    if found.direction == "down":
        return replace(status, state="failed", note=note, hint=f"{either('down()', 'down')} continues")
    return replace(status, state="unfinished", note=note, hint=f"{either('up()', 'up')} continues")


#: How to restore a lost file.
REPAIR_FILE = f"get it back from version control; or {either('repair()', 'repair')} writes it as it was applied"


def _edited(status: Status, entry: LedgerEntry, file: MigrationFile) -> Status:
    return replace(
        status,
        state="edited",
        note=f"{file.path} was edited since it was applied:\n{files.difference(entry.source, file.text)}",
        hint="undo the change and write another migration; or, if the change has no effect, "
        f"{either('rerecord()', 'rerecord')} accepts it",
    )


def _duplicate(file: MigrationFile, found: Iterable[MigrationFile], entries: Mapping[str, LedgerEntry]) -> Status:
    others = ", ".join(other.path.name for other in found if other.number == file.number and other is not file)
    return Status(
        file.name,
        "refused",
        file=file,
        entry=entries.get(file.name),
        note=f"{file.path} has the same number as {others}",
        hint=f"{either('renumber()', 'renumber')} gives those that are not applied new numbers",
    )


def _strange(path: Path) -> Status:
    return Status(
        path.stem,
        "refused",
        note=f"{path} is not named as a migration",
        hint=f"the name is NNNN-description{path.suffix}, as in 0007-add-age{path.suffix}; files that begin with _ are "
        "ignored",
    )


def _missing(entry: LedgerEntry) -> Status:
    status = Status(entry.name, "missing", entry=entry)
    if entry.finished_at is None:
        return _half_done(status, entry)
    return replace(
        status,
        note=f"{entry.name} was applied, but its file does not exist",
        hint=REPAIR_FILE,
    )


def _drafts(statuses: list[Status]) -> list[Status]:
    drafts = [status for status in statuses if status.state == "draft"]
    if len(drafts) < 2:
        return statuses
    note = f"there is more than one draft: {', '.join(status.name for status in drafts)}"
    return [
        replace(status, state="refused", note=note, hint=_seal(status.file) if status.file is not None else status.hint)
        if status.state == "draft"
        else status
        for status in statuses
    ]


def _seal(draft: MigrationFile) -> str:
    return f"{either(f'seal({draft.title!r})', f'seal {draft.title}')} fixes this one"


def _renamed(statuses: list[Status]) -> list[Status]:
    """Mark files that were applied under another name, and would be applied again."""
    gone = {status.entry.checksum: status.name for status in statuses if status.state == "missing" and status.entry}
    hint = f"{either('rerecord()', 'rerecord')} updates the ledger"
    new: dict[str, str] = {}
    result: list[Status] = []
    for status in statuses:
        old = gone.get(status.file.checksum) if status.state == "pending" and status.file is not None else None
        if old is not None:
            new[old] = status.name
            note = f"{status.name} was applied under the name {old}"
            result.append(replace(status, state="refused", note=note, hint=hint))
        else:
            result.append(status)
    return [
        replace(status, note=f"{status.name} is called {new[status.name]} now", hint=hint)
        if status.state == "missing" and status.name in new
        else status
        for status in result
    ]


def first_problem(statuses: Iterable[Status]) -> MigrationError | None:
    """Return the error of the first migration that needs attention; None if there is none."""
    return next((status.error() for status in statuses if status.state in BLOCKING), None)
