"""`up` and `down`: which migrations are applied or undone, in which order, and what stops them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from deebase.errors import InvalidOperationError, MigrationError
from deebase.migrations.check.loss_guard import refusal
from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Runner, Step, log
from deebase.migrations.status import Status, first_problem
from deebase.migrations.workspace import Workspace, unknown

Backup = bool | str | os.PathLike[str]


@dataclass(frozen=True)
class UpDown:
    """Applies and undoes migrations of a workspace.

    Attributes:
        workspace: the migrations.
    """

    workspace: Workspace

    @cached_property
    def _runner(self) -> Runner:
        return Runner(self.workspace.target)

    async def up(
        self, to: int | None, allowed: bool | Collection[str], backup: Backup, lock_timeout: float
    ) -> list[Step]:
        """See ``Migrator.up``."""
        self._check_outside("up")
        may_lose = _may_lose(allowed)
        async with self.workspace.alone(lock_timeout):
            # Read under the lock: a runner that waited for another one finds its work done.
            found = await self.workspace.statuses()
            chosen = _to_apply(found, to)
            for _, file in chosen:
                await self._check_losses(file, may_lose)
            saved = await self._back_up(backup) if backup and chosen else None
            try:
                return [replace(step, backup=saved) for step in await self._apply(found, chosen, may_lose)]
            except MigrationError as error:
                if saved is not None:
                    error.hint = f"{error.hint}; the backup is {saved}"
                raise

    async def _apply(
        self, found: list[Status], chosen: Sequence[tuple[Status, MigrationFile]], may_lose: Collection[str] | None
    ) -> list[Step]:
        await self.workspace.adopt(found)
        if chosen:
            await self.workspace.ledger.make()
        steps: list[Step] = []
        for status, file in chosen:
            if steps:
                # Those before it may have written rows.
                await self._check_losses(file, may_lose)
            if status.late:
                log.warning("%s is applied late: a higher number was applied before", status.name)
            step = await self._runner.apply(file, late=status.late, may_lose=may_lose)
            steps += [step] if step is not None else []
        return steps

    async def down(
        self, to: int | None, allowed: bool | Collection[str], backup: Backup, lock_timeout: float
    ) -> list[Step]:
        """See ``Migrator.down``."""
        self._check_outside("down")
        may_lose = _may_lose(allowed)
        async with self.workspace.alone(lock_timeout):
            found = await self.workspace.statuses()
            chosen = self._to_undo(found, to)
            for file in chosen:
                await self._check_losses(file, may_lose, down=True)
            saved = await self._back_up(backup) if backup and chosen else None
            await self.workspace.adopt(found)
            steps = [await self._runner.undo(file, may_lose=may_lose) for file in chosen]
            return [replace(step, backup=saved) for step in steps if step is not None]

    async def plan(self, to: int | None, *, down: bool) -> list[Step]:
        """Return the steps that ``up`` or ``down`` would take."""
        # Imported here, so that a program which only applies migrations does not load Alembic.
        from deebase.migrations.check.plan import planned

        self._check_outside("down" if down else "up")
        applied, chosen = await self._chosen(to, down=down)
        steps = [
            Step(file.name, late, None, file, tuple(await self.workspace.hazards(file, down=down)))
            for file, late in chosen
        ]
        return await planned(self.workspace.target, applied, steps, down=down)

    async def script(self, to: int | None, *, down: bool) -> str:
        """See ``Migrator.script``."""
        from deebase.migrations.check.sql_script import script

        applied, chosen = await self._chosen(to, down=down)
        return await script(self.workspace.target, applied, [file for file, _ in chosen], down=down)

    async def _chosen(
        self, to: int | None, *, down: bool
    ) -> tuple[list[MigrationFile], list[tuple[MigrationFile, bool]]]:
        """Return the migrations of the database, and those to apply or undo with whether they are late."""
        found = await self.workspace.statuses()
        if down:
            return _applied(found), [(file, False) for file in self._to_undo(found, to)]
        return _applied(found), [(file, status.late) for status, file in _to_apply(found, to)]

    async def _back_up(self, wanted: Backup) -> Path:
        from deebase.migrations.upkeep.backups import back_up

        path = await back_up(self.workspace.target, wanted)
        log.info("wrote the backup %s", path)
        return path

    def _check_outside(self, operation: str) -> None:
        if self.workspace.target.executor.current_transaction() is not None:
            raise InvalidOperationError(
                f"{operation} is called inside of a transaction, but each migration is one of its own",
                operation=operation,
                hint="call it outside of db.transaction()",
            )

    async def _check_losses(self, file: MigrationFile, may_lose: Collection[str] | None, *, down: bool = False) -> None:
        """Refuse by its text a migration that is not one transaction, because no comparison could undo it."""
        if may_lose is None:
            return
        with self._runner.loaded(file) as script:
            if script.transactional:
                return
        found = [hazard for hazard in await self.workspace.hazards(file, down=down, allowed=True) if hazard.destructive]
        losses = [str(hazard) for hazard in found if hazard.table not in may_lose]
        if losses:
            raise refusal(file.name, losses, "down" if down else "up")

    def _to_undo(self, found: list[Status], to: int | None) -> list[MigrationFile]:
        """Return the files to undo, in order, if each of them can be undone."""
        _check_number(found, to)
        done = [(status.entry.position, status) for status in found if status.entry and status.state != "draft"]
        done.sort(key=lambda pair: pair[0], reverse=True)
        chosen = [status for _, status in done if to is None or (status.number or 0) > to]
        result: list[MigrationFile] = []
        for status in chosen[:1] if to is None else chosen:
            if (status.state != "applied" and not status.half_undone) or status.file is None:
                raise status.error()
            with self._runner.loaded(status.file) as script:
                if script.final is not None:
                    raise MigrationError(
                        f"{status.name} cannot be undone: {script.final}",
                        hint="restore a backup, or write a migration that continues from here",
                    )
            result.append(status.file)
        return result


def _may_lose(allowed: bool | Collection[str]) -> Collection[str] | None:
    """Return the tables that may lose rows and values; None for all."""
    if isinstance(allowed, bool):
        return None if allowed else ()
    return {allowed} if isinstance(allowed, str) else allowed


def _applied(found: Sequence[Status]) -> list[MigrationFile]:
    """Return the migrations of a database, in the order of application."""
    done = [(status.entry.position, status.file) for status in found if status.state == "applied" and status.entry]
    return [file for _, file in sorted(done, key=lambda pair: pair[0]) if file is not None]


def _to_apply(found: list[Status], to: int | None) -> list[tuple[Status, MigrationFile]]:
    if problem := first_problem(found):
        raise problem
    _check_number(found, to)
    for status in found:
        if status.state == "missing":
            log.warning("%s", status.note)
    pending = [status for status in found if status.is_pending]
    chosen = [status for status in pending if to is None or (status.number or 0) <= to]
    return [(status, status.file) for status in chosen if status.file is not None]


def _check_number(found: list[Status], to: int | None) -> None:
    if to is not None and to != 0 and to not in [status.number for status in found]:
        raise unknown(f"there is no migration with the number {to}", found)
