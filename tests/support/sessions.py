"""Sessions of commands in the documentation: each command is run, and what it says compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import Commands

_COMMAND = re.compile(r"^\$ (?P<text>[^\n]*)\n(?P<shown>(?:(?!\$ )[^\n]*\n)*)", re.MULTILINE)
_BLOCK = re.compile(r"^```(?P<language>console|sh)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'^```\w+ title="(?P<path>[^"\n]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Typed:
    """A command of a page.

    Attributes:
        line: of the page, from 1.
        text: what is typed.
        shown: what the page says it shows; None for one that is not run.
    """

    line: int
    text: str
    shown: str | None

    @property
    def arguments(self) -> list[str]:
        """What deebase is given, without redirections."""
        own = self.text.rpartition(" | ")[2].removeprefix('eval "$(').removesuffix(')"')
        parts = shlex.split(own, comments=True)
        assert parts[0] == "deebase", self.text
        return parts[1 : parts.index(">") if ">" in parts else None]

    @property
    def stdin(self) -> str | None:
        """What is piped into it."""
        before, pipe, _ = self.text.rpartition(" | ")
        return f"{shlex.split(before)[1]}\n" if pipe else None


@dataclass(frozen=True)
class Written:
    """A file that a page has its reader write: a block with its path as title.

    Attributes:
        line: of the page, from 1.
        path: relative to the directory of the session.
        text: what it holds.
    """

    line: int
    path: str
    text: str


def steps(page: Path) -> list[Typed | Written]:
    """Return the commands and the files of a page, in order."""
    text = page.read_text(encoding="utf-8")
    files = [
        Written(text.count("\n", 0, match.start()) + 1, match["path"], match["text"]) for match in _FILE.finditer(text)
    ]
    return sorted([*typed(page), *files], key=lambda step: step.line)


def typed(page: Path) -> Iterator[Typed]:
    """Yield the commands of a page; those of blocks called `sh` are not run."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start("text")) + 1
        if block["language"] == "sh":
            lines = enumerate(block["text"].splitlines(), first)
            yield from (Typed(number, line, None) for number, line in lines if "deebase" in line)
            continue
        for command in _COMMAND.finditer(block["text"]):
            number = first + block["text"].count("\n", 0, command.start())
            yield Typed(number, command["text"], command["shown"])


def shown_by(commands: Commands, command: Typed) -> str:
    """Return what a command shows, stderr included, and its exit code where that is not 0."""
    result = commands.run(*command.arguments, stdin=command.stdin)
    lines = [line.rstrip() for line in result.output.splitlines()]
    lines += [f"(exit code {result.exit_code})"] if result.exit_code else []
    return "".join([f"{line}\n" for line in lines])


def same(shown: str, written: str) -> bool:
    """Whether what was shown is what the page says, where `...` is anything."""
    pattern = ".*?".join(re.escape(part) for part in written.split("..."))
    return re.fullmatch(pattern, shown, re.DOTALL) is not None
