"""The database of a command: opening it, reading, changing or showing the change, and closing it."""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
from collections.abc import Awaitable, Coroutine, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from deebase.cli.frame import FAILED, Refusal
from deebase.cli.invocation import invocation, say
from deebase.cli.recording import recorded, recording_migrator, rehearsed
from deebase.cli.terminal import confirm, echo
from deebase.config import find_project, find_url
from deebase.errors import ConnectionError, TableNotFoundError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Dialect

    from deebase._backends.database_tools import DatabaseTools
    from deebase._tables.table import Table
    from deebase._tables.view import View
    from deebase.database import Database

    #: The tables and views of a command have dicts as rows.
    Rows: TypeAlias = Table[dict[str, Any]]
    ViewRows: TypeAlias = View[dict[str, Any]]

T = TypeVar("T")

#: The setting that names a module with functions, collations and extensions for SQLite files.
_ADDITIONS = "additions"


class Session:
    """An open database and the event loop of the command.

    Attributes:
        db: the database, whose tables and views are known.
        new: whether it is a file that does not exist yet.
    """

    def __init__(self, runner: asyncio.Runner, db: Database, *, new: bool) -> None:
        self._runner = runner
        self.db = db
        self.new = new

    def run(self, work: Awaitable[T]) -> T:
        """Return the result of a call of the API."""
        return self._runner.run(_awaited(work))

    def change(self, work: Coroutine[object, object, T], done: str | None = None) -> T:
        """Change the database and report it, or with --dry-run print the SQL.

        Args:
            work: a call of the API.
            done: the message afterwards.

        Returns:
            The result of the call; with --dry-run, the result that it would have.
        """
        with closing(work):
            if invocation().dry_run:
                statements, result = self.run(rehearsed(self.db, work))
                self.print_sql(statements)
                return result
            result = self.run(work)
        if done is not None:
            say(done)
        return result

    def change_schema(self, work: Coroutine[object, object, object], done: str, *, undo: Sequence[str] = ()) -> None:
        """Change the schema as ``change`` does, and record it in the open draft migration of the project.

        Args:
            work: a call of the API.
            done: the message afterwards.
            undo: for each statement of the change, the statement that undoes it; without them, the migration is
                irreversible.
        """
        # Closed, so that an error before the call does not also warn that it was never awaited.
        with closing(work):
            migrator = None if invocation().dry_run else recording_migrator(self.db)
            if migrator is None:
                self.change(work, done)
                return
            message = self.run(recorded(self.db, migrator, work, undo))
        say(done)
        if message is not None:
            say(message)

    def quoted(self, name: str) -> str:
        """Return a name, quoted where SQL needs it."""
        return self.dialect.identifier_preparer.quote(name)

    @staticmethod
    def print_sql(statements: Iterable[str]) -> None:
        """Print the statements of a change that is not made."""
        for sql in statements:
            echo(f"{sql.strip().rstrip(';')};")

    @property
    def tables(self) -> list[Rows]:
        """The tables, without those of the library itself."""
        return [table for table in self.db.t if not is_own(table.name)]

    def table(self, name: str) -> Rows:
        """Return a table by name.

        Raises:
            TableNotFoundError: it does not exist; the hint says what to do.
        """
        if name not in self.db.t:
            raise _unknown("table", name, [table.name for table in self.tables], also=name in self.db.v)
        return self.db.t[name]

    def view(self, name: str) -> ViewRows:
        """Return a view by name.

        Raises:
            TableNotFoundError: it does not exist; the hint says what to do.
        """
        if name not in self.db.v:
            raise _unknown("view", name, [view.name for view in self.db.v], also=name in self.db.t)
        return self.db.v[name]

    def readable(self, name: str) -> Rows | ViewRows:
        """Return a table or view by name."""
        return self.view(name) if name in self.db.v else self.table(name)

    @property
    def tools(self) -> DatabaseTools:
        """The tools of the backend for this database."""
        from deebase.tools.access import tools_of

        return tools_of(self.db)

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect of the database."""
        return self.db.dialect

    @property
    def url(self) -> URL:
        """The URL of the database."""
        from deebase._engine.core import core_of

        return core_of(self.db).settings.sa_url


@contextmanager
def session(*, creates: bool = False, reflects: bool = True, read_only: bool = False) -> Generator[Session]:
    """Open the database of the command, and close it at the end.

    Args:
        creates: a missing SQLite file is created; else it is an error.
        reflects: its tables are reflected first.
        read_only: every change is refused.

    Raises:
        Refusal: no database is named.
        ConnectionError: the file does not exist.
    """
    url = database_url()
    with asyncio.Runner() as runner:
        db, new = runner.run(_opened(url, creates, reflects, read_only))
        try:
            yield Session(runner, db, new=new)
        finally:
            runner.run(db.close())


def database_url() -> str:
    """Return the database that --url names, else the environment or the project.

    Raises:
        Refusal: none of them names one.
    """
    url = invocation().url or find_url()
    if url is None:
        raise Refusal(
            "No database is named: pass --url app.db, or set DATABASE_URL, or url in deebase.toml "
            "(deebase init makes one)."
        )
    return url


def database_at(url: str, *, read_only: bool = False, **pragmas: object) -> Database:
    """Return a database with the options of the command and, for a SQLite file, the functions of the project.

    Args:
        url: of the database.
        read_only: every change is refused.
        **pragmas: settings of SQLite.

    Raises:
        ConfigurationError: the setting ``additions`` names a module that does not exist.
    """
    from deebase._sqltext.capabilities import capabilities_of
    from deebase.database import Database

    given = {**pragmas, **invocation().pragmas}
    db = Database(url, pragmas=given, read_only=read_only)
    if capabilities_of(db.dialect).is_one_file and (added := _additions()):
        return Database(url, pragmas=given, read_only=read_only, **added)
    return db


def _additions() -> dict[str, Any]:
    """Return the functions, collations and extensions in the module that the setting ``additions`` names."""
    project = find_project()
    name = None if project is None else project.text(_ADDITIONS)
    if project is None or name is None:
        return {}
    from deebase._backends.additions import OPTIONS
    from deebase.migrations.compare.models import imported

    module = imported(name, project.directory, setting=_ADDITIONS)
    return {option: getattr(module, option.upper(), None) for option in OPTIONS}


def ask(question: str) -> None:
    """Return if the answer is yes, or with --yes or --dry-run; else end the command.

    Raises:
        Refusal: stdin is not a terminal.
    """
    given = invocation()
    if given.yes or given.dry_run:
        return
    if not sys.stdin.isatty():
        raise Refusal(f"{question} No terminal to ask on: confirm with --yes.")
    if not confirm(question):
        say("Nothing was changed.")
        click.get_current_context().exit(FAILED)


def is_own(name: str) -> bool:
    """Whether a table belongs to the library itself, as the ledger of migrations does."""
    from deebase.database import OWN_TABLES

    return name.startswith(OWN_TABLES)


async def _opened(url: str, creates: bool, reflects: bool, read_only: bool) -> tuple[Database, bool]:
    from deebase._engine.core import core_of
    from deebase._sqltext.capabilities import capabilities_of

    db = database_at(url, read_only=read_only)
    is_file = capabilities_of(db.dialect).is_one_file
    missing = _missing_file(core_of(db).settings.sa_url) if is_file else None
    if missing is not None:
        await db.close()
        if not creates:
            raise ConnectionError(
                f"the database file {missing} does not exist",
                hint="check the path; deebase table create and deebase data import create a new file",
            )
        # A dry run creates nothing, not even an empty file.
        in_memory = invocation().dry_run and _has_directory(missing)
        db = database_at(":memory:" if in_memory else url)
    elif is_file:
        # The file keeps its journal mode: looking at it is not a change.
        await db.close()
        db = database_at(url, read_only=read_only, journal_mode=None)
    if reflects:
        try:
            await db.reflect()
        except BaseException:
            await db.close()
            raise
    return db, missing is not None


def _missing_file(url: URL) -> str | None:
    """Return the path of a SQLite file that does not exist; None if it does."""
    path = url.database or ""
    return path if not url.query and not os.path.exists(path) else None


def _has_directory(path: str) -> bool:
    return os.path.isdir(os.path.dirname(path) or ".")


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _unknown(kind: str, name: str, known: list[str], *, also: bool) -> TableNotFoundError:
    near = difflib.get_close_matches(name, known, n=1)
    other = "view" if kind == "table" else "table"
    hint = f"deebase {kind} list shows them"
    if also:
        hint = f"it is a {other}: deebase {other} ..."
    elif near:
        hint = f"did you mean {near[0]!r}? {hint}"
    return TableNotFoundError(f"{kind} {name!r} does not exist", table_name=name, hint=hint)
