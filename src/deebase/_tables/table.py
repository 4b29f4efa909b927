"""Table: the handle through which rows of one table are written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Never, TypeVar, Unpack, overload

from sqlalchemy.schema import CreateTable

from deebase._backends.alter import IndexPart
from deebase._engine.context import conditions, intended_conditions
from deebase._rows.makers import OneMaker, one_maker
from deebase._rows.records import column_values, new_row
from deebase._sql import statements
from deebase._tables.bulk import Records, delete_many, insert_many, records_of, update_many
from deebase._tables.conversion import Conversion
from deebase._tables.foreign_keys import related_rows, relations
from deebase._tables.foreign_keys.children import Children
from deebase._tables.foreign_keys.relations import Columns, ForeignKeys
from deebase._tables.inserts import OnConflict, insert_statement
from deebase._tables.query import Query
from deebase._tables.readable import Readable
from deebase._tables.schema_editor import SchemaEditor, TransformOptions, TransformPlan
from deebase._tables.search import Hit, SearchOptions, SearchQuery
from deebase._tables.unique_changes import by_key, change, check_change, key_of, key_values, require_unique
from deebase.errors import ValidationError
from deebase.types import UNSET, ForeignKeyMark, Unset

if TYPE_CHECKING:
    from deebase._files.options import ImportOptions
    from deebase._files.reports import ImportReport

R = TypeVar("R")
T = TypeVar("T")


Conflict = Literal["ignore", "update"] | None


class Table(Readable[R]):
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

    def __init__(self, source: Any) -> None:
        super().__init__(source)
        #: The row type that rows of RETURNING were last made of, and what makes them.
        self._stored: tuple[type[Any], OneMaker] | None = None

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

        Inserts fill the values in. A record that contradicts them is refused; an update cannot move a row out, and
        an upsert cannot take over a row outside of the scope. Scopes add up and are never widened.
        SQL text in a condition is trusted code: a sub-select in it can read anything.

        Args:
            **columns: one value each; None means IS NULL.

        Raises:
            ScopeError: the scope of the handle has another value of a column.
            ValidationError: a value that the column cannot hold, or no column at all.
            SchemaError: a name is not a column.

        Example:
            ```python
            mine = notes.xtra(owner_id=7)
            row = await mine.insert(text="only mine")
            ```
        """
        source = self._source
        if surplus:
            raise source.surplus("xtra", surplus, "the columns are keywords: t.xtra(owner_id=7), or t.xtra(**columns)")
        return Table(source.narrowed(columns))

    # -- writing one row -----------------------------------------------------------------------

    async def insert(self, record: Any = None, /, *surplus: Never, **values: Any) -> R:
        """Insert one row and return it as it is stored, defaults and key included.

        Args:
            record: a dict, Mapping, dataclass, pydantic, attrs or msgspec instance, or plain object.
            **values: columns by keyword, instead of or on top of the record.

        Raises:
            ValidationError: no values, or one that does not fit its column.
            SchemaError: a name is not a column.
            IntegrityError: the row violates a constraint of the table.

        Example:
            ```python
            row = await users.insert({"name": "Ada", "email": "ada@example.com"})
            ```
        """
        if surplus:
            raise self._source.surplus("insert", surplus, "insert({...}); many rows go to insert_all([...])")
        new = new_row(self._model, self._given("insert", record, values))
        statement = self._model.statements[("insert", *new)] or insert_statement(self._source, new)
        rows = await self._executor.fetch(statement.statement, statement.args(new))
        if not rows:
            raise self._source.stored_nothing()
        return self._row(rows[0])

    def _given(self, operation: str, record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row to insert, those of the scope included; a generated key of None is left out."""
        model, scope = self._model, self._source.scope
        values = column_values(model, operation, record, keywords)
        if scope.held:
            values = scope.filled(model, values)
        if model.generated is not None and values.get(model.generated, UNSET) is None:
            del values[model.generated]
        return values

    def _row(self, row: Sequence[Any]) -> R:
        """Return a row of RETURNING in the row type."""
        model = self._model
        row_type, stored = self._source.requested_type or model.row_type, self._stored
        if stored is None or stored[0] is not row_type:
            reads = [column.read_returned for column in model.columns.values()]
            stored = self._stored = (row_type, one_maker(model.names, reads, row_type))
        width = len(model.names)
        # A statement may return more columns than the caller asked for.
        made: R = stored[1](*(row if len(row) == width else row[:width]))
        return made

    async def update(self, record: Any = None, /, *surplus: Never, pk: Any = UNSET, **values: Any) -> R:
        """Change the given columns of one row and return the row as it is stored.

        Args:
            record: the new values, with the key unless ``pk`` is given. UNSET values are left alone.
            pk: the key of the row; a key inside the record is then a new value like any other.
            **values: columns by keyword. A value may be ``db.sql(expression)``.

        Raises:
            NotFoundError: no such row exists.
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
        changed = column_values(self._model, "update", record, values)
        key = key_of(self._source, changed) if isinstance(pk, Unset) else self._model.key_values(pk)
        check_change(self._source, changed)
        rows = await change(self._source, keys, key, changed)
        if not rows:
            raise self._source.not_found(keys, key)
        return self._row(rows[0])

    async def upsert(
        self,
        record: Any = None,
        /,
        *surplus: Never,
        on: Columns | None = None,
        update: Sequence[str] | None = None,
        **values: Any,
    ) -> R:
        """Insert a row, or change the existing one, in one race-free statement, and return it as it is stored.

        Args:
            record: the row.
            on: the column or columns whose conflict makes it an update; the key by default. They
                need a unique constraint or index.
            update: the columns that an existing row gets; those of the record by default.
            **values: columns by keyword.

        Raises:
            ValidationError: the record lacks the columns of the conflict.
            IntegrityError: the row violates another constraint.

        Example:
            ```python
            row = await users.upsert({"email": "ada@example.com", "name": "Ada"}, on="email")
            ```
        """
        if surplus:
            raise self._source.surplus("upsert", surplus, "upsert({...}); many rows go to upsert_all([...])")
        given = self._given("upsert", record, values)
        rows = await OnConflict(self._source, on, update).upsert(new_row(self._model, given), given)
        if not rows:
            raise self._source.stored_nothing()
        return self._row(rows[0])

    async def get_or_create(
        self, record: Any = None, /, *surplus: Never, defaults: Mapping[str, Any] | None = None, **values: Any
    ) -> tuple[R, bool]:
        """Return the row that equals the record, and whether it was created.

        Race-free: of any number of tasks that ask for one row, one creates it. That takes a unique
        constraint or index over columns of the record.

        Args:
            record: what the row must equal.
            defaults: further values of a new row.
            **values: columns by keyword, as part of the record.

        Raises:
            InvalidOperationError: the record has no unique columns.

        Example:
            ```python
            row, created = await users.get_or_create({"email": "ada@example.com"}, defaults={"name": "Ada"})
            ```
        """
        source, model = self._source, self._model
        if surplus:
            raise source.surplus("get_or_create", surplus, "get_or_create({...}, defaults={...})")
        given: Any = defaults
        if given is not None and not isinstance(given, Mapping):
            raise ValidationError(
                f"{model.name}: defaults is a dict, not {type(given).__name__}",
                field="defaults",
                hint="get_or_create({'email': 'a@x'}, defaults={'name': 'Ada'})",
            )
        wanted = source.scope.filled(model, column_values(model, "get_or_create", record, values))
        require_unique(model, wanted)
        source.scope.check(model, defaults or {})
        query = self._matching((), wanted)
        found = await query.first()
        if found is not None:
            return found, False
        new = new_row(model, self._given("get_or_create", {**(defaults or {}), **wanted}, {}))
        statement = OnConflict(source, None).ignoring(new)
        rows = await self._executor.fetch(statement.statement, statement.args(new))
        if rows:
            return self._row(rows[0]), True
        found = await query.first()
        if found is not None:
            return found, False
        # Another unique value of the row is taken: the plain insert says which.
        return await self.insert(new), True

    if TYPE_CHECKING:

        async def delete(self, pk: Any, /) -> None: ...

    else:

        async def delete(self, pk: Any = UNSET, /, *surplus: Never, **columns: Never) -> None:
            """Delete one row by key (a tuple for a composite key).

            Raises:
                NotFoundError: no such row exists.
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
        source, model = self._source, self._model
        keys = model.key_columns("delete")
        key = model.key_values(pk)
        statement = source.cached(
            ("delete", source.scope.shape),
            lambda: statements.delete(model, source.dialect, by_key(source, keys), is_cheap=True),
        )
        if not await self._executor.count(statement.statement, statement.args(key_values(source, key))):
            raise source.not_found(keys, key)

    # -- writing many rows ---------------------------------------------------------------------

    @overload
    async def insert_all(
        self,
        rows: Records,
        *,
        returning: Literal[False] = False,
        on_conflict: Conflict = None,
        on: Columns | None = None,
    ) -> int: ...

    @overload
    async def insert_all(
        self, rows: Records, *, returning: Literal[True], on_conflict: Conflict = None, on: Columns | None = None
    ) -> list[R]: ...

    async def insert_all(
        self, rows: Records, *, returning: bool = False, on_conflict: Conflict = None, on: Columns | None = None
    ) -> int | list[R]:
        """Insert many rows, all or nothing.

        Args:
            rows: any iterable or async iterable of records, read in batches, so that memory does not
                grow with it (with ``returning`` the result does). Keys may differ from row to row. Or an Arrow table,
                a record batch, a frame of polars or pandas, or another object with ``__arrow_c_stream__``.
            returning: return the stored rows, in input order, instead of their number.
            on_conflict: "ignore" leaves out rows that exist, "update" changes those
                (an upsert of each row).
            on: columns of the conflict; the key by default.

        Returns:
            The number of stored rows, or those rows.

        Raises:
            ValidationError: a row does not fit; the message names its position, nothing is stored.
            IntegrityError: a row violates a constraint; nothing is stored.

        Example:
            ```python
            n = await users.insert_all({"name": name} for name in names)
            ```
        """
        if on_conflict not in (None, "ignore", "update"):
            raise ValidationError("on_conflict is 'ignore' or 'update'", field="on_conflict", value=on_conflict)
        count, stored = await insert_many(
            self._source,
            "insert_all",
            records_of(self._model, rows, "insert_all"),
            lambda record: self._given("insert_all", record, {}),
            returning=returning,
            on_conflict=on_conflict,
            on=on,
        )
        return self._rows(stored) if returning else count

    @overload
    async def upsert_all(
        self,
        rows: Records,
        *,
        returning: Literal[False] = False,
        on: Columns | None = None,
        update: Sequence[str] | None = None,
    ) -> int: ...

    @overload
    async def upsert_all(
        self, rows: Records, *, returning: Literal[True], on: Columns | None = None, update: Sequence[str] | None = None
    ) -> list[R]: ...

    async def upsert_all(
        self, rows: Records, *, returning: bool = False, on: Columns | None = None, update: Sequence[str] | None = None
    ) -> int | list[R]:
        """Insert many rows or change those that exist, all or nothing.

        Args:
            rows: as in ``insert_all``. The second of two records of one row changes the first.
            returning: return the stored rows, in input order, instead of their number.
            on: the columns whose conflict makes it an update; the key by default.
            update: the columns that an existing row gets; those of the record by default.

        Returns:
            The number of rows, or the stored rows.

        Raises:
            ValidationError: a row does not fit; the message names its position, nothing is stored.
            IntegrityError: a row violates another constraint; nothing is stored.

        Example:
            ```python
            n = await users.upsert_all([{"email": "ada@example.com", "name": "Ada"}], on="email")
            ```
        """
        count, stored = await insert_many(
            self._source,
            "upsert_all",
            records_of(self._model, rows, "upsert_all"),
            lambda record: self._given("upsert_all", record, {}),
            returning=returning,
            on_conflict="update",
            on=on,
            update=update,
        )
        return self._rows(stored) if returning else count

    def _rows(self, rows: list[Any]) -> list[R]:
        return self._source.maker(self._model.names, returned=True)(rows)

    async def update_all(self, rows: Records) -> int:
        """Change many rows by key, all or nothing, and return their number; many in one statement.

        Args:
            rows: any iterable or async iterable of records, each with its key and the columns to change,
                which may differ from row to row. Of two changes of one row the later one wins.

        Raises:
            NotFoundError: a row does not exist; the message names its position, nothing is changed.
            ValidationError: a row does not fit, or has nothing to change.
            IntegrityError: a row violates a constraint; nothing is changed.

        Example:
            ```python
            n = await users.update_all([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}])
            ```
        """
        self._model.key_columns("update_all")

        def changed(record: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
            values = column_values(self._model, "update_all", record, {})
            key = key_of(self._source, values)
            check_change(self._source, values)
            return key, values

        return await update_many(self._source, rows, changed)

    async def update_where(self, values: Any, /, *where: Any, all: bool = False, **keywords: Any) -> int:
        """Change all rows that match and return their number.

        Args:
            values: the new values; a value may be ``db.sql(expression)``.
            *where: conditions, as in a call of the table.
            all: mean every row, when no condition is given.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ValidationError: no condition (without ``all=True``), or nothing to change.

        Example:
            ```python
            n = await users.update_where({"status": "old"}, users.c.age > 90)
            ```
        """
        changed = column_values(self._model, "update_where", values, {})
        check_change(self._source, changed)
        condition = intended_conditions(self._source, "update_where", where, keywords, all)
        statement = statements.update_where(self._model, self._source.dialect, changed, condition)
        return await self._executor.count(*statement.ready({**changed, **condition.values}))

    async def convert(
        self,
        columns: Columns,
        function: Callable[..., Any],
        /,
        *conditions_: Any,
        where: Any = None,
        params: Any = None,
        **keywords: Any,
    ) -> int:
        """Give columns new values, which a function makes of the old ones, all or nothing.

        Rows are read and written in batches, so that memory does not grow with their number. Only rows whose values
        change are written.

        Args:
            columns: the column, or a list of columns.
            function: gets the value of the column and returns the new one, None for NULL. For several columns it gets
                a value for each, and returns a tuple of as many.
            *conditions_: which rows, as in a call of the table; all rows by default.
            where: as in a call of the table.
            params: the parameters of ``where``.
            **keywords: conditions by column.

        Returns:
            The number of rows that were changed.

        Raises:
            ValidationError: the function raised an error, which is the cause of this one, or a value does not fit;
                the message names table, row and column. The key of the row is in ``.value``.
            IntegrityError: a row violates a constraint.
            InvalidOperationError: the table has no primary key.

        Example:
            ```python
            n = await users.convert("email", lambda email: email.strip().lower(), users.c.email.is_not(None))
            ```
        """
        condition = conditions(self._source, conditions_, keywords, where, params)
        return await Conversion(self._source, columns, function).run(condition)

    async def import_file(
        self,
        source: Any,
        *,
        extra: Mapping[str, Any] | None = None,
        alter: bool = False,
        types: Mapping[str, Any] | None = None,
        on_conflict: Conflict = None,
        on: Columns | None = None,
        report: Callable[[ImportReport], object] | None = None,
        **reading: Unpack[ImportOptions],
    ) -> Table[R]:
        """Import a file, or several, into this table, all or nothing, and return the table.

        Every row gets the values of the scope.

        Args:
            source: as in ``Database.import_file``.
            extra: values that every row gets, by column: ``extra={"tenant_id": 1}``. A file may have such a column,
                with this value in every row.
            alter: add the columns that the table lacks, with types that fit the values; they are nullable. A handle
                with a scope refuses it.
            types: types of the columns that are added, as annotations, in place of those found.
            on_conflict: as in ``insert_all``.
            on: as in ``insert_all``.
            report: called with an ``ImportReport`` at the end. An exception that it raises undoes the import.
            **reading: how the file is read, as in ``Database.import_file``: ``delimiter=";"``, ``null=["", "NA"]``.

        Raises:
            ValidationError: the file is broken, or a value does not fit; the message names file, line and column.
            ScopeError: a row or an extra value contradicts the scope.
            ColumnNotFoundError: the table lacks a column of the file.
            InvalidOperationError: the file cannot be opened, or ``alter`` on a handle with a scope.
            IntegrityError: a constraint refuses a row; the message names file and line.

        Example:
            ```python
            users = await users.import_file("people.csv", extra={"source": "letter"}, alter=True)
            ```
        """
        # Only programs that import files load zip archives and the like.
        from deebase._tables.import_file import import_into

        return await import_into(self._source, source, reading, (types, on_conflict, on, report, extra, alter))

    async def delete_all(self, keys: Records) -> int:
        """Delete many rows by key in one transaction; many in one statement.

        Args:
            keys: any iterable or async iterable of keys, tuples for a composite key.

        Returns:
            The number of rows that were deleted; keys without a row do not count.

        Raises:
            ValidationError: a value that is not a key; the message names its position, nothing is deleted.
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
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            ValidationError: no condition, without ``all=True``.

        Example:
            ```python
            n = await users.delete_where(users.c.age > 90)
            ```
        """
        condition = intended_conditions(self._source, "delete_where", where, keywords, all)
        statement = statements.delete(self._model, self._source.dialect, condition, is_cheap=False)
        return await self._executor.count(*statement.ready(condition.values))

    # -- foreign keys --------------------------------------------------------------------------

    @property
    def foreign_keys(self) -> list[dict[str, Any]]:
        """The foreign keys, ``[{"column": "author_id", "references": "user.id"}]``; lists where composite."""
        return relations.described(self._source)

    @property
    def fk(self) -> ForeignKeys:
        """For each foreign key a function that returns the row a row refers to.

        None for NULL and for a row that does not exist. Calls for many rows at once become one statement.

        Example:
            ```python
            author = await posts.fk.author_id(post)
            authors = await asyncio.gather(*(posts.fk.author_id(post) for post in rows))
            ```
        """
        return ForeignKeys(self._source)

    async def get_parent(self, row: Any, column: Columns, /) -> Any:
        """Return the row that a row refers to, in the row type of its table; None for NULL and dangling keys.

        Args:
            row: a row of this table.
            column: the foreign key's column, or the columns of a composite one.

        Raises:
            SchemaError: the column is not a foreign key.
            TableNotFoundError: the other table is unknown: ``await db.reflect()``.

        Example:
            ```python
            author = await posts.get_parent(post, "author_id")
            ```
        """
        return await self.fk[column](row)

    @overload
    def get_children(
        self, row: Any, table: Readable[T], column: Columns | None = None, /, *where: Any, **selection: Any
    ) -> Query[T]: ...

    @overload
    def get_children(
        self, row: Any, table: str, column: Columns | None = None, /, *where: Any, **selection: Any
    ) -> Query[Any]: ...

    def get_children(
        self, row: Any, table: str | Readable[Any], column: Columns | None = None, /, *where: Any, **selection: Any
    ) -> Query[Any]:
        """Return the query of the rows of another table that refer to a row.

        Args:
            row: a row of this table.
            table: the other table, by name or as a handle (whose row type and scope are kept).
            column: its foreign key; needed only where several lead here.
            *where: conditions, as in a call of the table.
            **selection: conditions by column, and options such as ``order_by``, as in a call of the table.

        Raises:
            SchemaError: the column does not lead here, or no column is named and not exactly one does.

        Example:
            ```python
            posts = await users.get_children(user, "post", "author_id", order_by="-id", limit=10)
            ```
        """
        return relations.children_query(self._source, row, table, column, where, selection)

    def children(
        self, table: str | Readable[Any], column: Columns | None = None, /, *where: Any, **keywords: Any
    ) -> Children:
        """Return the rows of another table that refer to a row, for conditions and as a number.

        Args:
            table: the other table, by name or as a handle (whose scope is kept).
            column: its foreign key; needed only where several lead here.
            *where: conditions on these rows, as in a call of their table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Returns:
            ``.any(...)`` and ``.none(...)`` are conditions on this table, and ``.count`` is a column.

        Raises:
            SchemaError: the column does not lead here, or no column is named and not exactly one does.

        Example:
            ```python
            writers = await users(users.children("post", "author_id").any(posts.c.views > 100))
            rows = await users(select={"name": "name", "posts": users.children("post", "author_id").count})
            ```
        """
        return Children(self._source, table, column, where, keywords)

    async def with_parents(self, rows: Any, column: Columns, /) -> list[tuple[R, Any]]:
        """Return pairs of a row and the row it refers to, in one further statement for any number of rows.

        Args:
            rows: a query of this table, or rows of it.
            column: the foreign key. Of a path such as ``"author_id.company_id"``, the parent is a pair itself,
                ``(author, company)``, and each level takes a statement.

        Raises:
            SchemaError: it is not a foreign key.

        Example:
            ```python
            for post, author in await posts.with_parents(posts(limit=100), "author_id"):
                print(post.title, author)
            ```
        """
        return await related_rows.with_parents(self._source, rows, column)

    async def with_children(
        self, rows: Any, table: Any, column: Any = None, /, *, order_by: Any = None
    ) -> list[tuple[R, list[Any]]]:
        """Return pairs of a row and the rows that refer to it, in one further statement for any number of rows.

        Args:
            rows: a query of this table, or rows of it.
            table: the other table, by name or as a handle (whose row type and scope are kept). Of a list of tables, or
                of names with dots between them, each refers to the one before, and the rows are pairs themselves.
            column: its foreign key; needed only where several lead here. A list for a list of tables.
            order_by: the order of the rows of each list; for several tables a dict of orders by table.

        Raises:
            SchemaError: the column does not lead here, or no column is named and not exactly one does.

        Example:
            ```python
            groups = await users.with_children(users(), "post", "author_id")
            ```
        """
        return await related_rows.with_children(self._source, rows, table, column, order_by)

    async def with_related(
        self,
        rows: Any,
        /,
        *,
        through: str | Readable[Any],
        to: str | Readable[Any],
        columns: tuple[Columns | None, Columns | None] = (None, None),
        order_by: Any = None,
        links: bool = False,
    ) -> list[tuple[R, list[Any]]]:
        """Return pairs of a row and the rows of another table that a table between them links it with.

        It takes two further statements for any number of rows.

        Args:
            rows: a query of this table, or rows of it.
            through: the table between, by name or as a handle, with a foreign key to either side.
            to: the other table, by name or as a handle (whose row type and scope are kept).
            columns: the foreign keys of the table between, to this table and to the other one; each is needed only
                where several lead there.
            order_by: names of columns of the other table, or of the table between; ``"-name"`` is descending.
            links: return pairs of a row of the table between and a row of the other one, instead of the latter alone.

        Raises:
            SchemaError: a foreign key is missing, or none is named and not exactly one leads there.

        Example:
            ```python
            for user, teams in await users.with_related(users(), through="membership", to="team", order_by="name"):
                print(user, teams)
            ```
        """
        return await related_rows.with_related(self._source, rows, through, to, columns, order_by, links)

    # -- search --------------------------------------------------------------------------------

    @overload
    def search(
        self,
        text: str,
        /,
        *conditions_: Any,
        limit: int = 20,
        offset: int = 0,
        highlight: str | None = None,
        rows: Literal[False] = False,
        **keywords: Any,
    ) -> SearchQuery[Hit[R]]: ...

    @overload
    def search(
        self,
        text: str,
        /,
        *conditions_: Any,
        limit: int = 20,
        offset: int = 0,
        highlight: str | None = None,
        rows: Literal[True],
        **keywords: Any,
    ) -> SearchQuery[R]: ...

    def search(
        self,
        text: str,
        /,
        *conditions_: Any,
        limit: int = 20,
        offset: int = 0,
        highlight: str | None = None,
        rows: bool = False,
        **keywords: Any,
    ) -> SearchQuery[Any]:
        """Return the rows with the words of a text, the best hits first, as a query to await.

        Args:
            text: words, all of which a row has; ``"words in this order"``; ``-without``; ``begin*``; ``one OR other``.
                Any text is a valid search, so it may come from a stranger. One without a word finds nothing.
            *conditions_: as in a call of the table.
            limit: the largest number of hits.
            offset: how many hits to skip first.
            highlight: a column of the search, for ``hit.snippet``: the part of its text with the words, as HTML.
            rows: return the rows themselves instead of hits.
            **keywords: conditions by column, as in a call of the table.

        Raises:
            InvalidOperationError: the table is not searchable.
            ValidationError: the text is not a string, ``highlight`` is not a column of the search, or a negative
                limit.

        Example:
            ```python
            for hit in await posts.search("sqlite -mysql", limit=20, highlight="body", author_id=1):
                print(hit.row, hit.score, hit.snippet)
            ```
        """
        source = self._source
        where = conditions(source, conditions_, keywords)
        return SearchQuery(source, where, SearchOptions(text, limit, offset, highlight, rows))

    # -- the table itself ----------------------------------------------------------------------

    @property
    def schema(self) -> str:
        """The DDL of the table: as SQLite stores it, else as DeeBase would write it."""
        source = self._source
        facts = source.catalog.facts(source.model.name)
        if facts is not None and facts.sql is not None:
            return facts.sql
        return str(CreateTable(source.model.sa_table).compile(dialect=source.dialect)).strip()

    @property
    def indexes(self) -> list[dict[str, Any]]:
        """The indexes, ``[{"name": "ix_post_slug", "columns": ["slug"], "unique": False}]``; None for an expression."""
        facts = self._source.catalog.facts(self._model.name)
        return [
            {"name": index.name, "columns": list(index.columns), "unique": index.unique}
            for index in sorted(() if facts is None else facts.indexes, key=lambda index: index.name)
        ]

    @property
    def schema_editor(self) -> SchemaEditor[Table[R]]:
        """What changes the table itself; the methods below forward to it."""
        return SchemaEditor(self._source, Table[R])

    async def create_index(
        self,
        columns: IndexPart | Sequence[IndexPart],
        *,
        name: str | None = None,
        unique: bool = False,
        where: str | None = None,
        if_not_exists: bool = False,
    ) -> None:
        """Create an index of columns or expressions; see ``SchemaEditor.create_index``."""
        await self.schema_editor.create_index(
            columns, name=name, unique=unique, where=where, if_not_exists=if_not_exists
        )

    async def drop_index(self, name: str) -> None:
        """Drop an index of this table; see ``SchemaEditor.drop_index``."""
        await self.schema_editor.drop_index(name)

    async def enable_search(
        self,
        *columns: str,
        weights: Mapping[str, float] | None = None,
        language: str | None = None,
        prefix: bool = False,
        tokenize: Literal["words", "trigram"] = "words",
    ) -> None:
        """Make the table searchable; see ``SchemaEditor.enable_search``."""
        await self.schema_editor.enable_search(
            *columns, weights=weights, language=language, prefix=prefix, tokenize=tokenize
        )

    async def disable_search(self) -> None:
        """Remove the search of the table; see ``SchemaEditor.disable_search``."""
        await self.schema_editor.disable_search()

    async def add_column(
        self,
        name: str,
        type: Any,
        *,
        default: Any = UNSET,
        fk: ForeignKeyMark | None = None,
        index_foreign_keys: bool = True,
    ) -> Table[R]:
        """Add a column and return the new handle; see ``SchemaEditor.add_column``."""
        return await self.schema_editor.add_column(
            name, type, default=default, fk=fk, index_foreign_keys=index_foreign_keys
        )

    async def rename_column(self, old: str, new: str) -> Table[R]:
        """Rename a column, also where it is used; see ``SchemaEditor.rename_column``."""
        return await self.schema_editor.rename_column(old, new)

    async def drop_column(self, name: str) -> Table[R]:
        """Drop a column with its values; see ``SchemaEditor.drop_column``."""
        return await self.schema_editor.drop_column(name)

    async def extract(self, *columns: str, table: str, fk: str | None = None) -> Table[R]:
        """Move columns into a lookup table, to which the rows refer then; see ``SchemaEditor.extract``."""
        return await self.schema_editor.extract(*columns, table=table, fk=fk)

    async def transform(self, **options: Unpack[TransformOptions]) -> Table[R]:
        """Change the table, all of it or nothing, and return the new handle; see ``SchemaEditor.transform``."""
        return await self.schema_editor.transform(**options)

    async def transform_plan(self, **options: Unpack[TransformOptions]) -> TransformPlan[Table[R]]:
        """Return the plan of a change, which is not run yet; see ``SchemaEditor.transform_plan``."""
        return await self.schema_editor.transform_plan(**options)

    async def transform_sql(self, **options: Unpack[TransformOptions]) -> list[str]:
        """Return the statements that ``transform`` would run; see ``SchemaEditor.transform_sql``."""
        return await self.schema_editor.transform_sql(**options)

    async def rename(self, new: str) -> Table[R]:
        """Rename the table and return its handle; foreign keys of other tables follow; see ``SchemaEditor.rename``."""
        return await self.schema_editor.rename(new)

    async def duplicate(self, new: str) -> Table[R]:
        """Copy the table with its rows, and return the handle of the copy; see ``SchemaEditor.duplicate``."""
        return await self.schema_editor.duplicate(new)

    async def truncate(self) -> None:
        """Delete all rows, unless rows of another table refer to them; see ``SchemaEditor.truncate``."""
        await self.schema_editor.truncate()

    async def drop(self) -> None:
        """Drop the table, unless rows of another table refer to it; see ``SchemaEditor.drop``."""
        await self.schema_editor.drop()


Table.__module__ = "deebase"
