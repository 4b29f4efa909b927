"""Migrator: what is done with the migrations of one database."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.errors import InvalidOperationError, MigrationError, ValidationError
from deebase.migrations import files, states
from deebase.migrations import project as config
from deebase.migrations.check.hazards import counted, has_lock_limit, hazards_of
from deebase.migrations.check.loss_guard import refusal
from deebase.migrations.check.rules import Hazard
from deebase.migrations.compare import models
from deebase.migrations.compare.models import Models
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.ledger import Ledger, LedgerEntry
from deebase.migrations.lock import runner_lock
from deebase.migrations.runner import Runner, Step, log
from deebase.migrations.scratch import scratch
from deebase.migrations.states import Status
from deebase.migrations.upkeep import history
from deebase.migrations.upkeep import repair as mending
from deebase.migrations.write import drafts

if TYPE_CHECKING:
    from deebase.database import Database
    from deebase.migrations.check.trials import Finding
    from deebase.migrations.compare.changes import Difference
    from deebase.migrations.write.proposals import Renames

#: Seconds to wait for another program that runs migrations of the same database.
LOCK_TIMEOUT = 60.0


class Migrator:
    """The migrations of a database: files in a directory, and a ledger in the database.

    It holds no state of its own; every call looks at the files and the ledger again.

    Args:
        db: the database.
        directory: where the files are.
        models: what ``new`` and ``check`` compare with: the name of a module, a module, or an async function that
            creates all tables in the database that it is given. A module has ``async def create_tables(db)``,
            ``TABLES = {User: {}, Post: {"pk": "slug"}}``, or classes with an ``id``.
        root: a directory in which modules are looked for besides the usual places.

    Example:
        ```python
        migrator = Migrator(db, "migrations", models="app.models")
        await migrator.up()
        ```
    """

    def __init__(
        self,
        db: Database,
        directory: str | os.PathLike[str] = "migrations",
        *,
        models: Models | None = None,
        root: Path | None = None,
    ) -> None:
        self.directory: Path = Path(directory)
        self._models = models
        self._root = root
        self._db = db
        self._executor = core_of(db).executor
        self._ledger = Ledger(db, self._executor)
        self._runner = Runner(db, self._executor, self._ledger)

    @classmethod
    def configured(cls, db: Database, start: Path | None = None) -> Migrator:
        """Return the migrations of a project, where its settings say.

        Args:
            db: the database.
            start: a directory of the project; the current one by default.

        Raises:
            ConfigurationError: the settings cannot be read.

        Example:
            ```python
            migrator = Migrator.configured(db)
            ```
        """
        found = config.read(start)
        return cls(db, found.directory, models=found.models, root=found.root)

    def __repr__(self) -> str:
        return f"Migrator({self._db!r}, {str(self.directory)!r})"

    # -- looking -------------------------------------------------------------------------------

    async def status(self) -> list[Status]:
        """Return the state of each migration, in the order of numbers, the draft last.

        Nothing is changed, and nothing is refused but a directory or a file that cannot be read.

        Raises:
            MigrationError: the directory is not there, or a file cannot be read.

        Example:
            ```python
            for migration in await migrator.status():
                print(migration.name, migration.state, migration.note)
            ```
        """
        return states.compare(self.directory, await self._ledger.entries())

    async def require_current(self) -> None:
        """Refuse to go on unless the database has every migration, as it was sealed.

        An open draft does not matter, nor does a migration that the database has and the directory has not: the
        program may be older than the database.

        Raises:
            MigrationError: migrations are pending, or need attention.

        Example:
            ```python
            await migrator.require_current()
            ```
        """
        found = await self.status()
        if problem := states.first_problem(found):
            raise problem
        pending = [status.name for status in found if status.state in ("pending", "unfinished")]
        if pending:
            raise MigrationError(
                f"the database lacks {len(pending)} migration(s): {', '.join(pending)}", hint=either("up()", "up")
            )

    # -- running -------------------------------------------------------------------------------

    async def up(
        self,
        to: int | None = None,
        *,
        plan: bool = False,
        allow_destructive: bool | Collection[str] = False,
        backup: bool | str | os.PathLike[str] = False,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> list[Step]:
        """Apply what is sealed and pending, in the order of numbers; each in a transaction of its own.

        A migration with a lower number than one that is applied is applied too, and said to be late.

        Args:
            to: the number of the last one to apply; all of them by default.
            plan: change nothing; return what would be applied, with what is to be looked at first. It is run in a
                scratch database for its operations and SQL.
            allow_destructive: apply also what loses rows or values that this database has. Without it, tables, columns,
                rows and values are compared in the transaction of each migration, which is rolled back if it loses
                any. The names of tables allow it for these alone; they are not counted.
            backup: write a backup before anything is applied, to this file; True for a dated one, beside the file of
                SQLite, else in the current directory. PostgreSQL's is one of ``pg_dump``. If it fails, nothing is
                applied; if nothing is pending, none is written.
            lock_timeout: seconds to wait for another program that runs migrations of this database.

        Returns:
            A Step for each migration that was applied here, in order; those another program applied are left out.

        Raises:
            MigrationError: a migration failed, and nothing of it was kept; or one was edited since it was applied, is
                half done, has the number of another, is not sealed; or it loses rows. The message holds what mends it.
            BusyError: another program ran migrations all the time; the message names it.

        Example:
            ```python
            for step in await migrator.up():
                print(step.name, step.seconds)
            ```
        """
        self._check_outside("up")
        if plan:
            return await self._plan(to)
        async with self._alone(lock_timeout):
            # Read where nobody else changes it: whoever waited for another runner finds its work done.
            found = await self.status()
            chosen = _to_apply(found, to)
            may_lose = _may_lose(allow_destructive)
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
        await self._adopt(found)
        if chosen:
            await self._ledger.make()
        steps: list[Step] = []
        for status, file in chosen:
            if steps:
                # Those before it may have written rows since.
                await self._check_losses(file, may_lose)
            if status.late:
                log.warning("%s is applied late: a higher number was applied before", status.name)
            step = await self._runner.apply(file, late=status.late, may_lose=may_lose)
            steps += [step] if step is not None else []
        return steps

    async def _plan(self, to: int | None) -> list[Step]:
        # Here, so that a program which only applies migrations does not load Alembic.
        from deebase.migrations.plans import planned

        found = await self.status()
        steps = [
            Step(status.name, status.late, None, file, tuple(await self._hazards(file)))
            for status, file in _to_apply(found, to)
        ]
        return await planned(self._db, _applied(found), steps) if steps else []

    async def _back_up(self, wanted: bool | str | os.PathLike[str]) -> Path:
        from deebase.migrations.upkeep.backups import back_up

        path = await back_up(self._db, wanted)
        log.info("wrote the backup %s", path)
        return path

    async def down(
        self,
        to: int | None = None,
        *,
        plan: bool = False,
        allow_destructive: bool | Collection[str] = False,
        backup: bool | str | os.PathLike[str] = False,
        lock_timeout: float = LOCK_TIMEOUT,
    ) -> list[Step]:
        """Undo the migration that was applied last, or all above a number, the last applied first.

        Args:
            to: undo all with a higher number; 0 undoes all. One migration by default.
            plan: change nothing; return what would be undone, with the rows that tables have which go or change.
            allow_destructive: as in ``up``: undo also what loses rows or values.
            backup: as in ``up``.
            lock_timeout: as in ``up``.

        Returns:
            A Step for each migration that was undone, in the order in which that happened.

        Raises:
            MigrationError: one of them cannot be undone, was edited since it was applied, or is missing: then none is
                undone; or its downgrade failed or would lose rows or values, and nothing of that was kept.
            BusyError: as in ``up``.

        Example:
            ```python
            await migrator.down()
            ```
        """
        self._check_outside("down")
        if plan:
            return await self._plan_down(to)
        async with self._alone(lock_timeout):
            found = await self.status()
            chosen, may_lose = self._to_undo(found, to), _may_lose(allow_destructive)
            for file in chosen:
                await self._check_losses(file, may_lose, down=True)
            saved = await self._back_up(backup) if backup and chosen else None
            await self._adopt(found)
            steps = [await self._runner.undo(file, may_lose=may_lose) for file in chosen]
            return [replace(step, backup=saved) for step in steps if step is not None]

    async def _plan_down(self, to: int | None) -> list[Step]:
        from deebase.migrations.plans import planned

        found = await self.status()
        steps = [
            Step(file.name, False, None, file, tuple(await self._hazards(file, down=True)))
            for file in self._to_undo(found, to)
        ]
        return await planned(self._db, _applied(found), steps, down=True) if steps else []

    async def _hazards(self, file: MigrationFile, *, down: bool = False, allowed: bool = False) -> list[Hazard]:
        settings = self._executor.settings
        bounded = has_lock_limit(settings.connect_args)
        return await counted(self._db, hazards_of(file, settings.name, down=down, bounded=bounded, allowed=allowed))

    async def _check_losses(self, file: MigrationFile, may_lose: Collection[str] | None, *, down: bool = False) -> None:
        """Refuse by its text what no transaction holds, and so no comparison can undo."""
        if may_lose is None or self._runner.is_transactional(file):
            return
        found = [hazard for hazard in await self._hazards(file, down=down, allowed=True) if hazard.destructive]
        losses = [str(hazard) for hazard in found if hazard.table not in may_lose]
        if losses:
            raise refusal(file.name, losses, "down" if down else "up")

    def _check_outside(self, operation: str) -> None:
        if self._executor.current_transaction() is not None:
            raise InvalidOperationError(
                f"{operation} is called inside of a transaction, but each migration is one of its own",
                operation=operation,
                hint="call it outside of db.transaction()",
            )

    def _alone(self, timeout: float) -> AbstractAsyncContextManager[None]:
        return runner_lock(self._executor, timeout)

    def _to_undo(self, found: list[Status], to: int | None) -> list[MigrationFile]:
        """Return the files to undo, in order, when each of them can be."""
        _check_number(found, to)
        done = [(status.entry.position, status) for status in found if status.entry and status.state != "draft"]
        done.sort(key=lambda pair: pair[0], reverse=True)
        chosen = [status for _, status in done if to is None or (status.number or 0) > to]
        if to is None:
            chosen = chosen[:1]
        undone: list[MigrationFile] = []
        for status in chosen:
            if (status.state != "applied" and not status.half_undone) or status.file is None:
                raise status.error()
            self._runner.check_reversible(status.file)
            undone.append(status.file)
        return undone

    async def _adopt(self, found: list[Status]) -> None:
        """Count as applied a sealed draft whose steps were recorded as they were run, and what was squashed."""
        for status in found:
            file, entry = status.file, status.entry
            if status.state != "applied" or file is None or entry is None or entry.name == status.name:
                continue
            if entry.name == DRAFT:
                await self._ledger.rename(DRAFT, status.name)
            else:
                await self._ledger.replace(file, entry.name)

    # -- writing -------------------------------------------------------------------------------

    async def new(
        self, name: str, *, empty: bool = False, sql: bool = False, data: bool = False, renames: Renames | None = None
    ) -> Path:
        """Open a draft and return its path.

        Where models are known, it holds what makes the schema of the migrations so far into theirs, and the way back;
        both are tried in a scratch database. Else it is empty. A draft has no number until it is sealed, so that drafts
        of two branches do not collide.

        Args:
            name: what it is for: ``"add age"``.
            empty: compare nothing.
            sql: an empty file of SQL; by default one of Python.
            data: an empty one that changes rows, which are not restored by going back.
            renames: what has another name now: ``{"user.name": "full_name", "post": "article"}``. What is not said
                here is never guessed: the old column goes with its values, and the new one comes.

        Raises:
            MigrationError: there is a draft already; or models and migrations agree, so that there is nothing to do.
            ValidationError: the name has no letters, or something that is renamed is not there.

        Example:
            ```python
            path = await migrator.new("add age")
            ```
        """
        title = files.slug(name)
        files.make_directory(self.directory)
        draft = self._draft()
        if draft is not None:
            raise MigrationError(f"{draft.path} is open", hint=f"{either('seal()', 'seal')}; or remove the file")
        path = self.directory / f"{drafts.draft_name(title)}{'.sql' if sql else '.py'}"
        if self._models is None or empty or sql or data:
            text = drafts.template(name, sql=sql, data=data)
        else:
            text = await self._compared(name, path, self._models, renames or {})
        files.write(path, text, sealed=False, new=True)
        return path

    async def _compared(self, name: str, path: Path, wanted: Models, renames: Renames) -> str:
        """Return the text of a draft that makes the migrations so far into the models."""
        # Here, so that a program which only applies migrations does not load Alembic.
        from deebase.migrations.write.proposals import propose

        async with self._beside(wanted) as (ours, target):
            proposal = await propose(name, ours, target, renames, path)
        for note in proposal.notes:
            log.warning("%s: %s", path, note)
        return proposal.text

    @asynccontextmanager
    async def _beside(self, wanted: Models) -> AsyncGenerator[tuple[Database, Database], None]:
        """Give scratch databases with what the migrations so far make, and with what the models make."""
        before = history.sealed_files(self.directory)
        async with scratch(self._db) as ours, scratch(self._db) as target:
            await history.replay(ours, before)
            await models.create(target, wanted, self._root)
            yield ours, target

    async def possible_renames(self) -> list[tuple[str, str]]:
        """Return what would go and what would come by ``new`` that may be one thing with another name.

        Returns:
            Pairs of the old name and the new one, ``("user.name", "full_name")``, columns of one type and tables with
            the same columns; none where no models are known.

        Raises:
            MigrationError: as for ``new``.

        Example:
            ```python
            candidates = await migrator.possible_renames()
            ```
        """
        from deebase.migrations.compare.diff import compare

        if self._models is None:
            return []
        async with self._beside(self._models) as (ours, target):
            return (await compare(ours, target)).possible_renames()

    async def record(self, sql_up: str, sql_down: str | None) -> Path:
        """Add a schema command to the open draft, and open one if there is none.

        Called in the transaction that runs the command, it also notes in the ledger that this database has it: once
        the draft is sealed, it counts as applied here.

        Args:
            sql_up: the command.
            sql_down: what undoes it; None makes the whole migration irreversible.

        Returns:
            The path of the draft.

        Raises:
            MigrationError: the draft has a form to which nothing can be added.

        Example:
            ```python
            async with db.transaction():
                await db.q("CREATE TABLE city (name TEXT)")
                await migrator.record("CREATE TABLE city (name TEXT)", "DROP TABLE city")
            ```
        """
        files.make_directory(self.directory)
        draft = self._draft()
        opened = draft is None
        if draft is None:
            path = self.directory / f"{drafts.draft_name('')}.py"
            draft = MigrationFile(path, drafts.template("Changes", sql=False, data=False), None)
        found = await self.status()
        noted = (await self._ledger.entries()).get(DRAFT)
        has_all = drafts.is_empty(draft) or (noted is not None and noted.checksum == draft.checksum)
        after = MigrationFile(draft.path, drafts.appended(draft, sql_up, sql_down), None)
        async with self._db.transaction():
            await self._adopt(found)
            await self._ledger.note_draft(after, all_of_it=has_all)
            # Last: should the transaction fail, what the file has more is noticed when it is sealed.
            files.write(after.path, after.text, sealed=False, new=opened)
        return after.path

    async def seal(self, name: str | None = None, *, applied: bool | None = None) -> str:
        """Give the draft its number, and fix its contents.

        Args:
            name: what it is called, by default as when it was opened; or the name of a numbered file that was written
                by hand: ``"0007-add-age"``.
            applied: whether this database has it already. By default it has when every step was recorded here.

        Returns:
            The name of the migration: ``0007-add-age``.

        Raises:
            MigrationError: there is no draft, or a part of it is missing; or steps of it were recorded here and others
                were not, so that ``applied`` has to be given.

        Example:
            ```python
            name = await migrator.seal("initial schema")
            ```
        """
        entries = await self._ledger.entries()
        found = states.compare(self.directory, entries)
        if name is not None and files.is_numbered(name):
            return self._seal_numbered(name, found)
        draft = self._draft(name)
        if draft is None:
            raise MigrationError(
                f"there is no draft in {self.directory}", hint=either("new('add age')", "new 'add age'")
            )
        drafts.check_finished(draft)
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
        await self._adopt(await self.status())
        return sealed

    def _seal_numbered(self, name: str, found: list[Status]) -> str:
        status = next((status for status in found if status.name == name), None)
        if status is None or status.file is None:
            raise MigrationError(
                f"there is no {name} in {self.directory}",
                hint=either("seal('add age')", "seal 'add age'") + " seals the draft",
            )
        if status.entry is not None or status.file.seal is not None:
            raise MigrationError(
                f"{name} is sealed already", hint=f"{either('rerecord()', 'rerecord')} seals it as it is now"
            )
        drafts.check_finished(status.file)
        files.write(status.file.path, status.file.text, sealed=True)
        return name

    async def _settle(self, draft: MigrationFile, title: str, entry: LedgerEntry | None, applied: bool | None) -> None:
        """Have the ledger say whether this database has run all of a draft."""
        if applied is None:
            if entry is not None and entry.checksum != draft.checksum:
                has = either(f"seal({title!r}, applied=True)", f"seal {title} --applied")
                has_not = either(f"seal({title!r}, applied=False)", f"seal {title} --not-applied")
                raise MigrationError(
                    f"steps of {draft.path} were run on this database as they were recorded, but others were not",
                    hint=f"if the database has all of it, {has}; else undo what it has, then {has_not}",
                )
            return
        async with self._db.transaction():
            await self._ledger.make()
            await self._ledger.remove(DRAFT)
            if applied:
                await self._ledger.add(DRAFT, draft, started_at=datetime.now(UTC), seconds=0.0)

    def _draft(self, name: str | None = None) -> MigrationFile | None:
        """Return the draft; of several, the one of this name."""
        refused: MigrationError | None = None
        for status in states.compare(self.directory, {}):
            if status.number is None and status.file is not None:
                if status.state == "draft" or (name is not None and status.file.title == files.slug(name)):
                    return status.file
                refused = status.error()
        if refused is not None:
            raise refused
        return None

    # -- trying --------------------------------------------------------------------------------

    async def check(self) -> list[Finding]:
        """Try the migrations in a scratch database, the draft included, and return what is wrong with them.

        Names, numbers and seals are sound; each migration runs, and its downgrade leads back to where it began; models
        and migrations make the same schema. What this database has of them does not matter.

        Returns:
            What was found; an empty list when all is well.

        Raises:
            MigrationError: there is no directory, or no scratch database can be made.

        Example:
            ```python
            assert await migrator.check() == []
            ```
        """
        # Here, as in all that compares: a program which only applies migrations does not load Alembic.
        from deebase.migrations.check import trials

        return await trials.check(self._db, self.directory, self._models, self._root)

    async def lint(self) -> list[Finding]:
        """Return what is to be looked at in the migrations that this database lacks, the draft included.

        Their text is read, nothing is run. A comment in a file allows a rule: ``-- deebase: allow M402 why``.

        Returns:
            A finding of the kind "lint" for each, with its rule, and what to do instead as its hint.

        Raises:
            MigrationError: the directory is not there, or a file cannot be read.

        Example:
            ```python
            for finding in await migrator.lint():
                print(finding)
            ```
        """
        from deebase.migrations.check.trials import Finding

        lacking = [status for status in await self.status() if status.state in ("draft", "pending", "unfinished")]
        return [
            Finding("lint", str(hazard), status.name, hazard.advice)
            for status in lacking
            if status.file is not None
            for hazard in await self._hazards(status.file)
        ]

    async def script(self, to: int | None = None, *, down: bool = False) -> str:
        """Return the SQL of what ``up`` would apply, or ``down`` undo, for somebody who runs it by hand.

        It changes the ledger too. The migrations are run in a scratch database for it: values that they bind are not in
        it, and what depends on rows is as for tables without any.

        Args:
            to: as in ``up`` or ``down``.
            down: of what ``down`` would undo.

        Returns:
            A script, empty where there is nothing to do.

        Raises:
            MigrationError: what ``up`` or ``down`` would refuse; or one of them fails.

        Example:
            ```python
            Path("pending.sql").write_text(await migrator.script())
            ```
        """
        from deebase.migrations import scripts

        found = await self.status()
        if down:
            return await scripts.undoing(self._db, _applied(found), self._to_undo(found, to))
        return await scripts.script(self._db, _applied(found), [file for _, file in _to_apply(found, to)])

    async def drift(self) -> list[Difference]:
        """Return how this database differs from what the migrations that it has make.

        Nothing is changed. What somebody did by hand is undone by hand, or made a migration of.

        Returns:
            What is different, in words; an empty list when nothing is.

        Raises:
            MigrationError: a migration is half done, or does not run any more.

        Example:
            ```python
            for difference in await migrator.drift():
                print(difference)
            ```
        """
        from deebase.migrations.check import trials

        return await trials.drift(self._db, self.directory, await self._ledger.entries())

    async def baseline(self, name: str = "baseline") -> str:
        """Write the first migration from what this database has, and take it for applied here.

        It is tried in a scratch database first, and makes the same schema there.

        Args:
            name: what it is called.

        Returns:
            The name of the migration: ``0001-baseline``.

        Raises:
            MigrationError: there are migrations already, or the database has what they cannot say.

        Example:
            ```python
            name = await migrator.baseline()
            ```
        """
        from deebase.migrations.check import trials

        files.make_directory(self.directory)
        async with self._alone(LOCK_TIMEOUT):
            return await trials.baseline(self._db, self._ledger, self.directory, name)

    async def squash(self, first: int, last: int, name: str) -> str:
        """Make one migration of several, which takes their place, and the number of the last.

        A database that has all of them has the new one too. Their files are removed.

        Args:
            first: the number of the first of them.
            last: the number of the last.
            name: what the new one is called.

        Returns:
            The name of the new migration.

        Raises:
            MigrationError: one of them changes rows, which a comparison of schemas does not see; or some are applied
                here and others are not; or one has to be looked at first.

        Example:
            ```python
            name = await migrator.squash(3, 7, "orders")
            ```
        """
        from deebase.migrations.check import trials

        async with self._alone(LOCK_TIMEOUT):
            found = await self.status()
            before, chosen = mending.to_squash(found, first, last, self._executor.settings.name)
            new = files.name_for(last, files.slug(name))
            if new in [file.name for file in chosen]:
                raise MigrationError(f"one of them is called {new}", hint="choose another name")
            text = await trials.squashed(self._db, before, chosen, name)
            files.write(self.directory / f"{new}.py", text, sealed=True, new=True)
            for file in chosen:
                files.remove(file.path)
            await self._adopt(await self.status())
            return new

    async def eject(self, directory: str | os.PathLike[str] = "alembic") -> Path:
        """Write a plain Alembic environment, for a program that goes on without DeeBase's migrations.

        It has one revision, which makes the schema that all sealed migrations make, as SQL; ``alembic stamp head``
        tells a database that it has that already. Nothing here is changed.

        Args:
            directory: where it is written, with ``alembic.ini`` beside it.

        Returns:
            The path of the revision.

        Raises:
            MigrationError: the directory or ``alembic.ini`` is there already, or cannot be written.

        Example:
            ```python
            path = await migrator.eject()
            ```
        """
        from deebase.migrations.upkeep import eject as ejection

        return await ejection.eject(self._db, self.directory, Path(directory))

    # -- mending -------------------------------------------------------------------------------

    async def repair(self, name: str | None = None, *, applied: bool | None = None) -> list[str]:
        """Mend what a runner that was cut off, or a file that was lost, has left behind.

        A file that is missing is written again as it was applied; read it before you run it. A migration that is half
        done outside of a transaction is taken for applied, or for not applied, as you say. One that is pending, where
        the database has all that it makes already, is taken for applied if it is named.

        Args:
            name: one migration; all of them by default.
            applied: what a half-done one, or the pending one of this name, counts as from now on.

        Returns:
            What was done, a line for each migration.

        Raises:
            MigrationError: one is half done, and ``applied`` is not given.

        Example:
            ```python
            await migrator.repair("0009-index-of-orders", applied=True)
            ```
        """
        async with self._alone(LOCK_TIMEOUT):
            found = await self._chosen(name)
            return await mending.repair(self._ledger, self.directory, found, applied, named=name is not None)

    async def rerecord(self, name: str | None = None) -> list[str]:
        """Take files that were edited or renamed since they were sealed or applied for what they are now.

        Nothing is run: use it for a change that does nothing, such as one in a comment.

        Args:
            name: one migration; all of them by default.

        Returns:
            The names of those that were taken.

        Example:
            ```python
            await migrator.rerecord("0007-add-age")
            ```
        """
        async with self._alone(LOCK_TIMEOUT):
            await self._chosen(name)
            return await mending.rerecord(self._ledger, await self.status(), name)

    async def renumber(self) -> list[tuple[str, str]]:
        """Give migrations that share a number one of their own, behind all others.

        What is applied here keeps its number if it can.

        Returns:
            Pairs of the old name and the new.

        Example:
            ```python
            for old, new in await migrator.renumber():
                print(f"{old} is {new} now")
            ```
        """
        async with self._alone(LOCK_TIMEOUT):
            return await mending.renumber(self._ledger, await self.status())

    async def _chosen(self, name: str | None) -> list[Status]:
        found = await self.status()
        chosen = [status for status in found if name is None or status.name == name]
        if name is not None and not chosen:
            raise _unknown(f"there is no migration {name!r}", found)
        return chosen


def _may_lose(allowed: bool | Collection[str]) -> Collection[str] | None:
    """Return the tables that may lose what they hold; None for all."""
    if isinstance(allowed, bool):
        return None if allowed else ()
    return {allowed} if isinstance(allowed, str) else allowed


def _applied(found: Sequence[Status]) -> list[MigrationFile]:
    """Return what a database has, in the order of application."""
    done = [(status.entry.position, status.file) for status in found if status.state == "applied" and status.entry]
    return [file for _, file in sorted(done, key=lambda pair: pair[0]) if file is not None]


def _to_apply(found: list[Status], to: int | None) -> list[tuple[Status, MigrationFile]]:
    if problem := states.first_problem(found):
        raise problem
    _check_number(found, to)
    for status in found:
        if status.state == "missing":
            log.warning("%s", status.note)
    pending = [status for status in found if status.state in ("pending", "unfinished")]
    chosen = [status for status in pending if to is None or (status.number or 0) <= to]
    return [(status, status.file) for status in chosen if status.file is not None]


def _check_number(found: Sequence[Status], to: int | None) -> None:
    if to is not None and to != 0 and to not in [status.number for status in found]:
        raise _unknown(f"there is no migration with the number {to}", found)


def _unknown(message: str, found: Sequence[Status]) -> MigrationError:
    names = ", ".join(status.name for status in found if status.number is not None)
    return MigrationError(message, hint=f"there are {names}" if names else "there are none yet")
