"""`deebase migrate`: write, apply, undo, check and repair migrations."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from deebase.cli.frame import ATTENTION, PENDING, Group, Refusal
from deebase.cli.invocation import changing, database_options, destroying, invocation, output_options, reading, say
from deebase.cli.output import counted, output_format, show
from deebase.cli.session import Session, ask, session
from deebase.cli.terminal import confirm, echo

if TYPE_CHECKING:
    from deebase.database import Database
    from deebase.migrations import Migrator, Step

F = TypeVar("F", bound=Callable[..., Any])

_DIRECTORY = "deebase.migrate.directory"
_STATUS = ("name", "state", "late", "applied_at", "seconds", "note", "hint")


class _Open(NamedTuple):
    """The database of a command, and its migrations."""

    session: Session
    migrator: Migrator

    def run(self, work: Any) -> Any:
        """Return the result of a call of the API."""
        return self.session.run(work)


def _losing(command: F) -> F:
    """Add the options that allow a migration to lose rows; the command gets ``allow``: all tables, none or some."""

    @click.option("--allow-destructive", is_flag=True, help="Also run migrations that lose stored rows or values.")
    @click.option("--may-lose", multiple=True, metavar="TABLE", help="Allow it for this table, which is not counted.")
    @functools.wraps(command)
    def wrapped(*args: Any, allow_destructive: bool, may_lose: tuple[str, ...], **options: Any) -> Any:
        return command(*args, allow=allow_destructive or may_lose, **options)

    return wrapped  # type: ignore[return-value]


def _in_directory(command: F) -> F:
    """Add --directory."""

    def keep(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
        ctx.meta[_DIRECTORY] = value

    option = click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        callback=keep,
        help="The directory of the migrations; by default that of the settings, else ./migrations.",
    )
    return option(command)


@contextmanager
def _opened(*, creates: bool = False) -> Generator[_Open]:
    """Open the database that the command is for, with its migrations."""
    directory: Path | None = click.get_current_context().meta[_DIRECTORY]
    with session(creates=creates) as s:
        yield _Open(s, _migrator(s.db, directory))


def _migrator(db: Database, directory: Path | None) -> Migrator:
    from deebase.migrations import Migrator
    from deebase.migrations import project as config

    found = config.read()
    return Migrator(db, directory or found.directory, models=found.models, root=found.root)


def migrations_of(db: Database, directory: Path | None) -> Migrator | None:
    """Return the migrations of a database; None if no directory is given and that of the settings does not exist."""
    made = _migrator(db, directory)
    return made if directory is not None or made.directory.is_dir() else None


@click.group(cls=Group, example='deebase migrate new "add age"\ndeebase migrate seal\ndeebase migrate up')
def migrate() -> None:
    """Write, apply and undo migrations."""


# -- writing -----------------------------------------------------------------------------------------


@migrate.command("new", example='deebase migrate new "full names" --rename user.name:full_name')
@click.argument("name")
@click.option("--empty", is_flag=True, help="Compare nothing: an empty draft.")
@click.option("--sql", is_flag=True, help="An empty draft in SQL.")
@click.option("--data", is_flag=True, help="An empty draft that changes rows.")
@click.option("--rename", "renames", multiple=True, metavar="OLD:NEW", help="TABLE.COLUMN:NEW or TABLE:NEW; repeat it.")
@_in_directory
@database_options
def new(name: str, empty: bool, sql: bool, data: bool, renames: tuple[str, ...]) -> None:
    """Open a draft with the steps from the migrations so far to the models, and back.

    On a terminal it asks whether something that is dropped and something that is added is a rename.
    """
    chosen = _renames(renames)
    with _opened(creates=True) as o:
        if not (chosen or empty or sql or data) and sys.stdin.isatty():
            chosen = _asked(o.run(o.migrator.possible_renames()))
        path = o.run(o.migrator.new(name, empty=empty, sql=sql, data=data, renames=chosen))
        if not (empty or sql or data):
            _say_what_is_not_compared(o)
    say(f"Wrote {os.path.relpath(path)}; deebase migrate seal fixes it.")


def _asked(candidates: Iterable[tuple[str, str]]) -> dict[str | tuple[str, str], str]:
    """Ask which of the dropped and added names are renames."""
    found: dict[str | tuple[str, str], str] = {}
    for old, to in candidates:
        table = old.rpartition(".")[0]
        taken = {(known.rpartition(".")[0], name) for known, name in found.items() if isinstance(known, str)}
        if old not in found and (table, to) not in taken and confirm(f"Is {old} called {to} now?"):
            found[old] = to
    return found


def _renames(given: Iterable[str]) -> dict[str | tuple[str, str], str]:
    found: dict[str | tuple[str, str], str] = {}
    for item in given:
        old, separator, to = item.rpartition(":")
        if not separator or not old or not to:
            raise Refusal("--rename takes what is renamed and its new name: --rename user.name:full_name")
        found[old] = to
    return found


@migrate.command("seal", example='deebase migrate seal "initial schema"')
@click.argument("name", required=False)
@click.option("--applied/--not-applied", default=None, help="Whether this database has it already.")
@_in_directory
@database_options
def seal(name: str | None, applied: bool | None) -> None:
    """Give the draft its number and fix what it holds."""
    with _opened(creates=True) as o:
        say(f"Sealed {o.run(o.migrator.seal(name, applied=applied))}.")


# -- running -----------------------------------------------------------------------------------------


@migrate.command("up", example="deebase migrate up --plan\ndeebase migrate up")
@click.option("--to", type=int, metavar="N", help="The number of the last one; all of them by default.")
@click.option("--plan", is_flag=True, help="Show what would be applied and its hazards; change nothing.")
@click.option("--sql", is_flag=True, help="Print what would be applied as SQL, as --dry-run does.")
@_losing
@click.option("--backup", is_flag=True, help="Write a backup first, beside the SQLite file or in this directory.")
@click.option("--lock-timeout", type=float, default=60.0, show_default=True, help="Seconds to wait for another runner.")
@_in_directory
@output_options
@changing
def up(to: int | None, plan: bool, sql: bool, backup: bool, lock_timeout: float, allow: bool | tuple[str, ...]) -> None:
    """Apply what is sealed and pending, each migration in a transaction of its own."""
    with _opened(creates=True) as o:
        if sql or invocation().dry_run:
            echo(o.run(o.migrator.script(to)), nl=False)
            return
        if plan:
            _show_plan(o.run(o.migrator.up(to, plan=True)), "Nothing is pending.")
            return
        work = o.migrator.up(to, allow_destructive=allow, backup=backup, lock_timeout=lock_timeout)
        steps: list[Step] = o.run(work)
        drafts = [item.name for item in o.run(o.migrator.status()) if item.state == "draft"]
    if steps and steps[0].backup is not None:
        say(f"Wrote the backup {steps[0].backup}.")
    show([_done(step) for step in steps], ("name", "late", "seconds"))
    if not steps:
        say("Nothing is pending.")
    if drafts:
        say(f"{drafts[0]} is not sealed, and so not applied: deebase migrate seal")


def _show_plan(steps: list[Step], nothing: str) -> None:
    for step in steps if output_format() == "table" else []:
        lines = [f"{step.name} is applied late" if step.late else step.name]
        lines += [f"  {operation}" for operation in step.operations]
        lines += [f"  {counted(rows, 'row')} in {table}" for table, rows in step.rows.items()]
        for hazard in step.hazards:
            lines += [f"  look at {hazard}", *([f"    instead: {hazard.advice}"] if hazard.advice else [])]
        lines += [f"    {line}" for sql in step.statements for line in f"{sql.strip().rstrip(';')};".split("\n")]
        echo("\n".join([*lines, ""]).expandtabs(4))
    if output_format() != "table":
        show([_planned(step) for step in steps], ("name", "late", "operations", "sql", "rows", "look_at"))
    for note in dict.fromkeys(step.note for step in steps if step.note):
        say(f"Warning: {note}")
    if not steps:
        say(nothing)


def _planned(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "late": step.late,
        "operations": list(step.operations),
        "sql": list(step.statements),
        "rows": dict(step.rows),
        "look_at": "; ".join(map(str, step.hazards)) or None,
    }


def _done(step: Step) -> dict[str, Any]:
    return {"name": step.name, "late": step.late, "seconds": step.seconds}


@migrate.command("down", example="deebase migrate down --to 6")
@click.option("--to", type=int, metavar="N", help="Undo all above this number; 0 undoes all. By default the last one.")
@click.option("--plan", is_flag=True, help="Show what would be undone, and the rows it affects; change nothing.")
@_losing
@click.option("--backup", is_flag=True, help="Write a backup first, beside the SQLite file or in this directory.")
@click.option("--lock-timeout", type=float, default=60.0, show_default=True, help="Seconds to wait for another runner.")
@_in_directory
@output_options
@destroying
def down(to: int | None, plan: bool, backup: bool, lock_timeout: float, allow: bool | tuple[str, ...]) -> None:
    """Undo the migration that was applied last, or several."""
    with _opened() as o:
        if invocation().dry_run:
            echo(o.run(o.migrator.script(to, down=True)), nl=False)
            return
        planned: list[Step] = o.run(o.migrator.down(to, plan=True))
        if plan:
            _show_plan(planned, "Nothing is applied.")
            return
        for step in planned:
            rows = [f"{counted(rows, 'row')} in {table}" for table, rows in step.rows.items() if rows]
            if rows:
                say("; ".join([f"{step.name}, undone, {', '.join(step.operations)}", *rows]))
        ask(f"Undo {', '.join(step.name for step in planned) or 'nothing'}?")
        work = o.migrator.down(to, allow_destructive=allow, backup=backup, lock_timeout=lock_timeout)
        steps: list[Step] = o.run(work)
        if steps and steps[0].backup is not None:
            say(f"Wrote the backup {steps[0].backup}.")
        for step in steps:
            say(f"Undid {step.name}.")


# -- looking -----------------------------------------------------------------------------------------


@migrate.command("status", example="deebase migrate status --json")
@_in_directory
@reading
def status() -> None:
    """Show the state of each migration; exits with 3 if some are pending, with 4 if one needs attention."""
    with _opened() as o:
        found = o.run(o.migrator.status())
    show([{name: getattr(item, name) or None for name in _STATUS} | {"late": item.late} for item in found], _STATUS)
    states = {item.state for item in found}
    if states & {"edited", "failed", "refused", "missing"}:
        click.get_current_context().exit(ATTENTION)
    if states & {"pending", "unfinished"}:
        click.get_current_context().exit(PENDING)


@migrate.command("check", example="deebase migrate check")
@click.option("--strict", is_flag=True, help="Exit with 4 for what lint finds, too.")
@_in_directory
@reading
def check(strict: bool) -> None:
    """Try all migrations in a scratch database, and compare with the models; exits with 4 if something is wrong.

    It also shows what lint finds in migrations that the database lacks.
    """
    with _opened(creates=True) as o:
        wrong, lint = o.run(o.migrator.check()), o.run(o.migrator.lint())
        _say_what_is_not_compared(o)
    columns = ("migration", "kind", "text", "hint")
    show([{name: getattr(item, name) or None for name in columns} for item in (*wrong, *lint)], columns)
    if wrong or (strict and lint):
        click.get_current_context().exit(ATTENTION)


@migrate.command("drift", example="deebase migrate drift")
@_in_directory
@reading
def drift() -> None:
    """Show how the database differs from what its migrations make; exits with 4 if it does."""
    with _opened() as o:
        found = o.run(o.migrator.drift())
        _say_what_is_not_compared(o)
    columns = ("name", "column", "text")
    _attention([{name: getattr(item, name) for name in columns} for item in found], columns)


def _say_what_is_not_compared(o: _Open) -> None:
    for text in o.run(o.migrator.not_compared()):
        say(f"Not compared, and in no migration: {text}")


def _attention(found: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    show(found, columns)
    if found:
        click.get_current_context().exit(ATTENTION)


# -- keeping -----------------------------------------------------------------------------------------


@migrate.command("baseline", example="deebase migrate baseline --url postgresql://server/shop")
@click.argument("name", default="baseline")
@_in_directory
@database_options
def baseline(name: str) -> None:
    """Write the first migration from the database, and count it as applied there."""
    with _opened() as o:
        say(f"Wrote {o.run(o.migrator.baseline(name))}, which the database counts as applied.")
        _say_what_is_not_compared(o)


@migrate.command("squash", example="deebase migrate squash 3..7 orders")
@click.argument("numbers", metavar="FIRST..LAST")
@click.argument("name")
@_in_directory
@database_options
def squash(numbers: str, name: str) -> None:
    """Replace several migrations by one."""
    first, separator, last = numbers.partition("..")
    if not separator or not first.isdecimal() or not last.isdecimal():
        raise Refusal("Say from which number to which: deebase migrate squash 3..7 NAME")
    with _opened() as o:
        say(f"Wrote {o.run(o.migrator.squash(int(first), int(last), name))}.")


@migrate.command("renumber", example="deebase migrate renumber")
@_in_directory
@database_options
def renumber() -> None:
    """Give migrations that share a number a new one."""
    with _opened() as o:
        moved = o.run(o.migrator.renumber())
    for old, name in moved:
        say(f"{old} is {name} now.")
    if not moved:
        say("No two share a number.")


@migrate.command("rerecord", example="deebase migrate rerecord 0007-add-age")
@click.argument("name", required=False)
@_in_directory
@database_options
def rerecord(name: str | None) -> None:
    """Accept edited or renamed files as they are now; nothing runs."""
    with _opened() as o:
        taken = o.run(o.migrator.rerecord(name))
    say(f"Accepted {', '.join(taken)}." if taken else "Nothing was edited.")


@migrate.command("repair", example="deebase migrate repair 0009-index-of-orders --applied")
@click.argument("name", required=False)
@click.option("--applied/--not-applied", default=None, help="Whether a half-done one counts as applied.")
@_in_directory
@database_options
def repair(name: str | None, applied: bool | None) -> None:
    """Settle half-done migrations, and write missing files as they were applied."""
    with _opened() as o:
        done = o.run(o.migrator.repair(name, applied=applied))
    say("\n".join(done) if done else "Nothing needs to be repaired.")


@migrate.command("eject", example="deebase migrate eject alembic")
@click.argument("target", type=click.Path(path_type=Path), default="alembic")
@_in_directory
@database_options
def eject(target: Path) -> None:
    """Write a plain Alembic environment with the schema that the migrations make."""
    with _opened(creates=True) as o:
        path = o.run(o.migrator.eject(target))
    say(f"Wrote {os.path.relpath(path)}; alembic stamp head tells a database that it has it.")
