"""Insert of many rows: by column where the records have the same fields, with COPY where the database has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch, by_column
from deebase._rows.records import new_row
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.bulk.batches import Batches, in_scope, run, take_chunk
from deebase._tables.inserts import Columns, OnConflict, insert_statement
from deebase._types.forms.foreign_values import python_value
from deebase._types.native import NativeText
from deebase.errors import DeeBaseError, QueryError, ValidationError
from deebase.types import must_be_flags

#: Rows of one statement that returns some, so that readers get their turn in between.
BATCH_ROWS = 1000
#: Rows of one COPY or executemany, each of which costs several round trips.
SENT_ROWS = 5_000


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
    must_be_flags(returning=returning)
    conflict = OnConflict(context, on, update)
    insert = _BulkInsert(context, operation, given, conflict, on_conflict, returning=returning, names_columns=bool(on))
    try:
        count = await insert.run(rows)
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
        operation: str,
        given: Callable[[Any], dict[str, Any]],
        conflict: OnConflict,
        on_conflict: str | None,
        *,
        returning: bool,
        names_columns: bool,
    ) -> None:
        self._context = context
        self._model = model = context.model
        self._operation = operation
        self._given = given
        self._conflict = conflict
        self._ignores = on_conflict == "ignore"
        self._updates = on_conflict == "update"
        self._keep_rows = returning
        #: The statements return the rows they stored, which may be fewer than were given: a row of another scope may
        #: conflict with an upsert.
        self._counts_rows = returning or self._ignores or (self._updates and bool(context.scope))
        # COPY has neither RETURNING nor ON CONFLICT, turns no text into types, and row security refuses it.
        self._copies = (
            capabilities_of(context.dialect).copies_rows
            and not self._counts_rows
            and on_conflict is None
            and not model.secure
            and not any(isinstance(column.sa_type, NativeText) for column in model.columns.values())
        )
        #: Columns in which a record has a value, or is not like the others.
        self._required = frozenset(
            (
                *model.required_keys,
                *(() if model.generated is None else (model.generated,)),
                *(conflict.columns if self._updates or names_columns else ()),
                *(model.required_documents if self._updates else ()),
            )
        )
        self._highest: int | None = None
        size = BATCH_ROWS if self._counts_rows else SENT_ROWS
        self._batches: Batches[CompiledStatement] = Batches(context, self._send, lambda _: size)
        self.rows: list[Any] = []

    async def run(self, rows: Any) -> int:
        """Store the rows and return how many were stored."""
        await run(self._context, self._operation, rows, self._take, self._finish)
        return self._batches.count

    def _stored(self, record: Any) -> tuple[dict[str, Any], CompiledStatement]:
        """Return the values of a record, and the statement that stores them."""
        given = self._given(record)
        new = new_row(self._model, given)
        return {**new, **self._context.scope.values}, self._statement(new, given)

    def _statement(self, new: Mapping[str, Any], given: Mapping[str, Any]) -> CompiledStatement:
        """Return the statement that stores a row of these columns, of which the record had some."""
        if self._updates:
            return self._conflict.updating(new, given, returning=self._counts_rows)
        if self._ignores:
            return self._conflict.ignoring(new)
        return insert_statement(self._context, new, returning=self._counts_rows)

    async def _take(self, chunk: list[Any] | ColumnBatch, start: int) -> None:
        await take_chunk(chunk, start, self._take_by_column, self._take_one)

    async def _take_by_column(self, chunk: list[Any] | ColumnBatch) -> bool:
        try:
            batch = chunk if isinstance(chunk, ColumnBatch) else by_column(chunk, self._operation)
            bound = None if batch is None else self._bound(batch)
        except DeeBaseError:
            return False
        if bound is None:
            return False
        await self._batches.extend(*bound)
        return True

    def _bound(self, batch: ColumnBatch) -> tuple[CompiledStatement, Sequence[Any]] | None:
        """Return statement and parameters of records by column; None if some record is unlike the first one."""
        given = self._given(batch.first)
        new = new_row(self._model, given)
        prepared = self._statement(new, given)
        if not batch.resembles_first(new, self._required) or not in_scope(self._context, batch):
            return None
        columns, held = self._model.columns, self._context.scope.held
        bound = {
            name: columns[name].bind_all(values, batch.kinds(name))
            for name, values in batch.columns.items()
            if name in new and name not in held
        }
        makes = [name for name in new if name not in given]
        for name, values in self._made(makes, new, len(batch)):
            bound[name] = columns[name].bind_all(values, set(map(type, values)))
        if self._model.generated in bound:
            self._note_key(max(bound[self._model.generated]))
        rest = {**held, **self._context.scope.values}
        args = prepared.args_by_column(bound, rest, len(batch))
        # Rows without any value are no tuples of columns.
        return (prepared, list(zip(*args, strict=True))) if args else None

    def _made(self, names: Sequence[str], first: Mapping[str, Any], count: int) -> Iterable[tuple[str, Sequence[Any]]]:
        """Return the columns whose values Python makes, row by row; those of the first row exist."""
        if not names:
            return ()
        makes = [self._model.factories[name] for name in names]
        rows = [[first[name] for name in names], *[[make() for make in makes] for _ in range(count - 1)]]
        return zip(names, zip(*rows, strict=True), strict=True)

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
            key = python_value(values.get(self._model.generated))
            if isinstance(key, int):
                self._note_key(key)
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

    def _note_key(self, key: int) -> None:
        self._highest = key if self._highest is None else max(self._highest, key)

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
        await self._batches.flush(last and prepared is None)
        if prepared is not None:
            await self._context.executor.fetch(prepared.statement, prepared.args({"key": self._highest}))
