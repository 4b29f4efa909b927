"""Changes and deletes of many rows by their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch, by_column
from deebase._sql.by_keys import Batch, delete_rows, update_rows
from deebase._tables.bulk.batches import Batches, in_scope, one_by_one, run, take_chunk
from deebase._tables.unique_changes import misfits, without_unchanged
from deebase.errors import DeeBaseError, NotFoundError, ValidationError


async def update_many(
    context: TableContext, rows: Any, changed: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
) -> int:
    """Change many rows by key, a batch in one statement; ``changed`` returns key and new values of a record."""
    return await _BulkUpdate(context, changed).run(rows)


class _BulkUpdate:
    """One call of ``update_many``."""

    def __init__(self, context: TableContext, changed: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        self._context = context
        self._model = context.model
        self._scope = context.scope
        self._changed = changed
        self._batches: Batches[Batch] = Batches(context, self._send, lambda statement: statement.most)

    async def run(self, rows: Any) -> int:
        """Change the rows, and return how many there were."""
        await run(self._context, "update_all", rows, self._take, self._batches.flush)
        return self._batches.count

    async def _send(self, statement: Batch, rows: Sequence[Any]) -> int:
        prepared, args = statement.of(rows, self._scope)
        if await self._context.executor.count(prepared.statement, args) < len(rows):
            name, keys = self._model.name, ", ".join(self._model.pks)
            raise NotFoundError(f"{name}: no row with this {keys}", table_name=name)
        return len(rows)

    def _statement(self, values: Iterable[str]) -> Batch:
        """Return the statement that changes these columns."""
        model, context, scope = self._model, self._context, self._scope
        names = (*model.pks, *values)
        return context.cached(
            ("update all", scope.shape, names), lambda: Batch(model, names, context.dialect, scope, update_rows)
        )

    async def _take(self, chunk: list[Any] | ColumnBatch, start: int) -> None:
        await take_chunk(chunk, start, self._take_by_column, self._take_one)

    async def _take_by_column(self, chunk: list[Any] | ColumnBatch) -> bool:
        try:
            batch = chunk if isinstance(chunk, ColumnBatch) else by_column(chunk, "update_all")
            bound = None if batch is None else self._bound(batch)
        except DeeBaseError:
            return False
        if bound is None:
            return False
        statement, rows, keys = bound
        if len(keys) < len(rows):
            # Of two changes of one row the later one wins.
            return False
        if not keys.isdisjoint(self._batches.keys):
            await self._batches.flush()
        for start in range(0, len(rows), statement.most):
            await self._batches.extend(statement, rows[start : start + statement.most])
        self._batches.keys |= keys
        return True

    def _key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return row[: len(self._model.pks)]

    def _bound(self, batch: ColumnBatch) -> tuple[Batch, list[tuple[Any, ...]], set[tuple[Any, ...]]] | None:
        """Return statement, rows and their keys of records by column; None if some record is unlike the first one."""
        _, values = self._changed(batch.first)
        names = (*self._model.pks, *values)
        if not batch.resembles_first(names, self._model.pks) or not in_scope(self._context, batch):
            return None
        columns: list[Sequence[Any]] = []
        for name in names:
            # The scope may have a part of the key that the records lack.
            given = batch.columns.get(name) or [self._scope.held[name]] * len(batch)
            columns.append(self._model.columns[name].bind_all(given, set(map(type, given))))
        keys = set(zip(*columns[: len(self._model.pks)], strict=True))
        return self._statement(values), list(zip(*columns, strict=True)), keys

    async def _take_one(self, record: Any) -> None:
        key, values = self._changed(record)
        statement = self._statement(values)
        try:
            row = statement.bind([*key, *values.values()])
        except ValidationError:
            await self._take_rest(key, values)
            return
        if self._key(row) in self._batches.keys:
            await self._batches.flush()
        await self._batches.add(statement, row)
        self._batches.keys.add(self._key(row))

    async def _take_rest(self, key: tuple[Any, ...], values: dict[str, Any]) -> None:
        """Change a row without the values that cannot be sent, if it holds them already; else raise their error."""
        model, batches = self._model, self._batches
        await batches.flush()
        rest = await without_unchanged(self._context, model.pks, key, values, misfits(model.columns, values))
        if rest is None:
            self._statement(values).bind([*key, *values.values()])
        elif rest:
            await self._take_one({**dict(zip(model.pks, key, strict=True)), **rest})
        else:
            batches.note_stored()


async def delete_many(context: TableContext, keys: Any) -> int:
    """Delete many rows by key, a batch in one statement; return how many existed."""
    model, scope = context.model, context.scope
    statement = context.cached(
        ("delete all", scope.shape), lambda: Batch(model, model.pks, context.dialect, scope, delete_rows)
    )

    async def send(_: Batch, batch: Sequence[Any]) -> int:
        prepared, args = statement.of(batch, scope)
        return await context.executor.count(prepared.statement, args)

    batches: Batches[Batch] = Batches(context, send, lambda _: statement.most)

    async def take(key: Any) -> None:
        await batches.add(statement, statement.bind(model.key_values(key)))

    await run(context, "delete_all", keys, lambda chunk, start: one_by_one(chunk, start, take), batches.flush)
    return batches.count
