"""From a SQLAlchemy Core statement to the text and the parameters that a driver takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from deebase._sql.statement import Statement

Bind = Callable[[Any], Any]


class Slot(NamedTuple):
    """Where one positional parameter comes from: a caller's value, or a constant of the statement."""

    source: str | None
    bind: Bind | None
    constant: Any


class Prepared:
    """One shape of statement, compiled once: its text and how its parameters are made."""

    __slots__ = ("_slots", "hidden", "statement")

    def __init__(self, statement: Statement, slots: tuple[Slot, ...], hidden: int = 0) -> None:
        self.statement = statement
        self._slots = slots
        #: Columns at the end of each row that are not the caller's.
        self.hidden = hidden

    def args(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the parameters in driver order, checked and converted."""
        return [
            constant if source is None else (values[source] if bind is None else bind(values[source]))
            for source, bind, constant in self._slots
        ]


class Parameters:
    """Names the bound values of one statement while it is built."""

    def __init__(self) -> None:
        self.sources: dict[str, tuple[str, Bind | None]] = {}

    def add(self, source: str, column_type: sa.types.TypeEngine[Any], bind: Bind | None) -> sa.BindParameter[Any]:
        """Return a parameter whose value is ``values[source]`` at each run.

        The name is ours: names of columns may hold anything, parameter names may not.
        """
        name = f"p{len(self.sources)}"
        self.sources[name] = (source, bind)
        return sa.bindparam(name, None, type_=column_type)


def prepare(
    element: ClauseElement, dialect: Dialect, parameters: Parameters, *, reads: bool, quick: bool, hidden: int = 0
) -> Prepared:
    """Compile a statement whose values come later."""
    state = element.compile(dialect=dialect).construct_expanded_state()  # type: ignore[attr-defined]
    slots: list[Slot] = []
    for name in state.positiontup or ():
        if name in parameters.sources:
            slots.append(Slot(*parameters.sources[name], None))
        else:
            slots.append(Slot(None, None, _processed(state, name)))
    return Prepared(Statement(state.statement, reads=reads, quick=quick), tuple(slots), hidden)


def _processed(state: Any, name: str) -> Any:
    value = state.parameters[name]
    processor = state.processors.get(name)
    return value if processor is None else processor(value)


def result_processors(columns: list[Any], dialect: Dialect) -> list[Callable[[Any], Any] | None]:
    """Return what turns a driver's value into the caller's, per column; None where nothing has to."""
    return [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
