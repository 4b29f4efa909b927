"""What migrations are tried for in scratch databases: that they agree with models, with a database, with themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.errors import DeeBaseError, MigrationError
from deebase.migrations import files, states
from deebase.migrations.compare import models
from deebase.migrations.compare.changes import Difference
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.models import Models
from deebase.migrations.compare.schema import Schema, read
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.ledger import Ledger, LedgerEntry
from deebase.migrations.loading import loaded
from deebase.migrations.scratch import leave_out_extensions, scratch
from deebase.migrations.upkeep import history
from deebase.migrations.write.proposals import Proposal, propose

if TYPE_CHECKING:
    from deebase.database import Database


@dataclass(frozen=True)
class Finding:
    """Something that ``check`` or ``lint`` reports.

    Attributes:
        kind: "files" (names, numbers, seals), "failed" (a migration does not run), "models" (they and the migrations
            differ), "downgrade" (it does not lead back) or "lint" (what to look at before it is applied).
        text: what it is.
        migration: the name of the file, where it is about one.
        hint: what mends it.
    """

    kind: str
    text: str
    migration: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.migration}: " if self.migration is not None else ""
        return f"{where}{self.text}" + (f" ({self.hint})" if self.hint else "")


# -- check -------------------------------------------------------------------------------------------


async def check(db: Database, directory: Path, wanted: Models | None, root: Path | None) -> list[Finding]:
    """Return what is wrong with the migrations of a directory, whatever a database has of them."""
    found = states.compare(directory, {})
    findings = [
        Finding("files", status.note, status.name, status.hint) for status in found if status.state in states.BLOCKING
    ]
    if findings:
        return findings
    ordered = [status.file for status in found if status.file is not None]
    async with scratch(db) as ours:
        try:
            before = await _applied(ours, ordered)
            return [*await _as_models(ours, wanted, root), *await _there_and_back(ours, ordered, before)]
        except DeeBaseError as error:
            return [Finding("failed", error.message, hint=error.hint or "")]


async def _applied(db: Database, ordered: Sequence[MigrationFile]) -> list[Schema]:
    """Run migrations one after another, and return the schema before each."""
    runner = history.runner_of(db)
    await history.replay(db, [])
    await leave_out_extensions(db, ordered)
    before: list[Schema] = []
    for file in ordered:
        before.append(await read(db))
        await runner.apply(file, late=False)
    return before


async def _as_models(db: Database, wanted: Models | None, root: Path | None) -> list[Finding]:
    if wanted is None:
        return []
    async with scratch(db) as target:
        await models.create(target, wanted, root)
        differences = (await compare(db, target)).differences()
    hint = either("new('what has changed')", "new 'what has changed'")
    return [
        Finding("models", f"the migrations make something else than the models: {difference}", hint=hint)
        for difference in differences
    ]


async def _there_and_back(db: Database, ordered: Sequence[MigrationFile], before: Sequence[Schema]) -> list[Finding]:
    """Run migrations down as far as that goes, and up again, and compare what is there each time."""
    runner = history.runner_of(db)
    after = await read(db)
    undone: list[MigrationFile] = []
    for file, schema in zip(reversed(ordered), reversed(before), strict=True):
        with loaded(file, core_of(db).settings.name) as script:
            if script.final is not None:
                break
        await runner.undo(file)
        if left := await _left(db, schema, file, "its downgrade"):
            # What is there now is the beginning of nothing.
            return left
        undone.append(file)
    for file in reversed(undone):
        await runner.apply(file, late=False)
    return await _left(db, after, undone[0], "its second upgrade") if undone else []


async def _left(db: Database, wanted: Schema, file: MigrationFile, step: str) -> list[Finding]:
    differences = (await compare(db, wanted)).differences()
    return [Finding("downgrade", f"after {step} {difference}", file.name, "mend it") for difference in differences]


# -- drift -------------------------------------------------------------------------------------------


async def drift(db: Database, directory: Path, entries: Mapping[str, LedgerEntry]) -> list[Difference]:
    """Return how a database differs from what its ledger says was applied to it."""
    applied = [entry for entry in entries.values() if entry.name != files.DRAFT]
    unfinished = next((entry.name for entry in applied if entry.finished_at is None), None)
    if unfinished is not None:
        raise MigrationError(f"{unfinished} is half done", hint=f"{either('status()', 'status')} says how to go on")
    # As they were applied, in that order, whatever became of the files.
    sources = [MigrationFile(directory / f"{entry.name}{entry.suffix}", entry.source, None) for entry in applied]
    async with scratch(db) as made:
        await history.replay(made, sources)
        return list((await compare(db, made)).differences())


# -- baseline ----------------------------------------------------------------------------------------


async def baseline(db: Database, ledger: Ledger, directory: Path, title: str) -> str:
    """Write the first migration from what a database has, and take it for applied there; return its name."""
    name = files.name_for(1, files.slug(title))
    path = directory / f"{name}.py"
    if await ledger.entries() or any(files.list_directory(directory)):
        raise MigrationError(
            "there are migrations already", hint=f"a baseline is the first one; {either('drift()', 'drift')} compares"
        )
    async with scratch(db) as empty:
        await history.replay(empty, [])
        proposal = await propose(title, empty, db, {}, path)
    _whole(proposal, name)
    file = MigrationFile(path, proposal.text, None)
    async with db.transaction():
        await ledger.make()
        await ledger.add(name, file, started_at=datetime.now(UTC), seconds=0.0)
        files.write(path, proposal.text, sealed=True, new=True)
    return name


def _whole(proposal: Proposal, name: str) -> None:
    if proposal.notes:
        raise MigrationError(
            f"{name} would not make the same schema: {'; '.join(proposal.notes)}",
            hint=f"write it by hand, as SQL: {either('new(name, sql=True)', 'new NAME --sql')}",
        )


# -- squash ------------------------------------------------------------------------------------------


async def squashed(db: Database, before: Sequence[MigrationFile], chosen: Sequence[MigrationFile], title: str) -> str:
    """Return the text of one migration that does what several do."""
    path = chosen[-1].path.with_name(f"{chosen[-1].name}.py")
    async with scratch(db) as start, scratch(db) as end:
        await history.replay(start, before)
        await history.replay(end, [*before, *chosen])
        proposal = await propose(title, start, end, {}, path)
    _whole(proposal, path.stem)
    return f"# replaces: {' '.join([file.name for file in chosen])}\n{proposal.text}"
