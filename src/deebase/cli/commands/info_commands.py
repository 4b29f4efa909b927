"""`deebase db info`: what database this is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from deebase.cli.frame import Command
from deebase.cli.invocation import reading
from deebase.cli.output import show_object
from deebase.cli.session import is_own, session

if TYPE_CHECKING:
    from deebase.database import Database

_VERSION = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}
_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


@click.command(cls=Command, example="deebase db info --url app.db")
@reading
def info() -> None:
    """Show which database is used, its version and size, and what is in it."""
    with session() as s:
        show_object(s.run(_describe(s.db)))


async def _describe(db: Database) -> dict[str, Any]:
    url, kind = db.engine.url, db.engine.dialect.name
    return {
        "kind": kind,
        "version": await db.item(_VERSION[kind]),
        "database": _place(url.database) if kind == "sqlite" and not url.query else url.database,
        "host": url.host,
        "size_bytes": await db.item(_SIZE[kind]),
        "tables": len([table for table in db.t if not is_own(table.name)]),
        "views": len(db.v),
    }


def _place(path: str | None) -> str:
    return os.path.abspath(path or "")
