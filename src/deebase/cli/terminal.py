"""Output to a terminal, with control characters escaped: names and values may come from anywhere.

A pipe or a file gets every text as it is.
"""

from __future__ import annotations

import io
import re
import sys
import unicodedata

import click

#: Not printable by the rules of Python, but harmless: they join or separate letters.
_HARMLESS = "\u00ad\u200c\u200d"


def printable(text: str, keep: str = "\n") -> str:
    """Return a text with its control characters as escapes.

    They are those of ASCII and C1, such as ESC and CSI, and those that change the direction of writing.

    Args:
        text: the text.
        keep: control characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join([c if c in keep or not _is_control(c) else c.encode("unicode_escape").decode() for c in text])


def printable_json(text: str) -> str:
    """Return JSON with its control characters as JSON escapes: the value stays the same."""
    if text.isprintable():
        return text
    return "".join([c if c == "\n" or not _is_control(c) else _escaped(c) for c in text])


def _is_control(character: str) -> bool:
    return not (character.isprintable() or character in _HARMLESS or unicodedata.category(character) == "Zs")


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return re.sub("(....)", r"\\u\1", units)


def shown_on_stderr(text: str) -> str:
    """Return a message in the form that is written to stderr."""
    return printable(text, keep="\n\t") if sys.stderr.isatty() else text


def echo(text: str, *, nl: bool = True, err: bool = False) -> None:
    """Write a text to stdout, or to stderr."""
    if err:
        text = shown_on_stderr(text)
    elif sys.stdout.isatty():
        text = printable(text, keep="\n\t")
    click.echo(text, nl=nl, err=err)


def confirm(question: str) -> bool:
    """Ask on the terminal; return True for yes."""
    return click.confirm(printable(question), err=True)


class Terminal(io.TextIOBase):
    """Standard output on a terminal, as a file to export to.

    Args:
        json: whether the exported text is JSON.
    """

    def __init__(self, *, json: bool) -> None:
        super().__init__()
        self._json = json

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write a part of the text."""
        echo(printable_json(text) if self._json else text, nl=False)
        return len(text)
