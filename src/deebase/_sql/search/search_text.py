"""The text of a search as people type it: words, "phrases", -without, prefix*, OR. Every text is a valid search."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

#: Characters of a text that are read; the rest is ignored.
MAX_TEXT = 10_000
#: Words and phrases of a search; further ones are ignored.
MAX_TERMS = 64
#: Characters of the longest word that is found: PostgreSQL indexes no word of more than 2,046 bytes.
MAX_WORD = 500

#: Letters, numbers, marks and private characters belong to words. Everything else separates them.
_IN_WORDS = ("L", "N", "M", "Co")
#: A minus, then a phrase in quotes and a star, or a word.
_UNIT = re.compile(r'(?=\S)(-?)(?:("[^"]*(?:"|\Z))(\*?)|([^\s"]*))')


class Term(NamedTuple):
    """Words that follow each other.

    Attributes:
        words: in their order; a part of a text is one word.
        is_prefix: the last word may be the beginning of one.
    """

    words: tuple[str, ...]
    is_prefix: bool = False

    @property
    def text(self) -> str:
        """The words, with a space between them."""
        return " ".join(self.words)


class SearchText(NamedTuple):
    """What a text asks for.

    Attributes:
        groups: a row has at least one term of each group.
        without: a row has none of these terms.
    """

    groups: tuple[tuple[Term, ...], ...] = ()
    without: tuple[Term, ...] = ()

    @property
    def finds_nothing(self) -> bool:
        """Whether no row can match: the text names nothing that a row has."""
        return not self.groups or not all(self.groups)

    @property
    def terms(self) -> list[Term]:
        """The terms that a row may have."""
        return [term for group in self.groups for term in group]


class _Unit(NamedTuple):
    """A word or phrase as it is written, or ``OR``."""

    text: str
    is_phrase: bool = False
    is_negated: bool = False
    is_prefix: bool = False


_OR = _Unit("OR")


def parse(text: str, *, parts: bool = False) -> SearchText:
    """Read the text of a search.

    Args:
        text: the text.
        parts: search for parts of texts, punctuation included, rather than for words.

    Example:
        ```python
        assert parse('sqlite -"my sql" data*').without == (Term(("my", "sql")),)
        ```
    """
    groups: list[list[Term]] = []
    without: list[Term] = []
    joins, left = False, MAX_TERMS
    for unit in _units(text[:MAX_TEXT]):
        if unit == _OR:
            joins = bool(groups)
            continue
        words = _part(unit.text) if parts else _words(unit.text)
        if not words:
            continue
        if not left:
            break
        left -= 1
        found = [Term(words, unit.is_prefix and not parts)] if max(map(len, words)) <= MAX_WORD else []
        if unit.is_negated:
            without += found
        elif joins:
            groups[-1] += found
        else:
            groups.append(found)
        joins = False
    return SearchText(tuple([tuple(group) for group in groups]), tuple(without))


def _units(text: str) -> Iterator[_Unit]:
    """Yield the words and phrases of a text; a quote that is not closed is closed by the end."""
    for sign, phrase, star, word in _UNIT.findall(text):
        if phrase:
            yield _Unit(phrase.strip('"'), True, bool(sign), bool(star))
        else:
            yield _Unit(word.rstrip("*"), False, bool(sign), word.endswith("*"))


def _words(text: str) -> tuple[str, ...]:
    if text.isalnum():
        # All are letters and numbers.
        return (text,)
    return tuple("".join([char if _is_in_word(char) else " " for char in text]).split())


def _is_in_word(char: str) -> bool:
    return unicodedata.category(char).startswith(_IN_WORDS)


def _part(text: str) -> tuple[str, ...]:
    """Return a text without what no column holds, such as NUL."""
    kept = "".join([" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text]).strip()
    return (kept,) if kept else ()
