"""Readable: what a table and a view have in common, everything that reads rows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from io import TextIOBase
from typing import IO, TYPE_CHECKING, Any, Generic, Literal, Never, TypeVar, overload

from deebase._engine.context import TableContext, conditions
from deebase._engine.transaction import Transaction
from deebase._model.native_annotations import annotations_of
from deebase._pictures.notebook import table_html
from deebase._rows.advice import refuse_attribute
from deebase._rows.makers import dataclass_of
from deebase._sql import statements
from deebase._sql.json_paths.json_parts import related_part
from deebase._sql.queries.aggregates import Aggregate
from deebase._sqltext.quoted_columns import quoted_table
from deebase._tables.described_columns import Column, described
from deebase._tables.page import Page
from deebase._tables.queries.grouped import GroupOptions, aggregate, extreme, group
from deebase._tables.queries.grouped import values as distinct_values
from deebase._tables.query import Query
from deebase._tables.selection import Selection
from deebase.errors import NotFoundError, ValidationError
from deebase.types import UNSET, JsonPath, SqlExpression, must_be_flags

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.sql import ColumnElement
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from deebase._engine.executor import Executor
    from deebase._rows.model import TableModel
    from deebase._sql.json_paths.json_parts import JsonValue
    from deebase._sql.where import Where

R = TypeVar("R")
D = TypeVar("D")
V = TypeVar("V", str, int, float, Decimal, bool)


class Readable(Generic[R]):
    """The reading half of a handle; ``R`` is the type of a row."""

    def __init__(self, source: Any) -> None:
        # Only the library makes handles, so this type is no part of the public interface.
        self._source: TableContext = source
        self._model: TableModel = source.model
        self._executor: Executor = source.executor

    def __aiter__(self) -> AsyncIterator[R]:
        return aiter(self())

    if not TYPE_CHECKING:
        # With `__getitem__` alone, Python would ask for the keys 0, 1, 2 and so on, without end.
        # Type checkers are not shown these methods, so that they refuse them too.

        def __getattr__(self, name: str) -> Never:
            if name.startswith("_"):
                # A handle that is being copied does not have its own attributes yet.
                refuse_attribute(self, name, "t")
            model = self._model
            refuse_attribute(self, name, model.name if model.name.isidentifier() else "t", model.names)

        def __iter__(self) -> Never:
            raise self._needs_await("rows = await {0}(); or async for row in {0}: ...")

        def __contains__(self, _: object) -> Never:
            raise self._needs_await("await {0}.exists(key); or await {0}.exists(email=...)")

        def __len__(self) -> Never:
            raise self._needs_await("await {0}.count()")

        def __bool__(self) -> bool:
            # Without it Python would ask for the length.
            return True

        def __reversed__(self) -> Never:
            raise self._needs_await("await {0}(order_by='-id')")

        def __await__(self) -> Never:
            raise self._needs_await("rows = await {0}(); row = await {0}[key]")

        def __setitem__(self, _: object, __: object) -> Never:
            raise self._needs_await("await {0}.update({{...}}, pk=key)")

        def __delitem__(self, _: object) -> Never:
            raise self._needs_await("await {0}.delete(key)")

        def _needs_await(self, instead: str) -> TypeError:
            kind = type(self).__name__.lower()
            name = self.name if self.name.isidentifier() else kind
            return TypeError(f"a {kind} holds no rows itself, it asks the database: {instead.format(name)}")

    def __repr__(self) -> str:
        model, scope = self._model, self._source.scope
        limits = f" where {', '.join(scope.columns)} is given" if scope else ""
        return f"<{type(self).__name__} {model.name} ({', '.join(model.columns)}){limits}>"

    def __str__(self) -> str:
        """Return the quoted name, for SQL text of your own; a scope is not part of it."""
        return quoted_table(self.sa_table)

    def __sql__(self) -> str:
        if self._source.own_scope:
            raise ValidationError(
                f"{self.name}: a handle with a scope cannot stand in SQL text, which would see all rows",
                hint="write the conditions into the text, and use the handle without a scope",
            )
        return str(self)

    def _repr_html_(self) -> str:
        return table_html(self._model, self._source.dialect, getattr(self, "indexes", ()))

    @property
    def name(self) -> str:
        """The name in the database."""
        return self._model.name

    @property
    def sa_table(self) -> sa.Table:
        """SQLAlchemy's Table, for Core statements of your own; it has no scope."""
        return self._model.sa_table

    @property
    def c(self) -> ReadOnlyColumnCollection[str, sa.Column[Any]]:
        """SQLAlchemy's columns: ``users.c.age > 30`` is a condition."""
        return self._model.sa_table.c

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._model.names

    @property
    def pks(self) -> tuple[str, ...]:
        """Names of the key columns."""
        return self._model.pks

    @property
    def secure(self) -> tuple[str, ...]:
        """Names of the columns that secure the rows: ``db.acting`` says which values are seen and written."""
        return self._model.secure

    @property
    def searchable(self) -> tuple[str, ...]:
        """Names of the columns that ``search`` looks into; empty if there is no search, as for views."""
        facts = self._source.catalog.facts(self._model.name)
        return () if facts is None or facts.search is None else facts.search.search.columns

    def describe(self, *names: str) -> tuple[Column, ...]:
        """Return what is known of each column: its type, its limits, its default and what it refers to.

        Args:
            *names: columns, and paths to those of related rows; all columns of the table if none is given.

        Raises:
            SchemaError: a name is not a column.

        Example:
            ```python
            required = [column.name for column in users.describe() if not column.optional]
            ```
        """
        return described(self._source, names)

    def dataclass(self) -> type[Any]:
        """Return the dataclass of the rows, created at the first call; handles return its instances from then on.

        Every field has the default UNSET, which is "not given" in insert and update. Handles made by
        ``rows_as`` keep their type. The rows of a table that was created from a dataclass are of that class.

        Raises:
            ValidationError: a column has a name that cannot be a field's.

        Example:
            ```python
            User = users.dataclass()
            row = await users.insert(User(name="Ada", email="ada@example.com"))
            ```
        """
        model = self._model
        if model.row_type is dict:
            catalog = self._source.catalog
            hints = annotations_of(model, catalog.facts(model.name), self._source.dialect)
            catalog.set_row_type(model, dataclass_of(model, hints))
        return model.row_type

    def transaction(self) -> Transaction:
        """Open a transaction of the table's database, as ``db.transaction()`` does.

        Example:
            ```python
            async with users.transaction():
                row = await users.get(1, for_update=True)
                await users.update(pk=1, age=row["age"] + 1)
            ```
        """
        return self._executor.transaction()

    # -- by key --------------------------------------------------------------------------------

    def __getitem__(self, pk: Any) -> Coroutine[Any, Any, R]:
        """Return the coroutine of ``get(pk)``; an un-awaited one warns at the caller's line.

        Example:
            ```python
            row = await users[1]
            row = await lines[order, number]  # a composite key
            ```
        """
        return self.get(pk)

    @overload
    async def get(self, pk: Any, /, *, for_update: bool = False) -> R: ...

    @overload
    async def get(self, pk: Any, /, *, default: D, for_update: bool = False) -> R | D: ...

    async def get(
        self,
        pk: Any = UNSET,
        /,
        *surplus: Never,
        default: Any = UNSET,
        for_update: bool = False,
        **columns: Never,
    ) -> Any:
        """Return the row with this key.

        Args:
            pk: the key; a tuple for a composite key.
            default: returned when no such row exists, instead of the error.
            for_update: lock the row until the transaction ends (PostgreSQL; SQLite's write
                transactions hold the whole database anyway).

        Raises:
            NotFoundError: no such row exists, and no default was given.
            ValidationError: no key, several, or columns.
            TransactionError: ``for_update`` outside of a transaction.

        Example:
            ```python
            row = await users.get(1, default=None)
            ```
        """
        model, source = self._model, self._source
        if columns or surplus or pk is UNSET:
            raise source.no_single_key("get", (pk, *surplus), columns)
        key = model.key_values(pk)
        if for_update is not False:
            must_be_flags(for_update=for_update)
            rows = await self._locked(key)
        else:
            read = source.by_pk
            if read is None:
                read = source.by_pk = source.keyed_read(model.pks, model.names)
            rows = await self._executor.fetch_by_key(read, read.args(key, source.scope))
        if rows:
            return source.row(rows[0])
        if default is UNSET:
            raise source.not_found(model.pks, pk)
        return default

    async def _locked(self, key: tuple[Any, ...]) -> list[Any]:
        self._executor.must_be_inside("for_update")
        where = self._source.where()
        for name, value in zip(self._model.pks, key, strict=True):
            where.equal(name, value)
        statement = self._source.cached(
            ("get", "update", self._source.scope.shape),
            lambda: statements.select(
                self._model, self._source.dialect, self._model.names, where, lock="update", is_cheap=True
            ),
        )
        return await self._executor.fetch(statement.statement, statement.args(where.values))

    # -- by condition --------------------------------------------------------------------------

    async def lookup(self, /, *where: Any, **keywords: Any) -> R:
        """Return the first row that matches, in key order.

        Raises:
            NotFoundError: no row matches.

        Example:
            ```python
            row = await users.lookup(email="ada@example.com")
            ```
        """
        row = await self._matching(where, keywords, Selection(order_by=list(self._model.pks) or None)).first()
        if row is None:
            raise NotFoundError(
                f"{self._model.name}: no row matches",
                table_name=self._model.name,
                filters=dict(keywords),
                hint="the conditions by keyword are in .filters of this error; t(...).first() returns None instead",
            )
        return row

    def _matching(
        self, where: Sequence[Any], columns: Mapping[str, Any], selection: Selection | None = None
    ) -> Query[R]:
        """Return the query of the rows that match conditions by position and by column alone."""
        return Query(self._source, self._conditions(where, columns), selection)

    @overload
    def __call__(
        self,
        /,
        *conditions_: Any,
        select: Mapping[str, Any],
        where: Any = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        distinct: bool = False,
        with_pk: bool = False,
        for_update: bool = False,
        skip_locked: bool = False,
        **keywords: Any,
    ) -> Query[dict[str, Any]]: ...

    @overload
    def __call__(
        self,
        /,
        *conditions_: Any,
        where: Any = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        select: Sequence[Any] | None = None,
        distinct: bool = False,
        with_pk: bool = False,
        for_update: bool = False,
        skip_locked: bool = False,
        **keywords: Any,
    ) -> Query[R]: ...

    def __call__(
        self,
        /,
        *conditions_: Any,
        where: Any = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        select: Sequence[Any] | Mapping[str, Any] | None = None,
        distinct: bool = False,
        with_pk: bool = False,
        for_update: bool = False,
        skip_locked: bool = False,
        **keywords: Any,
    ) -> Query[Any]:
        """Return a query: await it for a list of rows, iterate it for a stream.

        A column may also be a path over foreign keys, such as ``"author_id.name"``, the ``name`` of the row that
        ``author_id`` refers to. It is None where there is no such row.

        Args:
            *conditions_: SQLAlchemy expressions, or SQL text followed by its parameters.
            where: a dict of columns or paths and values, as the keywords; or SQL text, with ``params`` (a list for
                ``?``, a dict for ``:name``); or an expression, or a list of conditions.
            params: the parameters of ``where``.
            order_by: a column or path or a list of them (``"-age"`` and ``"age desc"`` are descending), or
                SQLAlchemy expressions. Without it the order is the database's.
            limit: the largest number of rows.
            offset: how many rows to skip first.
            select: only these columns. With a path among them, or as a dict of columns and expressions by the names
                that they get, rows are dicts.
            distinct: equal rows count once.
            with_pk: pairs of (key, row) instead of rows.
            for_update: lock the rows until the transaction ends (PostgreSQL); only in a transaction.
            skip_locked: skip rows that another transaction has locked (PostgreSQL); only in a transaction.
            **keywords: ``column=value``; None means IS NULL; a list, tuple or set means IN.

        Raises:
            SchemaError: a name is not a column.
            ValidationError: a value that does not fit, a broken fragment, a negative limit.

        Example:
            ```python
            rows = await users("age > ? and name like ?", [30, "a%"], order_by="-age", limit=20)
            rows = await posts(select=["title", "author_id.name"], where={"author_id.status": "active"})
            ```
        """
        return Query(
            self._source,
            conditions(self._source, conditions_, keywords, where, params),
            Selection(order_by, limit, offset, select, with_pk, for_update, skip_locked, distinct),
        )

    def _selecting(self, conditions_: Sequence[Any], selection: Mapping[str, Any]) -> Query[R]:
        """Return the query of a call of the table with options that are not known here."""
        call: Any = self
        query: Query[R] = call(*conditions_, **selection)
        return query

    @overload
    def json(self, column: str, /, *path: str | int, as_: None = None) -> JsonValue: ...

    @overload
    def json(self, column: str, /, *path: str | int, as_: type[V]) -> ColumnElement[V]: ...

    def json(self, column: str, /, *path: str | int, as_: Any = None) -> Any:
        """Return a part of the JSON documents of a column, as an expression for conditions, ``select`` and so on.

        Args:
            column: a column of JSON; or its path over foreign keys, such as ``"author_id.settings"``.
            *path: keys of objects, and indexes of arrays, of which -1 is the last; nothing for the whole document.
            as_: the type of the values: ``str``, ``int``, ``float``, ``Decimal`` or ``bool``. The expression is then
                compared, sorted and summed up as a column of it. It is NULL where the path leads nowhere, or to a value
                of another type.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: the column does not hold JSON, a wrong path, or another type.

        Example:
            ```python
            popular = await posts(posts.json("meta", "stats", "views", as_=int) > 10)
            bugs = await posts(posts.json("meta", "tags").contains("bug"))
            ```
        """
        source = self._source
        return related_part(source.catalog, self._model, source.dialect, JsonPath(column, *path, as_=as_))

    async def export_file(
        self,
        /,
        target: str | os.PathLike[str] | IO[Any] | TextIOBase,
        *conditions_: Any,
        format: Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"] | None = None,
        delimiter: str | None = None,
        overwrite: bool = False,
        escape_formulas: bool = False,
        progress: Callable[[int], object] | None = None,
        **selection: Any,
    ) -> int:
        """Write rows to a file and return their number; ``Query.export`` has the formats and options.

        Args:
            target: a path, a file object, or "-" for standard output.
            *conditions_: as in a call of the table.
            format: as in ``Query.export``.
            delimiter: as in ``Query.export``.
            overwrite: as in ``Query.export``.
            escape_formulas: as in ``Query.export``.
            progress: as in ``Query.export``.
            **selection: conditions by column, and options such as ``order_by``, as in a call of the table.

        Example:
            ```python
            await users.export_file("adults.csv", users.c.age >= 18, order_by="name", overwrite=True)
            ```
        """
        rows = self._selecting(conditions_, selection)
        return await rows.export(
            target,
            format=format,
            delimiter=delimiter,
            overwrite=overwrite,
            escape_formulas=escape_formulas,
            progress=progress,
        )

    async def page(self, /, *conditions_: Any, size: int = 50, after: str | None = None, **selection: Any) -> Page[R]:
        """Return a page of rows, which costs the same for any number of rows; see ``Query.page``.

        Args:
            *conditions_: as in a call of the table; the same for each page.
            size: rows of a page, 1 to 10,000.
            after: ``page.next`` or ``page.previous`` of another page; None for the first.
            **selection: conditions by column, and options such as ``order_by``, as in a call of the table.

        Example:
            ```python
            page = await users.page(size=50, order_by="-age")
            while page.next:
                page = await users.page(size=50, order_by="-age", after=page.next)
            ```
        """
        return await self._selecting(conditions_, selection).page(size=size, after=after)

    async def count(self, /, *where: Any, distinct: Any = None, **keywords: Any) -> int:
        """Return the number of rows that match.

        Args:
            *where: conditions, as in a call of the table.
            distinct: count the different values of this column instead, NULL left out.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Example:
            ```python
            n = await users.count(status="active")
            names = await users.count(distinct="name")
            ```
        """
        return await self._matching(where, keywords).count(distinct=distinct)

    async def sum(self, column: Any, /, *where: Any, **keywords: Any) -> Any:
        """Return the sum of a column, exact for int and Decimal; None, as in SQL, if no row has a value.

        Args:
            column: a name, a path or an expression of numbers, or of timedeltas. Of bool it is the number of True.
            *where: conditions, as in a call of the table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: its values have no sum.

        Example:
            ```python
            total = await users.sum("age", status="active") or 0
            ```
        """
        return await self._aggregate("sum", column, where, keywords)

    async def avg(self, column: Any, /, *where: Any, **keywords: Any) -> Any:
        """Return the mean of a column: of int a float, of Decimal a Decimal of 28 digits; None if no row has a value.

        Args:
            column: as for ``sum``.
            *where: conditions, as in a call of the table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: its values have no mean.

        Example:
            ```python
            mean = await users.avg("age", users.c.age >= 18)
            ```
        """
        return await self._aggregate("avg", column, where, keywords)

    async def min(self, column: Any, /, *where: Any, **keywords: Any) -> Any:
        """Return the least value of a column, in the order in which it is sorted; None if no row has a value.

        Args:
            column: a name, a path or an expression.
            *where: conditions, as in a call of the table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: its values have no order.

        Example:
            ```python
            youngest = await users.min("age")
            ```
        """
        return await extreme(self._source, self._conditions(where, keywords), column, largest=False)

    async def max(self, column: Any, /, *where: Any, **keywords: Any) -> Any:
        """Return the greatest value of a column, in the order in which it is sorted; None if no row has a value.

        Args:
            column: as for ``min``.
            *where: conditions, as in a call of the table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: its values have no order.

        Example:
            ```python
            latest = await posts.max("created_at", author_id=1)
            ```
        """
        return await extreme(self._source, self._conditions(where, keywords), column, largest=True)

    async def _aggregate(self, kind: Any, column: Any, where: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        return await aggregate(self._source, self._conditions(where, keywords), Aggregate(kind, column))

    def _conditions(self, where: Sequence[Any], keywords: Mapping[str, Any]) -> Where:
        """Return conditions by position and by column."""
        return conditions(self._source, where, keywords)

    @overload
    async def values(
        self, column: Any, /, *where: Any, counts: Literal[False] = False, **keywords: Any
    ) -> list[Any]: ...

    @overload
    async def values(self, column: Any, /, *where: Any, counts: Literal[True], **keywords: Any) -> dict[Any, int]: ...

    async def values(self, column: Any, /, *where: Any, counts: bool = False, **keywords: Any) -> Any:
        """Return the different values of a column, sorted; None is the last one.

        Args:
            column: a name, a path, an expression, or a period of ``deebase.queries``.
            *where: conditions, as in a call of the table.
            counts: return a dict of values and the number of rows that have each.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: documents, which cannot be compared.

        Example:
            ```python
            states = await users.values("status")
            frequencies = await users.values("status", users.c.age > 30, counts=True)
            ```
        """
        return await distinct_values(self._source, self._conditions(where, keywords), column, counts=counts)

    async def group(
        self,
        /,
        *columns: Any,
        where: Any = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        having: Any = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        by: Any = None,
        **outputs: Any,
    ) -> list[dict[str, Any]]:
        """Return one dict for each group of rows that are equal in some columns.

        Args:
            *columns: names, paths, expressions, and periods such as ``month("created_at")``; or one dict of them by the
                names that they get. Without any, all rows are one group.
            where: conditions: a dict, SQL text with ``params``, an expression, or a list of what a call of the table
                takes by position.
            params: the parameters of ``where``.
            having: conditions on the groups, such as ``count() > 5``; a list of them is joined with AND.
            order_by: names of columns of the result, ``"-total"`` is descending. Without it the order is the
                database's.
            limit: the largest number of groups.
            offset: how many groups to skip first.
            by: the columns as one argument instead: one, a list, or a dict.
            **outputs: further columns by their names: ``n=count()``, ``total=sum_("amount")`` and the like of
                ``deebase.queries``, or SQLAlchemy expressions.

        Returns:
            Dicts with the columns of the groups and the outputs. A group of NULL has None.

        Raises:
            SchemaError: a name is not a column.
            ValidationError: two columns of one name, documents, an aggregate that a column does not have, an output
                that is different for each row of a group.

        Example:
            ```python
            from deebase.queries import count, max_

            rows = await posts.group("author_id.name", n=count(), latest=max_("created_at"), order_by="-n", limit=10)
            ```
        """
        options = GroupOptions(where, params, having, order_by, limit, offset, by)
        return await group(self._source, columns, outputs, options)

    async def exists(self, /, *where: Any, **keywords: Any) -> bool:
        """Return whether a row exists: by key, by conditions as in a call of the table, or any row at all.

        ``table_exists`` asks whether the table itself exists.

        Example:
            ```python
            has_first = await users.exists(1)
            taken = await users.exists(email="ada@example.com")
            filled = await users.exists()
            ```
        """
        model = self._model
        if len(where) == 1 and not keywords and _is_key(where[0], model):
            return bool(await self._source.by_key(model.pks, model.key_values(where[0]), model.pks))
        return await self._matching(where, keywords).exists()

    async def table_exists(self) -> bool:
        """Return whether the table or view itself exists in the database.

        Example:
            ```python
            made = await users.table_exists()
            ```
        """
        source = self._source
        statement = source.cached(("table exists",), lambda: statements.table_exists(source.model, source.dialect))
        return bool(await self._executor.fetch(statement.statement, statement.args({})))


def _is_key(item: Any, model: TableModel) -> bool:
    """Tell a key from a condition: SQL text is a condition, unless the key is a text itself."""
    if hasattr(item, "__clause_element__") or isinstance(item, SqlExpression):
        return False
    return not isinstance(item, str) or (len(model.pks) == 1 and model.columns[model.pks[0]].is_text)
