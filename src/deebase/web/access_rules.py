"""Who may read and write what of a table through the web: one object for the JSON API and the studio."""

from __future__ import annotations

# Functions of programs may return anything, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deebase import ConfigurationError, Database, SchemaError, Table, ValidationError, View

#: A table or a view.
Source = Table[Any] | View[Any]
Scope = Callable[[Any], Any] | Mapping[str, Any] | None


@dataclass(frozen=True)
class Access:
    """What the web may do with a table. Nothing can be written unless it is named.

    Attributes:
        read: True for all columns, or their names. Columns of related rows are named by their path,
            ``"author_id.name"``. What is not named cannot be shown, filtered or sorted by.
        write: the columns that can be written, or True for all but keys that the database generates.
        scope: the columns and values of the rows that exist for a user, or a function of the user that returns them, as
            for ``t.xtra``. ``{}`` are all rows; None means that the user has no access.
        insert: whether rows can be added; by default they can if any column can be written. The values of the scope
            are filled in.
        delete: whether rows can be deleted.

    Example:
        ```python
        Access(read=["id", "title", "author_id.name"], write=["title"], scope=lambda user: {"tenant_id": user.tenant})
        ```
    """

    read: bool | Sequence[str] = True
    write: bool | Sequence[str] = ()
    scope: Scope = None
    insert: bool | None = None
    delete: bool = False

    def __post_init__(self) -> None:
        given: Any
        for name, given in (("read", self.read), ("write", self.write)):
            if not isinstance(given, bool) and (
                isinstance(given, (str, Mapping))
                or not isinstance(given, Collection)
                or not all(isinstance(one, str) for one in given)
            ):
                raise ConfigurationError(f"{name} of Access is True or a list of names", hint=f'{name}=["title"]')
        if self.read is False or (not isinstance(self.read, bool) and not self.read):
            raise ConfigurationError("read of Access names no column", hint="leave the table out to hide all of it")
        if not isinstance(self.scope, Mapping) and self.scope is not None and not callable(self.scope):
            raise ConfigurationError(
                "scope of Access is a function or a dict", hint='scope=lambda user: {"tenant_id": user.tenant}'
            )
        if self.insert and not self.write:
            raise ConfigurationError("insert needs columns that can be written", hint='Access(write=["title"])')


@dataclass(frozen=True)
class Grant:
    """What an Access means for one table.

    Attributes:
        columns: the columns that can be read, in the order of the table.
        paths: the columns of related rows that can be read.
        writable: the columns that can be written.
        insert: whether rows can be added.
        delete: whether rows can be deleted.
    """

    columns: tuple[str, ...]
    paths: tuple[str, ...]
    writable: tuple[str, ...]
    insert: bool
    delete: bool

    @property
    def readable(self) -> tuple[str, ...]:
        """The columns and the paths that can be read."""
        return (*self.columns, *self.paths)


def rules_of(db: Any, tables: Any) -> dict[str, Access]:
    """Return what can be done with each table of a database.

    Raises:
        ConfigurationError: these are not a database and a mapping of names to an Access.
    """
    if not isinstance(db, Database):
        raise ConfigurationError(f"db is a Database, not {type(db).__name__}", hint='Database("app.db")')
    if not isinstance(tables, Mapping):
        raise ConfigurationError(
            f"tables is a dict, not {type(tables).__name__}", hint='tables={"post": Access(write=["title"])}'
        )
    for name, access in tables.items():
        if not isinstance(access, Access):
            raise ConfigurationError(
                f"tables has {type(access).__name__} for {name!r}, not an Access",
                hint='tables={"post": Access(write=["title"])}',
            )
    return dict(tables)


def grant_of(source: Source, access: Access) -> Grant:
    """Return what an Access means for a table or view.

    Raises:
        ConfigurationError: it names a column that does not exist, or that cannot be written, or no column of the key.
    """
    columns = {column.name: column for column in source.describe()}
    named = list(columns) if isinstance(access.read, bool) else list(dict.fromkeys(access.read))
    paths = tuple([name for name in named if name not in columns])
    _must_be_paths(source, paths)
    readable = tuple([name for name in columns if name in named])
    hidden = [name for name in keys_of(source) if name not in readable]
    if hidden:
        raise ConfigurationError(
            f"read of {source.name} lacks {', '.join(hidden)} of its key",
            hint="name the key: the address of a row holds it",
        )
    possible = () if isinstance(source, View) else tuple([name for name in columns if not columns[name].computed])
    if isinstance(access.write, bool):
        writable = tuple([name for name in possible if access.write and not columns[name].generated])
    else:
        writable = tuple(dict.fromkeys(access.write))
    for name in writable:
        if name not in possible:
            raise ConfigurationError(
                f"{name!r} of {source.name} cannot be written",
                hint=f"columns that can: {', '.join(possible) or 'none'}",
            )
    if access.delete and isinstance(source, View):
        raise ConfigurationError(f"rows of the view {source.name} cannot be deleted", hint="give access to its tables")
    insert = bool(writable) if access.insert is None else access.insert
    return Grant(readable, paths, writable, insert, access.delete)


def keys_of(source: Source) -> tuple[str, ...]:
    """Return the columns that tell the rows of a table apart; the first column of a view may have equal values."""
    return () if isinstance(source, View) else source.pks


def _must_be_paths(source: Source, paths: tuple[str, ...]) -> None:
    try:
        if paths:
            source.describe(*paths)
    except (SchemaError, ValidationError) as error:
        raise ConfigurationError(
            f"read of {source.name} names what is neither a column nor a path: {error.message}",
            hint="a path is the names of foreign key columns and a column, with dots between them: author_id.name",
        ) from error


def is_known(user: Any) -> bool:
    """Whether a function of the program has found a user.

    None means that there is no user. So does False, and an object of Starlette or Django whose ``is_authenticated`` is
    False.
    """
    return user is not None and user is not False and getattr(user, "is_authenticated", True) is not False


async def scope_for(access: Access, user: Any) -> Mapping[str, Any] | None:
    """Return the columns and values of the rows that exist for a user; None if the user has no access to the table."""
    found: Any = access.scope(user) if callable(access.scope) else access.scope
    if inspect.isawaitable(found):
        found = await found
    if access.scope is None:
        return {}
    if found is not None and not isinstance(found, Mapping):
        raise ConfigurationError("the function of a scope returns a dict or None", hint='{"tenant_id": user.tenant}')
    return found
