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
from typing import Any, NamedTuple

from deebase._files.delimited import QUOTED_EMPTY
from deebase._files.file_errors import Fault
from deebase._types.registry import named
from deebase.types import UTCDateTime

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
#: An exponent needs a point before it or a sign, as every program writes it: ``1e5`` may be a code.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]{1,3})?|[eE][+-][0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_DATETIME = re.compile(_DATE.pattern + _TIME)
_AWARE = re.compile(_DATE.pattern + _TIME + r"(?:Z|[+-][0-9]{2}:?[0-9]{2})")
#: Characters of the longest text that is taken for a number.
_LONGEST_NUMBER = 1_000
_BOOLEANS = {"true": True, "false": False}


def is_integer(text: str) -> bool:
    """Whether a text is a whole number of 64 bits; one with a leading zero or plus is not: it is a code."""
    return _INTEGER.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def is_decimal(text: str) -> bool:
    """Whether a text is a number, of any number of digits that is likely."""
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def is_float(text: str) -> bool:
    """Whether a text is a number that a float writes with the same value."""
    return _is_float(text, whole=False)


def is_number(text: str) -> bool:
    """Whether a text is a number of which a float keeps all digits that say something."""
    return _is_float(text, whole=True)


def _is_float(text: str, *, whole: bool) -> bool:
    if not is_decimal(text):
        return False
    value = float(text)
    # 15 digits of a normal number always come back (IEEE 754). More do where they are those that stand for the float:
    # the fewest that do, as Python and JavaScript write it, or 17, as C does.
    if len(text) < 16 and sys.float_info.min <= abs(value) <= sys.float_info.max:
        return True
    if not math.isfinite(value):
        return False
    return Decimal(text) in ((Decimal(repr(value)), Decimal(f"{value:.17g}")) if whole else (Decimal(repr(value)),))


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
#: Characters of a text that a report shows.
_SHOWN = 40


class Kind(NamedTuple):
    """A type that texts may have: its annotation, what each text is then, and the test of a text."""

    type: Any
    is_a: str
    accepts: Callable[[str], bool]


#: Types in the order in which they are tried; what fits none is text.
TEXT_KINDS = (
    Kind(bool, "true or false", is_boolean),
    Kind(int, "a whole number of 64 bits", is_integer),
    Kind(float, "a number whose digits a float keeps", is_float),
    Kind(Decimal, "a number", is_decimal),
    Kind(date, "a date", _readable(_DATE, date.fromisoformat)),
    Kind(datetime, "a date and time", _readable(_DATETIME, datetime.fromisoformat)),
    Kind(UTCDateTime, "a date and time with its offset", _readable(_AWARE, _instant)),
)
_IN_JSON = tuple([kind for kind in TEXT_KINDS if kind.type in (date, datetime, UTCDateTime)])
#: Words that often stand for a missing value. They are texts unless ``null`` names them.
_WORDS = frozenset(("NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "nan", "NaN", "-", "--", "?", ".", "\\N"))


def shown(text: str) -> str:
    """Return a text of a file as a report shows it."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


class ColumnGuess:
    """What a column may be, narrowed by each batch of its values.

    Args:
        kinds: the types that its texts may have.
    """

    def __init__(self, kinds: Sequence[Kind] = TEXT_KINDS) -> None:
        self._texts = list(kinds)
        #: The last kind that a text was not of, and that text.
        self._excluded: tuple[Kind, str] | None = None
        #: Types of the values of a JSON file that are not texts.
        self._others: set[type] = set()
        #: Whether an integer has more digits than a float keeps.
        self._has_long = False
        self._has_text = False
        self._has_point = False
        #: Texts of ``_WORDS``.
        self._words: set[str] = set()
        #: Texts that were taken in: most come again and again.
        self._known: set[str] = set()
        self.has_null = False
        #: Whether a field was empty and in quotes: an empty text, or NULL in a column that is not text.
        self.has_quoted_empty = False

    def narrow(self, values: Set[str]) -> None:
        """Take in texts."""
        new = set(values - self._known)
        if not new or not self._texts:
            return
        self._known = (self._known | new) if len(self._known) < _KNOWN_TEXTS else new
        if new & _WORDS:
            self._words |= new & _WORDS
            new -= _WORDS
        if new:
            self._has_text = True
            for kind in list(self._texts):
                if not all(map(kind.accepts, new)):
                    self._texts.remove(kind)
                    self._excluded = kind, min(text for text in new if not kind.accepts(text))
            if not self._has_point and self._texts and self._texts[0].type in (float, Decimal):
                self._has_point = any(not text.lstrip("-").isdecimal() for text in new)

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
    def is_nullable(self) -> bool:
        """Whether the column has a value that becomes NULL."""
        return self.has_null or (self.has_quoted_empty and self.type is not str)

    @property
    def certain(self) -> bool:
        """Whether there was a value that says something of the type."""
        return self._has_text or bool(self._words)

    def accepts(self, text: str) -> bool:
        """Whether a text, not NULL, is of the type that was found."""
        kind = self._kind
        return kind is None or kind.accepts(text)

    @property
    def _narrowest(self) -> Kind | None:
        """The type of all texts but words for missing values; None for text."""
        kind = self._texts[0] if self._has_text and self._texts else None
        # Whole numbers of so many digits are codes.
        return None if kind is not None and kind.type is Decimal and not self._has_point else kind

    @property
    def _kind(self) -> Kind | None:
        return None if self._words else self._narrowest

    @property
    def type(self) -> Any:
        """The type of the column as an annotation; ``Any`` for values that only JSON holds side by side."""
        kinds = self._others
        if not kinds:
            return str if self._kind is None else self._kind.type
        if self._has_text or self._words:
            return Any
        if kinds <= {int, float, Decimal}:
            exact = Decimal in kinds or (float in kinds and self._has_long)
            return Decimal if exact else float if float in kinds else int
        return next(iter(kinds)) if len(kinds) == 1 else Any

    @property
    def reason(self) -> str:
        """Why the column has its type."""
        if self._others:
            names = sorted(kind.__name__ for kind in self._others | ({str} if self.certain else set()))
            return (
                f"the values are of the kinds {', '.join(names)}" if len(names) > 1 else f"each value is a {names[0]}"
            )
        kind = self._narrowest
        if kind is None:
            if self._has_text and self._excluded is not None:
                return f"{shown(self._excluded[1])} is not {self._excluded[0].is_a}"
            return "there are only words for missing values" if self._words else "there is no value"
        if self._words:
            words = sorted(self._words)
            return f"{', '.join(words)} is text; null={['', *words]} makes the column {named(kind.type)}"
        if kind.type is Decimal and self._excluded is not None and self._excluded[0].type is float:
            return f"a float does not keep the digits of {shown(self._excluded[1])}"
        return f"each value is {kind.is_a}"


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
            values = values - {QUOTED_EMPTY}
            guess.has_quoted_empty = True
        guess.narrow(values)


def guessed_objects(guesses: dict[str, ColumnGuess], rows: Sequence[Mapping[str, Any]], before: int, most: int) -> None:
    """Narrow the columns of a JSON file by some rows; ``before`` rows came before them.

    Raises:
        Fault: there are more than ``most`` columns.
    """
    new = dict.fromkeys(name for row in rows for name in row if name not in guesses)
    must_fit(len(guesses) + len(new), most)
    for name in new:
        guesses[name] = ColumnGuess(_IN_JSON)
        guesses[name].has_null = before > 0
    for name, guess in guesses.items():
        guess.narrow_values([row.get(name) for row in rows])
