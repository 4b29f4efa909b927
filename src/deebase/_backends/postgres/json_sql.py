"""Parts of JSON documents in the SQL of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from deebase._sql.json_paths.json_rules import Operand, Steps, text_literal
from deebase._sqltext.dialects import POSTGRES
from deebase._types.documents import JSON, json_text

_LARGEST_FLOAT = "1.7976931348623157e308"
#: The path of an index, as ``_part`` writes it.
_INDEX = re.compile(r"strict \$\[(?:(\d+)|(last)(?: - (\d+))?)\]")
#: What a smaller number is rounded to 0 from.
_LEAST_FLOAT = "2.5e-324"
_LEAST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1


class PostgresJson:
    """Writes the SQL of PostgreSQL."""

    def part(self, document: str, steps: Steps, kind: str) -> str:
        part = _part(document, steps)
        if kind == "":
            return part
        if kind == "str":
            return f"(CASE WHEN jsonb_typeof({part}) = 'string' THEN {part} #>> '{{}}' END)"
        if kind == "bool":
            return f"(CASE WHEN jsonb_typeof({part}) = 'boolean' THEN CAST({part} AS BOOLEAN) END)"
        number = f"CAST({part} AS NUMERIC)"
        return f"(CASE WHEN jsonb_typeof({part}) = 'number' THEN {_NUMBERS[kind].format(number)} END)"

    def has_index(self, steps: Steps, kind: str) -> bool:
        return True

    def steps_in(self, strings: Sequence[str]) -> Iterator[Steps]:
        for end in range(len(strings)):
            if strings[end] in ("string", "number", "boolean"):
                yield _steps(strings[:end])

    def operands(self, test: str, given: Any) -> tuple[Any, list[Operand]]:
        if test == "has_key":
            return None, [sa.bindparam(None, given, sa.Text(), unique=True)]
        return None, [_document(given)]

    def condition(self, document: str, steps: Steps, test: str, shape: Any, operands: Sequence[str]) -> str:
        return f"({_CONDITIONS[test].format(_part(document, steps), *operands)})"

    def patch(self, changes: Mapping[str, Any]) -> tuple[Any, list[Operand]]:
        operands: list[Operand] = []
        return _shape(changes, operands), operands

    def patched(self, document: str, shape: Any, operands: Sequence[str]) -> str:
        return _patched(document, shape, operands)


_NUMBERS = {
    "Decimal": "{0}",
    # In nested CASEs, since PostgreSQL may compute both sides of an AND.
    "int": f"CASE WHEN {{0}} = trunc({{0}}) AND {{0}} >= {_LEAST_INTEGER} AND {{0}} <= {_LARGEST_INTEGER} "
    "THEN CAST({0} AS BIGINT) END",
    "float": f"CASE WHEN abs({{0}}) < {_LEAST_FLOAT} THEN CAST(0 AS DOUBLE PRECISION) "
    f"WHEN abs({{0}}) <= {_LARGEST_FLOAT} THEN CAST({{0}} AS DOUBLE PRECISION) END",
}
_CONDITIONS = {
    "exists": "{0} IS NOT NULL",
    "is_null": "jsonb_typeof({0}) IS NOT DISTINCT FROM 'null'",
    "is_none": "coalesce(jsonb_typeof({0}), 'null') = 'null'",
    "has_key": "jsonb_typeof({0}) = 'object' AND {0} ? {1}",
    "contains": "{0} @> {1}",
    "equal": "{0} = {1}",
}


def _part(document: str, steps: Steps) -> str:
    part = document
    for step in steps:
        if isinstance(step, str):
            part = f"({part} -> {text_literal(step, POSTGRES)})"
        else:
            # In strict mode, there is no element of anything but an array, and none beyond its ends.
            place = step if step >= 0 else "last" if step == -1 else f"last - {-step - 1}"
            part = f"jsonb_path_query_first({part}, 'strict $[{place}]', '{{}}', true)"
    return part if part is document or part.startswith("(") else f"({part})"


def _steps(strings: Sequence[str]) -> list[str | int]:
    """Return the steps of the strings of a part."""
    steps: list[str | int] = []
    left = list(reversed(strings))
    while left:
        text = left.pop()
        # An index is followed by the variables of its path, of which there are none.
        index = _INDEX.fullmatch(text) if left and left[-1] == "{}" else None
        if index is None:
            steps.append(text)
        else:
            left.pop()
            first, last, before = index.groups()
            steps.append(int(first) if last is None else -1 - int(before or 0))
    return steps


def _document(value: Any) -> Operand:
    return sa.bindparam(None, json_text(value), JSON(), unique=True)


def _shape(changes: Any, operands: list[Operand]) -> Any:
    """Return the places of the operands: keys to remove, values to set, and objects to change."""

    def place(operand: Operand) -> int:
        operands.append(operand)
        return len(operands) - 1

    def key(name: str) -> int:
        return place(sa.bindparam(None, name, sa.Text(), unique=True))

    removed = [key(name) for name, value in changes.items() if value is None]
    plain = {name: value for name, value in changes.items() if value is not None and not isinstance(value, dict)}
    nested: list[Any] = []
    values = place(_document(plain))
    for name, value in changes.items():
        if isinstance(value, dict):
            # The key stands in the text twice.
            nested.append([key(name), key(name), _shape(value, operands)])
    return [removed, values, nested]


def _patched(document: str, shape: Any, operands: Sequence[str]) -> str:
    """Return a document after a patch; sub-selects name it, so that its text is not repeated."""
    removed, values, nested = shape
    without = "".join([f" - {operands[place]}" for place in removed])
    made = f"(deebase_o.d{without}) || {operands[values]}"
    for key, again, inner in nested:
        changed = _patched(f"deebase_o.d -> {operands[key]}", inner, operands)
        made = f"{made} || jsonb_build_object({operands[again]}, {changed})"
    whole = "CASE WHEN jsonb_typeof(deebase_v.d) = 'object' THEN deebase_v.d ELSE CAST('{}' AS JSONB) END"
    return f"(SELECT {made} FROM (SELECT {whole} AS d FROM (SELECT {document} AS d) AS deebase_v) AS deebase_o)"
