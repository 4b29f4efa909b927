"""Migrator: the migrations of one database, as programs and the command line use them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._backends.database_tools import Diagnosis
from deebase.errors import MigrationError
from deebase.migrations import files
from deebase.migrations import project as config
from deebase.migrations.compare.models import Models
from deebase.migrations.hints import either
from deebase.migrations.runner import Step
from deebase.migrations.status import Status, first_problem
from deebase.migrations.target import Target
from deebase.migrations.up_down import UpDown
from deebase.migrations.upkeep import repair as repairing
from deebase.migrations.workspace import LOCK_TIMEOUT, Workspace
from deebase.migrations.write.drafting import Drafting

if TYPE_CHECKING:
    from deebase.database import Database
    from deebase.migrations.check.trial_run import Finding
    from deebase.migrations.compare.changes import Difference
    from deebase.migrations.write.proposals import Renames


class Migrator:
    """The migrations of a database: files in a directory, and a ledger in the database.

    It has no state of its own; every call reads the files and the ledger again.

    Args:
        db: the database.
        directory: the directory of the files.
        models: what ``new`` and ``check`` compare with: the name of a module, a module, classes as ``create_all`` takes
            them, or an async function that creates all tables in the database that it is given. A module has
            ``async def create_tables(db)``, ``TABLES = {User: {}, Post: {"pk": "slug"}}``, or classes with an ``id``.
        root: a directory to search for modules besides the usual places.

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
        self._workspace = Workspace(Target(db), self.directory, models, root)
        self._up_down = UpDown(self._workspace)
        self._drafting = Drafting(self._workspace)

    @classmethod
    def configured(cls, db: Database, start: Path | None = None) -> Migrator:
        """Return the migrations of a project, as its settings define them.

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
        return f"Migrator({self._workspace.target.db!r}, {str(self.directory)!r})"

    # -- state ---------------------------------------------------------------------------------

    async def status(self) -> list[Status]:
        """Return the state of each migration, in the order of numbers, the draft last.

        Nothing is changed, and only a directory or a file that cannot be read is refused.

        Raises:
            MigrationError: the directory does not exist, or a file cannot be read.

        Example:
            ```python
            for migration in await migrator.status():
                print(migration.name, migration.state, migration.note)
            ```
        """
        return await self._workspace.statuses()

    async def require_current(self) -> None:
        """Raise an error unless the database has every migration, as it was sealed.

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
        if problem := first_problem(found):
            raise problem
        pending = [status.name for status in found if status.is_pending]
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
        """Apply the sealed migrations that are pending, in the order of numbers; each in its own transaction.

        A migration with a lower number than an applied one is applied too, and is marked as late.

        Args:
            to: the number of the last one to apply; all of them by default.
            plan: change nothing; return what would be applied, with its hazards. It runs in a scratch database for its
                operations and SQL.
            allow_destructive: also apply migrations that lose rows or values of this database. Without it, tables,
                columns, rows and values are compared in the transaction of each migration, which is rolled back if any
                would be lost. The names of tables allow it for these alone; they are not counted.
            backup: write a backup to this file before anything is applied; True for a dated one, beside the file of
                SQLite, else in the current directory. PostgreSQL's is one of ``pg_dump``. If it fails, nothing is
                applied; if nothing is pending, none is written.
            lock_timeout: seconds to wait for another program that runs migrations of this database.

        Returns:
            A Step for each migration that was applied here, in order; those that another program applied are left out.

        Raises:
            MigrationError: a migration failed, and nothing of it was kept; or one was edited since it was applied, is
                half done, shares its number, is not sealed, or would lose rows. The message says how to fix it.
            BusyError: another program was running migrations for the whole time; the message names it.

        Example:
            ```python
            for step in await migrator.up():
                print(step.name, step.seconds)
            ```
        """
        if plan:
            return await self._up_down.plan(to, down=False)
        return await self._up_down.up(to, allow_destructive, backup, lock_timeout)

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
            plan: change nothing; return what would be undone, with the number of rows in the tables it changes.
            allow_destructive: as in ``up``: also undo migrations if rows or values are lost.
            backup: as in ``up``.
            lock_timeout: as in ``up``.

        Returns:
            A Step for each migration that was undone, in that order.

        Raises:
            MigrationError: one of them cannot be undone, was edited since it was applied, or is missing: then none is
                undone; or its downgrade failed or would lose rows or values, and nothing of that was kept.
            BusyError: as in ``up``.

        Example:
            ```python
            await migrator.down()
            ```
        """
        if plan:
            return await self._up_down.plan(to, down=True)
        return await self._up_down.down(to, allow_destructive, backup, lock_timeout)

    async def script(self, to: int | None = None, *, down: bool = False) -> str:
        """Return the SQL of what ``up`` would apply, or ``down`` undo, to be run by hand.

        It changes the ledger, too. The migrations run in a scratch database for it: the script does not hold the values
        that they bind, and a migration that depends on rows finds none.

        Args:
            to: as in ``up`` or ``down``.
            down: return what ``down`` would undo.

        Returns:
            A script; empty if nothing would be done.

        Raises:
            MigrationError: ``up`` or ``down`` would refuse; or a migration fails.

        Example:
            ```python
            Path("pending.sql").write_text(await migrator.script())
            ```
        """
        return await self._up_down.script(to, down=down)

    # -- writing -------------------------------------------------------------------------------

    async def new(
        self, name: str, *, empty: bool = False, sql: bool = False, data: bool = False, renames: Renames | None = None
    ) -> Path:
        """Open a draft and return its path.

        If models are known, it holds the steps from the schema of the migrations so far to that of the models, and
        back; both directions are tried in a scratch database. Otherwise it is empty. A draft has no number until it is
        sealed, so that drafts of two branches do not collide.

        Args:
            name: its title: ``"add age"``.
            empty: compare nothing.
            sql: an empty file of SQL; by default one of Python.
            data: an empty one that changes rows, which its downgrade does not restore.
            renames: renamed tables and columns: ``{"user.name": "full_name", "post": "article"}``. Others are never
                guessed: the old column is dropped with its values, and the new one is added.

        Raises:
            MigrationError: there is a draft already; or models and migrations agree.
            ValidationError: the name has no letters, or something that is renamed does not exist.

        Example:
            ```python
            path = await migrator.new("add age")
            ```
        """
        compares = not (empty or sql or data)
        return await self._drafting.new(name, compares=compares, sql=sql, data=data, renames=renames or {})

    async def possible_renames(self) -> list[tuple[str, str]]:
        """Return what ``new`` would drop and add that may be a rename.

        Returns:
            Pairs of the old name and the new one, ``("user.name", "full_name")``: columns of one type and tables with
            the same columns; none if no models are known.

        Raises:
            MigrationError: as for ``new``.

        Example:
            ```python
            candidates = await migrator.possible_renames()
            ```
        """
        return await self._drafting.possible_renames()

    async def record(self, sql_up: str, sql_down: str | None) -> Path:
        """Add a schema command to the open draft, or to a new one.

        Called in the transaction that runs the command, it also records in the ledger that this database has it: once
        the draft is sealed, it counts as applied here.

        Args:
            sql_up: the command.
            sql_down: the command that undoes it; None makes the whole migration irreversible.

        Returns:
            The path of the draft.

        Raises:
            MigrationError: the form of the draft does not allow another step.

        Example:
            ```python
            async with db.transaction():
                await db.q("CREATE TABLE city (name TEXT)")
                await migrator.record("CREATE TABLE city (name TEXT)", "DROP TABLE city")
            ```
        """
        return await self._drafting.record(sql_up, sql_down)

    async def seal(self, name: str | None = None, *, applied: bool | None = None) -> str:
        """Give the draft its number, and fix its contents.

        Args:
            name: its name, by default the one from when it was opened; or the name of a numbered file that was written
                by hand: ``"0007-add-age"``.
            applied: whether this database has it already. By default it has if every step was recorded here.

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
        return await self._drafting.seal(name, applied)

    # -- checking ------------------------------------------------------------------------------

    async def check(self) -> list[Finding]:
        """Try the migrations in a scratch database, the draft included, and return what is wrong with them.

        Names, numbers and seals are valid; each migration runs, and its downgrade restores the schema; models and
        migrations make the same schema. Which of them this database has does not matter.

        Returns:
            The findings; an empty list if all is well.

        Raises:
            MigrationError: the directory does not exist, or no scratch database can be made.

        Example:
            ```python
            assert await migrator.check() == []
            ```
        """
        # Imported here, as everything that compares: a program which only applies migrations does not load Alembic.
        from deebase.migrations.check.trial_run import check

        workspace = self._workspace
        return await check(workspace.target, self.directory, workspace.models, workspace.root)

    async def lint(self) -> list[Finding]:
        """Return the hazards of the migrations that this database lacks, the draft included.

        Their text is read, nothing runs. A comment in a file allows a rule: ``-- deebase: allow M402 why``.

        Returns:
            A finding of the kind "lint" for each, with its rule, and what to do instead as its hint.

        Raises:
            MigrationError: the directory does not exist, or a file cannot be read.

        Example:
            ```python
            for finding in await migrator.lint():
                print(finding)
            ```
        """
        from deebase.migrations.check.trial_run import Finding

        return [
            Finding("lint", str(hazard), status.name, hazard.advice)
            for status in await self.status()
            if status.file is not None and (status.is_pending or status.state == "draft")
            for hazard in await self._workspace.hazards(status.file)
        ]

    async def drift(self) -> list[Difference]:
        """Return how this database differs from what its applied migrations make.

        Nothing is changed. Undo by hand what was changed by hand, or write a migration of it. ``not_compared`` lists
        what is not looked at.

        Returns:
            The differences, in words; an empty list if there are none.

        Raises:
            MigrationError: a migration is half done, or no longer runs.

        Example:
            ```python
            for difference in await migrator.drift():
                print(difference)
            ```
        """
        from deebase.migrations.check.drift import drift

        return await drift(self._workspace.target, self.directory)

    async def diagnose(self) -> list[Diagnosis]:
        """Return what ``deebase db doctor`` says of the migrations: those that need attention, else drift.

        Returns:
            The findings; an empty list if all are applied and the schema is what they make, or without a directory.

        Raises:
            MigrationError: a file cannot be read.

        Example:
            ```python
            for finding in await migrator.diagnose():
                print(finding.severity, finding.message)
            ```
        """
        if not self.directory.is_dir():
            return []
        found = [
            Diagnosis(
                "migration", "warning", None, f"{item.name} is {item.state}", "deebase migrate status says what to do"
            )
            for item in await self.status()
            if item.state not in ("applied", "draft")
        ]
        drifted = 0 if found else len(await self.drift())
        if drifted:
            places = f"{drifted:,} place{'' if drifted == 1 else 's'}"
            what = f"the schema differs in {places} from what the migrations make"
            found.append(Diagnosis("drift", "warning", None, what, "deebase migrate drift shows them"))
        return found

    async def not_compared(self) -> list[str]:
        """Return what this database has that no migration carries and no comparison sees, such as privileges.

        ``baseline``, ``new``, ``check`` and ``drift`` say nothing about it.

        Returns:
            A description of each; an empty list if everything is compared.

        Example:
            ```python
            for text in await migrator.not_compared():
                print("not compared:", text)
            ```
        """
        from deebase.tools.access import tools_of

        return list((await tools_of(self._workspace.target.db).schema_script()).not_carried)

    # -- upkeep --------------------------------------------------------------------------------

    async def baseline(self, name: str = "baseline") -> str:
        """Write the first migration from this database, and count it as applied here.

        It has classes if they express all tables, else the SQL of all objects in the order of their creation:
        extensions, types, functions, tables, indexes, views, triggers, policies. It is tried in a scratch database
        first. What cannot be created there, and what is not carried (see ``not_compared``), is a comment at its top
        and a warning in the log.

        Args:
            name: its title.

        Returns:
            The name of the migration: ``0001-baseline``.

        Raises:
            MigrationError: there are migrations already.

        Example:
            ```python
            name = await migrator.baseline()
            ```
        """
        from deebase.migrations.upkeep.baseline import baseline

        files.make_directory(self.directory)
        async with self._workspace.alone():
            return await baseline(self._workspace.target, self.directory, name)

    async def squash(self, first: int, last: int, name: str) -> str:
        """Replace several migrations by one, which gets the number of the last.

        A database that has all of them has the new one, too. Their files are removed.

        Args:
            first: the number of the first of them.
            last: the number of the last.
            name: the title of the new one.

        Returns:
            The name of the new migration.

        Raises:
            MigrationError: one of them changes rows, which a comparison of schemas does not see; or some are applied
                here and others are not; or one needs attention.

        Example:
            ```python
            name = await migrator.squash(3, 7, "orders")
            ```
        """
        from deebase.migrations.upkeep.squash import squash

        async with self._workspace.alone():
            new = await squash(self._workspace.target, self.directory, await self.status(), first, last, name)
            await self._workspace.adopt(await self.status())
            return new

    async def eject(self, directory: str | os.PathLike[str] = "alembic") -> Path:
        """Write a plain Alembic environment, for a program that continues without DeeBase's migrations.

        It has one revision, which makes the schema of all sealed migrations, as SQL; ``alembic stamp head`` records
        that a database has it already. Nothing here is changed.

        Args:
            directory: the directory of the environment, with ``alembic.ini`` beside it.

        Returns:
            The path of the revision.

        Raises:
            MigrationError: the directory or ``alembic.ini`` exists already, or cannot be written.

        Example:
            ```python
            path = await migrator.eject()
            ```
        """
        from deebase.migrations.upkeep.eject import eject

        return await eject(self._workspace.target, self.directory, Path(directory))

    async def repair(self, name: str | None = None, *, applied: bool | None = None) -> list[str]:
        """Repair what a runner that was cut off, or a lost file, has left behind.

        A missing file is written as it was applied; read it before you run it. A migration that is half done outside of
        a transaction counts as applied, or as not applied, as you say. A pending one counts as applied if it is named,
        for a database that has all of it already.

        Args:
            name: one migration; all of them by default.
            applied: whether a half-done one, or the pending one of this name, counts as applied.

        Returns:
            A line for each migration that was repaired.

        Raises:
            MigrationError: one is half done, and ``applied`` is not given.

        Example:
            ```python
            await migrator.repair("0009-index-of-orders", applied=True)
            ```
        """
        workspace = self._workspace
        async with workspace.alone():
            found = await workspace.named(name)
            return await repairing.repair(workspace.ledger, self.directory, found, applied, named=name is not None)

    async def rerecord(self, name: str | None = None) -> list[str]:
        """Accept files that were edited or renamed since they were sealed or applied, as they are now.

        Nothing runs: use it for a change without effect, such as one in a comment.

        Args:
            name: one migration; all of them by default.

        Returns:
            The names of the accepted ones.

        Example:
            ```python
            await migrator.rerecord("0007-add-age")
            ```
        """
        async with self._workspace.alone():
            await self._workspace.named(name)
            return await repairing.rerecord(self._workspace.ledger, await self.status(), name)

    async def renumber(self) -> list[tuple[str, str]]:
        """Give migrations that share a number a new one, after all others.

        Applied ones keep their number if possible.

        Returns:
            Pairs of the old name and the new.

        Example:
            ```python
            for old, new in await migrator.renumber():
                print(f"{old} is {new} now")
            ```
        """
        async with self._workspace.alone():
            return await repairing.renumber(self._workspace.ledger, await self.status())
