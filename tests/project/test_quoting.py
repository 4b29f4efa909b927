"""SQL is quoted in one place: no other module puts quotes around a name or a text, or takes them away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import deebase

ROOT = Path(deebase.__file__).parent
MODULES = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] != "_sqltext"]
#: CSV, and the source of Python.
NOT_SQL = {"_files/formats.py", "tools/codegen/value_source.py"}
_SQL = re.compile(r"\b(?:SELECT|CREATE|DROP|ALTER|INSERT|UPDATE|DELETE|FROM|WHERE|AND|OR|IN|AS|SET|GLOB|LIKE|PRAGMA)\b")
_QUOTES = {"'", '"', "`", "''", '""', "``"}


def by_hand(source: str) -> Iterator[int]:
    """Yield the lines of a module that double quotes, put them around something, or interpolate between them in SQL."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace":
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if len(texts) == 2 and set(texts) <= _QUOTES and texts[0][0] == texts[1][0]:
                yield node.lineno
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
            if _QUOTES.intersection(sides):
                yield node.lineno
        elif isinstance(node, ast.JoinedStr) and _between_quotes(node):
            yield node.lineno


def _between_quotes(node: ast.JoinedStr) -> bool:
    # A constant of a module needs no quoting.
    parts = [
        str(part.value) if isinstance(part, ast.Constant) else "X" if _is_constant(part) else None
        for part in node.values
    ]
    if not any(part is not None and _SQL.search(part) for part in parts):
        return False
    triples = zip(parts, parts[1:], parts[2:], strict=False)
    return any(
        before and after and value is None and before[-1] == after[0] and before[-1] in _QUOTES
        for before, value, after in triples
    )


def _is_constant(part: ast.expr) -> bool:
    return isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name) and part.value.id.isupper()


def test_no_module_quotes_by_hand() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in MODULES
        if path.relative_to(ROOT).as_posix() not in NOT_SQL
        for line in by_hand(path.read_text(encoding="utf-8"))
    ]
    assert len(MODULES) > 200
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        """x = text.replace("'", "''")""",
        """x = '"' + name + '"'""",
        """x = name.replace('"', '""')""",
        """x = text.replace("''", "'")""",
        """x = f'DROP TABLE "{name}"'""",
        '''x = f"SELECT 1 WHERE a = '{text}' AND b"''',
    ],
)
def test_quoting_by_hand_is_seen(line: str) -> None:
    assert set(by_hand(line)) == {1}


@pytest.mark.parametrize("line", ['''x = f"a condition cannot hold '{mark}'"''', """x = text.replace("\\n", "'")"""])
def test_messages_are_not_sql(line: str) -> None:
    assert list(by_hand(line)) == []
