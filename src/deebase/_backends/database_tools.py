"""The interface for backup, doctor, copies and the command line; each backend implements it in its `tools` module."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.additions import Additions
from deebase._backends.copy_forms import Access as CopyAccess
from deebase._backends.copy_forms import CopySource, CopyTarget, RowTransfer
from deebase._backends.schema_script import Recreation, SchemaObject, SchemaScript
from deebase._model.facts import TableInfo
from deebase.errors import InvalidOperationError

#: The number of rows and the bytes of a table, each None if the database does not know it.
Estimate: TypeAlias = tuple[int | None, int | None]
Severity = Literal["error", "warning", "advice"]


@dataclass(frozen=True)
class Diagnosis:
    """One finding of the doctor.

    Attributes:
        rule: the stable name of its rule.
        severity: an error is wrong now, a warning may become so, advice matters for large tables.
        table: its table, or None.
        message: the problem.
        fix: how to fix it.
    """

    rule: str
    severity: Severity
    table: str | None
    message: str
    fix: str


@dataclass(frozen=True)
class Access:
    """How a backend's tools reach an open database.

    Attributes:
        url: its URL.
        read: runs a SELECT in the SQL of the database and returns the rows.
        with_connection: calls a function with a driver connection, for reading (False) or for writing (True).
        reconnect: closes all connections; the next statement opens new ones.
        additions: the functions, collations and extensions of each connection (SQLite).
    """

    url: sa.URL
    read: Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]
    with_connection: Callable[[Callable[[Any], None], bool], Awaitable[None]]
    reconnect: Callable[[], Awaitable[None]]
    additions: Additions


@dataclass(frozen=True)
class StoredRows:
    """The rows of a table: their number, and a digest of their values as they are stored."""

    rows: int
    digest: str


class FileCopies(Protocol):
    """Copies between two databases that are one file each. The copy passes through a file, the snapshot."""

    def write(self, path: Path) -> Awaitable[None]:
        """Write a snapshot of the database."""
        ...

    def keep(self, path: Path, tables: Sequence[str]) -> Awaitable[list[str]]:
        """Drop all but these tables from a snapshot; return what they lose by that."""
        ...

    def objects(self, path: Path) -> Awaitable[SchemaScript]:
        """Return the objects of a snapshot."""
        ...

    def names(self) -> Awaitable[list[str]]:
        """Return the names of all objects of the database."""
        ...

    def rows(self, table: str, path: Path | None = None) -> Awaitable[StoredRows]:
        """Read all rows of a table, in the database or in a snapshot."""
        ...

    def take(self, path: Path) -> Awaitable[list[str]]:
        """Add everything in a snapshot to the database, in one transaction; return what it lacks.

        Raises:
            SchemaError: an object of this name exists.
        """
        ...


class DatabaseTools(Protocol):
    """The tools of one backend.

    Attributes:
        files: copies files, if a database is one file.
        backup_suffix: the suffix of a backup's file name.
        explain: the keyword that shows the plan of a statement.
        snapshot_isolation: the isolation level whose transactions read one state of the database; None if all do.
    """

    backup_suffix: str
    explain: str
    files: FileCopies | None
    snapshot_isolation: Literal["repeatable read"] | None

    # -- backups -------------------------------------------------------------------------------

    def write_backup(self, path: Path) -> Awaitable[None]:
        """Write a backup over an empty file."""
        ...

    def check_backup(self, path: Path) -> None:
        """Refuse a file that is damaged or not a backup of this kind of database."""
        ...

    def object_names(self) -> Awaitable[list[str]]:
        """Return the names of the objects that a restore would replace."""
        ...

    def read_backup(self, path: Path, *, replace: bool) -> Awaitable[None]:
        """Fill the database from a backup; with ``replace``, drop its objects first."""
        ...

    # -- inspection ----------------------------------------------------------------------------

    def version(self) -> Awaitable[str]:
        """Return the version of the database software."""
        ...

    def size_bytes(self) -> Awaitable[int]:
        """Return the size of the database."""
        ...

    def table_estimates(self, quoted_names: Sequence[str]) -> Awaitable[Mapping[str, Estimate]]:
        """Return what the database knows of tables without reading them, by their quoted names.

        Returns:
            The number of rows and the bytes of each; None for what it does not know, and no item for other tables.
        """
        ...

    def vacuum(self, *, full: bool) -> str:
        """Return the statement that frees the space of deleted rows; ``full`` returns it to the disk (PostgreSQL)."""
        ...

    def index_definitions(self, name: str) -> Awaitable[list[str]]:
        """Return the CREATE INDEX of an index; nothing for the index of a constraint."""
        ...

    def view_definition(self, name: str) -> Awaitable[str]:
        """Return the SQL of a view as the database stores it."""
        ...

    def trigger_definitions(self, table: str, quoted: str) -> Awaitable[list[tuple[str, str]]]:
        """Return the names and the SQL of the triggers of a table or view, which is also given as SQL writes it."""
        ...

    def schema_script(self) -> Awaitable[SchemaScript]:
        """Return all objects of the database with their SQL, in an order in which they can be created."""
        ...

    def known_script(self, tables: Sequence[TableInfo]) -> SchemaScript | None:
        """Return the objects of reflected tables, as far as reflection read their SQL; None if it reads none."""
        ...

    def recreation(
        self, table: sa.Table, facts: TableInfo, objects: Mapping[tuple[str, str], SchemaObject], dialect: Dialect
    ) -> Recreation:
        """Compare the table, indexes and foreign keys that ``create`` would make with those that exist.

        Args:
            table: the table as ``create`` makes it.
            facts: the existing table.
            objects: the objects of the script, by kind and name.
            dialect: the database.
        """
        ...

    def examine(self) -> Awaitable[list[Diagnosis]]:
        """Return problems of settings, data and indexes; for a damaged file, only the damage."""
        ...

    # -- copies --------------------------------------------------------------------------------

    def copy_source(self, access: CopyAccess) -> CopySource:
        """Return what reads the database for a copy into another kind of database."""
        ...

    def row_transfer(self, access: CopyAccess) -> RowTransfer | None:
        """Return what moves rows into another database of this kind; None where ``files`` copies."""
        ...

    def copy_target(self, access: CopyAccess) -> CopyTarget:
        """Return what creates and fills tables in a copy from another kind of database."""
        ...

    def drop_tables(self, quoted_names: Sequence[str]) -> list[str]:
        """Return the statements that drop tables which may refer to each other."""
        ...


def refused_backup(message: str, hint: str, target: str) -> InvalidOperationError:
    """Return the error of a backup or restore that cannot begin."""
    return InvalidOperationError(message, operation="backup", target=target, hint=hint)


def require_header(path: Path, header: bytes, kind: str) -> None:
    """Refuse a file that does not begin with the header of a backup.

    Args:
        path: the file.
        header: the first bytes of a backup.
        kind: the description of a backup, for the message.

    Raises:
        InvalidOperationError: the file cannot be read, or has another header.
    """
    try:
        with path.open("rb") as file:
            found = file.read(len(header))
    except OSError as error:
        raise refused_backup(f"{path} cannot be read: {error.strerror}", "name a backup", str(path)) from error
    if found != header:
        hint = "`deebase db copy` copies from one kind of database to the other"
        raise refused_backup(f"{path} is not {kind}", hint, str(path))
