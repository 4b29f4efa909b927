"""Filters of a table: conditions on a column, as they are in addresses, in the page, in Python and in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase import ValidationError
from deebase.web._studio.table_fields import LONGEST, Fields, Kind

#: Filters of a page.
MOST = 12


@dataclass(frozen=True)
class Operator:
    """One way to compare a column.

    Attributes:
        code: in the address, before the name of the column.
        label: in words.
        sign: between the column and the value.
        kinds: of the columns that it is offered for.
        takes_value: whether it compares with a value.
    """

    code: str
    label: str
    sign: str
    kinds: frozenset[Kind]
    takes_value: bool = True


_ANY: frozenset[Kind] = frozenset({"number", "text", "moment", "boolean", "choice", "document", "binary", "any"})
_COMPARED: frozenset[Kind] = frozenset({"number", "text", "moment", "boolean", "choice", "any"})
OPERATORS: Mapping[str, Operator] = {
    operator.code: operator
    for operator in (
        Operator("is", "is", "=", _COMPARED),
        Operator("not", "is not", "≠", _COMPARED),
        Operator("in", "is one of", "in", _COMPARED),
        Operator("has", "contains", "contains", frozenset({"text", "document", "any"})),
        Operator("from", "from", "≥", frozenset({"number", "moment", "text", "any"})),
        Operator("to", "to", "≤", frozenset({"number", "moment", "text", "any"})),
        Operator("null", "is empty", "is NULL", _ANY, takes_value=False),
        Operator("filled", "is not empty", "is not NULL", _ANY, takes_value=False),
    )
}


@dataclass(frozen=True)
class Filter:
    """A condition on one column.

    Attributes:
        code: of its operator.
        column: the name of the column.
        texts: what it is compared with.
    """

    code: str
    column: str
    texts: tuple[str, ...] = ()

    @property
    def operator(self) -> Operator:
        """How it compares."""
        return OPERATORS[self.code]

    def pairs(self) -> list[tuple[str, str]]:
        """Return its parameters in an address."""
        return [(f"{self.code}.{self.column}", text) for text in self.texts or ("1",)]

    @property
    def words(self) -> str:
        """The condition in words, without the column."""
        return " ".join([self.operator.sign, *([", ".join(self.texts)] if self.operator.takes_value else [])])

    def condition(self, fields: Fields, dialect: Dialect | None = None) -> Any:
        """Return the condition as an expression.

        Args:
            fields: the columns of the table.
            dialect: of a database whose SQL has the values as literals; None for parameters.

        Raises:
            ValidationError: a value does not fit the column.
        """
        column: Any = fields.handle.c[self.column]
        if self.code in ("null", "filled"):
            return column.is_(None) if self.code == "null" else column.is_not(None)
        if self.code == "has":
            written = column if fields.kinds[self.column] == "text" else sa.cast(column, sa.Text)
            return written.icontains(self.texts[0], autoescape=True)
        values: list[Any] = [value for text in self.texts for value in values_of(fields, self.column, text)]
        if dialect is not None:
            kind = fields.columns[self.column].type
            values = [sa.literal_column(kind.literal(value, dialect)) for value in values]
        if self.code in ("is", "in"):
            return column == values[0] if len(values) == 1 else column.in_(values)
        if self.code == "not":
            return sa.or_(column.not_in(values), column.is_(None))
        return column >= values[0] if self.code == "from" else column <= values[0]

    def python(self, fields: Fields) -> str:
        """Return the condition as Python code; the table is ``t``."""
        name = f"t.c.{self.column}" if self.column.isidentifier() else f"t.c[{self.column!r}]"
        if self.code in ("null", "filled"):
            return f"{name}.{'is_' if self.code == 'null' else 'is_not'}(None)"
        if self.code == "has":
            return f"{name}.icontains({self.texts[0]!r}, autoescape=True)"
        values = [value for text in self.texts for value in values_of(fields, self.column, text)]
        if self.code == "is" and len(values) == 1:
            return f"{name} == {values[0]!r}"
        if self.code in ("is", "in"):
            return f"{name}.in_({values!r})"
        if self.code == "not":
            return f"sa.or_({name}.not_in({values!r}), {name}.is_(None))"
        return f"{name} {'>=' if self.code == 'from' else '<='} {values[0]!r}"


def values_of(fields: Fields, column: str, text: str) -> list[Any]:
    """Return the values that a text in a filter stands for: a column without a type may hold it as a number, too.

    Raises:
        ValidationError: it is not a value of the column.
    """
    if fields.kinds[column] != "any" or fields.column(column).type.python is not None:
        return [fields.parsed(column, text)]
    found: list[Any] = [text]
    for kind in (int, float):
        try:
            return [kind(text), *found]
        except (ValueError, OverflowError):
            continue
    return found


def filters_of(pairs: Iterable[tuple[str, str]], fields: Fields) -> tuple[Filter, ...]:
    """Return the filters in the parameters of an address; one without a value is left out.

    Raises:
        ColumnNotFoundError: the table has no such column.
        ValidationError: too many filters, or a value that is too long.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, text in pairs:
        code, dot, column = name.partition(".")
        if not dot or code not in OPERATORS or text == "":
            continue
        fields.column(column)
        if len(text) > LONGEST:
            raise ValidationError(
                f"a filter of {column} is longer than {LONGEST} characters", field=column, hint="filter by a part of it"
            )
        found.setdefault((code, column), []).append(text)
    if sum(map(len, found.values())) > MOST:
        raise ValidationError(f"a page has at most {MOST} filters", field="filters", hint="remove some of them")
    return tuple([_filter(code, column, texts) for (code, column), texts in found.items()])


def _filter(code: str, column: str, texts: list[str]) -> Filter:
    if not OPERATORS[code].takes_value:
        return Filter(code, column)
    if code == "in":
        # One input takes several values: a comma is between them.
        texts = [part.strip() for text in texts for part in text.split(",") if part.strip()] or texts
        return Filter(code, column, tuple(dict.fromkeys(texts))[:MOST])
    return Filter(code, column, (texts[-1],))
