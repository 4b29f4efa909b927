"""The interface of a backend: the settings of a database and the parts of its backend.

The parts query the database with ``Steps``: a generator yields each query and receives the rows. They await nothing, so
the same code runs on every connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from deebase._backends.additions import Additions
from deebase._sqltext.capabilities import Capabilities

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.types import TypeEngine

    from deebase._backends.database_tools import Access, DatabaseTools
    from deebase._backends.migration_protocols import MigrationSupport
    from deebase._lanes.interface import Lanes
    from deebase._model.change import Change
    from deebase._model.columns import ColumnSpec
    from deebase._model.design import TableSpec
    from deebase._model.facts import TableInfo
    from deebase._sql.sql_rules import SqlRules
    from deebase._sql.statement import Statement
    from deebase.errors import DeeBaseError
    from deebase.types import ForeignKeyMark, Search

T = TypeVar("T")

#: The execution option of a SQLAlchemy connection whose transactions DeeBase begins and ends.
LANE = "deebase_lane"

Translate = Callable[[BaseException, "Statement | None"], "DeeBaseError | None"]
#: Returns table and columns of a unique constraint by its name.
Uniques = Callable[[str | None], tuple[str, tuple[str, ...]] | None]


class Query(NamedTuple):
    """One statement that a part of a backend yields.

    Attributes:
        sql: the text.
        args: its parameters.
        reads: whether it only reads.
        guarded: it runs in a savepoint, and its error is raised in the generator.
    """

    sql: str
    args: Sequence[object] = ()
    reads: bool = False
    guarded: bool = False


#: Yields queries, receives the rows of each, and returns a result.
Steps = Generator[Query, Any, T]


@dataclass(frozen=True)
class Settings:
    """How to connect; created once per Database, without a connection."""

    backend: Backend
    sa_url: sa.URL
    display: str
    path: str | None
    memory: bool
    dialect: Dialect
    pool_size: int
    timeout: float
    #: Whether connections cannot write; for a SQLite file, whether a missing one is created.
    read_only: bool = False
    creates: bool = True
    #: For a SQLite file: the seconds that a read may take in the thread of the event loop; None for none.
    in_loop: float | None = None
    pragmas: Sequence[tuple[str, Any]] = ()
    #: Whether a SQLite file with a harmless schema is trusted if it needs that; False if a pragma decides.
    trusts_harmless: bool = False
    #: The functions, collations and extensions of each connection to a SQLite file.
    additions: Additions = field(default_factory=Additions)
    connect_args: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    engine_options: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    replicas: Replicas | None = None

    @property
    def shown(self) -> str:
        """The database and its replicas, for people."""
        if self.replicas is None:
            return self.display
        return f"{self.display} with replicas {', '.join(each.display for each in self.replicas.hosts)}"

    @property
    def name(self) -> str:
        """The name of SQLAlchemy's dialect; for files and messages, not for decisions."""
        return self.backend.capabilities.name


@dataclass(frozen=True)
class Replicas:
    """The servers that copy the changes of a database, and which reads go there.

    Attributes:
        hosts: the settings of each.
        in_order: whether the first one is used while it can be; otherwise any.
        reads_fresh: whether single reads go there by themselves.
        max_lag: the lag of such reads in seconds; None for any.
    """

    hosts: tuple[Settings, ...]
    in_order: bool = False
    reads_fresh: bool = False
    max_lag: float | None = None


class ErrorTranslator(Protocol):
    """Translates the errors of one driver."""

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return the DeeBase error for a driver's error, or None for an error of another origin."""
        ...


@dataclass(frozen=True)
class Inventory:
    """Tables and views of a schema.

    Attributes:
        tables: the tables and views that could be read.
        unreadable: kind and name of each view or virtual table that cannot be read, and the reason.
    """

    tables: list[TableInfo]
    unreadable: list[tuple[str, str, str]] = field(default_factory=lambda: list[tuple[str, str, str]]())


class Referrer(NamedTuple):
    """A foreign key of another table to a given table.

    Attributes:
        table: the name of its table.
        column: its first column.
        quoted: the table as SQL.
        drop: the statement that drops the foreign key, if it must be dropped before the table.
        restore: the statement that adds it again.
    """

    table: str
    column: str
    quoted: str
    drop: str | None = None
    restore: str | None = None


