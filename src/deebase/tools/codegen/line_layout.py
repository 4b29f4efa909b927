"""Source text in the layout of ``ruff format``: on one line if it fits, else one item per line."""

from __future__ import annotations

import inspect
import re
import textwrap
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

#: The default line length of ruff and black.
WIDTH: Final = 88
_SUBSCRIPT: Final = re.compile(r"\w\[\Z")


def width(text: str) -> int:
    """Return the width of a text in columns: Chinese, Japanese and Korean letters take two."""
    wide = 0 if text.isascii() else sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide


class Piece(NamedTuple):
    """An expression: text, or text with items between brackets, ``head`` ending in one and ``tail`` beginning so.

    An annotation with items may be ``optional``: ``| None`` follows it.
    """

    head: str
    items: tuple[Piece, ...] = ()
    tail: str = ""
    optional: bool = False

    def after(self, prefix: str) -> Piece:
        """Return the piece with text before it."""
        return self._replace(head=prefix + self.head)

    def before(self, suffix: str) -> Piece:
        """Return the piece with text after it."""
        return self._replace(tail=self.tail + suffix) if self.items else self._replace(head=self.head + suffix)

    @property
    def flat(self) -> str:
        """The text on one line."""
        return f"{self.head}{', '.join([item.flat for item in self.items])}{self.tail}{self._ending}"

    @property
    def _ending(self) -> str:
        return " | None" if self.optional else ""

    def lines(self, indent: str = "", reserved: int = 0) -> str:
        """Return the text, broken at the outermost brackets first.

        Args:
            indent: spaces at the start of every line.
            reserved: columns to leave free at the end of the line.
        """
        flat = indent + self.flat
        if not self.items or ("\n" not in flat and width(flat) + reserved <= WIDTH):
            return flat
        # list[int,] would be another expression than list[int].
        comma = "" if len(self.items) == 1 and _SUBSCRIPT.search(self.head) else ","
        inner = [item.lines(indent + "    ", reserved=len(comma)) + comma for item in self.items]
        ending = [indent + self._ending.strip()] if self.optional else []
        return "\n".join([indent + self.head, *inner, indent + self.tail, *ending])


def call(function: str, *arguments: Piece, **keywords: Piece) -> Piece:
    """Return a call."""
    items = (*arguments, *[value.after(f"{name}=") for name, value in keywords.items()])
    return Piece(f"{function}(", items, ")") if items else Piece(f"{function}()")


def listed(items: Iterable[Piece]) -> Piece:
    """Return a list display."""
    made = tuple(items)
    return Piece("[", made, "]") if made else Piece("[]")


def mapped(items: Iterable[tuple[Piece, Piece]]) -> Piece:
    """Return a dict display."""
    made = tuple([value.after(f"{key.flat}: ") for key, value in items])
    return Piece("{", made, "}") if made else Piece("{}")


def assigned(target: str, value: Piece, indent: str = "") -> str:
    """Return an assignment; a text that is too long for the line is put in parentheses if it fits there."""
    line = value.after(f"{target} = ").lines(indent)
    inner = f"{indent}    {value.flat}"
    if value.items or "\n" in line or width(line) <= WIDTH or width(inner) > WIDTH:
        return line
    return f"{indent}{target} = (\n{inner}\n{indent})"


def comment(text: str, indent: str = "", prefix: str = "# ") -> str:
    """Return a comment, wrapped; the text cannot end it."""
    start = f"{indent}{prefix}"
    written = textwrap.fill(
        visible(" ".join(text.split())),
        WIDTH,
        initial_indent=start,
        subsequent_indent=f"{indent}#     ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return written or start.rstrip()


def docstring(text: str, indent: str = "") -> str:
    """Return a docstring, empty for no text; the text cannot end it."""
    lines = [visible(line).rstrip() for line in inspect.cleandoc(text).splitlines()]
    written = "\n".join([f"{indent}{line}" if line and place else line for place, line in enumerate(lines)]).strip()
    if not written:
        return ""
    if written[0] == '"':
        written = f" {written}"
    if "\n" in written:
        return f'{indent}"""{written}\n{indent}"""'
    # A quote right before the closing ones would be one of them; three quotes are escaped.
    open_quote = written.endswith('"') and not re.search(r'(?<!\\)(?:\\\\)*\\"\Z', written)
    return f'{indent}"""{written}{" " if open_quote else ""}"""'


def visible(text: str) -> str:
    """Return a text for a docstring or comment, with characters that are not printable as escapes."""
    escaped = "".join([char if char.isprintable() and char != "\\" else _escape(char) for char in text])
    return escaped.replace('"""', r"\"\"\"")


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()
