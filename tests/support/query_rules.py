"""Queries for the machine of three databases, with what a model says: paths, groups, distinct values and searches.

A class of rules is mixed into the machine. One of another kind of query, such as conditions on documents, adds its
columns to the model, and its leaves to `CONDITIONS` or rules of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Coroutine
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import rule

from deebase import Table
from deebase._sql.search.search_text import parse
from deebase.queries import avg, count, max_, min_, sum_
from tests.support.dict_model import Model, Record
from tests.support.search_model import is_found

Work = Callable[[Any], Coroutine[Any, Any, Any]]
#: A condition as a tree: a path with an operator and a value, or a connective with conditions.
Tree = tuple[Any, ...]

scopes = st.sampled_from([None, 1, 2])
words = st.sampled_from(["red", "green", "blue", "redder", "b2"])
bodies = st.lists(words, max_size=4).map(" ".join)

#: Columns, and the values to compare them with.
VALUES: dict[str, list[Any]] = {
    "n": [0, 1, 2, 3, -(2**63)],
    "id": [1, 4, 8],
    "title": ["a", "it's", "%", "é"],
    "folder_id": [1, 2, 3],
    "folder_id.name": ["a", "b", ""],
    "folder_id.rank": [1, 2],
    "folder_id.owner": [1, 2],
    "folder_id.parent_id": [1, 2],
    "folder_id.parent_id.name": ["a", "b"],
    "folder_id.parent_id.parent_id.rank": [2],
    "other_id.name": ["a", "b"],
    "other_id.parent_id.owner": [1, 2],
}
paths = st.sampled_from(sorted(VALUES))
#: Those that all databases sort alike, whatever their collation.
sortable = st.sampled_from(sorted(VALUES.keys() - {"title"}))
numeric = st.sampled_from(
    ["n", "id", "folder_id.rank", "folder_id.parent_id.parent_id.rank", "other_id.parent_id.owner"]
)

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
}


def _leaf(path: str) -> st.SearchStrategy[Tree]:
    values = st.sampled_from(VALUES[path])
    is_text = isinstance(VALUES[path][0], str)
    names = st.sampled_from(["==", "!="] if is_text else sorted(COMPARISONS))
    compared = st.tuples(names, st.just(path), values)
    return (
        compared
        | st.tuples(st.just("in"), st.just(path), st.lists(values, max_size=2))
        | st.tuples(st.just("null"), st.just(path), st.none())
    )


conditions: st.SearchStrategy[Tree] = st.recursive(
    paths.flatmap(_leaf),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("not"), inner, st.none()),
    max_leaves=3,
)
#: What `where` takes: values by path.
given = st.dictionaries(paths, st.none(), max_size=2).flatmap(
    lambda names: st.fixed_dictionaries(
        {
            path: st.none() | st.sampled_from(VALUES[path]) | st.lists(st.sampled_from(VALUES[path]), max_size=2)
            for path in names
        }
    )
)
texts = st.lists(
    st.tuples(
        st.sampled_from(["", "", "-", '"']),
        words | st.sampled_from(["re", "a", "it's", "OR"]),
        st.sampled_from(["", "*", '"']),
    ),
    max_size=4,
).map(lambda parts: " ".join(["".join(part) for part in parts]))


def column(table: Table[Any], path: str) -> Any:
    """Return the column at the end of a path."""
    *steps, name = path.split(".")
    reference: Any = table
    for step in steps:
        reference = getattr(reference.fk, step)
    return reference.c[name]


def expression(table: Table[Any], tree: Tree) -> Any:
    """Return a condition as SQLAlchemy has it."""
    kind, one, other = tree
    if kind in ("and", "or"):
        return getattr(sa, f"{kind}_")(expression(table, one), expression(table, other))
    if kind == "not":
        return sa.not_(expression(table, one))
    if kind == "null":
        return column(table, one).is_(None)
    if kind == "in":
        return column(table, one).in_(other)
    return COMPARISONS[kind](column(table, one), other)


def truth(tree: Tree, value: Callable[[str], Any]) -> bool | None:
    """Return whether a condition holds in SQL: None is unknown."""
    kind, one, other = tree
    if kind == "not":
        found = truth(one, value)
        return None if found is None else not found
    if kind in ("and", "or"):
        both = {truth(one, value), truth(other, value)}
        decisive = kind == "or"
        return decisive if decisive in both else None if None in both else not decisive
    if kind == "null":
        return value(one) is None
    if kind == "in" and not other:
        return False
    if value(one) is None:
        return None
    return value(one) in other if kind == "in" else bool(COMPARISONS[kind](value(one), other))


def meets(wanted: Record, value: Callable[[str], Any]) -> bool:
    """Whether a row has the values that `where` gives."""
    return all(
        value(path) is not None and value(path) in each if isinstance(each, list) else value(path) == each
        for path, each in wanted.items()
    )


AGGREGATES: dict[str, tuple[Any, Callable[[list[Any]], Any]]] = {
    "sum": (sum_, sum),
    "avg": (avg, lambda values: sum(values) / len(values)),
    "min": (min_, min),
    "max": (max_, max),
}


def aggregated(kind: str, values: list[Any]) -> Any:
    """Return an aggregate of values, without those that are None."""
    present = [value for value in values if value is not None]
    if kind == "different":
        return len(set(present))
    return AGGREGATES[kind][1](present) if present else None


class QueryRules:
    """Rules that read, and that change rows by conditions on related ones."""

    model: Model
    same: Callable[..., None]

    def _value(self, scope: int | None, row: Record) -> Callable[[str], Any]:
        return lambda path: self.model.value(scope, row, path)

    def _rows(self, scope: int | None, tree: Tree | None = None, wanted: Record | None = None) -> list[Record]:
        rows = self.model.seen(scope)
        return [row for row in rows if self._holds(scope, row, tree) and meets(wanted or {}, self._value(scope, row))]

    def _holds(self, scope: int | None, row: Record, tree: Tree | None) -> bool:
        return tree is None or truth(tree, self._value(scope, row)) is True

    @rule(
        scope=scopes,
        shown=st.lists(paths, max_size=3, unique=True),
        tree=conditions,
        wanted=given,
        order=sortable,
        descending=st.booleans(),
        limit=st.none() | st.integers(0, 3),
        text=st.booleans(),
    )
    def read_paths(
        self,
        scope: int | None,
        shown: list[str],
        tree: Tree,
        wanted: Record,
        order: str,
        descending: bool,
        limit: int | None,
        text: bool,
    ) -> None:
        def expected() -> list[Any]:
            rows = [row for row in self._rows(scope, tree, wanted) if not text or row["n"] >= 1 or row["title"] == "a"]
            rows = rows[::-1] if descending else rows
            present = [row for row in rows if self.model.value(scope, row, order) is not None]
            present.sort(key=lambda row: self.model.value(scope, row, order), reverse=descending)
            ordered = [*present, *[row for row in rows if self.model.value(scope, row, order) is None]]
            made = [{path: self.model.value(scope, row, path) for path in ("id", *shown)} for row in ordered]
            return [made[: len(made) if limit is None else limit], len(rows), bool(rows), [row["id"] for row in made]]

        async def work(side: Any) -> list[Any]:
            table = side.notes(scope)
            by, key = column(table, order), table.c.id
            orders = [sa.nulls_last(by.desc() if descending else by), key.desc() if descending else key]
            fragment = ["n >= ? OR title = ?", [1, "a"]] if text else []
            select = list(dict.fromkeys(["id", *shown]))
            query = table(*fragment, expression(table, tree), where=wanted, select=select, order_by=orders, limit=limit)
            whole = table(*fragment, expression(table, tree), where=wanted, order_by=orders)
            return [await query, await whole.count(), await whole.exists(), await whole.scalars("id")]

        self.same(expected, work)

    @rule(scope=scopes, tree=conditions, shown=paths, order=sortable, descending=st.booleans(), size=st.integers(1, 3))
    def read_pages(self, scope: int | None, tree: Tree, shown: str, order: str, descending: bool, size: int) -> None:
        def expected() -> list[Any]:
            return sorted([[row["id"], self.model.value(scope, row, shown)] for row in self._rows(scope, tree)])

        async def work(side: Any) -> list[Any]:
            table, sign = side.notes(scope), "-" if descending else ""
            query = table(
                expression(table, tree), select={"key": "id", "shown": shown}, order_by=[f"{sign}{order}", "-id"]
            )
            whole, paged, after = await query, list[Any](), None
            while True:
                page = await query.page(size=size, after=after)
                paged += page.rows
                after = page.next
                if after is None:
                    break
            assert paged == whole
            return sorted([[row["key"], row["shown"]] for row in paged], key=lambda pair: pair[0])

        self.same(expected, work)

    @rule(
        scope=scopes,
        by=st.lists(paths, max_size=2, unique=True),
        tree=conditions,
        kind=st.sampled_from([*AGGREGATES, "different"]),
        of=numeric,
        more_than=st.integers(0, 1),
    )
    def group(self, scope: int | None, by: list[str], tree: Tree, kind: str, of: str, more_than: int) -> None:
        def expected() -> dict[Any, Any]:
            groups: dict[Any, list[Record]] = {} if by else {(): []}
            for row in self._rows(scope, tree):
                groups.setdefault(tuple([self.model.value(scope, row, path) for path in by]), []).append(row)
            return {
                key: (len(rows), aggregated(kind, [self.model.value(scope, row, of) for row in rows]))
                for key, rows in groups.items()
                if len(rows) > more_than
            }

        async def work(side: Any) -> dict[Any, Any]:
            table = side.notes(scope)
            made = count(distinct=of) if kind == "different" else AGGREGATES[kind][0](of)
            rows = await table.group(
                *by, rows=count(), made=made, where=expression(table, tree), having=count() > more_than
            )
            assert len(rows) == len({tuple([row[path] for path in by]) for row in rows})
            return {tuple([row[path] for path in by]): (row["rows"], row["made"]) for row in rows}

        self.same(expected, work)

    @rule(scope=scopes, path=paths, tree=conditions, kind=st.sampled_from([*AGGREGATES]), of=numeric)
    def values(self, scope: int | None, path: str, tree: Tree, kind: str, of: str) -> None:
        def expected() -> list[Any]:
            rows = self._rows(scope, tree)
            values = [self.model.value(scope, row, path) for row in rows]
            different = {value: values.count(value) for value in values}
            one = aggregated(kind, [self.model.value(scope, row, of) for row in rows])
            return [different, set(different), len(different.keys() - {None}), one]

        async def work(side: Any) -> list[Any]:
            table = side.notes(scope)
            condition = expression(table, tree)
            rows = await table(condition, select={"it": path}, distinct=True)
            counted = await table.values(path, condition, counts=True)
            assert await table.values(path, condition) == [*counted]
            assert len(rows) == len(counted)
            number = await table.count(condition, distinct=path)
            return [counted, {row["it"] for row in rows}, number, await getattr(table, kind)(of, condition)]

        self.same(expected, work)

    @rule(scope=scopes, text=texts, tree=conditions, limit=st.integers(0, 3), offset=st.integers(0, 2))
    def search(self, scope: int | None, text: str, tree: Tree, limit: int, offset: int) -> None:
        def expected() -> list[Any]:
            found = [row for row in self._rows(scope, tree) if is_found(text, (row["title"], row["body"]))]
            keys = [row["id"] for row in found]
            return [keys, len(keys), len(keys[offset:][:limit])]

        async def work(side: Any) -> list[Any]:
            table = side.notes(scope)
            condition = expression(table, tree)
            hits = await table.search(text, condition, limit=100, highlight="body")
            some = await table.search(text, condition, limit=limit, offset=offset, rows=True)
            assert some == [hit.row for hit in hits][offset:][:limit]
            assert [hit.score for hit in hits] == sorted([hit.score for hit in hits], reverse=True)
            keys = sorted([hit.row["id"] for hit in hits])
            return [keys, await table.search(text, condition).count(), len(some)]

        # A text without a word to look for is answered without a statement, also where those are refused.
        self.same(expected, work, block=parse(text).finds_nothing)

    @rule(scope=scopes, tree=conditions, deletes=st.booleans())
    def write_by_path(self, scope: int | None, tree: Tree, deletes: bool) -> None:
        def holds(row: Record) -> bool:
            return self._holds(scope, row, tree)

        def expected() -> int:
            change = self.model.delete_where if deletes else self.model.update_where
            return change(scope, holds)

        async def work(side: Any) -> int:
            table = side.notes(scope)
            condition = expression(table, tree)
            if deletes:
                return await table.delete_where(condition)
            return await table.update_where({"n": side.db.sql(table.c.n + 1)}, condition)

        self.same(expected, work)
