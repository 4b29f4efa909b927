"""Search in PostgreSQL: the text as a tsquery or as patterns, and the statement that reads the rows of the hits."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.postgres.search.search_ddl import COLUMN, configuration, rank_weights
from deebase._rows.model import SearchModel, TableModel
from deebase._sql.compiled import Parameters
from deebase._sql.search.search_statements import Fragments, SearchParts
from deebase._sql.search.search_text import SearchText, Term
from deebase._sql.search.snippets import BEGIN, END, PLAIN, WORDS
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import literal

_QUERY = "deebase_query"
_HEADLINE = f"StartSel={BEGIN}, StopSel={END}, MaxWords={WORDS}, MinWords={WORDS // 2}, ShortWord=0"


class WordSearching:
    """How rows are found by the words of one text; see ``Searching``."""

    def __init__(self, model: TableModel, dialect: Dialect, info: SearchModel, asked: SearchText) -> None:
        self._model = model
        self._search = info.search
        preparer = dialect.identifier_preparer
        self._vector: Any = sa.literal_column(f"{preparer.format_table(model.sa_table)}.{preparer.quote(COLUMN)}")
        self.shape: Hashable = "words"
        self.values: dict[Hashable, Any] = {"match": query_text(asked)}

    def parts(self, parameters: Parameters, highlight: str | None) -> SearchParts:
        """Return the parts of the SELECT."""
        table, vector = self._model.sa_table, self._vector
        language: Any = sa.literal_column(configuration(self._search))
        name = _QUERY
        while name in (table.name, *table.c.keys()):
            name += "_"
        # In FROM, so that it is computed once.
        query = sa.func.to_tsquery(language, parameters.add("match", sa.Text(), None)).column_valued(name)
        ranks = ", ".join(map(str, rank_weights(self._search)))
        score = sa.func.ts_rank(sa.literal_column(f"'{{{ranks}}}'::real[]"), vector, query)
        snippet: Any = None
        if highlight is not None:
            plain: list[Any] = [
                sa.literal_column(literal("".join(chars), POSTGRES)) for chars in (PLAIN, PLAIN.values())
            ]
            text = sa.func.translate(sa.func.coalesce(table.c[highlight], ""), *plain)
            snippet = sa.func.ts_headline(language, text, query, sa.literal_column(literal(_HEADLINE, POSTGRES)))
        order = [score.desc(), *[self._model.columns[name].order_column for name in self._model.pks]]
        return SearchParts(
            sa.join(table, query.scalar_alias, sa.true()), [vector.op("@@")(query)], score, order, snippet
        )


class PartSearching:
    """How rows are found by parts of their texts; see ``Searching``."""

    def __init__(self, model: TableModel, info: SearchModel, asked: SearchText) -> None:
        self._model = model
        self._search = info.search
        self._fragments = Fragments(model, info.search.columns, asked.groups, asked.without, "ilike")
        self.shape: Hashable = self._fragments.shape
        parts = " ".join([term.text for term in asked.terms])
        self.values: dict[Hashable, Any] = {**self._fragments.values, "parts": parts}

    def parts(self, parameters: Parameters, highlight: str | None) -> SearchParts:
        """Return the parts of the SELECT."""
        table = self._model.sa_table
        scores: list[Any] = []
        for name, weight in zip(self._search.columns, self._search.all_weights, strict=True):
            wanted = parameters.add("parts", sa.Text(), None)
            alike = sa.func.word_similarity(wanted, sa.func.coalesce(table.c[name], ""))
            scores.append(alike * sa.literal_column(str(weight)))
        score: Any = sa.type_coerce(sum(scores[1:], scores[0]), sa.Float())
        order = [score.desc(), *[self._model.columns[name].order_column for name in self._model.pks]]
        text = None if highlight is None else table.c[highlight]
        return SearchParts(table, self._fragments.conditions(parameters), score, order, text)


def query_text(asked: SearchText) -> str:
    """Return what ``to_tsquery`` takes; words hold letters and digits alone."""
    wanted = [f"({' | '.join(map(_term, group))})" for group in asked.groups]
    return " & ".join([*wanted, *[f"!({_term(term)})" for term in asked.without]])


def _term(term: Term) -> str:
    words = [f"'{word}'" for word in term.words]
    return f"({' <-> '.join(words)}{':*' if term.is_prefix else ''})"
