"""Makes a PostgreSQL table searchable, and removes its search."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from deebase._backends.postgres.search.search_ddl import described, disabled, enabled, remains
from deebase._backends.protocols import Steps
from deebase._model.facts import TableInfo
from deebase.types import Search


class PostgresSearch:
    """Writes the statements of the full-text search, a column of words or an index over trigrams."""

    def enable(self, facts: TableInfo, search: Search, taken: Collection[str]) -> Steps[list[str]]:
        info = yield from described(facts, search, taken)
        return enabled(facts, info)

    def disable(self, facts: TableInfo) -> list[str]:
        return [] if facts.search is None else disabled(facts, facts.search)

    def remains(self, table: sa.Table) -> Steps[list[str]]:
        return remains(table)
