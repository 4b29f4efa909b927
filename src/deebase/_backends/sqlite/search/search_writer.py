"""Makes a SQLite table searchable, and removes its search."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from deebase._backends.protocols import Query, Steps
from deebase._backends.sqlite.rebuild import understood
from deebase._backends.sqlite.search.search_ddl import OF_TABLE, described, disabled, enabled, found, remains
from deebase._model.facts import TableInfo
from deebase.types import Search


class SqliteSearch:
    """Writes the statements of the full-text search, an FTS5 table."""

    def enable(self, facts: TableInfo, search: Search, taken: Collection[str]) -> Steps[list[str]]:
        yield from ()
        understood(facts, "enable_search")
        return enabled(facts, described(facts, search, taken))

    def disable(self, facts: TableInfo) -> list[str]:
        return [] if facts.search is None else disabled(facts.search)

    def remains(self, table: sa.Table) -> Steps[list[str]]:
        rows = yield Query(OF_TABLE, (table.name,), reads=True)
        searches = [info for (sql,) in rows if (info := found(sql)) is not None]
        return [sql for info in searches for sql in remains(info)]
