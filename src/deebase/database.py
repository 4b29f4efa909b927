"""Database: the one object that a program opens, and where tables come from."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Never, TypeVar, overload

from deebase._backends import make_backend
from deebase._backends.settings import settings_for
from deebase._engine.executor import Executor
from deebase._engine.transaction import Transaction
from deebase._model.catalog import Catalog
from deebase._model.classes import tables_of
from deebase._model.design import TableSpec, design
from deebase._pictures.diagram import Diagram
from deebase._pictures.notebook import database_html
from deebase._rows.advice import refuse_attribute
from deebase._schema.create import create_tables
from deebase._schema.match import match
from deebase._schema.reflect import reflect, refresh
from deebase._schema.views import ViewMaker
from deebase._tables.accessors import DC, Row, Tables, Views
from deebase._tables.query import STREAM_ROWS
from deebase._tables.raw_sql import RawSql
from deebase._tables.table import Table
from deebase._tables.view import View
from deebase.errors import ValidationError
from deebase.types import ForeignKeyMark, Index, SqlExpression

if TYPE_CHECKING:
    import os

    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deebase._rows.model import TableModel
    from deebase.migrations import Migrator

T = TypeVar("T")
#: How the names of tables begin that the library keeps for itself, as the ledger of migrations is.
OWN_TABLES = "_deebase_"
#: What `create_all` takes for a single class.
_OWN_OPTIONS = frozenset({"name", "pk", "indexes", "foreign_keys", "defaults", "checks", "index_foreign_keys"})


class Database:
    """A SQLite or PostgreSQL database.

    Nothing is opened until the first awaited call. One object serves any number of tasks.

    Args:
        target: a path or ``":memory:"`` (SQLite), or a URL: ``sqlite:``, ``sqlite+aiosqlite:``,
            ``postgresql:``, ``postgres:``, ``postgresql+asyncpg:``.
        pool_size: connections of PostgreSQL (10), readers of SQLite (4; it has one writer besides).
        timeout: seconds to wait for a connection, the writer, or another process's lock.
        pragmas: SQLite settings on top of ours, ``{"cache_size": -65536}``.
        foreign_keys: whether SQLite enforces them.
        durability: "full" syncs at each commit (SQLite); "normal" at each checkpoint: never corrupt,
            but a power cut may lose the last commits.
        coalesce: reads by key that are asked for in one turn of the event loop, outside of a
            transaction, share one statement.
        pgbouncer: the server is PgBouncer in transaction mode.
        connect_timeout: seconds to wait for a connection to be made (PostgreSQL).
        command_timeout: seconds a statement may take, 0 for any (PostgreSQL).
        lock_timeout: seconds a statement may wait for a lock, 0 for any (PostgreSQL).
        idle_timeout: seconds a transaction may be idle, 0 for any (PostgreSQL).
        echo: log every statement at INFO (logger ``deebase.sql``; values are never logged).
        engine_options: passed on to SQLAlchemy's ``create_async_engine``.

    Raises:
        ConfigurationError: a URL or an option that cannot be right.

    Example:
        ```python
        async with Database("app.db") as db:
            users = await db.create(User)
        ```
    """

    def __init__(
        self,
        target: str | os.PathLike[str],
        *,
        pool_size: int | None = None,
        timeout: float = 10.0,
        pragmas: Mapping[str, Any] | None = None,
        foreign_keys: bool = True,
        durability: Literal["full", "normal"] = "full",
        coalesce: bool = True,
        pgbouncer: bool = False,
        connect_timeout: float = 10.0,
        command_timeout: float = 60.0,
        lock_timeout: float = 10.0,
        idle_timeout: float = 60.0,
        echo: bool = False,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = settings_for(
            target,
            {
                "pool_size": pool_size,
                "timeout": timeout,
                "pragmas": pragmas,
                "foreign_keys": foreign_keys,
                "durability": durability,
                "pgbouncer": pgbouncer,
                "connect_timeout": connect_timeout,
                "command_timeout": command_timeout,
                "lock_timeout": lock_timeout,
                "idle_timeout": idle_timeout,
                "engine_options": engine_options,
            },
        )
        self._catalog = Catalog(self._settings.dialect, lambda: self._executor.block())
        backend = make_backend(self._settings.name, self._catalog.unique_columns, self._catalog.explained)
        self._executor = Executor(self._settings, backend, echo=echo, coalesce=coalesce)
        self._raw = RawSql(self._executor, self._catalog.dialect)
        self.t: Tables = Tables(self._catalog, self._executor)
        self.v: Views = Views(self._catalog, self._executor)

    def __repr__(self) -> str:
        state = " closed" if self._executor.closed else ""
        return f"<Database {self._settings.display}{state}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Never:
            if name in self.__dict__.get("t", ()):
                raise AttributeError(f"'Database' object has no attribute {name!r}: write db.t.{name}", name=name)
            refuse_attribute(self, name, "db")

        def __getitem__(self, name: object) -> Never:
            """Refuse: tables are attributes and items of ``db.t``.

            Raises:
                TypeError: always.

            Example:
                ```python
                users = db.t["user"]
                ```
            """
            raise TypeError("a database is not indexed: tables are db.t['user'], views db.v['adult']")

        def __iter__(self) -> Never:
            raise TypeError("a database is not iterated over: its tables are db.t, its views db.v")

        def __contains__(self, name: object) -> Never:
            raise TypeError("a database is not searched: write 'user' in db.t, or in db.v for a view")

    def _repr_html_(self) -> str:
        tables, views = self._described(views=False), self._described(views=True)
        return database_html(self._settings.display, tables, views)

    def _described(self, *, views: bool) -> list[TableModel]:
        return [self._catalog.model(name) for name in self._catalog.names(views=views)]

    # -- life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, *, timeout: float = 10.0) -> None:
        """Wait for what runs, then close every connection; calling it again does no harm.

        Args:
            timeout: seconds to wait for running operations before they are cut off.

        Example:
            ```python
            await db.close()
            ```
        """
        await self._executor.close(timeout)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's AsyncEngine of this database, in the running event loop."""
        return self._executor.engine

    @property
    def metadata(self) -> sa.MetaData:
        """SQLAlchemy's MetaData with the tables this database knows."""
        self._catalog.build_all()
        return self._catalog.metadata

    @property
    def migrate(self) -> Migrator:
        """The migrations of this database, in the directory that ``deebase.toml`` or ``pyproject.toml`` names.

        Raises:
            ConfigurationError: that file cannot be read.

        Example:
            ```python
            await db.migrate.up()
            ```
        """
        # By name: migrations are built upon this module, and a program that has none does not load Alembic.
        migrator: type[Migrator] = importlib.import_module("deebase.migrations").Migrator
        return migrator.configured(self)

    # -- SQL -----------------------------------------------------------------------------------

    @overload
    async def q(self, sql: Any, params: Any = None) -> list[Row]: ...

    @overload
    async def q(self, sql: Any, params: Any = None, *, row_type: type[T]) -> list[T]: ...

    async def q(self, sql: Any, params: Any = None, *, row_type: type[Any] = dict) -> list[Any]:
        """Run SQL text or a SQLAlchemy Core statement and return its rows.

        Args:
            sql: one statement. Its parameters are ``?`` or ``:name``, on both databases; ``??`` is a
                literal question mark.
            params: a list for ``?``, a dict for ``:name``.
            row_type: dict, a dataclass, or a pydantic, attrs or msgspec class.

        Returns:
            A list of rows, empty for a statement that returns none.

        Raises:
            ValidationError: parameters that do not match the text.
            QueryError: the database refuses the statement.
            InvalidOperationError: BEGIN, COMMIT and their like; use ``db.transaction()``.

        Example:
            ```python
            rows = await db.q("SELECT * FROM post WHERE views > ?", [30])
            ```
        """
        return await self._raw.rows(sql, params, row_type)

    async def item(self, sql: Any, params: Any = None) -> Any:
        """Return the one value of a query: exactly one row with one column.

        Raises:
            NotFoundError: no row.
            MultipleRowsError: more than one row.
            ValidationError: more than one column.

        Example:
            ```python
            n = await db.item("SELECT count(*) FROM post")
            ```
        """
        return await self._raw.item(sql, params)

    @overload
    def stream(self, sql: Any, params: Any = None) -> AsyncIterator[Row]: ...

    @overload
    def stream(self, sql: Any, params: Any = None, *, row_type: type[T]) -> AsyncIterator[T]: ...

    def stream(self, sql: Any, params: Any = None, *, row_type: type[Any] = dict) -> AsyncIterator[Any]:
        """Iterate over a result of any size in constant memory, from a cursor of the database.

        A connection is held while the loop runs, and given back when it ends.

        Args:
            sql: SQL text or a SQLAlchemy select.
            params: as in ``q``.
            row_type: as in ``q``.

        Example:
            ```python
            async for row in db.stream("SELECT * FROM post"):
                print(row)
            ```
        """
        return self._raw.stream(sql, params, row_type, STREAM_ROWS)

    async def script(self, sql: str) -> None:
        """Run several statements, separated by semicolons, in one transaction: all or nothing.

        Example:
            ```python
            await db.script("CREATE TABLE a (x int); INSERT INTO a VALUES (1);")
            ```
        """
        await self._raw.script(sql)

    def sql(self, expression: Any) -> SqlExpression:
        """Mark a SQL expression as meant, so that it may stand where ``update`` takes a value.

        Args:
            expression: a SQLAlchemy expression. SQL text is trusted code; never build it from input.

        Example:
            ```python
            await users.update(pk=1, visits=db.sql(users.c.visits + 1))
            ```
        """
        return self._raw.expression(expression)

    # -- transactions --------------------------------------------------------------------------

    def transaction(
        self,
        *,
        read_only: bool = False,
        isolation: Literal["read committed", "repeatable read", "serializable"] | None = None,
    ) -> Transaction:
        """Open a transaction: committed at the end of the block, rolled back by any exception.

        Inside of another one of this task it is a savepoint. Tasks started inside the block take part
        in it, one statement at a time.

        Args:
            read_only: writes are refused; on SQLite it does not wait for the writer.
            isolation: PostgreSQL's level; SQLite is always serializable.

        Raises:
            BusyError: no connection, or not the writer, within ``timeout``.
            TransactionAbortedError: the block ended normally although a statement had failed.
            CommitOutcomeUnknownError: the link was lost at COMMIT.

        Example:
            ```python
            async with db.transaction():
                await accounts.update(pk=1, balance=db.sql(accounts.c.balance - 10))
                await accounts.update(pk=2, balance=db.sql(accounts.c.balance + 10))
            ```
        """
        return self._executor.transaction(read_only=read_only, isolation=isolation)

    async def retry(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        attempts: int = 5,
        isolation: Literal["read committed", "repeatable read", "serializable"] | None = None,
        timeout: float | None = None,
    ) -> T:
        """Run ``work`` in a transaction, and again in a fresh one after a failure of the moment.

        Those are serialization failures, deadlocks, a busy writer, and a link lost before COMMIT.

        Args:
            work: an async function without arguments; it may run several times.
            attempts: how often at most.
            isolation: as in ``transaction``.
            timeout: seconds after which no further attempt is begun.

        Returns:
            What ``work`` returned.

        Example:
            ```python
            total = await db.retry(transfer, isolation="serializable")
            ```
        """
        return await self._executor.retry(work, attempts=attempts, isolation=isolation, timeout=timeout)

    # -- tables --------------------------------------------------------------------------------

    @overload
    def create(  # type: ignore[overload-overlap]
        self,
        cls: type[DC],
        *,
        name: str | None = None,
        pk: str | Sequence[str] = "id",
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
        strict: bool = False,
    ) -> Coroutine[Any, Any, Table[DC]]: ...

    @overload
    def create(
        self,
        cls: type[object],
        *,
        name: str | None = None,
        pk: str | Sequence[str] = "id",
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
        strict: bool = False,
    ) -> Coroutine[Any, Any, Table[Row]]: ...

    def create(
        self,
        cls: type[Any],
        *,
        name: str | None = None,
        pk: str | Sequence[str] = "id",
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
        strict: bool = False,
    ) -> Coroutine[Any, Any, Table[Any]]:
        """Create a table from a class, with its indexes, in one transaction.

        Args:
            cls: annotated attributes are columns. A dataclass gives rows of that class, any other
                class dicts.
            name: the table's name; snake_case of the class's by default.
            pk: the key column, or a list of them. One the class lacks is added as ``int``; a single
                integer key is generated by the database.
            indexes: column names, tuples of them, or ``Index(...)``.
            foreign_keys: ``{"author_id": ForeignKey("user.id", on_delete="cascade")}``; of several columns
                ``{("company_id", "project_id"): ForeignKey("project", columns=("company_id", "id"))}``.
            defaults: values by column, on top of those of the class.
            checks: conditions in SQL (trusted code) that each row must fulfil: ``["age >= 0"]``.
            index_foreign_keys: make an index for each foreign key, unless the key or another index begins with its
                columns. Without one, deleting a row that others may refer to reads all of those.
            if_not_exists: take the table as it is when it exists; a warning lists how it differs.
            replace: drop the table first when it exists.
            transform: change the table to what the class says when it exists, rows kept: columns are added, and
                dropped unless rows have values in them; types, NOT NULL, defaults, the key, foreign keys, and the
                indexes and checks named here follow the class.
            strict: a STRICT table: SQLite itself refuses values of other types, whoever writes them. Its columns
                are INTEGER, REAL, TEXT or BLOB, so that reflection cannot tell dates and decimals from text.
                PostgreSQL is always strict.

        Raises:
            TableExistsError: it exists.
            UnsupportedTypeError: an annotation has no column type.
            SchemaError: a foreign key to a table that does not exist.
            ValidationError: a default that does not fit its column.
            InvalidOperationError: transform would drop a column in which rows have values.
            IntegrityError: rows are there that the changed table would not take.
            DataError: transform cannot convert a value.

        Example:
            ```python
            users = await db.create(User, pk="id", indexes=["email"])
            ```
        """
        # The caller's names are read here, while its frame is the one above: a coroutine may be run
        # by somebody else.
        localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
        made = design(
            cls,
            name=name,
            pk=pk,
            indexes=indexes,
            foreign_keys=foreign_keys,
            defaults=defaults,
            checks=checks,
            index_foreign_keys=index_foreign_keys,
            localns=localns,
        )
        return self._create_one(made, if_not_exists=if_not_exists, replace=replace, transform=transform, strict=strict)

    async def _create_one(
        self, made: TableSpec, *, if_not_exists: bool, replace: bool, transform: bool, strict: bool
    ) -> Table[Any]:
        await self._create([made], if_not_exists=if_not_exists, replace=replace, transform=transform, strict=strict)
        return self.t[made.name]

    def create_all(
        self,
        *classes: type[Any] | Iterable[type[Any]] | Mapping[type[Any], Mapping[str, Any]] | ModuleType,
        pk: str | Sequence[str] = "id",
        options: Mapping[type[Any], Mapping[str, Any]] | None = None,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
    ) -> Coroutine[Any, Any, list[Table[Any]]]:
        """Create several tables in one transaction, whatever order their foreign keys need.

        Args:
            *classes: as in ``create``; they may refer to each other in cycles. Lists of classes, dicts of classes
                and their options, and modules with models or ``TABLES`` are taken too.
            pk: the key of all of them.
            options: what single classes need of ``create``: ``{Post: {"pk": "slug", "indexes": ["title"]}}``.
            if_not_exists: as in ``create``.
            replace: as in ``create``.
            transform: as in ``create``; tables that are missing are made first.

        Returns:
            The tables, in the order of the classes.

        Example:
            ```python
            users, posts = await db.create_all(User, Post)
            ```
        """
        localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
        tables = tables_of(classes)
        given: Any = options
        if given is not None and not isinstance(given, Mapping):
            raise ValidationError(
                f"options are a dict by class, not {type(given).__name__}",
                field="options",
                hint="{Post: {'pk': 'slug'}}",
            )
        own = {**{cls: some for cls, some in tables if some}, **(options or {})}
        unknown = {str(name) for given in own.values() for name in given} - _OWN_OPTIONS
        if unknown or not own.keys() <= {cls for cls, _ in tables}:
            raise ValidationError(
                f"options are by class, and take no {', '.join(sorted(unknown)) or 'class that is not created'}",
                field="options",
                hint=f"{{Post: {{'pk': 'slug'}}}}; of each class {', '.join(sorted(_OWN_OPTIONS))}",
            )
        shared: dict[str, Any] = {"name": None, "pk": pk, "localns": localns}
        designs = [design(cls, **{**shared, **own.get(cls, {})}) for cls, _ in tables]
        return self._create_several(designs, if_not_exists=if_not_exists, replace=replace, transform=transform)

    async def _create_several(
        self, designs: list[TableSpec], *, if_not_exists: bool, replace: bool, transform: bool
    ) -> list[Table[Any]]:
        await self._create(designs, if_not_exists=if_not_exists, replace=replace, transform=transform)
        return [self.t[made.name] for made in designs]

    async def _create(
        self, designs: list[TableSpec], *, if_not_exists: bool, replace: bool, transform: bool, strict: bool = False
    ) -> None:
        flags: list[Any] = [if_not_exists, replace, transform]
        if any(type(flag) is not bool for flag in flags):
            raise ValidationError(
                "if_not_exists, replace and transform are True or False", hint="create(cls, if_not_exists=True)"
            )
        if sum(flags) > 1:
            raise ValidationError("if_not_exists, replace and transform exclude each other", hint="give one of them")
        if transform:
            await match(self._executor, self._catalog, designs, strict=strict)
        differing = await create_tables(
            self._executor,
            self._catalog,
            designs,
            if_not_exists=if_not_exists or transform,
            replace=replace,
            strict=strict,
        )
        for made, found in differing:
            warnings.warn(
                f"table {made.name} exists and differs from {made.cls.__name__}: {'; '.join(found)}", stacklevel=3
            )

    def diagram(self, *, views: bool = False) -> Diagram:
        """Draw the tables that this database knows, with their foreign keys; those of the library are left out.

        Args:
            views: draw views, too.

        Returns:
            What ``str()`` makes Mermaid text of, and a notebook shows as a picture; ``.svg``, ``.dot``, ``.mermaid``.

        Example:
            ```python
            await db.reflect()
            Path("tables.svg").write_text(db.diagram().svg, encoding="utf-8")
            ```
        """
        shown = self._described(views=True) if views else []
        tables = [model for model in self._described(views=False) if not model.name.startswith(OWN_TABLES)]
        return Diagram(tables, shown, self._catalog.dialect)

    def dataclasses(self) -> dict[str, type[Any]]:
        """Return a dataclass for each table that this database knows, by the name of the table.

        Example:
            ```python
            await db.reflect()
            User = db.dataclasses()["user"]
            ```
        """
        return {table.name: table.dataclass() for table in self.t}

    # -- files ---------------------------------------------------------------------------------

    async def import_file(
        self,
        source: Any,
        table: str | None = None,
        *,
        pk: str | Sequence[str] | None = None,
        format: Literal["csv", "tsv", "json", "ndjson"] | None = None,
        encoding: str = "utf-8-sig",
        delimiter: str | None = None,
        header: bool | Sequence[str] = True,
        null: str | Iterable[str] = "",
        types: Mapping[str, Any] | None = None,
        on_conflict: Literal["ignore", "update"] | None = None,
        on: str | Sequence[str] | None = None,
        progress: Callable[[int, int, int], object] | None = None,
    ) -> Table[Row]:
        """Import a CSV, TSV, JSON or NDJSON file, all or nothing, and return its table.

        A table that is not there is made: the whole file is looked at for the types of its columns. Texts with a
        leading zero or plus, and numbers with more digits than are kept, stay text. Memory does not grow with the file.

        Args:
            source: a path, bytes, a binary or text file object, or "-" for standard input; packed by gzip, or the only
                file of a zip archive.
            table: its name; that of the file by default. One that is there gets the rows, in its own types.
            pk: the key of a new table; a column ``id`` by default, else one is added.
            format: told by the file's name, or by how it begins, by default.
            encoding: of the text; a byte order mark takes precedence.
            delimiter: between fields; what the first line has most of , ; tab | by default.
            header: whether the first line names the columns, or their names.
            null: texts that mean NULL, of delimited files: ``null=["", "NA"]``. An empty field in quotes is a text.
            types: types of columns of a new table, as annotations, in place of those that were found.
            on_conflict: as in ``insert_all``.
            on: as in ``insert_all``.
            progress: called now and then with the number of rows, the bytes that were read and those of the file.

        Raises:
            ValidationError: the file is broken, or a value does not fit; names file, line and column.
            InvalidOperationError: the file cannot be opened.
            ColumnNotFoundError: the table that is there lacks a column of the file.
            IntegrityError: a row is refused by a constraint; names file and line.

        Example:
            ```python
            people = await db.import_file("people.csv", pk="email", null=["", "NA"])
            ```
        """
        # Here: zip archives and the like are loaded by those who import files.
        from deebase._files.importing import Import
        from deebase._tables.import_file import import_into

        with ExitStack() as stack:
            found = Import(
                source,
                format=format,
                encoding=encoding,
                delimiter=delimiter,
                header=header,
                null=null,
                progress=progress,
                stack=stack,
            )
            return await import_into(
                found,
                self._executor,
                self._catalog,
                self.t,
                self._create_imported,
                table,
                pk,
                types or {},
                on_conflict,
                on,
            )

    def _create_imported(self, made: TableSpec) -> Coroutine[Any, Any, Table[Row]]:
        return self._create_one(made, if_not_exists=False, replace=False, transform=False, strict=False)

    # -- what is there already -----------------------------------------------------------------

    async def reflect(self, schema: str | None = None) -> None:
        """Read all tables and views that are in the database, so that ``db.t`` and ``db.v`` know them.

        The number of statements is fixed, however many tables there are. Called again, it notices what was
        changed, made or dropped by others. A table that was created from a class keeps it if it still fits.

        Args:
            schema: of PostgreSQL, instead of the default one; its tables are known as "schema.table".

        Warns:
            UserWarning: columns of types that Python has no counterpart of, which are read and written as text.

        Example:
            ```python
            await db.reflect()
            rows = await db.t.user(limit=10)
            ```
        """
        await reflect(self._executor, self._catalog, schema)

    async def reflect_table(self, name: str, schema: str | None = None) -> Table[Row]:
        """Read one table that is in the database and return it.

        Raises:
            TableNotFoundError: it is not there.

        Example:
            ```python
            users = await db.reflect_table("user")
            ```
        """
        await reflect(self._executor, self._catalog, schema, name)
        return self.t[name if schema is None else f"{schema}.{name}"]

    async def reflect_view(self, name: str, schema: str | None = None, *, key: str | None = None) -> View[Row]:
        """Read one view that is in the database and return it.

        Args:
            name: its name.
            schema: of PostgreSQL, instead of the default one.
            key: the column of ``view[key]``; the first one by default.

        Raises:
            TableNotFoundError: it is not there.
            ColumnNotFoundError: the key is none of its columns.

        Example:
            ```python
            popular = await db.reflect_view("popular")
            ```
        """
        await reflect(self._executor, self._catalog, schema, name)
        return self.v.handle(name if schema is None else f"{schema}.{name}", key=key)

    async def create_view(
        self, name: str, definition: Any, *, key: str | None = None, replace: bool = False, materialized: bool = False
    ) -> View[Row]:
        """Create a view and return it.

        Args:
            name: its name.
            definition: one SELECT as SQL text (trusted code), or a SQLAlchemy select.
            key: the column of ``view[key]``; the first one by default. A materialized view gets a unique index on it.
            replace: replace a view of this name; it stays as it was when the new one is wrong.
            materialized: keep the rows until ``refresh()`` (PostgreSQL).

        Raises:
            TableExistsError: a table or view of this name exists.
            ValidationError: the definition is no single SELECT.
            QueryError: the database refuses it.

        Example:
            ```python
            popular = await db.create_view("popular", "SELECT id, title FROM post WHERE views >= 100")
            ```
        """
        maker = ViewMaker(self._executor, self._catalog.dialect, name)
        async with self._executor.transaction():
            await maker.create(definition, replace=replace, materialized=materialized, key=key)
            await reflect(self._executor, self._catalog, None, name)
            await refresh(self._executor, self._catalog, quiet=False)
            return self.v.handle(name, key=key)


Database.__module__ = "deebase"
