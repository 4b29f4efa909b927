"""No module, class or function grows past what one can read at a sitting."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

from tests.support.tree import parse, python_modules, relative

MODULE_LINES = 400
CLASS_LINES = 400
FUNCTION_LINES = 60

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstring_lines(tree: ast.AST) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def code_lines(path: Path) -> set[int]:
    """Line numbers that hold code: not blank, not a comment, not a docstring."""
    text = path.read_text(encoding="utf-8")
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - docstring_lines(parse(path))


MODULES = [pytest.param(path, id=relative(path)) for path in python_modules()]


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_no_longer_than_allowed(path: Path) -> None:
    assert len(code_lines(path)) <= MODULE_LINES


@pytest.mark.parametrize("path", MODULES)
def test_classes_and_functions_are_no_longer_than_allowed(path: Path) -> None:
    lines = code_lines(path)
    too_long = []
    for node in ast.walk(parse(path)):
        if isinstance(node, Definition):
            size = sum(1 for line in range(node.lineno, (node.end_lineno or node.lineno) + 1) if line in lines)
            if size > (CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES):
                too_long.append(f"{relative(path)}:{node.lineno} {node.name}: {size} lines")
    assert not too_long


@pytest.mark.parametrize("path", MODULES)
def test_a_module_is_named_after_what_it_holds(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc"}
