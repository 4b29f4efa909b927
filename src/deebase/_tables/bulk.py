"""Many rows at once: read in batches, grouped by statement, stored completely or not at all."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeVar

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch
from deebase._rows.records import new_row
from deebase._sql import statements
from deebase._sql.by_keys import Batch, delete_rows, update_rows
from deebase._sql.compiled import CompiledStatement
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.inserts import Columns, OnConflict, insert_statement
from deebase._tables.unique_changes import misfits, without_unchanged
from deebase._types.forms.foreign_values import python_value
from deebase._types.native import NativeText
from deebase.errors import (
    DataError,
    DeeBaseError,
    IntegrityError,
    NotFoundError,
    QueryError,
    SchemaError,
    ValidationError,
)
from deebase.types import SqlExpression, Unset

#: What rows are sent with: a statement, or what makes one for a number of rows.
S = TypeVar("S")

#: Rows that are taken from the input at once, so that the event loop is not blocked for long.
CHUNK_ROWS = 1000
#: Rows of one statement that returns some, so that readers get their turn in between.
BATCH_ROWS = 1000
#: Rows of one COPY or executemany, each of which costs several round trips.
SENT_ROWS = 5_000

#: Types that may stand for a value, and are not values.
_NO_VALUES = (Unset, SqlExpression)
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


class _Batches(Generic[S]):
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
        self.count = 0

    @property
    def waiting(self) -> bool:
        """Whether rows are waiting to be sent."""
        return bool(self._rows)

    async def add(self, statement: S, row: Any) -> None:
        """Take one row; a batch that is full, or of another statement, is sent first."""
        if statement is not self._statement or len(self._rows) >= self._most:
            await self._begin(statement)
        self._rows.append(row)
        self._taken += 1

    async def extend(self, statement: S, rows: list[Any]) -> None:
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

    async def flush(self, *, last: bool = False) -> None:
        """Send the collected rows; ``last`` if the transaction ends with them."""
        rows, self._rows = self._rows, []
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


async def _run(
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


async def _one_by_one(chunk: Iterable[Any], start: int, take: Callable[[Any], Awaitable[None]]) -> None:
    for position, row in enumerate(chunk, start):
        try:
            await take(row)
        except (ValidationError, SchemaError) as error:
            raise at_row(error, position) from error.__cause__


async def insert_many(
    context: TableContext,
    operation: str,
    rows: Any,
    given: Callable[[Any], dict[str, Any]],
    *,
    returning: bool,
    on_conflict: str | None,
    on: Columns | None,
    update: Columns | None = None,
) -> tuple[int, list[Any]]:
    """Insert many rows, all or nothing.

    Args:
        context: the table, with its scope.
        operation: the method that was called, for errors.
        rows: the records.
        given: returns the values of a record by column.
        returning: keep the stored rows.
        on_conflict: None, "ignore" or "update".
        on: the columns of the conflict; the key by default.
        update: the columns that an existing row gets; those of the record by default.

    Returns:
        The number of stored rows, and those rows as the driver gives them.
    """
    conflict = OnConflict(context, on, update)
    insert = _BulkInsert(context, given, conflict, on_conflict, returning=returning, names_columns=bool(on))
    try:
        count = await insert.run(operation, rows)
    except QueryError as error:
        if on_conflict is None:
            raise
        raise conflict.not_unique(error) from error.__cause__
    return count, insert.rows


class _BulkInsert:
    """One call of ``insert_many``."""

    def __init__(
        self,
        context: TableContext,
        given: Callable[[Any], dict[str, Any]],
        conflict: OnConflict,
        on_conflict: str | None,
        *,
        returning: bool,
        names_columns: bool,
    ) -> None:
        self._context = context
        self._model = model = context.model
        self._given = given
        self._conflict = conflict
        self._ignores = on_conflict == "ignore"
        self._updates = on_conflict == "update"
        self._keep_rows = returning
        #: The statements return the rows they stored, which may be fewer than were given: a row of another scope may
        #: conflict with an upsert.
        self._counts_rows = returning or self._ignores or (self._updates and bool(context.scope))
        # COPY has neither RETURNING nor ON CONFLICT, and turns no text into types.
        self._copies = (
            capabilities_of(context.dialect).copies_rows
            and not self._counts_rows
            and on_conflict is None
            and not any(isinstance(column.sa_type, NativeText) for column in model.columns.values())
        )
        #: Columns that no record may lack.
        self._required = frozenset(
            (
                *model.required_keys,
                *(conflict.columns if self._updates or names_columns else ()),
                *(model.required_documents if self._updates else ()),
            )
        )
        self._highest: int | None = None
        size = BATCH_ROWS if self._counts_rows else SENT_ROWS
        self._batches: _Batches[CompiledStatement] = _Batches(context, self._send, lambda _: size)
        self.rows: list[Any] = []

    async def run(self, operation: str, rows: Any) -> int:
        """Store the rows and return how many were stored."""
        await _run(self._context, operation, rows, self._take, self._finish)
        return self._batches.count

    def _stored(self, record: Any) -> tuple[dict[str, Any], CompiledStatement]:
        """Return the values of a record, and the statement that stores them."""
        given = self._given(record)
        new = new_row(self._model, given)
        if self._updates:
            statement = self._conflict.updating(new, given, returning=self._counts_rows)
            return {**new, **self._context.scope.values}, statement
        if self._ignores:
            return new, self._conflict.ignoring(new)
        return new, insert_statement(self._context, new, returning=self._counts_rows)

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
        """Store a record by changing its row, if that holds what cannot be sent."""
        if not self._updates:
            return False
        # In the order of the records: an earlier one may concern the same row.
        await self._batches.flush()
        given = self._given(record)
        rows = await self._conflict.merge(new_row(self._model, given), given)
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

        Whole columns are checked at once, which costs a fraction of checking each value. None for everything else,
        which is taken row by row, or refused with its position.
        """
        by_column = isinstance(chunk, ColumnBatch)
        first = chunk.first() if isinstance(chunk, ColumnBatch) else chunk[0]
        if not by_column and (set(map(type, chunk)) != {dict} or set(map(len, chunk)) != {len(first)}):
            return None
        try:
            values, prepared = self._stored(first)
            names = prepared.columns
            if not names or len(names) != len(first) or not all(name in first and name in values for name in names):
                # The record is empty, or the scope, a factory or a key of None makes the row differ from it.
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
        if name in self._required and None in values:
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
        executor = self._context.executor
        if not self._counts_rows:
            if self._copies and prepared.columns:  # COPY without columns means all of them
                await executor.copy(self._model.sa_table, prepared.columns, rows)
            else:
                await executor.many(prepared.statement, rows)
            return len(rows)
        stored = await executor.fetch_many(prepared.statement, rows)
        if self._updates and len(stored) < len(rows):
            raise self._conflict.outside_scope()
        if self._keep_rows:
            # Other statements may return no hidden columns after these.
            self.rows.extend([row[: -prepared.hidden] for row in stored] if prepared.hidden else stored)
        return len(stored)

    async def _finish(self, last: bool) -> None:
        """Send the rest, and advance the key's sequence past explicit keys."""
        prepared = None
        if self._highest is not None:
            prepared = statements.advance_sequence(self._model, self._context.dialect)
        await self._batches.flush(last=last and prepared is None)
        if prepared is not None:
            await self._context.executor.fetch(prepared.statement, prepared.args({"key": self._highest}))


