"""Conditions on parts of JSON documents, their values, and merges agree with a plain Python model, on each database."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from deebase import Database, Table
from deebase.queries import count, merge
from tests.support import json_model as model
from tests.support.json_model import MISSING

Row = dict[str, Any]
Document = dict[str, Any] | list[Any]


class Doc:
    id: int
    doc: Document | None


ODD_KEYS = [
    "",
    "0",
    "-1",
    "#-1",
    "a.b",
    "[0]",
    "$",
    "*",
    "a b",
    'q"t',
    "it's",
    "b\\s",
    "s/l",
    "é",
    "\\u00e9",
    "😀",
    "\n",
]
# What statements have a meaning for.
ODD_KEYS += ["%(p)s", ":x", "?", "__[POSTCOMPILE_x]"]
unicode_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
keys = st.sampled_from(["a", "a", "b", *ODD_KEYS]) | unicode_texts
texts = st.sampled_from(["", "a", "1", "true", "null", '"a"', "[]", "é😀", "%(a)s"]) | unicode_texts
numbers = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 0.0, 1.0, -1.5, 0.1, 1e16, 1e-7, 1e300]) | (
    st.integers(model.LEAST, model.LARGEST) | st.floats(-1e9, 1e9).map(lambda number: round(number, 3) + 0.0)
)
scalars = st.none() | st.booleans() | numbers | texts


def containers(inside: Any, keys: Any = keys) -> Any:
    return st.lists(inside, max_size=3) | st.dictionaries(keys, inside, max_size=3)


values = st.recursive(scalars, containers, max_leaves=6)
documents = containers(values)
steps = st.lists(keys | st.integers(-3, 3), max_size=3).map(tuple)
kinds = st.sampled_from([str, int, float, Decimal, bool])


@st.composite
def questions(draw: Any) -> tuple[list[Any], tuple[str | int, ...], Any]:
    """Draw documents, a path that often leads somewhere, and a value that often resembles what is there."""
    stored = draw(st.lists(st.none() | documents, min_size=1, max_size=4))
    part: Any = draw(st.sampled_from(stored))
    path: list[str | int] = []
    while isinstance(part, (dict, list)) and part and draw(st.integers(0, 3)):
        step = draw(st.sampled_from(list(part) if isinstance(part, dict) else range(-len(part), len(part))))
        path.append(step)
        part = part[step]
    asked = draw(values) if draw(st.booleans()) else draw(parts_of(part))
    return stored, tuple(path) if draw(st.integers(0, 4)) else draw(steps), asked


@st.composite
def parts_of(draw: Any, value: Any) -> Any:
    """Draw what a value contains, or nearly so."""
    if isinstance(value, dict):
        return {key: draw(parts_of(each)) for key, each in value.items() if draw(st.booleans())}
    if isinstance(value, list) and value:
        chosen = draw(st.lists(st.sampled_from(value), max_size=3))
        return draw(parts_of(chosen[0])) if chosen and draw(st.booleans()) else [draw(parts_of(one)) for one in chosen]
    return value


async def stored_in(db: Database, documents: list[Any]) -> Table[Row]:
    """Store documents in place of those of the last example, with the keys 0, 1, 2 and so on."""
    table = db.t.doc.rows_as(dict) if "doc" in db.t else (await db.create(Doc)).rows_as(dict)
    await table.delete_where(all=True)
    await table.insert_all([{"id": n, "doc": document} for n, document in enumerate(documents)])
    return table


@given(asked=questions(), kind=kinds)
@example(([{"a": {}, 'a"."b': 1}, {"a": {"b": 1}}, [2**53 + 1], [9007199254740993.0]], (), {"a": {"b": 1}}), int)
@example(([[[1, [2, 3]]], ["a", {"a": [1]}], "a", [None, True]], (0,), [[3]]), str)
async def test_conditions_and_values(db: Database, asked: tuple[list[Any], Any, Any], kind: type) -> None:
    documents, path, value = asked
    documents = [document if isinstance(document, (dict, list)) else None for document in documents]
    table = await stored_in(db, documents)
    part, of_type = table.json("doc", *path), table.json("doc", *path, as_=kind)
    there = [MISSING if document is None else model.at(document, path) for document in documents]

    async def found(condition: Any) -> list[int]:
        return [row["id"] for row in await table(condition, order_by="id")]

    def expected(holds: Callable[[Any], bool]) -> list[int]:
        return [n for n, each in enumerate(there) if each is not MISSING and holds(each)]

    everything = set(range(len(documents)))
    assert await found(part.exists()) == expected(lambda each: True)
    assert await found(part.is_null()) == expected(lambda each: each is None)
    is_none = {n for n, each in enumerate(there) if each is MISSING or each is None}
    assert set(await found(part == None)) == is_none  # noqa: E711
    assert set(await found(part != None)) == everything - is_none  # noqa: E711
    conditions: list[tuple[Any, Callable[[Any], bool]]] = [
        (part.contains(value), lambda each: model.contains(each, value)),
        (part.has_key("a"), lambda each: isinstance(each, dict) and "a" in each),
    ]
    if value is not None:
        conditions.append((part == value, lambda each: model.equal(each, value)))
        conditions.append((part.in_([value, 7]), lambda each: model.equal(each, value) or model.equal(each, 7)))
    for condition, holds in conditions:
        assert await found(condition) == expected(holds)
        # A missing value is neither.
        assert await found(~condition) == expected(lambda each, holds=holds: not holds(each))
    wanted = [None if each is MISSING else model.typed(each, kind) for each in there]
    rows = await table(select={"id": "id", "part": part, "value": of_type}, order_by="id")
    assert [row["part"] for row in rows] == [None if each is MISSING else each for each in there]
    assert [row["value"] for row in rows] == wanted
    assert all(type(row["value"]) in (type(None), kind) for row in rows)
    present = sorted([each for each in wanted if each is not None])
    assert [row["id"] for row in await table(of_type.is_(None), order_by="id")] == [
        n for n, each in enumerate(wanted) if each is None
    ]
    if present and kind not in (str, bool):
        assert await table.min(of_type) == present[0]
        assert await table.count(of_type > present[0]) == len([each for each in present if each > present[0]])
    groups = await table.group({"value": of_type}, n=count())
    assert {row["value"]: row["n"] for row in groups} == {each: wanted.count(each) for each in wanted}


@given(
    stored=st.lists(st.none() | documents, min_size=1, max_size=3), changes=st.dictionaries(keys, values, max_size=3)
)
@example([{"a": {"b": 1, "c": None}}, [1], None], {"a": {"b": None, "d": {"e": None}, "c": 2}, "l": [None]})
async def test_merges(db: Database, stored: list[Any], changes: dict[str, Any]) -> None:
    table = await stored_in(db, stored)
    assert await table.update_where({"doc": merge(changes)}, all=True) == len(stored)
    wanted = [model.merged(document, changes) for document in stored]
    rows = await table(order_by="id")
    assert [row["doc"] for row in rows] == wanted
    assert all(model.equal(row["doc"], each) for row, each in zip(rows, wanted, strict=True))
    assert (await table.update({"id": 0, "doc": merge({"a": 1})}))["doc"] == {**wanted[0], "a": 1}
