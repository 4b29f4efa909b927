"""The interface for migrations, besides SQL that is the same on both databases."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeVar

from sqlalchemy.engine import Dialect

from deebase._backends.schema_parts import SchemaParts
from deebase._backends.stored_tables import Census
from deebase._model.facts import TableInfo
from deebase._sql.statement import Statement

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from deebase._backends.protocols import Settings

T = TypeVar("T")

#: Tries to get a lock: returns None on success, else the name of its holder.
Attempt = Callable[[], Awaitable[str | None]]

#: Returns the columns of a table that are limited to a list of texts.
Choices = Callable[[str], Mapping[str, Sequence[str]]]

#: The names of scratch databases begin with it.
SCRATCH_PREFIX = "deebase_scratch_"


class Connected(Protocol):
    """A database with a connection."""

    @property
    def settings(self) -> Settings:
        """The settings of its connections."""
        ...

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect."""
        ...

    @property
    def identity(self) -> object:
        """An object that all handles of this database share."""
        ...

    async def fetch(self, statement: Statement, args: Sequence[Any]) -> list[Any]:
        """Run one statement and return its rows."""
        ...

    async def on_lane(self, action: Callable[[Any], Awaitable[T]]) -> T:
        """Run a function of the connection that holds the transaction of this task."""
        ...

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a separate connection, for statements that cannot run in a transaction."""
        ...

    def fail(self, error: Exception) -> NoReturn:
        """Raise the DeeBase error for one that came from such a connection."""
        ...


class ScratchTarget(NamedTuple):
    """The arguments that open a scratch database: the first one of ``Database``, and its options."""

    target: str | Path
    options: Mapping[str, Any]


class MigrationSupport(Protocol):
    """One per database.

    Attributes:
        now: the SQL expression of the current time, in the stored form of the ledger.
    """

    now: str

    def runner_lock(self, database: Connected) -> AbstractAsyncContextManager[Attempt]:
        """Return a context that yields the attempt to become the only runner, and releases the lock at its end."""
        ...

    async def column_names(self, database: Connected, table: str) -> set[str]:
        """Return the columns of a table; none if it does not exist."""
        ...

    async def lock_table(self, database: Connected, table: str) -> None:
        """Keep other sessions from writing to a table until the transaction ends.

        Args:
            database: the database.
            table: the table, as SQL.
        """
        ...

    def census(self, database: Connected, ledger: str) -> Census:
        """Return the census that compares the tables of a database before and after a migration.

        Args:
            database: the database.
            ledger: the table of migrations, which is left out.
        """
        ...

    async def read_parts(
        self, database: Connected, tables: Mapping[str, TableInfo], views: Iterable[TableInfo], choices: Choices
    ) -> SchemaParts:
        """Return the parts of a schema.

        Args:
            database: the database.
            tables: its tables, by name.
            views: its views.
            choices: the columns of a table that belong to an Enum or Literal, whose CHECK belongs to their type.
        """
        ...

    async def never_converts(self, database: Connected, old: str, new: str, sample: object) -> bool:
        """Whether no value of one type converts to another.

        Args:
            database: a scratch database.
            old: the type of a column.
            new: its type after a change.
            sample: a plain stored value of the column; None if there is no such value.
        """
        ...

    def scratch(self, database: Connected) -> AbstractAsyncContextManager[ScratchTarget]:
        """Return a context that creates an empty database of the same kind, and drops it at its end.

        Raises:
            MigrationError: the user may not create databases.
        """
        ...

    async def create_schema(self, database: Connected, scratch: Connected) -> None:
        """Create the schema that the connections of a database use, if a scratch database lacks it."""
        ...

    async def create_extensions(self, database: Connected, scratch: Connected) -> None:
        """Create the extensions of a database in a scratch database."""
        ...

    async def drop_extensions(self, scratch: Connected, scripts: Iterable[str]) -> None:
        """Drop the extensions from a scratch database that migrations with these texts create themselves."""
        ...


def this_process() -> str:
    """Return the name of this process for messages."""
    return f"process {os.getpid()} on {socket.gethostname()}"
