"""`deebase help`: the help of a command, or the meaning of an error."""

from __future__ import annotations

import difflib
import re
import sys

import click

from deebase import errors
from deebase.cli.frame import Command, Refusal
from deebase.cli.resources import resource
from deebase.cli.terminal import echo


@click.command(name="help", cls=Command, example="deebase help migrate up\ndeebase help NotFoundError")
@click.argument("topic", nargs=-1)
@click.pass_context
def show_help(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a command or an error."""
    if len(topic) == 1 and topic[0] in errors.__all__:
        _show_markdown(_section(topic[0]))
    else:
        echo(_help_of_command(ctx.find_root(), topic))


def _help_of_command(root: click.Context, words: tuple[str, ...]) -> str:
    """Return the help text of a command, named by its words."""
    ctx, command = root, root.command
    for word in words:
        known = command.list_commands(ctx) if isinstance(command, click.Group) else []
        if not isinstance(command, click.Group) or word not in known:
            candidates = [*known, *(errors.__all__ if ctx is root else ())]
            near = difflib.get_close_matches(word, candidates, n=1)
            suggestion = f"Did you mean {near[0]!r}?" if near else f"{ctx.command_path} --help lists the commands."
            raise Refusal(f"No command or error is called {word!r}. {suggestion}")
        found = command.get_command(ctx, word)
        assert found is not None
        command = found
        ctx = click.Context(command, info_name=word, parent=ctx)
    return command.get_help(ctx)


def _section(name: str) -> str:
    """Return the section of the page of errors about a class."""
    page = resource("docs/errors.md").read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {name}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    # Links lead to other pages, which the package does not hold.
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", found[2].strip())
    return f"## {name}\n\n{text}"


def _show_markdown(text: str) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        echo(text)
