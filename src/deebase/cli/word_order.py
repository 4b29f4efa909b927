"""The order of the words of a command line: the database may come first or last, and options before the command.

``deebase app.db table list`` and ``deebase table list app.db`` become ``deebase table list --url app.db``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click

_ENDINGS = (".db", ".sqlite", ".sqlite3")
#: The shared options that may come before the command, and whether a value follows.
_SHARED = {
    "--url": True,
    "-o": True,
    "--output": True,
    "--json": False,
    "--debug": False,
    "--trust-schema": False,
    "--dry-run": False,
    "--no-record": False,
    "-y": False,
    "--yes": False,
}


def names_database(word: str) -> bool:
    """Whether a word names a database: a URL, a name that ends as that of a SQLite file, or a file that exists."""
    if word == ":memory:" or "://" in word:
        return True
    return word.lower().endswith(_ENDINGS) or os.path.isfile(word)


def in_order(root: click.Group, ctx: click.Context, words: Sequence[str], alone: str) -> list[str]:
    """Return the words of a command line with the command first, and the database as ``--url``.

    Words that make no sense stay as they are, for Click to report.

    Args:
        root: the group of all commands.
        ctx: its context.
        words: what was typed after ``deebase``.
        alone: the command that a database without a command means.
    """
    rest, moved = _without_shared_options(words)
    database = None
    if rest and rest[0] not in root.list_commands(ctx) and names_database(rest[0]):
        database, *rest = rest
        rest, more = _without_shared_options(rest)
        moved += more
    # The completion of a shell asks which command may follow.
    if not rest and not ctx.resilient_parsing and (database is not None or any(map(_has_url, moved, [*moved[1:], ""]))):
        rest = [alone]
    path, command, rest = _command(root, ctx, rest, moved)
    if command is None:
        # A mistake in the first other word is reported, not one of the options.
        return [*path, *rest] if path or rest else moved
    if database is None and (found := _last_database(command, [*moved, *rest])) is not None:
        database, rest = found[0], found[1][len(moved) :]
    return [*path, *moved, *(["--url", database] if database is not None else []), *rest]


def _has_url(word: str, following: str) -> bool:
    return word.startswith("--url=") or (word == "--url" and following != "")


def _without_shared_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the shared options at the beginning from the other words; return the other words first."""
    moved: list[str] = []
    rest = list(words)
    while rest:
        name, equals, _ = rest[0].partition("=")
        if name not in _SHARED or (equals and not _SHARED[name]):
            break
        count = 2 if _SHARED[name] and not equals else 1
        moved += rest[:count]
        del rest[:count]
    return rest, moved


def _command(
    root: click.Group, ctx: click.Context, words: list[str], moved: list[str]
) -> tuple[list[str], click.Command | None, list[str]]:
    """Return the names that lead to a command, the command, and the words after them; None if there is none."""
    path: list[str] = []
    command: click.Command = root
    while isinstance(command, click.Group):
        if path:
            words, more = _without_shared_options(words)
            moved += more
        found = command.get_command(ctx, words[0]) if words else None
        if found is None:
            return path, None, words
        path.append(words[0])
        command, words = found, words[1:]
    return path, command, words


def _last_database(command: click.Command, words: list[str]) -> tuple[str, list[str]] | None:
    """Return the database at the end of the words of a command, and the other words; None if there is none.

    Only a word that the command has no argument for is one, or that of an optional argument which is no file. A
    command that takes any number of words keeps them all.
    """
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    if not any("--url" in parameter.opts for parameter in command.params):
        return None
    if any(argument.nargs < 0 or _is_file(argument) for argument in arguments):
        return None
    for number in reversed(range(len(words))):
        if names_database(words[number]):
            others = [*words[:number], *words[number + 1 :]]
            before, after = _positional(command, words), _positional(command, others)
            # Without the value of an option, the words are others, or make no sense.
            if before is not None and after is not None and before == [*after, words[number]]:
                enough = len(after) >= sum(argument.required for argument in arguments)
                return (words[number], others) if enough else None
    return None


def _is_file(argument: click.Argument) -> bool:
    shown = argument.human_readable_name
    return isinstance(argument.type, click.Path) or any(kind in shown for kind in ("FILE", "URL", "FROM"))


def _positional(command: click.Command, words: Sequence[str]) -> list[str] | None:
    """Return the words that are no options; None if they are not valid."""
    ctx = click.Context(command, resilient_parsing=False)
    try:
        values, more, _ = command.make_parser(ctx).parse_args(list(words))
    except click.UsageError:
        return None
    return list(_given(command, values)) + more


def _given(command: click.Command, values: dict[str, object]) -> Iterator[str]:
    for parameter in command.params:
        value = values.get(parameter.name or "")
        if isinstance(parameter, click.Argument) and isinstance(value, str):
            yield value
