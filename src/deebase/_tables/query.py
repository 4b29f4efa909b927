"""``t(...)``: a select that is built now and sent when it is awaited or iterated."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, cast

from deebase._engine.context import TableContext
from deebase._pictures.notebook import Rows, query_html
from deebase._rows.advice import refuse_attribute
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sql.rules import rules_of
from deebase._sql.statement import Statement
from deebase._sql.where import Where
from deebase.errors import MultipleRowsError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from deebase._rows.model import TableModel

R = TypeVar("R")

#: Rows of one piece of a stream.
STREAM_ROWS = 1000


class Query(Coroutine[Any, Any, list[R]], Generic[R]):
    """An immutable select: await it for a list, iterate it for a stream.

    It may be awaited any number of times, and given to ``asyncio.create_task``, ``TaskGroup.create_task``,
    ``asyncio.run`` and whatever else takes a coroutine.

    Example:
        ```python
        grown_up = users(users.c.age >= 18, order_by="name", limit=10)
        rows = await grown_up
        async for row in users(order_by="id"):
            print(row)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(grown_up)
        ```
    """

    __slots__ = (
        "_driven",
        "_for_update",
        "_limit",
        "_offset",
        "_order",
        "_select",
        "_skip_locked",
        "_source",
        "_where",
        "_with_pk",
    )

    def __init__(
        self,
        source: Any,
        where: Any,
        *,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        select: Sequence[str] | None = None,
        with_pk: bool = False,
        for_update: bool = False,
        skip_locked: bool = False,
    ) -> None:
        # Only the library makes queries, so these types are no part of the public interface.
        self._source: TableContext = source
        self._where: Where = where
        self._order = order_by
        self._limit = None if limit is None else statements.whole_number("limit", limit)
        self._offset = None if offset is None else statements.whole_number("offset", offset)
        self._select = _selected(source.model, select)
        self._with_pk = with_pk
        self._for_update = for_update or skip_locked
        self._skip_locked = skip_locked
        #: What runs on behalf of each task that was made of this query, and of None outside of any.
        self._driven: dict[Any, Coroutine[Any, Any, list[R]]] = {}
        if with_pk:
            source.model.key_columns("with_pk")

    def __repr__(self) -> str:
        return f"<Query of {self._source.model.name}: await it for a list, or iterate it>"

    def _repr_html_(self) -> str:
        prepared, _ = self._prepared(self._limit, self._offset)
        return query_html(self._source.model.name, prepared.statement.sql)

    if not TYPE_CHECKING:

        @property
        def __name__(self) -> str:
            # What the repr of a task shows.
            return f"Query of {self._source.model.name}"

        def __getattr__(self, name: str) -> Never:
            called = "t" if name.startswith("_") else self._source.model.name
            refuse_attribute(self, name, called if called.isidentifier() else "t")

        # What is easily written in their place; type checkers know that there is no such thing.

        def __iter__(self) -> Never:
            raise TypeError("a query is awaited first: rows = await users(...); or async for row in users(...)")

        def __getitem__(self, _: object) -> Never:
            """Refuse: a query has no rows before it is awaited.

            Raises:
                TypeError: always.

            Example:
                ```python
                oldest = (await users(order_by="-age"))[0]
                ```
            """
            raise TypeError("a query is awaited first: (await users(...))[0], or await users(...).first()")

        def __contains__(self, _: object) -> Never:
            raise TypeError("a query is awaited first: await users(email=...).exists()")

        def __len__(self) -> Never:
            raise TypeError("a query is awaited first: await users(...).count(), or len(await users(...))")

        def __bool__(self) -> bool:
            # From Python 3.13 on, the repr of a task asks whether it has a coroutine.
            if sys._getframe(1).f_globals.get("__name__") == "asyncio.base_tasks":
                return True
            raise TypeError("a query is awaited first: if await users(...).exists(): ...")

        def __reversed__(self) -> Never:
            raise TypeError("a query is awaited first: await users(order_by='-id')")

    # -- running -------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, list[R]]:
        return self._all().__await__()

    def send(self, value: Any, /) -> Any:
        """Run the query a step further, as event loops do with a coroutine that they were given as a task.

        Each task runs the query on its own, from its beginning.

        Example:
            ```python
            rows = await asyncio.create_task(users(order_by="id"))
            ```
        """
        task = _task()
        running = self._driven.get(task)
        if running is None:
            running = self._driven[task] = self._all()
        return self._step(task, lambda: running.send(value))

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> Any:
        """Raise an error where the query waits, as event loops do to cancel a task.

        Example:
            ```python
            task = asyncio.create_task(users(order_by="id"))
            task.cancel()
            await asyncio.wait([task])
            ```
        """
        error = kind if isinstance(kind, BaseException) else value if isinstance(value, BaseException) else kind()
        task = _task()
        running = self._driven.get(task)
        if running is None:
            # The task was cancelled before its first step.
            raise error.with_traceback(traceback)
        return self._step(task, lambda: running.throw(error))

    def close(self) -> None:
        """End what a task runs of the query; a query that no task runs is left as it is, to be awaited again.

        Example:
            ```python
            users(order_by="id").close()
            ```
        """
        running = self._driven.pop(_task(), None)
        if running is not None:
            running.close()

    def _step(self, task: Any, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except BaseException:
            # With StopIteration its rows are complete.
            self._driven.pop(task, None)
            raise

    async def _all(self) -> list[R]:
        prepared, columns = self._prepared(self._limit, self._offset)
        source = self._source
        rows = await source.executor.fetch(prepared.statement, prepared.args(self._values(self._limit, self._offset)))
        return Rows(self._made(rows, columns))

    async def __aiter__(self) -> AsyncIterator[R]:
        # Closed with this generator, not some time later: it holds a connection.
        async with aclosing(self._stored(STREAM_ROWS)) as pieces:
            async for columns, rows in pieces:
                for row in self._made(rows, columns):
                    yield row

    async def _stored(self, size: int) -> AsyncGenerator[tuple[tuple[str, ...], list[Any]], None]:
        """Yield (columns, rows) as the driver gives them, in pieces of at most ``size`` rows."""
        prepared, columns = self._prepared(self._limit, self._offset)
        args = prepared.args(self._values(self._limit, self._offset))
        async with aclosing(self._source.executor.stream(prepared.statement, args, size)) as pieces:
            async for _, rows in pieces:
                yield columns, rows

    async def first(self) -> R | None:
        """Return the first row, or None.

        Example:
            ```python
            oldest = await users(order_by="-age").first()
            ```
        """
        rows = await self._some(1)
        return rows[0] if rows else None

    async def one(self) -> R:
        """Return the only row.

        Raises:
            NotFoundError: no row matches.
            MultipleRowsError: more than one does.

        Example:
            ```python
            ada = await users(email="ada@example.com").one()
            ```
        """
        rows = await self._some(2)
        if not rows:
            raise self._not_found(NotFoundError, "no row matches")
        if len(rows) > 1:
            raise self._not_found(MultipleRowsError, "more than one row matches")
        return rows[0]

    def _not_found(self, kind: type[NotFoundError], what: str) -> NotFoundError:
        name = self._source.model.name
        return kind(f"{name}: {what}", table_name=name, hint="use first() for a row or None, or narrow the condition")

    async def _some(self, most: int) -> list[R]:
        limit = most if self._limit is None else min(most, self._limit)
        prepared, columns = self._prepared(limit, self._offset)
        rows = await self._source.executor.fetch(prepared.statement, prepared.args(self._values(limit, self._offset)))
        return self._made(rows, columns)

    async def count(self) -> int:
        """Return the number of matching rows; order, limit and offset do not matter.

        Example:
            ```python
            n = await users(status="active").count()
            ```
        """
        source = self._source
        prepared = self._kept(
            ("count", self._where.shape), lambda: statements.count(source.model, source.dialect, self._where)
        )
        rows = await source.executor.fetch(prepared.statement, prepared.args(self._where.values))
        return int(rows[0][0])

    async def exists(self) -> bool:
        """Return whether any row matches.

        Example:
            ```python
            taken = await users(email="ada@example.com").exists()
            ```
        """
        source = self._source
        prepared = self._kept(
            ("exists", self._where.shape),
            lambda: statements.exists(source.model, source.dialect, self._where, is_cheap=False),
        )
        return bool(await source.executor.fetch(prepared.statement, prepared.args(self._where.values)))

    async def scalars(self, column: str) -> list[Any]:
        """Return the values of one column, a list as long as the rows would be.

        Raises:
            ColumnNotFoundError: there is no such column.

        Example:
            ```python
            names = await users(order_by="id").scalars("name")
            ```
        """
        source = self._source
        name = source.model.column(column).name
        prepared, _ = self._prepared(self._limit, self._offset, (name,))
        rows = await source.executor.fetch(prepared.statement, prepared.args(self._values(self._limit, self._offset)))
        read = source.model.columns[name].read
        return [row[0] if read is None or row[0] is None else read(row[0]) for row in rows]

    async def explain(self) -> str:
        """Return the plan of the database for this query, which is not run.

        Example:
            ```python
            print(await users(email="ada@example.com").explain())
            ```
        """
        source = self._source
        prepared, _ = self._prepared(self._limit, self._offset)
        asked = Statement(rules_of(source.dialect).explain(prepared.statement.sql), reads=True)
        rows = await source.executor.fetch(asked, prepared.args(self._values(self._limit, self._offset)))
        return "\n".join([row[-1] for row in rows])

    # -- building ------------------------------------------------------------------------------

    def _values(self, limit: int | None, offset: int | None) -> dict[str, Any]:
        return {**self._where.values, "limit": limit, "offset": offset}

    def _prepared(
        self, limit: int | None, offset: int | None, only: tuple[str, ...] | None = None
    ) -> tuple[CompiledStatement, tuple[str, ...]]:
        source = self._source
        model = source.model
        columns = self._select if only is None else only
        if self._with_pk and only is None:
            columns = (*columns, *[name for name in model.pks if name not in columns])
        order_shape = order_names(self._order)
        lock = ("skip locked" if self._skip_locked else "update") if self._for_update else None
        if lock is not None:
            source.executor.must_be_inside("skip_locked" if self._skip_locked else "for_update")
        shape = None if order_shape is None else self._where.shape
        key = ("select", shape, order_shape, columns, limit is None, offset is None, lock)

        def build() -> CompiledStatement:
            return statements.select(
                model,
                source.dialect,
                columns,
                self._where,
                order=self._order,
                limit=limit is not None,
                offset=offset is not None,
                lock=lock,
            )

        return self._kept(key, build), columns

    def _kept(self, key: tuple[Any, ...], build: Callable[[], CompiledStatement]) -> CompiledStatement:
        """Return the statement of a shape, compiled at its first use; a shape of None is not kept."""
        kept: CompiledStatement = build() if key[1] is None else self._source.kept(key, build)
        return kept

    def _made(self, rows: list[Any], columns: tuple[str, ...]) -> list[R]:
        made = self._source.maker(self._select)([row[: len(self._select)] for row in rows] if self._with_pk else rows)
        if not self._with_pk:
            return made
        model = self._source.model
        places = [(columns.index(name), model.columns[name].read) for name in model.pks]
        keys: list[tuple[Any, ...]] = [
            tuple([read(row[n]) if read is not None else row[n] for n, read in places]) for row in rows
        ]
        alone = len(places) == 1
        pairs: list[Any] = [(key[0] if alone else key, row) for key, row in zip(keys, made, strict=True)]
        return pairs


def _task() -> asyncio.Task[Any] | None:
    """Return the task that runs; None outside of any event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def order_names(order: Any) -> tuple[str, ...] | None:
    """Return an order of names alone, for the shape of its statement; building that checks them."""
    if order is None:
        return ()
    if isinstance(order, str):
        return (order,)
    given: tuple[Any, ...] = (*cast("Sequence[Any]", order),) if isinstance(order, (list, tuple)) else (order,)
    return tuple(given) if all(isinstance(name, str) for name in given) else None


def _selected(model: TableModel, select: Sequence[str] | None) -> tuple[str, ...]:
    if select is None:
        return tuple(model.columns)
    if not isinstance(select, (list, tuple)) or not select:
        raise ValidationError(
            f"{model.name}: select is a list of column names", field="select", hint="select=['id', 'name']"
        )
    return tuple(model.column(name).name for name in select)
