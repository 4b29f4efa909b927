"""Which type the values of each column of a file have: the narrowest that all of them fit, by the whole file."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from deebase._transfer.delimited import QUOTED_EMPTY
from deebase.types import UTCDateTime

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATETIME = re.compile(_DATE.pattern + _TIME)
_AWARE = re.compile(_DATE.pattern + _TIME + r"(?:Z|[+-][0-9]{2}:?[0-9]{2})")
_BOOLEANS = {"true": True, "false": False}


def is_integer(text: str) -> bool:
    """Whether a text is a whole number of 64 bits; one with a leading zero or plus is none: it is a code."""
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def is_number(text: str) -> bool:
    """Whether a text is a number that a float holds with all its digits."""
    if _NUMBER.fullmatch(text) is None:
        return False
    value = float(text)
    # 15 digits always come back; up to 17 do where they are those of the float itself (IEEE 754).
    return abs(value) != float("inf") and (len(text) < 16 or Decimal(f"{value:.17g}") == Decimal(text))


def is_boolean(text: str) -> bool:
    """Whether a text is true or false."""
    return text.lower() in _BOOLEANS


def _readable(form: re.Pattern[str], read: Callable[[str], Any]) -> Callable[[str], bool]:
    def is_one(text: str) -> bool:
        if form.fullmatch(text) is None:
            return False
        try:
            read(text)
        except ValueError:
            return False
        return True

    return is_one


#: Texts of a column that are remembered.
_KNOWN_TEXTS = 20_000
#: Types in the order in which they are tried; what fits none is text.
_TEXT_KINDS: tuple[tuple[Any, Callable[[str], bool]], ...] = (
    (bool, is_boolean),
    (int, is_integer),
    (float, is_number),
    (date, _readable(_DATE, date.fromisoformat)),
    (datetime, _readable(_DATETIME, datetime.fromisoformat)),
    (UTCDateTime, _readable(_AWARE, datetime.fromisoformat)),
)
_IN_JSON = tuple([kind for kind in _TEXT_KINDS if kind[0] in (date, datetime, UTCDateTime)])


class ColumnGuess:
    """What a column may be, narrowed by each batch of its values."""

    def __init__(self, *, json: bool = False) -> None:
        self._texts = list(_IN_JSON if json else _TEXT_KINDS)
        #: Types of the values of a JSON file that are no texts.
        self._others: set[type] = set()
        self._has_text = False
        #: Texts that were taken in: most come again and again.
        self._known: set[str] = set()
        self.has_null = False

    def narrow(self, values: Set[str]) -> None:
        """Take in texts."""
        new = set(values - self._known)
        if new and self._texts:
            self._has_text = True
            self._texts = [kind for kind in self._texts if all(map(kind[1], new))]
            self._known = (self._known | new) if len(self._known) < _KNOWN_TEXTS else new

    def narrow_values(self, values: Iterable[Any]) -> None:
        """Take in the values of a JSON file."""
        found = list(values)
        self.narrow({value for value in found if isinstance(value, str)})
        for value in found:
            if value is None:
                self.has_null = True
            elif isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
                # Beyond 64 bits: kept as text.
                self._others.add(str)
            elif not isinstance(value, str):
                self._others.add(float if isinstance(value, Decimal) else type(value))

    @property
    def certain(self) -> bool:
        """Whether there was a value that says something of the type."""
        return self._has_text

    def accepts(self, text: str) -> bool:
        """Whether a text, not NULL, is of the type that was found."""
        return not self._texts or self._texts[0][1](text)

    @property
    def type(self) -> Any:
        """The type of the column as an annotation."""
        if self._others & {dict, list}:
            return dict
        if not self._others:
            return self._texts[0][0] if self._has_text and self._texts else str
        if self._has_text or str in self._others:
            return str
        if self._others == {bool}:
            return bool
        return float if float in self._others and bool not in self._others else int if self._others == {int} else str


def guessed_texts(guesses: Sequence[ColumnGuess], rows: Sequence[Sequence[str]], null: frozenset[str]) -> None:
    """Narrow the columns of a delimited file by some rows."""
    for guess, column in zip(guesses, zip(*rows, strict=True), strict=True):
        values = set(column)
        if values & null:
            guess.has_null = True
            values -= null
        if QUOTED_EMPTY in values:
            values = values - {QUOTED_EMPTY} | {""}
        guess.narrow(values)


def guessed_objects(guesses: dict[str, ColumnGuess], rows: Sequence[Mapping[str, Any]], before: int) -> None:
    """Narrow the columns of a JSON file by some rows; ``before`` rows came before them."""
    for name in dict.fromkeys(name for row in rows for name in row):
        if name not in guesses:
            guesses[name] = ColumnGuess(json=True)
            guesses[name].has_null = before > 0
    for name, guess in guesses.items():
        guess.narrow_values([row.get(name) for row in rows])
