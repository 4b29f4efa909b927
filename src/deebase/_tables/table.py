"""Table: the handle through which rows of one table are written and read."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Never, TypeVar, overload
from uuid import UUID

from deebase._engine.context import TableContext, conditions
from deebase._rows.records import values_of
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sql.violations import no_target
from deebase._sql.where import Where
from deebase._tables.bulk import BulkInsert, conflict_outside_scope, delete_many, update_many
from deebase._tables.navigation import Navigable
from deebase._tables.query import Query
from deebase._tables.readable import Readable
from deebase._tables.structure import Structure
from deebase._tables.unique_changes import by_key, change, key_values, merge
from deebase._types.native import NativeText
from deebase.errors import InvalidOperationError, QueryError, ValidationError
from deebase.types import UNSET, SqlExpression, Unset

R = TypeVar("R")
T = TypeVar("T")

#: Values that are seen at once to be no SQL expression.
_PLAIN = frozenset({int, str, float, bool, type(None), bytes, dict, list, datetime, date, Decimal, UUID})


class Table(Readable[R], Navigable[R], Structure):
    """One table and the type of its rows; immutable, cheap, safe to share between tasks.

    Made by ``await db.create(cls)``. ``R`` is the type of a row: the dataclass the table was created
    from, else ``dict[str, Any]``.

    Example:
        ```python
        users = await db.create(User)
        row = await users.insert({"name": "Ada", "email": "ada@example.com"})
        row = await users[row["id"]]
        ```
    """

    _source: TableContext

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
        return Table(self._source.with_rows(row_type))

    def xtra(self, /, *surplus: Never, **columns: Any) -> Table[R]:
        """Return a new handle that sees and touches only the rows with these values, in every method.

        Inserts fill the values in. A record that contradicts them is refused; an update cannot move a
        row out, an upsert cannot take over a row of others. Scopes add up and are never widened.
        SQL text in a condition is trusted code: a sub-select in it can read anything.

        Args:
            **columns: one value each; None means IS NULL.

        Raises:
            ScopeError: the handle is held to another value of a column already.
            ValidationError: a value that the column cannot hold, or no column at all.
            SchemaError: a name that is no column.

        Example:
            ```python
            mine = notes.xtra(owner_id=7)
            row = await mine.insert(text="only mine")
            ```
        """
        source = self._source
        if surplus:
            raise source.surplus("xtra", surplus, "the columns are keywords: t.xtra(owner_id=7), or t.xtra(**columns)")
        return Table(source.scoped(source.scope.narrowed(self._model, columns)))

    # -- shapes --------------------------------------------------------------------------------

    def _rows(self, rows: list[Any]) -> list[R]:
        """Return rows of RETURNING in the row type."""
        made: list[R] = self._source.maker(self._model.names, returned=True)(rows)
        return made

    async def _one(self, prepared: CompiledStatement, values: Mapping[str, Any]) -> R:
        """Return the row that a statement stores."""
        rows = self._rows(await self._executor.fetch(prepared.statement, prepared.args(values)))
        if not rows:
            raise self._source.stored_nothing()
        return rows[0]

    def _values(self, operation: str, record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return the given values by column; those that the database computes are left out of a record."""
        values = values_of(record, keywords, operation)
        expressions = operation in ("update", "update_where")
        model = self._model
        if not values.keys() <= model.columns.keys():
            raise model.unknown_column(next(name for name in values if name not in model.columns))
        for name, value in values.items():
            if type(value) in _PLAIN:
                continue
            if hasattr(value, "__clause_element__") or (isinstance(value, SqlExpression) and not expressions):
                raise ValidationError(
                    f"{model.name}.{name}: a SQL expression is not a value",
                    field=name,
                    hint="in update and update_where wrap it: {'n': db.sql(t.c.n + 1)}",
                )
        if not model.has_computed_columns:
            return values
        computed = [name for name in values if model.columns[name].computed]
        for name in computed:
            if name in keywords:
                raise ValidationError(
                    f"{model.name}.{name} is computed by the database", field=name, hint="leave it out"
                )
            del values[name]
        return values

    def _given(self, operation: str, record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is given of a row to insert, the scope's values included; a generated key of None is not."""
        model = self._model
        values = self._source.scope.filled(model, self._values(operation, record, keywords))
        if model.generated is not None and values.get(model.generated, UNSET) is None:
            del values[model.generated]
        return values

    def _new_row(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a row to insert, with the defaults that Python makes."""
        model = self._model
        if not given and not model.all_defaulted:
            raise ValidationError(
                f"{model.name}: an empty record, but some columns have no default",
                hint="give at least the columns without a default",
            )
        for name in model.required_keys:
            if given.get(name) is None:
                raise ValidationError(
                    f"{model.name}: the record has no key {name!r}", field=name, hint="put it in: nothing makes one"
                )
        if not model.factories:
            return given
        return {**given, **{name: make() for name, make in model.factories.items() if name not in given}}

    # -- writing -------------------------------------------------------------------------------

    async def insert(self, record: Any = None, /, *surplus: Never, **values: Any) -> R:
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
        if surplus:
            raise self._source.surplus("insert", surplus, "insert({...}); many rows go to insert_all([...])")
        new = self._new_row(self._given("insert", record, values))
        return await self._one(self._insert_shape(new), new)

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
        return await self._store("insert_all", rows, returning, on_conflict, on, None)

    @overload
    async def upsert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: Literal[False] = False,
        on: str | Sequence[str] | None = None,
        update: Sequence[str] | None = None,
    ) -> int: ...

    @overload
    async def upsert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: Literal[True],
        on: str | Sequence[str] | None = None,
        update: Sequence[str] | None = None,
    ) -> list[R]: ...

    async def upsert_all(
        self,
        rows: Iterable[Any] | AsyncIterable[Any],
        *,
        returning: bool = False,
        on: str | Sequence[str] | None = None,
        update: Sequence[str] | None = None,
    ) -> int | list[R]:
        """Insert many rows or change those that are there, all or nothing.

        Args:
            rows: as in ``insert_all``. A row that comes twice is changed by the second.
            returning: return the stored rows, in input order, instead of their number.
            on: the columns whose conflict makes it an update; the key by default.
            update: the columns to change then; all given ones by default.

        Returns:
            The number of rows, or the stored rows.

        Raises:
            ValidationError: a row does not fit; the message names its position, nothing is stored.
            IntegrityError: another constraint is violated; nothing is stored.

        Example:
            ```python
            n = await users.upsert_all([{"email": "ada@example.com", "name": "Ada"}], on="email")
            ```
        """
        return await self._store("upsert_all", rows, returning, "update", on, update)

    async def _store(
        self,
        operation: str,
        rows: Iterable[Any] | AsyncIterable[Any],
        returning: bool,
        on_conflict: str | None,
        on: str | Sequence[str] | None,
        update: Sequence[str] | None,
    ) -> int | list[R]:
        source = self._source
        # A row of another scope may be in the way of an upsert, which shows in what comes back.
        takes_all = on_conflict == "update"
        counts_rows = returning or on_conflict == "ignore" or (takes_all and bool(source.scope))

        def stored(record: Any) -> tuple[dict[str, Any], CompiledStatement]:
            given = self._given(operation, record, {})
            new = self._new_row(given)
            if on_conflict == "update":
                changed = given if update is None else self._updated(given, update)
                prepared = self._upsert_shape(new, on, changed, returning=counts_rows)
                return {**new, **source.scope.values}, prepared
            if on_conflict == "ignore":
                return new, self._ignore_shape(new, on)
            return new, self._insert_shape(new, returning=counts_rows)

        async def merged(record: Any) -> list[Any]:
            given = self._given(operation, record, {})
            changed = given if update is None else self._updated(given, update)
            return await merge(source, self._target(given, on), self._new_row(given), changed)

        bulk = BulkInsert(
            source,
            stored,
            keep_rows=returning,
            counts_rows=counts_rows,
            takes_all=takes_all,
            # COPY knows neither RETURNING nor ON CONFLICT, and turns no text into types.
            copies=source.dialect.name == "postgresql"
            and not counts_rows
            and on_conflict is None
            and not any(isinstance(column.sa_type, NativeText) for column in self._model.columns.values()),
            needed=(*self._model.required_keys, *(self._target_names(on) if on_conflict == "update" or on else ())),
            merged=merged if on_conflict == "update" else None,
        )
        try:
            count = await bulk.run(operation, rows)
        except QueryError as error:
            raise no_target(self._model, self._target_names(on), error) from error.__cause__
        return self._rows(bulk.rows) if returning else count

    def _insert_shape(self, new: Mapping[str, Any], *, returning: bool = True) -> CompiledStatement:
        model, dialect = self._model, self._source.dialect
        build = statements.insert if returning else statements.insert_only
        key = (build, *new)
        kept: CompiledStatement | None = model.statements.get(key)
        if kept is not None:
            return kept
        made: CompiledStatement = self._source.kept(key, lambda: build(model, dialect, new))
        return made

    def _ignore_shape(self, new: Mapping[str, Any], on: str | Sequence[str] | None) -> CompiledStatement:
        target = None if on is None else self._target(new, on)
        shape: CompiledStatement = self._source.kept(
            ("insert ignore", target, *new),
            lambda: statements.insert_ignore(self._model, self._source.dialect, new, target),
        )
        return shape

    async def update(self, record: Any = None, /, *surplus: Never, pk: Any = UNSET, **values: Any) -> R:
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
        if surplus:
            raise self._source.surplus("update", surplus, "update({...}, pk=1), or update({'id': 1, ...})")
        keys = self._model.key_columns("update")
        changed = self._values("update", record, values)
        key = self._key_of(changed) if isinstance(pk, Unset) else self._model.key_values(pk)
        self._must_change(changed)
        rows = self._rows(await change(self._source, keys, key, changed))
        if not rows:
            raise self._source.not_found(keys, key)
        return rows[0]

    def _must_change(self, changed: Mapping[str, Any]) -> None:
        if not changed:
            raise ValidationError(
                f"{self._model.name}: nothing to change", hint="give at least one column besides the key"
            )
        self._source.scope.check(self._model, changed)

    def _key_of(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """Take the key out of a record; a part that it lacks may be the scope's."""
        held = self._source.scope.held
        key: list[Any] = []
        for name in self._model.pks:
            value = values.pop(name, None)
            if name in held:
                self._source.scope.check(self._model, {name: held[name] if value is None else value})
                value = held[name]
            if value is None:
                raise ValidationError(
                    f"{self._model.name}: the record has no key {name!r}", field=name, hint="put it in, or give pk=..."
                )
            key.append(value)
        return tuple(key)

    async def update_all(self, rows: Iterable[Any] | AsyncIterable[Any]) -> int:
        """Change many rows by key, all or nothing; many in one statement.

        Args:
            rows: any iterable or async iterable of records, each with its key and the columns to change,
                which may differ from row to row. Of two changes of one row the later one stays.

        Returns:
            The number of rows.

        Raises:
            NotFoundError: a row is not there; the message names its position, nothing is changed.
            ValidationError: a row does not fit, or has nothing to change.
            IntegrityError: a constraint is violated; nothing is changed.

        Example:
            ```python
            n = await users.update_all([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}])
            ```
        """
        self._model.key_columns("update_all")

        def changed(record: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            values = self._values("update_all", record, {})
            key = self._key_of(values)
            self._must_change(values)
            return key, values

        return await update_many(self._source, rows, changed)

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
        changed = self._values("update_where", values, {})
        self._must_change(changed)
        condition = self._meant("update_where", where, keywords, all)
        prepared = statements.update_where(self._model, self._source.dialect, changed, condition)
        return await self._executor.count(prepared.statement, prepared.args({**changed, **condition.values}))

    def _meant(self, operation: str, where: Sequence[Any], keywords: Mapping[str, Any], everything: bool) -> Where:
        if type(everything) is not bool:
            raise ValidationError(f"{operation}: all is True or False", field="all", hint="all=True means every row")
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
        *surplus: Never,
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
        if surplus:
            raise self._source.surplus("upsert", surplus, "upsert({...}); many rows go to upsert_all([...])")
        given = self._given("upsert", record, values)
        new = self._new_row(given)
        changed = given if update is None else self._updated(given, update)
        prepared = self._upsert_shape(new, on, changed)
        source = self._source
        try:
            args = prepared.args({**new, **source.scope.values})
        except ValidationError:
            rows = self._rows(await merge(source, self._target(new, on), new, changed))
            if not rows:
                raise
            return rows[0]
        if self._model.lacks_documents(new):
            rows = self._rows(await merge(source, self._target(new, on), new, changed))
            if rows:
                return rows[0]
        try:
            rows = self._rows(await self._executor.fetch(prepared.statement, args))
        except QueryError as error:
            raise no_target(self._model, self._target_names(on), error) from error.__cause__
        if not rows:
            raise conflict_outside_scope(self._model) if source.scope else self._source.stored_nothing()
        return rows[0]

    def _updated(self, given: Mapping[str, Any], update: str | Sequence[str]) -> tuple[str, ...]:
        names = self._model.listed("update", update)
        for name in names:
            if name not in given:
                raise ValidationError(
                    f"{self._model.name}: update= names {name!r}, which the record lacks",
                    field=name,
                    hint="put it into the record, or take it out of update=",
                )
        return names

    def _upsert_shape(
        self, new: Mapping[str, Any], on: Any, updated: Iterable[str], *, returning: bool = True
    ) -> CompiledStatement:
        """Return the upsert of a row; on a conflict it changes ``updated``, not what Python made for a new row."""
        source = self._source
        target = self._target(new, on)
        changed = tuple([name for name in updated if name not in target and name not in source.scope.held])
        shape: CompiledStatement = source.kept(
            ("upsert", source.scope.shape, target, changed, returning, *new),
            lambda: statements.upsert(
                self._model, source.dialect, new, target, changed, source.where(), returning=returning
            ),
        )
        return shape

    def _target(self, new: Mapping[str, Any], on: str | Sequence[str] | None) -> tuple[str, ...]:
        """Return the columns whose conflict is meant; the record must have them."""
        model = self._model
        target = self._target_names(on)
        for name in target:
            if new.get(name) is None:
                raise ValidationError(
                    f"{model.name}: the record has no {name!r}, which tells whether the row is there",
                    field=name,
                    hint="put it in, give on=... with unique columns, or insert",
                )
        return target

    def _target_names(self, on: str | Sequence[str] | None) -> tuple[str, ...]:
        if on is None:
            return self._model.key_columns("upsert")
        return self._model.listed("on", on)

    async def get_or_create(
        self, record: Any = None, /, *surplus: Never, defaults: Mapping[str, Any] | None = None, **values: Any
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
        if surplus:
            raise self._source.surplus("get_or_create", surplus, "get_or_create({...}, defaults={...})")
        given: Any = defaults
        if given is not None and not isinstance(given, Mapping):
            raise ValidationError(
                f"{self._model.name}: defaults is a dict, not {type(given).__name__}",
                field="defaults",
                hint="get_or_create({'email': 'a@x'}, defaults={'name': 'Ada'})",
            )
        wanted = self._source.scope.filled(self._model, self._values("get_or_create", record, values))
        self._require_unique(wanted)
        self._source.scope.check(self._model, defaults or {})
        query = Query[R](self._source, conditions(self._source, (), None, None, wanted))
        found = await query.first()
        if found is not None:
            return found, False
        new = self._new_row(self._given("get_or_create", {**(defaults or {}), **wanted}, {}))
        prepared = self._ignore_shape(new, None)
        made = self._rows(await self._executor.fetch(prepared.statement, prepared.args(new)))
        if made:
            return made[0], True
        found = await query.first()
        if found is not None:
            return found, False
        # Something else of the row is taken: the plain insert says what.
        return await self.insert(new), True

    def _require_unique(self, wanted: Mapping[str, Any]) -> None:
        model = self._model
        keys = [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]
        if not any(columns and all(wanted.get(name) is not None for name in columns) for columns in keys):
            raise InvalidOperationError(
                f"get_or_create of {model.name}: no unique columns among {', '.join(wanted)}",
                operation="get_or_create",
                target=model.name,
                hint=f"create the table with a unique Index over {', '.join(wanted)}",
            )

    if TYPE_CHECKING:

        async def delete(self, pk: Any, /) -> None: ...

    else:

        async def delete(self, pk: Any = UNSET, /, *surplus: Never, **columns: Never) -> None:
            """Delete one row by key (a tuple for a composite key).

            Raises:
                NotFoundError: there is no such row.
                ValidationError: no key, or columns: ``delete_where`` takes conditions.

            Example:
                ```python
                await users.delete(1)
                ```
            """
            if columns or surplus or pk is UNSET:
                raise self._source.no_single_key("delete", (pk, *surplus), columns)
            await self._delete(pk)

    async def _delete(self, pk: Any) -> None:
        keys = self._model.key_columns("delete")
        key = self._model.key_values(pk)
        prepared = self._source.kept(
            ("delete", self._source.scope.shape),
            lambda: statements.delete(self._model, self._source.dialect, by_key(self._source, keys), is_cheap=True),
        )
        if not await self._executor.count(prepared.statement, prepared.args(key_values(self._source, key))):
            raise self._source.not_found(keys, key)

    async def delete_all(self, keys: Iterable[Any] | AsyncIterable[Any]) -> int:
        """Delete many rows by key in one transaction; many in one statement.

        Args:
            keys: any iterable or async iterable of keys, tuples for a composite key.

        Returns:
            The number of rows that were deleted; keys without a row do not count.

        Raises:
            ValidationError: what is no key; the message names its position, nothing is deleted.
            IntegrityError: rows of other tables refer to one; nothing is deleted.

        Example:
            ```python
            n = await users.delete_all([1, 2, 3])
            ```
        """
        self._model.key_columns("delete_all")
        return await delete_many(self._source, keys)

    async def delete_where(self, /, *where: Any, all: bool = False, **keywords: Any) -> int:
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
        prepared = statements.delete(self._model, self._source.dialect, condition, is_cheap=False)
        return await self._executor.count(prepared.statement, prepared.args(condition.values))
