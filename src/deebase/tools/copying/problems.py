"""Values that a copy cannot convert: where they are, and what happens to them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from deebase.errors import DataError, InvalidOperationError, ValidationError

#: What a copy does with a value that it cannot convert.
OnError = Literal["stop", "null", "text", "skip"]
#: How many values a report and an error name.
_KEPT = 100
_NAMED = 5
_LONGEST = 60


@dataclass(frozen=True)
class BadValue:
    """A value that the column of the target does not store.

    Attributes:
        table: its table.
        key: the primary key of its row; the number of the row in a table without one.
        column: its column.
        value: the value as Python shows it, shortened.
        reason: why it is refused.
    """

    table: str
    key: str
    column: str
    value: str
    reason: str


def require_on_error(given: str) -> OnError:
    """Return the argument ``on_error``, if it is one of its values."""
    for known in get_args(OnError):
        if given == known:
            found: OnError = known
            return found
    raise ValidationError(
        f"on_error is one of {', '.join(get_args(OnError))}, not {given!r}", field="on_error", hint="on_error='text'"
    )


class Problems:
    """Collects values; all of them go to the file, if there is one.

    Attributes:
        count: how many there are.
        first: the first ones.
    """

    def __init__(self, path: Path | None) -> None:
        self.count: int = 0
        self.first: list[BadValue] = []
        self._path = path
        self._begun = False

    def add(self, found: Sequence[BadValue]) -> None:
        """Take values in."""
        self.count += len(found)
        self.first += found[: max(_KEPT - len(self.first), 0)]
        if self._path is not None and (found or not self._begun):
            self._write(self._path, found)

    def _write(self, path: Path, found: Sequence[BadValue]) -> None:
        try:
            with path.open("a" if self._begun else "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if not self._begun:
                    writer.writerow([field.name for field in fields(BadValue)])
                writer.writerows(map(astuple, found))
        except OSError as error:
            raise InvalidOperationError(
                f"{path} cannot be written: {error.strerror}", operation="copy_database", target=str(path)
            ) from error
        self._begun = True

    def refuse(self) -> None:
        """Raise the error that names the first values, if there are any."""
        if not self.count:
            return
        named = "; ".join([f"{one.table}.{one.column} of {one.key}: {one.reason}" for one in self.first[:_NAMED]])
        more = f"; and {self.count - _NAMED:,} more" if self.count > _NAMED else ""
        raise DataError(
            f"{self.count:,} {'values' if self.count > 1 else 'value'} cannot be converted: {named}{more}",
            hint="correct them, or pass on_error='text', 'null' or 'skip' (--on-error); "
            "report='bad.csv' (--report) lists all",
        )


def shown(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
