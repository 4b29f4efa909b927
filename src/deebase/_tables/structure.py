"""What a table can do to itself: indexes, columns, its name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import ColumnElement, visitors

from deebase._backends import alter
from deebase._backends.protocols import NewColumn
from deebase._engine.context import TableContext
from deebase._model.change import Arguments, column_spec, reference_mark
from deebase._model.design import check_name
from deebase._model.facts import TableInfo
from deebase._model.generated_names import index_name
from deebase._schema.create import drop_table
from deebase._schema.duplicate import duplicate
from deebase._schema.reflect import inventory, refresh
from deebase._schema.transform import Transformation
from deebase._sql.statement import Statement
from deebase._types.moment_sql import other_forms_indexes
from deebase.errors import SchemaError, ValidationError
from deebase.types import UNSET, ForeignKeyMark, Index, Unset

S = TypeVar("S", bound="Structure")


class Structure:
    """The part of a table that changes the table itself; a handle with a scope refuses all of it."""

    _source: TableContext

    @property
    def schema(self) -> str:
        """The DDL of the table: as SQLite keeps it, or as it would be written."""
        source = self._source
        facts = source.catalog.facts(source.model.name)
        if facts is not None and facts.sql is not None:
            return facts.sql
        return str(CreateTable(source.model.sa_table).compile(dialect=source.dialect)).strip()

    @property
    def indexes(self) -> list[dict[str, Any]]:
        """The indexes, ``[{"name": "ix_post_slug", "columns": ["slug"], "unique": False}]``.

        In the place of an expression is None.
        """
        source = self._source
        facts = source.catalog.facts(source.model.name)
        found = () if facts is None else facts.indexes
        return [
            {"name": index.name, "columns": list(index.columns), "unique": index.unique}
            for index in sorted(found, key=lambda index: index.name)
        ]

    async def _run(self, statement: str) -> None:
        await self._source.executor.fetch(Statement(statement), [])

    async def _found(self, name: str) -> TableInfo:
        """Return what the database says of a table in the schema of this one."""
        source = self._source
        found = await inventory(source.executor, source.model.sa_table.schema, [name])
        return next(facts for facts in found if facts.name == name)

    async def _learn_indexes(self) -> None:
        source = self._source
        source.catalog.changed(source.model.name, await self._found(source.model.sa_table.name), renamed={}, types={})

    async def _refreshed(
        self: S,
        *,
        name: str | None = None,
        renamed: Mapping[str, str] | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> S:
        """Return the handle of the table as it is after a change, and refresh what else the change concerns.

        Args:
            name: the name it has now, if the change renamed it.
            renamed: new names of columns, by their old ones.
            types: the types of columns that the change names.
        """
        source = self._source
        found = await self._found(source.model.sa_table.name if name is None else name)
        source.catalog.changed(source.model.name, found, renamed=renamed or {}, types=types or {})
        await refresh(source.executor, source.catalog, [source.model.name, found.qualified_name])
        return type(self)(source.refreshed(found.qualified_name))  # type: ignore[call-arg]

    def _quoted(self, name: str) -> str:
        return self._source.dialect.identifier_preparer.quote(name)

    # -- indexes -------------------------------------------------------------------------------

    async def create_index(
        self,
        columns: alter.IndexPart | Sequence[alter.IndexPart],
        *,
        name: str | None = None,
        unique: bool = False,
        where: str | None = None,
        if_not_exists: bool = False,
    ) -> None:
        """Create an index.

        Args:
            columns: a column, or several in the order of the index; an expression of columns, such as
                ``users.c.age.desc()`` or ``sa.func.lower(users.c.email)``, with a name.
            name: ``ix_<table>_<columns>`` by default.
            unique: refuse two rows with the same values.
            where: a condition in SQL (trusted code), for an index over part of the rows.
            if_not_exists: an index of this name is no error.

        Raises:
            ColumnNotFoundError: a name is not a column.
            UniqueViolationError: two rows have the same values already.

        Example:
            ```python
            await users.create_index("email", unique=True)
            ```
        """
        self._source.must_be_whole("create_index")
        model = self._source.model
        given: Any = columns
        if isinstance(columns, (str, ColumnElement)) or not isinstance(given, Iterable):
            parts: list[Any] = [columns]
        else:
            parts = list(columns)
        for part in parts:
            self._must_be_part(part)
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
        sql = alter.create_index(
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
            await self._learn_indexes()

    def _must_be_part(self, part: Any) -> None:
        """Refuse what no index of this table can be over."""
        model = self._source.model
        if isinstance(part, str):
            model.column(part)
            return
        if not isinstance(part, ColumnElement):
            raise ValidationError(
                f"an index is over columns and expressions of columns, not {type(part).__name__}",
                field="columns",
                hint="a name, or sa.func.lower(users.c.email)",
            )
        for element in visitors.iterate(part):  # pyright: ignore[reportUnknownArgumentType]
            if isinstance(element, Column) and getattr(element.table, "name", None) != model.sa_table.name:
                raise SchemaError(
                    f"{element} is no column of {model.name}", table_name=model.name, hint=f"columns of {model.name}.c"
                )

    async def drop_index(self, name: str) -> None:
        """Drop an index of this table.

        Raises:
            SchemaError: the table has no index of this name.

        Example:
            ```python
            await users.drop_index("ix_user_email")
            ```
        """
        self._source.must_be_whole("drop_index")
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
            await self._learn_indexes()

    # -- columns -------------------------------------------------------------------------------

    async def add_column(
        self: S,
        name: str,
        type: Any,
        *,
        default: Any = UNSET,
        fk: ForeignKeyMark | None = None,
        index_foreign_keys: bool = True,
    ) -> S:
        """Add a column and return the handle that knows it.

        Args:
            name: of the column.
            type: an annotation as in a class: ``int``, ``str | None``, ``ForeignKey[int, "user"]``.
            default: its default, which the rows that are there get too. A column that is NOT NULL needs one.
            fk: what the column refers to, with actions: ``ForeignKey("user.id", on_delete="cascade")``.
            index_foreign_keys: make an index for a foreign key, as ``create`` does.

        Raises:
            SchemaError: a column of this name exists, or a foreign key to what does not.
            UnsupportedTypeError: the annotation has no column type.
            IntegrityError: rows are there, and the column can neither be NULL nor has a default.

        Example:
            ```python
            users = await users.add_column("city", str | None)
            ```
        """
        source = self._source
        source.must_be_whole("add_column")
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

    async def rename_column(self: S, old: str, new: str) -> S:
        """Rename a column, also in the indexes, views and foreign keys that use it; return the handle that knows it.

        Raises:
            ColumnNotFoundError: there is no such column.
            SchemaError: the new name is taken.

        Example:
            ```python
            users = await users.rename_column("name", "full_name")
            ```
        """
        return await self._transformed("rename_column", Arguments(rename={old: new}))

    async def drop_column(self: S, name: str) -> S:
        """Drop a column with its values, and return the handle that knows it no more.

        Constraints that are about this column alone go with it.

        Raises:
            ColumnNotFoundError: there is no such column.
            InvalidOperationError: it is part of the key, or something else uses it: an index, a constraint
                over several columns, a computed column, a trigger, a view, a foreign key of others.

        Example:
            ```python
            users = await users.drop_column("city")
            ```
        """
        return await self._transformed("drop_column", Arguments(drop=name))

    async def transform(
        self: S,
        *,
        types: Mapping[str, Any] | None = None,
        rename: Mapping[str, str] | None = None,
        drop: str | Collection[str] | None = None,
        not_null: Mapping[str, bool] | str | Collection[str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        pk: str | Sequence[str] | Unset | None = UNSET,
        add_foreign_keys: Mapping[str, ForeignKeyMark | str] | None = None,
        drop_foreign_keys: str | Collection[str | tuple[str, ...]] | None = None,
        column_order: Sequence[str] | None = None,
        index_foreign_keys: bool = True,
    ) -> S:
        """Change the table, all of it or nothing, and return the handle that knows it as it is then.

        All names are those from before the change. PostgreSQL alters the table. SQLite alters it where it can, else a
        new table is made from the stored CREATE TABLE and takes the old one's place: what the change does not name
        stays, rows of other tables, triggers and views included.

        Args:
            types: new types by column, as annotations. Values are converted; one that cannot be is an error.
            rename: new names by column.
            drop: columns.
            not_null: columns that are to refuse NULL, or a dict that says it of each: ``{"city": False}``.
            defaults: new defaults by column; None for none.
            pk: the new key: a column, several, or None for no key.
            add_foreign_keys: ``{"author_id": ForeignKey("user.id", on_delete="cascade")}``, or just the target.
            drop_foreign_keys: the column of each, or the tuple of its columns.
            column_order: the columns that come first, in their order (SQLite).
            index_foreign_keys: make an index for each new foreign key, unless the key or another index begins with
                its column.

        Raises:
            ColumnNotFoundError: a name is not a column.
            SchemaError: a new name is taken, a foreign key leads to what is not there, or there is none to drop.
            ValidationError: the arguments contradict each other, or ask for nothing.
            InvalidOperationError: something else uses a column that is dropped, or the key that is changed.
            IntegrityError: rows are there that the changed table would not take.
            DataError: a value cannot be converted to the new type.

        Example:
            ```python
            users = await users.transform(types={"age": int}, rename={"name": "full_name"}, not_null="email")
            ```
        """
        arguments = Arguments(
            types,
            rename,
            drop,
            not_null,
            defaults,
            pk,
            add_foreign_keys,
            drop_foreign_keys,
            column_order,
            index_foreign_keys,
        )
        return await self._transformed("transform", arguments)

    async def transform_sql(
        self,
        *,
        types: Mapping[str, Any] | None = None,
        rename: Mapping[str, str] | None = None,
        drop: str | Collection[str] | None = None,
        not_null: Mapping[str, bool] | str | Collection[str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        pk: str | Sequence[str] | Unset | None = UNSET,
        add_foreign_keys: Mapping[str, ForeignKeyMark | str] | None = None,
        drop_foreign_keys: str | Collection[str | tuple[str, ...]] | None = None,
        column_order: Sequence[str] | None = None,
        index_foreign_keys: bool = True,
    ) -> list[str]:
        """Return the statements that ``transform`` would run, in their order; nothing is changed.

        They belong into one transaction.

        Args:
            types: as in ``transform``, like all others.
            rename: see there.
            drop: see there.
            not_null: see there.
            defaults: see there.
            pk: see there.
            add_foreign_keys: see there.
            drop_foreign_keys: see there.
            column_order: see there.
            index_foreign_keys: see there.

        Raises:
            DeeBaseError: whatever ``transform`` would refuse.

        Example:
            ```python
            statements = await users.transform_sql(drop="city")
            ```
        """
        arguments = Arguments(
            types,
            rename,
            drop,
            not_null,
            defaults,
            pk,
            add_foreign_keys,
            drop_foreign_keys,
            column_order,
            index_foreign_keys,
        )
        self._source.must_be_whole("transform_sql")
        return await Transformation(self._source, "transform_sql").plan(arguments)

    async def _transformed(self: S, operation: str, arguments: Arguments) -> S:
        self._source.must_be_whole(operation)
        source = self._source
        async with source.executor.transaction():
            change = await Transformation(source, operation).run(arguments)
            return await self._refreshed(renamed=change.rename, types=change.known_types())

    # -- the table -----------------------------------------------------------------------------

    async def rename(self: S, new: str) -> S:
        """Rename the table and return its handle; foreign keys of others follow.

        Raises:
            ValidationError: a name that the database cannot store.
            QueryError: the name is taken.

        Example:
            ```python
            people = await users.rename("people")
            ```
        """
        self._source.must_be_whole("rename")
        check_name("the name of the table", new, self._source.dialect)
        async with self._source.executor.transaction():
            await Transformation(self._source, "rename").rename(new)
            return await self._refreshed(name=new)

    async def duplicate(self: S, new: str) -> S:
        """Make a copy of the table with its rows, constraints and indexes, and return the copy's handle.

        Triggers are not copied; references of the table to itself lead to the copy.

        Args:
            new: the name of the copy.

        Raises:
            TableExistsError: the name is taken.
            ValidationError: a name that the database cannot store.
            InvalidOperationError: it is a virtual table (SQLite).

        Example:
            ```python
            kept = await users.duplicate("user_before")
            ```
        """
        self._source.must_be_whole("duplicate")
        check_name("the name of the table", new, self._source.dialect)
        source = self._source
        async with source.executor.transaction():
            found = await duplicate(source, new)
            source.catalog.copied(source.model.name, found)
            await refresh(source.executor, source.catalog, [found.qualified_name])
            return type(self)(source.refreshed(found.qualified_name))  # type: ignore[call-arg]

    async def truncate(self) -> None:
        """Delete all rows; rows of others that refer to them refuse it, whatever their foreign key says.

        Raises:
            InvalidOperationError: rows of another table refer to this one.

        Example:
            ```python
            await sessions.truncate()
            ```
        """
        self._source.must_be_whole("truncate")
        source = self._source
        async with source.executor.transaction():
            await drop_table(source.executor, source.model.sa_table, source.dialect, "truncate", rows_only=True)

    async def drop(self) -> None:
        """Drop the table, unless rows of another table refer to it.

        Raises:
            InvalidOperationError: rows of another table refer to this one.
            QueryError: views or foreign keys of others need it (PostgreSQL).

        Example:
            ```python
            await sessions.drop()
            ```
        """
        self._source.must_be_whole("drop")
        source = self._source
        async with source.executor.transaction():
            await drop_table(source.executor, source.model.sa_table, source.dialect, "drop")
            source.catalog.forget(source.model.name)
            await refresh(source.executor, source.catalog, [source.model.name])
