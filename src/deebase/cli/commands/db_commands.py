"""`deebase db`: commands for a whole database."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deebase.cli.frame import ATTENTION, Command, Group
from deebase.cli.invocation import changing, database_options, destroying, invocation, output_options, reading, say
from deebase.cli.output import counted, show, show_object
from deebase.cli.progress_bars import bar
from deebase.cli.session import Session, ask, database_at, session

if TYPE_CHECKING:
    pass


@click.group(cls=Group, example="deebase db info")
def db() -> None:
    """Inspect, back up, copy and tidy a whole database."""


@db.command(cls=Command, example="deebase db info --url app.db")
@reading
def info() -> None:
    """Show which database is used, its version, its size and the number of tables and views."""
    from deebase._sqltext.capabilities import capabilities_of

    with session() as s:
        url, capabilities = s.url, capabilities_of(s.dialect)
        is_path = capabilities.is_one_file and not url.query
        show_object(
            {
                "kind": capabilities.name,
                "version": s.run(s.tools.version()),
                "database": os.path.abspath(url.database or "") if is_path else url.database,
                "host": url.host,
                "size_bytes": s.run(s.tools.size_bytes()),
                "tables": len(s.tables),
                "views": len(s.db.v),
            }
        )


@db.command(cls=Command, example="deebase db backup --output app-backup.db")
@click.option("--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="The file; named by the time.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@database_options
def backup(file: Path | None, overwrite: bool) -> None:
    """Write a copy of the database to a file, while it is in use.

    SQLite: a database file, checked to be sound. PostgreSQL: an archive of pg_dump.
    """
    from deebase.tools.backup import backup as write

    with session() as s:
        name = f"backup-{datetime.now():%Y%m%d-%H%M%S}.{s.tools.backup_suffix}"
        made = s.run(write(s.db, file or Path(name), overwrite=overwrite))
        say(f"Wrote {made}, {made.stat().st_size:,} bytes.")


@db.command(cls=Command, example="deebase db restore app-backup.db --replace")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the contents of the database, which are lost.")
@destroying
def restore(file: Path, replace: bool) -> None:
    """Fill the database from a backup."""
    from deebase.tools.backup import restore as read

    with session(creates=True, reflects=False) as s:
        # A missing database file is created only when the backup is known to be usable.
        if not s.new:
            s.run(s.db.reflect())
        lost = len(s.db.t)
        if replace and lost:
            ask(f"Replace {counted(lost, 'table')} of this database with those of {file}?")
        if invocation().dry_run:
            say(f"Would replace {counted(lost, 'table')} with those of {file}.")
            return
        s.run(read(s.db, file, replace=replace))
        say(f"Restored {counted(len(s.db.t), 'table')} from {file}.")


@db.command(cls=Command, example="deebase db copy app.db postgresql://localhost/app")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--table", "tables", multiple=True, help="A table to copy; all, and the views, by default.")
@click.option("--resume", is_flag=True, help="Continue an interrupted copy.")
@click.option("--restart", is_flag=True, help="Drop the tables of an interrupted copy, and start again.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "null", "text", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with a value that cannot be converted: stop before anything is created, store NULL, make the "
    "column one of text, or skip the row.",
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="A CSV file that lists all such values."
)
@reading
def copy(
    source: str,
    target: str,
    tables: Sequence[str],
    resume: bool,
    restart: bool,
    on_error: str,
    report: Path | None,
) -> None:
    """Copy tables, rows, keys, indexes and views from one database to another, and compare both.

    --resume continues an interrupted copy. What the target does not accept is listed.
    """
    from deebase.tools.copying import CopyReport, copy_database

    async def work(advance: Callable[..., object] | None) -> CopyReport:
        def tell(_: str, rows: int, total: int) -> None:
            if advance is not None:
                advance(rows, rows, total)

        async with database_at(source) as one, database_at(target) as other:
            return await copy_database(
                one,
                other,
                tables=tables or None,
                progress=tell,
                resume=resume,
                restart=restart,
                on_error=on_error,
                report=report,
            )

    with bar("copy") as advance:
        made = asyncio.run(work(advance))
    show([asdict(table) for table in made.tables], ("name", "rows", "checksum"))
    for view in made.views:
        say(f"Created view {view}.")
    for note in made.notes:
        say(f"Note: {note}")
    for note in made.left_out:
        say(f"Left out: {note}")
    if made.bad_value_count:
        values = counted(made.bad_value_count, "value")
        say(f"Not converted: {values}." if report is None else f"Not converted: {values}, listed in {report}.")


@db.command(cls=Command, example="deebase db doctor")
@reading
def doctor() -> None:
    """Examine settings, keys, indexes, migrations and the file itself; exit with 4 if something is wrong."""
    from deebase.tools.doctor import examine

    with session(reflects=False) as s:
        found = s.run(examine(s.db))
        if not any(finding.rule == "damaged" for finding in found):
            found += s.run(s.db.migrate.diagnose())
    show([asdict(finding) for finding in found], ("rule", "severity", "table", "message", "fix"))
    if any(finding.severity == "error" for finding in found):
        click.get_current_context().exit(ATTENTION)


@db.command(cls=Command, example="deebase db vacuum --url app.db")
@click.option("--full", is_flag=True, help="PostgreSQL: return the space to the disk; each table is locked meanwhile.")
@output_options
@changing
def vacuum(full: bool) -> None:
    """Free the space of deleted rows, and show the size of the database before and after.

    SQLite rewrites the whole file, which needs as much free space on the disk. PostgreSQL keeps the space for new
    rows, unless --full is given, and collects statistics.
    """
    with session(reflects=False) as s:
        _maintain(s, s.tools.vacuum(full=full))


@db.command(cls=Command, example="deebase db analyze --url app.db")
@output_options
@changing
def analyze() -> None:
    """Collect statistics, by which the database plans queries."""
    with session(reflects=False) as s:
        _maintain(s, "ANALYZE")


def _maintain(s: Session, statement: str) -> None:
    """Run a statement, and show the size of the database before and after."""
    if invocation().dry_run:
        s.print_sql([statement])
        return
    before, start = s.run(s.tools.size_bytes()), time.monotonic()
    s.run(s.db.q(statement))
    seconds, after = time.monotonic() - start, s.run(s.tools.size_bytes())
    say(f"{statement}: {before:,} bytes before, {after:,} after.")
    show_object(
        {
            "statement": statement,
            "size_bytes_before": before,
            "size_bytes_after": after,
            "freed_bytes": before - after,
            "seconds": round(seconds, 3),
        }
    )
