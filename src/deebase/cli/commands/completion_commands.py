"""`deebase completion`: the script with which a shell completes commands."""

from __future__ import annotations

import click

from deebase.cli.frame import Command
from deebase.cli.terminal import echo

_HOW = {
    "bash": 'eval "$(deebase completion bash)" in .bashrc',
    "zsh": 'eval "$(deebase completion zsh)" in .zshrc',
    "fish": "deebase completion fish > ~/.config/fish/completions/deebase.fish",
}


@click.command(cls=Command, example="\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(tuple(_HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    # Not source(), which runs bash to check its version: the script may be for another machine.
    made = kind(ctx.find_root().command, {}, "deebase", "_DEEBASE_COMPLETE")
    echo(made.source_template % made.source_vars())
