"""Migrations as SQL, for somebody who runs it by hand."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deebase._sql.text import StatementKind, classify
from deebase.migrations import history
from deebase.migrations.files import MigrationFile
from deebase.migrations.ledger import TABLE, Ledger
from deebase.migrations.loading import loaded
from deebase.migrations.scratch import scratch

if TYPE_CHECKING:
    from deebase._sql.statement import Statement
    from deebase.database import Database

#: What changes SQLite's schema table has to be allowed to.
_EXCHANGE = "UPDATE sqlite_master"


async def script(db: Database, applied: Sequence[MigrationFile], pending: Sequence[MigrationFile]) -> str:
    """Return the SQL that migrations run, each in its transaction with its row of the ledger.

    They are run in a scratch database, so that a step which depends on rows is as for a table without any.

    Args:
        db: the database that it is for.
        applied: what it has.
        pending: what it is to get.

    Raises:
        MigrationError: one of them fails.
    """
    name = db._executor.settings.name  # pyright: ignore[reportPrivateUsage]
    ledger = Ledger(db, db._executor)  # pyright: ignore[reportPrivateUsage]
    parts: list[str] = [f"{ledger.ddl()};"] if pending else []
    async with scratch(db) as made:
        await history.replay(made, applied)
        runner = history.runner_of(made)
        for file in pending:
            with _recorded(made) as statements:
                await runner.apply(file, late=False)
            with loaded(file, name) as found:
                parts.append(_part(file, [*_as_written(statements, name), ledger.insert(file)], found.transactional))
    return "\n\n".join(parts) + "\n" if parts else ""


async def undoing(db: Database, applied: Sequence[MigrationFile], undone: Sequence[MigrationFile]) -> str:
    """Return the SQL that undoes migrations, each in its transaction with its row of the ledger.

    Args:
        db: the database that it is for.
        applied: what it has.
        undone: what it is to lose, in the order in which that happens.

    Raises:
        MigrationError: one of them fails.
    """
    name = db._executor.settings.name  # pyright: ignore[reportPrivateUsage]
    ledger = Ledger(db, db._executor)  # pyright: ignore[reportPrivateUsage]
    parts: list[str] = []
    async with scratch(db) as made:
        await history.replay(made, applied)
        runner = history.runner_of(made)
        for file in undone:
            with _recorded(made) as statements:
                await runner.undo(file)
            with loaded(file, name) as found:
                parts.append(_part(file, [*_as_written(statements, name), ledger.delete(file)], found.transactional))
    return "\n\n".join(parts) + "\n" if parts else ""


def _part(file: MigrationFile, statements: Sequence[str], transactional: bool) -> str:
    lines = [f"{sql.strip().rstrip(';')};" for sql in statements]
    return "\n".join([f"-- {file.name}", *(["BEGIN;", *lines, "COMMIT;"] if transactional else lines)])


def _as_written(statements: Sequence[str], dialect: str) -> list[str]:
    """Return what was run without what only looked, and without the ledger."""
    result: list[str] = []
    for sql in statements:
        if TABLE in sql or classify(sql, dialect) is StatementKind.READ:
            continue
        if sql.startswith(_EXCHANGE):
            result += ["PRAGMA writable_schema = ON", sql, "PRAGMA writable_schema = RESET"]
        else:
            result.append(sql)
    return result


@contextmanager
def _recorded(db: Database) -> Generator[list[str], None, None]:
    """Take down the statements that one database runs; a log would hold those of all."""
    executor = db._executor  # pyright: ignore[reportPrivateUsage]
    found: list[str] = []

    def take(statement: Statement) -> None:
        found.append(statement.sql)

    executor._note = take  # type: ignore[method-assign]
    try:
        yield found
    finally:
        del executor._note  # pyright: ignore[reportPrivateUsage]
