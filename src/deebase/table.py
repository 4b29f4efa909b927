"""Table: the handle through which rows of one table are written and read."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from deebase._bulk import insert_many
from deebase._rows.makers import dataclass_of
from deebase._rows.records import values_of
from deebase._source import Source, conditions
from deebase._sql import statements
from deebase._sql.compiled import Prepared
from deebase._sql.keyed import KeyedRead
from deebase._sql.where import Where, key_condition
from deebase.errors import InvalidOperationError, NotFoundError, ValidationError
from deebase.query import Query
from deebase.types import UNSET, SqlExpression, Unset

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    from deebase._engine.executor import Executor
    from deebase._rows.model import TableModel

R = TypeVar("R")
D = TypeVar("D")
T = TypeVar("T")


class Table(Generic[R]):
    """One table and the type of its rows; immutable, cheap, safe to share between tasks.

    Made by ``await db.create(cls)``. ``R`` is the type of a row: the dataclass the table was created
    from, else ``dict[str, Any]``.

    Example:
        ```python
        users = await db.create(User)
        row = await users.insert(name="Ada", email="ada@example.com")
        row = await users[row["id"]]
        ```
    """

    def __init__(self, source: Any) -> None:
        # Only the library makes tables, so this type is no part of the public interface.
        self._source: Source = source
        self._model: TableModel = source.model
        self._executor: Executor = source.executor

    def __repr__(self) -> str:
        return f"<Table {self._model.name} ({', '.join(self._model.columns)})>"

    @property
    def name(self) -> str:
        """The table's name in the database."""
        return self._model.name

    @property
    def sa_table(self) -> sa.Table:
        """SQLAlchemy's Table, for Core statements of your own."""
        return self._model.sa_table

    @property
    def c(self) -> ReadOnlyColumnCollection[str, sa.Column[Any]]:
        """SQLAlchemy's columns: ``users.c.age > 30`` is a condition."""
        return self._model.sa_table.c

    @property
    def pks(self) -> tuple[str, ...]:
        """Names of the key columns."""
        return self._model.pks

    def rows_as(self, row_type: type[T]) -> Table[T]:
        """Return a new handle whose rows are ``row_type``: dict, a dataclass, pydantic, attrs, msgspec.

        Args:
            row_type: fields are matched to columns by name.

        Raises:
            ValidationError: instances of the class cannot be made from columns.

        Example:
            ```python
            plain = posts.rows_as(dict)
            ```
        """
        source = Source(self._executor, self._source.dialect, self._model, row_type)
        source.maker(self._model.names)
        return Table(source)

    def dataclass(self) -> type[Any]:
        """Return the dataclass of the table's rows, made at the first call; handles return it from then on.

        Every field has the default UNSET, which is "not given" in insert and update. Handles made by
        ``rows_as`` keep the type they were asked for. A table that was created from a dataclass has it already.

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
            model.row_type = dataclass_of(model)
        return model.row_type

    # -- shapes --------------------------------------------------------------------------------

    def _kept(self, key: tuple[Any, ...], build: Callable[[], Prepared]) -> Prepared:
        kept: Prepared | None = self._model.statements.get(key)
        if kept is not None:
            return kept
        prepared = self._model.statements[key] = build()
        return prepared

    def _rows(self, rows: list[Any]) -> list[R]:
        """Return rows of RETURNING in the row type."""
        made: list[R] = self._source.maker(self._model.names, returned=True)(rows)
        return made

    def _keyed(
        self, shape: tuple[Any, ...], build: Callable[[Where], Prepared], pk: Any, values: Mapping[str, Any]
    ) -> tuple[Prepared, list[Any]]:
        """Return the statement by key of a shape, and its parameters."""
        model = self._model
        key = model.key_values(pk)
        prepared: Prepared | None = model.statements.get(shape)
        if prepared is None:
            where = Where(model)
            key_condition(where, pk)
            prepared = model.statements[shape] = build(where)
        return prepared, prepared.args({**values, **dict(zip(model.key_sources, key, strict=True))})

    async def _returning(self, prepared: Prepared, values: Mapping[str, Any]) -> list[R]:
        return self._rows(await self._executor.fetch(prepared.statement, prepared.args(values)))

    def _values(self, record: Any, keywords: Mapping[str, Any], *, expressions: bool = False) -> dict[str, Any]:
        values = values_of(record, keywords)
        columns = self._model.columns
        for name, value in values.items():
            if name not in columns:
                raise self._model.unknown_column(name)
            if hasattr(value, "__clause_element__") or (isinstance(value, SqlExpression) and not expressions):
                raise ValidationError(
                    f"{self._model.name}.{name}: a SQL expression is not a value",
                    field=name,
                    hint="in update and update_where wrap it: {'n': db.sql(t.c.n + 1)}",
                )
        return values

    def _given(self, record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is given of a row to insert; a generated key that is None is not."""
        values = self._values(record, keywords)
        generated = self._model.generated
        if generated is not None and values.get(generated, UNSET) is None:
            del values[generated]
        return values

    def _new_row(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a row to insert, with the defaults that Python makes."""
        model = self._model
        made = {name: factory() for name, factory in model.factories.items() if name not in given}
        if not given and not model.optional:
            raise ValidationError(
                f"{model.name}: an empty record, but some columns have no default",
                hint="give at least the columns without a default",
            )
        for name in model.given_keys:
            if given.get(name) is None:
                raise ValidationError(
                    f"{model.name}: the record has no key {name!r}", field=name, hint="put it in: nothing makes one"
                )
        return {**given, **made} if made else given

    # -- writing -------------------------------------------------------------------------------

    async def insert(self, record: Any = None, /, **values: Any) -> R:
        """Insert one row and return it as it is stored, defaults and key included.

        Args:
            record: a dict, Mapping, dataclass, pydantic, attrs or msgspec instance, or plain object.
            **values: columns by keyword, instead of or on top of the record.

        Returns:
            The stored row.

        Raises:
            ValidationError: no values, or one that does not fit its column.
            SchemaError: a name that is no column.
            IntegrityError: a constraint of the table is violated.

        Example:
            ```python
            row = await users.insert({"name": "Ada", "email": "ada@example.com"})
            ```
        """
        new = self._new_row(self._given(record, values))
        return (await self._returning(self._insert_shape(new), new))[0]

    @overload
    async def insert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: Literal[False] = False,
        on_conflict: Literal["ignore", "update"] | None = None,
        on: str | Sequence[str] | None = None,
    ) -> int: ...

    @overload
    async def insert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: Literal[True],
        on_conflict: Literal["ignore", "update"] | None = None,
        on: str | Sequence[str] | None = None,
    ) -> list[R]: ...

    async def insert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: bool = False,
        on_conflict: Literal["ignore", "update"] | None = None,
        on: str | Sequence[str] | None = None,
    ) -> int | list[R]:
        """Insert many rows, all or nothing.

        Args:
            rows: any iterable or async iterable of records; it is read in batches, so memory does not
                grow with it (with ``returning`` the result does). Keys may differ from row to row.
            returning: return the stored rows, in input order, instead of their number.
            on_conflict: "ignore" leaves rows out that are there already, "update" changes those
                (an upsert of each row).
            on: columns of the conflict; the key by default.

        Returns:
            The number of rows that were stored, or the stored rows.

        Raises:
            ValidationError: a row does not fit; the message names its position, nothing is stored.
            IntegrityError: a constraint is violated; nothing is stored.

        Example:
            ```python
            n = await users.insert_all({"name": name} for name in names)
            ```
        """
        if on_conflict not in (None, "ignore", "update"):
            raise ValidationError("on_conflict is 'ignore' or 'update'", field="on_conflict", value=on_conflict)

        model, dialect = self._model, self._source.dialect
        counts_rows = returning or on_conflict is not None

        def shape(given: dict[str, Any], new: dict[str, Any]) -> Prepared:
            if on_conflict == "update":
                return self._upsert_shape(new, on, given)
            if on_conflict == "ignore":
                return self._ignore_shape(new, on)
            if returning:
                return self._insert_shape(new)
            return self._kept(("insert only", *new), lambda: statements.insert_only(model, dialect, new))

        def stored(record: Any) -> tuple[dict[str, Any], Prepared]:
            given = self._given(record, {})
            new = self._new_row(given)
            return new, shape(given, new)

        bulk = await insert_many(
            self._executor, model, dialect, rows, stored, keep_rows=returning, counts_rows=counts_rows
        )
        return self._rows(bulk.rows) if returning else bulk.count

    def _insert_shape(self, new: Mapping[str, Any]) -> Prepared:
        return self._kept(("insert", *new), lambda: statements.insert(self._model, self._source.dialect, new))

    def _ignore_shape(self, new: Mapping[str, Any], on: str | Sequence[str] | None) -> Prepared:
        target = None if on is None else self._target(new, on)
        key = ("insert ignore", target, *new)
        return self._kept(key, lambda: statements.insert_ignore(self._model, self._source.dialect, new, target))

    async def update(self, record: Any = None, /, *, pk: Any = UNSET, **values: Any) -> R:
        """Change the given columns of one row and return the row as it is stored.

        Args:
            record: the new values, with the key unless ``pk`` is given. UNSET values are left alone.
            pk: the key of the row; a key inside the record is then a new value like any other.
            **values: columns by keyword. A value may be ``db.sql(expression)``.

        Returns:
            The stored row.

        Raises:
            NotFoundError: there is no such row.
            ValidationError: no key, nothing to change, or a value that does not fit.

        Example:
            ```python
            row = await users.update({"id": 1, "name": "Grace"})
            row = await users.update(pk=1, visits=db.sql(users.c.visits + 1))
            ```
        """
        model = self._model
        keys = model.key_columns("update")
        changed = self._values(record, values, expressions=True)
        if isinstance(pk, Unset):
            pk = self._key_of(changed)
        if not changed:
            raise ValidationError(f"{model.name}: nothing to change", hint="give at least one column besides the key")
        build = partial(statements.update, model, self._source.dialect, changed)
        if any(isinstance(value, SqlExpression) for value in changed.values()):
            where = Where(model)
            key_condition(where, pk)
            prepared = build(where)
            args = prepared.args({**changed, **where.values})
        else:
            prepared, args = self._keyed(("update", *changed), build, pk, changed)
        rows = self._rows(await self._executor.fetch(prepared.statement, args))
        if not rows:
            raise self._not_found(keys, pk)
        return rows[0]

    def _key_of(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Take the key out of a record."""
        for name in self._model.pks:
            if values.get(name) is None:
                raise ValidationError(
                    f"{self._model.name}: the record has no key {name!r}", field=name, hint="put it in, or give pk=..."
                )
        return tuple([values.pop(name) for name in self._model.pks])

    def _not_found(self, names: Sequence[str], key: Any) -> NotFoundError:
        model = self._model
        filters = dict(zip(names, model.key_values(key), strict=True))
        return NotFoundError(
            f"{model.name}: no row with this {', '.join(names)}", table_name=model.name, filters=filters
        )

    async def update_where(self, values: Any, /, *where: Any, all: bool = False, **keywords: Any) -> int:
        """Change all rows that match and return their number.

        Args:
            values: the new values; a value may be ``db.sql(expression)``.
            *where: conditions, as in a call of the table.
            all: mean every row, when no condition is given.
            **keywords: conditions by column.

        Raises:
            ValidationError: no condition (without ``all=True``), or nothing to change.

        Example:
            ```python
            n = await users.update_where({"status": "old"}, users.c.age > 90)
            ```
        """
        changed = self._values(values, {}, expressions=True)
        if not changed:
            raise ValidationError(f"{self._model.name}: nothing to change", hint="give at least one column")
        condition = self._meant("update_where", where, keywords, all)
        prepared = statements.update_where(self._model, self._source.dialect, changed, condition)
        return await self._executor.count(prepared.statement, prepared.args({**changed, **condition.values}))

    def _meant(self, operation: str, where: Sequence[Any], keywords: Mapping[str, Any], everything: bool) -> Where:
        condition = conditions(self._source, where, None, None, keywords)
        if not condition and not everything:
            raise ValidationError(
                f"{operation} of {self._model.name} without a condition would touch every row",
                hint="give a condition, or all=True to mean it",
            )
        return condition

    async def upsert(
        self,
        record: Any = None,
        /,
        *,
        on: str | Sequence[str] | None = None,
        update: Sequence[str] | None = None,
        **values: Any,
    ) -> R:
        """Insert a row, or change the one that is there, in one race-free statement.

        Args:
            record: the row.
            on: the column or columns whose conflict makes it an update; the key by default. They
                need a unique constraint or index.
            update: the columns to change then; all given ones by default.
            **values: columns by keyword.

        Returns:
            The stored row.

        Raises:
            ValidationError: the conflict columns are not in the record.
            IntegrityError: another constraint is violated.

        Example:
            ```python
            row = await users.upsert({"email": "ada@example.com", "name": "Ada"}, on="email")
            ```
        """
        given = self._given(record, values)
        new = self._new_row(given)
        if update is not None:
            return (await self._returning(self._upsert_shape(new, on, self._updated(given, update)), new))[0]
        return (await self._returning(self._upsert_shape(new, on, given), new))[0]

    def _updated(self, given: Mapping[str, Any], update: str | Sequence[str]) -> list[str]:
        names = [self._model.column(name).name for name in ([update] if isinstance(update, str) else update)]
        for name in names:
            if name not in given:
                raise ValidationError(
                    f"{self._model.name}: update= names {name!r}, which the record lacks",
                    field=name,
                    hint="put it into the record, or take it out of update=",
                )
        return names

    def _upsert_shape(self, new: Mapping[str, Any], on: Any, updated: Iterable[str]) -> Prepared:
        """Return the upsert of a row; on a conflict it changes ``updated``, not what Python made for a new row."""
        model = self._model
        target = self._target(new, on)
        changed = tuple([name for name in updated if name not in target])
        key = ("upsert", target, changed, *new)
        return self._kept(key, lambda: statements.upsert(model, self._source.dialect, new, target, changed))

    def _target(self, new: Mapping[str, Any], on: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the columns whose conflict is meant; the record must have them."""
        model = self._model
        if on is None:
            target = model.key_columns("upsert")
        else:
            target = tuple(model.column(name).name for name in ([on] if isinstance(on, str) else on))
        for name in target:
            if new.get(name) is None:
                raise ValidationError(
                    f"{model.name}: the record has no {name!r}, which tells whether the row is there",
                    field=name,
                    hint="put it in, give on=... with unique columns, or insert",
                )
        return target

    async def get_or_create(
        self, record: Any = None, /, *, defaults: Mapping[str, Any] | None = None, **values: Any
    ) -> tuple[R, bool]:
        """Return the row that equals the record, and whether it had to be made.

        Race-free: of any number of tasks that ask for one row, one makes it. That takes a unique
        constraint or index over columns of the record.

        Args:
            record: what the row must equal.
            defaults: further values of a new row.
            **values: columns by keyword, as part of the record.

        Returns:
            The row, and True if it was made.

        Raises:
            InvalidOperationError: nothing unique is in the record.
            MultipleRowsError: cannot happen, as the record holds something unique.

        Example:
            ```python
            row, made = await users.get_or_create({"email": "ada@example.com"}, defaults={"name": "Ada"})
            ```
        """
        wanted = self._values(record, values)
        self._require_unique(wanted)
        found = await Query[R](self._source, conditions(self._source, (), None, None, wanted)).first()
        if found is not None:
            return found, False
        new = self._new_row(self._given({**(defaults or {}), **wanted}, {}))
        made = await self._returning(self._ignore_shape(new, None), new)
        if made:
            return made[0], True
        found = await Query[R](self._source, conditions(self._source, (), None, None, wanted)).first()
        if found is not None:
            return found, False
        # Something else of the row is taken: the plain insert says what.
        return await self.insert(new), True

    def _require_unique(self, wanted: Mapping[str, Any]) -> None:
        model = self._model
        keys = [model.pks, *model.uniques.values()]
        if not any(columns and set(columns) <= wanted.keys() for columns in keys):
            raise InvalidOperationError(
                f"get_or_create of {model.name}: no unique columns among {', '.join(wanted)}",
                operation="get_or_create",
                target=model.name,
                hint=f"create the table with a unique Index over {', '.join(wanted)}",
            )

    async def delete(self, pk: Any, /) -> None:
        """Delete one row by key (a tuple for a composite key).

        Raises:
            NotFoundError: there is no such row.

        Example:
            ```python
            await users.delete(1)
            ```
        """
        keys = self._model.key_columns("delete")
        build = partial(statements.delete, self._model, self._source.dialect, quick=True)
        prepared, args = self._keyed(("delete",), build, pk, {})
        if not await self._executor.count(prepared.statement, args):
            raise self._not_found(keys, pk)

    async def delete_where(self, *where: Any, all: bool = False, **keywords: Any) -> int:
        """Delete all rows that match and return their number.

        Args:
            *where: conditions, as in a call of the table.
            all: mean every row, when no condition is given.
            **keywords: conditions by column.

        Raises:
            ValidationError: no condition, without ``all=True``.

        Example:
            ```python
            n = await users.delete_where(users.c.age > 90)
            ```
        """
        condition = self._meant("delete_where", where, keywords, all)
        prepared = statements.delete(self._model, self._source.dialect, condition, quick=False)
        return await self._executor.count(prepared.statement, prepared.args(condition.values))

    # -- reading -------------------------------------------------------------------------------

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

    async def get(self, pk: Any, /, *, default: Any = UNSET, for_update: bool = False) -> Any:
        """Return the row with this key.

        Args:
            pk: the key; a tuple for a composite key.
            default: returned when there is no such row, instead of the error.
            for_update: lock the row until the transaction ends (PostgreSQL; SQLite's write
                transactions hold the whole database anyway).

        Raises:
            NotFoundError: there is no such row and no default.

        Example:
            ```python
            row = await users.get(1, default=None)
            ```
        """
        model = self._model
        lock = "update" if for_update else None
        build = partial(statements.select, model, self._source.dialect, model.names, lock=lock, quick=True)
        prepared, args = self._keyed(("get", lock), build, pk, {})
        if for_update:
            rows = await self._executor.fetch(prepared.statement, args)
        else:
            rows = await self._executor.fetch_by_key(self._read(prepared), args)
        if rows:
            return self._source.maker(model.names)(rows)[0]
        if default is UNSET:
            raise self._not_found(model.pks, pk)
        return default

    def _read(self, prepared: Prepared) -> KeyedRead:
        kept = self._model.statements
        read: KeyedRead | None = kept.get("read")
        if read is None:
            read = KeyedRead(prepared.statement, self._model, self._model.names, self._source.dialect)
            kept["read"] = read
        return read

    async def lookup(self, *where: Any, **keywords: Any) -> R:
        """Return the first row that matches, in key order.

        Raises:
            NotFoundError: no row matches.

        Example:
            ```python
            row = await users.lookup(email="ada@example.com")
            ```
        """
        condition = conditions(self._source, where, None, None, keywords)
        row = await Query[R](self._source, condition, order_by=list(self._model.pks) or None).first()
        if row is None:
            raise NotFoundError(
                f"{self._model.name}: no row matches", table_name=self._model.name, filters=dict(keywords)
            )
        return row

    def __call__(
        self,
        *conditions_: Any,
        where: str | None = None,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        select: Sequence[str] | None = None,
        with_pk: bool = False,
        for_update: bool = False,
        skip_locked: bool = False,
        **keywords: Any,
    ) -> Query[R]:
        """Return a query: await it for a list of rows, iterate it for a stream.

        Args:
            *conditions_: SQLAlchemy expressions, or SQL text followed by its parameters.
            where: SQL text, with ``params`` (a list for ``?``, a dict for ``:name``).
            params: the parameters of ``where``.
            order_by: a column name or a list of them (``"-age"`` and ``"age desc"`` are descending), or
                SQLAlchemy expressions. Without it the order is the database's.
            limit: at most so many rows.
            offset: leave out so many rows first.
            select: only these columns.
            with_pk: pairs of (key, row) instead of rows.
            for_update: lock the rows until the transaction ends (PostgreSQL).
            skip_locked: leave out rows that another transaction has locked (PostgreSQL).
            **keywords: ``column=value``; None means IS NULL; a list, tuple or set means IN.

        Raises:
            SchemaError: a name that is no column.
            ValidationError: a value that does not fit, a broken fragment, a negative limit.

        Example:
            ```python
            rows = await users("age > ? and name like ?", [30, "a%"], order_by="-age", limit=20)
            ```
        """
        source = self._source
        return Query(
            source,
            conditions(source, conditions_, where, params, keywords),
            order_by=order_by,
            limit=limit,
            offset=offset,
            select=select,
            with_pk=with_pk,
            for_update=for_update,
            skip_locked=skip_locked,
        )

    async def count(self, *where: Any, **keywords: Any) -> int:
        """Return the number of rows that match.

        Example:
            ```python
            n = await users.count(status="active")
            ```
        """
        return await Query[R](self._source, conditions(self._source, where, None, None, keywords)).count()

    async def exists(self, *where: Any, **keywords: Any) -> bool:
        """Return whether a row is there: by key, or by conditions as in a call of the table.

        Example:
            ```python
            there = await users.exists(1)
            taken = await users.exists(email="ada@example.com")
            ```
        """
        if len(where) == 1 and not keywords and _is_key(where[0], self._model):
            condition = Where(self._model)
            key_condition(condition, where[0])
        else:
            condition = conditions(self._source, where, None, None, keywords)
        return await Query[R](self._source, condition).exists()


def _is_key(item: Any, model: TableModel) -> bool:
    """Tell a key from a condition: SQL text is a condition, unless the key is a text itself."""
    if hasattr(item, "__clause_element__") or isinstance(item, SqlExpression):
        return False
    return not isinstance(item, str) or (len(model.pks) == 1 and model.columns[model.pks[0]].is_text)
