"""Migrations as a script of SQL, to be run by hand."""

from __future__ import annotations

from collections.abc import Sequence

from deebase.migrations.check.rehearsal import rehearsal
from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Runner
from deebase.migrations.target import Target


async def script(
    target: Target, applied: Sequence[MigrationFile], chosen: Sequence[MigrationFile], *, down: bool
) -> str:
    """Return the SQL of migrations, each in its transaction with the change of the ledger.

    Args:
        target: the database.
        applied: its migrations.
        chosen: those that are applied or undone, in that order.
        down: whether they are undone.

    Raises:
        MigrationError: one of them fails.
    """
    if not chosen:
        return ""
    ledger = target.ledger
    parts = [] if down else [f"{ledger.ddl()};"]
    async with rehearsal(target, applied) as tried:
        for file in chosen:
            statements = await tried.run(file, down=down)
            parts.append(_part(target, file, [*statements, ledger.delete(file) if down else ledger.insert(file)], down))
    return "\n\n".join(parts) + "\n"


def _part(target: Target, file: MigrationFile, statements: Sequence[str], down: bool) -> str:
    with Runner(target).loaded(file) as found:
        transactional, resumable = found.transactional, found.resumable
    if resumable:
        # A row of the ledger that is added by hand would count it as applied, with no row changed.
        verb = "down" if down else "up"
        return f"-- {file.name} changes rows in chunks, which no script can do: run deebase migrate {verb} here"
    lines = [f"{sql.strip().rstrip(';')};" for sql in statements]
    return "\n".join([f"-- {file.name}", *(["BEGIN;", *lines, "COMMIT;"] if transactional else lines)])
