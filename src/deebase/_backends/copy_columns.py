"""The columns of a copy: converted, equal texts once, and digested, which gives the same on both sides."""

from __future__ import annotations

import hashlib
import json
import marshal
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from deebase._backends.copy_forms import Batch, Convert, Form

#: How many results are kept, and the length of the longest text of which one is.
_KEPT: Final = 10_000
_LONGEST: Final = 100
#: Without references, which depend on the history of an object and not on its value.
_VERSION: Final = 2


class ColumnConverter(dict[Any, Any]):
    """Converts the values of a column. It keeps the results of short texts, by their texts.

    Args:
        convert: converts a value other than None, and raises ValueError for one that it cannot convert.
        plain: the class of values that stay as they are.
        changing: a text that does not match it stays as it is.
        null: what None becomes.
    """

    def __init__(
        self, convert: Convert, *, plain: type | None = None, changing: re.Pattern[str] | None = None, null: Any = None
    ) -> None:
        super().__init__({None: null})
        self._convert = convert
        self._plain = plain
        self._changing = changing
        self._null = null

    def __missing__(self, text: str) -> Any:
        made = self._convert(text)
        if len(text) <= _LONGEST:
            self[text] = made
        return made

    def of(self, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values, converted.

        Raises:
            ValueError: a value cannot be converted.
        """
        kinds = set(map(type, values))
        has_null = type(None) in kinds
        kinds.discard(type(None))
        if kinds <= {self._plain} or (kinds == {str} and self._stay(values, has_null)):
            return [self._null if value is None else value for value in values] if has_null else values
        if kinds == {str}:
            if len(self) > _KEPT:
                self.clear()
                self[None] = self._null
            return list(map(self.__getitem__, values))
        if has_null:
            return [self._null if value is None else self._convert(value) for value in values]
        return list(map(self._convert, values))

    def _stay(self, values: Sequence[Any], has_null: bool) -> bool:
        """Whether all texts stay as they are."""
        if self._changing is None:
            return False
        joined = "".join([value for value in values if value is not None] if has_null else values)
        return self._changing.search(joined) is None


def canonical(form: Form) -> ColumnConverter | None:
    """Return what gives equal values of a form one text; None where they are equal as they are."""
    if form.kind == "decimal":
        return ColumnConverter(_decimal)
    if form.kind in ("json", "array"):
        return ColumnConverter(_document)
    if form.kind in ("time", "timestamp", "timestamptz"):
        return ColumnConverter(_moment, changing=_POINT)
    if form.kind == "real":
        return ColumnConverter(_real)
    # The blanks at the end of a CHAR(n) have no meaning.
    is_padded = form.native == "character" or form.native.startswith("character(")
    return ColumnConverter(str.rstrip) if is_padded else None


def _real(value: float) -> Any:
    # NaN differs from itself, and -0.0 equals 0.0.
    return "nan" if value != value else value + 0.0


def _decimal(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite():
        return str(number)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    shown = "".join(map(str, digits)).lstrip("0")
    stripped = shown.rstrip("0")
    return f"{'-' if sign and stripped else ''}{stripped}e{exponent + len(shown) - len(stripped) if stripped else 0}"


_POINT: Final = re.compile(r"\.")
_FRACTION: Final = re.compile(r"(:\d\d\.\d*?)0+(?=\D|$)")


def _moment(text: str) -> str:
    """Return a moment without the zeros at its end."""
    return _FRACTION.sub(r"\1", text).replace(". ", " ").rstrip(".") if "." in text else text


def _document(text: str) -> str:
    try:
        value = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, sort_keys=True)


def _number(text: str) -> str:
    return "\0" + _decimal(text)


class Digest:
    """A sum over rows that does not depend on their order: equal for rows of equal values.

    Args:
        forms: the forms of the columns.

    Attributes:
        rows: how many rows it is of.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self.rows: int = 0
        self._sum = 0
        self._canonical = [canonical(form) for form in forms]

    def add(self, columns: Batch) -> None:
        """Take rows in, column by column."""
        blake, dumps, number = hashlib.blake2b, marshal.dumps, int.from_bytes
        equal = [
            values if convert is None else convert.of(values)
            for convert, values in zip(self._canonical, columns, strict=True)
        ]
        digests = [
            number(blake(dumps(row, _VERSION), digest_size=16).digest(), "big") for row in zip(*equal, strict=True)
        ]
        self.rows += len(digests)
        self._sum = (self._sum + sum(digests)) % 2**128

    @property
    def text(self) -> str:
        """The sum in 32 hexadecimal digits."""
        return f"{self._sum:032x}"
