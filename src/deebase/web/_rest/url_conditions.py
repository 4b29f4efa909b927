"""What the query of a URL asks for: conditions, columns, an order, a page."""

from __future__ import annotations

# Conditions of an agent may be anything, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from deebase import Column, DeeBaseError
from deebase.web._rest.api_limits import Limits
from deebase.web._rest.json_forms import JsonForm
from deebase.web._rest.problem_details import Fault, Faults

#: Parameters that are no conditions. A column of such a name has conditions by ``name__eq``.
RESERVED: Final = ("after", "count", "limit", "offset", "order", "search", "select")
#: Rows that a request may skip where there are no keyset pages.
MAX_OFFSET: Final = 100_000

_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "ne": lambda column, value: column != value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
_TEXTS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "contains": lambda column, value: column.icontains(value, autoescape=True),
    "startswith": lambda column, value: column.startswith(value, autoescape=True),
}
_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True)
class Asked:
    """What a request asks of a list.

    Attributes:
        where: conditions of equality, by column or path.
        conditions: the others, as expressions.
        select: the columns that it asks for; None for all.
        order: names, with "-" before those in descending order.
        limit: rows of the page.
        after: the cursor of the page, or None.
        offset: rows to skip, for searches and tables without a key.
        search: the text that rows are found by, or None.
        count: whether the rows of all pages are counted.
    """

    where: dict[str, Any]
    conditions: tuple[Any, ...]
    select: tuple[str, ...] | None
    order: tuple[str, ...]
    limit: int
    after: str | None
    offset: int
    search: str | None
    count: bool


