"""Migrations in a scratch database, for the SQL that they send."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from deebase._sqltext.kinds import StatementKind, classify
from deebase.migrations.files import MigrationFile
from deebase.migrations.ledger import TABLE
from deebase.migrations.runner import Runner
from deebase.migrations.target import Target
from deebase.migrations.upkeep.history import replay

#: SQLite refuses to change its schema table unless this is allowed before.
_EXCHANGE = "UPDATE sqlite_master"


class Rehearsal:
    """Runs migrations in a scratch database, and records their statements.

    Args:
        target: the scratch database.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._runner = Runner(target)

    async def run(self, file: MigrationFile, *, down: bool) -> list[str]:
        """Apply or undo a migration, and return its statements as a person would run them, without the ledger."""
        with self.target.executor.recording() as statements:
            await (self._runner.undo(file) if down else self._runner.apply(file))
        return self._as_written(statements)

    def _as_written(self, statements: Sequence[str]) -> list[str]:
        """Return the statements that change something other than the ledger."""
        result: list[str] = []
        for sql in statements:
            if TABLE in sql or classify(sql, self.target.capabilities.tokens) is StatementKind.READ:
                continue
            if sql.startswith(_EXCHANGE):
                result += ["PRAGMA writable_schema = ON", sql, "PRAGMA writable_schema = RESET"]
            else:
                result.append(sql)
        return result


@asynccontextmanager
async def rehearsal(target: Target, applied: Sequence[MigrationFile]) -> AsyncGenerator[Rehearsal, None]:
    """Give a scratch database with the migrations of a database, for the length of the block.

    Its tables are empty, and a migration that depends on rows finds none.

    Args:
        target: the database.
        applied: its migrations.

    Raises:
        MigrationError: no scratch database can be made, or one of them fails.
    """
    async with target.scratch() as made:
        await replay(made, applied)
        yield Rehearsal(made)
