"""The options that many commands share, and their values."""

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
    """The values of the shared options.

    Attributes:
        url: the database; None for that of the project.
        debug: whether errors show their traceback.
        output: one of ``FORMATS``; None for the one that suits the output.
        dry_run: whether a change is shown, not made.
        yes: whether no confirmation is asked for.
        no_record: whether a change of the schema stays out of the open draft migration.
        trust_schema: whether views and triggers of a SQLite file may call functions that a hostile file could misuse.
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
        """The SQLite settings that the options ask for."""
        return {"trusted_schema": "ON"} if self.trust_schema else {}


def invocation() -> Invocation:
    """Return the options of the running command."""
    context = click.get_current_context(silent=True)
    # Outside of a command, as in a test of one module, no options are given.
    found: Invocation = Invocation() if context is None else context.meta.setdefault(_KEY, Invocation())
    return found


def say(message: str) -> None:
    """Write a message to stderr; results go to stdout."""
    echo(message, err=True)


def _option(attribute: str, *names: str, **details: Any) -> Callable[[F], F]:
    """Return an option whose value is stored in the invocation instead of being passed to the command."""

    def store(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None and value is not False:
            # A flag may stand for a value, as --json does for the output.
            setattr(ctx.meta.setdefault(_KEY, Invocation()), attribute, details.get("flag_value", value))

    return click.option(*names, expose_value=False, callback=store, **details)


_URL = _option(
    "url",
    "--url",
    metavar="URL",
    help="The database: a path or a URL. By default DATABASE_URL, of the environment or of .env, "
    "else url of deebase.toml.",
)
DEBUG = _option("debug", "--debug", is_flag=True, help="Show the traceback of an error.")
_TRUST = _option(
    "trust_schema",
    "--trust-schema",
    is_flag=True,
    help="Let views, triggers and checks of a SQLite file call any function: only for files that you trust.",
)
_OUTPUT = _option(
    "output",
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    help="The format; by default a table on a terminal, else JSON.",
)
_JSON = _option("output", "json_output", "--json", flag_value="json", help="Short for -o json.")
_DRY_RUN = _option("dry_run", "--dry-run", is_flag=True, help="Print the SQL for this database, and change nothing.")
_NO_RECORD = _option(
    "no_record", "--no-record", is_flag=True, help="Leave the change out of the draft migration of the project."
)
_YES = _option("yes", "-y", "--yes", is_flag=True, help="Do not ask for confirmation.")


def database_options(command: F) -> F:
    """Add --url, --trust-schema and --debug."""
    return _URL(_TRUST(DEBUG(command)))


def output_options(command: F) -> F:
    """Add -o and --json."""
    return _OUTPUT(_JSON(command))


def reading(command: F) -> F:
    """Add the options of a command that reads a database: --url, -o, --json, --debug."""
    return database_options(output_options(command))


def changing(command: F) -> F:
    """Add the options of a command that changes a database: --url, --dry-run, --debug."""
    return _DRY_RUN(database_options(command))


def recording(command: F) -> F:
    """Add --no-record, to a command that changes the schema."""
    return _NO_RECORD(command)


def destroying(command: F) -> F:
    """Add the options of a command that destroys something: --yes, and those of changing commands."""
    return _YES(changing(command))
