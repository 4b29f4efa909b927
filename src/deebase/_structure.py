"""What a table can do to itself: indexes, columns, its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy.schema import CreateTable

from deebase._creation import drop_table
from deebase._reflection import inventory
from deebase._schema import alter
from deebase._schema.build import check_name
from deebase._schema.facts import TableFacts
from deebase._source import Source
from deebase._sql.statement import Statement
from deebase.errors import InvalidOperationError, SchemaError
from deebase.types import UNSET, ForeignKeyMark, Index

S = TypeVar("S", bound="Structure")


class Structure:
    """The part of a table that changes the table itself; a handle with a scope refuses all of it."""

    _source: Source

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
        if facts is None:
            made = source.model.sa_table.indexes
            entries = [(str(index.name), [column.name for column in index.columns], index.unique) for index in made]
        else:
            entries = [(index.name, list[Any](index.columns), index.unique) for index in facts.indexes]
        entries.sort(key=lambda entry: entry[0])
        return [{"name": name, "columns": columns, "unique": bool(unique)} for name, columns, unique in entries]

    def _must_be_whole(self, operation: str) -> None:
        if self._source.scope:
            raise InvalidOperationError(
                f"{operation} changes all of {self._source.model.name}, and this handle has a scope",
                operation=operation,
                target=self._source.model.name,
                hint="use the handle without a scope",
            )

    async def _change(self, operation: str, *statements: str) -> None:
        self._must_be_whole(operation)
        async with self._source.executor.transaction():
            for statement in statements:
                await self._source.executor.fetch(Statement(statement), [])

    async def _found(self, name: str | None = None) -> TableFacts:
        """Return what the database says of the table now."""
        source = self._source
        table = source.model.sa_table
        wanted = table.name if name is None else name
        return next(facts for facts in await inventory(source.executor, table.schema) if facts.name == wanted)

    async def _anew(self: S, name: str | None = None, known: Mapping[str, Any] | None = None) -> S:
        """Return the handle of the table as it is now, whose class it keeps."""
        source = self._source
        found = await self._found(name)
        source.catalog.changed(source.model.name, found, known)
        return type(self)(source.anew(found.known_as))  # type: ignore[call-arg]

    async def _learn_indexes(self) -> None:
        self._source.catalog.learn_indexes(await self._found())

    def _taken(self, column: str) -> SchemaError:
        name = self._source.model.name
        return SchemaError(
            f"{name} has a column {column!r}", table_name=name, column_name=column, hint="choose another name"
        )

    def _quoted(self, name: str) -> str:
        return self._source.dialect.identifier_preparer.quote(name)

    @property
    def _table(self) -> str:
        return self._source.dialect.identifier_preparer.format_table(self._source.model.sa_table)

    # -- indexes -------------------------------------------------------------------------------

    async def create_index(
        self,
        columns: str | Sequence[str],
        *,
        name: str | None = None,
        unique: bool = False,
        where: str | None = None,
        if_not_exists: bool = False,
    ) -> None:
        """Create an index.

        Args:
            columns: a column, or several in the order of the index.
            name: ``ix_<table>_<columns>`` by default.
            unique: refuse two rows with the same values.
            where: a condition in SQL (trusted code), for an index over part of the rows.
            if_not_exists: an index of this name is no error.

        Raises:
            ColumnNotFoundError: a name that is no column.
            UniqueViolationError: two rows have the same values already.

        Example:
            ```python
            await users.create_index("email", unique=True)
            ```
        """
        model = self._source.model
        names = [columns] if isinstance(columns, str) else list(columns)
        for column in names:
            model.column(column)
        index = Index(name or f"ix_{model.sa_table.name}_{'_'.join(names)}", *names, unique=unique, where=where)
        check_name("the name of the index", index.name, self._source.dialect)
        await self._change(
            "create_index",
            alter.create_index(model.sa_table, index, self._source.dialect, if_not_exists=if_not_exists),
        )
        await self._learn_indexes()

    async def drop_index(self, name: str) -> None:
        """Drop an index of this table.

        Raises:
            SchemaError: the table has no index of this name.

        Example:
            ```python
            await users.drop_index("ix_user_email")
            ```
        """
        table = self._source.model.sa_table
        await self._learn_indexes()
        known = [index["name"] for index in self.indexes]
        if name not in known:
            raise SchemaError(
                f"{self._source.model.name} has no index {name!r}",
                table_name=self._source.model.name,
                hint=f"its indexes are {', '.join(known)}" if known else "it has no indexes",
            )
        schema = "" if table.schema is None else f"{self._quoted(table.schema)}."
        await self._change("drop_index", f"DROP INDEX {schema}{self._quoted(name)}")
        await self._learn_indexes()

    # -- columns -------------------------------------------------------------------------------

    async def add_column(self: S, name: str, type: Any, *, default: Any = UNSET, fk: ForeignKeyMark | None = None) -> S:
        """Add a column and return the handle that knows it.

        Args:
            name: of the column.
            type: an annotation as in a class: ``int``, ``str | None``, ``ForeignKey[int, "user"]``.
            default: its default, which the rows that are there get too. A column that is NOT NULL needs one.
            fk: what the column refers to, with actions: ``ForeignKey("user.id", on_delete="cascade")``.

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
        model = source.model
        check_name("the name of the column", name, source.dialect)
        if name in model.columns:
            raise SchemaError(
                f"{model.name} has a column {name!r}",
                table_name=model.name,
                column_name=name,
                hint="choose another name",
            )
        spec = alter.column_spec(name, type, default)
        mark = fk if fk is not None else spec.foreign_key
        key: str | None = None
        if mark is not None:
            pks = source.catalog.model(mark.target.partition(".")[0]).pks
            key = pks[0] if len(pks) == 1 else None
        await self._change("add_column", alter.add_column(model.sa_table, spec, mark, key, source.dialect))
        return await self._anew(known={name: spec.sa_type})

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
        model = self._source.model
        model.column(old)
        check_name("the name of the column", new, self._source.dialect)
        if new in model.columns:
            raise self._taken(new)
        await self._change(
            "rename_column", f"ALTER TABLE {self._table} RENAME COLUMN {self._quoted(old)} TO {self._quoted(new)}"
        )
        return await self._anew()

    async def drop_column(self: S, name: str) -> S:
        """Drop a column with its values, and return the handle that knows it no more.

        Raises:
            ColumnNotFoundError: there is no such column.
            InvalidOperationError: it is part of the key.
            QueryError: the database cannot: an index, a constraint or a view uses it (SQLite).

        Example:
            ```python
            users = await users.drop_column("city")
            ```
        """
        model = self._source.model
        model.column(name)
        if name in model.pks:
            raise InvalidOperationError(
                f"{model.name}.{name} is part of the key",
                operation="drop_column",
                target=model.name,
                hint="drop others",
            )
        await self._change("drop_column", f"ALTER TABLE {self._table} DROP COLUMN {self._quoted(name)}")
        return await self._anew()

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
        check_name("the name of the table", new, self._source.dialect)
        await self._change("rename", f"ALTER TABLE {self._table} RENAME TO {self._quoted(new)}")
        return await self._anew(new)

    async def truncate(self) -> None:
        """Delete all rows; rows of others that refer to them refuse it, whatever their foreign key says.

        Raises:
            InvalidOperationError: rows of another table refer to this one.

        Example:
            ```python
            await sessions.truncate()
            ```
        """
        self._must_be_whole("truncate")
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
        self._must_be_whole("drop")
        source = self._source
        async with source.executor.transaction():
            await drop_table(source.executor, source.model.sa_table, source.dialect, "drop")
        source.catalog.forget(source.model.name)
