"""Errors in a file, with their place."""

from __future__ import annotations

from deebase.errors import DeeBaseError, InvalidOperationError, ValidationError


class Fault(Exception):
    """Something in a file that cannot be imported; it becomes a ValidationError with the name of the file.

    Args:
        reason: what is wrong.
        hint: what to do next.
        row: its row of data, from 0.
        line: its line, from 1, if known.
        column: the name of the column.
        character: its place in the line, from 1.
    """

    def __init__(
        self,
        reason: str,
        hint: str,
        *,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
        character: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.row = row
        self.line = line
        self.column = column
        self.character = character

    def at(self, *, row: int | None = None, line: int | None = None) -> Fault:
        """Return the same fault with a row or line."""
        return Fault(self.reason, self.hint, row=row, line=line, column=self.column, character=self.character)

    def error(self, name: str) -> ValidationError:
        """Return the error for the caller."""
        where = [name]
        if self.line is not None:
            where.append(f"line {self.line}")
        if self.character is not None:
            where.append(f"character {self.character}")
        if self.column is not None:
            where.append(f"column {self.column!r}")
        return ValidationError(f"{', '.join(where)}: {self.reason}", hint=self.hint, field=self.column)


def moved(error: DeeBaseError, row: str, place: str) -> DeeBaseError:
    """Return an error of the database with a place in the file instead of the number of a row in a batch."""
    copy = error.with_prefix("")
    copy.message = copy.message.removeprefix(row)
    return copy.with_prefix(place)


def refused(name: str, why: str, hint: str, operation: str) -> InvalidOperationError:
    """Return the error for a file that cannot be opened."""
    return InvalidOperationError(f"{name} {why}", operation=operation, target=name, hint=hint)
