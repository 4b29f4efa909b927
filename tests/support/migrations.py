"""Parts of migrations as tests call them: with a Database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deebase import Database
from deebase._backends import BACKENDS
from deebase.migrations.compare import diff, schema
from deebase.migrations.compare.changes import Changes
from deebase.migrations.compare.schema import Schema
from deebase.migrations.target import Target

#: What each database can do; the first one is a single file, the second one a server.
FILE, SERVER = sorted((backend.capabilities for backend in BACKENDS), key=lambda database: not database.is_one_file)


@asynccontextmanager
async def scratch(db: Database) -> AsyncIterator[Database]:
    """Give a scratch database of the same kind."""
    async with Target(db).scratch() as made:
        yield made.db


async def read(db: Database) -> Schema:
    """Read the schema of a database."""
    return await schema.read(Target(db))


async def compare(db: Database, wanted: Database | Schema) -> Changes:
    """Return the changes that turn the schema of a database into another one."""
    return await diff.compare(Target(db), wanted if isinstance(wanted, Schema) else Target(wanted))
