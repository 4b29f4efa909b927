"""What all commands have in common: lazy loading, an example at the top of the help, errors of one line, exit codes."""

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

from deebase.cli.invocation import invocation, say
from deebase.cli.terminal import echo, shown_on_stderr
from deebase.errors import DeeBaseError, NotFoundError

FAILED, USAGE, PENDING, ATTENTION, INTERRUPTED = 1, 2, 3, 4, 130

_PASSWORD = re.compile(r"(?P<before>//[^\s:/@]*):[^\s@]*(?=@)|(?P<query>[?&]password)=[^&\s'\")]*", re.IGNORECASE)


#: How a hint of the library names an argument: ``overwrite=True``, ``on=...``, ``null=``.
_ARGUMENT = re.compile(r"\b([a-z_]+)=(?:True\b|\.\.\.|(?![^\s;,)]))")

#: A call, with its arguments; one that is offered beside a command.
_CALL = re.compile(r"(\w\([^()]*\))")
_OR_COMMAND = re.compile(r"await migrator\.\w+\((?:[^()]|\([^()]*\))*\) or (?=deebase )")


class Refusal(click.ClickException):
    """What was typed cannot be meant so; one line that says what to type instead."""

    exit_code = USAGE


class Command(click.Command):
    """A command whose help opens with an example.

    Args:
        example: what one would type, one line or several.
    """

    def __init__(self, *args: Any, example: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what its errors hint at is said in options of this command."""
        try:
            return super().invoke(ctx)
        except DeeBaseError as error:
            # Of a row that does not exist, the hint names attributes of the error.
            without_hint = error.hint is None or type(error) is NotFoundError
            error.hint = None if without_hint else self._in_options(str(error.hint))
            raise

    def _in_options(self, hint: str) -> str:
        options = {name for parameter in self.params for name in parameter.opts}

        def option(match: re.Match[str]) -> str:
            name = f"--{match[1].replace('_', '-')}"
            # What is one argument of several values may be an option that is given several times.
            return next((known for known in (name, name.removesuffix("s")) if known in options), match[0])

        # A call is left as it is, or left out where the command follows that does the same.
        parts = _CALL.split(_OR_COMMAND.sub("", hint))
        return "".join([part if number % 2 else _ARGUMENT.sub(option, part) for number, part in enumerate(parts)])

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, then what the command does."""
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
        """Write the example, then what the commands are about."""
        write_example(self.example, formatter)
        super().format_help_text(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is named; for a name that is none the error tells the nearest."""
        name, known = args[0], self.list_commands(ctx)
        # What begins with a dash is an option, of which click says more.
        if not (name in known or name.startswith("-") or ctx.resilient_parsing):
            near = get_close_matches(name, known, 1)
            ctx.fail(f"No such command {name!r}.{f' Did you mean {near[0]!r}?' if near else ''}")
        return super().resolve_command(ctx, args)


class RootGroup(Group):
    """Loads its commands when they are run, and says in one line what went wrong.

    Args:
        commands_at: by name, where a command is, ``"module:attribute"``, and what it does in a few words.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = commands_at

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
        """Write what each command does, without loading it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._places[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; whatever it raises becomes a message and an exit code."""
        with _warnings_as_messages():
            try:
                return super().invoke(ctx)
            except click.ClickException as error:
                # A URL that was given where none belongs would be quoted; a name may come from the database.
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
    """Return what an error says, with its hint in parentheses, as one line.

    Args:
        error: Any error of DeeBase; its messages hold no values and no passwords.
    """
    hint = f" ({error.hint})" if error.hint else ""
    return " ".join(f"{error.message}{hint}".split())


def hide_passwords(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _PASSWORD.sub(lambda match: f"{match['before']}:***" if match["before"] else f"{match['query']}=***", text)


@contextmanager
def _warnings_as_messages() -> Generator[None]:
    """Show what the library warns of as a line on stderr."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            say(f"Warning: {' '.join(str(message).split())}")
        elif invocation().debug:
            say(f"{category.__name__}: {message}")

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        # A command reads all tables; that those of others have columns of rare types is no news to its user.
        warnings.filterwarnings("ignore", message=".* read and written as text", category=UserWarning)
        warnings.showwarning = show
        yield
