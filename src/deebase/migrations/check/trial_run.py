"""`check`: migrations run up, down and up again in a scratch database, and are compared with the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deebase.errors import DeeBaseError
from deebase.migrations.compare import models
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.models import Models
from deebase.migrations.compare.schema import Schema, read
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.runner import Runner
from deebase.migrations.status import BLOCKING, read_statuses
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay


@dataclass(frozen=True)
class Finding:
    """Something that ``check`` or ``lint`` reports.

    Attributes:
        kind: "files" (names, numbers, seals), "failed" (a migration does not run), "models" (models and migrations
            differ), "downgrade" (it does not restore the schema) or "lint" (what to check before it is applied).
        text: the description of the finding.
        migration: the name of the file, if it is about one.
        hint: how to fix it.
    """

    kind: str
    text: str
    migration: str | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.migration}: " if self.migration is not None else ""
        return f"{where}{self.text}" + (f" ({self.hint})" if self.hint else "")


async def check(target: Target, directory: Path, wanted: Models | None, root: Path | None) -> list[Finding]:
    """Return what is wrong with the migrations of a directory, whichever of them the database has."""
    found = read_statuses(directory, {})
    findings = [Finding("files", status.note, status.name, status.hint) for status in found if status.state in BLOCKING]
    if findings:
        return findings
    ordered = [status.file for status in found if status.file is not None]
    async with target.scratch() as ours:
        try:
            before = await _applied(ours, ordered)
            return [*await _compared_with_models(ours, wanted, root), *await _down_and_up(ours, ordered, before)]
        except DeeBaseError as error:
            return [Finding("failed", error.message, hint=error.hint or "")]


async def _applied(scratch: Target, ordered: Sequence[MigrationFile]) -> list[Schema]:
    """Run migrations one after another, and return the schema before each."""
    runner = Runner(scratch)
    await replay(scratch, [])
    await scratch.support.drop_extensions(scratch, [file.text for file in ordered])
    before: list[Schema] = []
    for file in ordered:
        before.append(await read(scratch))
        await runner.apply(file)
    return before


async def _compared_with_models(scratch: Target, wanted: Models | None, root: Path | None) -> list[Finding]:
    if wanted is None:
        return []
    async with scratch.scratch() as made:
        await models.create(made.db, wanted, root)
        wanted_schema = await read(made)
        changes = await compare(scratch, wanted_schema)
        differences = changes.without(changes.before.kinds_beyond(wanted_schema)).differences()
    hint = either("new('what has changed')", "new 'what has changed'")
    return [
        Finding("models", f"the migrations make something else than the models: {difference}", hint=hint)
        for difference in differences
    ]


async def _down_and_up(scratch: Target, ordered: Sequence[MigrationFile], before: Sequence[Schema]) -> list[Finding]:
    """Undo migrations as far as possible, apply them again, and compare the schema each time."""
    runner = Runner(scratch)
    after = await read(scratch)
    undone: list[MigrationFile] = []
    for file, schema in zip(reversed(ordered), reversed(before), strict=True):
        with runner.loaded(file) as script:
            if script.final is not None:
                break
        await runner.undo(file)
        if left := await _left(scratch, schema, file, "its downgrade"):
            # An earlier migration cannot be undone from another schema.
            return left
        undone.append(file)
    for file in reversed(undone):
        await runner.apply(file)
    return await _left(scratch, after, undone[0], "its second upgrade") if undone else []


async def _left(scratch: Target, wanted: Schema, file: MigrationFile, step: str) -> list[Finding]:
    differences = (await compare(scratch, wanted)).differences()
    return [Finding("downgrade", f"after {step} {difference}", file.name, "correct it") for difference in differences]
