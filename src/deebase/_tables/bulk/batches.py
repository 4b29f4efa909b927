"""Many rows at once: read in batches, grouped by statement, stored completely or not at all."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch
from deebase._sql.scope import same
from deebase.errors import (
    DataError,
    DeeBaseError,
    IntegrityError,
    NotFoundError,
    QueryError,
    SchemaError,
    ValidationError,
)

#: What rows are sent with: a statement, or what makes one for a number of rows.
S = TypeVar("S")

#: Rows that are taken from the input at once, so that the event loop is not blocked for long.
CHUNK_ROWS = 1000
#: Rows that are not worth to be taken by column.
_FEW_ROWS = 16
#: Errors that a single row of a batch may cause.
_OF_A_ROW = (IntegrityError, DataError, QueryError, NotFoundError)


async def _chunks(rows: Iterable[Any] | AsyncIterable[Any], size: int) -> AsyncIterator[list[Any] | ColumnBatch]:
    """Yield the rows in lists of at most ``size``; what comes by column is handed on as it is."""
    if not isinstance(rows, AsyncIterable):
        remaining = iter(rows)
        while chunk := list(islice(remaining, size)):
            yield chunk
        return
    chunk = []
    async for row in rows:
        if isinstance(row, ColumnBatch):
            yield row
            continue
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def at_row(error: DeeBaseError, position: int) -> DeeBaseError:
    """Return the error with the position (from 0) of the row it is about."""
    return error.with_prefix(f"row {position}: ")


class Batches(Generic[S]):
    """Collects consecutive rows of one statement and sends them, inside the caller's transaction.

    Args:
        context: the table.
        send: sends rows with their statement, and returns how many were stored.
        size: returns the largest number of rows that a statement takes.
    """

    def __init__(
        self, context: TableContext, send: Callable[[S, Sequence[Any]], Awaitable[int]], size: Callable[[S], int]
    ) -> None:
        self._executor = context.executor
        self._send = send
        self._size = size
        self._statement: S | None = None
        self._rows: list[Any] = []
        self._most = 0
        self._taken = 0
        #: Of the waiting rows.
        self.keys: set[Any] = set()
        self.count = 0

    async def add(self, statement: S, row: Any) -> None:
        """Take one row; a batch that is full, or of another statement, is sent first."""
        if statement is not self._statement or len(self._rows) >= self._most:
            await self._begin(statement)
        self._rows.append(row)
        self._taken += 1

    async def extend(self, statement: S, rows: Sequence[Any]) -> None:
        """Take rows of one statement, at most as many as a batch has."""
        if statement is not self._statement or len(self._rows) + len(rows) > self._most:
            await self._begin(statement)
        self._rows += rows
        self._taken += len(rows)

    async def _begin(self, statement: S) -> None:
        await self.flush()
        self._statement, self._most = statement, self._size(statement)

    def note_stored(self) -> None:
        """Count a row that was stored by other means."""
        self._taken += 1
        self.count += 1

    async def flush(self, last: bool = False) -> None:
        """Send the collected rows; ``last`` if the transaction ends with them."""
        rows, self._rows = self._rows, []
        self.keys.clear()
        if rows and self._statement is not None:
            self.count += await self._send_located(self._statement, rows, self._taken - len(rows), last=last)

    async def _send_located(self, statement: S, rows: Sequence[Any], start: int, *, last: bool = False) -> int:
        """Send rows; when they fail, find the row that causes it by halves, and name it."""
        try:
            async with self._executor.transaction() as block:
                if last:
                    block.is_last = lambda stored: _number(stored) >= len(rows)
                return await self._send(statement, rows)
        except _OF_A_ROW as error:
            if len(rows) == 1:
                raise at_row(error, start) from error.__cause__
        middle = len(rows) // 2
        first = await self._send_located(statement, rows[:middle], start)
        return first + await self._send_located(statement, rows[middle:], start + middle, last=last)


def _number(stored: Any) -> int:
    """Return how many rows a statement stored, by its result: their number, or the rows."""
    return stored if isinstance(stored, int) else len(stored)


async def run(
    context: TableContext,
    operation: str,
    rows: Any,
    take: Callable[[Any, int], Awaitable[None]],
    finish: Callable[[bool], Awaitable[None]],
) -> None:
    """Take every row, in chunks with the position of their first, in one transaction (or the one of the task)."""
    kind: type[Any] = type(rows)
    if issubclass(kind, (str, bytes, Mapping)) or not issubclass(kind, (Iterable, AsyncIterable)):
        what = "keys" if operation == "delete_all" else "records"
        raise ValidationError(
            f"{operation} of {context.model.name} takes an iterable of {what}, not {kind.__name__}",
            hint=f"{operation}([...]); a single one goes to {operation.removesuffix('_all')}",
        )
    position = 0
    async with context.executor.transaction() as block:
        async for chunk in _chunks(rows, CHUNK_ROWS):
            await take(chunk, position)
            position += len(chunk)
        await finish(block.parent is None)


async def take_chunk(
    chunk: list[Any] | ColumnBatch,
    start: int,
    by_column: Callable[[list[Any] | ColumnBatch], Awaitable[bool]],
    one: Callable[[Any], Awaitable[None]],
) -> None:
    """Take records by column, or if some of them differ, those of each half; a few are taken one by one.

    Args:
        chunk: the records.
        start: the position of the first one.
        by_column: takes records that have values of the same columns; False if they do not, or a value does not fit.
        one: takes one record, or raises the error of its values.
    """
    if await by_column(chunk):
        return
    if len(chunk) <= _FEW_ROWS:
        await one_by_one(chunk, start, one)
        return
    records, middle = list(chunk), len(chunk) // 2
    await take_chunk(records[:middle], start, by_column, one)
    await take_chunk(records[middle:], start + middle, by_column, one)


def in_scope(context: TableContext, batch: ColumnBatch) -> bool:
    """Return whether all records have the values of the scope, as far as they have values of its columns."""
    return all(
        same(context.model.columns[name], held, value)
        for name, held in context.scope.held.items()
        for value in batch.columns.get(name, ())
    )


async def one_by_one(chunk: Iterable[Any], start: int, take: Callable[[Any], Awaitable[None]]) -> None:
    """Take records, and name the position of one that is refused."""
    for position, row in enumerate(chunk, start):
        try:
            await take(row)
        except (ValidationError, SchemaError) as error:
            raise at_row(error, position) from error.__cause__
