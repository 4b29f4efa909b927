"""SQL that the user wrote, on a Database that only reads: the database checks each text before it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

from deebase._engine.reading_executor import ReadingExecutor
from deebase._lanes.interface import Columns
from deebase._lanes.limits import Allowance
from deebase._pictures.notebook import Rows
from deebase._rows.makers import converted, row_maker
from deebase._sql.raw import described, described_kinds
from deebase._sql.read_only import only_reads, read_query
from deebase._sql.statement import Statement
from deebase._tables.raw_sql import RawResult, RawSql

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from deebase._engine.core import Core

#: Rows that are fetched at once, at most.
PIECE_ROWS = 1000


class _Result(NamedTuple):
    columns: Columns
    names: list[str]
    rows: list[Any]
    truncated: bool


class ReadOnlySql(RawSql):
    """Runs ``q``, ``item`` and ``stream`` of a database that only reads."""

    def __init__(self, executor: ReadingExecutor, dialect: Dialect) -> None:
        super().__init__(executor, dialect)
        self._reading = executor

    def _checked(self, sql: Any, params: Any) -> tuple[Statement, list[Any], tuple[list[str], list[Any]] | None]:
        sql, params = self._plain(sql, params)
        if isinstance(sql, str):
            read_query(sql, self._rules)
        return self._query(sql, params)

    async def _pieces(
        self, sql: Any, params: Any, allowance: Allowance, *, streams: bool = False
    ) -> AsyncGenerator[tuple[Columns, list[str], list[Any], list[Any]], None]:
        """Yield the columns of a query, their names and converters, and rows."""
        statement, args, fixed = self._checked(sql, params)
        async with aclosing(
            self._reading.stream(statement, args, PIECE_ROWS, allowance=allowance, streams=streams)
        ) as pieces:
            async for columns, rows in pieces:
                names, converters = fixed or described(columns)
                yield columns, names, converters, rows

    async def _collect(self, sql: Any, params: Any) -> _Result:
        allowance = Allowance(self._reading.limits, PIECE_ROWS)
        result = _Result([], [], [], False)
        async for columns, names, converters, rows in self._pieces(sql, params, allowance):
            conversions = tuple((n, convert) for n, convert in enumerate(converters) if convert is not None)
            found = [converted(row, conversions) for row in rows] if conversions else rows
            result = _Result(columns, names, result.rows + found, False)
        return result._replace(truncated=allowance.truncated)

    async def rows(self, sql: Any, params: Any, row_type: type) -> Rows[Any]:
        """See ``RawSql``; the rows tell whether they are truncated."""
        result = await self._collect(sql, params)
        made: Rows[Any] = Rows(row_maker(result.names, [None] * len(result.names), row_type)(result.rows))
        if result.truncated:
            made.truncated = True
        return made

    async def result(self, sql: str, params: Any) -> RawResult:
        """See ``RawSql``."""
        found = await self._collect(sql, params)
        return RawResult(found.names, described_kinds(found.columns), found.rows, found.truncated)

    async def _run(self, sql: Any, params: Any) -> tuple[list[str], list[Any]]:
        result = await self._complete(sql, params)
        return result.names, result.rows

    async def _complete(self, sql: Any, params: Any) -> _Result:
        """Return a result of which no row is missing."""
        result = await self._collect(sql, params)
        if result.truncated:
            raise self._reading.limits.too_many()
        return result

    async def _arrow(self, sql: Any, params: Any) -> Any:
        # Here, because only programs with Arrow tables need it.
        from deebase._tables.arrow_results import raw_table

        sql, params = self._plain(sql, params)
        result = await self._complete(sql, params)
        kinds = described_kinds(result.columns) if isinstance(sql, str) else [None] * len(result.names)
        return raw_table(result.names, kinds, result.rows)

    async def stream(self, sql: Any, params: Any, row_type: type, size: int) -> AsyncIterator[Any]:
        """See ``RawSql``; an error follows the last row that the limits allow."""
        allowance = Allowance(self._reading.limits, size)
        async with aclosing(self._pieces(sql, params, allowance, streams=True)) as pieces:
            async for _, names, converters, rows in pieces:
                for row in row_maker(names, converters, row_type)(rows):
                    yield row
        if allowance.truncated:
            raise self._reading.limits.too_many()

    async def script(self, sql: Any) -> None:
        """Refuse: a script is there to change something."""
        raise only_reads("script")


def raw_sql_on(core: Core) -> RawSql:
    """Return what runs the SQL texts of a database."""
    executor = core.executor
    if isinstance(executor, ReadingExecutor):
        return ReadOnlySql(executor, core.dialect)
    return RawSql(executor, core.dialect)
