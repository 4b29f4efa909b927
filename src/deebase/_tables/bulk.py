"""Many rows at once: read in batches, grouped by shape, stored all or not at all."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.model import TableModel
from deebase._sql import statements
from deebase._sql.by_keys import Batch, delete_rows, update_rows
from deebase._sql.compiled import CompiledStatement
from deebase._tables.unique_changes import misfits, without_unchanged
from deebase._types.foreign_values import python_value
from deebase.errors import (
    DataError,
    DeeBaseError,
    IntegrityError,
    NotFoundError,
    QueryError,
    SchemaError,
    UniqueViolationError,
    ValidationError,
)
from deebase.types import SqlExpression, Unset

#: Rows that are taken from the input at once: the loop is not held for long.
CHUNK_ROWS = 1000
#: Rows of one statement that returns some: a reader gets its turn in between.
BATCH_ROWS = 1000
#: Rows of one COPY or executemany, each of which costs several round trips.
SENT_ROWS = 5_000

#: Sends rows of one shape and returns how many were stored.
Send = Callable[[Any, Sequence[Any]], Awaitable[int]]
#: What stands where a value may, and is none.
_NO_VALUES = (Unset, SqlExpression)
#: What may be the fault of one row of a batch.
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


class _Batches:
    """Collects consecutive rows of one shape and sends them, inside the caller's transaction."""

    def __init__(self, source: TableContext, send: Send, size: Callable[[Any], int]) -> None:
        self._executor = source.executor
        self._send = send
        self._size = size
        self._shape: Any = None
        self._rows: list[Any] = []
        self._most = 0
        self._taken = 0
        self.count = 0

    @property
    def waiting(self) -> bool:
        """Whether rows are waiting to be sent."""
        return bool(self._rows)

    async def add(self, shape: Any, row: Any) -> None:
        """Take one row; a batch that is full, or of another shape, is sent first."""
        if shape is not self._shape or len(self._rows) >= self._most:
            await self._begin(shape)
        self._rows.append(row)
        self._taken += 1

    async def extend(self, shape: Any, rows: list[Any]) -> None:
        """Take rows of one shape, no more than a batch has."""
        if shape is not self._shape or len(self._rows) + len(rows) > self._most:
            await self._begin(shape)
        self._rows += rows
        self._taken += len(rows)

    async def _begin(self, shape: Any) -> None:
        await self.flush()
        self._shape, self._most = shape, self._size(shape)

    def note_stored(self) -> None:
        """Count a row that was stored by other means."""
        self._taken += 1
        self.count += 1

    async def flush(self) -> None:
        """Send what was collected."""
        rows, self._rows = self._rows, []
        if rows:
            self.count += await self._send_located(rows, self._taken - len(rows))

    async def _send_located(self, rows: Sequence[Any], start: int) -> int:
        """Send rows; when they fail, find the one whose fault it is by halves, and name it."""
        try:
            async with self._executor.transaction():
                return await self._send(self._shape, rows)
        except _OF_A_ROW as error:
            if len(rows) == 1:
                raise at_row(error, start) from error.__cause__
        middle = len(rows) // 2
        first = await self._send_located(rows[:middle], start)
        return first + await self._send_located(rows[middle:], start + middle)


async def _run(
    source: TableContext,
    operation: str,
    rows: Any,
    take: Callable[[Any, int], Awaitable[None]],
    finish: Callable[[], Awaitable[None]],
) -> None:
    """Take every row, in chunks with the position of their first, in one transaction (or the one of the task)."""
    kind: type[Any] = type(rows)
    if issubclass(kind, (str, bytes, Mapping)) or not issubclass(kind, (Iterable, AsyncIterable)):
        what = "keys" if operation == "delete_all" else "records"
        raise ValidationError(
            f"{operation} of {source.model.name} takes an iterable of {what}, not {kind.__name__}",
            hint=f"{operation}([...]); a single one goes to {operation.removesuffix('_all')}",
        )
    position = 0
    async with source.executor.transaction():
        async for chunk in _chunks(rows, CHUNK_ROWS):
            await take(chunk, position)
            position += len(chunk)
        await finish()


async def _one_by_one(chunk: Iterable[Any], start: int, take: Callable[[Any], Awaitable[None]]) -> None:
    for position, row in enumerate(chunk, start):
        try:
            await take(row)
        except (ValidationError, SchemaError) as error:
            raise at_row(error, position) from error.__cause__


