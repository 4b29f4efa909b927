"""What the studio does with a column follows from the kind of its values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, get_args, get_origin

from deebase import (
    Column,
    ColumnNotFoundError,
    DeeBaseError,
    InvalidOperationError,
    Table,
    ValidationError,
    View,
)
from deebase.web.access_rules import Grant

#: Characters of the longest value that an address holds: links repeat it.
LONGEST = 300

Handle = Table[dict[str, Any]] | View[dict[str, Any]]
Kind = Literal["number", "text", "moment", "boolean", "choice", "document", "binary", "any"]
#: Kinds whose values have an order, and can be grouped.
ORDERED: frozenset[Kind] = frozenset({"number", "text", "moment", "boolean", "choice", "any"})

_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "boolean"),
    (int, "number"),
    (float, "number"),
    (Decimal, "number"),
    (str, "text"),
    (dt.date, "moment"),
    (dt.time, "moment"),
    (bytes, "binary"),
    (dict, "document"),
    (list, "document"),
)


def kind_of(column: Column) -> Kind:
    """Return the kind of a column."""
    if column.choices:
        return "choice"
    if column.type.name in ("json", "jsonb"):
        return "document"
    python: Any = column.type.python
    if get_origin(python) is not None and get_origin(python) not in (list, dict):
        python = get_args(python)[0]
    python = get_origin(python) or python
    if not isinstance(python, type):
        return "any"
    for known, kind in _KINDS:
        if issubclass(python, known):
            return kind
    return "any"


@dataclass(frozen=True)
class Fields:
    """The columns of a table that exist for a user, and what they are called in addresses.

    Attributes:
        handle: the table or view, within the scope of the user.
        columns: those that can be read, by name. The handle has further ones.
        grant: what can be written.
        scope: the columns and values of the rows that exist.
    """

    handle: Handle
    columns: Mapping[str, Column]
    grant: Grant
    scope: Mapping[str, Any]

    @classmethod
    def of(cls, handle: Handle, columns: Iterable[Column], grant: Grant, scope: Mapping[str, Any]) -> Fields:
        """Return the columns of a table or view within a scope.

        Args:
            handle: the table or view, with dicts as rows.
            columns: those that can be read.
            grant: what can be done with it.
            scope: the columns and values of the rows that exist.
        """
        named = {column.name: column for column in columns}
        return cls(handle.xtra(**scope) if scope else handle, named, grant, scope)

    def conditions(self, columns: Any = None) -> list[Any]:
        """Return the scope as conditions, for statements that are not made by the handle.

        Args:
            columns: those of the table in the statement; those of the handle by default.
        """
        given: Any = self.handle.c if columns is None else columns
        return [given[name] == value for name, value in self.scope.items()]

    @property
    def shows_scope(self) -> bool:
        """Whether the columns of the scope can be read."""
        return all(name in self.columns for name in self.scope)

    @property
    def is_whole(self) -> bool:
        """Whether all columns can be read."""
        return len(self.columns) == len(self.handle.columns)

    @property
    def searchable(self) -> bool:
        """Whether the table has a search that looks into no hidden column."""
        names = self.handle.searchable
        return bool(names) and all(name in self.columns for name in names)

    def searched(self) -> Table[dict[str, Any]]:
        """Return the table to be searched.

        Raises:
            InvalidOperationError: there is no search.
        """
        if not isinstance(self.handle, Table) or not self.searchable:
            raise InvalidOperationError(f"{self.handle.name} has no search", operation="search")
        return self.handle

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """The kind of each column."""
        return {name: kind_of(column) for name, column in self.columns.items()}

    @property
    def has_pages(self) -> bool:
        """Whether rows are found by the key of a neighbour; otherwise only the first ones are shown."""
        return isinstance(self.handle, Table) and bool(self.handle.pks)

    @property
    def fixed_because(self) -> str | None:
        """Why no row can be changed; None if rows can, or if the user may not."""
        if isinstance(self.handle, View):
            return "The rows of a view cannot be changed here. Change those of its tables instead."
        return None if self.handle.pks else "Rows of a table without a primary key cannot be changed here."

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            ColumnNotFoundError: it does not exist.
        """
        if name not in self.columns:
            raise ColumnNotFoundError(
                f"{name} is not a column of {self.handle.name}",
                table_name=self.handle.name,
                column_name=name,
                hint="remove it from the address",
            )
        return self.columns[name]

    def key_of(self, values: Sequence[Any]) -> list[str] | None:
        """Return the key of a row as texts; None if they would not lead to the row again."""
        texts: list[str] = []
        for name, value in zip(self.handle.pks, values, strict=True):
            text = self.text_of(name, value)
            if text is None:
                return None
            texts.append(text)
        return texts or None

    def text_of(self, name: str, value: Any) -> str | None:
        """Return a value as a text that stands for it alone, short enough for an address; None if there is none."""
        if value is None:
            return None
        kind = self.columns[name].type
        try:
            text = kind.format(value)
            again = kind.parse(text)
        except (DeeBaseError, ValueError, TypeError, AttributeError, ArithmeticError):
            # A SQLite file may hold values that their column would not accept.
            return None
        is_same = type(again) is type(value) and again == value
        return text if is_same and len(text) <= LONGEST else None

    def parsed(self, name: str, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ValidationError: it is not one of the column.
        """
        try:
            return self.column(name).type.parse(text)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValidationError(
                f"{self.handle.name}.{name} holds no such value",
                field=name,
                hint=f"it takes {self.columns[name].type.wanted}",
            ) from error
