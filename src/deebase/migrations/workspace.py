"""The migrations of one database: what all parts of the migrator work with."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations.check.hazards import counted, has_lock_limit, hazards_of
from deebase.migrations.check.rules import Hazard
from deebase.migrations.compare.models import Models
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.ledger import Ledger
from deebase.migrations.runner_lock import runner_lock
from deebase.migrations.status import Status, read_statuses
from deebase.migrations.target import Target

#: Seconds to wait for another runner of migrations.
LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class Workspace:
    """The migrations of one database.

    Attributes:
        target: the database.
        directory: the directory of the files.
        models: the models, if they are known.
        root: a directory to search for the models besides the usual places.
    """

    target: Target
    directory: Path
    models: Models | None
    root: Path | None

    @property
    def ledger(self) -> Ledger:
        """The table of the migrations that the database has."""
        return self.target.ledger

    def alone(self, timeout: float = LOCK_TIMEOUT) -> AbstractAsyncContextManager[None]:
        """Return a context in which no other program runs migrations of the database."""
        return runner_lock(self.target, timeout)

    async def statuses(self) -> list[Status]:
        """Return the state of each migration, in the order of numbers, drafts last."""
        return read_statuses(self.directory, await self.ledger.entries())

    async def named(self, name: str | None) -> list[Status]:
        """Return the state of each migration, or that of one name.

        Raises:
            MigrationError: no migration has this name.
        """
        found = await self.statuses()
        chosen = [status for status in found if name is None or status.name == name]
        if name is not None and not chosen:
            raise unknown(f"there is no migration {name!r}", found)
        return chosen

    async def hazards(self, file: MigrationFile, *, down: bool = False, allowed: bool = False) -> list[Hazard]:
        """Return the hazards of one direction of a migration in this database.

        Args:
            file: the migration.
            down: those of its downgrade.
            allowed: include those that a comment allows.
        """
        bounded = has_lock_limit(self.target.settings.connect_args)
        found = hazards_of(file, self.target.capabilities, down=down, bounded=bounded, allowed=allowed)
        return await counted(self.target, found)

    async def adopt(self, found: list[Status]) -> None:
        """Record a sealed draft whose steps ran as they were recorded, and squashed migrations, as applied."""
        for status in found:
            file, entry = status.file, status.entry
            if status.state != "applied" or file is None or entry is None or entry.name == status.name:
                continue
            if entry.name == DRAFT:
                await self.ledger.rename(DRAFT, status.name)
            else:
                await self.ledger.replace(file, entry.name)

    def draft(self, name: str | None = None) -> MigrationFile | None:
        """Return the draft, or the one of this name if there are several; None without one.

        Raises:
            MigrationError: there are several.
        """
        refused: MigrationError | None = None
        for status in read_statuses(self.directory, {}):
            if status.number is None and status.file is not None:
                if status.state == "draft" or (name is not None and status.file.title == files.slug(name)):
                    return status.file
                refused = status.error()
        if refused is not None:
            raise refused
        return None


def unknown(message: str, found: list[Status]) -> MigrationError:
    """Return the error for a migration that does not exist."""
    names = ", ".join(status.name for status in found if status.number is not None)
    return MigrationError(message, hint=f"there are {names}" if names else "there are none yet")
