"""The rows of a chunk, compared before and after the body of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from deebase._engine.context import conditions
from deebase._rows.records import values_of
from deebase._tables.paging import page_of
from deebase._tables.selection import Selection
from deebase.errors import MigrationError
from deebase.migrations.check.guarded import GuardedExecutor

if TYPE_CHECKING:
    from deebase._engine.context import TableContext

_EMPTY = (None, "", b"")
#: Keys per statement: PostgreSQL runs out of stack when it parses a longer list of pairs.
_AT_ONCE = 500


class RowsGuard:
    """Refuses a chunk that loses rows or values; counting the whole table for each chunk would take too long.

    Args:
        executor: the executor of the migration.
        source: the table of the loop.
    """

    def __init__(self, executor: GuardedExecutor, source: TableContext) -> None:
        self._executor = executor
        self._source = source
        self._guard = executor.guard()
        self._key = source.model.key_columns("chunked")
        self._before: dict[tuple[Any, ...], dict[str, Any]] = {}

    async def begin(self, rows: Sequence[Any]) -> None:
        """Copy the rows, because the body may change the objects that it gets."""
        self._before = self._by_key(rows)
        await self._guard.watch()

    def _by_key(self, rows: Sequence[Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
        found = [values_of(row, {}) for row in rows]
        return {tuple([values[name] for name in self._key]): values for values in found}

    async def end(self, error: BaseException | None) -> None:
        """Compare the rows, unless the chunk failed.

        Raises:
            MigrationError: a row or a value would be lost.
        """
        try:
            if error is None and self._before:
                await self._guard.glance()
                await self._compare()
        except MigrationError as lost:
            self._executor.refused = lost
            raise
        finally:
            await self._guard.close()
        self._executor.wrote = self._executor.wrote or error is None

    async def _compare(self) -> None:
        keys = list(self._before)
        now: dict[tuple[Any, ...], dict[str, Any]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            now |= await self._read(keys[start : start + _AT_ONCE])
        name = self._source.model.name
        texts: list[str] = []
        if missing := len(keys) - len(now):
            texts.append(f"{missing} of {len(keys)} rows of {name}")
        for column in self._source.model.names:
            pairs = [(values.get(column), now[key].get(column)) for key, values in self._before.items() if key in now]
            if lost := sum(1 for was, value in pairs if was not in _EMPTY and value in _EMPTY):
                texts.append(f"{lost} values of {name}.{column}")
        if texts:
            raise self._guard.refusal(texts)

    async def _read(self, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], dict[str, Any]]:
        columns = [self._source.model.column(name).sa_column for name in self._key]
        chosen = columns[0].in_([key[0] for key in keys]) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)
        where = conditions(self._source, (chosen,), {})
        page = await page_of(self._source, where, Selection(), size=len(keys), after=None)
        return self._by_key(page.rows)
