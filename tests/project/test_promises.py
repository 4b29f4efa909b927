"""Each promise and each threat of the table in tests/README.md names tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support.tree import ROOT, parse

TESTS = ROOT / "tests"
ROW = re.compile(r"^\| ([RS]\d+) \| (.+?) \| (.*) \|$", re.MULTILINE)
ROWS = ROW.findall((TESTS / "README.md").read_text(encoding="utf-8"))


def test_every_promise_has_a_row() -> None:
    assert [name for name, _, _ in ROWS] == [f"R{n}" for n in range(1, 33)] + [f"S{n}" for n in range(1, 18)]


@pytest.mark.parametrize(("name", "named"), [pytest.param(name, tests, id=name) for name, _, tests in ROWS])
def test_the_tests_of_a_row_exist(name: str, named: str) -> None:
    tests = re.findall(r"`([^`]+)::([^`]+)`", named)
    assert tests, f"{name} is not proved by anything"
    for file, function in tests:
        path = TESTS / file
        assert path.is_file(), file
        defined = {node.name for node in parse(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert function in defined, f"{file}::{function}"
