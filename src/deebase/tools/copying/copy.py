"""``copy_database``: chooses how two databases are copied."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deebase._backends.copy_forms import RowTransfer
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoting import identifier
from deebase._types.base import is_a
from deebase.database import Database
from deebase.errors import ValidationError
from deebase.tools.access import copy_access, learn_tables, tools_of
from deebase.tools.copying.between_kinds import KindCopy
from deebase.tools.copying.copy_progress import CopyProgress
from deebase.tools.copying.file_copy import FileCopy
from deebase.tools.copying.problems import Problems, require_on_error
from deebase.tools.copying.report import CopyReport, Tell
from deebase.tools.copying.within_kind import StoredCopy


async def copy_database(
    source: Database,
    target: Database,
    *,
    tables: Iterable[str] | None = None,
    progress: Tell | None = None,
    resume: bool = False,
    restart: bool = False,
    on_error: str = "stop",
    report: str | Path | None = None,
) -> CopyReport:
    """Copy tables with their rows, keys, foreign keys and indexes, and the views.

    Rows are streamed, so that memory does not grow with them; each table is a transaction. Between two kinds of
    databases every value is converted: by the declared type of its column, or by the values where the type says
    nothing about them. At the end the rows of both sides are counted and compared by checksum, and sequences are set
    past the highest key. A table ``_deebase_copy`` in the target records the progress, so that an interrupted copy can
    be resumed; it is dropped at the end.

    Args:
        source: the database to copy from; it is not changed.
        target: the database to copy to.
        tables: the names of the tables; by default all of them, and the views.
        progress: called as rows are copied.
        resume: continue an interrupted copy: finished tables are compared, not copied again.
        restart: drop the tables of an interrupted copy, and start again.
        on_error: what happens to a value that cannot be converted: "stop" raises an error that names the first ones,
            before anything is created; "null" stores NULL; "text" makes the column one of text; "skip" leaves the row
            out.
        report: a CSV file that lists all such values.

    Returns:
        What was copied, and what was not.

    Raises:
        DataError: values cannot be converted.
        SchemaError: a table exists in the target already, or does not exist in the source.
        InvalidOperationError: the target has an unfinished copy, or the source has changed since.

    Example:
        ```python
        report = await copy_database(Database("app.db"), Database("postgresql://localhost/app"))
        ```
    """
    if resume and restart:
        raise ValidationError("resume excludes restart", hint="pass one of them")
    problems = Problems(None if report is None else Path(report))
    choice = require_on_error(on_error)
    await learn_tables(target)
    begun = CopyProgress(target)
    if begun.begun and not (resume or restart):
        raise begun.unfinished()
    names = _named(tables)
    one, other = tools_of(source), tools_of(target)
    if one.files is not None and other.files is not None:
        if begun.begun:
            await _abandon(target, begun)
        made = FileCopy(one.files, other.files, progress)
        copied = await made.run(names, resume=resume)
        await learn_tables(target)
        return CopyReport(tuple(copied), tuple(made.views), tuple(made.left_out))
    # All tables are read from one state of the source.
    async with source.transaction(read_only=True, isolation=one.snapshot_isolation):
        stored = _row_transfers(source, target)
        if stored is not None:
            return await StoredCopy(source, target, stored, progress).run(names, restart=restart)
        copy = KindCopy(source, target, on_error=choice, problems=problems, tell=progress)
        return await copy.run(names, restart=restart)


def _named(tables: Iterable[str] | None) -> list[str] | None:
    """Return the names of the tables to copy.

    Raises:
        ValidationError: they are not a list of names.
    """
    given: Any = tables
    if given is None:
        return None
    names: list[Any] = [*given] if is_a(given, Iterable) and not is_a(given, (str, bytes)) else [None]
    if not all(isinstance(name, str) for name in names):
        raise ValidationError("tables is a list of names", field="tables", hint="tables=['author', 'book']")
    return names


def _row_transfers(source: Database, target: Database) -> tuple[RowTransfer, RowTransfer] | None:
    """Return the rows of both sides as they are stored, if both are of one kind."""
    if capabilities_of(source.engine.dialect) is not capabilities_of(target.engine.dialect):
        return None
    one = tools_of(source).row_transfer(copy_access(source))
    other = tools_of(target).row_transfer(copy_access(target))
    return None if one is None or other is None else (one, other)


async def _abandon(target: Database, begun: CopyProgress) -> None:
    """Drop the tables of an unfinished copy."""
    async with target.transaction():
        names = [identifier(name) for name in await begun.tables() if name in target.t]
        for sql in tools_of(target).drop_tables(names):
            await copy_access(target).run(sql)
        await begun.end()
    await learn_tables(target)
