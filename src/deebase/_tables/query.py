"""``t(...)``: a select that is built now and sent when it is awaited or iterated."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import aclosing
from io import TextIOBase
from typing import IO, TYPE_CHECKING, Any, Generic, Literal, Never, TypeVar

from deebase._engine.context import TableContext
from deebase._pictures.notebook import Rows, query_html
from deebase._rows.advice import refuse_attribute
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sql.json_paths.json_parts import JsonPart
from deebase._sql.queries.aggregates import Aggregate
from deebase._sql.queries.grouping import Grouping, count_groups, groups
from deebase._sql.queries.paths import is_path
from deebase._sql.sql_rules import rules_of
from deebase._sql.statement import Statement
from deebase._sql.where import Where
from deebase._tables.page import Page
from deebase._tables.paging import page_of
from deebase._tables.queries.grouped import aggregate
from deebase._tables.queries.selected_columns import Reading, plain_reading, reading_of
from deebase._tables.selection import Selection, listed, order_names
from deebase.errors import MultipleRowsError, NotFoundError, ValidationError

R = TypeVar("R")

#: Rows of one piece of a stream.
STREAM_ROWS = 1000


class Query(Coroutine[Any, Any, list[R]], Generic[R]):
    """An immutable select: await it for a list, iterate it for a stream, or call one of its methods.

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

    __slots__ = ("_columns", "_driven", "_limit", "_offset", "_reading", "_selection", "_source", "_where")

    def __init__(self, source: Any, where: Any, selection: Any = None) -> None:
        # Only the library makes queries, so these types are not part of the public interface.
        self._source: TableContext = source
        self._where: Where = where
        self._selection: Selection = Selection() if selection is None else selection
        chosen = self._selection
        limit, offset = chosen.limit, chosen.offset
        if not (chosen.with_pk is chosen.for_update is chosen.skip_locked is chosen.distinct is False):
            chosen.check_flags()
        self._limit = None if limit is None else statements.whole_number("limit", limit)
        self._offset = None if offset is None else statements.whole_number("offset", offset)
        plain = plain_reading(source.model, self._selection)
        self._reading: Reading = reading_of(source, where, self._selection) if plain is None else plain
        #: What is read: the selected columns, then those of the key that are missing.
        self._columns: tuple[str, ...] = self._reading.columns
        if self._selection.with_pk:
            keys = source.model.key_columns("with_pk")
            self._columns = (*self._columns, *[name for name in keys if name not in self._columns])
        #: The coroutine of each task that was made of this query, and of None outside of any.
        self._driven: dict[Any, Coroutine[Any, Any, list[R]]] = {}

    def __repr__(self) -> str:
        return f"<Query of {self._source.model.name}: await it for a list, or iterate it>"

    def _repr_html_(self) -> str:
        return query_html(self._source.model.name, self._prepared(self._columns, self._limit)[0].sql)

    if not TYPE_CHECKING:

        @property
        def __name__(self) -> str:
            # What the repr of a task shows.
            return f"Query of {self._source.model.name}"

        def __getattr__(self, name: str) -> Never:
            called = "t" if name.startswith("_") else self._source.model.name
            refuse_attribute(self, name, called if called.isidentifier() else "t")

        # Common mistakes; type checkers are not shown these methods, so that they refuse them too.

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
        """Run the query one step further, as an event loop does with the coroutine of a task.

        Each task runs the query by itself, from its beginning.

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
        """End the run of the query in the current task; the query can be awaited again.

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
            # StopIteration ends a complete run.
            self._driven.pop(task, None)
            raise

    async def _all(self) -> list[R]:
        return Rows(self._made(await self._fetch(self._columns, self._limit)))

    def __aiter__(self) -> AsyncIterator[R]:
        return self.stream()

    async def stream(self) -> AsyncGenerator[R, None]:
        """Yield the rows from a cursor of the database, as ``async for row in users(...)`` does.

        Example:
            ```python
            async with aclosing(users(order_by="id").stream()) as rows:
                async for row in rows:
                    print(row)
            ```
        """
        # Closed with this generator, not some time later: it holds a connection.
        async with aclosing(self._stored(STREAM_ROWS)) as pieces:
            async for _, rows in pieces:
                for row in self._made(rows):
                    yield row

    async def _stored(self, size: int) -> AsyncGenerator[tuple[tuple[str, ...], list[Any]], None]:
        """Yield (columns, rows) as the driver gives them, in pieces of at most ``size`` rows."""
        statement, args = self._prepared(self._columns, self._limit)
        async with aclosing(self._source.executor.stream(statement, args, size)) as pieces:
            async for _, rows in pieces:
                yield self._columns, rows

    async def page(self, *, size: int = 50, after: str | None = None) -> Page[R]:
        """Return a page of rows, found by the values of a neighbouring row rather than by counting (keyset).

        A page costs the same for any number of rows. Rows that others insert or delete between two pages
        make no row appear twice or go missing. The order is that of the query, the key by default; the key decides
        between equal rows. NULLs come where the database sorts them: first on SQLite, last on PostgreSQL, the other
        way round when descending.

        Args:
            size: rows of a page, 1 to 10,000.
            after: ``page.next`` or ``page.previous`` of another page; None for the first.

        Returns:
            The page: ``rows``, and ``next`` and ``previous``, which are None where no such page exists.

        Raises:
            ValidationError: a broken cursor, one of another order, a size out of range, a limit or offset.
            InvalidOperationError: the table has no key, which tells equal rows apart.

        Example:
            ```python
            grown_up = users(users.c.age >= 18, order_by="-age")
            page = await grown_up.page(size=50)
            while page.next:
                page = await grown_up.page(size=50, after=page.next)
            ```
        """
        return await page_of(self._source, self._where, self._selection, size=size, after=after, reading=self._reading)

    async def export(
        self,
        target: str | os.PathLike[str] | IO[Any] | TextIOBase,
        *,
        format: Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"] | None = None,
        delimiter: str | None = None,
        overwrite: bool = False,
        escape_formulas: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write the rows to a CSV, TSV, JSON, NDJSON, Parquet or Excel file, which is complete or absent.

        Args:
            target: a path (``people.csv``, ``people.json.gz``, ``people.csv.zip``), a binary or text file object, or
                "-" for standard output.
            format: by default, what the name of the file says.
            delimiter: between fields; a comma, or a tab for TSV, by default.
            overwrite: replace an existing file.
            escape_formulas: in a CSV or TSV file, write an apostrophe before texts that spreadsheets run as formulas:
                those that begin with ``=``, ``+``, ``-``, ``@``, a tab or the end of a line. Numbers stay.
            progress: called from time to time with the number of rows.

        Returns:
            The number of rows.

        Raises:
            InvalidOperationError: the file exists, cannot be written or cannot hold a value, or its format needs a
                library that is not installed.
            ValidationError: an unknown format.

        Example:
            ```python
            await users(users.c.age >= 18, order_by="name").export("adults.csv", overwrite=True)
            ```
        """
        # Here, because zip archives and the like are needed by those alone who export files.
        from deebase._files.exporting import Export

        model, chosen = self._source.model, self._selection
        chosen.refuse("export", "select=[...] names the columns, those of the key among them", "with_pk")
        file = Export(
            target,
            format=format,
            delimiter=delimiter,
            overwrite=overwrite,
            table=model.sa_table.name,
            escape_formulas=escape_formulas,
        )
        order = list(model.pks) if chosen.order_by is None and not chosen.distinct else chosen.order_by
        rows = Query[dict[str, Any]](self._source.with_rows(dict), self._where, chosen._replace(order_by=order))
        model, names, titles, _ = self._reading
        types = {title: model.columns[name].sa_type for title, name in zip(titles or names, names, strict=True)}
        return await file.write(types, rows, progress)

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
        return self._made(await self._fetch(self._columns, limit))

    async def count(self, *, distinct: Any = None) -> int:
        """Return the number of matching rows; order, limit and offset do not matter.

        Args:
            distinct: count the different values of this column instead, NULL left out: a name, a path or an expression.

        Example:
            ```python
            n = await users(status="active").count()
            names = await users(status="active").count(distinct="name")
            ```
        """
        source, where = self._source, self._where
        if distinct is not None:
            return int(await aggregate(source, where.copy(), Aggregate("count", distinct, distinct=True)))
        if self._selection.distinct:
            return await self._count_distinct()
        key = None if where.shape is None else ("count", where.shape)
        statement = source.cached(key, lambda: statements.count(source.model, source.dialect, where))
        rows = await source.executor.fetch(*statement.ready(where.values))
        return int(rows[0][0])

    async def _count_distinct(self) -> int:
        source, where, model = self._source, self._where, self._reading.model
        grouping = Grouping(self._columns, len(self._columns))
        key = None if where.shape is None else ("count groups", where.shape, model.joins, grouping)
        statement = source.cached(key, lambda: count_groups(model, source.dialect, where, grouping))
        rows = await source.executor.fetch(*statement.ready(where.values))
        return int(rows[0][0])

    async def exists(self) -> bool:
        """Return whether any row matches.

        Example:
            ```python
            taken = await users(email="ada@example.com").exists()
            ```
        """
        source, where = self._source, self._where
        key = None if where.shape is None else ("exists", where.shape)
        statement = source.cached(key, lambda: statements.exists(source.model, source.dialect, where, is_cheap=False))
        return bool(await source.executor.fetch(*statement.ready(where.values)))

    async def scalars(self, column: str | JsonPart | None = None) -> list[Any]:
        """Return the values of one column, a list as long as the rows would be.

        Args:
            column: a name, a path to a column of a related row, or a part of JSON documents; by default the only column
                that is selected.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: no column is given, and the rows have several.

        Example:
            ```python
            names = await users(order_by="id").scalars("name")
            ```
        """
        query: Query[Any] = self
        given: Any = column
        if given is None:
            if len(self._reading.columns) != 1:
                raise ValidationError(
                    f"{self._source.model.name}: scalars of rows with {len(self._reading.columns)} columns",
                    field="column",
                    hint="name the column: .scalars('name'), or select=['name']",
                )
            (given,) = self._reading.columns
        elif isinstance(given, JsonPart) or (isinstance(given, str) and is_path(self._source.model, given)):
            chosen = self._selection._replace(select=[given], with_pk=False)
            query = Query(self._source, self._where.copy(), chosen)
            given = query._reading.columns[0]
        known = query._reading.model.column(given)
        rows = await query._fetch((known.name,), self._limit)
        read = known.read
        return [row[0] if read is None or row[0] is None else read(row[0]) for row in rows]

    async def arrow(self, *, json: Literal["text", "struct"] = "text") -> Any:
        """Return the rows as an Arrow table, whose types are those of the table, the same on both databases.

        Outside of a transaction, the driver of PostgreSQL for Arrow reads a large result, on a connection of its own.
        Otherwise the table is made of rows.

        Args:
            json: documents are text, or what Arrow infers of all of them: objects become structs.

        Raises:
            InvalidOperationError: pyarrow is not installed (``pip install 'deebase[arrow]'``).
            DataError: a value does not fit the Arrow type of its column.

        Example:
            ```python
            table = await users(users.c.age >= 18, order_by="name").arrow()
            print(table.schema)
            ```
        """
        # Here, because only programs with Arrow tables need it.
        from deebase._tables.arrow_results import arrow_table, columns_of

        source = self._source
        self._selection.refuse("arrow", "select=[...] names the columns, those of the key among them", "with_pk")
        columns = columns_of(*self._reading[:3])
        prepared = self._prepared(self._columns, self._limit)
        return await arrow_table(source.executor, columns, *prepared, limit=self._limit, json=json)

    async def polars(self, *, json: Literal["text", "struct"] = "text") -> Any:
        """Return the rows as a frame of polars; ``arrow`` has the types.

        Args:
            json: as in ``arrow``.

        Raises:
            InvalidOperationError: polars or pyarrow is not installed, or polars has no type for a column.
            DataError: as in ``arrow``.

        Example:
            ```python
            frame = await users(order_by="age").polars()
            ```
        """
        from deebase._tables.arrow_results import polars_frame

        return polars_frame(await self.arrow(json=json))

    async def pandas(self, *, json: Literal["text", "struct"] = "text") -> Any:
        """Return the rows as a frame of pandas, whose columns have the types of Arrow; ``arrow`` lists them.

        Args:
            json: as in ``arrow``.

        Raises:
            InvalidOperationError: pandas or pyarrow is not installed.
            DataError: as in ``arrow``.

        Example:
            ```python
            frame = await users(order_by="age").pandas()
            ```
        """
        from deebase._tables.arrow_results import pandas_frame

        return pandas_frame(await self.arrow(json=json))

    async def explain(self) -> str:
        """Return the plan of the database for this query, which is not run.

        Example:
            ```python
            print(await users(email="ada@example.com").explain())
            ```
        """
        source = self._source
        statement, args = self._prepared(self._columns, self._limit)
        asked = Statement(rules_of(source.dialect).plans.explain(statement.sql), reads=True)
        rows = await source.executor.fetch(asked, args)
        return "\n".join([row[-1] for row in rows])

    # -- building ------------------------------------------------------------------------------

    def _fetch(self, columns: tuple[str, ...], limit: int | None) -> Awaitable[list[Any]]:
        """Return, to be awaited, the driver's rows of these columns, at most ``limit`` of them."""
        return self._source.executor.fetch(*self._prepared(columns, limit))

    def _prepared(self, columns: tuple[str, ...], limit: int | None) -> tuple[Statement, list[Any]]:
        """Return the statement that selects these columns, at most ``limit`` rows, and its parameters."""
        source, chosen, where = self._source, self._selection, self._where
        if chosen.distinct:
            return self._prepared_distinct(columns, limit)
        order, offset = order_names(self._reading.order), self._offset
        lock = chosen.lock(source.executor)
        model = self._reading.model
        key = None
        if where.shape is not None and order is not None:
            key = ("select", where.shape, order, columns, limit is None, offset is None, lock, model.joins)

        def build() -> CompiledStatement:
            return statements.select(
                model,
                source.dialect,
                columns,
                where,
                order=self._reading.order,
                limit=limit is not None,
                offset=offset is not None,
                lock=lock,
            )

        statement = source.cached(key, build)
        return statement.ready({**where.values, "limit": limit, "offset": offset})

    def _prepared_distinct(self, columns: tuple[str, ...], limit: int | None) -> tuple[Statement, list[Any]]:
        """Return the statement that selects the different values of these columns, and its parameters."""
        source, where, model, offset = self._source, self._where, self._reading.model, self._offset
        reading = self._reading if columns == self._columns else Reading(model, columns)
        order = tuple([reading.place(item) for item in listed(self._selection.order_by)])
        grouping = Grouping(columns, len(columns), order, limit is not None, offset is not None)
        key = None if where.shape is None else ("group", where.shape, model.joins, grouping, 0)
        statement = source.cached(key, lambda: groups(model, source.dialect, where, grouping))
        return statement.ready({**where.values, "limit": limit, "offset": offset})

    def _made(self, rows: list[Any]) -> list[R]:
        made: list[Any] = self._reading.maker(self._source)(rows)
        if not self._selection.with_pk:
            return made
        model = self._source.model
        places = [(self._columns.index(name), model.columns[name].read) for name in model.pks]
        keys: list[tuple[Any, ...]] = [
            tuple([read(row[n]) if read is not None else row[n] for n, read in places]) for row in rows
        ]
        alone = len(places) == 1
        pairs: list[Any] = [(key[0] if alone else key, row) for key, row in zip(keys, made, strict=True)]
        return pairs


Query.__module__ = "deebase"


def conditions_of(query: Query[Any]) -> Where:
    """Return the conditions of a query that no caller has seen yet, so that more can be added to them."""
    return query._where  # pyright: ignore[reportPrivateUsage]


def _task() -> asyncio.Task[Any] | None:
    """Return the task that runs; None outside of any event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