class BulkInsert:
    """One ``insert_all`` or ``upsert_all``.

    Args:
        source: the table, with its scope.
        stored: returns the values of a record, and the statement that stores them.
        keep_rows: keep what the statements return.
        counts_rows: the statements return the rows they stored, which may be fewer than were given.
        takes_all: fewer are an error: a row of another scope is in the way.
        copies: send the rows by COPY.
        needed: columns that no record may lack.
        merged: changes the row of a record with values that cannot be sent, and returns it, if it has them already.
    """

    def __init__(
        self,
        source: TableContext,
        stored: Callable[[Any], tuple[dict[str, Any], CompiledStatement]],
        *,
        keep_rows: bool,
        counts_rows: bool,
        takes_all: bool,
        copies: bool,
        needed: Sequence[str],
        merged: Callable[[Any], Awaitable[list[Any]]] | None = None,
    ) -> None:
        self._source = source
        self._model: TableModel = source.model
        self._stored = stored
        self._keep_rows = keep_rows
        self._counts_rows = counts_rows
        self._takes_all = takes_all
        self._copies = copies
        self._highest: int | None = None
        self._merged = merged
        self._needed = frozenset(needed if merged is None else (*needed, *source.model.required_documents))
        size = BATCH_ROWS if counts_rows else SENT_ROWS
        self._batches = _Batches(source, self._send, lambda _: size)
        self.rows: list[Any] = []

    async def run(self, operation: str, rows: Any) -> int:
        """Store the rows and return how many were."""
        await _run(self._source, operation, rows, self._take, self._finish)
        return self._batches.count

    async def _take(self, chunk: list[Any] | ColumnBatch, start: int) -> None:
        quick = self._columnwise(chunk)
        if quick is None:
            await _one_by_one(chunk, start, self._take_one)
        else:
            await self._batches.extend(*quick)

    async def _take_one(self, record: Any) -> None:
        values, prepared = self._stored(record)
        try:
            args = prepared.args(values)
        except ValidationError:
            if not await self._take_merged(record):
                raise
            return
        if self._model.lacks_documents(values) and await self._take_merged(record):
            return
        if self._model.generated is not None:
            self._note_keys([values.get(self._model.generated)])
        await self._batches.add(prepared, args)

    async def _take_merged(self, record: Any) -> bool:
        """Store a record by changing its row, if that has what cannot be sent."""
        if self._merged is None:
            return False
        # In the order of the records, of which an earlier one may be about the same row.
        await self._batches.flush()
        rows = await self._merged(record)
        if rows:
            self._batches.note_stored()
            self.rows.extend(rows if self._keep_rows else ())
        return bool(rows)

    def _note_keys(self, keys: Sequence[Any]) -> None:
        given = [key for key in map(python_value, keys) if isinstance(key, int)]
        if given:
            self._highest = max(given) if self._highest is None else max(self._highest, *given)

    def _columnwise(self, chunk: list[Any] | ColumnBatch) -> tuple[CompiledStatement, list[Any]] | None:
        """Return statement and parameters of records that are dicts with the same keys and plain values.

        Whole columns are checked at once, which costs a fraction of looking at each value. None for
        everything else: row by row it is taken, or refused with its position.
        """
        by_column = isinstance(chunk, ColumnBatch)
        first = chunk.first() if isinstance(chunk, ColumnBatch) else chunk[0]
        if not by_column and (set(map(type, chunk)) != {dict} or set(map(len, chunk)) != {len(first)}):
            return None
        try:
            values, prepared = self._stored(first)
            names = prepared.columns
            if not names or len(names) != len(first) or not all(name in first and name in values for name in names):
                # The scope, a factory or a key of None makes the row another one than the record; an empty one has
                # none.
                return None
            rows: list[Any] | None = None
            if isinstance(chunk, ColumnBatch):
                given = [chunk[name] for name in names]
            else:
                rows = list(map(itemgetter(*names), chunk))
                given = [rows] if len(names) == 1 else list(zip(*rows, strict=True))
        except (DeeBaseError, KeyError):
            return None
        columns = [self._bound(name, column) for name, column in zip(names, given, strict=True)]
        if any(column is None for column in columns):
            return None
        if self._model.generated in names:
            self._note_keys(columns[names.index(self._model.generated)] or ())
        unchanged = rows is not None and len(names) > 1 and columns == given
        return prepared, rows if unchanged and rows is not None else list(zip(*columns, strict=True))

    def _bound(self, name: str, values: Sequence[Any]) -> Sequence[Any] | None:
        """Return the values of a column as they are bound, or None if one of them needs a closer look."""
        column = self._model.columns[name]
        if name in self._needed and None in values:
            return None
        if column.passes is not None:
            return values if column.passes(values) else None
        if any(hasattr(kind, "__clause_element__") or kind in _NO_VALUES for kind in set(map(type, values))):
            return None
        bind = column.bind
        try:
            return values if bind is None else [bind(value) for value in values]
        except ValidationError:
            return None

    async def _send(self, prepared: CompiledStatement, rows: Sequence[Any]) -> int:
        executor = self._source.executor
        if not self._counts_rows:
            if self._copies and prepared.columns:  # COPY without columns means all of them
                await executor.copy(self._model.sa_table, prepared.columns, rows)
            else:
                await executor.many(prepared.statement, rows)
            return len(rows)
        stored = await executor.fetch_many(prepared.statement, rows)
        if self._takes_all and len(stored) < len(rows):
            raise conflict_outside_scope(self._model)
        if self._keep_rows:
            # Rows of other shapes have no hidden columns behind theirs.
            self.rows.extend([row[: -prepared.hidden] for row in stored] if prepared.hidden else stored)
        return len(stored)

    async def _finish(self) -> None:
        """Send the rest, and advance the key's sequence past explicit keys."""
        await self._batches.flush()
        if self._highest is None:
            return
        prepared = statements.advance_sequence(self._model, self._source.dialect)
        if prepared is not None:
            await self._source.executor.fetch(prepared.statement, prepared.args({"key": self._highest}))


