"""`deebase shell`: a Python prompt with top-level await, the database and its tables."""

from __future__ import annotations

import ast
import builtins
import code
import inspect
import keyword
import rlcompleter
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import click

from deebase.cli.frame import Command
from deebase.cli.invocation import database_options, say
from deebase.cli.output import show, show_object
from deebase.cli.session import Session, is_own, session
from deebase.cli.terminal import echo, shown_on_stderr
from deebase.errors import DeeBaseError

if TYPE_CHECKING:
    from deebase.cli.session import Rows, ViewRows
    from deebase.database import Database


@click.command(cls=Command, example="deebase shell --url app.db")
@database_options
def shell() -> None:
    r"""Open a Python prompt with the database.

    It supports await, and has db and the tables and views by name. \? lists the commands of the prompt, such as \dt.
    """
    with session() as s:
        console = Console(s, namespace(s.db))
        _complete_in(console)
        banner = f"DeeBase on {s.db!r}\ndb, {_listed(s.db)} are defined: await db.q('SELECT 1')\n\\? lists commands."
        with _displaying(console.known):
            console.interact(banner=shown_on_stderr(banner), exitmsg="")


@contextmanager
def _displaying(known: dict[str, object]) -> Generator[None]:
    """Print the result of a statement, with control characters escaped, and store it as ``_``."""
    before = sys.displayhook

    def display(value: object) -> None:
        if value is not None:
            known["_"] = value
            echo(repr(value))

    sys.displayhook = display
    try:
        yield
    finally:
        sys.displayhook = before


def namespace(db: Database) -> dict[str, object]:
    """Return the names at the prompt: db, the public names of deebase, and tables and views by name."""
    import sqlalchemy

    import deebase

    known: dict[str, object] = {"deebase": deebase, "sa": sqlalchemy}
    for name in deebase.__all__:
        known[name] = getattr(deebase, name)
    for handle in (*db.v, *_tables(db)):
        name = handle.name
        # A name that would hide one of Python is available as db.t["name"].
        if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name) and name not in known:
            known[name] = handle
    return {"__name__": "__console__", "__doc__": None, **known, "db": db}


def _tables(db: Database) -> list[Rows]:
    return [table for table in db.t if not is_own(table.name)]


def _listed(db: Database) -> str:
    names = [handle.name for handle in _tables(db)]
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return shown or "no tables,"


_COMMANDS = r"""\d        tables and views
\d NAME   the columns, keys and indexes of a table, or the columns of a view
\dt       tables
\q        end the prompt
\?        this list"""


def _line(kind: str, item: Rows | ViewRows) -> dict[str, object]:
    return {"name": item.name, "kind": kind, "columns": len(item.columns)}


def _show_handle(s: Session, name: str) -> None:
    """Show the description of a table or view, as it is now."""
    from deebase.cli.commands.table_commands import columns, describe

    s.run(s.db.reflect())
    item = s.readable(name)
    show_object({"name": name, "columns": columns(item)} if name in s.db.v else describe(s, s.table(name)))


class Console(code.InteractiveConsole):
    """A prompt whose statements run in an event loop, one at a time.

    Args:
        session: the session whose event loop runs them.
        known: the names at the prompt.
    """

    def __init__(self, session: Session, known: dict[str, object]) -> None:
        # As in any namespace of running code: the warning about a missing await needs them.
        known.setdefault("__builtins__", builtins)
        super().__init__(known)
        self.known = known
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._session = session

    def push(self, line: str, *args: Any, **options: Any) -> bool:
        r"""Take a line; one that begins with a backslash, such as \dt, is a command of the prompt."""
        if self.buffer or not line.startswith("\\"):
            return super().push(line, *args, **options)
        self._command(*line.split(maxsplit=1))
        return False

    def _command(self, name: str, argument: str = "") -> None:
        s, argument = self._session, argument.strip().rstrip(";")
        try:
            if name == "\\q":
                raise SystemExit
            if name == "\\d" and argument:
                _show_handle(s, argument)
            elif name in ("\\d", "\\dt"):
                s.run(s.db.reflect())
                views = s.db.v if name == "\\d" else ()
                lines = [*[_line("table", item) for item in s.tables], *[_line("view", item) for item in views]]
                show(lines, ("name", "kind", "columns"))
            else:
                say(_COMMANDS)
        except DeeBaseError as error:
            say(f"{type(error).__name__}: {error}")

    def runcode(self, code: CodeType) -> None:
        """Run a statement; print an error, and continue."""
        try:
            self._session.run(self._run(code))
        except SystemExit:
            raise
        except KeyboardInterrupt:
            say("KeyboardInterrupt")
        except DeeBaseError as error:
            # Frames inside the library do not help at the prompt.
            say(f"{type(error).__name__}: {error}")
        except BaseException as error:
            self._show(error)

    def _show(self, error: BaseException) -> None:
        frame = error.__traceback__
        while frame is not None and frame.tb_frame.f_code.co_filename != self.filename:
            frame = frame.tb_next
        say("".join(traceback.format_exception(error.with_traceback(frame))).rstrip())

    async def _run(self, code: CodeType) -> None:
        # A function without arguments, whose globals are the names at the prompt, as for a statement at the top level.
        result = FunctionType(code, self.known)()
        if inspect.iscoroutine(result):
            await result


class Completer(rlcompleter.Completer):
    """Completes Python names, tables (``db.t.``) and columns (``user.c.``).

    Args:
        known: the names at the prompt.
    """

    def __init__(self, known: dict[str, object]) -> None:
        super().__init__(known)
        self._known = known

    def attr_matches(self, text: str) -> list[str]:
        """Return the completions of a dotted name."""
        before, _, begun = text.rpartition(".")
        columns = self._columns(before) if before.endswith(".c") else ()
        if not columns:
            return super().attr_matches(text)
        return [f"{before}.{name}" for name in columns if name.startswith(begun) and name.isidentifier()]

    def _columns(self, dotted: str) -> tuple[str, ...]:
        first, *rest = dotted.split(".")
        found: object = self._known.get(first)
        # The table, whose columns are attributes of its c.
        for name in rest[:-1]:
            found = getattr(found, name, None)
        return getattr(found, "columns", ()) if hasattr(found, "sa_table") else ()


def _complete_in(console: Console) -> None:
    """Complete names with the tab key, if the prompt has line editing."""
    if not sys.stdin.isatty():
        return
    try:
        import readline
    except ImportError:
        return
    readline.set_completer(Completer(console.known).complete)
    # libedit, under the name of readline, has its own syntax.
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
