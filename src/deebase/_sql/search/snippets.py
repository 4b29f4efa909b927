"""The part of a text that shows why a search found it, as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable

#: What databases put before and after each word that was searched for: characters that texts do not hold.
BEGIN, END = "\ue000", "\ue001"
#: Stand for the characters of HTML: PostgreSQL would leave out what it takes for tags.
PLAIN = {"<": "\x02", ">": "\x03", "&": "\x04"}
#: Stands for text that was left out.
GAP = "…"
#: Words of a snippet.
WORDS = 24
#: Characters of a text on each side of the first part that was found.
_AROUND = 80


def marked(text: str) -> str:
    """Return a text of the database as HTML, in which the words that were searched for are in ``<mark>``."""
    for char, stand_in in PLAIN.items():
        text = text.replace(stand_in, char)
    written: list[str] = []
    is_open = False
    for piece in text.replace(END, f"{BEGIN}{END}").split(BEGIN):
        ends = piece.startswith(END)
        if written and ends == is_open:
            written.append("</mark>" if is_open else "<mark>")
            is_open = not is_open
        written.append(html.escape(piece.removeprefix(END)))
    return "".join(written) + ("</mark>" if is_open else "")


def excerpt(text: str, parts: Iterable[str]) -> str:
    """Return the part of a text around the first of these parts in it, as HTML with all of them in ``<mark>``."""
    folded, wanted = text.lower(), [part.lower() for part in parts if part]
    if len(folded) != len(text):
        # Some letters have two characters in lower case.
        folded = text
    first = min([place for part in wanted if (place := folded.find(part)) >= 0], default=0)
    start, end = max(first - _AROUND, 0), min(first + 2 * _AROUND, len(text))
    spans = sorted(_spans(folded[start:end], wanted))
    written, at = [GAP if start else ""], 0
    shown = text[start:end]
    for begin, stop in spans:
        if stop > at:
            begin = max(begin, at)
            written += [html.escape(shown[at:begin]), "<mark>", html.escape(shown[begin:stop]), "</mark>"]
            at = stop
    return "".join([*written, html.escape(shown[at:]), GAP if end < len(text) else ""])


def _spans(text: str, parts: Iterable[str]) -> Iterable[tuple[int, int]]:
    for part in parts:
        place = text.find(part)
        while place >= 0:
            yield place, place + len(part)
            place = text.find(part, place + 1)
