"""`new`, `record` and `seal`: the life of a draft."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deebase.errors import MigrationError, ValidationError
from deebase.migrations import files
from deebase.migrations.compare import models
from deebase.migrations.compare.models import Models
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.ledger import LedgerEntry
from deebase.migrations.runner import log
from deebase.migrations.status import Status, read_statuses
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay, sealed_files
from deebase.migrations.workspace import Workspace
from deebase.migrations.write import drafts

if TYPE_CHECKING:
    from deebase.migrations.write.proposals import Renames


@dataclass(frozen=True)
class Drafting:
    """Writes and seals the draft of a workspace.

    Attributes:
        workspace: the migrations.
    """

    workspace: Workspace

    async def new(self, name: str, *, compares: bool, sql: bool, data: bool, renames: Renames) -> Path:
        """See ``Migrator.new``.

        Args:
            name: its title.
            compares: whether it is written by comparison with the models, if they are known.
            sql: as there.
            data: as there.
            renames: as there.
        """
        title, directory = files.slug(name), self.workspace.directory
        files.make_directory(directory)
        draft = self.workspace.draft()
        if draft is not None:
            raise MigrationError(f"{draft.path} is open", hint=f"{either('seal()', 'seal')}; or remove the file")
        path = directory / f"{drafts.draft_name(title)}{'.sql' if sql else '.py'}"
        if self.workspace.models is not None and compares:
            text = await self._compared(name, path, self.workspace.models, renames)
        else:
            text = drafts.template(name, sql=sql, data=data)
        files.write(path, text, sealed=False, new=True)
        return path

    async def _compared(self, name: str, path: Path, wanted: Models, renames: Renames) -> str:
        """Return the text of a draft that turns the schema of the migrations so far into that of the models."""
        # Imported here, so that a program which only applies migrations does not load Alembic.
        from deebase.migrations.write.proposals import propose

        async with self._schemas(wanted) as (ours, target):
            proposal = await propose(name, ours, target, renames, path, of_models=True)
        for note in proposal.notes:
            log.warning("%s: %s", path, note)
        return proposal.text

    @asynccontextmanager
    async def _schemas(self, wanted: Models) -> AsyncGenerator[tuple[Target, Target], None]:
        """Give scratch databases with the schema of the migrations so far, and with that of the models."""
        before = sealed_files(self.workspace.directory)
        async with self.workspace.target.scratch() as ours, self.workspace.target.scratch() as target:
            await replay(ours, before)
            await target.support.create_extensions(ours, target)
            await models.create(target.db, wanted, self.workspace.root)
            yield ours, target

    async def possible_renames(self) -> list[tuple[str, str]]:
        """See ``Migrator.possible_renames``."""
        from deebase.migrations.compare.diff import compare

        if self.workspace.models is None:
            return []
        async with self._schemas(self.workspace.models) as (ours, target):
            return (await compare(ours, target)).possible_renames()

    async def record(self, sql_up: str, sql_down: str | None) -> Path:
        """See ``Migrator.record``."""
        directory, target = self.workspace.directory, self.workspace.target
        files.make_directory(directory)
        draft = self.workspace.draft()
        opened = draft is None
        if draft is None:
            path = directory / f"{drafts.draft_name('')}.py"
            draft = MigrationFile(path, drafts.template("Changes", sql=False, data=False), None)
        found = await self.workspace.statuses()
        recorded = (await target.ledger.entries()).get(DRAFT)
        has_all = recorded is not None and recorded.checksum == draft.checksum
        has_all = has_all or drafts.is_empty(draft, target.capabilities)
        after = MigrationFile(draft.path, drafts.appended(draft, sql_up, sql_down), None)
        async with target.db.transaction():
            await self.workspace.adopt(found)
            await target.ledger.record_draft(after, all_of_it=has_all)
            # Last: if the transaction fails, sealing notices the surplus of the file.
            files.write(after.path, after.text, sealed=False, new=opened)
        return after.path

    async def seal(self, name: str | None, applied: bool | None) -> str:
        """See ``Migrator.seal``."""
        entries = await self.workspace.ledger.entries()
        found = read_statuses(self.workspace.directory, entries)
        if name is not None and files.is_numbered(name):
            return self._seal_numbered(name, found)
        draft = self.workspace.draft(name)
        if draft is None:
            raise MigrationError(
                f"there is no draft in {self.workspace.directory}", hint=either("new('add age')", "new 'add age'")
            )
        drafts.check_finished(draft, self.workspace.target.capabilities)
        title = files.slug(name) if name is not None else draft.title
        if not title:
            raise ValidationError(
                "the draft has no name yet",
                field="name",
                hint=either("seal('initial schema')", "seal 'initial schema'"),
            )
        await self._settle(draft, title, entries.get(DRAFT), applied)
        numbers = [status.number or 0 for status in found]
        sealed = files.name_for(max(numbers, default=0) + 1, title)
        files.write(draft.path, draft.text, sealed=True)
        files.rename(draft.path, sealed)
        await self.workspace.adopt(await self.workspace.statuses())
        return sealed

    def _seal_numbered(self, name: str, found: list[Status]) -> str:
        status = next((status for status in found if status.name == name), None)
        if status is None or status.file is None:
            raise MigrationError(
                f"there is no {name} in {self.workspace.directory}",
                hint=either("seal('add age')", "seal 'add age'") + " seals the draft",
            )
        if status.entry is not None or status.file.seal is not None:
            raise MigrationError(
                f"{name} is sealed already", hint=f"{either('rerecord()', 'rerecord')} seals it as it is now"
            )
        drafts.check_finished(status.file, self.workspace.target.capabilities)
        files.write(status.file.path, status.file.text, sealed=True)
        return name

    async def _settle(self, draft: MigrationFile, title: str, entry: LedgerEntry | None, applied: bool | None) -> None:
        """Record in the ledger whether this database has run all of a draft."""
        if applied is None:
            if entry is not None and entry.checksum != draft.checksum:
                has = either(f"seal({title!r}, applied=True)", f"seal {title} --applied")
                has_not = either(f"seal({title!r}, applied=False)", f"seal {title} --not-applied")
                raise MigrationError(
                    f"steps of {draft.path} were run on this database as they were recorded, but others were not",
                    hint=f"if the database has all of it, {has}; else undo what it has, then {has_not}",
                )
            return
        ledger = self.workspace.ledger
        async with self.workspace.target.db.transaction():
            await ledger.make()
            await ledger.remove(DRAFT)
            if applied:
                await ledger.add(DRAFT, draft, started_at=datetime.now(UTC), seconds=0.0)
