"""Which type the values of each column of a file have: the narrowest that all of them fit, by the whole file."""

from __future__ import annotations

# Values of a JSON file may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from deebase._files.delimited import QUOTED_EMPTY
from deebase._files.file_errors import Fault
from deebase.types import UTCDateTime

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATETIME = re.compile(_DATE.pattern + _TIME)
_AWARE = re.compile(_DATE.pattern + _TIME + r"(?:Z|[+-][0-9]{2}:?[0-9]{2})")
_BOOLEANS = {"true": True, "false": False}


def is_integer(text: str) -> bool:
    """Whether a text is a whole number of 64 bits; one with a leading zero or plus is not: it is a code."""
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def is_number(text: str) -> bool:
    """Whether a text is a number that a float holds with all its digits."""
    if _NUMBER.fullmatch(text) is None:
        return False
    value = float(text)
    # 15 digits of a normal number always come back (IEEE 754). More do where they are those that stand for the float:
    # the fewest that do, as Python and JavaScript write it, or 17, as C does.
    if len(text) < 16 and sys.float_info.min <= abs(value) <= sys.float_info.max:
        return True
    return math.isfinite(value) and Decimal(text) in (Decimal(repr(value)), Decimal(f"{value:.17g}"))


def is_boolean(text: str) -> bool:
    """Whether a text is true or false."""
    return text.lower() in _BOOLEANS


def _readable(form: re.Pattern[str], read: Callable[[str], Any]) -> Callable[[str], bool]:
    def is_one(text: str) -> bool:
        if form.fullmatch(text) is None:
            return False
        try:
            read(text)
        except (ValueError, OverflowError):
            return False
        return True

    return is_one


def _instant(text: str) -> datetime:
    """Return a point in time; that of the first or last day may lie outside of the calendar in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


#: Texts of a column that are remembered.
_KNOWN_TEXTS = 20_000
#: Types in the order in which they are tried; what fits none is text.
_TEXT_KINDS: tuple[tuple[Any, Callable[[str], bool]], ...] = (
    (bool, is_boolean),
    (int, is_integer),
    (float, is_number),
    (date, _readable(_DATE, date.fromisoformat)),
    (datetime, _readable(_DATETIME, datetime.fromisoformat)),
    (UTCDateTime, _readable(_AWARE, _instant)),
)
_IN_JSON = tuple([kind for kind in _TEXT_KINDS if kind[0] in (date, datetime, UTCDateTime)])


class ColumnGuess:
    """What a column may be, narrowed by each batch of its values."""

    def __init__(self, *, json: bool = False) -> None:
        self._texts = list(_IN_JSON if json else _TEXT_KINDS)
        #: Types of the values of a JSON file that are not texts.
        self._others: set[type] = set()
        #: Whether an integer has more digits than a float keeps.
        self._has_long = False
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
            elif isinstance(value, Decimal):
                self._others.add(float if is_number(str(value)) else Decimal)
            elif type(value) is int:
                self._others.add(int if -(2**63) <= value < 2**63 else Decimal)
                self._has_long = self._has_long or (abs(value) > 2**53 and not is_number(str(value)))
            elif not isinstance(value, str):
                self._others.add(type(value))

    @property
    def certain(self) -> bool:
        """Whether there was a value that says something of the type."""
        return self._has_text

    def accepts(self, text: str) -> bool:
        """Whether a text, not NULL, is of the type that was found."""
        return not self._texts or self._texts[0][1](text)

    @property
    def type(self) -> Any:
        """The type of the column as an annotation; ``Any`` for values that only JSON holds side by side."""
        kinds = self._others
        if not kinds:
            return self._texts[0][0] if self._has_text and self._texts else str
        if self._has_text:
            return Any
        if kinds <= {int, float, Decimal}:
            exact = Decimal in kinds or (float in kinds and self._has_long)
            return Decimal if exact else float if float in kinds else int
        return next(iter(kinds)) if len(kinds) == 1 else Any


def must_fit(columns: int, most: int) -> None:
    """Refuse more columns than a table of the database can have."""
    if columns > most:
        raise Fault(
            f"there are {columns:,} columns, and a table of this database has {most:,} at most",
            "split the file, or import rows of key and value",
        )


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


def guessed_objects(guesses: dict[str, ColumnGuess], rows: Sequence[Mapping[str, Any]], before: int, most: int) -> None:
    """Narrow the columns of a JSON file by some rows; ``before`` rows came before them.

    Raises:
        Fault: there are more than ``most`` columns.
    """
    new = dict.fromkeys(name for row in rows for name in row if name not in guesses)
    must_fit(len(guesses) + len(new), most)
    for name in new:
        guesses[name] = ColumnGuess(json=True)
        guesses[name].has_null = before > 0
    for name, guess in guesses.items():
        guess.narrow_values([row.get(name) for row in rows])
