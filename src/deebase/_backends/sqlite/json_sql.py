"""Parts of JSON documents in the SQL of SQLite, whose conditions follow the shape of the values in them."""

from __future__ import annotations

# JSON values are of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from deebase._sql.json_paths.json_rules import Operand, Steps, text_literal
from deebase._sqltext.dialects import SQLITE
from deebase._types.documents import json_text
from deebase._types.quick_checks import HIGHEST_INTEGER, LOWEST_INTEGER

#: Keys that a path finds however they are escaped in the document: others may be written with a backslash, and SQLite
#: below 3.45 compares paths with the text of the document.
_PLAIN_KEY = re.compile(r'(?:(?!["\\/])[ -~])*')
#: A step of a path that ``_place`` writes.
_STEP = re.compile(r'\."([^"]*)"|\[#?(-?\d+)\]')
_LARGEST_FLOAT = "1.7976931348623157e308"


class _Place(NamedTuple):
    """Where a JSON value is.

    Attributes:
        document: the SQL of a document.
        path: the SQL of the path in it.
    """

    document: str
    path: str

    def of(self, function: str) -> str:
        """Return the call of a function of the value, such as ``json_type``."""
        return f"{function}({self.document}, {self.path})"


class SqliteJson:
    """Writes the SQL of SQLite."""

    def part(self, document: str, steps: Steps, kind: str) -> str:
        place = _place(document, steps)
        if kind == "":
            return f"({place.document} -> {place.path})"
        kind_there, value = place.of("json_type"), place.of("json_extract")
        if kind == "str":
            return f"(CASE {kind_there} WHEN 'text' THEN {value} END)"
        if kind == "bool":
            return f"(CASE {kind_there} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)"
        if kind == "Decimal":
            return f"(CASE WHEN {kind_there} IN ('integer', 'real') THEN {place.document} -> {place.path} END)"
        if kind == "float":
            number = f"CAST({value} AS REAL)"
            # A larger number is read as an infinity.
            return (
                f"(CASE WHEN {kind_there} IN ('integer', 'real') AND abs({number}) <= {_LARGEST_FLOAT} "
                f"THEN {number} END)"
            )
        # A whole number of more than 64 bits is read as a float.
        return (
            f"(CASE WHEN {kind_there} = 'integer' AND typeof({value}) = 'integer' THEN {value} "
            f"WHEN {kind_there} = 'real' AND {value} = CAST({value} AS INTEGER) THEN CAST({value} AS INTEGER) END)"
        )

    def has_index(self, steps: Steps, kind: str) -> bool:
        # Other keys are found by a sub-select, and Decimals are compared by a collation that only DeeBase has.
        return kind != "Decimal" and all(not isinstance(step, str) or _PLAIN_KEY.fullmatch(step) for step in steps)

    def steps_in(self, strings: Sequence[str]) -> Iterator[Steps]:
        path = strings[0] if strings else ""
        found = list(_STEP.finditer(path, 1))
        if path[:1] == "$" and "".join([each.group() for each in found]) == path[1:]:
            yield [key if key is not None else int(index) for key, index in (each.groups() for each in found)]

    def operands(self, test: str, given: Any) -> tuple[Any, list[Operand]]:
        operands: list[Operand] = []
        if test == "has_key":
            return _leaf("text", given, sa.Text(), operands), operands
        return _shape(given, operands), operands

    def condition(self, document: str, steps: Steps, test: str, shape: Any, operands: Sequence[str]) -> str:
        there = _place(document, steps)
        kind = there.of("json_type")
        if test in _SIMPLE:
            return _SIMPLE[test].format(kind)
        if test == "has_key":
            keys = f"SELECT 1 FROM {there.of('json_each')} AS deebase_j WHERE deebase_j.key = {operands[shape[1]]}"
            return f"(CASE WHEN {kind} = 'object' THEN EXISTS ({keys}) WHEN {kind} IS NOT NULL THEN 0 END)"
        conditions = _Conditions(operands)
        made = conditions.equal(there, shape) if test == "equal" else conditions.contains(there, shape, is_whole=True)
        # NULL for a missing value alone, so that the opposite holds where the condition does not.
        return f"(CASE WHEN {kind} IS NOT NULL THEN ({made}) IS TRUE END)"

    def patch(self, changes: Mapping[str, Any]) -> tuple[Any, list[Operand]]:
        return None, [sa.bindparam(None, json_text(changes).text, sa.Text(), unique=True)]

    def patched(self, document: str, shape: Any, operands: Sequence[str]) -> str:
        return f"json_patch(ifnull({document}, '{{}}'), {operands[0]})"


_SIMPLE = {
    "exists": "({0} IS NOT NULL)",
    "is_null": "({0} IS 'null')",
    "is_none": "(ifnull({0}, 'null') = 'null')",
}


