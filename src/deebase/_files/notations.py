"""How the numbers and dates of a delimited file are written, where a program says that it is not the usual way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from deebase._files.guess import TEXT_KINDS, Kind
from deebase.errors import ValidationError
from deebase.types import UTCDateTime

#: Directives of a format with a time of day.
_TIME = re.compile(r"%[HIMSfpXc]")
_NUMBERS = (int, float, Decimal)


@dataclass(frozen=True)
class Notation:
    """The notation of numbers and dates.

    Args:
        decimal: what separates the fraction of a number.
        thousands: what separates groups of three digits; None for nothing.
        date_format: of dates, or of dates with a time, as ``strptime`` takes it; None for ISO 8601.
    """

    decimal: str = "."
    thousands: str | None = None
    date_format: str | None = None

    def __post_init__(self) -> None:
        for name, mark in (("decimal", self.decimal), ("thousands", self.thousands)):
            given: Any = mark
            if (given is not None or name == "decimal") and not (
                isinstance(given, str) and len(given) == 1 and not given.isalnum() and given not in '+-"\r\n'
            ):
                raise ValidationError(f"{name} is one character", field=name, value=mark, hint=f"{name}=','")
        if self.decimal == self.thousands:
            raise ValidationError("decimal and thousands are the same character", field="thousands", hint="decimal=','")
        if self.date_format is not None:
            self._check_date_format()

    def _check_date_format(self) -> None:
        given: Any = self.date_format
        wanted = datetime(2001, 2, 3, tzinfo=UTC)
        try:
            written = wanted.strftime(given)
            # Python 3.13 warns of a format without a year.
            has_year = written != wanted.replace(year=2003).strftime(given)
            found = datetime.strptime(written, given) if has_year else None
        except (TypeError, ValueError):
            found = None
        if found is None or found.date() != wanted.date():
            raise ValidationError(
                "date_format is a format of strptime with year, month and day",
                field="date_format",
                value=given,
                hint="date_format='%d.%m.%Y'",
            )

    @property
    def is_usual(self) -> bool:
        """Whether this is the notation without any option."""
        return self == Notation()

    @property
    def date_type(self) -> Any:
        """What a text in the format of dates becomes: a date, or one with a time, or with an offset too."""
        form = self.date_format or ""
        return UTCDateTime if "%z" in form else datetime if _TIME.search(form) else date

    @property
    def kinds(self) -> Sequence[Kind]:
        """The types that texts may have, with their tests for texts in this notation."""
        return TEXT_KINDS if self.is_usual else [self._kind(kind) for kind in TEXT_KINDS]

    def _kind(self, kind: Kind) -> Kind:
        rewrite = self.rewriter(kind.type)
        if rewrite is None:
            return kind

        def accepts(text: str) -> bool:
            try:
                return kind.accepts(rewrite(text))
            except ValueError:
                return False

        return kind._replace(accepts=accepts)

    def rewriter(self, annotation: Any) -> Callable[[str], str] | None:
        """Return what rewrites the texts of a column to the usual notation, raising ValueError; None for as they are.

        Args:
            annotation: the type of the column.
        """
        if annotation in _NUMBERS:
            return None if (self.decimal, self.thousands) == (".", None) else self._number
        if self.date_format is not None and annotation == self.date_type:
            return self._moment
        return None

    @property
    def _is_like_iso(self) -> bool:
        """Whether a date in the format could be taken for one in ISO 8601."""
        written = datetime(2001, 2, 3, tzinfo=UTC).strftime(self.date_format or "")
        try:
            datetime.fromisoformat(written)
        except ValueError:
            return False
        return True

    def _number(self, text: str) -> str:
        whole, mark, fraction = text.partition(self.decimal)
        if self.thousands is not None and self.thousands in whole:
            first, *groups = whole.split(self.thousands)
            if not 1 <= len(first.lstrip("-")) <= 3 or any(len(group) != 3 for group in groups):
                raise ValueError
            whole = first + "".join(groups)
        if "." in whole or "." in fraction:
            raise ValueError
        return f"{whole}.{fraction}" if mark else whole

    def _moment(self, text: str) -> str:
        form = self.date_format or ""
        try:
            found = datetime.strptime(text, form)
        except ValueError:
            if self._is_like_iso:
                raise
            return text
        made: date = found if self.date_type is not date else found.date()
        return made.isoformat()
