"""The tools of a backend on the connections of an executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from deebase._backends.database_tools import Access, DatabaseTools
from deebase._engine.executor import Executor
from deebase._sql.statement import Statement

if TYPE_CHECKING:
    from deebase._backends.sqlite.lane import SqliteLane


def tools_on(executor: Executor) -> DatabaseTools:
    """Return the tools of the backend of an executor; they open no connection before they are used."""

    async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await executor.fetch(Statement(sql, reads=True), args)

    async def with_connection(function: Callable[[Any], None], write: bool) -> None:
        lane = cast("SqliteLane", await executor.lanes().acquire("a backup", write=write))
        try:
            await lane.call(function)
        except BaseException as error:
            executor.raise_translated(error)
        finally:
            lane.release()

    settings = executor.settings
    return settings.backend.tools(
        Access(settings.sa_url, read, with_connection, executor.reconnect, settings.additions)
    )