class Readable:
    """The columns of a table that a URL may name, with what can be asked of each."""

    def __init__(
        self, columns: Sequence[Column], forms: Mapping[str, JsonForm], *, has_pages: bool, has_search: bool
    ) -> None:
        self._columns = {column.name: column for column in columns}
        self._forms = forms
        unused = (not has_search, "search"), (not has_pages, "after"), (has_pages and not has_search, "offset")
        #: Parameters that are no conditions.
        self.reserved = frozenset(RESERVED) - {name for is_unused, name in unused if is_unused}
        #: Parameter -> column and operator.
        self.parameters: dict[str, tuple[Column, str]] = {}
        for column in columns:
            for operator in self._operators(column):
                self.parameters[f"{column.name}__{operator}"] = (column, operator)
        # A column whose own name looks like a condition on another one takes precedence.
        for column in columns:
            if column.name not in RESERVED and self._forms[column.name].decode_text is not None:
                self.parameters[column.name] = (column, "eq")
        self.sortable = tuple([name for name in self._columns if self._forms[name].decode_text is not None])

    def _operators(self, column: Column) -> tuple[str, ...]:
        if self._forms[column.name].decode_text is None:
            return ("null",)
        texts = tuple(_TEXTS) if column.type.name in ("str", "text") else ()
        ordered = () if column.choices or column.type.name == "bool" else ("gt", "gte", "lt", "lte")
        named = ("eq",) if column.name in RESERVED else ()
        return (*named, "ne", *ordered, "in", "null", *texts)

    def read(self, pairs: Sequence[tuple[str, str]], limits: Limits) -> Asked:
        """Return what the parameters of a URL ask for.

        Raises:
            Faults: a parameter is unknown, is given twice, or has a value that does not fit.
        """
        faults: list[Fault] = []
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        where: dict[str, Any] = {}
        conditions: list[Any] = []
        for name, values in given.items():
            if name in self.reserved:
                if len(values) > 1:
                    faults.append(Fault("is given twice", parameter=name))
            elif name not in self.parameters:
                faults.append(Fault("is not a parameter of this address", parameter=name))
            else:
                if self.parameters[name][1] == "in":
                    values = [part for text in values for part in text.split(",")]
                self._condition(name, values, limits.values, where, conditions, faults)
        select = self._names(given, "select", self._columns, faults)
        order = self._names(given, "order", [*self.sortable, *[f"-{name}" for name in self.sortable]], faults)
        limit = _number(given, "limit", limits.page, range(1, limits.max_page + 1), faults)
        offset = _number(given, "offset", 0, range(MAX_OFFSET + 1), faults) if "offset" in self.reserved else 0
        search, counts = given.get("search", [None])[0], given.get("count", ["false"])[0]
        if counts not in _BOOLEANS:
            faults.append(Fault("is not true or false", parameter="count"))
        if faults:
            raise Faults(faults)
        after = given.get("after", [None])[0]
        return Asked(where, tuple(conditions), select, order or (), limit, after, offset, search, _BOOLEANS[counts])

    def conditions_of(self, given: Mapping[str, Any], most: int) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """Return the conditions of an object of JSON, by the names that parameters of a URL have.

        Args:
            given: for each condition a value; lists for "equals" and "is one of", None for "is null".
            most: the number of values of one condition.

        Raises:
            Faults: a name is not a condition, or a value does not fit.
        """
        faults: list[Fault] = []
        where: dict[str, Any] = {}
        conditions: list[Any] = []
        for name, value in given.items():
            if name not in self.parameters:
                near = get_close_matches(name, self.parameters, 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                faults.append(Fault(f"is not a condition of this table{meant}", pointer=f"/where/{name}"))
            elif value is None and self.parameters[name][1] == "eq":
                conditions.append(self.parameters[name][0].expression.is_(None))
            else:
                values: list[Any] = [*value] if isinstance(value, list) else [value]
                self._condition(name, list(map(_text_of, values)), most, where, conditions, faults)
        if faults:
            raise Faults(faults)
        return where, tuple(conditions)

    def _condition(
        self,
        parameter: str,
        texts: list[str],
        most: int,
        where: dict[str, Any],
        conditions: list[Any],
        faults: list[Fault],
    ) -> None:
        """Add the condition of a parameter, or what is wrong with it."""
        column, operator = self.parameters[parameter]
        if operator not in ("eq", "in") and len(texts) > 1:
            faults.append(Fault("is given twice", parameter=parameter))
            return
        if len(texts) > most:
            faults.append(Fault(f"has more than {most} values", parameter=parameter))
            return
        try:
            values = [self._value(column, operator, text) for text in texts]
        except (ValueError, ArithmeticError, LookupError, DeeBaseError) as error:
            wanted = "true or false" if operator == "null" else self._forms[column.name].wanted
            message = error.message if isinstance(error, DeeBaseError) else f"is not {wanted}"
            faults.append(Fault(message, parameter=parameter))
            return
        name = column.name
        if operator in ("eq", "in") and name not in where:
            where[name] = values[0] if operator == "eq" and len(values) == 1 else values
        elif operator in ("eq", "in"):
            conditions.append(column.expression.in_(values))
        elif operator == "null":
            conditions.append(column.expression.is_(None) if values[0] else column.expression.is_not(None))
        else:
            conditions.append({**_COMPARISONS, **_TEXTS}[operator](column.expression, values[0]))

    def _value(self, column: Column, operator: str, text: str) -> Any:
        if operator == "null":
            return _BOOLEANS[text]
        decode = self._forms[column.name].decode_text
        if decode is None or "\0" in text:
            raise ValueError
        return decode(text)

    def _names(
        self, given: Mapping[str, list[str]], parameter: str, known: Any, faults: list[Fault]
    ) -> tuple[str, ...] | None:
        """Return the names of a list with commas; a name that has a comma itself stands alone."""
        if parameter not in given:
            return None
        text = given[parameter][0]
        names = [text] if text in known else text.split(",")
        if any(name not in known for name in names):
            faults.append(Fault("names what is not a column", parameter=parameter))
        return tuple(dict.fromkeys(names))


def _number(given: Mapping[str, list[str]], parameter: str, default: int, allowed: range, faults: list[Fault]) -> int:
    if parameter not in given:
        return default
    text = given[parameter][0]
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) in allowed:
        return int(text)
    faults.append(Fault(f"is a whole number from {allowed[0]} to {allowed[-1]}", parameter=parameter))
    return default


def _text_of(value: Any) -> str:
    """Return a JSON value as a URL has it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