def conflict_outside_scope(model: TableModel) -> UniqueViolationError:
    """Return the error of an upsert over a row that the scope does not show."""
    return UniqueViolationError(
        f"{model.name}: the key or a unique value of the row is taken",
        constraint="unique",
        table_name=model.name,
        hint="choose another key",
    )


async def update_many(
    source: TableContext, rows: Any, changed: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
) -> int:
    """Change many rows by key, a batch in one statement; ``changed`` returns key and new values of a record."""
    model = source.model
    width = len(model.pks)
    seen: set[Any] = set()

    async def send(shape: Batch, batch: Sequence[Any]) -> int:
        prepared, args = shape.of(batch, source.scope)
        if await source.executor.count(prepared.statement, args) < len(batch):
            raise NotFoundError(f"{model.name}: no row with this {', '.join(model.pks)}", table_name=model.name)
        return len(batch)

    batches = _Batches(source, send, lambda shape: shape.most)

    async def take(record: Any) -> None:
        key, values = changed(record)
        names = (*model.pks, *values)
        shape: Batch = source.kept(
            ("update all", source.scope.shape, names),
            lambda: Batch(model, names, source.dialect, source.scope, update_rows),
        )
        try:
            row = shape.bind([*key, *values.values()])
        except ValidationError:
            await batches.flush()
            rest = await without_unchanged(source, model.pks, key, values, misfits(model.columns, values))
            if rest is None:
                raise
            if rest:
                await take({**dict(zip(model.pks, key, strict=True)), **rest})
            else:
                batches.note_stored()
            return
        if row[:width] in seen:
            # Of two changes of one row the later one comes later.
            await batches.flush()
        if not batches.waiting:
            seen.clear()
        seen.add(row[:width])
        await batches.add(shape, row)

    await _run(source, "update_all", rows, lambda chunk, start: _one_by_one(chunk, start, take), batches.flush)
    return batches.count


async def delete_many(source: TableContext, keys: Any) -> int:
    """Delete many rows by key, a batch in one statement; return how many were there."""
    model = source.model
    shape: Batch = source.kept(
        ("delete all", source.scope.shape), lambda: Batch(model, model.pks, source.dialect, source.scope, delete_rows)
    )

    async def send(_: Any, batch: Sequence[Any]) -> int:
        prepared, args = shape.of(batch, source.scope)
        return await source.executor.count(prepared.statement, args)

    batches = _Batches(source, send, lambda _: shape.most)

    async def take(key: Any) -> None:
        await batches.add(shape, shape.bind(model.key_values(key)))

    await _run(source, "delete_all", keys, lambda chunk, start: _one_by_one(chunk, start, take), batches.flush)
    return batches.count