def _place(document: str, steps: Steps) -> _Place:
    path = "$"
    for step in steps:
        if not isinstance(step, str):
            path += f"[{step}]" if step >= 0 else f"[#{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            path += f'."{step}"'
        else:
            document, path = _by_key(document, path, step), "$"
    return _Place(document, text_literal(path, SQLITE))


def _by_key(document: str, path: str, key: str) -> str:
    """Return the value of a key that a path may not find."""
    inside = document if path == "$" else f"({document} -> {text_literal(path, SQLITE)})"
    if '"' in key:
        # No path finds it.
        value = (
            "CASE deebase_j.type WHEN 'text' THEN json_quote(deebase_j.atom) WHEN 'true' THEN 'true' "
            "WHEN 'false' THEN 'false' WHEN 'null' THEN 'null' "
            "WHEN 'real' THEN printf('%!.17g', deebase_j.atom) ELSE deebase_j.value END"
        )
    else:
        value = f"{inside} -> deebase_j.fullkey"
    found = f"deebase_j.key = {text_literal(key, SQLITE)} LIMIT 1"
    return f"(SELECT {value} FROM json_each({inside}) AS deebase_j WHERE {found})"


def _leaf(kind: str, value: Any, type_: Any, operands: list[Operand]) -> list[Any]:
    operands.append(sa.bindparam(None, value, type_, unique=True))
    return [kind, len(operands) - 1]


def _shape(value: Any, operands: list[Operand]) -> list[Any]:
    """Return what the text of a condition depends on: kinds, keys, and the places of the operands."""
    if isinstance(value, dict):
        return ["object", {name: _shape(each, operands) for name, each in value.items()}]
    if isinstance(value, list):
        return ["array", [_shape(each, operands) for each in value]]
    if value is None or isinstance(value, bool):
        return ["null" if value is None else "true" if value else "false"]
    if isinstance(value, str):
        return _leaf("text", value, sa.Text(), operands)
    if isinstance(value, int) and LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
        return _leaf("number", value, sa.BigInteger(), operands)
    return _leaf("number", _as_float(value), sa.Float(), operands)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


class _Conditions:
    """Writes conditions on values whose shape is known."""

    def __init__(self, operands: Sequence[str]) -> None:
        self._operands = operands
        self._aliases = 0

    def equal(self, there: _Place, shape: Any) -> str:
        """Return the condition that a value equals another one."""
        kind = there.of("json_type")
        if shape[0] == "array":
            parts = [f"{kind} = 'array'", f"{there.of('json_array_length')} = {len(shape[1])}"]
            return _all(parts + [self.equal(_inside(there, n), each) for n, each in enumerate(shape[1])])
        if shape[0] == "object":
            # A key that is written twice counts once.
            count = (
                f"(SELECT count(DISTINCT deebase_j.key) FROM {there.of('json_each')} AS deebase_j) = {len(shape[1])}"
            )
            parts = [f"{kind} = 'object'", count]
            return _all(parts + [self.equal(_inside(there, name), each) for name, each in shape[1].items()])
        return self._scalar(kind, there.of("json_extract"), shape)

    def contains(self, there: _Place, shape: Any, *, is_whole: bool = False) -> str:
        """Return the condition that a value contains another one."""
        kind = there.of("json_type")
        if shape[0] == "object":
            parts = [self.contains(_inside(there, name), each) for name, each in shape[1].items()]
            return _all([f"{kind} = 'object'", *parts])
        if shape[0] == "array":
            return _all([f"{kind} = 'array'", *[self._has(there, each) for each in shape[1]]])
        if is_whole:
            # The only element of a scalar is itself.
            return _all([f"{kind} <> 'object'", self._has(there, shape)])
        return self.equal(there, shape)

    def _has(self, there: _Place, shape: Any) -> str:
        """Return the condition that an element of an array contains a value."""
        self._aliases += 1
        each = f"deebase_j{self._aliases}"
        if shape[0] in ("array", "object"):
            # Of another value, the text may be no JSON.
            inside = f"CASE WHEN {each}.type IN ('array', 'object') THEN {each}.value END"
            condition = self.contains(_Place(f"({inside})", "'$'"), shape)
        else:
            condition = self._scalar(f"{each}.type", f"{each}.atom", shape)
        return f"EXISTS (SELECT 1 FROM {there.of('json_each')} AS {each} WHERE {condition})"

    def _scalar(self, kind: str, value: str, shape: Any) -> str:
        if shape[0] == "number":
            return f"({kind} IN ('integer', 'real') AND {value} = {self._operands[shape[1]]})"
        if shape[0] == "text":
            return f"({kind} = 'text' AND {value} = {self._operands[shape[1]]})"
        return f"{kind} = '{shape[0]}'"


def _all(conditions: Sequence[str]) -> str:
    return f"({' AND '.join(conditions)})"


def _inside(there: _Place, step: str | int) -> _Place:
    """Return the place of an element of a value."""
    whole = there.document if there.path == "'$'" else f"({there.document} -> {there.path})"
    return _place(whole, [step])
