"""Migrations as SQL, for somebody who runs it by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.kinds import StatementKind, classify
from deebase.migrations.files import MigrationFile
from deebase.migrations.ledger import TABLE, Ledger
from deebase.migrations.loading import loaded
from deebase.migrations.scratch import scratch
from deebase.migrations.upkeep import history

if TYPE_CHECKING:
    from deebase.database import Database

#: What changes SQLite's schema table has to be allowed to.
_EXCHANGE = "UPDATE sqlite_master"


class Rehearsal:
    """Migrations that are run in a scratch database, for the SQL that they send.

    Args:
        db: the scratch database.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self._dialect = core_of(db).settings.name
        self._runner = history.runner_of(db)

    async def apply(self, file: MigrationFile) -> list[str]:
        """Apply a migration, and return what it ran, as somebody would run it by hand; the ledger is left out."""
        with core_of(self.db).recording() as statements:
            await self._runner.apply(file, late=False)
        return _as_written(statements, self._dialect)

    async def undo(self, file: MigrationFile) -> list[str]:
        """Undo a migration, and return what it ran."""
        with core_of(self.db).recording() as statements:
            await self._runner.undo(file)
        return _as_written(statements, self._dialect)


@asynccontextmanager
async def rehearsal(db: Database, applied: Sequence[MigrationFile]) -> AsyncGenerator[Rehearsal, None]:
    """Give a scratch database that has what a database has, for the length of the block.

    Steps that depend on rows are as for tables without any.

    Args:
        db: the database.
        applied: its migrations.

    Raises:
        MigrationError: no scratch database can be made, or one of them fails.
    """
    async with scratch(db) as made:
        await history.replay(made, applied)
        yield Rehearsal(made)


async def script(db: Database, applied: Sequence[MigrationFile], pending: Sequence[MigrationFile]) -> str:
    """Return the SQL that migrations run, each in its transaction with its row of the ledger.

    Args:
        db: the database that it is for.
        applied: what it has.
        pending: what it is to get.

    Raises:
        MigrationError: one of them fails.
    """
    ledger = Ledger(db, core_of(db).executor)
    parts: list[str] = [f"{ledger.ddl()};"] if pending else []
    async with rehearsal(db, applied) as tried:
        parts += [_part(db, file, await tried.apply(file), ledger.insert(file), "up") for file in pending]
    return _joined(parts)


async def undoing(db: Database, applied: Sequence[MigrationFile], undone: Sequence[MigrationFile]) -> str:
    """Return the SQL that undoes migrations, each in its transaction with its row of the ledger.

    Args:
        db: the database that it is for.
        applied: what it has.
        undone: what it is to lose, in the order in which that happens.

    Raises:
        MigrationError: one of them fails.
    """
    ledger = Ledger(db, core_of(db).executor)
    async with rehearsal(db, applied) as tried:
        return _joined([_part(db, file, await tried.undo(file), ledger.delete(file), "down") for file in undone])


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n" if parts else ""


def _part(db: Database, file: MigrationFile, statements: Sequence[str], noted: str, verb: str) -> str:
    with loaded(file, core_of(db).settings.name) as found:
        transactional, resumable = found.transactional, found.resumable
    if resumable:
        # Noted by hand it would count as done, with no row changed.
        return f"-- {file.name} goes through rows in chunks, which no script says: here, run deebase migrate {verb}"
    lines = [f"{sql.strip().rstrip(';')};" for sql in (*statements, noted)]
    return "\n".join([f"-- {file.name}", *(["BEGIN;", *lines, "COMMIT;"] if transactional else lines)])


def _as_written(statements: Sequence[str], dialect: str) -> list[str]:
    """Return what was run without what only looked, and without the ledger."""
    result: list[str] = []
    for sql in statements:
        if TABLE in sql or classify(sql, capabilities_of(dialect).tokens) is StatementKind.READ:
            continue
        if sql.startswith(_EXCHANGE):
            result += ["PRAGMA writable_schema = ON", sql, "PRAGMA writable_schema = RESET"]
        else:
            result.append(sql)
    return result
