"""Changes and deletes of many rows by their keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._rows.column_batches import ColumnBatch, by_column
from deebase._sql.by_keys import Batch, delete_rows, update_rows
from deebase._tables.bulk import Batches, in_scope, one_by_one, run, take_chunk
from deebase._tables.unique_changes import misfits, without_unchanged
from deebase.errors import DeeBaseError, NotFoundError, ValidationError


async def update_many(
    context: TableContext, rows: Any, changed: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
) -> int:
    """Change many rows by key, a batch in one statement; ``changed`` returns key and new values of a record."""
    model, scope = context.model, context.scope
    width = len(model.pks)

    async def send(statement: Batch, batch: Sequence[Any]) -> int:
        prepared, args = statement.of(batch, scope)
        if await context.executor.count(prepared.statement, args) < len(batch):
            raise NotFoundError(f"{model.name}: no row with this {', '.join(model.pks)}", table_name=model.name)
        return len(batch)

    batches: Batches[Batch] = Batches(context, send, lambda statement: statement.most)

    def statement_of(names: tuple[str, ...]) -> Batch:
        return context.cached(
            ("update all", scope.shape, names), lambda: Batch(model, names, context.dialect, scope, update_rows)
        )

    def bound(batch: ColumnBatch) -> tuple[Batch, list[tuple[Any, ...]]] | None:
        """Return statement and rows of records by column; None if some record is unlike the first one."""
        _, values = changed(batch.first)
        names = (*model.pks, *values)
        if not batch.resembles_first(names, model.pks) or not in_scope(context, batch):
            return None
        columns = [
            model.columns[name].bind_all(batch.columns[name], batch.kinds(name))
            if name in batch.columns
            else model.columns[name].bind_all([scope.held[name]] * len(batch), set(map(type, [scope.held[name]])))
            for name in names
        ]
        return statement_of(names), list(zip(*columns, strict=True))

    async def take_by_column(chunk: list[Any] | ColumnBatch) -> bool:
        try:
            batch = chunk if isinstance(chunk, ColumnBatch) else by_column(chunk, "update_all")
            found = None if batch is None else bound(batch)
        except DeeBaseError:
            return False
        if found is None:
            return False
        statement, rows = found
        keys = {row[:width] for row in rows}
        if len(keys) < len(rows):
            return False
        if not keys.isdisjoint(batches.keys):
            await batches.flush()
        for start in range(0, len(rows), statement.most):
            await batches.extend(statement, rows[start : start + statement.most])
        batches.keys |= keys
        return True

    async def take(record: Any) -> None:
        key, values = changed(record)
        statement = statement_of((*model.pks, *values))
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
        if row[:width] in batches.keys:
            # Of two changes of one row the later one wins.
            await batches.flush()
        await batches.add(statement, row)
        batches.keys.add(row[:width])

    await run(
        context, "update_all", rows, lambda chunk, start: take_chunk(chunk, start, take_by_column, take), batches.flush
    )
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

    batches: Batches[Batch] = Batches(context, send, lambda _: statement.most)

    async def take(key: Any) -> None:
        await batches.add(statement, statement.bind(model.key_values(key)))

    await run(context, "delete_all", keys, lambda chunk, start: one_by_one(chunk, start, take), batches.flush)
    return batches.count
