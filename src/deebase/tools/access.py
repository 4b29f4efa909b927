"""The tools of a backend for one open Database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from deebase._backends.copying import BATCH
from deebase._backends.copying import Access as CopyAccess
from deebase._backends.database_tools import DatabaseTools
from deebase._engine.core import core_of
from deebase._engine.tool_access import tools_on
from deebase._sql.statement import Statement
from deebase.database import Database


def copy_access(db: Database) -> CopyAccess:
    """Return how a copy reaches a database: in the transaction of the current task."""
    executor = core_of(db).executor

    async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await executor.fetch(Statement(sql, reads=True), args)

    async def stream(sql: str) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
        async with aclosing(executor.stream(Statement(sql, reads=True), [], BATCH)) as pieces:
            async for _, rows in pieces:
                yield rows

    async def run(sql: str) -> None:
        await executor.fetch(Statement(sql), [])

    async def many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await executor.many(Statement(sql), rows)

    return CopyAccess(
        read, stream, run, many, executor.copy_text, executor.copy_out, executor.copy_in, executor.transaction
    )


def tools_of(db: Database) -> DatabaseTools:
    """Return the tools of the backend that a database uses; they open no connection before they are used."""
    return tools_on(core_of(db).executor)
