"""The options that many commands take, and what was given of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from deebase.cli.terminal import echo

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("table", "json", "ndjson", "csv", "tsv", "md")
_KEY = "deebase.invocation"


@dataclass
class Invocation:
    """What was given of the options that many commands take.

    Attributes:
        url: the database, None for the one of the project.
        debug: whether errors show their traceback.
        output: a format of ``FORMATS``, None for the one that fits where it goes.
        dry_run: whether a change is only shown.
        yes: whether questions are taken as answered.
        no_record: whether a change of the schema stays out of the open draft migration.
        trust_schema: whether views and triggers of a SQLite file may call what a stranger's file could misuse.
    """

    url: str | None = None
    debug: bool = False
    output: str | None = None
    dry_run: bool = False
    yes: bool = False
    no_record: bool = False
    trust_schema: bool = False

    @property
    def pragmas(self) -> dict[str, str]:
        """The settings of SQLite that were asked for."""
        return {"trusted_schema": "ON"} if self.trust_schema else {}


def invocation() -> Invocation:
    """Return that of the command that runs."""
    context = click.get_current_context(silent=True)
    # Outside of a command, as while a module of commands is tried by itself, nothing was given.
    found: Invocation = Invocation() if context is None else context.meta.setdefault(_KEY, Invocation())
    return found


def say(message: str) -> None:
    """Write a message to stderr; what commands give out goes to stdout."""
    echo(message, err=True)


def _kept(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            setattr(ctx.meta.setdefault(_KEY, Invocation()), attribute, value)

    return keep


def _json(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        _kept("output")(ctx, parameter, "json")


def database_options(command: F) -> F:
    """Add --url, --trust-schema and --debug."""
    url = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_kept("url"),
        help="The database: a path or a URL. By default DATABASE_URL, of the environment or of .env, "
        "else url of deebase.toml.",
    )
    debug = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_kept("debug"), help="Show the traceback of an error."
    )
    trust = click.option(
        "--trust-schema",
        is_flag=True,
        expose_value=False,
        callback=_kept("trust_schema"),
        help="Let views, triggers and checks of a SQLite file call any function: for files that are no stranger's.",
    )
    return url(trust(debug(command)))


def output_options(command: F) -> F:
    """Add -o and --json."""
    output = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=_kept("output"),
        help="The format; by default a table on a terminal, else JSON.",
    )
    short = click.option("--json", is_flag=True, expose_value=False, callback=_json, help="Short for -o json.")
    return output(short(command))


def reading(command: F) -> F:
    """Add what a command takes that reads a database: --url, -o, --json, --debug."""
    return database_options(output_options(command))


def changing(command: F) -> F:
    """Add what a command takes that changes a database: --url, --dry-run, --debug."""
    dry_run = click.option(
        "--dry-run",
        is_flag=True,
        expose_value=False,
        callback=_kept("dry_run"),
        help="Print the SQL for this database, and change nothing.",
    )
    return dry_run(database_options(command))


def recording(command: F) -> F:
    """Add what a command takes that changes the schema: --no-record, besides what it takes already."""
    no_record = click.option(
        "--no-record",
        is_flag=True,
        expose_value=False,
        callback=_kept("no_record"),
        help="Leave the change out of the draft migration of the project.",
    )
    return no_record(command)


def destroying(command: F) -> F:
    """Add what a command takes that destroys something: --yes, and what changing commands take."""
    yes = click.option(
        "-y", "--yes", is_flag=True, expose_value=False, callback=_kept("yes"), help="Do not ask; it is meant."
    )
    return yes(changing(command))
