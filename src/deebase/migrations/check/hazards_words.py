"""A SQL statement as lint reads it: its words and punctuation, without blanks and comments."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.tokens import Token, code_tokens

#: Words between a keyword and the name that belongs to it.
_FILLERS = frozenset({"IF", "NOT", "EXISTS", "ONLY", "TABLE", "COLUMN", "CONCURRENTLY"})


class Words:
    """The words of a statement, or of a part of one."""

    def __init__(self, found: Sequence[Token]) -> None:
        self._found = found
        self.texts: list[str] = [token.text for token in found]
        #: Bare words in capitals, as keywords are compared; punctuation as it is; "" for what has quotes.
        self.upper: list[str] = [token.text if token.kind == "number" else token.syntax for token in found]
        self._outer: list[str] | None = None

    @classmethod
    def of(cls, statement: str, database: Capabilities) -> Words:
        """Read a statement."""
        return cls(code_tokens(statement, database.tokens))

    @property
    def outer(self) -> list[str]:
        """``upper`` with the words in parentheses left empty: these are no keywords of the statement."""
        if self._outer is None:
            self._outer = []
            depth = 0
            for word in self.upper:
                depth -= word == ")"
                self._outer.append("" if depth > 0 else word)
                depth += word == "("
        return self._outer

    def begins(self, *words: str) -> bool:
        """Whether the first words are these."""
        return tuple(self.upper[: len(words)]) == words

    def has(self, *words: str) -> bool:
        """Whether these words follow each other, outside of parentheses."""
        return self.find(*words) is not None

    def find(self, *words: str) -> int | None:
        """Return the place of these words, outside of parentheses."""
        outer = self.outer
        places = range(len(outer) - len(words) + 1)
        return next((place for place in places if tuple(outer[place : place + len(words)]) == words), None)

    def name(self, *, after: str) -> str | None:
        """Return the name that follows a word, without its schema; filler words between the two are skipped."""
        place = self.find(after)
        return None if place is None else self.name_at(place + 1)

    def name_at(self, place: int) -> str | None:
        """Return the name at a place, without its schema."""
        place = self.skip(place)
        while place + 2 < len(self.texts) and self.texts[place + 1] == ".":
            place += 2
        return self._found[place].name if place < len(self.texts) else None

    def skip(self, place: int) -> int:
        """Return the place of the name at or after a place."""
        while place < len(self.texts) and self.upper[place] in _FILLERS:
            place += 1
        return place

    def names(self, *, after: str) -> list[str]:
        """Return the names of a list that follows a word: ``DROP TABLE a, b``."""
        place = self.find(after)
        if place is None:
            return []
        found = [part.name_at(0) for part in self.part(place + 1).split()]
        return [name for name in found if name is not None]

    def part(self, start: int, end: int | None = None) -> Words:
        """Return a part of the statement."""
        return Words(self._found[start:end])

    def split(self) -> list[Words]:
        """Return the parts between commas, outside of parentheses."""
        edges = [-1, *[place for place, word in enumerate(self.outer) if word == ","], len(self.texts)]
        return [self.part(start + 1, end) for start, end in itertools.pairwise(edges)]
