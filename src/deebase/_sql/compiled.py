"""Compiles SQLAlchemy Core statements to SQL text and parameters for a driver."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import ClauseElement

from deebase._rows.recently_used import RecentlyUsed
from deebase._sql.session_statements import keeps_session
from deebase._sql.statement import Statement
from deebase._sql.violations import WriteTarget
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.forms.foreign_values import sendable
from deebase.errors import ValidationError

Bind = Callable[[Any], Any]


class Param(NamedTuple):
    """The source of one positional parameter: a value of the caller, or a constant of the statement."""

    source: Hashable
    bind: Bind | None
    constant: Any


#: Whole numbers that are part of a text, such as a LIMIT: texts that are kept for one statement, and how many of them
#: the driver prepares at their first use. It prepares others when they are used again.
KEPT_TEXTS = 8
PREPARED_AT_ONCE = 4
#: What the compiler writes for a number that is part of the text. No text of a user contains NUL.
_MARK = re.compile("\0#\0")
_LARGEST = 2**63 - 1


def number_mark() -> str:
    """Return what stands for a whole number in compiled text, which `CompiledStatement.ready` replaces."""
    return "\0#\0"


class CompiledStatement:
    """A statement that is compiled once: its text, and the source and converter of each parameter."""

    __slots__ = ("_bound", "_numbers", "_pieces", "_slots", "_texts", "_written", "fixed", "hidden", "statement")

    def __init__(
        self,
        statement: Statement,
        slots: tuple[Param, ...],
        hidden: int = 0,
        *,
        fixed: bool = False,
        numbers: Sequence[Param] = (),
    ) -> None:
        #: Its text has a mark for each of the numbers.
        self.statement = statement
        #: The whole numbers that are written into the text, in their order.
        self._numbers = tuple(numbers)
        self._pieces: list[str] = _MARK.split(statement.sql) if numbers else []
        self._texts: RecentlyUsed[tuple[Any, ...], Statement] = RecentlyUsed(KEPT_TEXTS)
        #: How many texts were written.
        self._written = 0
        self._slots = slots
        #: Source and converter of each parameter, if all have both.
        self._bound = [(slot.source, slot.bind) for slot in slots if slot.source is not None and slot.bind is not None]
        #: Number of columns at the end of each row that the caller did not request.
        self.hidden = hidden
        #: Only valid for the values it was made with.
        self.fixed = fixed

    @property
    def columns(self) -> list[Any]:
        """The sources of the parameters in order: for an INSERT, its columns; None for a constant."""
        return [slot.source for slot in self._slots]

    def args(self, values: Mapping[Any, Any]) -> list[Any]:
        """Return the parameters in driver order, checked and converted."""
        if len(self._bound) == len(self._slots):
            return [bind(values[source]) for source, bind in self._bound]
        return [
            constant if source is None else (values[source] if bind is None else bind(values[source]))
            for source, bind, constant in self._slots
        ]

    def args_by_column(
        self, columns: Mapping[Any, Sequence[Any]], values: Mapping[Any, Any], count: int
    ) -> list[Sequence[Any]]:
        """Return the parameters of many rows in driver order, by parameter.

        Args:
            columns: checked and converted values by source.
            values: the values of other sources, which are the same in all rows.
            count: the number of rows.
        """
        shared = {source: bind for source, bind, _ in self._slots if source is not None and source not in columns}
        same = {source: values[source] if bind is None else bind(values[source]) for source, bind in shared.items()}
        return [
            columns[source] if source in columns else [constant if source is None else same[source]] * count
            for source, _, constant in self._slots
        ]

    def ready(self, values: Mapping[Any, Any]) -> tuple[Statement, list[Any]]:
        """Return the statement to send, and its parameters."""
        if not self._numbers:
            return self.statement, self.args(values)
        numbers = tuple([constant if source is None else values[source] for source, _, constant in self._numbers])
        statement = self._texts[numbers]
        if statement is None:
            text = "".join(
                [part for pair in zip(self._pieces, [*map(_digits, numbers), ""], strict=True) for part in pair]
            )
            statement = self._texts[numbers] = self.statement.with_text(text)
            statement.runs_once = self._written >= PREPARED_AT_ONCE
            self._written += 1
        else:
            statement.runs_once = False
        return statement, self.args(values)


def _digits(number: Any) -> str:
    """Return a whole number as SQL.

    Raises:
        ValidationError: it is not a number of 64 bits.
    """
    if number is None:
        return "NULL"
    if not isinstance(number, int) or abs(number) > _LARGEST:
        raise ValidationError("LIMIT and OFFSET are whole numbers of 64 bits", value=number, hint=".limit(20)")
    return str(int(number))


def member_source(source: str, n: int) -> str:
    """Return the source name of the n-th member of a list."""
    return f"{source}_{n}"


class Parameters:
    """Names the bound values of one statement while it is built."""

    def __init__(self) -> None:
        self.sources: dict[str, tuple[Hashable, Bind | None]] = {}
        #: Values inside of expressions of the caller, which are read at each run.
        self.embedded: dict[sa.BindParameter[Any], str] = {}

    def add(self, source: Hashable, column_type: sa.types.TypeEngine[Any], bind: Bind | None) -> sa.BindParameter[Any]:
        """Return a parameter whose value is ``values[source]`` at each run.

        The name begins with a character that is not used in names of columns or in parameters of expressions of
        the caller: two parameters with the same name would get the same value.
        """
        name = f"\0p{len(self.sources)}"
        self.sources[name] = (source, bind)
        return sa.bindparam(name, None, type_=column_type)

    def embed(self, source: str, kind: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
        """Return a parameter of SQL text, whose value is ``values[source]`` at each run."""
        bound: sa.BindParameter[Any] = sa.bindparam(None, None, type_=kind, unique=True)
        self.embedded[bound] = source
        return bound


def prepare(
    element: ClauseElement, dialect: Dialect, parameters: Parameters, *, reads: bool, is_cheap: bool, hidden: int = 0
) -> CompiledStatement:
    """Compile a statement whose values are passed at each run."""
    try:
        compiled: Any = element.compile(dialect=dialect)
        state = compiled.construct_expanded_state()
    except SQLAlchemyError as error:
        raise ValidationError(
            f"SQLAlchemy cannot compile the statement: {error.args[0]}", hint="check the expressions given to it"
        ) from error
    # Only the state has the processors of expanded parameters (the members of an IN).
    processors = {name: _bind_processor(parameter, dialect) for parameter, name in compiled.bind_names.items()}
    processors.update(state.processors)
    sources = _sources(compiled, state, parameters, processors)
    slots = tuple(
        Param(*sources[name], None)
        if name in sources
        else Param(None, None, _processed(state.parameters[name], processors.get(name)))
        for name in state.positiontup or ()
    )
    numbers = [_number(number, parameters) for number in getattr(compiled, "numbers", ())]
    # An embedded value that is compiled under another object would be frozen into a cached statement.
    placed = parameters.embedded.keys() & {*compiled.bind_names, *getattr(compiled, "numbers", ())}
    capabilities = capabilities_of(dialect)
    return CompiledStatement(
        Statement(
            state.statement,
            reads=reads,
            is_cheap=is_cheap,
            shares_commit=is_cheap and not reads,
            keeps_session=not capabilities.resets_sessions or keeps_session(state.statement, capabilities.tokens),
            writes=_written(element),
        ),
        slots,
        hidden,
        fixed=len(placed) < len(parameters.embedded),
        numbers=numbers,
    )


def _sources(
    compiled: Any, state: Any, parameters: Parameters, processors: Mapping[str, Bind | None]
) -> dict[str, tuple[Hashable, Bind | None]]:
    """Return source and converter of each parameter of the text that has a value of the caller."""
    sources = dict(parameters.sources)
    for parameter, name in compiled.bind_names.items():
        if parameter not in parameters.embedded:
            continue
        source = parameters.embedded[parameter]
        if parameter.expanding:
            for n, member in enumerate(state.parameter_expansion.get(name, ())):
                sources[member] = (member_source(source, n), processors.get(member))
        else:
            sources[name] = (source, processors[name])
    return sources


def _number(number: sa.BindParameter[Any], parameters: Parameters) -> Param:
    """Return the source of a number that is part of the text."""
    source: Hashable = parameters.embedded.get(number)
    if source is None and number.key in parameters.sources:
        source = parameters.sources[number.key][0]
    return Param(source, None, number.value)


def _written(element: Any) -> WriteTarget | None:
    for verb, kind in (("insert", sa.Insert), ("update", sa.Update), ("delete", sa.Delete)):
        if isinstance(element, kind):
            return WriteTarget(verb, cast("sa.Table", element.table))
    return None


def _bind_processor(parameter: sa.BindParameter[Any], dialect: Dialect) -> Bind | None:
    return parameter.type.dialect_impl(dialect).bind_processor(dialect)


def _processed(value: Any, processor: Bind | None) -> Any:
    given = sendable(value)
    return given if processor is None else processor(given)
