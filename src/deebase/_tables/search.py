"""``t.search(...)``: the rows with the words of a text, the best hits first."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from deebase._engine.context import TableContext
from deebase._sql import statements
from deebase._sql.search import search_statements
from deebase._sql.search.search_text import SearchText, parse
from deebase._sql.search.snippets import excerpt, marked
from deebase._sql.sql_rules import rules_of
from deebase._sql.statement import Statement
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import must_be_flags

if TYPE_CHECKING:
    from deebase._rows.model import SearchModel
    from deebase._sql.compiled import CompiledStatement
    from deebase._sql.search.search_statements import Searching
    from deebase._sql.where import Where

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hit(Generic[R]):
    """A row that a search found.

    Attributes:
        row: the row.
        score: how well it fits, the more the better; only hits of one search compare.
        snippet: the part of the highlighted column with the words of the search, as HTML with ``<mark>`` around each;
            None unless a column is highlighted.

    Example:
        ```python
        best = (await posts.search("full text", highlight="body"))[0]
        print(best.row, best.score, best.snippet)
        ```
    """

    row: R
    score: float
    snippet: str | None = None


Hit.__module__ = "deebase"


class SearchOptions(NamedTuple):
    """The options of a search, which ``Table.search`` documents."""

    text: str
    limit: int
    offset: int
    highlight: str | None
    rows: bool


class SearchQuery(Generic[T]):
    """A search: await it for the hits, or count them. It may be awaited any number of times.

    Example:
        ```python
        found = posts.search("full text", limit=10)
        hits, number = await found, await found.count()
        ```
    """

    __slots__ = ("_asked", "_info", "_limit", "_offset", "_options", "_source", "_where")

    def __init__(self, source: Any, where: Any, options: Any) -> None:
        # Only tables make one, so these types are no part of the public interface.
        self._source: TableContext = source
        self._where: Where = where
        self._options: SearchOptions = options
        text: Any = self._options.text
        if not isinstance(text, str):
            raise ValidationError(
                f"{source.model.name}: a search takes text, not {type(text).__name__}",
                field="text",
                hint="t.search('sqlite -mysql', author_id=1)",
            )
        must_be_flags(rows=self._options.rows)
        self._info: SearchModel = _search_of(source)
        self._limit = statements.whole_number("limit", self._options.limit)
        self._offset = statements.whole_number("offset", self._options.offset)
        self._check_highlight()
        self._asked: SearchText = parse(text, parts=self._info.search.tokenize == "trigram")

    def _check_highlight(self) -> None:
        name = self._options.highlight
        if name is not None and name not in self._info.search.columns:
            raise ValidationError(
                f"{self._source.model.name}: highlight is a column of the search, not {name!r}",
                field="highlight",
                hint=f"the search is over {', '.join(self._info.search.columns)}",
            )

    def __repr__(self) -> str:
        return f"<SearchQuery of {self._source.model.name}: await it for the hits>"

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        if self._asked.finds_nothing:
            return []
        source, names = self._source, self._source.model.names
        width = len(names)
        rows: list[Any] = await source.executor.fetch(*self._prepared())
        made = source.maker(names)([row[:width] for row in rows])
        if self._options.rows:
            return made
        if self._options.highlight is None:
            hits = [Hit(row, found[width]) for row, found in zip(made, rows, strict=True)]
        else:
            hits = [Hit(row, found[width], self._snippet(found[-1])) for row, found in zip(made, rows, strict=True)]
        return cast("list[T]", hits)

    def _snippet(self, text: Any) -> str:
        written = "" if text is None else str(text)
        if self._info.search.tokenize == "words":
            return marked(written)
        return excerpt(written, [term.text for term in self._asked.terms])

    async def count(self) -> int:
        """Return the number of all hits; limit and offset do not matter.

        Example:
            ```python
            n = await posts.search("sqlite -mysql").count()
            ```
        """
        if self._asked.finds_nothing:
            return 0
        source, where, searching = self._source, self._where, self._searching()
        key = None if where.shape is None else ("search count", where.shape, self._info, searching.shape)
        statement = source.cached(key, lambda: search_statements.count(source.model, source.dialect, where, searching))
        values: dict[Any, Any] = {**where.values, **searching.values}
        rows = await source.executor.fetch(*statement.ready(values))
        return int(rows[0][0])

    async def explain(self) -> str:
        """Return the plan of the database for this search, which is not run.

        Example:
            ```python
            print(await posts.search("full text").explain())
            ```
        """
        source = self._source
        statement, args = self._prepared()
        asked = Statement(rules_of(source.dialect).plans.explain(statement.sql), reads=True)
        return "\n".join([row[-1] for row in await source.executor.fetch(asked, args)])

    def _searching(self) -> Searching:
        source = self._source
        return rules_of(source.dialect).searching(
            source.model, source.dialect, self._info, self._asked, is_scoped=bool(source.scope)
        )

    def _prepared(self) -> tuple[Statement, list[Any]]:
        source, where, highlight = self._source, self._where, self._options.highlight
        searching = self._searching()
        key = None
        if where.shape is not None:
            key = ("search", where.shape, self._info, searching.shape, highlight)

        def build() -> CompiledStatement:
            model = source.model
            return search_statements.hits(model, source.dialect, model.names, where, searching, highlight=highlight)

        statement = source.cached(key, build)
        values: dict[Any, Any] = {**where.values, **searching.values, "limit": self._limit, "offset": self._offset}
        return statement.ready(values)


SearchQuery.__module__ = "deebase"


def _search_of(source: TableContext) -> SearchModel:
    """Return the search of a table.

    Raises:
        InvalidOperationError: it has none.
    """
    facts = source.catalog.facts(source.model.name)
    if facts is None or facts.search is None:
        name = source.model.name
        raise InvalidOperationError(
            f"table {name} is not searchable",
            operation="search",
            target=name,
            hint="await t.enable_search('title', 'body'); await db.reflect() if another program did it",
        )
    return facts.search