class Reflector(Protocol):
    """Reads the schema of a database."""

    def inventory(
        self, schema: str | None, names: Sequence[str] | None = None, *, with_related: bool = False
    ) -> Steps[Inventory]:
        """Return tables and views, in a fixed number of statements.

        Args:
            schema: the schema; None for the current one.
            names: the tables and views to read; all by default.
            with_related: also read the tables at the other ends of their foreign keys.

        Raises:
            ConfigurationError: a schema was named, and this database has none.
            SchemaError: the schema does not exist.
        """
        ...

    def relation_names(self, schema: str | None) -> Steps[set[str]]:
        """Return the names of all tables, views and indexes of a schema; a new one may have none of them."""
        ...

    def relation_kind(self, name: str, schema: str | None, dialect: Dialect) -> Steps[str | None]:
        """Return "table", "view" or "materialized"; None if nothing has this name."""
        ...

    def referrers(self, table: sa.Table, dialect: Dialect) -> Steps[list[Referrer]]:
        """Return the foreign keys of other tables to this one."""
        ...

    def missing_checks(self, spec: TableSpec, dialect: Dialect) -> Steps[list[str]]:
        """Return the conditions of a specification that its table in the database lacks."""
        ...

    def broken_references(self, name: str, tables: Collection[TableInfo]) -> Steps[dict[str, int]]:
        """Return the number of dangling references from and to a table; empty if the database checks them."""
        ...


@dataclass(frozen=True)
class AlterPlan:
    """The statements of a change, in their order.

    Attributes:
        before: create the new table with the rows; drop objects that cannot move.
        exchange: changes of sqlite_schema, which must be writable.
        after: drop the old table, create the indexes and views.
        renames: rename columns, or the table.
    """

    before: tuple[str, ...] = ()
    exchange: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    renames: tuple[str, ...] = ()

    @property
    def statements(self) -> list[str]:
        """All statements, as they run in a SQL shell."""
        opened = ["PRAGMA writable_schema = ON", *self.exchange, "PRAGMA writable_schema = RESET"]
        return [*self.before, *(opened if self.exchange else []), *self.after, *self.renames]


@dataclass(frozen=True)
class TableChange:
    """A requested change of a table.

    Attributes:
        facts: the table before the change, without the indexes that are dropped first.
        change: the change.
        tables: the table, and those at the other ends of its foreign keys, by name.
        dropped_indexes: the names of the indexes that are dropped first.
        operation: the public method, for errors.
    """

    facts: TableInfo
    change: Change
    tables: Mapping[str, TableInfo]
    dropped_indexes: Collection[str]
    operation: str


class NewColumn(NamedTuple):
    """A column to add.

    Attributes:
        spec: the column.
        mark: its foreign key.
        key: the key of the table that it refers to, if that has one column.
    """

    spec: ColumnSpec
    mark: ForeignKeyMark | None
    key: str | None


class TableCopy(NamedTuple):
    """A requested copy of a table.

    Attributes:
        facts: the table.
        table: the same table for SQLAlchemy.
        name: the name of the copy.
        taken: the existing names.
        operation: the public method, for errors.
    """

    facts: TableInfo
    table: sa.Table
    name: str
    taken: Collection[str]
    operation: str


class NewView(NamedTuple):
    """A view to create.

    Attributes:
        name: its name.
        quoted: its name as SQL, with the schema.
        select: its SELECT.
        existing: the kind of the view that it replaces: "view", "materialized" or None.
        materialized: whether it stores its rows.
        key: for a materialized view, the column that gets a unique index.
    """

    name: str
    quoted: str
    select: str
    existing: str | None
    materialized: bool
    key: str | None


