"""Changes of a table itself: indexes, columns, its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from sqlalchemy import Column
from sqlalchemy.sql import ColumnElement, visitors

from deebase._backends.alter import IndexPart, create_index
from deebase._backends.protocols import NewColumn
from deebase._engine.context import TableContext
from deebase._model.change import Arguments, column_spec, reference_mark
from deebase._model.facts import TableInfo
from deebase._model.generated_names import index_name
from deebase._model.names import check_name
from deebase._schema.create import drop_table
from deebase._schema.duplicate import duplicate
from deebase._schema.extract import Extraction
from deebase._schema.reflect import inventory, refresh
from deebase._schema.searching import disable_search, enable_search
from deebase._schema.transform import Transformation
from deebase._sql.json_paths.json_parts import JsonPart, indexed_part, must_have_index
from deebase._sql.statement import Statement
from deebase._types.forms.moment_sql import other_forms_indexes
from deebase.errors import SchemaError, ValidationError
from deebase.types import UNSET, ForeignKeyMark, Index, JsonPath, Search, Unset, must_be_flags

H = TypeVar("H")


class TransformOptions(TypedDict, total=False):
    """What ``SchemaEditor.transform`` changes; it describes each option."""

    types: Mapping[str, Any] | None
    rename: Mapping[str, str] | None
    drop: str | Collection[str] | None
    not_null: Mapping[str, bool] | str | Collection[str] | None
    defaults: Mapping[str, Any] | None
    pk: str | Sequence[str] | Unset | None
    add_foreign_keys: Mapping[str, ForeignKeyMark | str] | None
    drop_foreign_keys: str | Collection[str | tuple[str, ...]] | None
    column_order: Sequence[str] | None
    index_foreign_keys: bool
    secure: str | Sequence[str] | Unset | None


class TransformPlan(Generic[H]):
    """The statements that change a table, not yet run; made by ``transform_plan``.

    Attributes:
        statements: in order; run them in one transaction.

    Example:
        ```python
        plan = await users.transform_plan(drop="city")
        print(plan)
        users = await plan.apply()
        ```
    """

    def __init__(self, table: str, statements: Sequence[str], apply: Callable[[], Awaitable[H]]) -> None:
        self._table = table
        self._run = apply
        self.statements: tuple[str, ...] = tuple(statements)

    def __repr__(self) -> str:
        return f"<TransformPlan of {self._table}: {len(self.statements)} statements>"

    def __str__(self) -> str:
        return "".join([f"{sql};\n" for sql in self.statements])

    async def apply(self) -> H:
        """Run the statements, all or none, and return the handle of the changed table.

        Raises:
            InvalidOperationError: the table is no longer as it was, so that the change needs other statements.
            DeeBaseError: the errors of ``transform``.

        Example:
            ```python
            plan = await users.transform_plan(rename={"city": "town"})
            users = await plan.apply()
            ```
        """
        return await self._run()


TransformPlan.__module__ = "deebase"


class SchemaEditor(Generic[H]):
    """``users.schema_editor``: changes the table itself. Its methods are those of the table, too.

    ``H`` is the type of the handle. A handle with a scope refuses all changes.

    Example:
        ```python
        users = await users.schema_editor.add_column("city", str | None)
        ```
    """

    def __init__(self, source: Any, handle: Callable[[Any], H]) -> None:
        # Only tables make one, so these types are not part of the public interface.
        self._source: TableContext = source
        self._handle = handle

    def __repr__(self) -> str:
        return f"<SchemaEditor of {self.name}>"

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._source.model.name

    # -- indexes -------------------------------------------------------------------------------

    async def create_index(
        self,
        columns: IndexPart | Sequence[IndexPart],
        *,
        name: str | None = None,
        unique: bool = False,
        where: str | None = None,
        if_not_exists: bool = False,
    ) -> None:
        """Create an index.

        Args:
            columns: a column, or several in the order of the index; an expression of columns, such as
                ``users.c.age.desc()``, ``sa.func.lower(users.c.email)`` or ``posts.json("meta", "views", as_=int)``,
                with a name.
            name: ``ix_<table>_<columns>`` by default.
            unique: refuse two rows with the same values.
            where: a condition in SQL (trusted code), for an index over part of the rows.
            if_not_exists: do nothing if an index of this name exists.

        Raises:
            ColumnNotFoundError: a name is not a column.
            UniqueViolationError: two rows have the same values.

        Example:
            ```python
            await users.create_index("email", unique=True)
            ```
        """
        self._source.require_unscoped("create_index")
        must_be_flags(unique=unique, if_not_exists=if_not_exists)
        model = self._source.model
        given: Any = columns
        if isinstance(columns, (str, ColumnElement, JsonPath)) or not isinstance(given, Iterable):
            parts: list[Any] = [columns]
        else:
            parts = list(columns)
        parts = [self._part(part) for part in parts]
        names = [part for part in parts if isinstance(part, str)]
        if not parts:
            raise ValidationError("an index is over one or more columns", field="columns", hint="name them")
        if name is None and len(names) < len(parts):
            raise ValidationError("an index over expressions needs a name", field="name", hint="name='ix_lower_email'")
        index = Index(
            name or index_name(model.sa_table.name, names),
            *(names or ["expression"]),
            unique=unique,
            where=where,
        )
        check_name("the name of the index", index.name, self._source.dialect)
        sql = create_index(
            model.sa_table,
            index.name,
            parts,
            self._source.dialect,
            unique=unique,
            where=where,
            if_not_exists=if_not_exists,
        )
        named = [part if isinstance(part, str) else part.name for part in parts if isinstance(part, (str, Column))]
        beside = other_forms_indexes(model.sa_table, named, self._source.dialect)
        executor = self._source.executor
        async with executor.transaction():
            await executor.lock_schema()
            for statement in (sql, *beside):
                await self._run(statement)
            await self._refresh_indexes()

    def _part(self, part: Any) -> str | ColumnElement[Any]:
        """Return a part of an index; refuse what an index of this table cannot cover."""
        model, dialect = self._source.model, self._source.dialect
        if isinstance(part, str):
            return model.column(part).name
        if isinstance(part, JsonPath):
            return indexed_part(model.column(part.column).sa_column, part, model.name, dialect)
        if not isinstance(part, ColumnElement):
            raise ValidationError(
                f"an index is over columns and expressions of columns, not {type(part).__name__}",
                field="columns",
                hint="a name, or sa.func.lower(users.c.email)",
            )
        for element in visitors.iterate(part):  # pyright: ignore[reportUnknownArgumentType]
            if isinstance(element, Column) and getattr(element.table, "name", None) != model.sa_table.name:
                raise SchemaError(
                    f"{element} is not a column of {model.name}",
                    table_name=model.name,
                    hint=f"columns of {model.name}.c",
                )
            if isinstance(element, JsonPart):
                must_have_index(element, model.name, dialect)
        expression: ColumnElement[Any] = part  # pyright: ignore[reportUnknownVariableType]
        return expression

    async def drop_index(self, name: str) -> None:
        """Drop an index of this table.

        Raises:
            SchemaError: the table has no index of this name.

        Example:
            ```python
            await users.drop_index("ix_user_email")
            ```
        """
        self._source.require_unscoped("drop_index")
        table = self._source.model.sa_table
        async with self._source.executor.transaction():
            facts = await self._found(table.name)
            known = [index.name for index in facts.indexes]
            if name not in known:
                raise SchemaError(
                    f"{self._source.model.name} has no index {name!r}",
                    table_name=self._source.model.name,
                    hint=f"its indexes are {', '.join(known)}" if known else "it has no indexes",
                )
            used = {*facts.pks, *[column for index in facts.indexes if index.name != name for column in index.columns]}
            unused = [index.name for index in facts.other_forms if index.columns[0] not in used]
            schema = "" if table.schema is None else f"{self._quoted(table.schema)}."
            for dropped in (name, *unused):
                await self._run(f"DROP INDEX {schema}{self._quoted(dropped)}")
            await self._refresh_indexes()

    # -- search --------------------------------------------------------------------------------

    async def enable_search(
        self,
        *columns: str,
        weights: Mapping[str, float] | None = None,
        language: str | None = None,
        prefix: bool = False,
        tokenize: Literal["words", "trigram"] = "words",
    ) -> None:
        """Make the table searchable: all rows are read once, and each write keeps the search up to date from then on.

        If the table is searchable, the new search replaces the old one.

        Args:
            *columns: columns of text.
            weights: how much a hit in a column counts, 1 by default: ``{"title": 4}``. At most four different numbers.
            language: the language whose word forms are treated as one word, such as "english". Without one, words
                are found as they are written, in upper or lower case.
            prefix: make words that end in ``*`` faster (SQLite; on PostgreSQL they always are).
            tokenize: "words", or "trigram" to find any part of a text, as languages without spaces need.

        Raises:
            ValidationError: a column does not hold text or is computed, a wrong weight, an unknown language.
            ColumnNotFoundError: a name is not a column.
            InvalidOperationError: the table has no primary key, or the database has no trigrams.

        Example:
            ```python
            await posts.enable_search("title", "body", weights={"title": 4}, language="english")
            hits = await posts.search('sqlite -mysql "full text" data*', limit=20, highlight="body")
            ```
        """
        source = self._source
        source.require_unscoped("enable_search")
        for name in columns:
            source.model.column(name)
        search = Search(*columns, weights=weights, language=language, prefix=prefix, tokenize=tokenize)
        async with source.executor.transaction():
            await source.executor.lock_schema()
            facts = await self._found(source.model.sa_table.name)
            await enable_search(source.executor, source.dialect, facts, search)
            await self._refresh_indexes()

    async def disable_search(self) -> None:
        """Remove the search of the table, if it has one.

        Example:
            ```python
            await posts.disable_search()
            ```
        """
        source = self._source
        source.require_unscoped("disable_search")
        async with source.executor.transaction():
            await source.executor.lock_schema()
            facts = await self._found(source.model.sa_table.name)
            await disable_search(source.executor, facts)
            await self._refresh_indexes()

    # -- columns -------------------------------------------------------------------------------

    async def add_column(
        self,
        name: str,
        type: Any,
        *,
        default: Any = UNSET,
        fk: ForeignKeyMark | None = None,
        index_foreign_keys: bool = True,
    ) -> H:
        """Add a column and return the handle of the changed table.

        Args:
            name: of the column.
            type: an annotation as in a class: ``int``, ``str | None``, ``ForeignKey[int, "user"]``.
            default: its default, which existing rows get too. A column that is NOT NULL needs one.
            fk: what the column refers to, with actions: ``ForeignKey("user.id", on_delete="cascade")``.
            index_foreign_keys: make an index for a foreign key, as ``create`` does.

        Raises:
            SchemaError: a column of this name exists, or a foreign key to a missing table.
            UnsupportedTypeError: the annotation has no column type.
            IntegrityError: rows exist, and the column can neither be NULL nor has a default.

        Example:
            ```python
            users = await users.add_column("city", str | None)
            ```
        """
        source = self._source
        source.require_unscoped("add_column")
        must_be_flags(index_foreign_keys=index_foreign_keys)
        model = source.model
        check_name("the name of the column", name, source.dialect)
        if name in model.columns:
            raise SchemaError(
                f"{model.name} has a column {name!r}",
                table_name=model.name,
                column_name=name,
                hint="choose another name",
            )
        spec = column_spec(name, type, default)
        mark = reference_mark(fk, name) if fk is not None else spec.foreign_key
        key: str | None = None
        if mark is not None:
            pks = source.catalog.model(mark.target.partition(".")[0]).pks
            key = pks[0] if len(pks) == 1 else None
        async with source.executor.transaction():
            await Transformation(source, "add_column").add_column(
                NewColumn(spec, mark, key), indexes=index_foreign_keys
            )
            return await self._refreshed(types={name: spec.sa_type})

    async def rename_column(self, old: str, new: str) -> H:
        """Rename a column, also in the indexes, views and foreign keys that use it, and return the new handle.

        Raises:
            ColumnNotFoundError: the table has no such column.
            SchemaError: the new name is taken.

        Example:
            ```python
            users = await users.rename_column("name", "full_name")
            ```
        """
        self._source.model.column(old)
        return await self._apply("rename_column", Arguments(rename={old: new}))

    async def drop_column(self, name: str) -> H:
        """Drop a column with its values, and return the handle of the changed table.

        Constraints on this column alone are dropped, too.

        Raises:
            ColumnNotFoundError: the table has no such column.
            InvalidOperationError: it is part of the key, or something else uses it: an index, a constraint
                over several columns, a computed column, a trigger, a view, a foreign key of another table.

        Example:
            ```python
            users = await users.drop_column("city")
            ```
        """
        return await self._apply("drop_column", Arguments(drop=name))

    async def extract(self, *columns: str, table: str, fk: str | None = None) -> H:
        """Move columns into a lookup table, to which the rows refer then, and return the handle of the changed table.

        Each combination of values is one row of the lookup table. A row whose values are all NULL refers to none. If
        the lookup table exists, it gets the combinations that it lacks; else it is created with a key ``id``, the
        columns with their types and conditions, and a unique index over them. All of it happens, or nothing.

        Args:
            *columns: the columns.
            table: the lookup table.
            fk: the name of the new foreign key; that of the table with ``_id`` by default. It is NOT NULL if one of
                the columns was.

        Raises:
            ColumnNotFoundError: a name is not a column, or the lookup table lacks one of them.
            SchemaError: the table has a column with the name of the foreign key.
            InvalidOperationError: the handle has a scope; a column is part of the key, a foreign key, or computed;
                an index, a constraint, a trigger, a view or the search of the table uses it; or the lookup table
                cannot take the rows.
            IntegrityError: a constraint of the lookup table refuses a row.

        Example:
            ```python
            users = await users.extract("status", table="state", fk="state_id")
            ```
        """
        source = self._source
        source.require_unscoped("extract")
        work = Extraction(source, columns, table, f"{table}_id" if fk is None else fk)
        async with source.executor.transaction():
            return await self._refreshed(types=await work.run())

    async def transform(self, **options: Unpack[TransformOptions]) -> H:
        """Change the table, all of it or nothing, and return the handle of the changed table.

        All names are those from before the change. PostgreSQL alters the table. SQLite alters it where it can, else a
        new table is made from the stored CREATE TABLE and takes the old one's place: what the change does not name
        stays, rows of other tables, triggers and views included.

        Args:
            **options: what to change:

                * ``types``: new types by column, as annotations. Values are converted; one that cannot be converted
                  is an error.
                * ``rename``: new names by column.
                * ``drop``: columns.
                * ``not_null``: columns that refuse NULL from now on, or a dict that says so for each:
                  ``{"city": False}``.
                * ``defaults``: new defaults by column; None for none.
                * ``pk``: the new key: a column, several, or None for no key.
                * ``add_foreign_keys``: ``{"author_id": ForeignKey("user.id", on_delete="cascade")}``, or just the
                  target.
                * ``drop_foreign_keys``: the column of each, or the tuple of its columns.
                * ``column_order``: the columns that come first, in their order (SQLite).
                * ``index_foreign_keys``: make an index for each new foreign key, unless the key or another index
                  begins with its column; True by default.
                * ``secure``: the columns that secure the rows from now on, as in ``create``; None for none.

        Raises:
            ColumnNotFoundError: a name is not a column.
            SchemaError: a new name is taken, a foreign key leads to a missing table, or the one to drop is missing.
            ValidationError: the arguments contradict each other, or ask for nothing.
            InvalidOperationError: something else uses a column that is dropped, or the key that is changed.
            IntegrityError: the changed table would not take a row that exists.
            DataError: a value cannot be converted to the new type.

        Example:
            ```python
            users = await users.transform(types={"age": int}, rename={"name": "full_name"}, not_null="email")
            ```
        """
        return await self._apply("transform", _arguments("transform", options))

    async def transform_plan(self, **options: Unpack[TransformOptions]) -> TransformPlan[H]:
        """Return the statements that ``transform`` would run; ``await plan.apply()`` runs them.

        Args:
            **options: those of ``transform``.

        Raises:
            DeeBaseError: whatever ``transform`` would refuse.

        Example:
            ```python
            plan = await users.transform_plan(drop="city")
            print(plan)
            users = await plan.apply()
            ```
        """
        return await self._plan("transform_plan", options)

    async def transform_sql(self, **options: Unpack[TransformOptions]) -> list[str]:
        """Return the statements that ``transform`` would run, in their order; nothing is changed.

        Args:
            **options: those of ``transform``.

        Raises:
            DeeBaseError: whatever ``transform`` would refuse.

        Example:
            ```python
            statements = await users.transform_sql(drop="city")
            ```
        """
        return list((await self._plan("transform_sql", options)).statements)

    async def _plan(self, operation: str, options: TransformOptions) -> TransformPlan[H]:
        arguments = _arguments(operation, options)
        self._source.require_unscoped(operation)
        statements = await Transformation(self._source, operation).plan(arguments)
        return TransformPlan(self.name, statements, lambda: self._apply("transform", arguments, statements))

    async def _apply(self, operation: str, arguments: Arguments, expected: Sequence[str] | None = None) -> H:
        """Plan a change and make it; refuse other statements than those that are expected."""
        source = self._source
        source.require_unscoped(operation)
        async with source.executor.transaction():
            change = await Transformation(source, operation).run(arguments, expected)
            return await self._refreshed(renamed=change.rename, types=change.known_types())

    # -- the table -----------------------------------------------------------------------------

    async def rename(self, new: str) -> H:
        """Rename the table and return its handle; foreign keys of other tables follow.

        Raises:
            ValidationError: a name that the database cannot store.
            QueryError: the name is taken.

        Example:
            ```python
            people = await users.rename("people")
            ```
        """
        self._source.require_unscoped("rename")
        check_name("the name of the table", new, self._source.dialect)
        async with self._source.executor.transaction():
            await Transformation(self._source, "rename").rename(new)
            return await self._refreshed(name=new)

    async def duplicate(self, new: str) -> H:
        """Make a copy of the table with its rows, constraints and indexes, and return the copy's handle.

        Triggers are not copied; references of the table to itself refer to the copy.

        Args:
            new: the name of the copy.

        Raises:
            TableExistsError: the name is taken.
            ValidationError: a name that the database cannot store.
            InvalidOperationError: the table is virtual (SQLite).

        Example:
            ```python
            kept = await users.duplicate("user_before")
            ```
        """
        self._source.require_unscoped("duplicate")
        check_name("the name of the table", new, self._source.dialect)
        source = self._source
        async with source.executor.transaction():
            found = await duplicate(source, new)
            source.catalog.copied(source.model.name, found)
            await refresh(source.executor, source.catalog, [found.qualified_name])
            return self._handle(source.refreshed(found.qualified_name))

    async def truncate(self) -> None:
        """Delete all rows, unless rows of another table refer to them, whatever the actions of their foreign key.

        Raises:
            InvalidOperationError: rows of another table refer to this one.

        Example:
            ```python
            await sessions.truncate()
            ```
        """
        self._source.require_unscoped("truncate")
        source = self._source
        async with source.executor.transaction():
            await drop_table(source.executor, source.model.sa_table, source.dialect, "truncate", rows_only=True)

    async def drop(self) -> None:
        """Drop the table, unless rows of another table refer to it.

        Raises:
            InvalidOperationError: rows of another table refer to this one.
            QueryError: views or foreign keys of other tables need it (PostgreSQL).

        Example:
            ```python
            await sessions.drop()
            ```
        """
        self._source.require_unscoped("drop")
        source = self._source
        async with source.executor.transaction():
            await drop_table(source.executor, source.model.sa_table, source.dialect, "drop")
            source.catalog.forget(source.model.name)
            await refresh(source.executor, source.catalog, [source.model.name])

    # -- after a change ---------------------------------------------------------------------------

    async def _run(self, statement: str) -> None:
        await self._source.executor.fetch(Statement(statement), [])

    async def _found(self, name: str) -> TableInfo:
        """Read a table in the schema of this one."""
        source = self._source
        found = await inventory(source.executor, source.model.sa_table.schema, [name])
        return next(facts for facts in found if facts.name == name)

    async def _refresh_indexes(self) -> None:
        source = self._source
        source.catalog.changed(source.model.name, await self._found(source.model.sa_table.name), renamed={}, types={})

    async def _refreshed(
        self,
        *,
        name: str | None = None,
        renamed: Mapping[str, str] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> H:
        """Return the handle of the changed table, and refresh what else the change concerns.

        Args:
            name: its new name, if the change renamed it.
            renamed: new names of columns, by their old ones.
            types: the types of columns that the change names.
        """
        source = self._source
        found = await self._found(source.model.sa_table.name if name is None else name)
        source.catalog.changed(source.model.name, found, renamed=renamed or {}, types=types or {})
        await refresh(source.executor, source.catalog, [source.model.name, found.qualified_name])
        return self._handle(source.refreshed(found.qualified_name))

    def _quoted(self, name: str) -> str:
        return self._source.dialect.identifier_preparer.quote(name)


SchemaEditor.__module__ = "deebase"


def _arguments(operation: str, options: TransformOptions) -> Arguments:
    known = [field.name for field in fields(Arguments)]
    for name in options:
        if name not in known:
            raise TypeError(f"{operation}() got an unexpected keyword argument {name!r}; it takes {', '.join(known)}")
    return Arguments(**options)
