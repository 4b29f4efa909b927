"""Database: the object that a program opens, and that gives it tables."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, Never, TypeAlias, TypeVar, overload

from deebase._backends.schemes import ReplicaOptions, settings_for
from deebase._engine.acting_block import ActingBlock
from deebase._engine.core import Core
from deebase._engine.reading_block import ReadingBlock, position_of, read_freshness
from deebase._engine.reading_executor import ReadOnlyBlock
from deebase._engine.retry import retry
from deebase._engine.transaction import Transaction
from deebase._lanes.limits import Limits
from deebase._model.design import design
from deebase._pictures.diagram import Diagram
from deebase._pictures.notebook import Rows, database_html
from deebase._rows.advice import refuse_attribute
from deebase._schema.database_size import DatabaseSize, size_of
from deebase._tables.accessors import DC, Row, Tables, Views
from deebase._tables.definitions import Classes, Definitions, IfExists, ImportTarget, designs_of
from deebase._tables.query import STREAM_ROWS
from deebase._tables.read_only_sql import raw_sql_on
from deebase._tables.table import Table
from deebase._tables.view import View
from deebase.types import ForeignKeyMark, Index, SchemaSQL, Search, SqlExpression, SqlTemplate, must_be_flags

if TYPE_CHECKING:
    import os

    import sqlalchemy as sa
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deebase import sync
    from deebase._files.options import Reading
    from deebase._files.reports import ImportReport
    from deebase.migrations import Migrator

#: SQL text, a statement of SQLAlchemy Core, or a t-string.
SQL: TypeAlias = "str | sa.Executable | SqlTemplate"

T = TypeVar("T")
#: Prefix of the tables that the library needs for itself, such as the ledger of migrations.
OWN_TABLES = "_deebase_"


class Database:
    """A SQLite or PostgreSQL database.

    Nothing is opened until the first awaited call. One object serves any number of tasks.

    Args:
        target: a path or ``":memory:"`` (SQLite), or a URL: ``sqlite:``, ``sqlite+aiosqlite:``,
            ``postgresql:``, ``postgres:``, ``postgresql+asyncpg:``.
        pool_size: connections of PostgreSQL (10), reading connections of SQLite (4, in addition to one that writes).
        timeout: seconds to wait for a connection, the writer, or another process's lock.
        pragmas: SQLite settings in addition to ours, ``{"cache_size": -65536}``.
        foreign_keys: whether SQLite enforces them.
        functions: functions in Python that the SQL of a SQLite file may call, ``{"title_sort": f}``.
        collations: comparisons of two texts in Python, ``{"PYTHON_NOCASE": f}`` (SQLite).
        extensions: the paths of SQLite extensions to load, ``["/usr/lib/mod_spatialite.so"]``.
        durability: "full" syncs at each commit (SQLite). "normal" syncs at each checkpoint: the file is never
            corrupt, but a power cut may lose the last commits.
        coalesce: reads by key in the same turn of the event loop, outside of a transaction, share one
            statement.
        in_loop: seconds that a read by key, or a select that is known to be short, may take in the thread of the event
            loop; one that takes longer runs in a thread of its own. None for none (SQLite files).
        pgbouncer: the server is PgBouncer in transaction mode.
        connect_timeout: seconds to wait for a connection to be made (PostgreSQL).
        command_timeout: seconds a statement may take, 0 for no limit (PostgreSQL).
        lock_timeout: seconds a statement may wait for a lock, 0 for no limit (PostgreSQL).
        idle_timeout: seconds a transaction may be idle, 0 for no limit (PostgreSQL).
        read_only: refuse every write before anything is sent, on connections that cannot write. Let the database check
            each SQL text before it runs, so that no text has an effect.
        echo: log every statement at INFO (logger ``deebase.sql``; values are never logged).
        engine_options: passed to SQLAlchemy's ``create_async_engine``.
        replicas: the URL of the servers that copy the changes of this one (PostgreSQL). It may list several hosts.
            ``db.reading()`` reads from them.
        replica_pool_size: connections to each replica; as many as ``pool_size`` by default.
        reads: "fresh" sends each read outside of a transaction to a replica that shows the writes of its context, and
            to the primary if none does. "primary" sends them to the primary.
        max_lag: seconds that the writes of others may be missing from fresh reads; None for any number.

    Raises:
        ConfigurationError: an invalid URL or option.

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
        functions: Mapping[str, Any] | None = None,
        collations: Mapping[str, Callable[[str, str], int]] | None = None,
        extensions: Sequence[str | os.PathLike[str]] | None = None,
        durability: Literal["full", "normal"] = "full",
        coalesce: bool = True,
        in_loop: float | None = 0.0002,
        pgbouncer: bool = False,
        connect_timeout: float = 10.0,
        command_timeout: float = 60.0,
        lock_timeout: float = 10.0,
        idle_timeout: float = 60.0,
        read_only: bool = False,
        echo: bool = False,
        engine_options: Mapping[str, Any] | None = None,
        replicas: str | None = None,
        replica_pool_size: int | None = None,
        reads: Literal["primary", "fresh"] = "primary",
        max_lag: float | None = 2.0,
    ) -> None:
        settings = settings_for(
            target,
            {
                "pool_size": pool_size,
                "timeout": timeout,
                "pragmas": pragmas,
                "foreign_keys": foreign_keys,
                "functions": functions,
                "collations": collations,
                "extensions": extensions,
                "durability": durability,
                "in_loop": in_loop,
                "pgbouncer": pgbouncer,
                "connect_timeout": connect_timeout,
                "command_timeout": command_timeout,
                "lock_timeout": lock_timeout,
                "idle_timeout": idle_timeout,
                "engine_options": engine_options,
            },
            ReplicaOptions(replicas, replica_pool_size, reads, max_lag),
        )
        self._use(Core.of(settings, echo=echo, coalesce=coalesce, read_only=read_only))

    def _use(self, core: Core) -> None:
        self._core = core
        self._sync: sync.Database | None = None
        self._raw = raw_sql_on(core)
        self._definitions = Definitions(core)
        self.t: Tables = self._definitions.tables
        self.v: Views = self._definitions.views

    def __repr__(self) -> str:
        state = " closed" if self._core.executor.closed else ""
        return f"<Database {self._core.settings.shown}{state}>"

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
        tables, views = self._core.catalog.models(views=False), self._core.catalog.models(views=True)
        return database_html(self._core.settings.display, tables, views)

    # -- life ----------------------------------------------------------------------------------

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, *, timeout: float = 10.0) -> None:
        """Wait for what runs, then close every connection; further calls do nothing.

        Args:
            timeout: seconds to wait for running operations before they are cancelled.

        Example:
            ```python
            await db.close()
            ```
        """
        await self._core.executor.close(timeout)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's AsyncEngine of this database, in the running event loop."""
        return self._core.executor.engine

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's Dialect of this database, to compile statements of your own."""
        return self._core.dialect

    @property
    def metadata(self) -> sa.MetaData:
        """SQLAlchemy's MetaData with the tables that this Database knows."""
        self._core.catalog.build_all()
        return self._core.catalog.metadata

    @property
    def sync(self) -> sync.Database:
        """This database with calls that are not awaited, for code without an event loop; see ``deebase.sync``.

        Example:
            ```python
            def report() -> int:
                return db.sync.t.user.count()
            ```
        """
        found = self._sync
        if found is None:
            found = self._sync = importlib.import_module("deebase._sync.blocking").blocking_database(self)
        return found

    @property
    def migrate(self) -> Migrator:
        """The migrations of this database, in the directory that ``deebase.toml`` or ``pyproject.toml`` names.

        Raises:
            ConfigurationError: the file cannot be read.

        Example:
            ```python
            await db.migrate.up()
            ```
        """
        # By name: migrations import this module, and a program without migrations does not load Alembic.
        migrator: type[Migrator] = importlib.import_module("deebase.migrations").Migrator
        return migrator.configured(self)

    # -- SQL -----------------------------------------------------------------------------------

    @overload
    async def q(self, sql: SQL, params: Any = None) -> Rows[Row]: ...

    @overload
    async def q(self, sql: SQL, params: Any = None, *, row_type: type[T]) -> Rows[T]: ...

    @overload
    async def q(self, sql: SQL, params: Any = None, *, as_: Literal["arrow", "polars", "pandas"]) -> Any: ...

    async def q(
        self,
        sql: SQL,
        params: Any = None,
        *,
        row_type: type[Any] = dict,
        as_: Literal["arrow", "polars", "pandas"] | None = None,
    ) -> Any:
        """Run SQL text or a SQLAlchemy Core statement and return its rows.

        Args:
            sql: one statement. Its parameters are ``?`` or ``:name``, on both databases; ``??`` is a
                literal question mark. A t-string binds its values: ``t"SELECT * FROM {posts} WHERE id = {n}"``.
            params: a list for ``?``, a dict for ``:name``.
            row_type: dict, a dataclass, or a pydantic, attrs or msgspec class.
            as_: "arrow", "polars" or "pandas" for a table or a frame with the types of the result, which SQLite tells
                by its values.

        Returns:
            A list of rows, empty for a statement that returns none; ``truncated`` is true if a limit of ``read_only``
            ended it. With ``as_``, a table or a frame.

        Raises:
            ValidationError: parameters that do not match the text.
            QueryError: the database refuses the statement.
            InvalidOperationError: BEGIN, COMMIT and similar statements; use ``db.transaction()``.

        Example:
            ```python
            rows = await db.q("SELECT * FROM post WHERE views > ?", [30])
            ```
        """
        if as_ is None:
            return await self._raw.rows(sql, params, row_type)
        return await self._raw.table(sql, params, as_)

    async def item(self, sql: SQL, params: Any = None) -> Any:
        """Return the value of a query that gives exactly one row with one column.

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
    def stream(self, sql: SQL, params: Any = None) -> AsyncIterator[Row]: ...

    @overload
    def stream(self, sql: SQL, params: Any = None, *, row_type: type[T]) -> AsyncIterator[T]: ...

    def stream(self, sql: SQL, params: Any = None, *, row_type: type[Any] = dict) -> AsyncIterator[Any]:
        """Iterate over a result of any size in constant memory, from a cursor of the database.

        The connection is held while the loop runs, and returned when it ends.

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
        """Mark a SQL expression, so that ``update`` takes it in place of a value.

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

        Inside another transaction of this task it is a savepoint. Tasks started inside the block take part
        in it, one statement at a time.

        Args:
            read_only: writes are refused; on SQLite the transaction does not wait for the writing connection.
            isolation: PostgreSQL's level; SQLite is always serializable.

        Raises:
            BusyError: no connection became free within ``timeout``; on SQLite another process may also hold the write
                lock for as long, which the first statement then raises.
            TransactionAbortedError: the block ended normally although a statement had failed.
            CommitOutcomeUnknownError: the link was lost after COMMIT was sent.

        Example:
            ```python
            async with db.transaction():
                await accounts.update(pk=1, balance=db.sql(accounts.c.balance - 10))
                await accounts.update(pk=2, balance=db.sql(accounts.c.balance + 10))
            ```
        """
        executor = self._core.executor
        reads = read_only or executor.only_reads or executor.reads.in_block()
        return executor.transaction(read_only=reads, isolation=isolation)

    def read_only(
        self, *, seconds: float | None = 2.0, rows: int | None = 1000, size: int | None = 1_000_000
    ) -> ReadOnlyBlock[Database]:
        """Open a block that only reads: for SQL text of people that you do not trust.

        The block gives a ``Database`` with the same tables and views and connections of its own. Each of its statements
        has the limits. Every write is refused before anything is sent. SQL text has no effect, whatever it is: the
        database itself accepts only a query, and only functions without side effects.

        Args:
            seconds: how long a statement may take; None for no limit.
            rows: the number of rows of a result. ``q`` returns the first ones, and sets ``truncated``; reads of tables
                and streams raise an error at the limit.
            size: the bytes of a result, and of a value, as ``rows``.

        Raises:
            ConfigurationError: a limit is not a number, or not above 0.
            TransactionError: a transaction of this task is open, whose changes the block would not see.

        Example:
            ```python
            async with db.read_only(seconds=2, rows=100) as ro:
                found = await ro.q("SELECT * FROM post")
                if found.truncated:
                    print("only the first 100 posts")
            ```
        """
        limits = Limits(seconds, rows, size).check()
        return ReadOnlyBlock(self._core.executor, lambda: database_on(self._core.reading(limits)))

    def reading(
        self,
        *,
        max_lag: float | None = 2.0,
        after: str | None = None,
        wait: float = 0.5,
        otherwise: Literal["primary", "error"] = "primary",
    ) -> ReadingBlock:
        """Open a block whose reads may be answered by a replica; tasks that are started inside belong to it.

        Each statement goes to a replica that is fresh enough, and to the primary if none is. ``db.transaction()`` is a
        transaction that only reads. Without replicas, all reads go to the database itself; on SQLite, to its readers.

        Args:
            max_lag: how many seconds the rows of a replica may be behind; None for any number.
            after: a position that the replica must have reached, from ``position``; None for any.
            wait: seconds that a statement waits at most for a replica that meets both.
            otherwise: "primary" reads there if no replica meets them, "error" raises.

        Raises:
            InvalidOperationError: a write or a locking read inside of the block; nothing is sent.
            BusyError: no replica meets the conditions, with ``otherwise="error"``.
            TransactionError: a transaction of this task is open, whose changes a replica does not show.
            ValidationError: ``after`` is not a position.

        Example:
            ```python
            async with db.reading(max_lag=5):
                newest = await db.q("SELECT * FROM post ORDER BY id DESC LIMIT 10")
            ```
        """
        return ReadingBlock(self._core.executor, read_freshness(max_lag, after, wait, otherwise))

    async def position(self) -> str:
        """Return the position of the last commit, for ``reading(after=)``: also in another process, or request.

        It is a short text of digits, letters and a slash, such as a cookie holds. On SQLite it is always the same.

        Raises:
            TransactionError: a transaction is open: its position is known after its commit.

        Example:
            ```python
            await users.insert(name="Ada", email="ada@example.com")
            token = await db.position()
            async with db.reading(after=token):
                assert await users.exists(email="ada@example.com")
            ```
        """
        return await position_of(self._core.executor)

    def acting(self, /, **values: Any) -> ActingBlock:
        """Open a block that acts for a tenant: it sees and writes the rows of secured tables with these values alone.

        The values hold for everything inside, tasks that it begins included. Inserts fill them in. On PostgreSQL, the
        database itself secures the rows, also for SQL text. On SQLite, statements of tables get the values as
        conditions, and SQL text cannot name a secured table. A nested block can add columns, not change values.

        Args:
            **values: the columns that secure tables, with one value each: a whole number, a text or a UUID.

        Raises:
            ValidationError: a value of another type, or an empty text.
            ScopeError: an outer block acts for another value.
            InvalidOperationError: row security does not hold for the role of the connection (the first statement
                raises it), or an async generator holds the block.

        Example:
            ```python
            docs = await db.create(Doc, secure="tenant")
            async with db.acting(tenant=7):
                await docs.insert(title="only seen by 7")
                rows = await docs()
            ```
        """
        return ActingBlock(self._core.executor, values)

    async def retry(
        self,
        work: Callable[[], Awaitable[T]],
        *,
        attempts: int = 5,
        isolation: Literal["read committed", "repeatable read", "serializable"] | None = None,
        timeout: float | None = None,
    ) -> T:
        """Run ``work`` in a transaction, and in a new one after a transient failure.

        Transient are serialization failures, deadlocks, a busy writer, and a link lost before COMMIT.

        Args:
            work: an async function without arguments; it may run several times.
            attempts: number of attempts at most.
            isolation: as in ``transaction``.
            timeout: seconds after which no further attempt begins.

        Returns:
            The result of ``work``.

        Example:
            ```python
            total = await db.retry(transfer, isolation="serializable")
            ```
        """
        return await retry(self._core.executor, work, attempts=attempts, isolation=isolation, timeout=timeout)

    # -- tables --------------------------------------------------------------------------------

    @overload
    def create(  # type: ignore[overload-overlap]
        self,
        cls: type[DC],
        *,
        name: str | None = None,
        pk: str | Sequence[str] | None = None,
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        generate_key: bool = True,
        search: Search | Sequence[str] | None = None,
        secure: str | Sequence[str] | None = None,
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
        pk: str | Sequence[str] | None = None,
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        generate_key: bool = True,
        search: Search | Sequence[str] | None = None,
        secure: str | Sequence[str] | None = None,
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
        pk: str | Sequence[str] | None = None,
        indexes: Iterable[str | tuple[str, ...] | Index] = (),
        foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
        defaults: Mapping[str, Any] | None = None,
        checks: Iterable[str] = (),
        index_foreign_keys: bool = True,
        generate_key: bool = True,
        search: Search | Sequence[str] | None = None,
        secure: str | Sequence[str] | None = None,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
        strict: bool = False,
    ) -> Coroutine[Any, Any, Table[Any]]:
        """Create a table from a class, with its indexes, in one transaction.

        Args:
            cls: annotated attributes are columns. Rows of a dataclass are instances of it, those of any other
                class are dicts.
            name: the table's name; by default the name of the class in snake_case.
            pk: the key column, or a list of them. One the class lacks is added as ``int``; a single
                integer key is generated by the database. None for the key that the class names by ``__pk__`` or
                PrimaryKey, or else ``id``.
            indexes: column names, tuples of them, or ``Index(...)``.
            foreign_keys: ``{"author_id": ForeignKey("user.id", on_delete="cascade")}``; of several columns
                ``{("company_id", "project_id"): ForeignKey("project", columns=("company_id", "id"))}``.
            defaults: values by column, in addition to those of the class.
            checks: conditions in SQL (trusted code) that each row must meet: ``["age >= 0"]``.
            index_foreign_keys: create an index for each foreign key, unless the primary key or another index begins
                with its columns. Without an index, deleting a row reads every row that could refer to it.
            generate_key: False for a single integer key whose values the rows always give (PostgreSQL; SQLite
                generates the value of every such key that is not given).
            search: columns of text that ``search`` of the table finds rows by, or ``Search(...)`` with weights, a
                language and more.
            secure: the column, or columns, whose value the program acts for: rows with other values are neither seen
                nor written; see ``acting``.
            if_not_exists: leave a table that exists as it is; a warning lists the differences.
            replace: drop a table that exists first.
            transform: change a table that exists to match the class, and keep its rows: columns are added, and
                dropped unless rows have values in them; types, NOT NULL, defaults, the key, foreign keys, and the
                indexes and checks named here follow the class.
            strict: create a STRICT table: SQLite itself refuses values of other types, from any program. Its
                columns are INTEGER, REAL, TEXT or BLOB, so that reflection cannot tell dates and decimals from
                text. PostgreSQL is always strict.

        Raises:
            TableExistsError: the table exists.
            UnsupportedTypeError: an annotation has no column type.
            SchemaError: a foreign key to a table that does not exist.
            ValidationError: a default that does not fit its column.
            InvalidOperationError: transform would drop a column in which rows have values.
            IntegrityError: the changed table would not accept rows that exist.
            DataError: transform cannot convert a value.

        Example:
            ```python
            users = await db.create(User, pk="id", indexes=["email"])
            ```
        """
        # The names of the caller are read here, while its frame is the one above: another task may run the coroutine.
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
            generate_key=generate_key,
            search=search,
            secure=secure,
            localns=localns,
        )
        return self._definitions.create(made, IfExists(if_not_exists, replace, transform), strict=strict)

    def create_all(
        self,
        *classes: Classes,
        pk: str | Sequence[str] | None = None,
        options: Mapping[type[Any], Mapping[str, Any]] | None = None,
        if_not_exists: bool = False,
        replace: bool = False,
        transform: bool = False,
    ) -> Coroutine[Any, Any, list[Table[Any]]]:
        """Create several tables in one transaction, in the order that their foreign keys need.

        Args:
            *classes: as in ``create``; they may refer to each other in cycles. Lists of classes, dicts of classes
                and their options, and modules with models or ``TABLES`` are accepted, too.
            pk: the key of all of them; None as in ``create``.
            options: options of ``create`` by class: ``{Post: {"pk": "slug", "indexes": ["title"]}}``.
            if_not_exists: as in ``create``.
            replace: as in ``create``.
            transform: as in ``create``; missing tables are created first.

        Returns:
            The tables, in the order of the classes.

        Example:
            ```python
            users, posts = await db.create_all(User, Post)
            ```
        """
        localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
        designs = designs_of(classes, pk, options, localns)
        return self._definitions.create_all(designs, IfExists(if_not_exists, replace, transform))

    @overload
    def bind(self, cls: type[DC], /, *, check: Literal["error", "warn"] = "error") -> Table[DC]: ...  # type: ignore[overload-overlap]

    @overload
    def bind(self, cls: type[object], /, *, check: Literal["error", "warn"] = "error") -> Table[Row]: ...

    @overload
    def bind(
        self, first: Classes, second: Classes, /, *classes: Classes, check: Literal["error", "warn"] = "error"
    ) -> list[Table[Any]]: ...

    @overload
    def bind(
        self,
        classes: Iterable[type[Any]] | Mapping[type[Any], Mapping[str, Any]] | ModuleType,
        /,
        *,
        check: Literal["error", "warn"] = "error",
    ) -> list[Table[Any]]: ...

    def bind(self, *classes: Any, check: Literal["error", "warn"] = "error") -> Any:
        """Connect classes with existing tables, which migrations or other programs created.

        The handle has all that ``create`` gives it: dataclasses as rows, members of Enums, functions that make
        defaults. The tables have been reflected. ``db.t[User]`` is short for ``db.bind(User)``.

        Args:
            *classes: as in ``create_all``: classes, ``{User: {"name": "users"}}``, or a module of models.
            check: what to do if a table differs from its class: "error", or "warn" to warn and go on.

        Returns:
            The table of a single class; otherwise a list of tables, in the order of the classes.

        Raises:
            TableNotFoundError: a table does not exist, or has not been reflected.
            SchemaError: a table differs from its class; the message lists the differences of all tables.

        Example:
            ```python
            await db.reflect()
            users = db.bind(User)
            ```
        """
        localns = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage]
        found = self._definitions.bind(designs_of(classes, None, None, localns), check)
        return found[0] if len(classes) == 1 and isinstance(classes[0], type) else found

    async def create_from_sql(
        self,
        *objects: SchemaSQL,
        dialect: str | None = None,
        if_not_exists: bool = False,
    ) -> None:
        """Create objects of the schema by their SQL, in one transaction: what classes cannot express.

        Tables and views among them are in ``db.t`` and ``db.v`` then, with the rows that their ``row_type`` says.

        Args:
            *objects: in the order of their creation. Their SQL is trusted code; never build it from input.
            dialect: the kind of database that the SQL is for, ``sqlite`` or ``postgresql``; another one refuses it.
            if_not_exists: skip those of which an object of the same kind and name exists.

        Raises:
            InvalidOperationError: the SQL is for another kind of database.
            SchemaError: the SQL of a table or view did not create it.
            QueryError: the database refuses a statement.

        Example:
            ```python
            await db.create_from_sql(SchemaSQL("index", "ix_lower", "CREATE INDEX ix_lower ON post (lower(title))"))
            ```
        """
        await self._definitions.create_from_sql(objects, dialect=dialect, if_not_exists=if_not_exists)

    def diagram(self, *, views: bool = False) -> Diagram:
        """Draw the tables that this Database knows, with their foreign keys; those of the library are left out.

        Args:
            views: draw views, too.

        Returns:
            A picture: a notebook shows it, ``str()`` gives Mermaid text; it has ``.svg``, ``.dot`` and ``.mermaid``.

        Example:
            ```python
            await db.reflect()
            Path("tables.svg").write_text(db.diagram().svg, encoding="utf-8")
            ```
        """
        must_be_flags(views=views)
        tables = [model for model in self._core.catalog.models(views=False) if not model.name.startswith(OWN_TABLES)]
        return Diagram(tables, self._core.catalog.models(views=True) if views else [], self._core.dialect)

    async def size(self) -> DatabaseSize:
        """Return the size of the database and of its tables, in a few statements that are cheap for any size.

        Returns:
            The bytes of the database, and by table the number of its rows, which is an estimate for large ones.

        Example:
            ```python
            size = await db.size()
            print(size.bytes, {name: table.rows for name, table in size.tables.items()})
            ```
        """
        return await size_of(self._core)

    def dataclasses(self) -> dict[str, type[Any]]:
        """Return a dataclass for each table that this Database knows, by the name of the table.

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
        format: Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        quote: str | None = '"',
        header: bool | Sequence[str] = True,
        skip: int = 0,
        comment: str | None = None,
        ragged: Literal["error", "fill", "skip"] = "error",
        null: str | Iterable[str] = "",
        decimal: str = ".",
        thousands: str | None = None,
        date_format: str | None = None,
        rows: str | Sequence[str] | None = None,
        flatten: bool | str = False,
        sheet: str | int | None = None,
        types: Mapping[str, Any] | None = None,
        on_conflict: Literal["ignore", "update"] | None = None,
        on: str | Sequence[str] | None = None,
        progress: Callable[[int, int, int], object] | None = None,
        report: Callable[[ImportReport], object] | None = None,
        extra: Mapping[str, Any] | None = None,
        alter: bool = False,
    ) -> Table[Row]:
        """Import a CSV, TSV, JSON, NDJSON, Parquet or Excel file, or several, all or nothing, and return the table.

        A table that does not exist is created: the types of its columns are found by reading the whole file. A text
        becomes a number, date or boolean only if that is the same value: texts with a leading zero or plus stay text,
        and numbers with more digits than a float keeps become Decimals. Memory does not grow with the file.

        Args:
            source: a path, bytes, a binary or text file object, or "-" for standard input; may be compressed by gzip,
                bzip2 or xz, or be the only file of a zip archive. A list of them is imported into one table.
            table: name of the table; by default that of the file. A table that exists gets the rows, in its types.
            pk: the key of a new table; by default a column ``id`` if its values are unique and not NULL, else a
                column that is added.
            format: by default told from the name of the file, or from its beginning.
            encoding: of the text; a byte order mark takes precedence. By default it is UTF-8; a text that is not
                UTF-8 is read as Windows-1252 if it looks like a Western European text, with a warning.
            delimiter: between fields; by default the one of , ; tab | with which the first rows have the same number
                of fields.
            quote: around fields; None if the file has no quotes.
            header: whether the first line names the columns, or the names of the columns.
            skip: the number of lines before the header that are not part of the table.
            comment: what lines start with that are not part of the table.
            ragged: what becomes of a row with another number of fields than columns: "fill" puts NULL into missing
                fields, "skip" leaves the row out.
            null: texts of delimited files that mean NULL: ``null=["", "NA"]``; in JSON, ``null="NaN"`` allows NaN.
            decimal: what separates the fraction of a number in delimited files.
            thousands: what separates groups of three digits there.
            date_format: of dates there, as ``strptime`` takes it; ISO 8601 is read, too.
            rows: the key of the array of rows inside of a JSON object, such as "data" or "response.items".
            flatten: makes columns of the keys of objects in JSON rows, joined by "_" or by this text.
            sheet: the name of the sheet of a workbook, or its number from 1.
            types: types of columns of a new table, or of those that ``alter`` adds, as annotations, in place of those
                found.
            on_conflict: as in ``insert_all``.
            on: as in ``insert_all``.
            progress: called repeatedly with the number of rows, of bytes read, and of bytes of the file.
            report: called with an ``ImportReport`` at the end: what was found, and why. An exception that it raises
                undoes the import.
            extra: values that every row gets, by column: ``extra={"tenant_id": 1}``. A file may have such a column,
                with this value in every row.
            alter: add the columns that an existing table lacks; they are nullable.

        Raises:
            ValidationError: the file is broken, or a value does not fit; the message names file, line and column.
            InvalidOperationError: the file cannot be opened, or needs a library that is not installed.
            ColumnNotFoundError: the table exists and lacks a column of the file.
            IntegrityError: a constraint refuses a row; the message names file and line.

        Example:
            ```python
            people = await db.import_file("people.csv", pk="email", null=["", "NA"])
            ```
        """
        reading: Reading = {
            "format": format,
            "encoding": encoding,
            "delimiter": delimiter,
            "quote": quote,
            "header": header,
            "skip": skip,
            "comment": comment,
            "ragged": ragged,
            "null": null,
            "decimal": decimal,
            "thousands": thousands,
            "date_format": date_format,
            "rows": rows,
            "flatten": flatten,
            "sheet": sheet,
            "progress": progress,
        }
        target = ImportTarget(table, pk, types or {}, on_conflict, on, report, {} if extra is None else extra, alter)
        return await self._definitions.import_file(source, reading, target)

    # -- tables and views that exist -----------------------------------------------------------

    async def reflect(self, schema: str | None = None) -> None:
        """Read all tables and views of the database, so that ``db.t`` and ``db.v`` know them.

        The number of statements does not depend on the number of tables. Called again, it finds what other programs
        changed, created or dropped. A table that was created from a class keeps the class if it still fits.

        Args:
            schema: a schema of PostgreSQL, instead of the default one; its tables are named "schema.table".

        Warns:
            UserWarning: columns of types without a counterpart in Python, which are read and written as text.

        Example:
            ```python
            await db.reflect()
            rows = await db.t.user(limit=10)
            ```
        """
        await self._definitions.reflect(schema)

    async def reflect_table(self, name: str, schema: str | None = None) -> Table[Row]:
        """Read one table of the database and return it.

        Raises:
            TableNotFoundError: the table does not exist.

        Example:
            ```python
            users = await db.reflect_table("user")
            ```
        """
        return self.t[await self._definitions.reflect_one(name, schema)]

    async def reflect_view(self, name: str, schema: str | None = None, *, key: str | None = None) -> View[Row]:
        """Read one view of the database and return it.

        Args:
            name: its name.
            schema: a schema of PostgreSQL, instead of the default one.
            key: the column of ``view[key]``; the first one by default.

        Raises:
            TableNotFoundError: the view does not exist.
            ColumnNotFoundError: the key is not a column of the view.

        Example:
            ```python
            popular = await db.reflect_view("popular")
            ```
        """
        return self.v.handle(await self._definitions.reflect_one(name, schema), key=key)

    async def create_view(
        self,
        name: str,
        definition: str | sa.SelectBase,
        *,
        key: str | None = None,
        replace: bool = False,
        materialized: bool = False,
    ) -> View[Row]:
        """Create a view and return it.

        Args:
            name: its name.
            definition: one SELECT as SQL text (trusted code), or a SQLAlchemy select.
            key: the column of ``view[key]``; the first one by default. A materialized view gets a unique index on it.
            replace: replace a view of this name, which stays as it was if the new definition fails.
            materialized: store the rows until ``refresh()`` (PostgreSQL).

        Raises:
            TableExistsError: a table or view of this name exists.
            ValidationError: the definition is not a single SELECT.
            QueryError: the database refuses it.

        Example:
            ```python
            popular = await db.create_view("popular", "SELECT id, title FROM post WHERE views >= 100")
            ```
        """
        return await self._definitions.create_view(
            name, definition, key=key, replace=replace, materialized=materialized
        )


def database_on(core: Core) -> Database:
    """Return a Database on a core that exists already."""
    db = Database.__new__(Database)
    db._use(core)  # pyright: ignore[reportPrivateUsage]
    return db


Database.__module__ = "deebase"
