"""Conditions on documents, values in them and merges, for the machine of three databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import rule

from deebase import Table
from deebase.queries import count, merge
from tests.support import json_model
from tests.support.dict_model import Model, Record
from tests.support.json_model import MISSING
from tests.support.query_rules import Tree, conditions, expression, scopes, truth

_scalars = st.sampled_from([None, True, 0, 1, 2, 1.5, "", "a", "1", "é"])
_parts = (
    _scalars | st.lists(_scalars, max_size=2) | st.dictionaries(st.sampled_from(["k", "a b"]), _scalars, max_size=2)
)
metas = st.none() | st.dictionaries(st.sampled_from(["k", "tags", "deep"]), _parts, max_size=3)
steps = st.sampled_from([(), ("k",), ("tags",), ("tags", 0), ("tags", -1), ("deep", "k"), ("deep", "a b"), ("none", 1)])
kinds = st.sampled_from([int, float, str, bool])

#: Of conditions by name: the condition on a part, and whether it holds for a value that is there.
CONDITIONS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], bool]]] = {
    "contains": (lambda part, value: part.contains(value), json_model.contains),
    "has_key": (
        lambda part, value: part.has_key(str(value)),
        lambda each, value: isinstance(each, dict) and str(value) in each,
    ),
    "equal": (lambda part, value: part == value, json_model.equal),
    "exists": (lambda part, _: part.exists(), lambda each, _: each is not MISSING),
}


class JsonRules:
    """Rules about the documents of notes."""

    model: Model
    same: Callable[..., None]

    @rule(
        scope=scopes,
        path=steps,
        name=st.sampled_from(sorted(CONDITIONS)),
        value=_parts.filter(lambda value: value is not None),
        negated=st.booleans(),
        tree=conditions,
        kind=kinds,
    )
    def read_documents(
        self, scope: int | None, path: Any, name: str, value: Any, negated: bool, tree: Tree, kind: type
    ) -> None:
        condition, holds = CONDITIONS[name]

        def part_of(row: Record) -> Any:
            return MISSING if row["meta"] is None else json_model.at(row["meta"], path)

        def meets(row: Record) -> bool:
            """Of what is not there, neither a condition nor its opposite is true; but whether it is there is known."""
            part = part_of(row)
            known = part is not MISSING or name == "exists"
            return known and holds(part, value) is not negated

        def typed(row: Record) -> Any:
            return None if part_of(row) is MISSING else json_model.typed(part_of(row), kind)

        def expected() -> list[Any]:
            rows = self.model.seen(scope)
            found = [row for row in rows if meets(row) and truth(tree, self._at(scope, row))]
            values = [typed(row) for row in rows]
            return [
                [[row["id"], None if part_of(row) is MISSING else part_of(row), typed(row)] for row in found],
                len(found),
                {(type(each), each): values.count(each) for each in values},
            ]

        async def work(side: Any) -> list[Any]:
            table: Table[Any] = side.notes(scope)
            part, of_type = table.json("meta", *path), table.json("meta", *path, as_=kind)
            chosen = condition(part, value)
            both = sa.and_(sa.not_(chosen) if negated else chosen, expression(table, tree))
            rows = await table(both, select={"id": "id", "part": part, "value": of_type}, order_by="id")
            groups = await table.group({"value": of_type}, n=count())
            return [
                [[row["id"], row["part"], row["value"]] for row in rows],
                await table.count(both),
                {(type(row["value"]), row["value"]): row["n"] for row in groups},
            ]

        self.same(expected, work)

    def _at(self, scope: int | None, row: Record) -> Callable[[str], Any]:
        return lambda path: self.model.value(scope, row, path)

    @rule(scope=scopes, tree=conditions, changes=metas.filter(lambda value: value is not None))
    def merge_documents(self, scope: int | None, tree: Tree, changes: Record) -> None:
        def expected() -> int:
            rows = [row for row in self.model.seen(scope) if truth(tree, self._at(scope, row))]
            for row in rows:
                self.model.notes[row["id"]]["meta"] = json_model.merged(row["meta"], changes)
            return len(rows)

        async def work(side: Any) -> int:
            table: Table[Any] = side.notes(scope)
            changed: int = await table.update_where({"meta": merge(changes)}, expression(table, tree))
            return changed

        self.same(expected, work)