class SchemaWriter(Protocol):
    """Writes the statements that change a schema."""

    def declared_types(
        self, types: Mapping[str, TypeEngine[Any]], facts: TableInfo, dialect: Dialect, operation: str
    ) -> dict[str, str]:
        """Return the types of columns as this table declares them, by the names of the columns."""
        ...

    def alter(self, asked: TableChange, dialect: Dialect) -> Steps[AlterPlan]:
        """Return the statements that change a table.

        Raises:
            InvalidOperationError: the database cannot make the change, or another object uses a dropped part.
            IntegrityError: rows do not fit the changed table.
            DataError: a value cannot be converted.
        """
        ...

    def add_columns(
        self, facts: TableInfo, columns: Sequence[NewColumn], dialect: Dialect, operation: str
    ) -> Steps[AlterPlan]:
        """Return the statements that add columns, in their order."""
        ...

    def rename(self, facts: TableInfo, new: str, taken: Collection[str], dialect: Dialect) -> list[tuple[str, str]]:
        """Return the statements that rename a table and its generated indexes, each with its reversal."""
        ...

    def duplicate(self, asked: TableCopy, dialect: Dialect) -> Steps[list[str]]:
        """Return the statements that copy a table with its rows."""
        ...

    def same_value(self, one: str, other: str) -> str:
        """Return the condition that two columns hold the same value, stored in the same form, or NULL both.

        Args:
            one: a column in SQL.
            other: the other one.
        """
        ...

    def one_of_each(self, table: str, columns: Sequence[str], key: str | None, where: str | None) -> str:
        """Return the SELECT of each combination of values once, told apart as ``same_value`` does.

        Args:
            table: the table in SQL.
            columns: its columns, in SQL.
            key: a further column, of which the smallest value is selected first.
            where: a condition.
        """
        ...

    def create_view(self, asked: NewView, dialect: Dialect) -> Steps[None]:
        """Create a view, or replace the existing one."""
        ...

    def touch(self, table: sa.Table, column: str, dialect: Dialect) -> list[str]:
        """Return the statements that make a trigger, unless it exists.

        The trigger sets a column to the time of an update that leaves the column as it is.

        Args:
            table: the table.
            column: the column.
            dialect: the database.
        """
        ...


class SearchWriter(Protocol):
    """Writes the statements of the full-text search of a table."""

    def enable(self, facts: TableInfo, search: Search, taken: Collection[str]) -> Steps[list[str]]:
        """Return the statements that make a table searchable, which it is not yet.

        Args:
            facts: the table; the columns of the search are columns of text.
            search: what is searched, and how.
            taken: existing names.

        Raises:
            ValidationError: the database does not know the language.
            InvalidOperationError: it lacks what the search needs.
        """
        ...

    def disable(self, facts: TableInfo) -> list[str]:
        """Return the statements that remove the search of a table."""
        ...

    def remains(self, table: sa.Table) -> Steps[list[str]]:
        """Return the statements that remove, once a table has been dropped, what is left of its search."""
        ...


class Engine(Protocol):
    """Opens connections."""

    def engine_options(self, settings: Settings) -> dict[str, Any]:
        """Return the options of ``create_async_engine``, ``connect_args`` among them."""
        ...

    def prepare(self, engine: AsyncEngine, settings: Settings) -> None:
        """Register the set-up of new connections."""
        ...

    def lanes(
        self, engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop, translate: Translate
    ) -> Lanes:
        """Return the connections of one event loop, which open at their first use."""
        ...


@dataclass(frozen=True)
class Backend:
    """One database: everything that differs between databases.

    Attributes:
        package: the package that holds the parts.
        capabilities: its capabilities.
        translator: returns the translator of the driver's errors.
        sql: writes statements.
        reflector: reads a schema.
        schema: changes a schema.
        search: makes tables searchable.
    """

    package: str
    capabilities: Capabilities
    translator: Callable[[Uniques], ErrorTranslator]
    sql: SqlRules
    reflector: Reflector
    schema: SchemaWriter
    search: SearchWriter

    @cached_property
    def engine(self) -> Engine:
        """Opens connections; imports the driver."""
        made: Engine = import_module(f"{self.package}.connections").ENGINE
        return made

    def reading(self, settings: Settings) -> Settings:
        """Return settings for the same database whose connections cannot write."""
        made: Settings = import_module(f"{self.package}.settings").reading(settings)
        return made

    def replicas(self, text: str, options: Mapping[str, Any]) -> Replicas:
        """Return the settings of the replicas that a URL lists.

        Raises:
            ConfigurationError: the URL is not valid, or the database has no replicas.
        """
        made: Replicas = import_module(f"{self.package}.settings").replicas(text, options)
        return made

    @cached_property
    def migrations(self) -> MigrationSupport:
        """What migrations need of this database; only they load it."""
        made: MigrationSupport = import_module(f"{self.package}.migration.support").SUPPORT
        return made

    def tools(self, access: Access) -> DatabaseTools:
        """Return what backup, doctor, copies and the command line need of an open database."""
        made: DatabaseTools = import_module(f"{self.package}.tools").TOOLS(access)
        return made
