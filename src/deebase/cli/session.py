"""A command's work with one database: opened, read, changed or only shown the change, closed."""

from __future__ import annotations

import asyncio
import difflib
import os
import sys
from collections.abc import Awaitable, Coroutine, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deebase.cli.frame import FAILED, Refusal
from deebase.cli.invocation import invocation, say
from deebase.cli.recording import recorded, recording_migrator, rehearsed
from deebase.cli.terminal import confirm, echo
from deebase.config import find_url
from deebase.errors import ConnectionError, TableNotFoundError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Dialect
    from sqlalchemy.ext.asyncio import AsyncEngine

    from deebase._backends.database_tools import DatabaseTools
    from deebase._tables.table import Table
    from deebase._tables.view import View
    from deebase.database import Database

T = TypeVar("T")


class Session:
    """An open database and the event loop of the command.

    Attributes:
        db: the database, whose tables and views are known.
        new: whether it is a file that is not there yet.
    """

    def __init__(self, runner: asyncio.Runner, db: Database, *, new: bool) -> None:
        self._runner = runner
        self.db = db
        self.new = new

    def run(self, work: Awaitable[T]) -> T:
        """Return the result of a call of the API."""
        return self._runner.run(_awaited(work))

    def change(self, work: Coroutine[Any, Any, T], done: str | None = None) -> T:
        """Change the database, or with --dry-run print how; then say that it is done.

        Args:
            work: the call of the API.
            done: the message.

        Returns:
            What the call gave, or with --dry-run would have given.
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

    def change_schema(self, work: Coroutine[Any, Any, Any], done: str, *, undo: Sequence[str] = ()) -> None:
        """Change the schema as ``change`` does, and record it in the open draft migration of the project.

        Args:
            work: the call of the API.
            done: the message.
            undo: for each statement of the change, what undoes it; without one, the migration is irreversible.
        """
        # Closed, so that a call that was never begun is not complained of besides.
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
        """Return a name as SQL takes it."""
        return self.dialect.identifier_preparer.quote(name)

    @staticmethod
    def print_sql(statements: Iterable[str]) -> None:
        """Print the statements of a change that is only shown."""
        for sql in statements:
            echo(f"{sql.strip().rstrip(';')};")

    @property
    def tables(self) -> list[Table[dict[str, Any]]]:
        """The tables, without those that the library keeps for itself."""
        return [table for table in self.db.t if not is_own(table.name)]

    def table(self, name: str) -> Table[dict[str, Any]]:
        """Return a table by name.

        Raises:
            TableNotFoundError: there is none, and what to do.
        """
        if name not in self.db.t:
            raise _unknown("table", name, [table.name for table in self.tables], also=name in self.db.v)
        return self.db.t[name]

    def view(self, name: str) -> View[dict[str, Any]]:
        """Return a view by name.

        Raises:
            TableNotFoundError: there is none, and what to do.
        """
        if name not in self.db.v:
            raise _unknown("view", name, [view.name for view in self.db.v], also=name in self.db.t)
        return self.db.v[name]

    def readable(self, name: str) -> Table[dict[str, Any]] | View[dict[str, Any]]:
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
        return self.run(_engine(self.db)).dialect

    @property
    def url(self) -> URL:
        """The URL of the database."""
        return self.run(_engine(self.db)).url


@contextmanager
def session(*, creates: bool = False, reflects: bool = True) -> Generator[Session]:
    """Open the database that the command is for, and close it at the end.

    Args:
        creates: a SQLite file that is not there is made, instead of taken for a mistake.
        reflects: its tables are looked at first.

    Raises:
        Refusal: no database is named.
        ConnectionError: there is no such file.
    """
    url = database_url()
    with asyncio.Runner() as runner:
        db, new = runner.run(_opened(url, creates, reflects))
        try:
            yield Session(runner, db, new=new)
        finally:
            runner.run(db.close())


def database_url() -> str:
    """Return the database that was named: by --url, else by the environment or the project.

    Raises:
        Refusal: by none of them.
    """
    url = invocation().url or find_url()
    if url is None:
        raise Refusal(
            "No database is named: give --url app.db, or set DATABASE_URL, or url in deebase.toml "
            "(deebase init makes one)."
        )
    return url


def ask(question: str) -> None:
    """Go on if the answer is yes, or --yes was given; with --dry-run there is nothing to ask.

    Raises:
        Refusal: there is nobody who could answer.
    """
    given = invocation()
    if given.yes or given.dry_run:
        return
    if not sys.stdin.isatty():
        raise Refusal(f"{question} There is no terminal to ask on: give --yes to mean it.")
    if not confirm(question):
        say("Nothing was changed.")
        click.get_current_context().exit(FAILED)


def is_own(name: str) -> bool:
    """Whether a table is one that the library keeps for itself, as the ledger of migrations is."""
    from deebase.database import OWN_TABLES

    return name.startswith(OWN_TABLES)


async def _opened(url: str, creates: bool, reflects: bool) -> tuple[Database, bool]:
    from deebase import Database
    from deebase._sqltext.capabilities import capabilities_of

    given = invocation().pragmas
    db = Database(url, pragmas=given)
    is_file = capabilities_of(db.engine.dialect).is_one_file
    missing = _missing_file(db.engine.url) if is_file else None
    if missing is not None:
        await db.close()
        if not creates:
            raise ConnectionError(
                f"there is no database file {missing}",
                hint="look at the path; deebase table create and deebase data import make a new one",
            )
        # A change that is only shown makes nothing, not even an empty file.
        in_memory = invocation().dry_run and _has_directory(missing)
        db = Database(":memory:" if in_memory else url, pragmas=given)
    elif is_file:
        # A file of somebody else's stays in the journal mode that it has: looking at it is no change.
        await db.close()
        db = Database(url, pragmas={"journal_mode": None, **given})
    if reflects:
        try:
            await db.reflect()
        except BaseException:
            await db.close()
            raise
    return db, missing is not None


def _missing_file(url: URL) -> str | None:
    """Return the path of a SQLite file that is not there."""
    path = url.database or ""
    return path if not url.query and not os.path.exists(path) else None


def _has_directory(path: str) -> bool:
    return os.path.isdir(os.path.dirname(path) or ".")


async def _awaited(work: Awaitable[T]) -> T:
    return await work


async def _engine(db: Database) -> AsyncEngine:
    # The engine is that of the running event loop.
    return db.engine


def _unknown(kind: str, name: str, known: list[str], *, also: bool) -> TableNotFoundError:
    near = difflib.get_close_matches(name, known, n=1)
    other = "view" if kind == "table" else "table"
    hint = f"deebase {kind} list shows what is there"
    if also:
        hint = f"it is a {other}: deebase {other} ..."
    elif near:
        hint = f"did you mean {near[0]!r}? {hint}"
    return TableNotFoundError(f"there is no {kind} {name!r}", table_name=name, hint=hint)
