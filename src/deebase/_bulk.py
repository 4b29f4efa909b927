"""Many rows at once: read in batches, grouped by shape, stored all or not at all."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deebase._sql import statements
from deebase._sql.compiled import Prepared
from deebase.errors import DeeBaseError, SchemaError, ValidationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase._rows.model import TableModel

#: Rows of one batch: large enough to hide the hop, small enough that a reader gets its turn.
BATCH_ROWS = 1000
#: Rows of one COPY, each of which costs several round trips.
COPY_ROWS = 5000


async def _each(rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


class _Batch:
    """Consecutive rows of one shape, ready to be sent."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.args: list[list[Any]] = []


class BulkInsert:
    """One ``insert_all``: collects rows and sends them in batches inside the caller's transaction."""

    def __init__(
        self, executor: Executor, model: TableModel, dialect: Any, *, keep_rows: bool, counts_rows: bool
    ) -> None:
        self._executor = executor
        self._model = model
        self._dialect = dialect
        self._keep_rows = keep_rows
        self._counts_rows = counts_rows
        self._batch: _Batch | None = None
        self._highest: int | None = None
        # COPY knows neither RETURNING nor ON CONFLICT.
        self._copies = dialect.name == "postgresql" and not counts_rows
        self._size = COPY_ROWS if self._copies else BATCH_ROWS
        self.count = 0
        self.rows: list[Any] = []

    async def add(self, values: Mapping[str, Any], prepared: Prepared) -> None:
        """Take one row; a batch that is full, or of another shape, is sent first."""
        args = prepared.args(values)
        batch = self._batch
        if batch is not None and (batch.prepared is not prepared or len(batch.args) >= self._size):
            await self.flush()
            batch = None
        if batch is None:
            batch = self._batch = _Batch(prepared)
        batch.args.append(args)
        key = values.get(self._model.generated) if self._model.generated is not None else None
        if isinstance(key, int) and (self._highest is None or key > self._highest):
            self._highest = key

    async def flush(self) -> None:
        """Send what was collected."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        statement = batch.prepared.statement
        if not self._counts_rows:
            if self._copies:
                await self._executor.copy(self._model.sa_table, batch.prepared.columns, batch.args)
            else:
                await self._executor.many(statement, batch.args)
            self.count += len(batch.args)
            return
        rows = await self._executor.fetch_many(statement, batch.args)
        self.count += len(rows)
        if self._keep_rows:
            self.rows.extend(rows)

    async def finish(self) -> None:
        """Send the rest, and move the key's sequence past keys that were given."""
        await self.flush()
        if self._highest is not None and self._dialect.name == "postgresql":
            prepared = statements.move_sequence_past(self._model, self._dialect)
            await self._executor.fetch(prepared.statement, prepared.args({"key": self._highest}))


async def insert_many(
    executor: Executor,
    model: TableModel,
    dialect: Any,
    rows: Any,
    stored: Callable[[Any], tuple[dict[str, Any], Prepared]],
    *,
    keep_rows: bool,
    counts_rows: bool,
) -> BulkInsert:
    """Store all rows in one transaction, joining the one of the task.

    ``stored`` returns the values of a record and the statement that stores them.
    """
    kind: type[Any] = type(rows)
    if issubclass(kind, (str, bytes, Mapping)) or not issubclass(kind, (Iterable, AsyncIterable)):
        raise ValidationError(
            f"insert_all of {model.name} takes an iterable of records, not {kind.__name__}",
            hint="insert_all([{...}, {...}]); a single record goes to insert",
        )
    bulk = BulkInsert(executor, model, dialect, keep_rows=keep_rows, counts_rows=counts_rows)
    async with executor.transaction():
        position = 0
        async for record in _each(rows):
            try:
                values, prepared = stored(record)
                await bulk.add(values, prepared)
            except (ValidationError, SchemaError) as error:
                raise at_row(error, position) from error
            position += 1
        await bulk.finish()
    return bulk


def at_row(error: DeeBaseError, position: int) -> DeeBaseError:
    """Return the error with the position (from 0) of the row it is about."""
    return error.with_prefix(f"row {position}: ")
