"""The statements of a search: the hits in the order of their score, and their number."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.search.search_text import Term
from deebase._sql.where import Where


class SearchParts(NamedTuple):
    """The parts of a SELECT that a search adds.

    Attributes:
        source: what rows are read from.
        conditions: of a hit.
        score: its score.
        order: the best hits first.
        snippet: the part of a column with the words of the search; None if none was asked for.
    """

    source: Any
    conditions: Sequence[Any]
    score: Any
    order: Sequence[Any]
    snippet: Any = None


class Searching(Protocol):
    """How rows of a table are found by one text.

    Attributes:
        shape: equal for two texts with the same SQL.
        values: the values of its parameters.
    """

    shape: Hashable
    values: dict[Hashable, Any]

    def parts(self, parameters: Parameters, highlight: str | None) -> SearchParts:
        """Return the parts of the SELECT, with a snippet of a column."""
        ...


class Fragments:
    """Conditions that find terms as parts of texts, by LIKE.

    Args:
        model: the table.
        columns: the columns of the search.
        groups: a row has one term of each group.
        without: a row has none of these.
        operator: LIKE without regard to upper and lower case, as a method of SQLAlchemy's columns.
    """

    def __init__(
        self,
        model: TableModel,
        columns: Sequence[str],
        groups: Sequence[Sequence[Term]],
        without: Sequence[Term],
        operator: str,
    ) -> None:
        self._model = model
        self._columns = columns
        self._operator = operator
        self._groups = groups
        self._without = without
        self.shape: Hashable = (tuple(map(len, groups)), len(without))
        terms = [term for group in (*groups, without) for term in group]
        self.values: dict[Hashable, Any] = {("part", n): _pattern(term.text) for n, term in enumerate(terms)}

    def conditions(self, parameters: Parameters) -> list[Any]:
        """Return the conditions."""
        numbers = iter(range(len(self.values)))
        found: list[Any] = []
        for group in self._groups:
            found.append(sa.or_(*[self._contained(parameters, next(numbers)) for _ in group]))
        for _ in self._without:
            found.append(sa.not_(self._contained(parameters, next(numbers), known=True)))
        return found

    def _contained(self, parameters: Parameters, number: int, *, known: bool = False) -> Any:
        """Return whether a term is in any column; ``known`` makes it false, not NULL, for a column that is NULL."""
        ways: list[Any] = []
        for name in self._columns:
            column = self._model.sa_table.c[name]
            text = sa.func.coalesce(column, "") if known else column
            pattern = parameters.add(("part", number), sa.Text(), None)
            ways.append(getattr(text, self._operator)(pattern, escape="\\"))
        return sa.or_(*ways)


def _pattern(text: str) -> str:
    for char in "\\%_":
        text = text.replace(char, f"\\{char}")
    return f"%{text}%"


def hits(
    model: TableModel,
    dialect: Dialect,
    columns: Iterable[str],
    where: Where,
    searching: Searching,
    *,
    highlight: str | None,
) -> CompiledStatement:
    """SELECT columns, score and snippet; limit and offset are the values "limit" and "offset"."""
    parameters = Parameters()
    made = searching.parts(parameters, highlight)
    listed: list[Any] = [*[model.sa_table.c[name] for name in columns], made.score.label("deebase_score")]
    if made.snippet is not None:
        listed.append(made.snippet.label("deebase_snippet"))
    element = sa.select(*listed).select_from(made.source).where(*made.conditions, *where.clauses(parameters))
    element = element.order_by(*made.order).limit(parameters.add("limit", sa.BigInteger(), None))
    element = element.offset(parameters.add("offset", sa.BigInteger(), None))
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)


def count(model: TableModel, dialect: Dialect, where: Where, searching: Searching) -> CompiledStatement:
    """SELECT count(*) of the hits."""
    parameters = Parameters()
    made = searching.parts(parameters, None)
    element: Any = sa.select(sa.func.count()).select_from(made.source)
    element = element.where(*made.conditions, *where.clauses(parameters))
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)
