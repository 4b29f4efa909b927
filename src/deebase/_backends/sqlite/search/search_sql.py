"""Search in SQLite: the text as a query of FTS5, and the statement that reads the rows of the hits."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Hashable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import Join

from deebase._rows.model import SearchModel, TableModel
from deebase._sql.compiled import Parameters
from deebase._sql.search.search_statements import Fragments, SearchParts
from deebase._sql.search.search_text import SearchText, Term
from deebase._sql.search.snippets import BEGIN, END, GAP, WORDS
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal

#: Characters of the shortest part of a text that an index of trigrams finds.
_TRIGRAM = 3


class _InOrder(Join):
    """A join that reads its left side first: SQLite would ask FTS5 once for each row of the other side."""

    inherit_cache = False


@compiles(_InOrder)
def _compile_in_order(element: Any, compiler: Any, **options: Any) -> str:
    options = {**options, "asfrom": True}
    left, right = (compiler.process(side, **options) for side in (element.left, element.right))
    return f"{left} CROSS JOIN {right} ON {compiler.process(element.onclause)}"


class SqliteSearching:
    """How rows are found by one text; see ``Searching``. FTS5 does not find parts of fewer than three characters."""

    def __init__(self, model: TableModel, info: SearchModel, asked: SearchText, *, is_scoped: bool) -> None:
        self._model = model
        self._info = info
        self._is_scoped = is_scoped
        short, long = _by_length(asked) if info.search.tokenize == "trigram" else (SearchText(), asked)
        self._fragments = Fragments(model, info.search.columns, short.groups, short.without, "like")
        self._matches = bool(long.groups)
        self.shape: Hashable = (self._matches, is_scoped, self._fragments.shape)
        self.values: dict[Hashable, Any] = {**self._fragments.values, "match": match_text(long.groups, long.without)}

    def parts(self, parameters: Parameters, highlight: str | None) -> SearchParts:
        """Return the parts of the SELECT."""
        model, table, info = self._model, self._model.sa_table, self._info
        keys: list[Any] = [table.c[name] for name in model.pks]
        text: Any = None if highlight is None else table.c[highlight]
        if not self._matches:
            conditions = self._fragments.conditions(parameters)
            return SearchParts(table, conditions, sa.literal_column("0.0", sa.Float()), keys, text)
        index = sa.table(info.index, sa.column("rowid"), sa.column("rank", sa.Float()))
        source: Any = index
        number = index.c.rowid
        if info.keys is None:
            source = _InOrder(source, table, keys[0] == number)
        else:
            numbered = sa.table(info.keys, sa.column("id"), *[sa.column(f"k{n}") for n in range(len(keys))])
            source = _InOrder(source, numbered, numbered.c.id == number)
            same = [key == sa.type_coerce(numbered.c[f"k{n}"], key.type) for n, key in enumerate(keys)]
            source = _InOrder(source, table, sa.and_(*same))
        name = identifier(info.index)
        matches = sa.literal_column(f"{name}.{name}").op("MATCH")(parameters.add("match", sa.Text(), None))
        if highlight is not None and info.search.tokenize == "words":
            place = info.search.columns.index(highlight)
            marks = ", ".join([literal(mark, SQLITE) for mark in (BEGIN, END, GAP)])
            text = sa.literal_column(f"snippet({name}, {place}, {marks}, {WORDS})", sa.Text())
        conditions = [matches, *self._fragments.conditions(parameters)]
        if self._is_scoped:
            score = self._own_score()
            return SearchParts(source, conditions, score, [score.desc(), *keys], text)
        # The score of FTS5 is the lower the better. By this column alone it sorts the hits itself.
        return SearchParts(source, conditions, -index.c.rank, [index.c.rank], text)

    def _own_score(self) -> Any:
        """Return a score by how often each column has the words.

        That of FTS5 depends on how rare they are in all rows, so that it would tell about rows of other scopes.
        """
        search, name = self._info.search, identifier(self._info.index)
        mark, scores = literal(BEGIN, SQLITE), []
        for place, weight in enumerate(search.all_weights):
            text = f"length(coalesce({name}.c{place}, ''))"
            times = f"(length(coalesce(highlight({name}, {place}, {mark}, ''), '')) - {text})"
            scores.append(f"{weight} * {times} / ({times} + 1.0)")
        return sa.literal_column(f"({' + '.join(scores)})", sa.Float())


def _by_length(asked: SearchText) -> tuple[SearchText, SearchText]:
    """Return the part of a search for which rows are read, and the part that the index answers."""
    short = [group for group in asked.groups if any(map(_is_short, group))]
    long = [group for group in asked.groups if group not in short]
    # The index leaves out rows only of those that it finds.
    read = [term for term in asked.without if not long or _is_short(term)]
    rest = [term for term in asked.without if term not in read]
    return SearchText(tuple(short), tuple(read)), SearchText(tuple(long), tuple(rest))


def _is_short(term: Term) -> bool:
    return len(term.text) < _TRIGRAM


def match_text(groups: Sequence[Sequence[Term]], without: Sequence[Term]) -> str:
    """Return a query of FTS5 (sqlite.org/fts5.html#full_text_query_syntax)."""
    wanted = " AND ".join([f"({_any(group)})" for group in groups])
    return f"({wanted}) NOT ({_any(without)})" if without else wanted


def _any(terms: Sequence[Term]) -> str:
    return " OR ".join([identifier(term.text) + (" *" if term.is_prefix else "") for term in terms])
