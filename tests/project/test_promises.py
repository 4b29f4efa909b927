"""Each promise and each threat of the table in tests/README.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.support.tree import ROOT, parse

TESTS = ROOT / "tests"
ROW = re.compile(r"^\| ([RS]\d+) \| (.+?) \| (.*) \|$", re.MULTILINE)
ROWS = ROW.findall((TESTS / "README.md").read_text(encoding="utf-8"))


def test_every_promise_has_a_row() -> None:
    assert [name for name, _, _ in ROWS] == [f"R{n}" for n in range(1, 33)] + [f"S{n}" for n in range(1, 18)]


def test_the_tests_of_a_row_exist() -> None:
    defined: dict[str, set[str]] = {}
    for name, _, named in ROWS:
        tests = re.findall(r"`([^`]+)::([^`]+)`", named)
        assert tests, f"{name} is not proved by anything"
        for file, function in tests:
            if file not in defined:
                assert (TESTS / file).is_file(), file
                defined[file] = functions_of(TESTS / file)
            assert function in defined[file], f"{file}::{function}"


def functions_of(path: Path) -> set[str]:
    return {node.name for node in parse(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