async def update_many(
    context: TableContext, rows: Any, changed: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
) -> int:
    """Change many rows by key, a batch in one statement; ``changed`` returns key and new values of a record."""
    model, scope = context.model, context.scope
    width = len(model.pks)
    seen: set[Any] = set()

    async def send(statement: Batch, batch: Sequence[Any]) -> int:
        prepared, args = statement.of(batch, scope)
        if await context.executor.count(prepared.statement, args) < len(batch):
            raise NotFoundError(f"{model.name}: no row with this {', '.join(model.pks)}", table_name=model.name)
        return len(batch)

    batches: _Batches[Batch] = _Batches(context, send, lambda statement: statement.most)

    async def take(record: Any) -> None:
        key, values = changed(record)
        names = (*model.pks, *values)
        statement = context.cached(
            ("update all", scope.shape, names), lambda: Batch(model, names, context.dialect, scope, update_rows)
        )
        try:
            row = statement.bind([*key, *values.values()])
        except ValidationError:
            await batches.flush()
            rest = await without_unchanged(context, model.pks, key, values, misfits(model.columns, values))
            if rest is None:
                raise
            if rest:
                await take({**dict(zip(model.pks, key, strict=True)), **rest})
            else:
                batches.note_stored()
            return
        if row[:width] in seen:
            # Of two changes of one row the later one wins.
            await batches.flush()
        if not batches.waiting:
            seen.clear()
        seen.add(row[:width])
        await batches.add(statement, row)

    async def finish(last: bool) -> None:
        await batches.flush(last=last)

    await _run(context, "update_all", rows, lambda chunk, start: _one_by_one(chunk, start, take), finish)
    return batches.count


async def delete_many(context: TableContext, keys: Any) -> int:
    """Delete many rows by key, a batch in one statement; return how many existed."""
    model, scope = context.model, context.scope
    statement = context.cached(
        ("delete all", scope.shape), lambda: Batch(model, model.pks, context.dialect, scope, delete_rows)
    )

    async def send(_: Batch, batch: Sequence[Any]) -> int:
        prepared, args = statement.of(batch, scope)
        return await context.executor.count(prepared.statement, args)

    batches: _Batches[Batch] = _Batches(context, send, lambda _: statement.most)

    async def take(key: Any) -> None:
        await batches.add(statement, statement.bind(model.key_values(key)))

    async def finish(last: bool) -> None:
        await batches.flush(last=last)

    await _run(context, "delete_all", keys, lambda chunk, start: _one_by_one(chunk, start, take), finish)
    return batches.count
