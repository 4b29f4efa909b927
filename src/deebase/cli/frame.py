"""The frame of all commands: lazy loading, an example at the top of the help, errors in one line, exit codes."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from deebase._types import further_types
from deebase.cli.invocation import invocation, say
from deebase.cli.terminal import echo, shown_on_stderr
from deebase.cli.word_order import in_order
from deebase.errors import DeeBaseError, NotFoundError

FAILED, USAGE, PENDING, ATTENTION, INTERRUPTED = 1, 2, 3, 4, 130

_PASSWORD = re.compile(r"(?P<before>//[^\s:/@]*):[^\s@]*(?=@)|(?P<query>[?&]password)=[^&\s'\")]*", re.IGNORECASE)


#: An argument in a hint of the library: ``overwrite=True``, ``on=...``, ``null=``.
_ARGUMENT = re.compile(r"\b([a-z_]+)=(?:True\b|\.\.\.|(?![^\s;,)]))")

#: A call with its arguments, and a call that a hint offers beside a command.
_CALL = re.compile(r"(\w\([^()]*\))")
_OR_COMMAND = re.compile(r"await migrator\.\w+\((?:[^()]|\([^()]*\))*\) or (?=deebase )")


class Refusal(click.ClickException):
    """Arguments that make no sense; the message, in one line, says what to type instead."""

    exit_code = USAGE


class Command(click.Command):
    """A command whose help opens with an example.

    Args:
        example: a command line, or several lines.
    """

    def __init__(self, *args: Any, example: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; hints of its errors name options of this command."""
        try:
            return super().invoke(ctx)
        except DeeBaseError as error:
            # The hint of a missing row names attributes of the error.
            without_hint = error.hint is None or type(error) is NotFoundError
            error.hint = None if without_hint else self._in_options(str(error.hint))
            raise

    def _in_options(self, hint: str) -> str:
        options = {name for parameter in self.params for name in parameter.opts}

        def option(match: re.Match[str]) -> str:
            name = f"--{match[1].replace('_', '-')}"
            # An argument with several values may be an option that is repeated.
            return next((known for known in (name, name.removesuffix("s")) if known in options), match[0])

        # A call stays as it is, or is left out where a command follows that does the same.
        parts = _CALL.split(_OR_COMMAND.sub("", hint))
        return "".join([part if number % 2 else _ARGUMENT.sub(option, part) for number, part in enumerate(parts)])

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, then the description of the command."""
        write_example(self.example, formatter)
        super().format_help_text(ctx, formatter)


class Group(click.Group):
    """A group of commands, whose help opens with an example.

    Args:
        example: as in ``Command``.
    """

    command_class: type[click.Command] | None = Command
    group_class: type[click.Group] | type[type] | None = type

    def __init__(self, *args: Any, example: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, then the description of the group."""
        write_example(self.example, formatter)
        super().format_help_text(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the named command; the error for an unknown name suggests the nearest one."""
        name, known = args[0], self.list_commands(ctx)
        # A word that begins with a dash is an option; click has a better message for it.
        if not (name in known or name.startswith("-") or ctx.resilient_parsing):
            near = get_close_matches(name, known, 1)
            ctx.fail(f"No such command {name!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)


class RootGroup(Group):
    """Loads its commands when they run, and reports errors in one line.

    Args:
        commands_at: by name, the place of a command, ``"module:attribute"``, and what it does in a few words.
        alone: the command that a database without a command means.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], alone: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = commands_at
        self._alone = alone

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of the command line, in any of the orders that people type."""
        return super().parse_args(ctx, in_order(self, ctx, args, self._alone))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loading its module."""
        if cmd_name not in self._places:
            return None
        module, _, attribute = self._places[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the line of each command, without loading it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._places[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error becomes a message and an exit code."""
        with _warnings_as_messages(), further_types(_import_models):
            try:
                return super().invoke(ctx)
            except click.ClickException as error:
                # The message may quote a URL that was given in the wrong place, or a name from the database.
                message = error.format_message()
                shown = shown_on_stderr(hide_passwords(message))
                if shown != message:
                    raise Refusal(shown) from None
                raise
            except DeeBaseError as error:
                _report(error)
                ctx.exit(FAILED)
            except (KeyboardInterrupt, click.Abort):
                say("Interrupted.")
                ctx.exit(INTERRUPTED)


def _import_models() -> None:
    """Import the module that the setting ``models`` names: it may define column types."""
    from deebase.migrations import project

    found = project.read()
    if found.models is not None:
        from deebase.migrations.compare.models import imported

        imported(found.models, found.root)


def write_example(example: str, formatter: click.HelpFormatter) -> None:
    """Write the lines of an example as they are."""
    with formatter.section("Example"):
        for line in example.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _report(error: DeeBaseError) -> None:
    if invocation().debug:
        echo(hide_passwords("".join(traceback.format_exception(error))), err=True, nl=False)
    say(f"Error: {hide_passwords(one_line(error))}")


def one_line(error: DeeBaseError) -> str:
    """Return the message of an error, with its hint in parentheses, as one line.

    Args:
        error: any error of DeeBase; messages hold neither values nor passwords.
    """
    hint = f" ({error.hint})" if error.hint else ""
    return " ".join(f"{error.message}{hint}".split())


def hide_passwords(text: str) -> str:
    """Return a text without the passwords of its URLs."""
    return _PASSWORD.sub(lambda match: f"{match['before']}:***" if match["before"] else f"{match['query']}=***", text)


@contextmanager
def _warnings_as_messages() -> Generator[None]:
    """Show warnings of the library as lines on stderr."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if issubclass(category, UserWarning):
            say(f"Warning: {' '.join(str(message).split())}")
        elif invocation().debug:
            say(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        # A command reads all tables; rare column types in other tables do not concern its user.
        warnings.filterwarnings("ignore", message=".* read and written as text", category=UserWarning)
        warnings.showwarning = show
        yield
